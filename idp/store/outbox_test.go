package store_test

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/store"
)

const lease = time.Minute

// waiting is a delivery that was due a second ago.
func waiting(id, lane string) store.Delivery {
	now := idp.Now()
	return store.Delivery{
		ID: id, Lane: lane, Destination: "rtx.example", Kind: "kind of " + id, UserID: "maya", SessionID: "session of " + id,
		Body: []byte("\x00sealed\xff"), CreatedAt: now.Add(-time.Second), NextAt: now.Add(-time.Second),
		ExpiresAt: now.Add(time.Hour),
	}
}

// claim takes what is due in a lane and lists the ids in their order.
func claim(t *testing.T, s *store.Store, lane string, limit int) []string {
	t.Helper()
	list, err := s.ClaimDeliveries(t.Context(), lane, idp.Now(), lease, limit)
	idptest.Must(t, err)
	ids := []string{}
	for _, d := range list {
		ids = append(ids, d.ID)
	}
	slices.Sort(ids)
	return ids
}

func expectIDs(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if diff := cmp.Diff(append([]string{}, want...), got); diff != "" {
		t.Errorf("%s: %s", what, diff)
	}
}

func TestDeliveriesAreReadAsTheyWereStored(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		full := waiting("full", "mail")
		full.Attempts, full.LastError, full.DoneAt, full.Outcome = 3, "4.3.2 später 🔑", idp.Now(), store.Failed
		full.Trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
		expectFull(t, full)
		empty := waiting("empty", "mail")
		empty.Body = nil
		idptest.Must(t, db.Enqueue(t.Context(), full, empty))
		for _, want := range []store.Delivery{full, empty} {
			got, err := db.Delivery(t.Context(), want.ID)
			idptest.Must(t, err)
			expectSame(t, want, got)
		}
		_, err := db.Delivery(t.Context(), "invented")
		expectError(t, err, idp.ErrNotFound)
		expectError(t, db.Enqueue(t.Context(), full), idp.ErrConflict)
	})
}

// A claim counts the attempt, puts off what it took, and takes no more than
// asked for, the longest due first.
func TestClaimTakesWhatIsDueInItsLane(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		now := idp.Now()
		first, second, later, other := waiting("first", "mail"), waiting("second", "mail"), waiting("later", "mail"), waiting("other", "client")
		first.NextAt, first.Attempts, first.LastError = now.Add(-time.Minute), 2, "busy"
		later.NextAt = now.Add(time.Second)
		done := waiting("done", "mail")
		done.DoneAt, done.Outcome = now, store.Delivered
		idptest.Must(t, db.Enqueue(t.Context(), second, later, other, done, first))
		got, err := db.ClaimDeliveries(t.Context(), "mail", now, lease, 1)
		idptest.Must(t, err)
		first.NextAt, first.Attempts = now.Add(lease), 3
		expectSame(t, []store.Delivery{first}, got)
		stored, err := db.Delivery(t.Context(), "first")
		idptest.Must(t, err)
		expectSame(t, first, stored)
		expectIDs(t, "second claim", claim(t, db.Store, "mail", 10), "second")
		expectIDs(t, "third claim", claim(t, db.Store, "mail", 10))
		expectIDs(t, "other lane", claim(t, db.Store, "client", 10), "other")
	})
}

// Eight workers of two replicas empty a lane: each delivery is given to one, and
// to one again once the lease is over.
func TestClaimsAreExclusiveUntilTheLeaseEnds(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		stores := []*store.Store{db.Store, db.Replica(t)}
		var list []store.Delivery
		for i := range 60 {
			list = append(list, waiting(fmt.Sprintf("%02d", i), "mail"))
		}
		idptest.Must(t, db.Enqueue(t.Context(), list...))
		for attempt := 1; attempt <= 2; attempt++ {
			given := raceClaims(t, stores)
			for _, d := range list {
				if n := given[d.ID]; n != 1 {
					t.Errorf("attempt %d: delivery %s was given away %d times", attempt, d.ID, n)
				}
			}
			d, err := db.Delivery(t.Context(), "00")
			if err != nil || d.Attempts != attempt {
				t.Errorf("attempt %d counts as %d (%v)", attempt, d.Attempts, err)
			}
			expectIDs(t, "while the lease lasts", claim(t, db.Store, "mail", 60))
			db.Age(t, "outbox", lease, "next_at")
		}
	})
}

