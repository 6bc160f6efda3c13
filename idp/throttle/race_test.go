package throttle_test

import (
	"testing"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/store"
	"gatehouse/idp/throttle"
)

const guesses = 200

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

// N attempts allowed are N, on every counter, however many come at once and to which
// replica: as many as are free, then one after each wait.
func TestParallelAttemptsGetWhatIsAllowed(t *testing.T) {
	t.Parallel()
	for _, kind := range throttle.Kinds() {
		t.Run(string(kind), func(t *testing.T) {
			idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
				stores := []*store.Store{db.Store, db.Replica(t)}
				of := func(l *throttle.Limiter) []throttle.Counter { return []throttle.Counter{l.Of(kind)} }
				for round, want := range []int{kind.Free(), 1, 1} {
					db.Age(t, "throttles", throttle.MailWindow, "next_at")
					if n := allowed(t, stores, of); n != want {
						t.Errorf("round %d: %d of %d at once were allowed, want %d", round, n, guesses, want)
					}
				}
				rows, err := db.Throttles(t.Context(), throttle.Keys(of(limiter(db.Store))...))
				if err != nil || len(rows) != 1 || rows[0].Failures != kind.Free()+2 {
					t.Errorf("what was refused was counted: %+v (%v)", rows, err)
				}
			})
		})
	}
}

// Guesses at once get exactly the five free tries of an account, and those of the
// address that are left stay.
func TestParallelGuessesShareTheFreeTries(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		if n := allowed(t, []*store.Store{db.Store, db.Replica(t)}, accountAndAddress); n != 5 {
			t.Errorf("%d guesses at once were allowed", n)
		}
		if a := fail(t, db, 1, limiter(db.Store).Address("192.0.2.1")); a.Failures() != 6 {
			t.Errorf("five were allowed, and the next one from the address counts as %d", a.Failures())
		}
	})
}

// Successes at once give back what they took, from an address that others guess from.
func TestParallelSuccessesGiveBackTheirReservations(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		l := limiter(db.Store)
		var attempts []*throttle.Attempt
		for range 15 {
			a, err := l.Begin(t.Context(), l.Address("192.0.2.1"))
			idptest.Must(t, err)
			attempts = append(attempts, a)
		}
		for _, err := range idptest.Race(12, func(i int) error { return attempts[i].Succeeded(t.Context()) }) {
			idptest.Must(t, err)
		}
		if n := allowed(t, []*store.Store{db.Store}, func(l *throttle.Limiter) []throttle.Counter {
			return []throttle.Counter{l.Address("192.0.2.1")}
		}); n != 17 {
			t.Errorf("three have failed, and %d more were allowed", n)
		}
	})
}

// Later each wait lets one guess through, whichever replica it comes to.
func TestParallelGuessesShareOneTryAfterAWait(t *testing.T) {
	t.Parallel()
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
	t.Parallel()
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
