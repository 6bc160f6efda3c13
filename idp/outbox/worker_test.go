package outbox_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/mail"
	"gatehouse/idp/outbox"
	"gatehouse/idp/store"
	"gatehouse/ui"
)

var errStop = errors.New("stop")

// The worker hears of a commit: it need not look, which it does every second.
func TestMailGoesOutWhenItsTransactionIsCommitted(t *testing.T) {
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		o := newOffice(t, db.Store)
		o.open(t)
		err := db.Do(t.Context(), func(ctx context.Context) error {
			return errors.Join(o.Mail(ctx, letter("never", ui.MailCode)), errStop)
		})
		if !errors.Is(err, errStop) {
			t.Fatal(err)
		}
		fastest := time.Hour
		for i := range 5 {
			id := fmt.Sprint("mail", i)
			idptest.Must(t, db.Do(t.Context(), func(ctx context.Context) error { return o.Mail(ctx, letter(id, ui.MailCode)) }))
			begin := idp.Now()
			got := receive(t, id, o.sent)
			fastest = min(fastest, idp.Now().Sub(begin))
			want := mail.Message{ID: id, To: "maya@rtx.example", Subject: "About code", Text: "Code 314159", HTML: "<b>314159</b>"}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("the mail: %s", diff)
			}
			if d := ended(t, db.Store, id); d.Outcome != store.Delivered || len(d.Body) != 0 || d.Attempts != 1 || d.LastError != "" {
				t.Errorf("the delivery: %+v", d)
			}
		}
		if fastest > 200*time.Millisecond {
			t.Errorf("the fastest of five mails took %s", fastest)
		}
		nothing(t, "a mail of nobody's", o.sent, 100*time.Millisecond)
		if _, err := db.Delivery(t.Context(), "never"); !errors.Is(err, idp.ErrNotFound) || o.attempts("never") != 0 {
			t.Errorf("the mail of a transaction that was rolled back: %v", err)
		}
	})
}

// Nobody who reads the table reads a mail, or sends one in another's place.
func TestStoredMailIsSealedToItsRow(t *testing.T) {
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		o := newOffice(t, db.Store)
		idptest.Must(t, o.Mail(t.Context(), letter("a", ui.MailCode)))
		idptest.Must(t, o.Mail(t.Context(), letter("b", ui.MailCode)))
		d := delivery(t, db.Store, "a")
		if len(d.Body) == 0 || d.Lane != outbox.MailLane || d.Kind != "code" || d.UserID != "maya" {
			t.Errorf("stored: %+v", d)
		}
		row := fmt.Sprintf("%s %s", d.Body, fmt.Sprint(d))
		for _, secret := range []string{"314159", "maya@rtx.example", "rtx.example", "Maya Rtx"} {
			if strings.Contains(row, secret) {
				t.Errorf("%q stands in the table", secret)
			}
		}
		_, err := db.SQL().ExecContext(t.Context(), "UPDATE outbox SET body = (SELECT body FROM outbox WHERE id = 'b') WHERE id = 'a'")
		idptest.Must(t, err)
		o.open(t)
		if got := receive(t, "the mail in its place", o.sent); got.ID != "b" {
			t.Errorf("sent: %+v", got)
		}
		putOff(t, db.Store, "a", 1)
		nothing(t, "another's mail", o.sent, 100*time.Millisecond)
	})
}

