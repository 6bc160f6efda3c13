package store_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/store"
)

// sealEverything stores one sealed value in every place that has them, and what
// looks like one and is not. It returns the places.
func sealEverything(t *testing.T, db *idptest.Database) []string {
	t.Helper()
	ctx, w, now := t.Context(), db.World(t), idp.Now()
	sealed := []byte{0, 1, 255}
	idptest.Must(t, db.CreateFactor(ctx, idp.Factor{ID: "f", UserID: w.User.ID, Method: idp.MethodTOTP, Secret: sealed, CreatedAt: now}))
	idptest.Must(t, db.ReplaceRecoveryCodes(ctx, idp.RecoverySet{ID: "set", UserID: w.User.ID, CreatedAt: now}, []idp.RecoveryCode{
		{ID: "r", SetID: "set", UserID: w.User.ID, MAC: []byte("m"), Sealed: sealed},
	}))
	idptest.Must(t, db.CreateSigningKey(ctx, store.SigningKey{ID: "k", Private: sealed, CreatedAt: now, SignsFrom: now}))
	for name, isSealed := range map[string]bool{"secret": true, "plain": false} {
		_, err := db.CreateSetting(ctx, name, sealed, isSealed)
		idptest.Must(t, err)
	}
	for id, keeps := range map[string]idp.Connection{"bysecret": {Secret: sealed}, "bykey": {Key: sealed}} {
		keeps.ID, keeps.PopulationID = id, w.Population.ID
		idptest.Must(t, db.CreateConnection(ctx, keeps))
	}
	idptest.Must(t, db.CreateSession(ctx, idp.Session{
		ID: "ended", UserID: w.User.ID, PopulationID: w.Population.ID, TokenHash: []byte("e"), BrowserHash: []byte("b"), UpstreamSignOut: sealed,
		CreatedAt: now, LastSeenAt: now, ExpiresAt: now.Add(time.Hour),
	}))
	_, err := db.EndSessions(ctx, now, "ended")
	idptest.Must(t, err)
	for _, id := range []string{"waits", "delivered"} {
		idptest.Must(t, db.Enqueue(ctx, store.Delivery{ID: id, Body: sealed, CreatedAt: now, NextAt: now, ExpiresAt: now}))
	}
	idptest.Must(t, db.FinishDelivery(ctx, "delivered", store.Delivered, "", now))
	for id, kind := range map[string]idp.LinkKind{"invited": idp.InvitationLink, "setup": idp.SetupLink, "moving": idp.EmailLink, "spent": idp.ResetLink} {
		l := idp.Link{ID: id, Kind: kind, Hash: []byte(id), Email: id + "@rtx.example", CreatedAt: now, ExpiresAt: now.Add(time.Hour)}
		if id == "invited" || id == "spent" {
			l.Body = sealed
		}
		idptest.Must(t, db.CreateLink(ctx, l))
	}
	idptest.Must(t, db.UseLink(ctx, idp.Link{ID: "spent", Hash: []byte("spent")}, now))
	return []string{
		"connections/bykey/private_key", "connections/bysecret/secret",
		"factors/f/secret", "links/invited/body", "outbox/waits/body", "recovery_codes/r/sealed", "sessions/" + w.Session.ID + "/upstream_sign_out", "settings/secret/value", "signing_keys/k/private",
	}
}

func TestEverySealedValueIsVisited(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		want := sealEverything(t, db)
		if len(want) != len(store.SealedColumns()) {
			t.Fatalf("this test knows %v, the store %v", want, store.SealedColumns())
		}
		var got []string
		idptest.Must(t, db.EachSealed(t.Context(), func(v store.Sealed) error {
			got = append(got, v.AAD())
			if diff := cmp.Diff([]byte{0, 1, 255}, v.Value); diff != "" {
				t.Errorf("%s: %s", v.AAD(), diff)
			}
			return nil
		}))
		slices.Sort(got)
		expectSame(t, want, got)
	})
}

func TestSealedValueIsReplacedUnlessItChanged(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		sealEverything(t, db)
		ctx := t.Context()
		idptest.Must(t, db.EachSealed(ctx, func(v store.Sealed) error {
			return db.ReplaceSealed(ctx, v, []byte("new "+v.ID))
		}))
		idptest.Must(t, db.EachSealed(ctx, func(v store.Sealed) error {
			if string(v.Value) != "new "+v.ID {
				t.Errorf("%s is %q", v.AAD(), v.Value)
			}
			stale := v
			stale.Value = []byte{0, 1, 255}
			expectError(t, db.ReplaceSealed(ctx, stale, []byte("lost update")), idp.ErrConflict)
			return nil
		}))
		idptest.Must(t, db.EachSealed(ctx, func(v store.Sealed) error {
			if string(v.Value) != "new "+v.ID {
				t.Errorf("%s was overwritten: %q", v.AAD(), v.Value)
			}
			return nil
		}))
		if v, err := db.Setting(ctx, "plain"); err != nil || v[0] != 0 {
			t.Errorf("what is not sealed became %q (%v)", v, err)
		}
		for _, v := range []store.Sealed{{Table: "users", ID: "x", Column: "name"}, {Table: "factors", ID: "f", Column: "name"}} {
			expectError(t, db.ReplaceSealed(ctx, v, nil), idp.ErrInvalid)
		}
	})
}

func TestSealedValuesComeInBatches(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		const n = 1100
		idptest.Must(t, db.Do(t.Context(), func(ctx context.Context) error {
			for i := range n {
				if _, err := db.CreateSetting(ctx, fmt.Sprintf("%d", i), []byte{1}, true); err != nil {
					return err
				}
			}
			return nil
		}))
		seen := map[string]bool{}
		idptest.Must(t, db.EachSealed(t.Context(), func(v store.Sealed) error {
			if seen[v.ID] {
				t.Errorf("%s comes twice", v.ID)
			}
			seen[v.ID] = true
			return nil
		}))
		if len(seen) != n {
			t.Errorf("%d of %d values were visited", len(seen), n)
		}
		calls := 0
		err := db.EachSealed(t.Context(), func(store.Sealed) error { calls++; return errStop })
		if !errors.Is(err, errStop) || calls != 1 {
			t.Errorf("an error does not stop it: %d calls, %v", calls, err)
		}
	})
}
