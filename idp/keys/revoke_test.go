package keys_test

import (
	"encoding/json"
	"errors"
	"testing"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/keys"
)

// A key that leaked signs nothing more and verifies nothing more, on every replica,
// whatever its stage; one of each algorithm always signs.
func TestARevokedKeyEndsAtOnce(t *testing.T) {
	t.Parallel()
	for stage, prepare := range map[string]func(t *testing.T, db *idptest.Database, k *keys.Keys){
		"the only one":    func(*testing.T, *idptest.Database, *keys.Keys) {},
		"before its heir": func(t *testing.T, _ *idptest.Database, k *keys.Keys) { rotate(t, k, true, all) },
		"after its reign": func(t *testing.T, db *idptest.Database, k *keys.Keys) {
			rotate(t, k, true, all)
			pass(t, db, k, keys.PublishAhead)
		},
	} {
		t.Run(stage, func(t *testing.T) {
			idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
				k := open(t, db.Store)
				other := open(t, db.Replica(t))
				leaked := map[idp.Algorithm]string{}
				for _, alg := range idp.Algorithms() {
					leaked[alg] = sign(t, k, alg, keys.AccessToken)
				}
				prepare(t, db, k)
				before := len(published(t, k))
				for _, token := range leaked {
					idptest.Must(t, k.Revoke(t.Context(), kid(t, token)))
					expectErrorIs(t, k.Revoke(t.Context(), kid(t, token)), idp.ErrNotFound)
				}
				idptest.Must(t, other.Reload(t.Context()))
				for _, replica := range []*keys.Keys{k, other} {
					for alg, token := range leaked {
						var claims map[string]any
						if err := replica.Verify(token, keys.AccessToken, &claims); err == nil {
							t.Errorf("%s: a token of the revoked key is good", alg)
						}
						fresh := sign(t, replica, alg, keys.IDToken)
						if err := verify(replica, fresh); err != nil || kid(t, fresh) == kid(t, token) {
							t.Errorf("%s: %v", alg, err)
						}
						if _, there := published(t, replica)[kid(t, token)]; there {
							t.Errorf("%s: the revoked key is published", alg)
						}
					}
				}
				want := map[string]int{"the only one": all, "before its heir": before - all, "after its reign": before - all}[stage]
				if n := len(published(t, k)); n != want {
					t.Errorf("%d keys are published, want %d", n, want)
				}
				events, err := db.AuditEvents(t.Context(), idp.AuditKeyRevoked, "", 10)
				if err != nil || len(events) != all {
					t.Errorf("%d events, %v", len(events), err)
				}
				if stage == "after its reign" {
					rotate(t, k, true, all)
				}
			})
		})
	}
}

// A successor that leaked before its turn never signs; the one that signs goes on until
// another has had its day of notice.
func TestARevokedSuccessorNeverSigns(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		k := open(t, db.Store)
		now := kid(t, sign(t, k, idp.RS256, keys.IDToken))
		rotate(t, k, true, all)
		leaked := ""
		for _, row := range k.List() {
			if row.Algorithm == idp.RS256 && row.ID != now {
				leaked = row.ID
			}
		}
		pass(t, db, k, keys.PublishAhead/2)
		idptest.Must(t, k.Revoke(t.Context(), leaked))
		pass(t, db, k, keys.PublishAhead*3/4)
		if got := kid(t, sign(t, k, idp.RS256, keys.IDToken)); got != now {
			t.Errorf("%s signs, want %s", got, now)
		}
		pass(t, db, k, keys.PublishAhead/2)
		if got := kid(t, sign(t, k, idp.RS256, keys.IDToken)); got == now || got == leaked {
			t.Errorf("%s signs", got)
		}
	})
}

// Verifiers that take the first key of a type, whatever its kid, get the one that signs;
// those that know RSA alone meet it first. Every key says what it is for.
func TestTheDocumentBeginsWithTheKeyThatSigns(t *testing.T) {
	t.Parallel()
	db := idptest.Alone(t)
	k := open(t, db.Store)
	check := func(stage string) {
		t.Helper()
		document, _ := k.Document()
		var set struct {
			Keys []struct{ Kid, Kty, Alg, Use string }
		}
		idptest.Must(t, json.Unmarshal(document, &set))
		seen := map[string]bool{}
		var order []string
		for _, key := range set.Keys {
			if key.Kid == "" || key.Use != "sig" || key.Alg == "" || seen[key.Kid] {
				t.Errorf("%s: key %+v", stage, key)
			}
			if seen[key.Kid] = true; !seen[key.Kty] {
				seen[key.Kty] = true
				order = append(order, key.Kty)
				if signs := kid(t, sign(t, k, idp.Algorithm(key.Alg), keys.IDToken)); signs != key.Kid {
					t.Errorf("%s: the first %s key is %s, and %s signs", stage, key.Kty, key.Kid, signs)
				}
			}
		}
		if len(order) != 3 || order[0] != "RSA" || order[1] != "EC" || order[2] != "OKP" {
			t.Errorf("%s: %v", stage, order)
		}
	}
	check("at first")
	rotate(t, k, true, all)
	check("with a successor")
	pass(t, db, k, keys.PublishAhead)
	check("after the takeover")
	idptest.Must(t, k.Revoke(t.Context(), kid(t, sign(t, k, idp.RS256, keys.IDToken))))
	check("after a revocation")
}

func expectErrorIs(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%v, want %v", err, want)
	}
}