// The wait doubles up to five minutes, up to five seconds for a code, and is not
// the same for all.
func TestFailuresAreTriedAgainLaterAndLater(t *testing.T) {
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		o := newOffice(t, db.Store)
		o.says(errors.New("451 4.3.0 later"))
		cases := []struct {
			kind     ui.MailKind
			failures int
			longest  time.Duration
		}{
			{ui.MailCode, 0, time.Second},
			{ui.MailCode, 1, 2 * time.Second},
			{ui.MailCode, 2, 4 * time.Second},
			{ui.MailCode, 3, 5 * time.Second},
			{ui.MailCode, 40, 5 * time.Second},
			{ui.MailNewBrowser, 3, 8 * time.Second},
			{ui.MailNewBrowser, 8, 256 * time.Second},
			{ui.MailNewBrowser, 9, 300 * time.Second},
			{ui.MailNewBrowser, 400, 300 * time.Second},
		}
		for i, c := range cases {
			idptest.Must(t, o.Mail(t.Context(), letter(fmt.Sprint(i), c.kind)))
			_, err := db.SQL().ExecContext(t.Context(), fmt.Sprintf("UPDATE outbox SET attempts = %d WHERE id = '%d'", c.failures, i))
			idptest.Must(t, err)
		}
		before := idp.Now()
		o.open(t)
		// Each as it is once its failure is recorded: later there are more.
		first, at := map[int]store.Delivery{}, map[int]time.Time{}
		eventually(t, "the failures are recorded", func() bool {
			for i := range cases {
				if d := delivery(t, db.Store, fmt.Sprint(i)); d.LastError != "" && at[i].IsZero() {
					first[i], at[i] = d, idp.Now()
				}
			}
			return len(first) == len(cases)
		})
		for i, c := range cases {
			d, after := first[i], at[i]
			if d.NextAt.Before(before.Add(c.longest*3/4)) || d.NextAt.After(after.Add(c.longest)) {
				t.Errorf("%s after %d failures waits %s of %s", c.kind, c.failures+1, d.NextAt.Sub(after), c.longest)
			}
			if d.LastError != "451 4.3.0 later" || d.Outcome != "" || len(d.Body) == 0 || d.Attempts < c.failures+1 {
				t.Errorf("the delivery: %+v", d)
			}
		}
		nothing(t, "a mail that the server did not take", o.sent, time.Millisecond)
	})
}

func TestWhatIsRefusedForGoodIsNotTriedAgain(t *testing.T) {
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		w := db.World(t)
		o := newOffice(t, db.Store)
		o.says(fmt.Errorf("send: %w", &mail.PermanentError{Cause: errors.New("550 5.1.1 unknown")}))
		o.worker.Write = func(m ui.Mail) (ui.Letter, error) {
			if m.Kind == ui.MailTest {
				return ui.Letter{}, fmt.Errorf("%w: no words", idp.ErrInvalid)
			}
			return ui.Letter{Subject: "s"}, nil
		}
		o.worker.Logout = func(context.Context, store.Delivery) error { return fmt.Errorf("client: %w", idp.ErrNotFound) }
		var outcomes sync.Map
		o.worker.Observe = func(kind string, outcome store.Outcome, _ time.Duration) { outcomes.Store(kind, outcome) }
		idptest.Must(t, o.Mail(t.Context(), letter("refused", ui.MailCode)))
		idptest.Must(t, o.Mail(t.Context(), letter("unwritten", ui.MailTest)))
		now := idp.Now()
		idptest.Must(t, db.Enqueue(t.Context(), store.Delivery{
			ID: "untold", Lane: w.Client.ID, Kind: outbox.LogoutKind, CreatedAt: now, NextAt: now, ExpiresAt: now.Add(time.Hour),
		}))
		o.open(t)
		for id, cause := range map[string]string{"refused": "550 5.1.1 unknown", "unwritten": "no words", "untold": "not found"} {
			d := ended(t, db.Store, id)
			if d.Outcome != store.Failed || d.Attempts != 1 || len(d.Body) != 0 || !strings.Contains(d.LastError, cause) {
				t.Errorf("%s: %+v", id, d)
			}
			if seen, _ := outcomes.Load(d.Kind); seen != store.Failed {
				t.Errorf("%s was observed as %v", id, seen)
			}
		}
	})
}

