package mailbox

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

func (m *Mailbox) newSMTPServer(config *tls.Config) *smtp.Server {
	s := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) {
		return &delivery{mailbox: m}, nil
	}))
	s.Domain = "localhost"
	s.TLSConfig = config
	s.MaxMessageBytes = maxMessageBytes
	s.MaxRecipients = maxRecipients
	s.ReadTimeout = readTimeout
	s.WriteTimeout = writeTimeout
	s.AllowInsecureAuth = true // any password is right, so none is at risk
	s.EnableSMTPUTF8 = true
	s.ErrorLog = smtpLog{m.log}
	return s
}

// delivery is one SMTP conversation.
type delivery struct {
	mailbox *Mailbox
	from    string
	to      []string
}

// AuthMechanisms implements smtp.AuthSession.
func (d *delivery) AuthMechanisms() []string { return []string{sasl.Plain} }

// Auth implements smtp.AuthSession: every name and password will do.
func (d *delivery) Auth(mechanism string) (sasl.Server, error) {
	if mechanism != sasl.Plain {
		return nil, smtp.ErrAuthUnknownMechanism
	}
	return sasl.NewPlainServer(func(string, string, string) error { return nil }), nil
}

// Mail implements smtp.Session.
func (d *delivery) Mail(from string, _ *smtp.MailOptions) error {
	d.from = from
	return nil
}

// Rcpt implements smtp.Session: every recipient will do.
func (d *delivery) Rcpt(to string, _ *smtp.RcptOptions) error {
	d.to = append(d.to, to)
	return nil
}

// Data implements smtp.Session.
func (d *delivery) Data(r io.Reader) error {
	raw, err := io.ReadAll(r)
	if err != nil {
		var refused *smtp.SMTPError
		if errors.As(err, &refused) {
			return refused
		}
		return fmt.Errorf("receiving a message: %w", err)
	}
	d.mailbox.mail.add(parse(raw, envelope{d.from, d.to}))
	return nil
}

// Reset implements smtp.Session.
func (d *delivery) Reset() { d.from, d.to = "", nil }

// Logout implements smtp.Session.
func (d *delivery) Logout() error { return nil }

// smtpLog hands the library's complaints to slog.
type smtpLog struct{ log *slog.Logger }

// Printf implements smtp.Logger.
func (l smtpLog) Printf(format string, v ...any) {
	l.log.Warn("receiving mail", "error", fmt.Sprintf(format, v...))
}

// Println implements smtp.Logger.
func (l smtpLog) Println(v ...any) { l.log.Warn("receiving mail", "error", fmt.Sprint(v...)) }
