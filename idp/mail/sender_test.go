package mail_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	netmail "net/mail"
	"strings"
	"sync"
	"testing"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/mail"
)

var protections = []mail.Security{mail.StartTLS, mail.TLS, mail.Plain}

func TestMailArrives(t *testing.T) {
	for _, security := range protections {
		t.Run(string(security), func(t *testing.T) {
			s := start(t, security, nil)
			must(t, s.sender(t).Send(t.Context(), message()))
			got := s.wantOne(t)
			if got.from != "help@rtx.example" || got.to != maya || got.utf8 {
				t.Errorf("got an envelope from %q to %q, UTF-8 %v", got.from, got.to, got.utf8)
			}
			if clear := strings.Contains(s.heard(), code); clear != (security == mail.Plain) {
				t.Errorf("the code is in the clear: %v", clear)
			}
		})
	}
}

func TestMessage(t *testing.T) {
	s := start(t, mail.Plain, func(s *server) { s.cfg.From = `"Høtel Help" <help@münchen.example>` })
	m := message()
	m.Subject, m.Kind = "Grüße   an Maya "+strings.Repeat("x ", 60), "code-of-login"
	m.Text = "Grüße,\n.\nthe code is " + code + "\n" + strings.Repeat("long ", 400)
	before := idp.Now().Truncate(time.Second)
	must(t, s.sender(t).Send(t.Context(), m))
	raw := s.wantOne(t).raw
	got, err := netmail.ReadMessage(bytes.NewReader(raw))
	must(t, err)
	word := new(mime.WordDecoder)
	subject, err := word.DecodeHeader(got.Header.Get("Subject"))
	must(t, err)
	if want := strings.Join(strings.Fields(m.Subject), " "); subject != want {
		t.Errorf("the subject is %q, want %q", subject, want)
	}
	from, err := got.Header.AddressList("From")
	if err != nil || from[0].Name != "Høtel Help" || from[0].Address != "help@xn--mnchen-3ya.example" {
		t.Errorf("it is from %v (%v)", from, err)
	}
	for name, want := range map[string]string{
		"To": "<" + maya + ">", "Message-Id": "<01J8-x.y_z@xn--mnchen-3ya.example>", "Auto-Submitted": "auto-generated",
		"Mime-Version": "1.0", "X-Mailer": "", "User-Agent": "",
	} {
		if got.Header.Get(name) != want {
			t.Errorf("%s is %q, want %q", name, got.Header.Get(name), want)
		}
	}
	if date, err := got.Header.Date(); err != nil || date.Before(before) || date.After(idp.Now()) {
		t.Errorf("the date is %v (%v)", date, err)
	}
	if strings.Contains(string(raw), m.Kind) || strings.Contains(string(raw), "go-mail") {
		t.Errorf("the mail tells too much:\n%s", raw)
	}
	kind, params, err := mime.ParseMediaType(got.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/alternative" {
		t.Fatalf("it is %q (%v)", kind, err)
	}
	parts := multipart.NewReader(got.Body, params["boundary"])
	for _, want := range [][2]string{{"text/plain; charset=UTF-8", m.Text}, {"text/html; charset=UTF-8", m.HTML}} {
		part, err := parts.NextPart() // decodes quoted-printable
		must(t, err)
		body, err := io.ReadAll(part)
		must(t, err)
		if text := strings.ReplaceAll(string(body), "\r\n", "\n"); part.Header.Get("Content-Type") != want[0] || text != want[1] {
			t.Errorf("got %s:\n%q\nwant %s:\n%q", part.Header.Get("Content-Type"), text, want[0], want[1])
		}
	}
	if _, err := parts.NextPart(); !errors.Is(err, io.EOF) {
		t.Errorf("there is another part (%v)", err)
	}
}

// A part that is missing leaves a mail with the other one alone.
func TestOnePart(t *testing.T) {
	for want, change := range map[string]func(m *mail.Message){
		"text/plain": func(m *mail.Message) { m.HTML = "" },
		"text/html":  func(m *mail.Message) { m.Text = "" },
	} {
		s := start(t, mail.Plain, nil)
		m := message()
		change(&m)
		must(t, s.sender(t).Send(t.Context(), m))
		got, err := netmail.ReadMessage(bytes.NewReader(s.wantOne(t).raw))
		must(t, err)
		if kind := got.Header.Get("Content-Type"); !strings.HasPrefix(kind, want) {
			t.Errorf("it is %s, want %s", kind, want)
		}
	}
}

