package idptest

import (
	"context"
	"database/sql"
	"sync/atomic"
	"testing"

	"gatehouse/idp/store"
)

// Crowd is Race of n writers on two replicas, who all look before one of them writes to
// a table: it is locked until each waits for something, or has been answered. What a
// writer looked at is then what all of them saw. SQLite has one
// writer at a time: there it is Race alone.
func (d *Database) Crowd(t *testing.T, table string, n int, prepare func(replicas []*store.Store) func(i int) error) []error {
	t.Helper()
	replicas := make([]*store.Store, 2)
	for i := range replicas {
		s, err := store.Open(t.Context(), d.URL)
		Must(t, err)
		replicas[i] = s
	}
	var answered atomic.Int64
	try := prepare(replicas)
	counted := func(i int) error {
		defer answered.Add(1)
		return try(i)
	}
	release := d.hold(t, table, func() int { return n - int(answered.Load()) })
	errs := Race(n, counted)
	release()
	for _, s := range replicas {
		Must(t, s.Close())
	}
	return errs
}

// hold locks a table against writers until so many wait as are left. What it returns
// waits for the end of that.
func (d *Database) hold(t *testing.T, table string, left func() int) (release func()) {
	t.Helper()
	if d.Dialect() != "postgres" {
		return func() {}
	}
	tx, err := d.SQL().BeginTx(t.Context(), nil)
	Must(t, err)
	_, err = tx.ExecContext(t.Context(), "LOCK TABLE "+table+" IN SHARE MODE")
	Must(t, err)
	done := make(chan error, 1)
	go func() { done <- commitOnceAllWait(t.Context(), tx, left) }()
	return func() { Must(t, <-done) }
}

func commitOnceAllWait(ctx context.Context, tx *sql.Tx, left func() int) error {
	defer func() { _ = tx.Rollback() }() // does nothing after a commit
	for waiting := 0; ; {
		if err := tx.QueryRowContext(ctx, waitingForUs).Scan(&waiting); err != nil {
			return err
		}
		if waiting >= left() {
			return tx.Commit()
		}
	}
}