// raceClaims lets workers claim until nothing is due, and counts how often each
// delivery was given away.
func raceClaims(t *testing.T, stores []*store.Store) map[string]int {
	t.Helper()
	var mu sync.Mutex
	given := map[string]int{}
	for _, err := range idptest.Race(8, func(i int) error {
		s := stores[i%len(stores)]
		for {
			list, err := s.ClaimDeliveries(t.Context(), "mail", idp.Now(), lease, 3)
			if err != nil {
				return err
			}
			mu.Lock()
			for _, d := range list {
				given[d.ID]++
			}
			mu.Unlock()
			// None may mean that the others were faster with the same ones.
			due, err := s.DueLanes(t.Context(), idp.Now())
			if err != nil || len(list)+len(due) == 0 {
				return err
			}
		}
	}) {
		idptest.Must(t, err)
	}
	return given
}

func TestPutOffDeliveryComesBackWhenItIsDue(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		idptest.Must(t, db.Enqueue(t.Context(), waiting("a", "mail")))
		claim(t, db.Store, "mail", 1)
		next := idp.Now().Add(10 * time.Second)
		idptest.Must(t, db.PutOffDelivery(t.Context(), "a", "4.2.1 busy", next))
		got, err := db.Delivery(t.Context(), "a")
		if err != nil || !got.NextAt.Equal(next) || got.LastError != "4.2.1 busy" || len(got.Body) == 0 {
			t.Errorf("put off: %+v (%v)", got, err)
		}
		expectIDs(t, "before it is due", claim(t, db.Store, "mail", 1))
		db.Age(t, "outbox", 10*time.Second, "next_at")
		expectIDs(t, "once it is due", claim(t, db.Store, "mail", 1), "a")
	})
}

func TestOneOfManyOutcomesStands(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		idptest.Must(t, db.Enqueue(t.Context(), waiting("a", "mail")))
		winner, at := make(chan string, contenders), idp.Now()
		expectOneWinner(t, idp.ErrUsed, func(ctx context.Context, i int) error {
			cause := fmt.Sprint("worker ", i)
			err := db.FinishDelivery(ctx, "a", store.Failed, cause, at)
			if err == nil {
				winner <- cause
			}
			return err
		})
		// A worker whose lease ran out meanwhile changes nothing any more.
		idptest.Must(t, db.PutOffDelivery(t.Context(), "a", "too late", at.Add(-time.Hour)))
		idptest.Must(t, db.CancelDeliveries(t.Context(), "mail", "session of a", at.Add(time.Hour)))
		expectError(t, db.FinishDelivery(t.Context(), "invented", store.Delivered, "", at), idp.ErrUsed)
		got, err := db.Delivery(t.Context(), "a")
		if err != nil || got.Outcome != store.Failed || got.LastError != <-winner || !got.DoneAt.Equal(at) || len(got.Body) != 0 {
			t.Errorf("finished: %+v (%v)", got, err)
		}
		db.Age(t, "outbox", time.Hour, "next_at")
		expectIDs(t, "after the end", claim(t, db.Store, "mail", 1))
	})
}

func TestCancelGivesUpWhatWaitsAboutASession(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		a, same, session, lane := waiting("a", "one"), waiting("b", "one"), waiting("c", "one"), waiting("d", "two")
		same.SessionID, lane.SessionID = a.SessionID, a.SessionID
		idptest.Must(t, db.Enqueue(t.Context(), a, same, session, lane))
		at := idp.Now()
		idptest.Must(t, db.FinishDelivery(t.Context(), "b", store.Delivered, "", at.Add(-time.Minute)))
		idptest.Must(t, db.CancelDeliveries(t.Context(), "one", a.SessionID, at))
		for id, want := range map[string]store.Outcome{"a": store.Cancelled, "b": store.Delivered, "c": "", "d": ""} {
			got, err := db.Delivery(t.Context(), id)
			if err != nil || got.Outcome != want || (len(got.Body) == 0) != (want != "") || got.DoneAt.Equal(at) != (want == store.Cancelled) {
				t.Errorf("%s: %+v (%v), want %q", id, got, err, want)
			}
		}
	})
}

