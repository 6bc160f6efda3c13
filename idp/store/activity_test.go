package store_test

import (
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/store"
)

// What happened is counted once, whoever counts: again, two at once, after a gap, and an event
// that is committed late.
func TestWhatHappenedIsCountedByTheHour(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		_, err := db.CreatePopulation(t.Context(), idptest.Population(idp.Agents), idp.Now())
		idptest.Must(t, err)
		signIn := func() {
			t.Helper()
			idptest.Must(t, db.Audit(t.Context(), idp.AuditEvent{Kind: idp.AuditSignedIn, PopulationID: idp.Agents}))
		}
		count := func(at time.Time, most int) int {
			t.Helper()
			n, err := db.CountActivity(t.Context(), at, most)
			idptest.Must(t, err)
			return n
		}
		total := func() (n int64) {
			t.Helper()
			list, err := db.Activity(t.Context(), idp.Now().Add(-store.ActivityBack))
			idptest.Must(t, err)
			for _, a := range list {
				if a.Kind != idp.AuditSignedIn || a.Hour != a.Hour.Truncate(time.Hour) {
					t.Errorf("counted: %+v", a)
				}
				n += a.Times
			}
			return n
		}
		signIn()
		signIn()
		idptest.Must(t, db.Audit(t.Context(), idp.AuditEvent{Kind: idp.AuditMailTested, PopulationID: idp.Agents}))
		now := idp.Now()
		for count(now, 200) == 200 { // the days before, a part at a time
		}
		if n := total(); n != 2 {
			t.Errorf("two sign-ins are counted as %d", n)
		}
		signIn()
		var both sync.WaitGroup
		for range 2 {
			both.Go(func() { _, _ = db.CountActivity(t.Context(), now, 200) })
		}
		both.Wait()
		if n := total(); n != 3 {
			t.Errorf("three sign-ins, counted by two at once, are %d", n)
		}
		signIn() // it becomes visible in an hour after its own
		count(now.Add(time.Hour), 200)
		if n := total(); n != 4 {
			t.Errorf("with one that was late, four sign-ins are %d", n)
		}
		if n := count(now.Add(50*time.Hour), 200); n != 50 {
			t.Errorf("after a gap %d hours were counted", n)
		}
		if n := total(); n != 4 {
			t.Errorf("after a gap, four sign-ins are %d", n)
		}
	})
}

// A second step is counted beside the sign-in or the step-up in which it was proved, whichever
// method it is; a password alone is none, and what was refused is neither.
func TestSecondStepsAreCountedBesideSignIns(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		_, err := db.CreatePopulation(t.Context(), idptest.Population(idp.Agents), idp.Now())
		idptest.Must(t, err)
		for kind, methods := range map[idp.AuditKind][]string{
			idp.AuditSignedIn:    {"pwd", "pwd totp", "passkey", "pwd email"},
			idp.AuditSteppedUp:   {"recovery", "pwd"},
			idp.AuditCodeRefused: {"totp"},
		} {
			for _, m := range methods {
				idptest.Must(t, db.Audit(t.Context(), idp.AuditEvent{Kind: kind, PopulationID: idp.Agents, Detail: map[string]string{"methods": m}}))
			}
		}
		_, err = db.CountActivity(t.Context(), idp.Now(), 1000)
		idptest.Must(t, err)
		list, err := db.Activity(t.Context(), idp.Now().Add(-2*time.Hour))
		idptest.Must(t, err)
		counted := map[idp.AuditKind]int64{}
		for _, a := range list {
			counted[a.Kind] += a.Times
		}
		want := map[idp.AuditKind]int64{idp.AuditSignedIn: 4, idp.AuditSteppedUp: 2, idp.AuditCodeRefused: 1, store.ActivitySecondStep: 4}
		if diff := cmp.Diff(want, counted); diff != "" {
			t.Error(diff)
		}
	})
}
