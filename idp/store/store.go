package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgconn"
	"gorm.io/gorm"
)

// Store is an open database. It is safe for concurrent use.
type Store struct {
	// write serves transactions and single writes, read serves reads outside of
	// them. SQLite has one writer and many readers; PostgreSQL uses one pool for
	// both.
	write, read *gorm.DB
	pools       []*sql.DB
	closePool   func()
	dialect     string
	clients     *clientCache
}

type txKey struct{}

// transaction is what the context of Do carries.
type transaction struct {
	db    *gorm.DB
	after []func()
}

// Do runs fn in a transaction: everything that fn does with the context it is
// given is committed together, or not at all when fn returns an error. A call
// inside another joins the outer transaction. PostgreSQL may end a transaction
// to break a deadlock; it is then run again, so fn must not have other effects.
func (s *Store) Do(ctx context.Context, fn func(ctx context.Context) error) error {
	if _, joined := ctx.Value(txKey{}).(*transaction); joined {
		return fn(ctx)
	}
	const attempts = 3
	var err error
	for range attempts {
		tx := &transaction{}
		err = s.write.WithContext(ctx).Transaction(func(db *gorm.DB) error {
			tx.db = db
			return fn(context.WithValue(ctx, txKey{}, tx))
		})
		if err == nil {
			for _, do := range tx.after {
				do()
			}
		}
		if !retriable(err) {
			return err
		}
	}
	return err
}

// AfterCommit calls do once the transaction of ctx is committed, and never when it
// is not; at once where there is none.
func (s *Store) AfterCommit(ctx context.Context, do func()) {
	if tx, ok := ctx.Value(txKey{}).(*transaction); ok {
		tx.after = append(tx.after, do)
		return
	}
	do()
}

// retriable tells whether PostgreSQL ended a transaction for a reason that
// another attempt may not meet: serialization failure or deadlock.
func retriable(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && (pg.Code == "40001" || pg.Code == "40P01")
}

// reader returns the transaction of ctx, or else the pool for reads.
func (s *Store) reader(ctx context.Context) *gorm.DB {
	if tx, ok := ctx.Value(txKey{}).(*transaction); ok {
		return tx.db.WithContext(ctx)
	}
	return s.read.WithContext(ctx)
}

// writer returns the transaction of ctx, or else the pool for writes.
func (s *Store) writer(ctx context.Context) *gorm.DB {
	if tx, ok := ctx.Value(txKey{}).(*transaction); ok {
		return tx.db.WithContext(ctx)
	}
	return s.write.WithContext(ctx)
}

// Ping tells whether the database answers and can be written by us.
func (s *Store) Ping(ctx context.Context) error {
	for _, pool := range s.pools {
		if err := pool.PingContext(ctx); err != nil {
			return fmt.Errorf("reach the database: %w", err)
		}
	}
	return nil
}

// Dialect is "sqlite" or "postgres".
func (s *Store) Dialect() string { return s.dialect }

// Close waits for running statements and closes all connections.
func (s *Store) Close() error {
	var errs []error
	for _, pool := range s.pools {
		errs = append(errs, pool.Close())
	}
	if s.closePool != nil {
		s.closePool()
	}
	return errors.Join(errs...)
}