func TestOnlyLanesWithSomethingDueAreNamed(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		w := db.World(t)
		quiet := idptest.Client(idp.Agents)
		quiet.BackchannelLogoutURI = ""
		idptest.Must(t, db.CreateClient(t.Context(), quiet))
		expect := func(what string, want ...string) {
			t.Helper()
			got, err := db.DueLanes(t.Context(), idp.Now())
			idptest.Must(t, err)
			slices.Sort(got)
			slices.Sort(want)
			expectIDs(t, what, append([]string{}, got...), want...)
		}
		expect("an empty outbox")
		later := waiting("later", "mail")
		later.NextAt = idp.Now().Add(time.Hour)
		done := waiting("done", w.Client.ID)
		done.DoneAt, done.Outcome = idp.Now(), store.Delivered
		idptest.Must(t, db.Enqueue(t.Context(), later, done, waiting("untold", quiet.ID)))
		expect("nothing that is due and has a destination")
		idptest.Must(t, db.Enqueue(t.Context(), waiting("a", w.Client.ID), waiting("b", w.Client.ID)))
		expect("a client is to be told", w.Client.ID)
		db.Age(t, "outbox", time.Hour, "next_at")
		expect("the mail's time has come", "mail", w.Client.ID)
		claim(t, db.Store, "mail", 10)
		claim(t, db.Store, w.Client.ID, 10)
		expect("all is under way")
	})
}

func TestProgressOfEachLane(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		if got, err := db.Progress(t.Context()); err != nil || len(got) != 0 {
			t.Errorf("an empty outbox: %+v (%v)", got, err)
		}
		now := idp.Now()
		made := func(id, lane string, age time.Duration, outcome store.Outcome, cause string) store.Delivery {
			d := waiting(id, lane)
			d.CreatedAt, d.Outcome, d.LastError = now.Add(-age), outcome, cause
			if outcome != "" {
				d.DoneAt = now
			}
			return d
		}
		idptest.Must(t, db.Enqueue(t.Context(),
			made("1", "mail", 9*time.Minute, store.Delivered, "was busy"), made("2", "mail", 8*time.Minute, "", "older"),
			made("3", "mail", 7*time.Minute, "", ""), made("4", "mail", 6*time.Minute, store.Failed, "5.1.1 unknown"),
			made("5", "mail", 5*time.Minute, store.Expired, "newest complaint"), made("6", "mail", time.Minute, store.Delivered, "delivered late"),
			made("7", "mail", time.Minute, store.Cancelled, ""), made("8", "client", time.Minute, store.Delivered, ""),
		))
		got, err := db.Progress(t.Context())
		idptest.Must(t, err)
		expectSame(t, []store.LaneProgress{
			{Lane: "client", Delivered: 1},
			{
				Lane: "mail", Waiting: 2, Retrying: 1, Delivered: 2, Failed: 2,
				OldestAt: now.Add(-8 * time.Minute), LastError: "newest complaint",
			},
		}, got)
	})
}

func TestLaneIsTroubledWhileSomethingWaitsThatFailed(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		expect := func(what string, want bool) {
			t.Helper()
			if got, err := db.Troubled(t.Context(), "mail"); err != nil || got != want {
				t.Errorf("%s: troubled is %t (%v)", what, got, err)
			}
		}
		other := waiting("other", "client")
		other.LastError = "down"
		idptest.Must(t, db.Enqueue(t.Context(), waiting("a", "mail"), other))
		expect("before the first attempt", false)
		idptest.Must(t, db.PutOffDelivery(t.Context(), "a", "down", idp.Now()))
		expect("after an attempt in vain", true)
		idptest.Must(t, db.FinishDelivery(t.Context(), "a", store.Expired, "down", idp.Now()))
		expect("when nothing waits any more", false)
	})
}

func TestEnqueuedIsWhatIsCommitted(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		ran := []string{}
		for _, end := range []error{errStop, nil} {
			id := fmt.Sprint("ends with ", end)
			err := db.Do(t.Context(), func(ctx context.Context) error {
				db.AfterCommit(ctx, func() { ran = append(ran, id) })
				return errors.Join(db.Enqueue(ctx, waiting(id, "mail")), end)
			})
			expectError(t, err, end)
		}
		expectIDs(t, "after the transactions", claim(t, db.Store, "mail", 10), "ends with <nil>")
		expectIDs(t, "told of a commit", ran, "ends with <nil>")
	})
}

// The statements that run every second, whatever waits or ended, find their rows
// by the indexes made for them: no look at what is done.
func TestClaimsAndCleanUpUseTheirIndexes(t *testing.T) {
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		w := db.World(t)
		fillOutbox(t, db)
		for _, c := range []struct {
			table, index string
			run          func(ctx context.Context) error
		}{
			{"outbox", "outbox_due", func(ctx context.Context) error {
				_, err := db.ClaimDeliveries(ctx, "mail", idp.Now(), lease, 4)
				return err
			}},
			{"sessions", "sessions_policy", func(ctx context.Context) error {
				_, err := db.EndSessionsBelow(ctx, w.Population.ID, 3, idp.Now(), 200)
				return err
			}},
			{"grants", "grants_policy", func(ctx context.Context) error {
				_, _, err := db.RevokeGrantsBelow(ctx, w.Client.ID, 3, idp.Now(), 200)
				return err
			}},
		} {
			statement := watch(t, db, c.table, c.run)
			plan := explain(t, db, c.table+"_plan", statement)
			if !strings.Contains(plan, c.index) {
				t.Errorf("the plan does not use %s: %s\n%s", c.index, statement, plan)
			}
			if scan := fullScan.FindString(plan); scan != "" {
				t.Errorf("the plan reads a whole table (%s): %s\n%s", scan, statement, plan)
			}
		}
	})
}

