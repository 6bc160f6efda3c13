package password

import (
	"context"
	"fmt"
	"sync"
	"time"

	"gatehouse/idp"
)

// lane is a queue of its own for hashes: strangers, however many, do not hold up
// people whom we know already.
type lane int

const (
	strangers lane = iota
	known
	lanes
)

// The queue's bounds. A hash of ours takes about 40 ms, so that a full lane is worked
// off within some seconds; imported ones may take seconds each, which patience bounds.
const (
	// waitersPerSlot is how many may wait in each lane for each hash at a time.
	waitersPerSlot = 48
	// patience is the longest that anybody waits for their turn.
	patience = idp.BusyWait
	// turns: with people waiting in both lanes, strangers get every fourth hash.
	turns = 4
)

type laneKey struct{}

// ForKnown marks the work of a context as that of a known person: one who is signed in, or
// whose browser the account that they sign in to knows.
func ForKnown(ctx context.Context) context.Context {
	return context.WithValue(ctx, laneKey{}, known)
}

func laneOf(ctx context.Context) lane {
	l, _ := ctx.Value(laneKey{}).(lane)
	return l
}

// queue hands out slots, to those who wait in the order in which they came.
type queue struct {
	mu      sync.Mutex
	slots   int
	running int
	given   int // slots handed to those who waited, for whose turn it is
	waiting [lanes][]chan struct{}
}

// enter takes a slot, or waits for one. idp.ErrBusy: too many wait already, or it took
// too long.
func (q *queue) enter(ctx context.Context) error {
	l := laneOf(ctx)
	turn, err := q.line(l)
	if err != nil || turn == nil {
		return err
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-turn:
		return nil
	case <-timer.C:
		err = idp.ErrBusy
	case <-ctx.Done():
		err = ctx.Err()
	}
	if !q.drop(l, turn) { // it was our turn at the same moment
		q.leave()
	}
	return err
}

// line takes a slot at once and returns nil, or what tells that there is one.
func (q *queue) line(l lane) (turn chan struct{}, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.running < q.slots:
		q.running++
		return nil, nil
	case len(q.waiting[l]) >= waitersPerSlot*q.slots:
		return nil, fmt.Errorf("the queue is full: %w", idp.ErrBusy)
	}
	turn = make(chan struct{})
	q.waiting[l] = append(q.waiting[l], turn)
	return turn, nil
}

// drop takes one who gave up out of the line. It is false for one whose turn it is.
func (q *queue) drop(l lane, turn chan struct{}) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	for i, other := range q.waiting[l] {
		if other == turn {
			q.waiting[l] = append(q.waiting[l][:i:i], q.waiting[l][i+1:]...)
			return true
		}
	}
	return false
}

// leave hands a slot to the next, or frees it.
func (q *queue) leave() {
	q.mu.Lock()
	defer q.mu.Unlock()
	l := known
	if len(q.waiting[known]) == 0 || len(q.waiting[strangers]) > 0 && (q.given+1)%turns == 0 {
		l = strangers
	}
	if len(q.waiting[l]) == 0 {
		q.running--
		return
	}
	q.given++
	next := q.waiting[l][0]
	q.waiting[l] = q.waiting[l][1:]
	close(next)
}

// Suspend lets no hash begin until resume is called: what comes waits in line. It
// waits itself until those that run are done.
func (h *Hasher) Suspend() (resume func()) {
	for range h.queue.slots {
		for h.queue.enter(context.Background()) != nil {
		}
	}
	return func() {
		for range h.queue.slots {
			h.queue.leave()
		}
	}
}

// Waiting is how many hashes wait for their turn.
func (h *Hasher) Waiting() int {
	h.queue.mu.Lock()
	defer h.queue.mu.Unlock()
	return len(h.queue.waiting[strangers]) + len(h.queue.waiting[known])
}

// Running is how many hashes are computed now.
func (h *Hasher) Running() int {
	h.queue.mu.Lock()
	defer h.queue.mu.Unlock()
	return h.queue.running
}

// Room is how many may wait in each lane.
func (h *Hasher) Room() int { return waitersPerSlot * h.queue.slots }
