package keys_test

import (
	"bytes"
	"errors"
	"testing"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/keyring"
	"gatehouse/idp/keys"
	"gatehouse/idp/store"
)

func secret(t testing.TB, s *store.Store, r *keyring.Keyring, p keys.Purpose) []byte {
	t.Helper()
	v, err := keys.Secret(t.Context(), s, r, p)
	idptest.Must(t, err)
	return v
}

func TestReplicasAgreeOnEachSecret(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		stores := []*store.Store{db.Store, db.Replica(t)}
		seen := map[string]bool{}
		for _, p := range []keys.Purpose{keys.ForThrottle, keys.ForRefresh, keys.ForRecovery} {
			got := idptest.Race(8, func(i int) []byte { return secret(t, stores[i%2], ring(t, "a"), p) })
			for _, v := range got {
				if !bytes.Equal(v, got[0]) || len(v) != 32 {
					t.Errorf("%s: replicas have %x and %x", p, got[0], v)
				}
			}
			seen[string(got[0])] = true
			stored, err := db.Setting(t.Context(), string(p))
			if err != nil || bytes.Contains(stored, got[0]) {
				t.Errorf("%s is stored in clear (%v)", p, err)
			}
		}
		if len(seen) != 3 {
			t.Error("two purposes share a secret")
		}
		_, err := keys.Secret(t.Context(), db.Store, ring(t, "b"), keys.ForThrottle)
		if !errors.Is(err, keyring.ErrUnknownKey) {
			t.Errorf("under another master key: %v", err)
		}
	})
}

// sealed stores a sealed value of every kind and returns how many there are.
func sealed(t *testing.T, db *idptest.Database, r *keyring.Keyring) int {
	t.Helper()
	ctx, w, now := t.Context(), db.World(t), idp.Now()
	seal := func(table, id, column string) []byte {
		return r.Seal([]byte(table+id+column), keyring.AAD(table, id, column))
	}
	w.Session.UpstreamSignOut = seal("sessions", w.Session.ID, "upstream_sign_out")
	idptest.Must(t, db.RenewSession(ctx, w.Session))
	_, err := keys.Open(ctx, db.Store, r)
	idptest.Must(t, err)
	secret(t, db.Store, r, keys.ForRefresh)
	idptest.Must(t, db.CreateFactor(ctx, idp.Factor{
		ID: "f", UserID: w.User.ID, Method: idp.MethodTOTP, Secret: seal("factors", "f", "secret"), CreatedAt: now,
	}))
	idptest.Must(t, db.ReplaceRecoveryCodes(ctx, idp.RecoverySet{ID: "set", UserID: w.User.ID, CreatedAt: now}, []idp.RecoveryCode{
		{ID: "r", SetID: "set", UserID: w.User.ID, MAC: []byte("m"), Sealed: seal("recovery_codes", "r", "sealed")},
	}))
	idptest.Must(t, db.Enqueue(ctx, store.Delivery{ID: "d", Body: seal("outbox", "d", "body"), CreatedAt: now, NextAt: now, ExpiresAt: now}))
	for id, kind := range map[string]idp.LinkKind{"invited": idp.InvitationLink, "moving": idp.EmailLink, "setup": idp.SetupLink} {
		l := idp.Link{ID: id, Kind: kind, Hash: []byte(id), Email: id + "@rtx.example", CreatedAt: now, ExpiresAt: now.Add(idp.EmailLifetime)}
		if kind == idp.InvitationLink {
			l.Body = seal("links", id, "body")
		}
		idptest.Must(t, db.CreateLink(ctx, l))
	}
	idptest.Must(t, db.CreateFactor(ctx, idp.Factor{ID: "mailbox", UserID: w.User.ID, Method: idp.MethodEmail, CreatedAt: now}))
	return all + 1 + 1 + 1 + 1 + 1 + 1
}

func TestReencryptingRetiresTheOldMasterKey(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		old, both, fresh := ring(t, "a"), ring(t, "b", "a"), ring(t, "b")
		want := sealed(t, db, old)
		before := secret(t, db.Store, old, keys.ForRefresh)
		token := sign(t, open(t, db.Store), idp.ES256, keys.IDToken)

		if sum, err := keys.Reencrypt(t.Context(), db.Store, both); err != nil || sum.Values != want || !sum.Whole() {
			t.Fatalf("%d values were sealed again, want %d; left: %s (%v)", sum.Values, want, sum, err)
		}
		idptest.Must(t, db.EachSealed(t.Context(), func(v store.Sealed) error {
			plain, err := fresh.Open(v.Value, v.AAD())
			if made := v.Table + v.ID + v.Column; err == nil && v.Table != "signing_keys" && v.Table != "settings" && string(plain) != made {
				t.Errorf("%s became %q", v.AAD(), plain)
			}
			return err
		}))
		if !bytes.Equal(secret(t, db.Store, fresh, keys.ForRefresh), before) {
			t.Error("the secret is another one")
		}
		k, err := keys.Open(t.Context(), db.Store, fresh)
		idptest.Must(t, err)
		if err := verify(k, token); err != nil {
			t.Error(err)
		}
		if sum, err := keys.Reencrypt(t.Context(), db.Store, both); err != nil || sum.Values != 0 {
			t.Errorf("a second time %d values (%v)", sum.Values, err)
		}
		events, err := db.AuditEvents(t.Context(), idp.AuditSecretsReencrypted, "", 10)
		if err != nil || len(events) != 2 || events[1].Detail["values"] != "10" {
			t.Errorf("the audit log says %+v (%v)", events, err)
		}
	})
}
