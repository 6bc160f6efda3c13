package store_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/store"
)

// People who are signed in count once, however many sessions they have; what waits for long or
// failed lately is counted by its lane; and what is no longer so is gone with a later count.
func TestWhatAPageShowsIsTallied(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		w := db.World(t)
		another, _ := idptest.Session(w.User, w.Population)
		idptest.Must(t, db.CreateSession(t.Context(), another))
		gone := idptest.User(w.Population.ID, "gone@rtx.example")
		idptest.Must(t, db.CreateUser(t.Context(), gone))
		late, failed, old := waiting("late", "mail"), waiting("failed", "an app"), waiting("old", "an app")
		late.CreatedAt, late.LastError = idp.Now().Add(-time.Hour), "421 busy"
		failed.DoneAt, failed.Outcome = idp.Now().Add(-time.Hour), store.Failed
		old.DoneAt, old.Outcome = idp.Now().Add(-25*time.Hour), store.Failed
		idptest.Must(t, db.Enqueue(t.Context(), late, failed, old, waiting("young", "requests")))
		for i, kind := range []string{"password", "address", "password"} {
			at := idp.Now().Add(-time.Duration(i*15) * time.Hour)
			_, err := db.CountAttempt(t.Context(), at, []store.Budget{{Key: []byte{byte(i)}, Kind: kind, Free: 1, Waits: []time.Duration{time.Second}}})
			idptest.Must(t, err)
		}
		db.Exec(t, "UPDATE throttles SET failures = 100")
		count := func(at time.Time) store.Tallies {
			t.Helper()
			idptest.Must(t, db.CountTallies(t.Context(), at, store.Stops{Kinds: []string{"password"}, At: 100}))
			got, err := db.Tallies(t.Context())
			idptest.Must(t, err)
			return got
		}
		now := idp.Now()
		exact, err := db.Coverage(t.Context())
		idptest.Must(t, err)
		want := store.Tallies{
			At: now, SignedIn: map[string]int64{w.Population.ID: 1}, Coverage: exact, Stopped: 1,
			Lanes: map[string]store.LaneTrouble{"mail": {Late: 1, Retrying: 1}, "an app": {Failed: 1}},
		}
		if diff := cmp.Diff(want, count(now)); diff != "" || len(exact) == 0 {
			t.Error(diff)
		}
		db.Exec(t, "UPDATE sessions SET ended_at = created_at")
		db.Exec(t, "DELETE FROM outbox")
		if got := count(now.Add(30 * time.Second)); !got.At.Equal(now) || got.Present() != 1 {
			t.Errorf("half a minute later it was counted again: %+v", got)
		}
		db.Exec(t, "UPDATE tallies SET number = 2000 WHERE kind = 'took'")
		if got := count(now.Add(150 * time.Second)); !got.At.Equal(now) {
			t.Error("a count of two seconds is done more often than each 200")
		}
		later := count(now.Add(201 * time.Second))
		if later.Present() != 0 || len(later.Lanes) != 0 || later.People() != want.People() {
			t.Errorf("of what ended, this stands: %+v", later)
		}
	})
}
