package idptest

import (
	"database/sql"
	"testing"
	"time"
)

// Meanwhile holds what everything that writes has to wait for, has something done, and
// changes a row once that waits, before it goes on.
func (d *Database) Meanwhile(t *testing.T, change string, do func() *Page) *Page {
	t.Helper()
	tx, err := d.SQL().BeginTx(t.Context(), nil)
	Must(t, err)
	if d.Dialect() == "postgres" {
		_, err = tx.ExecContext(t.Context(), "LOCK TABLE audit_events IN EXCLUSIVE MODE")
		Must(t, err)
	}
	_, err = tx.ExecContext(t.Context(), change)
	Must(t, err)
	done := make(chan *Page, 1)
	go func() { done <- do() }()
	d.awaitLock(t, tx, done)
	Must(t, tx.Commit())
	return <-done
}

// awaitLock waits until something waits for a lock. PostgreSQL tells, and SQLite does not.
func (d *Database) awaitLock(t *testing.T, tx *sql.Tx, done chan *Page) {
	t.Helper()
	if d.Dialect() != "postgres" {
		// A post that has not reached the lock by then meets the change at its first look
		// and not at its last: on a slow machine the test shows less, and never fails for it.
		time.Sleep(100 * time.Millisecond)
		return
	}
	for waiting := 0; waiting == 0 && len(done) == 0; {
		Must(t, tx.QueryRowContext(t.Context(), waitingForUs).Scan(&waiting))
	}
}

// waitingForUs counts the connections that wait for a lock of this one, or of one that
// does. Those of other tests in the same cluster wait for others. pg_stat_activity would
// say the same all through a transaction.
const waitingForUs = `WITH RECURSIVE waiting(pid) AS (
		SELECT pg_backend_pid()
		UNION SELECT l.pid FROM pg_locks l, waiting w WHERE NOT l.granted AND w.pid = ANY(pg_blocking_pids(l.pid))
	) SELECT COUNT(*) - 1 FROM waiting, pg_sleep(0.005)`
