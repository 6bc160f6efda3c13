package store

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"gatehouse/idp"
)

// How often Ready tries a write: while all is well, and while the database takes none.
const (
	tryEvery   = 5 * time.Second
	retryEvery = time.Second
	tryWithin  = 2 * time.Second
)

// ErrNoWrites is that the database answers and takes no writes.
var ErrNoWrites = errors.New("the database takes no writes")

// health is what statements told of the database beside their results.
type health struct {
	// damaged is set once a statement found the database file damaged.
	damaged atomic.Bool
	// reconnect gives up connections that may know the database as read-only for as long
	// as they live: it was failed over, or is writable again.
	reconnect func()

	mu sync.Mutex
	// refused is why the database took no write, nil once one of Ready's was taken.
	refused     error
	tried       time.Time
	trying      bool
	reconnected time.Time
}

// saw takes notice of what became of a statement or transaction.
func (h *health) saw(err error) {
	if err == nil {
		return
	}
	if isDamage(err) {
		h.damaged.Store(true)
	}
	readOnly, full := refusesWrites(err)
	if !readOnly && !full {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.refused = fmt.Errorf("%w: %w", ErrNoWrites, err)
	if now := idp.Now(); readOnly && now.Sub(h.reconnected) >= retryEvery {
		h.reconnected = now
		h.reconnect()
	}
}

// refusesWrites knows the errors of a database that answers and takes no writes: it is
// read-only, or its disk is full or fails.
func refusesWrites(err error) (readOnly, full bool) {
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		return pg.Code == "25006", pg.Code == "53100" || pg.Code == "58030"
	}
	switch code, _ := sqliteCode(err); code {
	case 8:
		return true, false
	case 10, 13, 14: // IOERR, FULL, CANTOPEN of a journal
		return false, true
	}
	return false, false
}

// Ready tells whether the database answers and takes writes: as statements found it, and
// by a write of Ready's own every few seconds, which waits for no other writer.
func (s *Store) Ready(ctx context.Context) error {
	if err := s.Ping(ctx); err != nil {
		return err
	}
	due, err := s.health.due(idp.Now())
	if !due {
		return err
	}
	return s.health.tell(s.tryWrite(ctx, err != nil))
}

// due tells whether a write should be tried now, by this caller, and how the last went.
func (h *health) due(now time.Time) (bool, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	wait := tryEvery
	if h.refused != nil {
		wait = retryEvery
	}
	if h.trying || now.Sub(h.tried) < wait {
		return false, h.refused
	}
	h.trying, h.tried = true, now
	return true, h.refused
}

// errWriterBusy is that another write is under way, which will tell.
var errWriterBusy = errors.New("another write is under way")

func (h *health) tell(err error) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.trying = false
	if !errors.Is(err, errWriterBusy) {
		h.refused = err
	}
	return h.refused
}

// How much is written to see whether there is room: a row, and once there was none, more
// than the free space of a few pages.
const (
	tryBytes, retryBytes = 32, 2 << 10
	tryRows, retryRows   = 1, 16
)

// tryWrite stores what is too old already, for the next Sweep to remove.
func (s *Store) tryWrite(ctx context.Context, thoroughly bool) error {
	if s.lanes != nil && s.lanes.busy() {
		return errWriterBusy
	}
	ctx, cancel := context.WithTimeout(ctx, tryWithin)
	defer cancel()
	rows, size := tryRows, tryBytes
	if thoroughly {
		rows, size = retryRows, retryBytes
	}
	var ids []usedIDRow
	for range rows {
		id := make([]byte, size)
		_, _ = rand.Read(id) // it never fails
		ids = append(ids, usedIDRow{id, idp.Now()})
	}
	if err := written(s.writer(ctx).Create(&ids).Error, "a trial"); err != nil {
		return fmt.Errorf("%w: %w", ErrNoWrites, err)
	}
	return nil
}
