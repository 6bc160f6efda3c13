package mail_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/textproto"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"gatehouse/idp"
	"gatehouse/idp/mail"
)

// A network that hides STARTTLS must not make us talk in the clear.
func TestStartTLSIsMandatory(t *testing.T) {
	s := start(t, mail.StartTLS, func(s *server) {
		s.TLSConfig, s.mech, s.AllowInsecureAuth = nil, []string{"PLAIN"}, true
		s.cfg.Username, s.cfg.Password = userName, password
	})
	wantTemporary(t, s.sender(t).Send(t.Context(), message()), "STARTTLS")
	for _, command := range []string{"AUTH", "MAIL", "RCPT", "DATA"} {
		if strings.Contains(s.heard(), command) {
			t.Errorf("%s went over the network in the clear", command)
		}
	}
	if len(s.taken()) != 0 || len(s.users) != 0 {
		t.Error("a mail or a password was sent")
	}
}

func TestWrongCertificate(t *testing.T) {
	for _, security := range []mail.Security{mail.StartTLS, mail.TLS} {
		_, stranger := certificate(t)
		for what, change := range map[string]func(c *mail.Config){
			"unknown authority": func(c *mail.Config) { c.RootCAs = stranger },
			"valid for":         func(c *mail.Config) { c.Server = strings.Replace(c.Server, "127.0.0.1", "localhost", 1) },
		} {
			s := start(t, security, func(s *server) {
				s.mech = []string{"PLAIN"}
				s.cfg.Username, s.cfg.Password = userName, password
				change(&s.cfg)
			})
			err := s.sender(t).Send(t.Context(), message())
			if err == nil || !strings.Contains(err.Error(), "certificate") || len(s.taken()) != 0 || len(s.users) != 0 {
				t.Errorf("%s, %s: got %v and %d mails", security, what, err, len(s.taken()))
			}
		}
	}
}

// The port of STARTTLS does not speak TLS at once, and the error gives a hint.
func TestWrongSecurity(t *testing.T) {
	s := start(t, mail.StartTLS, func(s *server) { s.cfg.Security = mail.TLS })
	wantTemporary(t, s.sender(t).Send(t.Context(), message()), "is the security right for this port?")
}

func TestRefusals(t *testing.T) {
	said := func(status int, text string) func() error {
		return func() error {
			return &smtp.SMTPError{Code: status, EnhancedCode: smtp.EnhancedCode{status / 100, 1, 1}, Message: text + " " + maya + " " + code}
		}
	}
	for _, tt := range []struct {
		name       string
		rcpt, data func() error
		final      bool
		want       string
	}{
		{"no such recipient", said(550, "unknown"), nil, true, "recipient: 550 5.1.1"},
		{"recipient later", said(451, "greylisted"), nil, false, "recipient: 451 4.1.1"},
		{"message refused", nil, said(554, "spam"), true, "message: 554 5.1.1"},
		{"message later", nil, said(452, "full"), false, "message: 452 4.1.1"},
		{"who are you", said(530, "authenticate"), nil, false, "recipient: 530 5.1.1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := start(t, mail.Plain, func(s *server) { s.rcpt, s.data = tt.rcpt, tt.data })
			sending := s.sender(t)
			for range 2 {
				err := sending.Send(t.Context(), message())
				if tt.final {
					wantPermanent(t, err, tt.want)
				} else {
					wantTemporary(t, err, tt.want)
				}
				wantNoSecret(t, err)
			}
			// A refusal is no reason to drop the connection.
			if conns, _, _ := s.counts(); conns != 1 {
				t.Errorf("%d connections", conns)
			}
		})
	}
}

// wantNoSecret fails if err, or anything that it wraps, holds what it must not.
func wantNoSecret(t *testing.T, err error) {
	t.Helper()
	secrets := []string{maya, "maya.okafor", code, "Your", password, base64.StdEncoding.EncodeToString([]byte(password))}
	secrets = append(secrets, base64.StdEncoding.EncodeToString([]byte("\x00"+userName+"\x00"+password)))
	var walk func(err error)
	walk = func(err error) {
		for _, secret := range secrets {
			if text := fmt.Sprintf("%v %+v", err, err); strings.Contains(text, secret) {
				t.Errorf("%q is in the error %q", secret, text)
			}
		}
		if inner := errors.Unwrap(err); inner != nil {
			walk(inner)
		}
		var several interface{ Unwrap() []error }
		if errors.As(err, &several) {
			for _, inner := range several.Unwrap() {
				walk(inner)
			}
		}
	}
	if err == nil {
		t.Fatal("there is no error")
	}
	walk(err)
}

