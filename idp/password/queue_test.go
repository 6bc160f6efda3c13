package password

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"

	"gatehouse/idp"
)

// inLine has n hashes wait, and returns the errors that they end with.
func inLine(t *testing.T, ctx context.Context, h *Hasher, n int) (ended *sync.WaitGroup, errs []error) {
	t.Helper()
	ended, errs = new(sync.WaitGroup), make([]error, n)
	for i := range n {
		ended.Go(func() { _, errs[i] = h.Hash(ctx, "correct horse") })
		synctest.Wait()
	}
	return ended, errs
}

// The line has an end: who comes then is sent away at once, and who stands in it waits
// some seconds at most.
func TestQueueHasAnEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := New(cheap)
		resume := h.Suspend()
		ended, errs := inLine(t, t.Context(), h, h.Room())
		began := idp.Now()
		if _, _, err := h.Verify(t.Context(), "", "wrong"); !errors.Is(err, idp.ErrBusy) || idp.Now().Sub(began) != 0 {
			t.Errorf("beyond the end: %v after %s", err, idp.Now().Sub(began))
		}
		ended.Wait()
		for _, err := range errs {
			if !errors.Is(err, idp.ErrBusy) {
				t.Errorf("in the line: %v", err)
			}
		}
		if took := idp.Now().Sub(began); took != idp.BusyWait || h.Waiting() != 0 {
			t.Errorf("they waited for %s, and %d still do", took, h.Waiting())
		}
		resume()
		if _, err := h.Hash(t.Context(), "correct horse"); err != nil {
			t.Errorf("afterwards: %v", err)
		}
	})
}

// Strangers, however many, leave room for people who are known; and both get on.
func TestQueueIsFair(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := New(cheap)
		h.queue.slots = 1
		resume := h.Suspend()
		var mu sync.Mutex
		var order []lane
		var all sync.WaitGroup
		for _, l := range []lane{strangers, known} {
			for range h.Room() {
				all.Go(func() {
					ctx := context.WithValue(t.Context(), laneKey{}, l)
					if err := h.queue.enter(ctx); err != nil {
						t.Error(err)
						return
					}
					mu.Lock()
					order = append(order, l)
					mu.Unlock()
					h.queue.leave()
				})
			}
		}
		synctest.Wait()
		resume()
		all.Wait()
		first := map[lane]int{}
		for _, l := range order[:h.Room()] {
			first[l]++
		}
		if first[strangers] != h.Room()/turns || first[known] != h.Room()-h.Room()/turns {
			t.Errorf("of the first %d, %d were strangers' and %d of the known", h.Room(), first[strangers], first[known])
		}
	})
}

// Who gives up leaves the line, and no slot is lost when it is their turn just then.
func TestWhoGivesUpLeavesTheQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := New(cheap)
		for range 50 {
			resume := h.Suspend()
			ctx, cancel := context.WithCancel(t.Context())
			ended, _ := inLine(t, ctx, h, 5)
			go cancel()
			resume()
			ended.Wait()
		}
		if h.queue.running != 0 || h.Waiting() != 0 {
			t.Errorf("%d run and %d wait", h.queue.running, h.Waiting())
		}
	})
}
