package outbox_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/mail"
	"gatehouse/idp/outbox"
	"gatehouse/idp/store"
	"gatehouse/ui"
)

// hanging is a mail server that hangs at the recipients of some domains for as long as
// it is let.
type hanging struct {
	mu    sync.Mutex
	at    func(to string) bool
	hung  int
	limit time.Duration // the longest that an attempt was given
	taken chan string
}

// Send implements outbox.Mailer.
func (h *hanging) Send(ctx context.Context, m mail.Message) error {
	if !h.at(m.To) {
		h.taken <- m.To
		return nil
	}
	deadline, _ := ctx.Deadline()
	h.mu.Lock()
	h.hung++
	h.limit = max(h.limit, deadline.Sub(idp.Now()))
	h.mu.Unlock()
	<-ctx.Done()
	return ctx.Err()
}

func to(id, address string, kind ui.MailKind, lifetime time.Duration) outbox.Letter {
	l := letter(id, kind)
	l.To, l.Lifetime = address, lifetime
	return l
}

// Recipients at whom the mail server hangs hold up nobody at another domain, and
// notices that hang hold up no code, not even to the same domain.
func TestMailsThatHangHoldUpNobodyElse(t *testing.T) {
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		o := newOffice(t, db.Store)
		h := &hanging{at: func(to string) bool { return strings.HasPrefix(to, "hangs") }, taken: make(chan string, 100)}
		o.worker.Mailer = h
		for i := range 12 {
			idptest.Must(t, o.Mail(t.Context(), to(fmt.Sprint("code", i), fmt.Sprintf("hangs%d@one.example", i), ui.MailCode, 10*time.Minute)))
			idptest.Must(t, o.Mail(t.Context(), to(fmt.Sprint("notice", i), fmt.Sprintf("hangs%d@two.example", i), ui.MailNewBrowser, 0)))
		}
		o.open(t)
		eventually(t, "all that may hang does", func() bool {
			h.mu.Lock()
			defer h.mu.Unlock()
			return h.hung >= 6
		})
		for _, address := range []string{"maya@three.example", "maya@two.example"} {
			idptest.Must(t, o.Mail(t.Context(), to("to "+address, address, ui.MailCode, 10*time.Minute)))
			select {
			case got := <-h.taken:
				if got != address {
					t.Errorf("%s came before %s", got, address)
				}
			case <-time.After(5 * time.Second):
				t.Fatalf("the code to %s waits for those that hang", address)
			}
		}
		h.mu.Lock()
		defer h.mu.Unlock()
		if h.hung > 6 || h.limit > 21*time.Second {
			t.Errorf("%d hang at once, for %s", h.hung, h.limit)
		}
	})
}

// What a killed worker had under way comes back soon, and one that lives keeps what it
// has for longer than that.
func TestWhatIsUnderWayIsKeptForAsLongAsItsWorkerLives(t *testing.T) {
	db := idptest.Alone(t)
	o, other := newOffice(t, db.Store), newOffice(t, db.Replica(t))
	begun, release := make(chan string, 1), make(chan struct{})
	o.worker.Mailer = mailerFunc(func(_ context.Context, m mail.Message) error {
		begun <- m.ID
		<-release
		return nil
	})
	o.open(t)
	idptest.Must(t, o.Mail(t.Context(), letter("a", ui.MailCode)))
	receive(t, "the attempt", begun)
	first := delivery(t, db.Store, "a")
	if left := first.NextAt.Sub(idp.Now()); left > 15*time.Second {
		t.Errorf("a killed worker would keep it for %s", left)
	}
	eventually(t, "it is renewed", func() bool { return delivery(t, db.Store, "a").NextAt.After(first.NextAt) })
	other.open(t)
	nothing(t, "sent twice", other.sent, 100*time.Millisecond)
	close(release)
	if d := ended(t, db.Store, "a"); d.Attempts != 1 || d.Outcome != store.Delivered {
		t.Errorf("%+v", d)
	}
}
