package outbox_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/textproto"
	"strings"
	"sync"
	"testing"
	"time"

	"gatehouse/idp/idptest"
	"gatehouse/idp/mail"
	"gatehouse/ui"
)

// slowServer is an SMTP server on a port of this machine. While it hangs, what comes to
// one stage of its conversation waits there, and gets no answer ever.
type slowServer struct {
	stage string
	// hangs tells whether a conversation is to wait; the recipient is known from RCPT on.
	hangs func(to string) bool
	hung  chan struct{} // hears of each that waits
	end   chan struct{}

	mu    sync.Mutex
	taken map[string]int // by Message-ID
}

func startSlow(t *testing.T, stage string, hangs func(to string) bool) (*slowServer, string) {
	t.Helper()
	s := &slowServer{stage: stage, hangs: hangs, hung: make(chan struct{}, 100), end: make(chan struct{}), taken: map[string]int{}}
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	idptest.Must(t, err)
	var talking sync.WaitGroup
	talking.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			talking.Go(func() { s.talk(c) })
		}
	})
	t.Cleanup(func() {
		idptest.Must(t, l.Close())
		close(s.end)
		talking.Wait()
	})
	return s, l.Addr().String()
}

// talk is one conversation (RFC 5321 section 3.3).
func (s *slowServer) talk(c net.Conn) {
	defer func() { _ = c.Close() }() // of a test
	var to string
	answer := func(stage, line string) bool {
		if stage == s.stage && s.hangs(to) {
			s.hung <- struct{}{}
			<-s.end
			return false
		}
		_, err := fmt.Fprint(c, line+"\r\n")
		return err == nil
	}
	in := textproto.NewReader(bufio.NewReader(c))
	for on := answer("banner", "220 slow.example ESMTP"); on; {
		line, err := in.ReadLine()
		if err != nil {
			return
		}
		switch verb, _, _ := strings.Cut(line, " "); verb {
		case "RCPT":
			_, to, _ = strings.Cut(strings.TrimSuffix(line, ">"), "<")
			on = answer(verb, "250 OK")
		case "DATA":
			if on = answer(verb, "354 go on"); on {
				header, err := textproto.NewReader(bufio.NewReader(in.DotReader())).ReadMIMEHeader()
				on = err == nil && answer("message", "250 taken")
				s.took(header.Get("Message-Id"), on)
			}
		case "QUIT":
			_ = answer(verb, "221 bye")
			return
		default:
			on = answer(verb, "250 OK")
		}
	}
}

func (s *slowServer) took(id string, answered bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if answered {
		s.taken[id]++
	}
}

// impatient gives up the first attempt at each mail once the test says that its time is
// over.
type impatient struct {
	sender *mail.Sender
	over   context.Context
	mu     sync.Mutex
	tried  map[string]bool
}

// Send implements outbox.Mailer.
func (i *impatient) Send(ctx context.Context, m mail.Message) error {
	i.mu.Lock()
	first := !i.tried[m.ID]
	i.tried[m.ID] = true
	i.mu.Unlock()
	if first {
		var cancel context.CancelFunc
		ctx, cancel = context.WithCancel(ctx)
		defer cancel()
		defer context.AfterFunc(i.over, cancel)()
	}
	return i.sender.Send(ctx, m)
}

// Wherever a mail server stops answering, codes to other domains go out meanwhile. What
// hung ends with its attempt's time, is tried again, and reaches everybody once.
func TestAServerThatHangsHoldsUpNobodyAndNothingIsSentTwice(t *testing.T) {
	t.Parallel()
	for _, stage := range []string{"banner", "EHLO", "MAIL", "RCPT", "DATA", "message"} {
		t.Run(stage, func(t *testing.T) {
			t.Parallel()
			const several = 4 // as many as may be under way to one domain
			var left sync.Map // what may hang yet: a recipient, or a conversation before it is known
			for i := range several {
				left.Store(i, true)
			}
			s, address := startSlow(t, stage, func(to string) bool {
				if to != "" && !strings.HasSuffix(to, "@hangs.example") {
					return false
				}
				for i := range several {
					if _, ok := left.LoadAndDelete(i); ok {
						return true
					}
				}
				return false
			})
			sender, err := mail.New(mail.Config{Server: address, Security: mail.Plain, From: "help@rtx.example"})
			idptest.Must(t, err)
			t.Cleanup(func() { idptest.Must(t, sender.Close()) })
			over, end := context.WithCancel(t.Context())
			db := idptest.Alone(t)
			o := newOffice(t, db.Store)
			o.worker.Mailer = &impatient{sender: sender, over: over, tried: map[string]bool{}}
			var ids []string
			post := func(domain string, n int) {
				for i := range n {
					id := fmt.Sprint(domain, i)
					ids = append(ids, id)
					idptest.Must(t, o.Mail(t.Context(), to(id, fmt.Sprintf("maya%d@%s.example", i, domain), ui.MailCode, 10*time.Minute)))
				}
			}
			post("hangs", several)
			o.open(t)
			for range several {
				receive(t, "a mail that hangs", s.hung)
			}
			post("other", several)
			for _, id := range ids[several:] {
				if d := ended(t, db.Store, id); d.Attempts != 1 {
					t.Errorf("%s took %d attempts beside those that hang", id, d.Attempts)
				}
			}
			end()
			for _, id := range ids[:several] {
				if d := ended(t, db.Store, id); d.Attempts != 2 {
					t.Errorf("%s took %d attempts", id, d.Attempts)
				}
			}
			s.mu.Lock()
			defer s.mu.Unlock()
			if len(s.taken) != 2*several {
				t.Errorf("%d mails arrived", len(s.taken))
			}
			for id, n := range s.taken {
				if n != 1 {
					t.Errorf("%s arrived %d times", id, n)
				}
			}
		})
	}
}
