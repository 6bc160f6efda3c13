package outbox_test

import (
	"context"
	"encoding/base64"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/keyring"
	"gatehouse/idp/mail"
	"gatehouse/idp/outbox"
	"gatehouse/idp/store"
	"gatehouse/ui"
)

// Failures are what these tests are about: the log of each is not news.
func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.NewTextHandler(io.Discard, nil)))
	os.Exit(m.Run())
}

// patience is how long a test waits for what has to happen.
const patience = 10 * time.Second

func ring(t *testing.T) *keyring.Keyring {
	t.Helper()
	k, err := keyring.Parse(base64.StdEncoding.EncodeToString([]byte(strings.Repeat("k", keyring.KeySize))))
	idptest.Must(t, err)
	return k
}

// office is an outbox with a worker whose mail server and clients are the test's.
type office struct {
	*outbox.Outbox
	worker *outbox.Worker
	// sent is every mail that the server took, told every token.
	sent chan mail.Message
	told chan store.Delivery

	mu      sync.Mutex
	trouble error // what the mail server says, nil when it takes mail
	tried   map[string]int
}

func newOffice(t *testing.T, s *store.Store) *office {
	t.Helper()
	o := &office{
		Outbox: outbox.New(s, ring(t)), sent: make(chan mail.Message, 100), told: make(chan store.Delivery, 100),
		tried: map[string]int{},
	}
	o.worker = &outbox.Worker{
		Outbox: o.Outbox, Mailer: o,
		Write: func(m ui.Mail) (ui.Letter, error) {
			return ui.Letter{Subject: "About " + string(m.Kind), Text: "Code " + m.Code, HTML: "<b>" + m.Code + "</b>"}, nil
		},
		Logout: func(_ context.Context, d store.Delivery) error {
			o.told <- d
			return nil
		},
	}
	return o
}

// Send implements outbox.Mailer.
func (o *office) Send(_ context.Context, m mail.Message) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.tried[m.ID]++
	if o.trouble == nil {
		o.sent <- m
	}
	return o.trouble
}

// says makes the mail server answer with an error, or take mail again.
func (o *office) says(err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.trouble = err
}

func (o *office) attempts(id string) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.tried[id]
}

// open runs the worker until the returned function is called, or the test ends.
func (o *office) open(t *testing.T) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		o.worker.Run(ctx)
	}()
	stop = func() {
		cancel()
		receive(t, "the worker's end", done)
	}
	t.Cleanup(stop)
	return stop
}

// letter is a mail with a code.
func letter(id string, kind ui.MailKind) outbox.Letter {
	return outbox.Letter{
		ID: id, To: "maya@rtx.example", UserID: "maya", Lifetime: 10 * time.Minute,
		Mail: ui.Mail{Kind: kind, Code: "314159", MailFrame: ui.MailFrame{Name: "Maya Rtx", Account: "maya@rtx.example"}},
	}
}

// receive waits for what comes through a channel, or for its end.
func receive[T any](t *testing.T, what string, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		t.Fatalf("waited in vain for %s", what)
		panic("unreachable")
	}
}

// nothing fails when something comes through a channel within a while.
func nothing[T any](t *testing.T, what string, c <-chan T, within time.Duration) {
	t.Helper()
	select {
	case v := <-c:
		t.Errorf("%s: %+v", what, v)
	case <-time.After(within):
	}
}

// eventually looks until something is so.
func eventually(t *testing.T, what string, so func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(patience)
	for !so() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

func delivery(t *testing.T, s *store.Store, id string) store.Delivery {
	t.Helper()
	d, err := s.Delivery(t.Context(), id)
	idptest.Must(t, err)
	return d
}

// ended waits until a delivery is done with.
func ended(t *testing.T, s *store.Store, id string) store.Delivery {
	t.Helper()
	var d store.Delivery
	eventually(t, id+" is done", func() bool {
		d = delivery(t, s, id)
		return !d.DoneAt.IsZero()
	})
	return d
}

// putOff waits until an attempt failed and was recorded.
func putOff(t *testing.T, s *store.Store, id string, attempts int) store.Delivery {
	t.Helper()
	var d store.Delivery
	eventually(t, id+" is put off", func() bool {
		d = delivery(t, s, id)
		return d.Attempts >= attempts && d.LastError != "" && d.NextAt.Before(idp.Now().Add(7*time.Second)) // not merely under way
	})
	return d
}
