package store_test

import (
	"errors"
	"testing"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/store"
)

// passkey is one of a person, as it is stored.
func passkey(t *testing.T, db *idptest.Database, userID, credential string, change func(*idp.Passkey)) idp.Factor {
	t.Helper()
	f := idp.Factor{ID: idp.NewID(), UserID: userID, Method: idp.MethodPasskey, Name: "YubiKey 5", Secret: []byte{}, CreatedAt: idp.Now(), LastUsedAt: idp.Now(), Passkey: idptest.Passkey(credential)}
	change(f.Passkey)
	idptest.Must(t, db.CreateFactor(t.Context(), f))
	return f
}

func TestAPasskeyIsFoundWithItsOwner(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		w := db.World(t)
		want := passkey(t, db, w.User.ID, "one", func(*idp.Passkey) {})
		f, user, _, err := db.PasskeyOwner(t.Context(), []byte("one"), nil)
		idptest.Must(t, err)
		expectSame(t, want, f)
		expectSame(t, w.User, user)
		for _, id := range []string{"", "on", "one\x00"} {
			_, _, _, err := db.PasskeyOwner(t.Context(), []byte(id), nil)
			expectError(t, err, idp.ErrNotFound)
		}
		totp := idp.Factor{ID: "t", UserID: w.User.ID, Method: idp.MethodTOTP, Secret: []byte{1}, CreatedAt: idp.Now()}
		idptest.Must(t, db.CreateFactor(t.Context(), totp)) // of those without a credential there may be many
		totp.ID = "t2"
		idptest.Must(t, db.CreateFactor(t.Context(), totp))
	})
}

// A credential belongs to one person: nobody can register it again.
func TestNoTwoFactorsAreOnePasskey(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		w := db.World(t)
		other := idptest.User(w.Population.ID, "other@rtx.example")
		idptest.Must(t, db.CreateUser(t.Context(), other))
		passkey(t, db, w.User.ID, "one", func(*idp.Passkey) {})
		for _, userID := range []string{w.User.ID, other.ID} {
			twin := idp.Factor{ID: idp.NewID(), UserID: userID, Method: idp.MethodPasskey, CreatedAt: idp.Now(), Passkey: idptest.Passkey("one")}
			expectError(t, db.CreateFactor(t.Context(), twin), idp.ErrConflict)
		}
	})
}

func TestACounterOnlyGrows(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		w := db.World(t)
		bound := passkey(t, db, w.User.ID, "bound", func(p *idp.Passkey) { p.Synced, p.BackedUp, p.SignCount = false, false, 5 })
		synced := passkey(t, db, w.User.ID, "synced", func(p *idp.Passkey) { p.SignCount = 5 })
		silent := passkey(t, db, w.User.ID, "silent", func(p *idp.Passkey) { p.Synced, p.BackedUp, p.SignCount = false, false, 0 })
		at := idp.Now()
		use := func(f idp.Factor, count uint32) error {
			return db.UsePasskey(t.Context(), f, count, f.Passkey.Synced, at)
		}
		for _, count := range []uint32{0, 4, 5} {
			expectError(t, use(bound, count), idp.ErrUsed)
			idptest.Must(t, use(synced, count))
		}
		idptest.Must(t, use(silent, 0))
		idptest.Must(t, use(silent, 0))
		won := 0
		for _, err := range idptest.Race(8, func(int) error { return use(bound, 6) }) {
			switch {
			case err == nil:
				won++
			case !errors.Is(err, idp.ErrUsed):
				t.Error(err)
			}
		}
		if won != 1 {
			t.Errorf("one use counted %d times", won)
		}
		f, _, _, err := db.PasskeyOwner(t.Context(), []byte("bound"), nil)
		idptest.Must(t, err)
		if f.Passkey.SignCount != 6 || !f.LastUsedAt.Equal(at) {
			t.Errorf("%+v", f)
		}
		idptest.Must(t, use(bound, 7))
		_, err = db.DisableFactor(t.Context(), bound.ID, at)
		idptest.Must(t, err)
		expectError(t, use(bound, 8), idp.ErrUsed)
	})
}

// Of sign-ins at once, on two replicas, one offers a passkey, and none for as long as that is
// recent.
func TestAPasskeyIsOfferedOnce(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		u := idptest.User(db.World(t).Population.ID, "offered@rtx.example")
		u.PasskeyOfferedAt = time.Time{}
		idptest.Must(t, db.CreateUser(t.Context(), u))
		stores := []*store.Store{db.Store, db.Replica(t)}
		now := idp.Now()
		offered := func(since, at time.Time) (n int) {
			for _, err := range idptest.Race(8, func(i int) error { return stores[i%2].OfferPasskey(t.Context(), u.ID, since, at) }) {
				switch {
				case err == nil:
					n++
				case !errors.Is(err, idp.ErrUsed):
					t.Error(err)
				}
			}
			return n
		}
		for i, c := range []struct {
			at   time.Time
			want int
		}{{now, 1}, {now.Add(time.Hour), 0}, {now.Add(24 * time.Hour), 1}} {
			if n := offered(c.at.Add(-24*time.Hour), c.at); n != c.want {
				t.Errorf("round %d: %d of many at once offer one, want %d", i, n, c.want)
			}
		}
	})
}