// fullScan is a walk through all rows of a table or of an index.
var fullScan = regexp.MustCompile(`Seq Scan|SCAN (outbox|sessions|grants)`)

// fillOutbox stores many deliveries that are done, so that an index without them
// is worth choosing. SQLite plans without statistics, as nobody gathers them.
func fillOutbox(t *testing.T, db *idptest.Database) {
	t.Helper()
	idptest.Must(t, db.Enqueue(t.Context(), waiting("a", "mail")))
	for i := range 10 {
		list := make([]store.Delivery, 50)
		for j := range list {
			list[j] = waiting(fmt.Sprint(i, j), "mail")
			list[j].DoneAt, list[j].Outcome = idp.Now(), store.Delivered
		}
		idptest.Must(t, db.Enqueue(t.Context(), list...))
	}
	if db.Dialect() == "postgres" {
		_, err := db.SQL().ExecContext(t.Context(), "ANALYZE outbox")
		idptest.Must(t, err)
	}
}

// watch runs something while its table is locked from outside for longer than
// store.SlowStatement, and returns the statement that the log complains of: the
// one that production runs, not a copy of it.
func watch(t *testing.T, db *idptest.Database, table string, run func(ctx context.Context) error) string {
	t.Helper()
	log := idptest.Log(t)
	tx, err := db.SQL().BeginTx(t.Context(), nil) // SQLite's is immediate: nobody else writes
	idptest.Must(t, err)
	defer func() { _ = tx.Rollback() }()
	if db.Dialect() == "postgres" {
		_, err := tx.ExecContext(t.Context(), "LOCK TABLE "+table+" IN EXCLUSIVE MODE")
		idptest.Must(t, err)
	}
	done := make(chan error, 1)
	go func() { done <- run(t.Context()) }()
	<-time.After(store.SlowStatement + 100*time.Millisecond)
	idptest.Must(t, tx.Rollback())
	idptest.Must(t, <-done)
	match := regexp.MustCompile(`sql="((?:[^"\\]|\\.)*)"`).FindStringSubmatch(log.String())
	if match == nil {
		t.Fatalf("the log does not mention a slow statement: %q", log.String())
	}
	return numbered.ReplaceAllString(strings.ReplaceAll(match[1], `\"`, `"`), "$$$1")
}

// numbered is how GORM logs a PostgreSQL placeholder.
var (
	numbered    = regexp.MustCompile(`\$(\d+)\$`)
	placeholder = regexp.MustCompile(`\$\d+|\?`)
)

// explain asks the database how it would run a statement of ours. On PostgreSQL
// it may read a whole table only where it has no other way.
func explain(t *testing.T, db *idptest.Database, name, statement string) string {
	t.Helper()
	conn, err := db.SQL().Conn(t.Context())
	idptest.Must(t, err)
	defer func() { _ = conn.Close() }()
	query, args := "EXPLAIN QUERY PLAN "+statement, make([]any, len(placeholder.FindAllString(statement, -1)))
	if db.Dialect() == "postgres" {
		for _, s := range []string{
			"SET enable_seqscan = off", "SET plan_cache_mode = force_generic_plan", "PREPARE " + name + " AS " + statement,
		} {
			_, err = conn.ExecContext(t.Context(), s)
			idptest.Must(t, err)
		}
		values := strings.Repeat(", NULL", len(args))
		query, args = "EXPLAIN EXECUTE "+name+"("+strings.TrimPrefix(values, ", ")+")", nil
	}
	rows, err := conn.QueryContext(t.Context(), query, args...)
	idptest.Must(t, err)
	defer func() { _ = rows.Close() }()
	columns, err := rows.Columns()
	idptest.Must(t, err)
	var lines []string
	for rows.Next() {
		line := make([]any, len(columns))
		for i := range line {
			line[i] = new(any)
		}
		idptest.Must(t, rows.Scan(line...))
		lines = append(lines, fmt.Sprint(*line[len(line)-1].(*any)))
	}
	idptest.Must(t, rows.Err())
	return strings.Join(lines, "\n")
}
