package store_test

import (
	"testing"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
)

// A lease that was counted from before a claim that waited for 20 s may be over before
// the claim is known.
func TestALeaseCountsFromAfterAClaimThatWaited(t *testing.T) {
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		idptest.Must(t, db.Enqueue(t.Context(), waiting("a", "mail")))
		began, known := idp.Now().Add(-500*time.Millisecond), idp.Now()
		list, err := db.ClaimDeliveries(t.Context(), "mail", began, lease, 4)
		idptest.Must(t, err)
		if len(list) != 1 || list[0].NextAt.Before(known.Add(lease)) {
			t.Fatalf("%+v, want a lease from %s on", list, known)
		}
		stored, err := db.Delivery(t.Context(), "a")
		idptest.Must(t, err)
		expectSame(t, list[0], stored)
	})
}

func TestAClaimThatWaitedGetsNothingThatAnotherWorkerHasTakenSince(t *testing.T) {
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		idptest.Must(t, db.Enqueue(t.Context(), waiting("a", "mail"), waiting("b", "mail")))
		late, err := db.ClaimDeliveries(t.Context(), "mail", idp.Now(), lease, 4)
		idptest.Must(t, err)
		_, err = db.SQL().ExecContext(t.Context(), "UPDATE outbox SET next_at = created_at WHERE id = 'a'")
		idptest.Must(t, err)
		expectIDs(t, "another worker", claim(t, db.Store, "mail", 4), "a")
		kept, err := db.ClaimedLate(t.Context(), late, idp.Now().Add(-time.Minute), lease)
		idptest.Must(t, err)
		if len(kept) != 1 || kept[0].ID != "b" {
			t.Errorf("kept %+v, want b alone", kept)
		}
	})
}
