package provider_test

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/keys"
	"gatehouse/idp/provider"
)

// service registers a program that acts for itself.
func (k *kit) service(c idp.Client) *idptest.Party {
	k.t.Helper()
	c.Kind = idp.ServiceClient
	if len(c.Scopes) == 0 {
		c.Scopes = []string{idp.AdminScope, "tickets:read"}
	}
	if c.Roles == nil {
		c.Roles = []string{idp.RoleManager, idp.RoleAgent}
	}
	return k.AddParty(c)
}

// ask asks for a token of a client for itself.
func (k *kit) ask(p *idptest.Party, scope ...string) *reply {
	k.t.Helper()
	form := url.Values{"grant_type": {"client_credentials"}}
	if len(scope) > 0 {
		form.Set("scope", strings.Join(scope, " "))
	}
	return k.post(p, form)
}

// gate is a provider on the same rows and keys, for what has no endpoint.
func (k *kit) gate() *provider.Provider {
	k.t.Helper()
	p, err := provider.New(provider.Config{Issuer: k.Issuer, Store: k.Store, Signer: k.Keys})
	idptest.Must(k.t, err)
	return p
}

func (k *kit) adminAPI() string { return k.Issuer + "/admin/api/v1" }

// admits checks what the admin API makes of a token.
func (k *kit) admits(t testing.TB, token string, want error) provider.AdminAccess {
	t.Helper()
	found, err := k.gate().AdminToken(t.Context(), token)
	if !errors.Is(err, want) || want == nil && err != nil {
		t.Errorf("at the admin API: %v, want %v", err, want)
	}
	return found
}

var formats = []idp.TokenFormat{idp.OpaqueToken, idp.JWTToken}

func TestServiceGetsATokenForItself(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		k := start(t, db.URL)
		for method, style := range map[idp.AuthMethod]oauth2.AuthStyle{
			idp.ClientSecretBasic: oauth2.AuthStyleInHeader, idp.ClientSecretPost: oauth2.AuthStyleInParams,
		} {
			for _, format := range formats {
				p := k.service(idp.Client{AuthMethod: method, TokenFormat: format})
				cfg := clientcredentials.Config{
					ClientID: p.Client.ID, ClientSecret: p.Secret, TokenURL: p.OAuth.Endpoint.TokenURL, AuthStyle: style,
					Scopes: []string{idp.AdminScope},
				}
				token, err := cfg.Token(t.Context())
				idptest.Must(t, err)
				if token.TokenType != "Bearer" || token.RefreshToken != "" || token.Extra("id_token") != nil ||
					token.Extra("scope") != idp.AdminScope {
					t.Errorf("%s: %+v", format, token)
				}
				if left := token.Expiry.Sub(idp.Now()); left > p.Client.AccessTTL || left < p.Client.AccessTTL-time.Minute {
					t.Errorf("%s: lives %s, want %s", format, left, p.Client.AccessTTL)
				}
				found := k.admits(t, token.AccessToken, nil)
				if found.UserID != "" || found.ClientID != p.Client.ID || found.Proofs != nil || found.ACR != "" ||
					!found.AuthTime.IsZero() || !slices.Equal(found.Roles, []string{idp.RoleAgent, idp.RoleManager}) ||
					!slices.Equal(found.Scopes, []string{idp.AdminScope}) || found.ExpiresAt.Sub(token.Expiry).Abs() > 5*time.Second {
					t.Errorf("%s: access %+v", format, found)
				}
				if format == idp.JWTToken {
					wantServiceJWT(t, k, p, token.AccessToken)
				}
			}
		}
		if n := k.count("SELECT count(*) FROM service_tokens"); n != 2 {
			t.Errorf("%d tokens are stored, want the two that are opaque", n)
		}
	})
}

// wantServiceJWT is RFC 9068 section 2.2 without a person.
func wantServiceJWT(t *testing.T, k *kit, p *idptest.Party, token string) {
	t.Helper()
	verified, err := p.Provider.Verifier(&oidc.Config{ClientID: k.adminAPI()}).Verify(t.Context(), token)
	idptest.Must(t, err)
	if verified.Subject != p.Client.ID || !slices.Equal(verified.Audience, []string{k.adminAPI()}) {
		t.Errorf("sub %s, aud %s", verified.Subject, verified.Audience)
	}
	if typ := part(t, token, 0)["typ"]; typ != "at+jwt" {
		t.Errorf("typ %v", typ)
	}
	claims := part(t, token, 1)
	for _, name := range []string{"sid", "acr", "amr", "auth_time", "population"} {
		if claims[name] != nil {
			t.Errorf("%s %v of nobody", name, claims[name])
		}
	}
	exp, _ := claims["exp"].(float64)
	iat, _ := claims["iat"].(float64)
	if claims["client_id"] != p.Client.ID || claims["jti"] == nil || claims["scope"] != idp.AdminScope || exp-iat != 300 {
		t.Errorf("claims %v", claims)
	}
}

