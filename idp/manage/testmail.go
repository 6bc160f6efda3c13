package manage

import (
	"context"
	"errors"

	"gatehouse/idp"
	"gatehouse/idp/mail"
	"gatehouse/ui"
)

// ErrNoMail: no mail server is configured.
var ErrNoMail = errors.New("no mail server is configured")

// TestMail sends a mail that says that mail works, at once and past the outbox, so
// that the answer is the mail server's own. It needs the permission to change
// sign-in methods.
func (m *Manager) TestMail(ctx context.Context, a Actor, to string) error {
	if err := m.allow(ctx, a, request{op: "TestMail"}); err != nil {
		return err
	}
	if m.Mailer == nil {
		return ErrNoMail
	}
	to = keptEmail(to)
	if err := checkUser(idp.User{Email: to}); err != nil {
		return err
	}
	letter, err := m.Write(ui.Mail{Kind: ui.MailTest, MailFrame: ui.MailFrame{Account: to, At: idp.Now()}})
	if err != nil {
		return err
	}
	if err := m.mailing(ctx, a, to); err != nil {
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
	e := a.audit(idp.AuditMailTested, "", map[string]string{"to": idp.MaskEmail(to), "outcome": outcome})
	return errors.Join(sent, m.Store.Audit(ctx, e))
}
