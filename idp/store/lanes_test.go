package store_test

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/store"
)

// With as many writes of strangers waiting as may wait, the write of somebody who has
// proved something is the next. One more stranger is refused at once; nobody else is.
func TestWritesOfPeopleWaitForNoStranger(t *testing.T) {
	t.Parallel()
	db := idptest.Alone(t)
	var mu sync.Mutex
	var order []string
	write := func(ctx context.Context, who string) error {
		return db.Do(ctx, func(context.Context) error {
			mu.Lock()
			defer mu.Unlock()
			order = append(order, who)
			return nil
		})
	}
	stranger := store.OfStranger(t.Context())
	var all sync.WaitGroup
	waiting := func(n int) {
		for db.Waiting() < n {
			runtime.Gosched()
		}
	}
	err := db.Do(t.Context(), func(context.Context) error {
		for range store.MostStrangers {
			all.Go(func() { idptest.Must(t, write(stranger, "stranger")) })
		}
		waiting(store.MostStrangers)
		all.Go(func() { idptest.Must(t, write(t.Context(), "refresh")) })
		waiting(store.MostStrangers + 1)
		// Who was let wait here would wait for this very transaction.
		atOnce, end := context.WithTimeout(stranger, 2*time.Second)
		defer end()
		if err := write(atOnce, "one more"); !errors.Is(err, idp.ErrUnavailable) {
			t.Errorf("one more stranger: %v", err)
		}
		return nil
	})
	idptest.Must(t, err)
	all.Wait()
	if at := slices.Index(order, "refresh"); at != 0 || len(order) != store.MostStrangers+1 {
		t.Errorf("the refresh was number %d of %d", at+1, len(order))
	}
}

// Who gives up waiting leaves the lane, and a turn that came meanwhile is not lost.
func TestWhoGivesUpWaitingHoldsUpNobody(t *testing.T) {
	t.Parallel()
	db := idptest.Alone(t)
	for range 50 {
		ctx, giveUp := context.WithCancel(store.OfStranger(t.Context()))
		var all sync.WaitGroup
		idptest.Must(t, db.Do(t.Context(), func(context.Context) error {
			for range 5 {
				all.Go(func() { _ = db.Do(ctx, func(context.Context) error { return nil }) })
			}
			all.Go(giveUp)
			return nil
		}))
		all.Wait()
	}
	idptest.Must(t, db.Do(t.Context(), func(context.Context) error { return nil }))
	if n := db.Waiting(); n != 0 {
		t.Errorf("%d wait still", n)
	}
}