func TestWhatIsTooLateIsNeverSent(t *testing.T) {
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		o := newOffice(t, db.Store)
		idptest.Must(t, o.Mail(t.Context(), letter("late", ui.MailCode)))
		db.Age(t, "outbox", 10*time.Minute)
		idptest.Must(t, o.Mail(t.Context(), letter("in time", ui.MailCode)))
		o.open(t)
		if got := receive(t, "the mail in time", o.sent); got.ID != "in time" {
			t.Errorf("sent: %+v", got)
		}
		if d := ended(t, db.Store, "late"); d.Outcome != store.Expired || len(d.Body) != 0 {
			t.Errorf("the delivery: %+v", d)
		}
		if o.attempts("late") != 0 {
			t.Error("it was tried")
		}
	})
}

// A client that does not answer holds up its own tokens alone.
func TestDeadClientDelaysNobodyElse(t *testing.T) {
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		w := db.World(t)
		other := idptest.Client(idp.Agents)
		idptest.Must(t, db.CreateClient(t.Context(), other))
		o := newOffice(t, db.Store)
		reached, release := make(chan struct{}, 100), make(chan struct{})
		o.worker.Logout = func(_ context.Context, d store.Delivery) error {
			if d.Lane == w.Client.ID {
				reached <- struct{}{}
				<-release
				return errors.New("timeout")
			}
			o.told <- d
			return nil
		}
		defer o.open(t)()
		defer close(release)
		for i := range 6 {
			idptest.Must(t, o.SignedOut(t.Context(), store.Party{ClientID: w.Client.ID, UserID: "maya", SessionID: fmt.Sprint(i)}))
		}
		receive(t, "the dead client's turn", reached)
		for i := range 3 { // and not only those that were there before
			idptest.Must(t, o.Mail(t.Context(), letter(fmt.Sprint("mail", i), ui.MailCode)))
			idptest.Must(t, o.SignedOut(t.Context(), store.Party{ClientID: other.ID, UserID: "maya", SessionID: "s"}))
			receive(t, "a mail", o.sent)
			if d := receive(t, "another client's token", o.told); d.Lane != other.ID || d.SessionID != "s" || d.UserID != "maya" || d.Kind != outbox.LogoutKind {
				t.Errorf("told: %+v", d)
			}
		}
	})
}

// When the mail server comes back, codes that still work go out, others do not.
func TestMailServerThatComesBack(t *testing.T) {
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		o := newOffice(t, db.Store)
		o.says(errors.New("dial tcp: connection refused"))
		o.open(t)
		idptest.Must(t, o.Mail(t.Context(), letter("old", ui.MailCode)))
		putOff(t, db.Store, "old", 1)
		if troubled, err := db.Troubled(t.Context(), outbox.MailLane); err != nil || !troubled {
			t.Errorf("troubled: %t (%v)", troubled, err)
		}
		db.Age(t, "outbox", 10*time.Minute, "expires_at")
		for _, id := range []string{"new", "newer"} {
			idptest.Must(t, o.Mail(t.Context(), letter(id, ui.MailCode)))
		}
		putOff(t, db.Store, "new", 1)
		putOff(t, db.Store, "newer", 1)
		o.says(nil)
		db.Age(t, "outbox", 10*time.Second, "next_at")
		got := []string{receive(t, "a code", o.sent).ID, receive(t, "a code", o.sent).ID}
		slices.Sort(got)
		if diff := cmp.Diff([]string{"new", "newer"}, got); diff != "" {
			t.Errorf("sent: %s", diff)
		}
		d := ended(t, db.Store, "old")
		if d.Outcome != store.Expired || !strings.Contains(d.LastError, "connection refused") {
			t.Errorf("the old code: %+v", d)
		}
		nothing(t, "an old code", o.sent, 50*time.Millisecond)
		if troubled, err := db.Troubled(t.Context(), outbox.MailLane); err != nil || troubled {
			t.Errorf("still troubled: %t (%v)", troubled, err)
		}
	})
}

