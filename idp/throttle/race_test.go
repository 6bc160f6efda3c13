package throttle_test

import (
	"testing"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/store"
	"gatehouse/idp/throttle"
)

const guesses = 50

// allowed is how many of many guesses at once are let through; the others are
// refused and not broken.
func allowed(t *testing.T, stores []*store.Store, counters func(l *throttle.Limiter) []throttle.Counter) int {
	t.Helper()
	n := 0
	for _, err := range idptest.Race(guesses, func(i int) error {
		l := limiter(stores[i%len(stores)])
		_, err := l.Begin(t.Context(), counters(l)...)
		return err
	}) {
		if limited(t, err) == nil {
			n++
		}
	}
	return n
}

func accountAndAddress(l *throttle.Limiter) []throttle.Counter {
	return []throttle.Counter{l.Account(idp.Agents, maya), l.Address("192.0.2.1")}
}

// Guesses at once never get more than the five free tries, and each that was
// let through is counted. Some may be sent away although a try was left: those
// who lost three rounds against the others wait a second.
func TestParallelGuessesShareTheFreeTries(t *testing.T) {
	inFakeTime(t, func(t *testing.T, _ *store.Store, l *throttle.Limiter) {
		n := 0
		for _, err := range idptest.Race(guesses, func(int) error {
			_, err := l.Begin(t.Context(), accountAndAddress(l)...)
			return err
		}) {
			if limited(t, err) == nil {
				n++
			}
		}
		if n < 1 || n > 5 {
			t.Errorf("%d guesses at once were allowed", n)
		}
		time.Sleep(time.Minute)
		a, err := l.Begin(t.Context(), accountAndAddress(l)...)
		if err != nil || a.Failures() != n+1 {
			t.Errorf("%d were allowed, and the next one counts as %d (%v)", n, a.Failures(), err)
		}
	})
}

// Later each wait lets one guess through, whichever replica it comes to.
func TestParallelGuessesShareOneTryAfterAWait(t *testing.T) {
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		stores := []*store.Store{db.Store, db.Replica(t)}
		fail(t, db, 12, accountAndAddress(limiter(db.Store))...)
		for i := range 3 {
			db.Age(t, "throttles", 2*time.Minute, "next_at")
			if n := allowed(t, stores, accountAndAddress); n != 1 {
				t.Errorf("round %d: %d guesses were allowed", i, n)
			}
		}
	})
}

func TestParallelGuessesDoNotPassTheCap(t *testing.T) {
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		stores := []*store.Store{db.Store, db.Replica(t)}
		factor := func(l *throttle.Limiter) []throttle.Counter {
			return []throttle.Counter{l.Factor(throttle.Authenticator, "f")}
		}
		fail(t, db, throttle.Cap-1, factor(limiter(db.Store))...)
		for _, want := range []int{1, 0} {
			db.Age(t, "throttles", 2*time.Minute, "next_at")
			if n := allowed(t, stores, factor); n != want {
				t.Errorf("%d guesses were allowed, want %d", n, want)
			}
		}
	})
}
