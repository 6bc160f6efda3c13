package system

import (
	"context"
	"errors"

	"gatehouse/idp"
	"gatehouse/idp/mail"
	"gatehouse/idp/manage/authz"
	"gatehouse/idp/manage/entry"
	"gatehouse/idp/manage/people"
	"gatehouse/ui"
)

// ErrNoMail: no mail server is configured.
var ErrNoMail = errors.New("no mail server is configured")

// TestMail sends a mail that says that mail works, at once and past the outbox, so
// that the answer is the mail server's own. It needs the permission to change
// sign-in methods.
func (m *Manager) TestMail(ctx context.Context, a authz.Actor, to string) error {
	if err := m.Authz.Authorize(ctx, a, authz.Request{Op: "TestMail"}); err != nil {
		return err
	}
	if m.Mailer == nil {
		return ErrNoMail
	}
	to = entry.KeptEmail(to)
	if err := people.CheckUser(idp.User{Email: to}); err != nil {
		return err
	}
	letter, err := m.Write(ui.Mail{Kind: ui.MailTest, MailFrame: ui.MailFrame{Account: to, At: idp.Now()}})
	if err != nil {
		return err
	}
	if err := m.Authz.Mailing(ctx, a, to); err != nil {
		return err
	}
	if err := m.Store.AskWitness(ctx); err != nil {
		return err
	}
	sent := m.Mailer.Send(ctx, mail.Message{ID: idp.NewID(), To: to, Subject: letter.Subject, Text: letter.Text, HTML: letter.HTML})
	outcome := "sent"
	if sent != nil {
		outcome = sent.Error()
	}
	e := a.Audit(idp.AuditMailTested, "", map[string]string{"to": idp.MaskEmail(to), "outcome": outcome})
	return errors.Join(sent, m.Store.Audit(ctx, e))
}