func TestAuthentication(t *testing.T) {
	for _, mech := range []string{"PLAIN", "LOGIN"} {
		for _, security := range protections {
			t.Run(mech+" "+string(security), func(t *testing.T) {
				s := start(t, security, func(s *server) {
					s.mech, s.AllowInsecureAuth = []string{mech}, security == mail.Plain
					s.cfg.Username, s.cfg.Password = userName, password
				})
				must(t, s.sender(t).Send(t.Context(), message()))
				s.wantOne(t)
				if len(s.users) != 1 || s.users[0] != mech+" "+userName {
					t.Errorf("these proved who they are: %q", s.users)
				}
				wrong := s.cfg
				wrong.Password += "x"
				err := sender(t, wrong).Send(t.Context(), message())
				wantTemporary(t, err, "AUTH: the server refuses our user name or password: 535 5.7.8")
				s.wantOne(t)
			})
		}
	}
}

func TestServerWithoutAuthGetsNothing(t *testing.T) {
	s := start(t, mail.TLS, func(s *server) { s.cfg.Username, s.cfg.Password = userName, password })
	wantTemporary(t, s.sender(t).Send(t.Context(), message()), "neither PLAIN nor LOGIN")
	if n := len(s.taken()); n != 0 {
		t.Errorf("the server took %d mails", n)
	}
}

func TestConnectionIsReused(t *testing.T) {
	for _, security := range protections {
		s := start(t, security, nil)
		sending := s.sender(t)
		for i := range 10 {
			m := message()
			m.ID = fmt.Sprintf("mail-%d", i)
			must(t, sending.Send(t.Context(), m))
		}
		if conns, _, _ := s.counts(); conns != 1 || len(s.taken()) != 10 {
			t.Errorf("%s: %d connections for %d mails", security, conns, len(s.taken()))
		}
	}
}

// The first twelve mails end only when twelve are there at once: the sender must use
// as many connections as it may.
func TestParallelSendsShareTwelveConnections(t *testing.T) {
	const sends, conns = 40, 12
	var gate sync.WaitGroup
	gate.Add(conns)
	var mu sync.Mutex
	here := 0
	s := start(t, mail.StartTLS, func(s *server) {
		s.data = func() error {
			mu.Lock()
			here++
			first := here <= conns
			mu.Unlock()
			if first {
				gate.Done()
				gate.Wait()
			}
			return nil
		}
	})
	sending := s.sender(t)
	var all sync.WaitGroup
	for i := range sends {
		all.Go(func() {
			m := message()
			m.ID = fmt.Sprintf("mail-%d", i)
			if err := sending.Send(t.Context(), m); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	ids := map[string]bool{}
	for _, got := range s.taken() {
		parsed, err := netmail.ReadMessage(bytes.NewReader(got.raw))
		must(t, err)
		ids[parsed.Header.Get("Message-Id")] = true
	}
	if total, _, peak := s.counts(); len(ids) != sends || peak != conns || total != conns {
		t.Errorf("%d mails over %d connections, %d at once", len(ids), total, peak)
	}
}

func TestClosedConnectionIsReplaced(t *testing.T) {
	for _, security := range protections {
		s := start(t, security, nil)
		sending := s.sender(t)
		for want := 1; want <= 3; want++ {
			must(t, sending.Send(t.Context(), message()))
			if conns, _, _ := s.counts(); conns != want {
				t.Errorf("%s: %d connections, want %d", security, conns, want)
			}
			s.drop()
		}
	}
}

func TestInternationalisedAddress(t *testing.T) {
	const local, domain = "мая@rtx.example", "maya@münchen.example"
	for _, offered := range []bool{true, false} {
		s := start(t, mail.Plain, func(s *server) { s.EnableSMTPUTF8 = offered })
		sending := s.sender(t)
		m := message()
		m.To = local
		err := sending.Send(t.Context(), m)
		if offered {
			must(t, err)
			if got := s.wantOne(t); got.to != local || !got.utf8 {
				t.Errorf("it went to %q, UTF-8 %v", got.to, got.utf8)
			}
		} else {
			wantPermanent(t, err, "SMTPUTF8")
		}
		// A domain has a form in ASCII that every server understands.
		m.To = domain
		must(t, sending.Send(t.Context(), m))
		mails := s.taken()
		if got := mails[len(mails)-1]; got.to != "maya@xn--mnchen-3ya.example" || got.utf8 {
			t.Errorf("it went to %q, UTF-8 %v", got.to, got.utf8)
		}
		if conns, _, _ := s.counts(); conns != 1 {
			t.Errorf("%d connections", conns)
		}
	}
}

func TestClosedSender(t *testing.T) {
	s := start(t, mail.Plain, nil)
	sending := s.sender(t)
	must(t, sending.Send(t.Context(), message()))
	must(t, sending.Close())
	must(t, sending.Close())
	if !strings.HasSuffix(s.heard(), "QUIT\r\n") {
		t.Error("the sender left without a goodbye")
	}
	wantTemporary(t, sending.Send(t.Context(), message()), "closed")
}
