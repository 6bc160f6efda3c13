package provider_test

import (
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/server"
	"gatehouse/idp/store"
)

// replica is a server on the same database that has read nothing yet.
func replica(k *kit, cfg server.Config) http.Handler {
	k.t.Helper()
	cfg.Issuer = k.Issuer
	s, err := server.Open(k.t.Context(), cfg)
	idptest.Must(k.t, err)
	k.t.Cleanup(func() { idptest.Must(k.t, s.Close()) })
	return s.Handler()
}

func (k *kit) request(method, target string, form url.Values) *http.Request {
	k.t.Helper()
	r := httptest.NewRequest(method, target, strings.NewReader(form.Encode()))
	if len(form) > 0 {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	u, err := url.Parse(k.Issuer)
	idptest.Must(k.t, err)
	for _, c := range k.browser.Jar.Cookies(u) {
		r.AddCookie(c)
	}
	return r
}

// statements serves a request and says how many statements that took.
func statements(t *testing.T, h http.Handler, r *http.Request, status, most int) *httptest.ResponseRecorder {
	t.Helper()
	ctx, n := store.CountStatements(r.Context())
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, r.WithContext(ctx))
	if rec.Code != status {
		t.Fatalf("%s %s: %d %s", r.Method, r.URL.Path, rec.Code, rec.Body)
	}
	if int(n.Load()) > most {
		t.Errorf("%s %s: %d statements, want at most %d", r.Method, r.URL.Path, n.Load(), most)
	}
	return rec
}

func TestStatementsOfEachEndpoint(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		cfg := server.Config{DatabaseURL: db.URL, MasterKeys: base64.StdEncoding.EncodeToString(idp.HashSecret("k"))}
		k := signedIn(t, idptest.StartWith(t, cfg, ""), db.URL)
		p := k.AddParty(idp.Client{ // told all that can be told
			Claims: idp.AppClaims{Roles: idp.RolesAsRoles, InIDToken: true, PlainPopulation: true},
			Scopes: []string{"openid", "profile", "email", "roles", "offline_access"},
		})
		p.OAuth.Scopes = p.Client.Scopes
		k.noted(p)
		cold := func() http.Handler { return replica(k, cfg) }

		a := p.Begin("claims", `{"id_token":{"email":null},"userinfo":{"name":null}}`)
		rec := statements(t, cold(), k.request("GET", a.URL, nil), http.StatusFound, 4)
		left, err := url.Parse(rec.Header().Get("Location"))
		idptest.Must(t, err)
		k.exec("UPDATE sessions SET last_seen_at = " + ago(30*time.Minute)) // so that it is touched too
		r := k.request("POST", k.Issuer+"/token", codeForm(p, p.Code(a, left), a.Verifier))
		r.SetBasicAuth(p.Client.ID, p.Secret)
		statements(t, cold(), r, 200, 5)

		refresh := k.tokens(p).RefreshToken
		k.exec("UPDATE sessions SET last_seen_at = " + ago(30*time.Minute))
		r = k.request("POST", k.Issuer+"/token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refresh}})
		r.SetBasicAuth(p.Client.ID, p.Secret)
		statements(t, cold(), r, 200, 4)

		r = k.request("GET", k.Issuer+"/userinfo", nil)
		r.Header.Set("Authorization", "Bearer "+k.tokens(p).AccessToken)
		statements(t, cold(), r, 200, 2)

		statements(t, cold(), k.request("GET", k.Issuer+documentPath, nil), 200, 0)
		statements(t, cold(), k.request("GET", k.Issuer+"/keys", nil), 200, 0)
	})
}

func TestStatementsOfServicesIntrospectionAndRevocation(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		cfg := server.Config{DatabaseURL: db.URL, MasterKeys: base64.StdEncoding.EncodeToString(idp.HashSecret("k"))}
		k := signedIn(t, idptest.StartWith(t, cfg, ""), db.URL)
		call := func(path string, p *idptest.Party, most int, form url.Values) {
			t.Helper()
			k.noted(p)
			r := k.request("POST", k.Issuer+path, form)
			r.SetBasicAuth(p.Client.ID, p.Secret)
			statements(t, replica(k, cfg), r, 200, most)
		}
		for _, format := range formats {
			service := k.service(idp.Client{TokenFormat: format})
			call("/token", service, 2, url.Values{"grant_type": {"client_credentials"}})
			p, tokens := k.adminTokens(format)
			for _, c := range []struct {
				party *idptest.Party
				token string
			}{
				{p, tokens.AccessToken},
				{p, tokens.RefreshToken},
				{p, "invented"},
				{service, k.ask(service).text("access_token")},
				{service, "service~invented"},
			} {
				call("/introspect", c.party, 2, url.Values{"token": {c.token}})
				call("/revoke", c.party, 4, url.Values{"token": {c.token}})
			}
			_, foreign := k.adminTokens(format)
			call("/revoke", p, 3, url.Values{"token": {foreign.AccessToken}})

			ctx, n := store.CountStatements(t.Context())
			for _, token := range []string{foreign.AccessToken, k.ask(service).text("access_token")} {
				n.Store(0)
				if _, err := k.gate().AdminToken(ctx, token); err != nil || n.Load() != 1 {
					t.Errorf("at the admin API: %d statements, want 1 (%v)", n.Load(), err)
				}
			}
		}
	})
}

// An assertion costs one statement more than a secret: its jti.
func TestStatementsOfAnAssertion(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		cfg := server.Config{DatabaseURL: db.URL, MasterKeys: base64.StdEncoding.EncodeToString(idp.HashSecret("k"))}
		k := signedIn(t, idptest.StartWith(t, cfg, ""), db.URL)
		p := k.keyed(k.own())
		for path, most := range map[string]int{"/token": 3, "/introspect": 3} {
			form := asserted(url.Values{"grant_type": {"client_credentials"}, "token": {"invented"}}, k.own().sign(t, k.claimsOf(p.Client.ID)))
			statements(t, replica(k, cfg), k.request("POST", k.Issuer+path, form), 200, most)
		}
	})
}

func TestCodeExchangeThatFailsHalfwayLeavesTheCodeUnused(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		k := start(t, db.URL)
		p := k.AddParty(idp.Client{})
		a, code := k.code(p)
		k.exec("ALTER TABLE tokens RENAME TO tokens_away")
		r := k.redeem(p, code, a.Verifier)
		if r.want(t, 500, "server_error"); leaks(r.body) {
			t.Errorf("answer %s", r.body)
		}
		k.exec("ALTER TABLE tokens_away RENAME TO tokens")
		k.redeem(p, code, a.Verifier).want(t, 200, "")
	})
}
