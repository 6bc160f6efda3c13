package manage_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/mail"
	"gatehouse/idp/manage"
	"gatehouse/idp/manage/authz"
	"gatehouse/idp/manage/system"
)

// post lets the office send to a mailbox.
func (o *office) post(t *testing.T) *idptest.Mailbox {
	t.Helper()
	box := idptest.NewMailbox(t)
	sender, err := mail.New(mail.Config{Server: box.Address, Security: mail.Plain, From: "RTX <no-reply@rtx.example>"})
	idptest.Must(t, err)
	t.Cleanup(func() { _ = sender.Close() })
	o.refit(func(p *manage.Parts) { p.Mailer = sender })
	return box
}

// expectTested fails unless the newest test mail in the audit log is this one.
func (o *office) expectTested(t *testing.T, n int, actor string, detail map[string]string) {
	t.Helper()
	events := o.events(t, idp.AuditMailTested, "")
	if len(events) != n {
		t.Fatalf("%d events, want %d", len(events), n)
	}
	want := idp.AuditEvent{Kind: idp.AuditMailTested, ActorID: actor, Detail: detail}
	if diff := cmp.Diff(want, events[0], cmpopts.IgnoreFields(want, "ID", "At")); diff != "" {
		t.Error(diff)
	}
}

func TestTestMailArrivesAtOnce(t *testing.T) {
	t.Parallel()
	inOffice(t, func(t *testing.T, o *office) {
		box := o.post(t)
		// No second step, no reason: it changes nothing.
		idptest.Must(t, o.System.TestMail(t.Context(), authz.Actor{UserID: "ada", Permissions: []string{idp.PermissionAuthentication}}, " maya@rtx.example "))
		got := box.All("")
		if len(got) != 1 || got[0].To != "maya@rtx.example" || got[0].Subject != "Test mail" || got[0].Text == "" || got[0].HTML == "" {
			t.Fatalf("%d mails: %.200q", len(got), got)
		}
		o.expectTested(t, 1, "ada", map[string]string{"to": "m•••@rtx.example", "outcome": "sent"})
		idptest.Must(t, o.System.TestMail(t.Context(), authz.System(), "kim@rtx.example"))
		o.expectTested(t, 2, "", map[string]string{"to": "k•••@rtx.example", "outcome": "sent", "by": "command_line"})
		if n := query[int](t, o, "SELECT COUNT(*) FROM outbox"); n != 0 || len(box.All("kim@rtx.example")) != 1 {
			t.Errorf("%d in the outbox, %d arrived", n, len(box.All("")))
		}
	})
}

func TestTestMailNeedsOneAddress(t *testing.T) {
	t.Parallel()
	inOffice(t, func(t *testing.T, o *office) {
		box := o.post(t)
		for _, to := range []string{
			"", " ", "maya", "Maya <maya@rtx.example>", "maya@rtx.example, kim@rtx.example",
			"maya@rtx.example\r\nBcc: all@rtx.example", strings.Repeat("m", 250) + "@rtx.example",
		} {
			expectField(t, to, o.System.TestMail(t.Context(), everything(), to), "email")
		}
		if n := len(box.All("")) + len(o.events(t, idp.AuditMailTested, "")); n != 0 {
			t.Errorf("%d traces", n)
		}
	})
}

func TestTestMailSaysWhatTheServerSays(t *testing.T) {
	t.Parallel()
	inOffice(t, func(t *testing.T, o *office) {
		box := o.post(t)
		idptest.Must(t, o.System.TestMail(t.Context(), authz.System(), "kim@rtx.example")) // now it surely serves
		box.Down()
		err := o.System.TestMail(t.Context(), everything(), "maya@rtx.example")
		if err == nil || errors.Is(err, idp.ErrInvalid) || errors.Is(err, system.ErrNoMail) {
			t.Fatalf("%v", err)
		}
		if strings.Contains(err.Error(), "maya@") {
			t.Errorf("%v tells the address", err)
		}
		o.expectTested(t, 2, "ada", map[string]string{"to": "m•••@rtx.example", "outcome": err.Error()})
		box.Up()
		if err := o.System.TestMail(t.Context(), everything(), "maya@rtx.example"); err != nil || box.Next("maya@rtx.example").Text == "" {
			t.Errorf("when it is up again: %v", err)
		}
	})
}

func TestNoTestMailWithoutAServer(t *testing.T) {
	t.Parallel()
	inOffice(t, func(t *testing.T, o *office) {
		o.refit(func(p *manage.Parts) { p.Mailer = nil })
		for _, a := range []authz.Actor{everything(), authz.System()} {
			if err := o.System.TestMail(t.Context(), a, "maya@rtx.example"); !errors.Is(err, system.ErrNoMail) {
				t.Errorf("%v", err)
			}
		}
		if err := o.System.TestMail(t.Context(), holder(idp.PermissionUsers), "maya@rtx.example"); !errors.Is(err, authz.ErrForbidden) {
			t.Errorf("somebody else hears %v", err)
		}
		if n := len(o.events(t, idp.AuditMailTested, "")); n != 0 {
			t.Errorf("%d events", n)
		}
	})
}
