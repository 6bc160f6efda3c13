package outbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/mail"
	"gatehouse/idp/store"
	"gatehouse/ui"
)

const (
	// lookEvery is how long a delivery of another replica may go unnoticed.
	lookEvery = time.Second
	// atOnce is how many deliveries of one lane, or to one mail domain, are under way at
	// a time.
	atOnce = 4
	// lease is how long other workers leave a delivery under way alone. It is renewed as
	// long as the worker lives: what a killed one had under way is soon tried again.
	lease, renewEvery = 12 * time.Second, 4 * time.Second
	// askWithin is how long a question to the database may take. Unlike a request, the worker
	// would wait for ever for an answer that was lost on its way.
	askWithin = 15 * time.Second
	// attemptWithin is how long an attempt may take with all that it asks.
	attemptWithin = 3 * time.Minute
	// longestWait is the longest between two attempts at one delivery; a code's is
	// shorter, since it is of no use later.
	longestWait, longestWaitForCode = 5 * time.Minute, 5 * time.Second
)

// Mailer sends one mail. *mail.Sender is one.
type Mailer interface {
	Send(ctx context.Context, m mail.Message) error
}

// Worker carries out what an outbox holds. Every replica runs one; none needs to
// know of the others.
type Worker struct {
	*Outbox
	// Mailer sends mails; nil: no server is configured, and mails wait for one
	// until they expire.
	Mailer Mailer
	// Write puts a mail into words.
	Write func(ui.Mail) (ui.Letter, error)
	// Logout tells a client that a session is over.
	Logout func(ctx context.Context, d store.Delivery) error
	// Request carries out a request, by its kind; it may be called again after a crash.
	// Optional: without it requests wait.
	Request func(ctx context.Context, kind string, body []byte) error
	// Observe hears of every attempt, for metrics: the outcome is empty for one that
	// will be repeated. Optional.
	Observe func(kind string, outcome store.Outcome, took time.Duration)
	// Span begins the span of an attempt and returns what ends it. Optional.
	Span func(context.Context, store.Delivery) (context.Context, func(store.Outcome))
}

// Run delivers until ctx ends, then waits for what is under way.
func (w *Worker) Run(ctx context.Context) {
	lanes := laneSet{busy: map[string]bool{}, rest: map[string]time.Time{}}
	post := newPostOffice()
	var running sync.WaitGroup
	defer running.Wait()
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		due, err := asked(ctx, func(ctx context.Context) ([]string, error) { return w.store.DueLanes(ctx, idp.Now()) })
		if err != nil && ctx.Err() == nil {
			slog.ErrorContext(ctx, "look for deliveries", "cause", err)
		}
		for _, lane := range due {
			if lane == MailLane && w.serves(lane) {
				w.post(ctx, post, &running)
				continue
			}
			if !w.serves(lane) || !lanes.take(lane) {
				continue
			}
			running.Go(func() {
				w.drain(ctx, lane, &lanes)
				lanes.leave(lane)
				w.wake() // something may have come in after the last look
			})
		}
		select {
		case <-ctx.Done():
			return
		case <-w.woken:
		case <-tick.C:
		}
	}
}

// asked asks the database a question.
func asked[T any](ctx context.Context, question func(context.Context) (T, error)) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	return question(ctx)
}

// serves tells whether this worker can do anything about a lane.
func (w *Worker) serves(lane string) bool {
	switch lane {
	case MailLane:
		return w.Mailer != nil
	case RequestLane:
		return w.Request != nil
	}
	return true
}

// laneSet knows which lanes are being worked on, and which rest because their
// destination does not answer.
type laneSet struct {
	mu   sync.Mutex
	busy map[string]bool
	rest map[string]time.Time
}

func (s *laneSet) take(lane string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.busy[lane] || idp.Now().Before(s.rest[lane]) {
		return false
	}
	s.busy[lane] = true
	return true
}

func (s *laneSet) leave(lane string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.busy, lane)
}

// pause lets a lane rest after a whole batch failed.
func (s *laneSet) pause(lane string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rest[lane] = idp.Now().Add(lookEvery)
}

// drain delivers what is due in a lane, batch by batch. It stops when a whole
// batch failed: then the destination is down, and the rest would fail too. The lane
// rests then, and when the database takes no claim.
func (w *Worker) drain(ctx context.Context, lane string, lanes *laneSet) {
	for ctx.Err() == nil {
		batch, err := asked(ctx, func(ctx context.Context) ([]store.Delivery, error) {
			return w.store.ClaimDeliveries(ctx, lane, idp.Now(), lease, atOnce)
		})
		if err != nil && ctx.Err() == nil {
			slog.ErrorContext(ctx, "claim deliveries", "lane", lane, "cause", err)
			lanes.pause(lane)
		}
		if err != nil || len(batch) == 0 {
			return
		}
		var delivering sync.WaitGroup
		done := make([]bool, len(batch))
		for i, d := range batch {
			delivering.Go(func() { done[i] = w.attempt(ctx, d) })
		}
		delivering.Wait()
		if !anyOf(done) {
			lanes.pause(lane)
			return
		}
	}
}

