package store

import (
	"context"
	"database/sql"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"gorm.io/gorm"

	"gatehouse/idp"
)

// SQLite has one writer. Who waits for it stands in one of two lanes: writes that
// strangers cause wait until no other does, and only so many of them at once.

// MostStrangers is how many writes of strangers wait at once; one more is refused with
// idp.ErrUnavailable.
const MostStrangers = 100

// strangersTurn is after how many turns of others in a row a stranger has one: those who
// begin a sign-in are strangers too.
const strangersTurn = 20

type strangerKey struct{}

// OfStranger is ctx for writes that anybody can cause without proving anything: at a
// database with one writer they wait until no other does.
func OfStranger(ctx context.Context) context.Context {
	return context.WithValue(ctx, strangerKey{}, true)
}

// OfPerson is ctx for writes of a person who has proved something: they do not wait for
// strangers.
func OfPerson(ctx context.Context) context.Context {
	return context.WithValue(ctx, strangerKey{}, false)
}

func isStranger(ctx context.Context) bool {
	stranger, _ := ctx.Value(strangerKey{}).(bool)
	return stranger
}

// lanes are the queue for one writer.
type lanes struct {
	mu    sync.Mutex
	taken bool
	// others and strangers wait, the first in each for the longest time. Each is told by
	// its channel that it is its turn.
	others, strangers []chan struct{}
	passed            int // turns of others since a stranger's, while one waits
	waits             int64
	wait              time.Duration
}

// waited is how many had to wait for the writer so far, and how long they all did.
func (l *lanes) waited() (int64, time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.waits, l.wait
}

func (l *lanes) hasWaited(since time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.waits++
	l.wait += idp.Now().Sub(since)
}

// enter returns once it is the turn of ctx, or its error where that ends before.
func (l *lanes) enter(ctx context.Context) error {
	l.mu.Lock()
	if !l.taken {
		l.taken = true
		l.mu.Unlock()
		return nil
	}
	lane := &l.others
	if isStranger(ctx) {
		lane = &l.strangers
		if len(l.strangers) >= MostStrangers {
			l.mu.Unlock()
			return fmt.Errorf("%w: too many strangers wait for the writer", idp.ErrUnavailable)
		}
	}
	turn := make(chan struct{})
	*lane = append(*lane, turn)
	l.mu.Unlock()
	defer l.hasWaited(idp.Now())
	select {
	case <-turn:
		return nil
	case <-ctx.Done():
		l.giveUp(lane, turn)
		return ctx.Err()
	}
}

// giveUp takes one that waits no longer out of its lane, and passes on its turn if that
// came meanwhile.
func (l *lanes) giveUp(lane *[]chan struct{}, turn chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, waiting := range *lane {
		if waiting == turn {
			*lane = append((*lane)[:i], (*lane)[i+1:]...)
			return
		}
	}
	l.next()
}

// busy tells whether the writer is at work.
func (l *lanes) busy() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.taken
}

// leave ends a turn.
func (l *lanes) leave() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.next()
}

// next gives the turn to who waits; l.mu is held.
func (l *lanes) next() {
	lane := &l.others
	switch {
	case len(l.others) == 0 && len(l.strangers) == 0:
		l.taken = false
		return
	case len(l.others) == 0 || len(l.strangers) > 0 && l.passed >= strangersTurn:
		lane, l.passed = &l.strangers, 0
	case len(l.strangers) > 0:
		l.passed++
	}
	close((*lane)[0])
	*lane = (*lane)[1:]
}

// lanedPool has each statement and transaction of a pool with one connection wait in its
// lane.
type lanedPool struct {
	pool  *sql.DB
	lanes *lanes
	// stale: the connection is to be made anew before it is used again.
	stale atomic.Bool
}

// enter waits for a turn, and makes the connection anew if it is stale: no other has it.
func (p *lanedPool) enter(ctx context.Context) error {
	if err := p.lanes.enter(ctx); err != nil {
		return err
	}
	if p.stale.Swap(false) {
		p.pool.SetMaxIdleConns(0) // closes it
		p.pool.SetMaxIdleConns(1)
	}
	return nil
}

// GetDBConn implements gorm.GetDBConnector.
func (p *lanedPool) GetDBConn() (*sql.DB, error) { return p.pool, nil }

// inTurn runs fn when its lane's turn has come.
func inTurn[T any](ctx context.Context, p *lanedPool, fn func() (T, error)) (result T, err error) {
	if err := p.enter(ctx); err != nil {
		return result, err
	}
	defer p.lanes.leave()
	return fn()
}

// PrepareContext implements gorm.ConnPool.
func (p *lanedPool) PrepareContext(ctx context.Context, query string) (*sql.Stmt, error) {
	return inTurn(ctx, p, func() (*sql.Stmt, error) { return p.pool.PrepareContext(ctx, query) })
}

// ExecContext implements gorm.ConnPool.
func (p *lanedPool) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	return inTurn(ctx, p, func() (sql.Result, error) { return p.pool.ExecContext(ctx, query, args...) })
}

// QueryContext implements gorm.ConnPool. The next in the lanes waits for the connection
// until the rows are read.
func (p *lanedPool) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	return inTurn(ctx, p, func() (*sql.Rows, error) { return p.pool.QueryContext(ctx, query, args...) })
}

// QueryRowContext implements gorm.ConnPool. A row carries no error of ours: a read that
// does not get its turn asks the pool, which says that its context has ended.
func (p *lanedPool) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	if err := p.enter(OfPerson(ctx)); err == nil {
		defer p.lanes.leave()
	}
	return p.pool.QueryRowContext(ctx, query, args...)
}

// BeginTx implements gorm.ConnPoolBeginner.
func (p *lanedPool) BeginTx(ctx context.Context, opts *sql.TxOptions) (gorm.ConnPool, error) {
	if err := p.enter(ctx); err != nil {
		return nil, err
	}
	tx, err := p.pool.BeginTx(ctx, opts)
	if err != nil {
		p.lanes.leave()
		return nil, err
	}
	return &lanedTx{Tx: tx, leave: sync.OnceFunc(p.lanes.leave)}, nil
}

// lanedTx is a transaction that ends its turn when it ends.
type lanedTx struct {
	*sql.Tx
	leave func()
}

// Commit implements gorm.TxCommitter.
func (t *lanedTx) Commit() error {
	defer t.leave()
	return t.Tx.Commit()
}

// Rollback implements gorm.TxCommitter.
func (t *lanedTx) Rollback() error {
	defer t.leave()
	return t.Tx.Rollback()
}
