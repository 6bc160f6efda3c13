package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"gorm.io/gorm"

	"gatehouse/idp"
)

// Store is an open database. It is safe for concurrent use.
type Store struct {
	// write serves transactions and single writes, read serves reads outside of
	// them. SQLite has one writer and many readers; PostgreSQL uses one pool for
	// both.
	write, read *gorm.DB
	// outside serves what a transaction waits for before it is committed.
	outside   *gorm.DB
	pools     []*sql.DB
	closePool func()
	dialect   string
	// heard hears of audit events, and stats reads the pools' numbers.
	heard func(idp.AuditEvent)
	stats func() []Pool
	// address is the file of SQLite, or the URL of PostgreSQL itself, without a pooler.
	address string
	clients *clientCache
	// apis are by their identifiers: whatever is sent as a client's id finds none of them.
	apis   *clientCache
	health *health
	// lanes are the queue for SQLite's one writer; nil on PostgreSQL.
	lanes *lanes
}

type txKey struct{}

// transaction is what the context of Do carries.
type transaction struct {
	db    *gorm.DB
	after []func()
}

// Do runs fn in a transaction: everything that fn does with the context it is
// given is committed together, or not at all when fn returns an error or a
// Witness of ctx is against it. A call inside another joins the outer transaction. PostgreSQL may end a transaction
// to break a deadlock; it is then run again, so fn must not have other effects. A connection that turns out to be
// lost before fn is called is replaced.
func (s *Store) Do(ctx context.Context, fn func(ctx context.Context) error) error {
	if _, joined := ctx.Value(txKey{}).(*transaction); joined {
		return fn(ctx)
	}
	const attempts = 4
	var err error
	for attempt := range attempts {
		if err := pauseBefore(ctx, attempt); err != nil {
			return unavailable(err)
		}
		tx, begun := &transaction{}, false
		err = s.write.WithContext(ctx).Transaction(func(db *gorm.DB) error {
			tx.db, begun = db, true
			if err := fn(context.WithValue(ctx, txKey{}, tx)); err != nil {
				return err
			}
			return s.AskWitness(ctx)
		})
		if err == nil {
			for _, do := range tx.after {
				do()
			}
		}
		s.health.saw(err)
		if !retriable(err) && (begun || !reconnectable(ctx, err)) {
			return unavailable(s.tellWitness(ctx, err))
		}
	}
	return unavailable(err)
}

// pauseBefore lets two transactions that stopped each other start apart: one after
// the other, and not both at once into the same deadlock again.
func pauseBefore(ctx context.Context, attempt int) error {
	if attempt == 0 {
		return nil
	}
	timer := time.NewTimer(rand.N(time.Duration(attempt) * 40 * time.Millisecond)) // #nosec G404 -- spreads load, guards nothing
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
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

// Committed is ctx without its transaction, for what AfterCommit calls.
func Committed(ctx context.Context) context.Context { return context.WithValue(ctx, txKey{}, nil) }

// retriable tells whether PostgreSQL ended a transaction for a reason that
// another attempt may not meet: serialization failure or deadlock.
func retriable(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && (pg.Code == "40001" || pg.Code == "40P01")
}

// reconnectable tells whether PostgreSQL may answer BEGIN on another connection: this one was
// lost, and the request has time left.
func reconnectable(ctx context.Context, err error) bool {
	if ctx.Err() != nil || errors.Is(err, context.DeadlineExceeded) {
		return false
	}
	if connect, ok := errors.AsType[*pgconn.ConnectError](err); ok && connect != nil {
		return false // none can be made
	}
	pg, ok := errors.AsType[*pgconn.PgError](err)
	return ok && pg.Code == "57P01" || !ok && connectionLost(err)
}

// reader returns the transaction of ctx, or else the pool for reads.
func (s *Store) reader(ctx context.Context) *gorm.DB {
	if tx, ok := ctx.Value(txKey{}).(*transaction); ok {
		return tx.db.WithContext(ctx)
	}
	if ctx.Value(outsideKey{}) != nil {
		return s.outside.WithContext(ctx)
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

// Ping tells whether the database answers.
func (s *Store) Ping(ctx context.Context) error {
	pools := s.pools
	if s.lanes != nil {
		pools = pools[1:] // the first is the writer's
	}
	for _, pool := range pools {
		if err := pool.PingContext(ctx); err != nil {
			return fmt.Errorf("reach the database: %w", err)
		}
	}
	if s.health.damaged.Load() {
		return ErrDamaged
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