func TestReplicasDeliverOnce(t *testing.T) {
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		w := db.World(t)
		first, second := newOffice(t, db.Store), newOffice(t, db.Replica(t))
		first.open(t)
		second.open(t)
		const each = 20
		for i := range each {
			idptest.Must(t, first.Mail(t.Context(), letter(fmt.Sprint("first", i), ui.MailCode)))
			idptest.Must(t, second.Mail(t.Context(), letter(fmt.Sprint("second", i), ui.MailCode)))
			idptest.Must(t, second.SignedOut(t.Context(), store.Party{ClientID: w.Client.ID, UserID: "maya", SessionID: fmt.Sprint(i)}))
		}
		eventually(t, "all is delivered", func() bool {
			progress, err := db.Progress(t.Context())
			idptest.Must(t, err)
			return len(progress) == 2 && progress[0].Delivered+progress[1].Delivered == 3*each
		})
		counts := map[string]int{}
		for _, o := range []*office{first, second} {
			for range len(o.sent) {
				counts[(<-o.sent).ID]++
			}
			for range len(o.told) {
				counts[(<-o.told).ID]++
			}
		}
		if len(counts) != 3*each {
			t.Errorf("%d deliveries arrived, want %d", len(counts), 3*each)
		}
		for id, n := range counts {
			if n != 1 {
				t.Errorf("%s arrived %d times", id, n)
			}
		}
	})
}

// What is under way is finished and recorded; nothing else begins.
func TestStoppedWorkerFinishesWhatIsUnderWay(t *testing.T) {
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		o := newOffice(t, db.Store)
		release, begun := make(chan struct{}), make(chan string, 100)
		o.worker.Mailer = mailerFunc(func(_ context.Context, m mail.Message) error {
			begun <- m.ID
			<-release
			return nil
		})
		for i := range 10 {
			idptest.Must(t, o.Mail(t.Context(), letter(fmt.Sprint(i), ui.MailCode)))
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			o.worker.Run(ctx)
		}()
		ids := []string{receive(t, "a mail", begun), receive(t, "a mail", begun), receive(t, "a mail", begun), receive(t, "a mail", begun)}
		cancel()
		nothing(t, "it ended before its mails did", done, 100*time.Millisecond)
		close(release)
		receive(t, "its end", done)
		nothing(t, "a mail after the end", begun, time.Millisecond)
		for _, id := range ids {
			if d := delivery(t, db.Store, id); d.Outcome != store.Delivered {
				t.Errorf("it was sent, and recorded is %+v", d)
			}
		}
		progress, err := db.Progress(t.Context())
		if err != nil || progress[0].Delivered != 4 || progress[0].Waiting != 6 {
			t.Errorf("%+v (%v)", progress, err)
		}
	})
}

type mailerFunc func(ctx context.Context, m mail.Message) error

func (f mailerFunc) Send(ctx context.Context, m mail.Message) error { return f(ctx, m) }

func TestDeliveryOfADeadWorkerComesBackAfterItsLease(t *testing.T) {
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		o := newOffice(t, db.Store)
		theirs, err := store.Open(t.Context(), db.URL)
		idptest.Must(t, err)
		dead := newOffice(t, theirs)
		release := make(chan struct{})
		begun := make(chan string, 1)
		dead.worker.Mailer = mailerFunc(func(_ context.Context, m mail.Message) error {
			begun <- m.ID
			<-release
			return errors.New("the process was gone")
		})
		stop := dead.open(t)
		idptest.Must(t, dead.Mail(t.Context(), letter("a", ui.MailCode)))
		receive(t, "the first attempt", begun)
		idptest.Must(t, theirs.Close()) // killed: nothing of it reaches the database any more
		o.open(t)
		idptest.Must(t, o.Mail(t.Context(), letter("b", ui.MailCode)))
		if got := receive(t, "another mail", o.sent); got.ID != "b" {
			t.Errorf("during the lease: %+v", got)
		}
		nothing(t, "sent during the lease", o.sent, 1200*time.Millisecond)
		db.Age(t, "outbox", time.Minute, "next_at")
		if got := receive(t, "the second attempt", o.sent); got.ID != "a" {
			t.Errorf("after the lease: %+v", got)
		}
		want := ended(t, db.Store, "a")
		close(release) // the first one was not dead after all, and reports now
		stop()
		if diff := cmp.Diff(want, delivery(t, db.Store, "a")); diff != "" || want.Attempts != 2 || want.Outcome != store.Delivered {
			t.Errorf("%+v: %s", want, diff)
		}
	})
}