// scripted is a server that answers by a function: nth connection, command line,
// to the answer; an empty answer closes the connection.
func scripted(t *testing.T, answer func(n int, command string) string) (mail.Config, *atomic.Int32) {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { _ = l.Close() })
	var conns atomic.Int32
	var mu sync.Mutex
	inner := answer
	answer = func(n int, command string) string {
		mu.Lock()
		defer mu.Unlock()
		return inner(n, command)
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			n := int(conns.Add(1))
			go func() {
				defer func() { _ = c.Close() }()
				text := textproto.NewConn(c)
				reply := answer(n, "")
				for reply != "" {
					if text.PrintfLine("%s", reply) != nil {
						return
					}
					line, err := text.ReadLine()
					if strings.HasPrefix(reply, "354") {
						for err == nil && line != "." {
							line, err = text.ReadLine()
						}
					}
					if err != nil {
						return
					}
					reply = answer(n, line)
				}
			}()
		}
	}()
	return mail.Config{
		Server: l.Addr().String(), Security: mail.Plain, From: "help@rtx.example",
		Username: userName, Password: password,
	}, &conns
}

// willing is how a server answers that takes everything.
func willing(command string) string {
	verb, _, _ := strings.Cut(command, " ")
	switch verb {
	case "":
		return "220 hello"
	case "EHLO":
		return "250-hello\r\n250 AUTH PLAIN LOGIN"
	case "AUTH":
		return "235 welcome"
	case "DATA":
		return "354 go on"
	case "QUIT":
		return "221 bye"
	}
	return "250 yes"
}

// A server that puts all it has heard into its answers must not get it into our
// errors, whatever it answers with.
func TestErrorsHoldNoSecrets(t *testing.T) {
	for _, form := range []string{"550 5.1.1 %s", "451 4.7.1 %s", "421 %s", "535 5.7.8 %s", "334 %s", "no SMTP %s", "5x5 %s", "550-a %[1]s\r\n550 %[1]s"} {
		for _, at := range []string{"AUTH", "MAIL", "RCPT", "DATA", "."} {
			t.Run(at+" "+form, func(t *testing.T) {
				all := "Your code is " + code + " " + maya + " " + password
				cfg, _ := scripted(t, func(_ int, command string) string {
					all += " " + command
					if strings.HasPrefix(command, at) {
						return fmt.Sprintf(form, all)
					}
					return willing(command)
				})
				err := sender(t, cfg).Send(t.Context(), message())
				wantNoSecret(t, err)
				if strings.ContainsAny(err.Error(), "\r\n") {
					t.Errorf("the error has lines: %q", err)
				}
			})
		}
	}
}

// Before it has heard a secret, a server may say why it wants nothing of us.
func TestGreetingIsTold(t *testing.T) {
	cfg, _ := scripted(t, func(int, string) string { return "554-5.7.1 you are\r\n554 5.7.1 on a list\x07" })
	wantTemporary(t, sender(t, cfg).Send(t.Context(), message()), "greeting: 554 5.7.1 you are 5.7.1 on a list")
}

// Failures that come with a connection's age are not told: a fresh connection
// takes the mail. A mail that the server may have got is not sent twice.
func TestRetryOnAFreshConnection(t *testing.T) {
	for _, tt := range []struct {
		at, answer string
		conns      int32
		fails      bool
	}{
		{"RSET", "", 2, false},
		{"RSET", "421 bye", 2, false},
		{"MAIL", "", 2, false},
		{"MAIL", "452 enough for one session", 2, false},
		{"RCPT", "", 2, false},
		{"RCPT", "421 bye", 2, false},
		{"RCPT", "451 later", 1, true},
		{"DATA", "", 2, false},
		{".", "", 1, true},
	} {
		t.Run(tt.at+" "+tt.answer, func(t *testing.T) {
			mails := 0
			cfg, conns := scripted(t, func(n int, command string) string {
				if n == 1 && mails == 1 && strings.HasPrefix(command, tt.at) {
					return tt.answer
				}
				if command == "." {
					mails++
				}
				return willing(command)
			})
			sending := sender(t, cfg)
			must(t, sending.Send(t.Context(), message()))
			err := sending.Send(t.Context(), message())
			if (err != nil) != tt.fails || conns.Load() != tt.conns {
				t.Errorf("got %v over %d connections", err, conns.Load())
			}
			if tt.fails {
				wantTemporary(t, err, "")
			}
		})
	}
	t.Run("only once", func(t *testing.T) {
		cfg, conns := scripted(t, func(n int, command string) string {
			if strings.HasPrefix(command, "MAIL") && n != 1 {
				return ""
			}
			if strings.HasPrefix(command, "RSET") {
				return ""
			}
			return willing(command)
		})
		sending := sender(t, cfg)
		must(t, sending.Send(t.Context(), message()))
		wantTemporary(t, sending.Send(t.Context(), message()), "sender: the connection was lost")
		if conns.Load() != 2 {
			t.Errorf("%d connections", conns.Load())
		}
	})
}