func TestServiceGetsWhatItIsRegisteredForAndNoMore(t *testing.T) {
	t.Parallel()
	k := start(t, idptest.Migrated(t))
	p := k.service(idp.Client{})
	for scope, want := range map[string]string{
		"":                            "gatehouse:admin tickets:read",
		"tickets:read":                "tickets:read",
		"tickets:read tickets:read":   "tickets:read",
		"tickets:read tickets:write":  "invalid_scope",
		"openid":                      "invalid_scope",
		"offline_access tickets:read": "invalid_scope",
		"\"\\":                        "invalid_scope",
	} {
		r := k.ask(p, scope)
		if want == "invalid_scope" {
			r.want(t, 400, want)
		} else if r.want(t, 200, ""); r.text("scope") != want {
			t.Errorf("scope %q: %s, want %s", scope, r.body, want)
		}
	}
	// A row of somebody who knew better does not help either.
	other := k.unchecked(func(c *idp.Client) {
		c.Kind, c.GrantTypes, c.DPoPBound, c.FAPI = idp.ServiceClient, []string{"client_credentials"}, false, false
		c.Scopes = []string{"openid", "offline_access", "tickets:read"}
	})
	k.ask(other, "openid").want(t, 400, "invalid_scope")
	k.ask(other, "offline_access").want(t, 400, "invalid_scope")
	if r := k.ask(other); r.text("scope") != "tickets:read" || r.text("id_token")+r.text("refresh_token") != "" {
		t.Errorf("answer %s", r.body)
	}
	plain := k.ask(p, "tickets:read").text("access_token")
	k.admits(t, plain, provider.ErrScopeInsufficient)
	k.userinfo(plain).want(t, 401, "invalid_token")
	k.userinfo(k.ask(p).text("access_token")).want(t, 401, "invalid_token")
	k.refresh(k.AddParty(idp.Client{}), plain).want(t, 400, "invalid_grant")
}

func TestClientCredentialsAreForServices(t *testing.T) {
	t.Parallel()
	k := start(t, idptest.Migrated(t))
	p := k.service(idp.Client{})
	web, native := k.AddParty(idp.Client{Scopes: []string{"openid", idp.AdminScope}}), k.AddParty(idp.Client{Kind: idp.NativeClient})
	k.ask(web).want(t, 400, "unauthorized_client")
	k.ask(native).want(t, 400, "unauthorized_client")
	// A row of somebody who knew better does not help either.
	k.ask(k.unchecked(func(c *idp.Client) { c.GrantTypes = []string{"client_credentials"} })).want(t, 400, "unauthorized_client")
	public := k.ask(k.unchecked(func(c *idp.Client) {
		c.Kind, c.AuthMethod, c.GrantTypes = idp.ServiceClient, idp.NoClientAuth, []string{"client_credentials"}
	}))
	if public.status != 400 && public.status != 401 || public.text("access_token") != "" {
		t.Errorf("a public client: %d %s", public.status, public.body)
	}
	k.post(p, codeForm(p, "x", "y")).want(t, 400, "unauthorized_client")
	k.refresh(p, "x").want(t, 400, "unauthorized_client")
	wrong := *p
	wrong.Secret = "wrong"
	before := k.Audited(idp.AuditClientAuthFailed)
	wantAuthentication(t, k.ask(&wrong), 401, "invalid_client")
	if n := k.Audited(idp.AuditClientAuthFailed) - before; n != 1 {
		t.Errorf("%d audit events of a wrong secret", n)
	}
	const form = "grant_type=client_credentials"
	header := []string{"Authorization", basic(p.Client.ID, p.Secret)}
	wantAuthentication(t, k.send("POST", "/token", form, "Authorization", basic("nobody", "x")), 401, "invalid_client")
	k.send("POST", "/token", form+"&"+named(p.Client.ID, p.Secret).Encode()).want(t, 200, "")
	wantAuthentication(t, k.send("POST", "/token", form+"&"+named(p.Client.ID, "wrong").Encode()), 400, "invalid_client")
	k.send("POST", "/token", form+"&scope=a&scope=b", header...).want(t, 400, "invalid_request")
	if r := k.send("POST", "/token?scope=a", form, header...); r.status != 200 || r.text("scope") == "a" {
		t.Errorf("a scope in the address counts: %d %s", r.status, r.body)
	}
	r := k.ask(p)
	if r.want(t, 200, ""); r.header.Get("Cache-Control") != "no-store" {
		t.Errorf("Cache-Control %q", r.header.Get("Cache-Control"))
	}
}

// unchecked stores a client as nobody could register it.
func (k *kit) unchecked(change func(c *idp.Client)) *idptest.Party {
	k.t.Helper()
	c := idptest.Client(idp.Agents)
	c.DefaultResource = "" // its API is not registered
	change(&c)
	idptest.Must(k.t, k.Store.CreateClient(k.t.Context(), c))
	p := &idptest.Party{Client: c, Secret: "one"}
	p.OAuth.ClientID, p.OAuth.RedirectURL = c.ID, idptest.RedirectURI
	p.OAuth.Endpoint.AuthURL = k.Issuer + "/authorize"
	return p
}