func anyOf(list []bool) bool {
	for _, b := range list {
		if b {
			return true
		}
	}
	return false
}

// attempt tries one delivery and records what came of it. It returns whether the
// delivery is done with, one way or another.
func (w *Worker) attempt(ctx context.Context, d store.Delivery) bool {
	begin, ended := idp.Now(), func(store.Outcome) {}
	if w.Span != nil {
		ctx, ended = w.Span(ctx, d)
	}
	outcome, cause := w.keeping(ctx, d, begin)
	ended(outcome)
	var text string
	if cause != nil {
		text = cut(cause.Error())
		slog.WarnContext(ctx, "delivery failed", "kind", d.Kind, "lane", d.Lane, "attempt", d.Attempts,
			"outcome", string(outcome), "cause", text)
	}
	if w.Observe != nil {
		w.Observe(d.Kind, outcome, idp.Now().Sub(begin))
	}
	// What was sent must be recorded even when the process is about to stop.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	var err error
	if outcome == "" {
		err = w.store.PutOffDelivery(ctx, d.ID, text, idp.Now().Add(wait(d)))
	} else {
		err = w.store.FinishDelivery(ctx, d.ID, outcome, text, idp.Now())
	}
	if err != nil && !errors.Is(err, idp.ErrUsed) {
		slog.ErrorContext(ctx, "record a delivery", "kind", d.Kind, "cause", err)
	}
	return outcome != ""
}

// keeping delivers, and meanwhile keeps the delivery from other workers.
func (w *Worker) keeping(ctx context.Context, d store.Delivery, now time.Time) (store.Outcome, error) {
	renewing, stop := context.WithCancel(context.WithoutCancel(ctx))
	var renewer sync.WaitGroup
	renewer.Go(func() {
		tick := time.NewTicker(renewEvery)
		defer tick.Stop()
		for {
			select {
			case <-renewing.Done():
				return
			case <-tick.C:
			}
			_, err := asked(renewing, func(ctx context.Context) (any, error) {
				return nil, w.store.RenewDelivery(ctx, d, idp.Now().Add(lease))
			})
			if err != nil && renewing.Err() == nil {
				slog.WarnContext(ctx, "keep a delivery", "kind", d.Kind, "cause", err)
			}
		}
	})
	defer renewer.Wait()
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, attemptWithin)
	defer cancel()
	return w.deliver(ctx, d, now)
}

// deliver returns no outcome for what is to be tried again.
func (w *Worker) deliver(ctx context.Context, d store.Delivery, now time.Time) (store.Outcome, error) {
	if !now.Before(d.ExpiresAt) {
		return store.Expired, errors.New("its time was over before it could be delivered: " + d.LastError)
	}
	var err error
	switch {
	case d.Lane == RequestLane:
		err = w.request(ctx, d)
	case d.Kind == LogoutKind:
		err = w.Logout(ctx, d)
	default:
		err = w.mail(ctx, d)
	}
	var refused *mail.PermanentError
	switch {
	case err == nil:
		return store.Delivered, nil
	case errors.As(err, &refused), errors.Is(err, idp.ErrInvalid), errors.Is(err, idp.ErrNotFound):
		return store.Failed, err
	}
	return "", err
}

func (w *Worker) request(ctx context.Context, d store.Delivery) error {
	plain, err := w.ring.Open(d.Body, aad(d.ID))
	if err != nil {
		return fmt.Errorf("open a request: %w", err)
	}
	return w.Request(ctx, d.Kind, plain)
}

func (w *Worker) mail(ctx context.Context, d store.Delivery) error {
	plain, err := w.ring.Open(d.Body, aad(d.ID))
	if err != nil {
		return fmt.Errorf("open a mail: %w", err)
	}
	var body letterBody
	if err := json.Unmarshal(plain, &body); err != nil {
		return fmt.Errorf("%w: a mail that cannot be read", idp.ErrInvalid)
	}
	letter, err := w.Write(body.Mail)
	if err != nil {
		return fmt.Errorf("write a mail: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, patience(d))
	defer cancel()
	return w.Mailer.Send(ctx, mail.Message{
		ID: d.ID, To: body.To, Subject: letter.Subject, Text: letter.Text, HTML: letter.HTML, FromName: sender(body.Mail),
	})
}

// wait is how long until the next attempt: twice as long each time, and not the
// same for all that failed together.
func wait(d store.Delivery) time.Duration {
	longest := longestWait
	if d.Kind == string(ui.MailCode) {
		longest = longestWaitForCode
	}
	next := min(longest, time.Second<<min(max(d.Attempts-1, 0), 16))
	return next - next/4 + time.Duration(rand.Int64N(int64(next/4))) // #nosec G404 -- spreads load, guards nothing
}

// cut keeps what is stored of an error short, and to what PostgreSQL takes: no half
// of a character, and no zero byte.
func cut(text string) string {
	const most = 300
	if len(text) > most {
		text = text[:most]
	}
	return strings.ReplaceAll(strings.ToValidUTF8(text, ""), "\x00", "")
}