// Who may send as whom is the operator's to settle: the mail waits for it.
func TestRefusedSenderIsTemporary(t *testing.T) {
	cfg, _ := scripted(t, func(_ int, command string) string {
		if strings.HasPrefix(command, "MAIL") {
			return "550 5.7.1 not you"
		}
		return willing(command)
	})
	wantTemporary(t, sender(t, cfg).Send(t.Context(), message()), "sender: 550 5.7.1")
}

func TestEndlessAnswer(t *testing.T) {
	cfg, _ := scripted(t, func(_ int, command string) string {
		if strings.HasPrefix(command, "RCPT") {
			return "250 " + strings.Repeat("x", 1<<20)
		}
		return willing(command)
	})
	wantTemporary(t, sender(t, cfg).Send(t.Context(), message()), "too long")
}

func TestSilentServer(t *testing.T) {
	for _, security := range protections {
		l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0") // the kernel accepts, nobody reads
		must(t, err)
		t.Cleanup(func() { _ = l.Close() })
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		t.Cleanup(cancel)
		begin := idp.Now()
		err = sender(t, mail.Config{Server: l.Addr().String(), Security: security, From: "help@rtx.example"}).Send(ctx, message())
		wantTemporary(t, err, "")
		if took := idp.Now().Sub(begin); !errors.Is(err, context.DeadlineExceeded) || took > 2*time.Second {
			t.Errorf("%s: got %v after %v", security, err, took)
		}
	}
}

func TestServerIsDown(t *testing.T) {
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	must(t, err)
	must(t, l.Close())
	begin := idp.Now()
	sending := sender(t, mail.Config{Server: l.Addr().String(), Security: mail.Plain, From: "help@rtx.example"})
	wantTemporary(t, sending.Send(t.Context(), message()), "connecting")
	if took := idp.Now().Sub(begin); took > 2*time.Second {
		t.Errorf("it took %v", took)
	}
}

func TestInjection(t *testing.T) {
	s := start(t, mail.Plain, nil)
	sending := s.sender(t)
	const victim = "victim@example.com"
	for name, change := range map[string]func(m *mail.Message, evil string){
		"subject": func(m *mail.Message, evil string) { m.Subject = "Hello" + evil + "Bcc: " + victim },
		"header":  func(m *mail.Message, evil string) { m.To = maya + evil + "Bcc: " + victim },
		"command": func(m *mail.Message, evil string) { m.To = maya + ">" + evil + "RCPT TO:<" + victim },
		"local":   func(m *mail.Message, evil string) { m.To = `"a` + evil + `b"@rtx.example` },
		"id":      func(m *mail.Message, evil string) { m.ID = "x" + evil + "Bcc: " + victim },
	} {
		for _, evil := range []string{"\r\n", "\n", "\r", "\x00", "\r\n ", "\u0085"} {
			m := message()
			change(&m, evil)
			err := sending.Send(t.Context(), m)
			wantPermanent(t, err, "invalid")
			if !errors.Is(err, idp.ErrInvalid) || strings.Contains(err.Error(), victim) {
				t.Errorf("%s %q: got %v", name, evil, err)
			}
		}
	}
	for _, to := range []string{
		"", "maya", "@rtx.example", "maya@", maya + ", " + victim, "Maya <" + maya + ">", "<" + maya + ">", maya + " (comment)",
		"a b@rtx.example", `"a b"@rtx.example`, "maya@rtx.example SMTPUTF8", strings.Repeat("a", 250) + "@rtx.example", "m\xff@rtx.example",
	} {
		m := message()
		m.To = to
		wantPermanent(t, sending.Send(t.Context(), m), "the recipient is not a bare address")
	}
	for want, change := range map[string]func(m *mail.Message){
		"subject": func(m *mail.Message) { m.Subject = strings.Repeat("x", 901) },
		"the ID":  func(m *mail.Message) { m.ID = "" },
		"empty":   func(m *mail.Message) { m.Text, m.HTML = "", "" },
	} {
		m := message()
		change(&m)
		wantPermanent(t, sending.Send(t.Context(), m), want)
	}
	if conns, _, _ := s.counts(); conns != 0 {
		t.Errorf("%d connections were made for mails that are refused", conns)
	}
	// The header writer folds runs of spaces into lines of spaces alone, which look
	// like the end of the headers.
	m := message()
	m.Subject = "a" + strings.Repeat(" ", 300) + "Bcc: " + victim
	must(t, sending.Send(t.Context(), m))
	if raw := string(s.wantOne(t).raw); !strings.Contains(raw, "Subject: a Bcc: "+victim+"\r\n") {
		t.Errorf("the subject is not one line:\n%s", raw)
	}
}
