package keys_test

import (
	"errors"
	"testing"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/keys"
	"gatehouse/idp/store"
)

// pass lets time go by for the keys, as all replicas see it.
func pass(t *testing.T, db *idptest.Database, k *keys.Keys, d time.Duration) {
	t.Helper()
	db.Age(t, "signing_keys", d)
	_, err := db.Sweep(t.Context(), idp.Now(), store.Retention{})
	idptest.Must(t, err)
	idptest.Must(t, k.Reload(t.Context()))
}

func rotate(t *testing.T, k *keys.Keys, force bool, want int) {
	t.Helper()
	if n, err := k.Rotate(t.Context(), force); err != nil || n != want {
		t.Fatalf("%d keys were rotated, want %d (%v)", n, want, err)
	}
}

// The life of a key: published, signing, published, gone.
func TestKeyIsPublishedBeforeAndAfterItSigns(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		k := open(t, db.Store)
		type life struct{ old, fresh string }
		tokens := map[idp.Algorithm]life{}
		for _, alg := range idp.Algorithms() {
			tokens[alg] = life{old: sign(t, k, alg, keys.IDToken)}
		}
		_, etag := k.Document()
		rotate(t, k, true, all)
		if _, changed := k.Document(); changed == etag || len(published(t, k)) != 2*all {
			t.Fatal("the successors are not published at once")
		}
		expectSigner := func(when string, successor bool, count int) {
			t.Helper()
			if n := len(published(t, k)); n != count {
				t.Errorf("%s %d keys are published, want %d", when, n, count)
			}
			for _, alg := range idp.Algorithms() {
				l := tokens[alg]
				l.fresh = sign(t, k, alg, keys.IDToken)
				if (kid(t, l.fresh) != kid(t, l.old)) != successor {
					t.Errorf("%s the successor signs %s: %t", when, alg, !successor)
				}
				if err := verify(k, l.old); (err == nil) != (count == 2*all) {
					t.Errorf("%s a token of the old %s key: %v", when, alg, err)
				}
				if err := verify(k, l.fresh); err != nil {
					t.Errorf("%s a fresh %s token: %v", when, alg, err)
				}
			}
		}
		expectSigner("at once", false, 2*all)
		pass(t, db, k, keys.PublishAhead-time.Minute)
		expectSigner("just before the takeover", false, 2*all)
		pass(t, db, k, time.Minute)
		expectSigner("after the takeover", true, 2*all)
		pass(t, db, k, keys.KeepPublished-time.Minute)
		expectSigner("a month later", true, 2*all)
		pass(t, db, k, time.Minute)
		expectSigner("after that", true, all)

		events, err := db.AuditEvents(t.Context(), idp.AuditKeyRotated, "", 10)
		if err != nil || len(events) != all || events[0].Detail["kid"] != kid(t, tokens[idp.PS256].old) {
			t.Errorf("the audit log says %+v (%v)", events, err)
		}
	})
}

func TestKeysRotateByThemselvesAtNinetyDays(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		k := open(t, db.Store)
		rotate(t, k, false, 0)
		pass(t, db, k, keys.RotateAfter-time.Minute)
		rotate(t, k, false, 0)
		pass(t, db, k, time.Minute)
		rotate(t, k, false, all)
		rotate(t, k, false, 0)
		pass(t, db, k, keys.PublishAhead)
		rotate(t, k, false, 0)
	})
}

func TestReplicasRotateOnce(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		first, second := open(t, db.Store), open(t, db.Replica(t))
		db.Age(t, "signing_keys", keys.RotateAfter)
		total := 0
		for _, n := range idptest.Race(4, func(i int) int {
			n, err := []*keys.Keys{first, second}[i%2].Rotate(t.Context(), false)
			if err != nil {
				t.Error(err)
			}
			return n
		}) {
			total += n
		}
		rows, err := db.SigningKeys(t.Context())
		if err != nil || total != all || len(rows) != 2*all {
			t.Errorf("%d rotations, %d keys (%v)", total, len(rows), err)
		}
	})
}

// A worried operator rotates twice, or two do at once: one successor of each key gets its
// day of notice, the second is told when it signs, and there is always one that signs.
func TestRotatingTwiceDoesNotQueueTwo(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		k, other := open(t, db.Store), open(t, db.Replica(t))
		total := 0
		for _, n := range idptest.Race(4, func(i int) int {
			n, err := []*keys.Keys{k, other}[i%2].Rotate(t.Context(), true)
			var underWay *idp.RotatingError
			if err != nil && (!errors.As(err, &underWay) || !errors.Is(err, idp.ErrConflict) || underWay.At.Before(idp.Now().Add(keys.PublishAhead-time.Hour))) {
				t.Error(err)
			}
			return n
		}) {
			total += n
		}
		idptest.Must(t, k.Reload(t.Context()))
		if total != all || len(published(t, k)) != 2*all {
			t.Errorf("%d keys were rotated, %d are published", total, len(published(t, k)))
		}
		seen := map[string]bool{}
		for step := range 10 {
			for _, alg := range idp.Algorithms() {
				token := sign(t, k, alg, keys.IDToken)
				seen[kid(t, token)] = true
				if err := verify(k, token); err != nil {
					t.Errorf("after %d steps: %v", step, err)
				}
			}
			pass(t, db, k, keys.PublishAhead/4)
		}
		if len(seen) != 2*all {
			t.Errorf("%d keys signed, want %d", len(seen), 2*all)
		}
		rotate(t, k, true, all) // the next rotation
	})
}
