package store_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/store"
)

func TestClientIsAtMostASecondOld(t *testing.T) {
	t.Parallel()
	address := idptest.SQLite(t)
	synctest.Test(t, func(t *testing.T) {
		s, err := store.Open(t.Context(), address)
		idptest.Must(t, err)
		defer func() { _ = s.Close() }()
		idptest.Must(t, s.Migrate(t.Context()))
		c := idptest.Client(idp.Agents)
		idptest.Must(t, s.CreateClient(t.Context(), c))
		_, err = s.Client(t.Context(), c.ID)
		idptest.Must(t, err)
		// Another replica changes it.
		_, err = store.Pools(s)[0].ExecContext(t.Context(), "UPDATE clients SET name = 'Renamed'")
		idptest.Must(t, err)

		name := func() string {
			got, err := s.Client(t.Context(), c.ID)
			idptest.Must(t, err)
			return got.Name
		}
		time.Sleep(store.ClientStaleness - time.Microsecond)
		if got := name(); got != c.Name {
			t.Errorf("within the second it is %q: nothing was cached", got)
		}
		time.Sleep(time.Microsecond)
		if got := name(); got != "Renamed" {
			t.Errorf("after the second it is %q", got)
		}
	})
}

func TestClientsAreCachedAndInventedOnesAreNot(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		w := db.World(t)
		ctx, statements := store.CountStatements(t.Context())
		for range 20 {
			_, err := db.Client(ctx, w.Client.ID)
			idptest.Must(t, err)
		}
		if n := statements.Load(); n > 3 { // one, if the machine is not slow
			t.Errorf("20 reads took %d statements", n)
		}
		before := statements.Load()
		for range 2 {
			_, err := db.Client(ctx, "invented")
			expectError(t, err, idp.ErrNotFound)
		}
		if statements.Load() != before+2 {
			t.Error("an invented id is in the cache")
		}
	})
}

func TestMoreClientsThanTheCacheHolds(t *testing.T) {
	t.Parallel()
	s, err := store.Open(t.Context(), idptest.SQLite(t))
	idptest.Must(t, err)
	defer func() { _ = s.Close() }()
	idptest.Must(t, s.Migrate(t.Context()))
	outside := store.Pools(s)[0]
	c := idptest.Client(idp.Agents)
	c.ID = "client 0"
	idptest.Must(t, s.CreateClient(t.Context(), c))
	_, err = outside.ExecContext(t.Context(), `CREATE TEMP TABLE one AS SELECT * FROM clients;
		WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1100)
		INSERT INTO clients SELECT 'client ' || i, 'name ' || i, kind, auth_method, secret_hashes, redirect_uris,
		post_logout_redirect_uris, home_url, grant_types, scopes, populations, token_format, signing_alg, access_ttl,
		refresh_ttl, pkce_optional, backchannel_logout_uri, override_version, override_min_version,
		created_at, version, taken, settings, '', secret_facts FROM one, n`)
	idptest.Must(t, err)
	for i := range 1101 {
		got, err := s.Client(t.Context(), fmt.Sprint("client ", i))
		if err != nil || got.ID != fmt.Sprint("client ", i) {
			t.Fatalf("client %d is %q, %v", i, got.ID, err)
		}
	}
}
