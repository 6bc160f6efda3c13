package store_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/store"
)

func TestForgivenAttemptLeavesNoWait(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		now := idp.Now()
		budget := func(key string, free int) store.Budget {
			return store.Budget{Key: []byte(key), Kind: "address", Free: free, Waits: []time.Duration{time.Minute}}
		}
		_, err := db.CountAttempt(t.Context(), now, []store.Budget{budget("one", 1)})
		idptest.Must(t, err)
		for range 9 {
			_, err := db.CountAttempt(t.Context(), now, []store.Budget{budget("nine", 9)})
			idptest.Must(t, err)
		}
		keys := [][]byte{[]byte("one"), []byte("nine"), []byte("none")}
		for range 2 { // never below zero
			idptest.Must(t, db.ForgiveAttempt(t.Context(), keys))
		}
		rows, err := db.Throttles(t.Context(), keys)
		idptest.Must(t, err)
		for _, r := range rows {
			if want := map[string]int{"one": 0, "nine": 7}[string(r.Key)]; r.Failures != want || !r.NextAt.Equal(now) {
				t.Errorf("%s: %d failures, next at %v", r.Key, r.Failures, r.NextAt)
			}
		}
		idptest.Must(t, db.ClearThrottles(t.Context(), keys[:1]))
		if rows, err = db.Throttles(t.Context(), keys); err != nil || len(rows) != 1 || string(rows[0].Key) != "nine" {
			t.Errorf("left are %+v (%v)", rows, err)
		}
	})
}

func TestBrowserIsKnownToThePersonWhoUsedIt(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		w := db.World(t)
		other := idptest.User(idp.Agents, "robin@rtx.example")
		idptest.Must(t, db.CreateUser(t.Context(), other))
		for range 2 {
			idptest.Must(t, db.RememberBrowser(t.Context(), w.User.ID, []byte("laptop"), idp.Now()))
			db.Age(t, "known_browsers", 300*24*time.Hour)
		}
		idptest.Must(t, db.RememberBrowser(t.Context(), w.User.ID, []byte("laptop"), idp.Now()))
		_, err := db.Sweep(t.Context(), idp.Now(), store.Retention{}) // it was seen just now
		idptest.Must(t, err)
		for _, c := range []struct {
			user, browser string
			want          bool
		}{{w.User.ID, "laptop", true}, {w.User.ID, "phone", false}, {other.ID, "laptop", false}, {"nobody", "laptop", false}} {
			if known, err := db.KnowsBrowser(t.Context(), c.user, []byte(c.browser)); err != nil || known != c.want {
				t.Errorf("%s, %s: %t, %v", c.user, c.browser, known, err)
			}
		}
	})
}

// SQLite keeps times as text: it must sort as the times do, to the microsecond.
func TestTimesAreOrderedAsTheyPass(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		ctx, w := t.Context(), db.World(t)
		const year = 365 * 24 * time.Hour
		moment := rapid.Custom(func(t *rapid.T) time.Time {
			micros := rapid.OneOf(rapid.Int64Range(0, 2_000_000), rapid.Int64Range(0, (200*year).Microseconds())).Draw(t, "micros")
			return time.Date(1990, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(micros) * time.Microsecond)
		})
		rapid.Check(t, func(rt *rapid.T) {
			seen, now := moment.Draw(rt, "seen"), moment.Draw(rt, "now")
			idptest.Must(t, db.RememberBrowser(ctx, w.User.ID, []byte("b"), seen, idp.MethodEmail))
			removed, err := db.Sweep(ctx, now.Add(400*24*time.Hour), store.Retention{})
			idptest.Must(t, err)
			known, err := db.KnowsBrowser(ctx, w.User.ID, []byte("b"))
			if err != nil || known == seen.Before(now) {
				rt.Fatalf("seen at %v, swept at %v: known %t, %d removed (%v)", seen, now, known, removed, err)
			}
		})
	})
}
