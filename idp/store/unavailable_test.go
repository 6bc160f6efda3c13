package store_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/store"
)

// impatient makes the connections of a store wait for locks only briefly, and applies
// other pragmas to them.
func impatient(t *testing.T, s *store.Store, pragmas ...string) {
	t.Helper()
	for _, pool := range store.Pools(s) {
		pool.SetMaxOpenConns(1)
		pool.SetMaxIdleConns(1)
		for _, pragma := range append(pragmas, "busy_timeout = 20") {
			_, err := pool.ExecContext(t.Context(), "PRAGMA "+pragma)
			idptest.Must(t, err)
		}
	}
}

func TestSQLiteThatCannotBeUsedIsUnavailable(t *testing.T) {
	for what, prepare := range map[string]func(db *idptest.Database){
		"locked by another process": func(db *idptest.Database) {
			impatient(t, db.Store)
			_, err := db.SQL().ExecContext(t.Context(), "BEGIN EXCLUSIVE")
			idptest.Must(t, err)
		},
		// A read-only connection: TestAReadOnlyConnectionIsGivenUp.
		"full": func(db *idptest.Database) { impatient(t, db.Store, "max_page_count = 1") },
		"replaced by something else": func(db *idptest.Database) {
			path := db.URL[len(store.SQLiteScheme):]
			impatient(t, db.Store, "wal_checkpoint(TRUNCATE)")
			idptest.Must(t, os.WriteFile(path, make([]byte, 1<<20), 0o600))
		},
	} {
		t.Run(what, func(t *testing.T) {
			db := idptest.Alone(t)
			prepare(db)
			letter := waiting("a", "mail")
			letter.Body = make([]byte, 1<<20)
			err := db.Do(t.Context(), func(ctx context.Context) error { return db.Enqueue(ctx, letter) })
			expectError(t, err, idp.ErrUnavailable)
			expectError(t, db.Enqueue(t.Context(), letter), idp.ErrUnavailable)
		})
	}
}

func TestErrorsOfBothDatabasesAreUnavailableOrAFault(t *testing.T) {
	for _, c := range []struct {
		err  error
		away bool
	}{
		{pg("08006"), true},
		{pg("28P01"), true},
		{pg("3D000"), true},
		{pg("25006"), true},
		{pg("40001"), true},
		{pg("40P01"), true},
		{pg("53100"), true},
		{pg("53300"), true},
		{pg("55P03"), true},
		{pg("57014"), true},
		{pg("57P01"), true},
		{pg("57P03"), true},
		{pg("58030"), true},
		{pg("42P01"), false},
		{pg("23514"), false},
		{pg("22021"), false},
		{&pgconn.ConnectError{}, true},
		{&net.OpError{Op: "dial", Err: errors.New("connection refused")}, true},
		{io.ErrUnexpectedEOF, true},
		{sql.ErrConnDone, true},
		{context.DeadlineExceeded, true},
		{context.Canceled, false},
		{errors.New("scan"), false},
	} {
		if got := store.Unavailable(fmt.Errorf("read: %w", c.err)); errors.Is(got, idp.ErrUnavailable) != c.away || !errors.Is(got, c.err) {
			t.Errorf("%#v: %v", c.err, got)
		}
	}
	if err := idptest.Alone(t).SQL().QueryRowContext(t.Context(), "SELECT nothing").Scan(new(int)); errors.Is(store.Unavailable(err), idp.ErrUnavailable) {
		t.Errorf("a wrong statement is our fault: %v", err)
	}
}

func pg(code string) error { return &pgconn.PgError{Code: code} }
