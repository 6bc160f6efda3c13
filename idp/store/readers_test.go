package store_test

import (
	"context"
	"database/sql"
	"errors"
	"runtime"
	"sync"
	"testing"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/store"
)

// holdReaders takes all connections that read, until release is called.
func holdReaders(t *testing.T, db *idptest.Database) (release func()) {
	t.Helper()
	pool := store.Pools(db.Store)[1]
	held := make([]*sql.Conn, pool.Stats().MaxOpenConnections)
	for i := range held {
		var err error
		held[i], err = pool.Conn(t.Context())
		idptest.Must(t, err)
	}
	return sync.OnceFunc(func() {
		for _, c := range held {
			_ = c.Close()
		}
	})
}

// With all of SQLite's readers held, a read ends with its deadline and says that the
// database is not there, as a write does: it becomes a 503.
func TestAReadThatGetsNoReaderIsUnavailableAtItsDeadline(t *testing.T) {
	t.Parallel()
	db := idptest.Alone(t)
	_, err := db.User(t.Context(), "nobody") // a statement that is prepared already
	expectError(t, err, idp.ErrNotFound)
	release := holdReaders(t, db)
	defer release()
	var all sync.WaitGroup
	for range 20 {
		for what, read := range map[string]func(ctx context.Context) error{
			"an earlier statement": func(ctx context.Context) error { _, err := db.User(ctx, "nobody"); return err },
			"a new statement":      func(ctx context.Context) error { _, err := db.Client(ctx, "nobody"); return err },
			"in a transaction": func(ctx context.Context) error {
				return db.Do(ctx, func(context.Context) error { _, err := db.Session(ctx, "nobody"); return err })
			},
		} {
			all.Go(func() {
				ctx, end := context.WithTimeout(t.Context(), 300*time.Millisecond)
				defer end()
				if err := read(ctx); !errors.Is(err, idp.ErrUnavailable) {
					t.Errorf("%s: %v", what, err)
				}
			})
		}
	}
	all.Wait()
}

// Who waits longer for a reader gets one, whoever asked the same and gave up before.
func TestWhoGivesUpWaitingForAReaderTakesNobodyAlong(t *testing.T) {
	t.Parallel()
	db := idptest.Alone(t)
	release := holdReaders(t, db)
	var all sync.WaitGroup
	short, end := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer end()
	all.Go(func() { _, _ = db.Client(short, "nobody") })
	for store.Pools(db.Store)[1].Stats().WaitCount == 0 {
		runtime.Gosched()
	}
	for range 10 {
		all.Go(func() {
			_, err := db.Client(t.Context(), "nobody")
			expectError(t, err, idp.ErrNotFound)
		})
	}
	<-short.Done()
	release()
	all.Wait()
}
