package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/libtnb/sqlite"
)

// startLock is the key of PostgreSQL's advisory lock.
const startLock = 0x6761746568 // "gateh"

// Alone runs fn while no other process runs one on this database: what a start does only
// where no other has done it yet. The lock is of a connection of its own and ends with the
// process. It does not nest.
func (s *Store) Alone(ctx context.Context, fn func(ctx context.Context) error) error {
	lock := s.lockSQLite
	if s.dialect == "postgres" {
		lock = s.lockPostgres
	}
	unlock, err := lock(ctx)
	if err != nil {
		return fmt.Errorf("wait for other processes that start: %w", err)
	}
	return errors.Join(fn(ctx), unlock())
}

func (s *Store) lockPostgres(ctx context.Context) (unlock func() error, err error) {
	conn, err := pgx.Connect(ctx, s.address)
	if err != nil {
		return nil, err
	}
	unlock = func() error { return conn.Close(context.WithoutCancel(ctx)) }
	if _, err := conn.Exec(ctx, "SELECT pg_advisory_lock($1)", startLock); err != nil {
		return nil, errors.Join(err, unlock())
	}
	return unlock, nil
}

// lockSQLite holds the write lock of an empty database beside ours: that of ours
// belongs to a transaction, and a start makes several.
func (s *Store) lockSQLite(ctx context.Context) (unlock func() error, err error) {
	pool, err := sql.Open(sqlite.DriverName, sqliteDSN(s.address+".lock", "immediate", "busy_timeout(300000)"))
	if err != nil {
		return nil, err
	}
	tx, err := pool.BeginTx(ctx, nil)
	if err != nil {
		return nil, errors.Join(err, pool.Close())
	}
	return func() error { return errors.Join(tx.Rollback(), pool.Close()) }, nil
}