// Without a mail server mails wait, and sign-outs go on.
func TestMailsWaitForAMailServer(t *testing.T) {
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		w := db.World(t)
		o := newOffice(t, db.Store)
		o.worker.Mailer = nil
		stop := o.open(t)
		idptest.Must(t, o.Mail(t.Context(), letter("a", ui.MailCode)))
		idptest.Must(t, o.SignedOut(t.Context(), store.Party{ClientID: w.Client.ID, UserID: "maya", SessionID: "s"}))
		receive(t, "the token", o.told)
		stop()
		if d := delivery(t, db.Store, "a"); d.Attempts != 0 || !d.DoneAt.IsZero() {
			t.Errorf("the mail: %+v", d)
		}
		o.worker.Mailer = o
		o.open(t)
		receive(t, "the mail", o.sent)
	})
}

// Whatever the other side says is recorded, cut to what fits.
func TestErrorsThatADatabaseDoesNotTakeAreRecorded(t *testing.T) {
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		for i, text := range []string{
			strings.Repeat("玛", 200), "x" + strings.Repeat("玛", 200), "xx" + strings.Repeat("玛", 200), "not UTF-8: \xff\xfe", "zero: \x00.",
		} {
			o := newOffice(t, db.Store)
			o.says(&mail.PermanentError{Cause: errors.New(text)})
			stop := o.open(t)
			id := fmt.Sprint(i)
			idptest.Must(t, o.Mail(t.Context(), letter(id, ui.MailCode)))
			d := ended(t, db.Store, id)
			if d.Outcome != store.Failed || d.LastError == "" || len(d.LastError) > 320 || !utf8.ValidString(d.LastError) {
				t.Errorf("%q is recorded as %+v", text, d)
			}
			stop()
		}
	})
}

// A database that can be read and not written, as a full disk leaves it, is asked
// again with pauses.
func TestDatabaseThatCannotBeWrittenIsLeftInPeace(t *testing.T) {
	db := idptest.Alone(t)
	log := idptest.Log(t)
	o := newOffice(t, db.Store)
	idptest.Must(t, o.Mail(t.Context(), letter("a", ui.MailCode)))
	_, err := db.SQL().ExecContext(t.Context(), "CREATE TRIGGER full BEFORE UPDATE ON outbox BEGIN SELECT RAISE(ABORT, 'disk full'); END")
	idptest.Must(t, err)
	stop := o.open(t)
	nothing(t, "a mail that was not claimed", o.sent, 1500*time.Millisecond)
	if n := strings.Count(log.String(), "level=ERROR"); n < 1 || n > 4 {
		t.Errorf("%d complaints in a second and a half", n)
	}
	_, err = db.SQL().ExecContext(t.Context(), "DROP TRIGGER full")
	idptest.Must(t, err)
	receive(t, "the mail, once there is room", o.sent)
	stop()
}

// What failed is logged without who was to get it.
func TestLogDoesNotNameTheRecipient(t *testing.T) {
	db := idptest.Alone(t)
	log := idptest.Log(t)
	o := newOffice(t, db.Store)
	o.says(errors.New("421 busy"))
	stop := o.open(t)
	idptest.Must(t, o.Mail(t.Context(), letter("a", ui.MailCode)))
	putOff(t, db.Store, "a", 1)
	stop()
	text := log.String()
	if !strings.Contains(text, "421 busy") || strings.Contains(text, "maya@") || strings.Contains(text, "314159") {
		t.Errorf("the log says %s", text)
	}
}
