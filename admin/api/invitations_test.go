package api_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"gatehouse/admin/api"
	"gatehouse/idp/mail"
	"gatehouse/idp/manage"
)

// taken takes every mail.
type taken struct{}

func (taken) Send(context.Context, mail.Message) error { return nil }

func TestInvitations(t *testing.T) {
	inOffice(t, func(t *testing.T, o *office) {
		guest := object{"population": "contacts", "email": "guest@rtx.example", "name": "Guest", "roles": []string{"manager"}}
		want(t, "without mail", o.ask("all", "createInvitation", "/invitations", guest), http.StatusConflict, "conflict")
		o.refit(func(p *manage.Parts) { p.Mailer = taken{} })
		made := o.ask("all", "createInvitation", "/invitations", guest)
		want(t, "invite", made, http.StatusCreated, "")
		e := into[api.Invitation](t, made)
		path := "/invitations/" + e.ID
		if !strings.HasSuffix(made.header.Get("Location"), path) {
			t.Errorf("it is found at %q", made.header.Get("Location"))
		}
		want(t, "invite again", o.ask("all", "createInvitation", "/invitations", guest), http.StatusConflict, "conflict")
		bad := o.ask("all", "createInvitation", "/invitations", object{"population": "contacts", "email": "a b@rtx.example"})
		if bad.status != http.StatusUnprocessableEntity && bad.status != http.StatusBadRequest {
			t.Errorf("a broken address: %d %s", bad.status, bad.body)
		}
		list := into[api.InvitationList](t, o.ask("all", "listInvitations", "/invitations?population=contacts", nil))
		if len(list.Invitations) != 1 || list.Invitations[0].Name != "Guest" || list.Invitations[0].Expired || list.Invitations[0].Roles[0] != "manager" {
			t.Errorf("the list is %+v", list)
		}
		again := into[api.Invitation](t, o.ask("all", "resendInvitation", path+"/resend", nil))
		if again.ID != e.ID || again.ExpiresAt.Before(e.ExpiresAt) {
			t.Errorf("sent again as %+v", again)
		}
		o.service("users", "users.manage")
		want(t, "upward", o.ask("users", "revokeInvitation", path, nil), http.StatusForbidden, "forbidden")
		want(t, "read", o.ask("users", "getInvitation", path, nil), http.StatusOK, "")
		want(t, "revoke", o.ask("all", "revokeInvitation", path, nil), http.StatusNoContent, "")
		want(t, "revoke again", o.ask("all", "revokeInvitation", path, nil), http.StatusNotFound, "not_found")
		want(t, "resend then", o.ask("all", "resendInvitation", path+"/resend", nil), http.StatusNotFound, "not_found")
		want(t, "read then", o.ask("all", "getInvitation", path, nil), http.StatusNotFound, "not_found")
	})
}

func TestRegistrationIsSaved(t *testing.T) {
	inOffice(t, func(t *testing.T, o *office) {
		const path = "/populations/contacts"
		rules := object{"open": true, "allowed": []string{"RTX.example", "bücher.example"}, "denied": []string{}}
		etag := o.ask("all", "getPopulation", path, nil).header.Get("ETag")
		want(t, "without mail", o.ask("all", "saveRegistration", path+"/registration", rules, "If-Match", etag), http.StatusUnprocessableEntity, "unprocessable")
		o.refit(func(p *manage.Parts) { p.Mailer = taken{} })
		saved := o.ask("all", "saveRegistration", path+"/registration", rules, "If-Match", etag)
		want(t, "save", saved, http.StatusOK, "")
		r := into[api.Population](t, saved).Settings.Registration
		if !r.Open || len(r.Allowed) != 2 || r.Allowed[1] != "xn--bcher-kva.example" {
			t.Errorf("saved as %+v", r)
		}
		want(t, "stale", o.ask("all", "saveRegistration", path+"/registration", with(rules, "open", false), "If-Match", etag), http.StatusPreconditionFailed, "stale")
		rules["denied"] = []string{"not a domain"}
		bad := o.ask("all", "saveRegistration", path+"/registration", rules, "If-Match", saved.header.Get("ETag"))
		want(t, "no domain", bad, http.StatusUnprocessableEntity, "unprocessable")
		if p := bad.problem(t); p.Errors == nil || *(*p.Errors)[0].Pointer != "/denied" {
			t.Errorf("%s", bad.body)
		}
	})
}
