package admin_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
)

func mailed(t *testing.T, db *idptest.Database) (*house, *idptest.Mailbox) {
	t.Helper()
	app, box := idptest.StartWithMail(t, db.URL)
	return &house{App: app, t: t, db: db}, box
}

func TestSomebodyIsInvitedInTheConsole(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		h, box := mailed(t, db)
		h.person("admin@rtx.example", idp.RoleAdmin)
		b, _ := h.enters("admin@rtx.example")
		want(t, h.page(b, "/people?population=contacts"), http.StatusOK, "People", "Invite a person", "/admin/people/invitations?population=contacts")
		form := h.page(b, "/people/invite?population=contacts")
		want(t, form, http.StatusOK, "Invite a person", `value="contacts" selected`)
		bad := b.Submit(form, "/invite", "email", "no <script>", "name", "Some <b>body</b>", "population", idp.Contacts)
		want(t, bad, http.StatusUnprocessableEntity, "Invite a person", "is not an email address.", "Some &lt;b&gt;body")
		bad = b.Submit(form, "/invite", "email", "ADMIN@rtx.example", "population", idp.Agents)
		want(t, bad, http.StatusConflict, "Invite a person", "This email is already in use")
		done := b.Submit(form, "/invite", "email", "new@rtx.example", "name", "New", "population", idp.Contacts, "roles", idp.RoleManager)
		want(t, done, http.StatusOK, "People", "The invitation is on its way.", "new@rtx.example", "Manager", "Link works until")
		first := box.Next("new@rtx.example")
		if strings.Contains(first.Text, "Network address") {
			t.Errorf("the mail says where the admin sits:\n%s", first.Text)
		}
		again := b.Submit(form, "/invite", "email", "NEW@rtx.example", "population", idp.Contacts)
		want(t, again, http.StatusConflict, "Invite a person", "or already invited")

		done = b.Submit(done, "/resend")
		want(t, done, http.StatusOK, "People", "The invitation is sent again.")
		if second := box.Next("new@rtx.example"); second.Text == first.Text {
			t.Error("it was sent again with the same link")
		}
		stale := done
		done = b.Submit(done, "/revoke")
		want(t, done, http.StatusOK, "People", "The invitation is revoked.", "No open invitations")
		want(t, b.Submit(stale, "/revoke"), http.StatusConflict, "People", "accepted or revoked meanwhile")
		want(t, b.Submit(stale, "/resend"), http.StatusConflict, "People", "accepted or revoked meanwhile")
		if h.Audited(idp.AuditInvited) != 1 || h.Audited(idp.AuditInvitationResent) != 1 || h.Audited(idp.AuditInvitationRevoked) != 1 {
			t.Error("the audit log misses it")
		}
	})
}

// Whoever may not manage users neither sees nor sends invitations, whatever they post,
// and a manager's page has no button for what an admin sent.
func TestInvitationsAreForWhoManagesUsers(t *testing.T) {
	t.Parallel()
	h, _ := mailed(t, idptest.Alone(t))
	h.person("admin@rtx.example", idp.RoleAdmin)
	admin, _ := h.enters("admin@rtx.example")
	list := admin.Submit(h.page(admin, "/people/invite"), "/invite", "email", "boss@rtx.example", "population", idp.Agents, "roles", idp.RoleAdmin)
	target, _, _ := list.Form("/revoke")

	h.person("manager@rtx.example", idp.RoleManager)
	manager, _ := h.enters("manager@rtx.example")
	page := h.page(manager, "/people/invitations?population=agents")
	want(t, page, http.StatusOK, "People", "boss@rtx.example")
	lacks(t, page, "/revoke", "/resend")
	want(t, manager.Post(target, nil), http.StatusForbidden, notAllowed)
	want(t, manager.Post(strings.Replace(target, "/revoke", "/resend", 1), nil), http.StatusForbidden, notAllowed)

	h.person("reader@rtx.example", h.newRole("reader", idp.PermissionAudit))
	reader, _ := h.enters("reader@rtx.example")
	for _, path := range []string{"/people/invite", "/people/invitations", "/authentication/contacts/registration"} {
		want(t, h.page(reader, path), http.StatusForbidden, notAllowed)
	}
	for _, path := range []string{"/people/invite", "/authentication/contacts/registration"} {
		want(t, reader.Post(h.Issuer+"/admin"+path, nil), http.StatusForbidden, notAllowed)
	}
	want(t, reader.Post(target, nil), http.StatusForbidden, notAllowed)
	if h.Audited(idp.AuditInvitationRevoked) != 0 {
		t.Error("the invitation was revoked")
	}
}

func TestRegistrationIsOpenedInTheConsole(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		h, _ := mailed(t, db)
		h.person("admin@rtx.example", idp.RoleAdmin)
		b, _ := h.enters("admin@rtx.example")
		want(t, h.page(b, "/authentication/contacts"), http.StatusOK, "Contact Authentication", "/authentication/contacts/registration")
		form := h.page(b, "/authentication/contacts/registration")
		want(t, form, http.StatusOK, "Contact Authentication", "Self-registration")
		bad := b.Submit(form, "/registration", "open", "on", "allowed", "customer.example\n*.<b>", "denied", "x.example")
		want(t, bad, http.StatusUnprocessableEntity, "Contact Authentication", "is not a domain such as example.com.", "*.&lt;b&gt;")
		done := b.Submit(form, "/registration", "open", "on", "allowed", " @Customer.example \r\nbücher.example\r\n", "denied", "trial.customer.example")
		want(t, done, http.StatusOK, "Contact Authentication", "Saved.", "customer.example\nxn--bcher-kva.example</textarea>", "checked")
		want(t, b.Submit(form, "/registration"), http.StatusConflict, "Contact Authentication", "customer.example")
		p, err := h.Store.Population(t.Context(), idp.Contacts)
		if err != nil || !p.Registration.Open || len(p.Registration.Allowed) != 2 || len(p.Registration.Denied) != 1 {
			t.Errorf("saved as %+v, %v", p.Registration, err)
		}
		h.AgeProofs(11 * time.Minute)
		if page := b.Submit(done, "/registration"); page.Status == http.StatusOK && page.Heading() == "Contact Authentication" {
			t.Error("it was changed with an old second step")
		}
	})
}

// Without a mail server nobody can be invited, and registration cannot be opened.
func TestNobodyIsInvitedWithoutMail(t *testing.T) {
	t.Parallel()
	h := open(t, idptest.Alone(t))
	h.person("admin@rtx.example", idp.RoleAdmin)
	b, _ := h.enters("admin@rtx.example")
	lacks(t, h.page(b, "/people"), "/people/invite\"", "/people/invite?")
	want(t, b.Submit(h.page(b, "/people/invite"), "/invite", "email", "new@rtx.example", "population", idp.Agents), http.StatusConflict,
		"Invite a person", "No mail server is connected")
	form := h.page(b, "/authentication/contacts/registration")
	want(t, form, http.StatusOK, "Contact Authentication", "No mail server is connected")
	want(t, b.Submit(form, "/registration", "open", "on"), http.StatusUnprocessableEntity, "Contact Authentication", "no mail server is connected")
}
