package provider_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/keys"
	"gatehouse/idp/manage/populations"
	"gatehouse/idp/provider"
)

var adminScopes = []string{"openid", "email", "offline_access", idp.AdminScope}

// adminTokens are those of a person who signed in at a client that may ask for the
// admin API.
func (k *kit) adminTokens(format idp.TokenFormat) (*idptest.Party, idptest.Tokens) {
	k.t.Helper()
	p := k.AddParty(idp.Client{TokenFormat: format, Scopes: adminScopes})
	return p, k.tokens(p, "scope", "openid email "+idp.AdminScope)
}

func TestPersonAtTheAdminAPI(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		k := start(t, db.URL)
		for _, format := range formats {
			p, tokens := k.adminTokens(format)
			found := k.admits(t, tokens.AccessToken, nil)
			if found.UserID != k.user.ID || found.ClientID != p.Client.ID || found.Roles != nil || found.ACR != idp.ACRMFA ||
				len(found.Proofs) != 2 || !slices.Equal(found.Scopes, []string{"openid", "email", idp.AdminScope}) {
				t.Errorf("%s: %+v", format, found)
			}
			if found.AuthTime.Unix() != int64(tokens.Claims["auth_time"].(float64)) || found.ExpiresAt.Sub(tokens.Expiry).Abs() > 5*time.Second {
				t.Errorf("%s: signed in at %s, expires at %s", format, found.AuthTime, found.ExpiresAt)
			}
			if format == idp.JWTToken {
				if aud := words(part(t, tokens.AccessToken, 1)["aud"]); !slices.Equal(aud, []string{k.adminAPI(), k.Issuer}) {
					t.Errorf("aud %v", aud)
				}
			}
			if r := k.userinfo(tokens.AccessToken); r.status != 200 || r.text("email") != k.user.Email {
				t.Errorf("%s: userinfo %d %s", format, r.status, r.body)
			}
		}
	})
}

func TestTokenForTheAdminAPIAloneIsNoGoodAtUserinfo(t *testing.T) {
	t.Parallel()
	k := start(t, idptest.Migrated(t))
	for _, format := range formats {
		p, tokens := k.adminTokens(format)
		r := k.refresh(p, tokens.RefreshToken, "scope", idp.AdminScope)
		token := r.text("access_token")
		if format == idp.JWTToken {
			if aud := words(part(t, token, 1)["aud"]); !slices.Equal(aud, []string{k.adminAPI()}) {
				t.Errorf("aud %v", aud)
			}
		}
		k.userinfo(token).want(t, 401, "invalid_token")
		k.admits(t, token, nil)
		// And the other way round.
		r = k.refresh(p, r.text("refresh_token"), "scope", "openid email")
		if info := k.userinfo(r.text("access_token")); info.status != 200 {
			t.Errorf("userinfo %d %s", info.status, info.body)
		}
		k.admits(t, r.text("access_token"), provider.ErrScopeInsufficient)
	}
}

func TestAdminScopeIsForClientsThatHaveIt(t *testing.T) {
	t.Parallel()
	k := start(t, idptest.Migrated(t))
	for _, format := range formats {
		p := k.AddParty(idp.Client{TokenFormat: format})
		tokens := k.tokens(p, "scope", "openid "+idp.AdminScope)
		if tokens.Extra("scope") != "openid" {
			t.Errorf("scope %v", tokens.Extra("scope"))
		}
		k.admits(t, tokens.AccessToken, provider.ErrScopeInsufficient)
		k.refresh(p, tokens.RefreshToken, "scope", idp.AdminScope).want(t, 400, "invalid_scope")
	}
}

func TestAdminTokensEndWithWhatIsBehindThem(t *testing.T) {
	t.Parallel()
	var ids []string
	for name, end := range map[string]func(k *kit){
		"the session ended":    func(k *kit) { k.exec("UPDATE sessions SET ended_at = " + ago(0)) },
		"the session idled":    func(k *kit) { k.exec("UPDATE sessions SET last_seen_at = " + ago(2*time.Hour)) },
		"the grant was ended":  func(k *kit) { k.exec("UPDATE grants SET revoked_at = " + ago(0)) },
		"the user is disabled": func(k *kit) { k.exec("UPDATE users SET disabled = true") },
		"a policy applies now": func(k *kit) {
			k.SetPolicy(idp.Agents, idp.Policy{Authenticator: true, EmailCode: false, IssuerLabel: "Other"}, populations.Immediately)
		},
		"the client's override applies now": func(k *kit) {
			for _, id := range ids {
				k.SetOverride(id, idp.Override{Mode: idp.OverrideRequired, MinACR: idp.ACRMFA}, populations.Immediately)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			k := start(t, idptest.Migrated(t))
			var tokens []string
			ids = nil
			for _, format := range formats {
				p, got := k.adminTokens(format)
				ids = append(ids, p.Client.ID)
				tokens = append(tokens, got.AccessToken)
				k.admits(t, got.AccessToken, nil)
			}
			end(k)
			for _, token := range tokens {
				k.admits(t, token, provider.ErrTokenInvalid)
			}
		})
	}
}

func TestAdminAPIRefusesWhatIsNoAccessTokenForIt(t *testing.T) {
	t.Parallel()
	k := start(t, idptest.Migrated(t))
	p, tokens := k.adminTokens(idp.JWTToken)
	_, opaque := k.adminTokens(idp.OpaqueToken)
	claims := part(t, tokens.AccessToken, 1)
	k.admits(t, k.forge(keys.AccessToken, claims), nil)
	for name, token := range map[string]string{
		"a refresh token":       opaque.RefreshToken,
		"an ID token":           tokens.RawID,
		"an ID token's typ":     k.forge(keys.IDToken, claims),
		"another audience":      k.forge(keys.AccessToken, with(claims, "aud", "https://api.example")),
		"userinfo's audience":   k.forge(keys.AccessToken, with(claims, "aud", k.Issuer)),
		"another issuer":        k.forge(keys.AccessToken, with(claims, "iss", "https://evil.example")),
		"expired":               k.forge(keys.AccessToken, with(claims, "exp", idp.Now().Unix())),
		"another person":        k.forge(keys.AccessToken, with(claims, "sub", idp.NewID())),
		"another client":        k.forge(keys.AccessToken, with(claims, "client_id", "x")),
		"a grant that is not":   k.forge(keys.AccessToken, with(claims, "jti", idp.NewID()+".x")),
		"no grant":              k.forge(keys.AccessToken, with(claims, "jti", idp.NewID())),
		"no signature":          tokens.AccessToken[:strings.LastIndex(tokens.AccessToken, ".")+1],
		"an invented one":       idp.NewSecret(),
		"an invented service's": "service~" + idp.NewSecret(),
		"nothing":               "",
		"what cannot be stored": "\x00\xff",
		"an authorization code": second(k.code(p)),
		"a very long one":       strings.Repeat("a.", 10000),
	} {
		t.Run(name, func(t *testing.T) { k.admits(t, token, provider.ErrTokenInvalid) })
	}
	k.exec("UPDATE tokens SET expires_at = " + ago(0))
	k.admits(t, opaque.AccessToken, provider.ErrTokenInvalid)
	idptest.Must(t, k.Store.Close())
	if _, err := k.gate().AdminToken(t.Context(), opaque.AccessToken); err == nil || strings.Contains(err.Error(), "not valid") {
		t.Errorf("a database that is down: %v", err)
	}
}

func second[A, B any](_ A, b B) B { return b }
