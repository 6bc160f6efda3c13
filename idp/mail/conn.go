package mail

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/wneessen/go-mail/smtp"

	"gatehouse/idp"
)

// longAgo as a deadline ends whatever waits.
var longAgo = time.Unix(1, 0)

// maxReply is how much is read from a server in one exchange, in bytes, so that it
// cannot fill our memory.
const maxReply = 256 << 10

// limitedConn is a connection from which only so much is read.
type limitedConn struct {
	net.Conn
	left int // bytes; only the goroutine that uses the connection changes it
}

// Read implements net.Conn.
func (c *limitedConn) Read(p []byte) (int, error) {
	if c.left <= 0 {
		return 0, errReplyTooLong
	}
	n, err := c.Conn.Read(p[:min(len(p), c.left)])
	c.left -= n
	return n, err
}

// conn is one connection that may carry mails.
type conn struct {
	raw    *limitedConn
	client *smtp.Client
	reused bool
	broken bool        // it carries no further mail
	expiry *time.Timer // while it is idle
}

// within runs f, which talks to the server, until ctx ends at the latest. Then
// the error is that of ctx.
func (c *conn) within(ctx context.Context, f func() error) error {
	if err := c.raw.SetDeadline(time.Time{}); err != nil {
		c.broken = true
		return err
	}
	c.raw.left = maxReply
	stop := context.AfterFunc(ctx, func() { _ = c.raw.SetDeadline(longAgo) })
	err := f()
	if !stop() {
		c.broken = true
		if err != nil {
			return fmt.Errorf("%w (%w)", ctx.Err(), err)
		}
	}
	return err
}

// open connects, protects the connection and says who we are.
func (s *Sender) open(ctx context.Context) (*conn, error) {
	dialing, cancel := context.WithTimeout(ctx, connectLimit)
	defer cancel()
	raw, err := s.dial(dialing, net.JoinHostPort(s.set.host, s.set.port))
	if err != nil {
		return nil, fmt.Errorf("connecting: %w", err)
	}
	c := &conn{raw: &limitedConn{Conn: raw}}
	if err := c.within(ctx, func() error { return s.greet(ctx, c) }); err != nil {
		_ = raw.Close()
		return nil, err
	}
	return c, nil
}

// greet brings a fresh connection to where mails can be sent.
func (s *Sender) greet(ctx context.Context, c *conn) error {
	protection := &tls.Config{ServerName: s.set.host, RootCAs: s.set.RootCAs, MinVersion: tls.VersionTLS12}
	var line net.Conn = c.raw
	if s.set.Security == TLS {
		protected := tls.Client(c.raw, protection)
		if err := protected.HandshakeContext(ctx); err != nil {
			return early("TLS", err)
		}
		line = protected
	}
	client, err := smtp.NewClient(line, s.set.host)
	if err != nil {
		return early("greeting", err)
	}
	c.client = client
	if err := client.Hello(ownName(c.raw)); err != nil {
		return early("EHLO", err)
	}
	if s.set.Security == StartTLS {
		if offered, _ := client.Extension("STARTTLS"); !offered {
			return errNoUpgrade
		}
		// The library forgets what it read and knew before (RFC 3207 section 4.2).
		if err := client.StartTLS(protection); err != nil {
			return early("STARTTLS", err)
		}
	}
	return s.authenticate(client)
}

// authenticate proves who we are, if we have a password (RFC 4954).
func (s *Sender) authenticate(client *smtp.Client) error {
	if s.set.Username == "" {
		return nil
	}
	_, param := client.Extension("AUTH")
	offered := strings.Fields(strings.ToUpper(param))
	var proof smtp.Auth
	switch {
	// complete has seen to it that a password in the clear stays on this machine.
	case slices.Contains(offered, "PLAIN"):
		proof = smtp.PlainAuth("", s.set.Username, s.set.Password, s.set.host, true)
	case slices.Contains(offered, "LOGIN"):
		proof = smtp.LoginAuth(s.set.Username, s.set.Password, s.set.host, true)
	default:
		return errors.New("AUTH: the server offers neither PLAIN nor LOGIN")
	}
	err := client.Auth(proof)
	if a := answerOf(err); a != nil && a.code >= 500 {
		return fmt.Errorf("AUTH: the server refuses our user name or password: %w", a)
	}
	if err != nil {
		return late("AUTH", err)
	}
	return nil
}

// ownName is what we call ourselves in EHLO: a full host name, or else our
// address, which is always true (RFC 5321 section 4.1.4).
func ownName(raw net.Conn) string {
	if name, err := os.Hostname(); err == nil && strings.Contains(name, ".") && ascii(name) && hostForm.MatchString(name) {
		return name
	}
	if at, ok := raw.LocalAddr().(*net.TCPAddr); ok {
		if ip := at.IP.To4(); ip != nil {
			return "[" + ip.String() + "]"
		}
		return "[IPv6:" + at.IP.String() + "]"
	}
	return "localhost"
}

// alive asks an idle connection whether the server still listens, and forgets a
// mail that was refused half-way.
func (c *conn) alive(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, aliveLimit)
	defer cancel()
	return c.within(ctx, c.client.Reset) == nil
}

// send sends the mail. again tells that the fault may be the connection's age,
// and that the server has certainly not got the mail.
func (c *conn) send(ctx context.Context, l *letter) (again bool, err error) {
	err = c.within(ctx, func() error {
		again, err = c.transact(l)
		return err
	})
	return again && c.reused && ctx.Err() == nil, err
}

func (c *conn) transact(l *letter) (again bool, err error) {
	if offered, _ := c.client.Extension("SMTPUTF8"); l.utf8 && !offered {
		return false, &PermanentError{Cause: errNoUTF8}
	}
	c.client.SkipSMTPUTF8(!l.utf8)
	if err := c.client.Mail(l.from); err != nil {
		c.note(err)
		if l.utf8 {
			return true, ofMail("sender and SMTPUTF8", err)
		}
		// Who may send as whom is the operator's to settle, also with a 5xx.
		return true, late("sender", err)
	}
	if err := c.client.Rcpt(l.to); err != nil {
		return c.note(err), ofMail("recipient", err)
	}
	w, err := c.client.Data()
	if err != nil {
		return c.note(err), ofMail("DATA", err)
	}
	_, err = w.Write(l.data)
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		c.note(err)
		return false, ofMail("message", err)
	}
	return false, nil
}

// note tells whether err means the end of the connection, and keeps that in mind:
// all but answers do, and of those 421 (RFC 5321 section 3.8).
func (c *conn) note(err error) bool {
	a := answerOf(err)
	gone := a == nil || a.code == 421
	c.broken = c.broken || gone
	return gone
}

// quit says goodbye, for a second at most, and closes.
func (c *conn) quit() {
	if c.client != nil && !c.broken {
		_ = c.raw.SetDeadline(idp.Now().Add(time.Second))
		_ = c.client.Quit()
	}
	_ = c.raw.Close()
}
