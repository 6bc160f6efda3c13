package keys_test

import (
	"context"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/keyring"
	"gatehouse/idp/keys"
	"gatehouse/idp/store"
)

// What a lost key sealed, and what somebody damaged, keeps nothing else from being
// sealed again, and is reported.
func TestReencryptingGoesOnPastWhatItCannotOpen(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		ctx, now, lost := t.Context(), idp.Now(), ring(t, "x")
		want := sealed(t, db, ring(t, "a"))
		secret(t, db.Store, lost, keys.ForThrottle)
		idptest.Must(t, db.Enqueue(ctx, store.Delivery{ID: "0", Body: lost.Seal(nil, keyring.AAD("outbox", "0", "body")), CreatedAt: now, NextAt: now, ExpiresAt: now}))
		idptest.Must(t, db.Enqueue(ctx, store.Delivery{ID: "1", Body: []byte("damaged"), CreatedAt: now, NextAt: now, ExpiresAt: now}))
		sum, err := keys.Reencrypt(ctx, db.Store, ring(t, "b", "a"))
		idptest.Must(t, err)
		if sum.Values != want || sum.Whole() || sum.Lost[lost.KeyIDs()[0]] != 2 || !slices.Equal(sum.Damaged, []string{"outbox/1/body"}) {
			t.Errorf("got %+v, want %d values, two lost and one damaged", sum, want)
		}
		if text := sum.String(); !strings.Contains(text, lost.KeyIDs()[0]) || !strings.Contains(text, "outbox/1/body") {
			t.Errorf("it says %q", text)
		}
	})
}

// Several at once, beside providers that still seal under the old key and rows that
// vanish, leave nothing under the old key.
func TestReencryptingRunsBesideEverything(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		ctx, now, old, both := t.Context(), idp.Now(), ring(t, "a"), ring(t, "b", "a")
		sealed(t, db, old)
		put := func(id string) error {
			return db.Enqueue(ctx, store.Delivery{ID: id, Body: old.Seal(nil, keyring.AAD("outbox", id, "body")), CreatedAt: now, NextAt: now, ExpiresAt: now})
		}
		for i := range 40 {
			idptest.Must(t, put(fmt.Sprint("waits ", i)))
		}
		errs := idptest.Race(4, func(i int) error {
			if i == 3 {
				for n := range 40 {
					if err := db.FinishDelivery(ctx, fmt.Sprint("waits ", n), store.Delivered, "", now); err != nil {
						return err
					}
				}
				return nil
			}
			_, err := keys.Reencrypt(ctx, db.Store, both)
			return err
		})
		for _, err := range errs {
			idptest.Must(t, err)
		}
		sum, err := keys.Reencrypt(ctx, db.Store, both)
		if err != nil || !sum.Whole() {
			t.Errorf("%+v (%v)", sum, err)
		}
		idptest.Must(t, db.EachSealed(ctx, func(v store.Sealed) error {
			if !both.Current(v.Value) {
				t.Errorf("%s is under the old key", v.AAD())
			}
			return nil
		}))
	})
}

// One that was interrupted is taken up where it stopped.
func TestReencryptingIsTakenUpAgain(t *testing.T) {
	t.Parallel()
	db, old, both := idptest.Alone(t), ring(t, "a"), ring(t, "b", "a")
	want := sealed(t, db, old)
	stopped, stop := context.WithCancel(t.Context())
	done := 0
	err := db.EachSealed(stopped, func(v store.Sealed) error {
		plain, err := both.Open(v.Value, v.AAD())
		idptest.Must(t, err)
		if done++; done == 4 {
			stop()
			return stopped.Err()
		}
		return db.ReplaceSealed(t.Context(), v, both.Seal(plain, v.AAD()))
	})
	if err == nil {
		t.Fatal("it was not interrupted")
	}
	if sum, err := keys.Reencrypt(t.Context(), db.Store, both); err != nil || sum.Values != want-3 {
		t.Errorf("%d values, want %d (%v)", sum.Values, want-3, err)
	}
}

// Whatever is sealed is sealed again: each place in the source that seals something is
// a column of the store's list, or lives no longer than a flow.
func TestWhateverIsSealedIsSealedAgain(t *testing.T) {
	t.Parallel()
	short := map[string]string{
		"flows.data":              "an authenticator that is being set up at sign-in",
		"flows.upstream_sign_out": "what another provider is told at sign-out, until there is a session",
		"sessions.authenticator":  "one that is being set up by its owner; the browser keeps it",
		"sessions.passkey":        "the same of a passkey",
	}
	listed := map[string]bool{}
	for _, c := range store.SealedColumns() {
		listed[c] = true
	}
	found := map[string]bool{}
	aad := regexp.MustCompile(`AAD\("([a-z_]+)", [^"]+, "([a-z_]+)"\)`)
	idptest.Must(t, filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || strings.Contains(path, "/bench/") {
			return err
		}
		text, err := os.ReadFile(path)
		for _, m := range aad.FindAllSubmatch(text, -1) {
			found[string(m[1])+"."+string(m[2])] = true
		}
		return err
	}))
	for column := range found {
		if !listed[column] && short[column] == "" {
			t.Errorf("%s is sealed, and never again", column)
		}
	}
	for _, column := range slices.Collect(maps.Keys(listed)) {
		if !found[column] {
			t.Errorf("%s is listed, and nobody seals it", column)
		}
	}
}
