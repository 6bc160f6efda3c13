package store_test

import (
	"testing"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/store"
)

// aService is a stored service with two roles, and an opaque token of it.
func aService(t *testing.T, db *idptest.Database) (idp.Client, idp.ServiceToken) {
	t.Helper()
	for _, id := range []string{"writer", "reader"} {
		idptest.Must(t, db.CreateRole(t.Context(), idp.Role{ID: id, Name: id}))
	}
	c := idptest.Client()
	c.Kind, c.RequirePKCE, c.Roles = idp.ServiceClient, false, []string{"reader", "writer"}
	expectFull(t, c, "Populations", "RequirePKCE")
	idptest.Must(t, db.CreateClient(t.Context(), c))
	now := idp.Now()
	token := idp.ServiceToken{
		ID: "token", ClientID: c.ID, Hash: idp.HashSecret("token"), Scopes: []string{"a", "b"},
		CreatedAt: now, ExpiresAt: now.Add(time.Hour), RevokedAt: now.Add(time.Minute), GivenVersion: 3, Resource: "urn:example:api", JKT: "jkt",
	}
	expectFull(t, token)
	return c, token
}

func TestServiceIsReadAsItWasWritten(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		c, revoked := aService(t, db)
		live := revoked
		live.ID, live.Hash, live.RevokedAt = "live", idp.HashSecret("live"), time.Time{}
		for _, want := range []idp.ServiceToken{revoked, live} {
			idptest.Must(t, db.CreateServiceToken(t.Context(), want))
			got, err := db.ServiceByToken(t.Context(), want.Hash)
			idptest.Must(t, err)
			expectSame(t, idp.ServiceState{Token: want, Client: c}, got)
		}
		expectError(t, db.CreateServiceToken(t.Context(), live), idp.ErrConflict)
		_, err := db.ServiceByToken(t.Context(), []byte("nothing"))
		expectError(t, err, idp.ErrNotFound)
		got, err := db.Client(t.Context(), c.ID)
		idptest.Must(t, err)
		expectSame(t, c, got)
		other := idptest.Client()
		other.ID = "~"
		idptest.Must(t, db.CreateClient(t.Context(), other))
		ctx, n := store.CountStatements(t.Context())
		all, err := db.Clients(ctx)
		idptest.Must(t, err)
		if expectSame(t, []idp.Client{c, other}, all); n.Load() != 2 {
			t.Errorf("%d statements", n.Load())
		}
		c.ID, c.Identifier, c.Roles = "other", "", []string{"invented"}
		expectError(t, db.CreateClient(t.Context(), c), idp.ErrNotFound)
		if _, err := db.Client(t.Context(), "other"); err == nil {
			t.Error("a client is left of a role that does not exist")
		}
		live.ID, live.Hash, live.ClientID = "x", []byte("x"), "nobody"
		expectError(t, db.CreateServiceToken(t.Context(), live), idp.ErrNotFound)
	})
}

func TestJWTOfAServiceIsKnownOnceItIsRevoked(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		c, token := aService(t, db)
		got, err := db.ServiceByJWT(t.Context(), c.ID, token.ID)
		idptest.Must(t, err)
		expectSame(t, idp.ServiceState{Client: c}, got)
		for _, want := range []bool{true, false} {
			first, err := db.RevokeServiceJWT(t.Context(), token)
			if err != nil || first != want {
				t.Errorf("first %t, %v; want %t", first, err, want)
			}
		}
		got, err = db.ServiceByJWT(t.Context(), c.ID, token.ID)
		idptest.Must(t, err)
		expectSame(t, idp.ServiceState{Token: token, Client: c}, got)
		_, err = db.ServiceByJWT(t.Context(), "nobody", token.ID)
		expectError(t, err, idp.ErrNotFound)
		token.ClientID, token.ID, token.Hash = "nobody", "x", []byte("x")
		_, err = db.RevokeServiceJWT(t.Context(), token)
		expectError(t, err, idp.ErrNotFound)
	})
}

func TestJWTOfAGrantIsKnownOnceItIsRevoked(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		w, now := db.World(t), idp.Now()
		token := idp.Token{
			ID: w.Grant.ID + ".jti", GrantID: w.Grant.ID, Kind: idp.AccessToken, Hash: idp.HashSecret("jti"), Scopes: []string{"openid"},
			CreatedAt: now, ExpiresAt: now.Add(time.Minute), RevokedAt: now,
		}
		state, err := db.GrantState(t.Context(), w.Grant.ID)
		idptest.Must(t, err)
		got, err := db.JWTState(t.Context(), w.Grant.ID, token.ID, idp.Exchange{})
		idptest.Must(t, err)
		expectSame(t, store.TokenState{GrantState: state}, got)
		for _, want := range []bool{true, false} {
			first, err := db.RevokeJWT(t.Context(), token)
			if err != nil || first != want {
				t.Errorf("first %t, %v; want %t", first, err, want)
			}
		}
		got, err = db.JWTState(t.Context(), w.Grant.ID, token.ID, idp.Exchange{})
		idptest.Must(t, err)
		expectSame(t, store.TokenState{GrantState: state, Token: token}, got)
		_, err = db.JWTState(t.Context(), "nothing", token.ID, idp.Exchange{})
		expectError(t, err, idp.ErrNotFound)
		token.ID, token.GrantID, token.Hash = "x", "nothing", []byte("x")
		_, err = db.RevokeJWT(t.Context(), token)
		expectError(t, err, idp.ErrNotFound)
	})
}

func TestTokensEndOnce(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		_, service := aService(t, db)
		service.RevokedAt = time.Time{}
		idptest.Must(t, db.CreateServiceToken(t.Context(), service))
		w, now := db.World(t), idp.Now()
		idptest.Must(t, db.CreateTokens(t.Context(), idp.Token{
			ID: "access", GrantID: w.Grant.ID, Kind: idp.AccessToken, Hash: []byte("access"), CreatedAt: now, ExpiresAt: now.Add(time.Hour),
		}))
		for name, end := range map[string]func(id string) (bool, error){
			"token":  func(id string) (bool, error) { return db.RevokeServiceToken(t.Context(), id, now) },
			"access": func(id string) (bool, error) { return db.RevokeToken(t.Context(), id, now) },
		} {
			winners := 0
			for _, first := range idptest.Race(20, func(int) bool {
				first, err := end(name)
				return first && err == nil
			}) {
				if first {
					winners++
				}
			}
			if winners != 1 {
				t.Errorf("%s: %d ended it", name, winners)
			}
			if first, err := end("nothing"); first || err != nil {
				t.Errorf("nothing was ended: %t, %v", first, err)
			}
		}
	})
}

func TestTokensAndRolesGoWithTheirService(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		_, token := aService(t, db)
		idptest.Must(t, db.CreateServiceToken(t.Context(), token))
		if _, err := db.SQL().ExecContext(t.Context(), onForeignKeys(db)+"DELETE FROM roles"); err == nil {
			t.Error("a role that a service holds was deleted")
		}
		if _, err := db.SQL().ExecContext(t.Context(), onForeignKeys(db)+"DELETE FROM clients"); err != nil {
			t.Fatal(err)
		}
		for _, table := range []string{"service_tokens", "client_roles"} {
			if n := count(t, db.SQL(), table); n != 0 {
				t.Errorf("%d %s outlive their client", n, table)
			}
		}
	})
}