func TestNobodySignsInToAService(t *testing.T) {
	t.Parallel()
	k := start(t, idptest.Migrated(t))
	p := k.service(idp.Client{})
	a := p.Begin("redirect_uri", idptest.RedirectURI)
	wantPage(t, k.browser.Get(a.URL), 400)
	events, err := k.Store.AuditEvents(t.Context(), idp.AuditAuthorizeRefused, "", 10)
	idptest.Must(t, err)
	if len(events) != 1 || !strings.HasPrefix(events[0].Detail["reason"], "unauthorized_client") {
		t.Errorf("events %+v", events)
	}
	// Were it to have a redirect URI, it would be told there.
	p = k.unchecked(func(c *idp.Client) {
		c.Kind, c.GrantTypes, c.RedirectURIs = idp.ServiceClient, []string{"client_credentials"}, []string{idptest.RedirectURI}
	})
	a = p.Begin()
	k.wantError(t, p, a, k.browser.Get(a.URL), "unauthorized_client")
}

func TestServicesTokenIsWorthWhatItsClientIsNow(t *testing.T) {
	t.Parallel()
	for change, want := range map[string]error{
		"DELETE FROM client_roles":                                nil,
		"UPDATE clients SET name = 'renamed'":                     nil,
		"UPDATE clients SET scopes = 'tickets:read'":              provider.ErrScopeInsufficient,
		"UPDATE clients SET grant_types = ''":                     provider.ErrTokenInvalid,
		"UPDATE clients SET kind = 'web'":                         provider.ErrTokenInvalid,
		"UPDATE clients SET created_at = " + ago(-time.Hour):      provider.ErrTokenInvalid,
		"PRAGMA foreign_keys = 1; DELETE FROM clients":            provider.ErrTokenInvalid,
		"UPDATE service_tokens SET expires_at = " + ago(0) + ";%": provider.ErrTokenInvalid,
	} {
		t.Run(change, func(t *testing.T) {
			k := start(t, idptest.Migrated(t))
			for _, format := range formats {
				token := k.ask(k.service(idp.Client{TokenFormat: format})).text("access_token")
				k.admits(t, token, nil)
				opaque, only := strings.CutSuffix(change, ";%")
				if k.exec(opaque); only && format == idp.JWTToken {
					continue
				}
				if found := k.admits(t, token, want); strings.Contains(change, "roles") && len(found.Roles) != 0 {
					t.Errorf("%s: roles %v after they were taken", format, found.Roles)
				}
			}
		})
	}
}

func TestServiceThatIsDeletedMeanwhileGetsNothing(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		k := start(t, db.URL)
		p := k.service(idp.Client{})
		k.ask(p).want(t, 200, "") // in the cache now
		fk := ""
		if db.Dialect() == "sqlite" {
			fk = "PRAGMA foreign_keys = 1; "
		}
		k.exec(fk + "DELETE FROM clients WHERE id = '" + p.Client.ID + "'")
		wantAuthentication(t, k.ask(p), 401, "invalid_client")
	})
}

func TestForgedTokensOfServices(t *testing.T) {
	t.Parallel()
	k := start(t, idptest.Migrated(t))
	p, other := k.service(idp.Client{TokenFormat: idp.JWTToken}), k.service(idp.Client{})
	claims := part(t, k.ask(p).text("access_token"), 1)
	k.admits(t, k.forge(keys.AccessToken, claims), nil)
	for name, value := range map[string]any{
		"sub": other.Client.ID, "client_id": other.Client.ID, "aud": "https://api.example", "iss": "https://evil.example",
		"exp": idp.Now().Unix(), "jti": "", "iat": p.Client.CreatedAt.Add(-time.Minute).Unix(),
	} {
		changed := with(claims, name, value)
		t.Run(fmt.Sprint(name, value), func(t *testing.T) {
			k.admits(t, k.forge(keys.AccessToken, changed), provider.ErrTokenInvalid)
		})
	}
	for _, typ := range []keys.TokenType{keys.IDToken, keys.LogoutToken} {
		k.admits(t, k.forge(typ, claims), provider.ErrTokenInvalid)
	}
	for _, jti := range []string{".", ".x", "x."} {
		k.admits(t, k.forge(keys.AccessToken, with(claims, "jti", jti)), provider.ErrTokenInvalid)
	}
	k.admits(t, k.forge(keys.AccessToken, with(claims, "scope", "tickets:read")), provider.ErrScopeInsufficient)
	k.admits(t, k.forge(keys.AccessToken, with(claims, "aud", k.Issuer)), provider.ErrTokenInvalid)
}

// with is a copy of claims with one changed.
func with(claims map[string]any, name string, value any) map[string]any {
	changed := map[string]any{}
	for n, v := range claims {
		changed[n] = v
	}
	changed[name] = value
	return changed
}
