package store_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/store"
)

// wantReady fails unless Ready says, now, whether the database takes writes.
func wantReady(t *testing.T, s *store.Store, when string, ready bool) {
	t.Helper()
	store.TryAgain(s)
	if err := s.Ready(t.Context()); (err == nil) != ready || !ready && !errors.Is(err, store.ErrNoWrites) {
		t.Errorf("%s: %v", when, err)
	}
}

// A connection stays read-only for as long as it lives, whatever becomes of the database.
// It is given up.
func TestAReadOnlyConnectionIsGivenUp(t *testing.T) {
	db := idptest.Alone(t)
	impatient(t, db.Store, "query_only = 1")
	wantReady(t, db.Store, "read-only", false)
	wantReady(t, db.Store, "by a connection of its own", true)
	for id, write := range map[string]func(store.Delivery) error{
		"alone": func(d store.Delivery) error { return db.Enqueue(t.Context(), d) },
		"in a transaction": func(d store.Delivery) error {
			return db.Do(t.Context(), func(ctx context.Context) error { return db.Enqueue(ctx, d) })
		},
	} {
		impatient(t, db.Store, "query_only = 1")
		store.TryAgain(db.Store)
		expectError(t, write(waiting(id, "mail")), idp.ErrUnavailable)
		idptest.Must(t, write(waiting(id, "mail")))
	}
}

// Ready finds out by itself, where nobody writes.
func TestAReadOnlyPostgresIsNotReadyAndHeals(t *testing.T) {
	address := idptest.PostgresDatabase(t)
	s := migrated(t, store.Options{URL: address})
	outside, err := pgx.Connect(t.Context(), address)
	idptest.Must(t, err)
	defer func() { _ = outside.Close(context.WithoutCancel(t.Context())) }()
	readOnly := func(is string) {
		_, err := outside.Exec(t.Context(), fmt.Sprintf("ALTER DATABASE %s SET default_transaction_read_only = %s", outside.Config().Database, is))
		idptest.Must(t, err)
	}
	wantReady(t, s, "at first", true)
	readOnly("on")
	late := opened(t, store.Options{URL: address})
	wantReady(t, late, "read-only", false)
	expectError(t, late.Enqueue(t.Context(), waiting("a", "mail")), idp.ErrUnavailable)
	readOnly("off")
	store.TryAgain(late)
	_ = late.Ready(t.Context()) // by a connection from before, or by a new one
	wantReady(t, late, "writable again", true)
	idptest.Must(t, late.Enqueue(t.Context(), waiting("b", "mail")))
}

func opened(t *testing.T, o store.Options) *store.Store {
	t.Helper()
	s, err := store.OpenWith(t.Context(), o)
	idptest.Must(t, err)
	t.Cleanup(func() { idptest.Must(t, s.Close()) })
	return s
}

func migrated(t *testing.T, o store.Options) *store.Store {
	t.Helper()
	s := opened(t, o)
	idptest.Must(t, s.Migrate(t.Context()))
	return s
}

// Ready's own write may find room where others find none.
func TestAFullDatabaseIsNotReadyUntilThereIsRoom(t *testing.T) {
	db := idptest.Alone(t)
	impatient(t, db.Store, "max_page_count = 1")
	letter := waiting("a", "mail")
	letter.Body = make([]byte, 1<<20)
	for _, write := range []func() error{
		func() error { return db.Enqueue(t.Context(), letter) },
		func() error {
			return db.Do(t.Context(), func(ctx context.Context) error { return db.Enqueue(ctx, letter) })
		},
	} {
		wantReady(t, db.Store, "room for a little", true)
		expectError(t, write(), idp.ErrUnavailable)
		if err := db.Ready(t.Context()); err == nil {
			t.Error("ready, right after a write failed")
		}
		impatient(t, db.Store, "max_page_count = 1000000")
		wantReady(t, db.Store, "room again", true)
		impatient(t, db.Store, "max_page_count = 1")
	}
}

// Who asks every half second costs a write every few seconds, and waits for no other
// writer.
func TestReadyWaitsForNoWriterAndWritesSeldom(t *testing.T) {
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		ctx, n := store.CountStatements(t.Context())
		for range 5 {
			idptest.Must(t, db.Ready(ctx))
		}
		if n.Load() != 1 {
			t.Errorf("%d statements for five answers", n.Load())
		}
		idptest.Must(t, db.Do(t.Context(), func(inside context.Context) error {
			idptest.Must(t, db.Enqueue(inside, waiting("a", "mail")))
			store.TryAgain(db.Store)
			return db.Ready(t.Context())
		}))
	})
}

func TestAForeignLockTakesAConnectionForAWhileOnly(t *testing.T) {
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		if db.Dialect() != "postgres" {
			return // see TestASQLiteFileThatAnotherProcessHoldsIsAnsweredWith503Everywhere
		}
		for name, want := range map[string]string{
			"lock_timeout": "10s", "statement_timeout": "30s", "idle_in_transaction_session_timeout": "30s",
		} {
			var got string
			idptest.Must(t, store.Pools(db.Store)[0].QueryRowContext(t.Context(), "SHOW "+name).Scan(&got))
			if got != want {
				t.Errorf("%s is %s", name, got)
			}
		}
		lock, err := db.SQL().BeginTx(t.Context(), nil)
		idptest.Must(t, err)
		defer func() { _ = lock.Rollback() }()
		_, err = lock.ExecContext(t.Context(), "LOCK TABLE outbox")
		idptest.Must(t, err)
		hurried, err := store.Open(t.Context(), db.URL+"&lock_timeout=50")
		idptest.Must(t, err)
		defer func() { idptest.Must(t, hurried.Close()) }()
		expectError(t, hurried.Enqueue(context.WithoutCancel(t.Context()), waiting("a", "mail")), idp.ErrUnavailable)
	})
}
