package provider_test

import (
	"encoding/base64"
	"encoding/json"
	"maps"
	"strings"
	"testing"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/keys"
)

// part decodes the header (0) or the payload (1) of a JWT.
func part(t testing.TB, token string, i int) map[string]any {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("no JWT: %q", token)
	}
	b, err := base64.RawURLEncoding.DecodeString(parts[i])
	idptest.Must(t, err)
	var v map[string]any
	idptest.Must(t, json.Unmarshal(b, &v))
	return v
}

// forge signs claims with the provider's own key.
func (k *kit) forge(typ keys.TokenType, claims map[string]any) string {
	k.t.Helper()
	payload, err := json.Marshal(claims)
	idptest.Must(k.t, err)
	token, err := k.Keys.Sign(idp.ES256, typ, payload)
	idptest.Must(k.t, err)
	return token
}

func TestTokensWithoutClaimsAreRefusedEverywhere(t *testing.T) {
	t.Parallel()
	k := start(t, idptest.Migrated(t))
	p := k.AddParty(idp.Client{})
	for _, alg := range idp.Algorithms() {
		for _, typ := range []keys.TokenType{keys.IDToken, keys.AccessToken} {
			for _, payload := range []string{"null", "[]", `""`, "5", "{}", "", " null", `{"aud":null}`, `{"aud":[null]}`, `{"aud":5}`, "{"} {
				token, err := k.Keys.Sign(alg, typ, []byte(payload))
				idptest.Must(t, err)
				var claims map[string]any
				if k.Keys.Verify(token, typ, &claims) == nil && !strings.HasPrefix(payload, "{") {
					t.Errorf("claims out of %q", payload)
				}
				k.userinfo(token).want(t, 401, "invalid_token")
				if r := k.send("GET", "/end_session?id_token_hint="+token, ""); r.status != 200 {
					t.Errorf("end_session with %q: %d", payload, r.status)
				}
				a := p.Begin("id_token_hint", token)
				k.wantError(t, p, a, k.browser.Get(a.URL), "invalid_request")
			}
		}
	}
}

func TestUserinfoTakesOurLivingAccessTokensOnly(t *testing.T) {
	t.Parallel()
	k := start(t, idptest.Migrated(t))
	p, other := k.AddParty(idp.Client{TokenFormat: idp.JWTToken}), k.AddParty(idp.Client{})
	tokens := k.tokens(p)
	claims := part(t, tokens.AccessToken, 1)
	with := func(name string, value any) map[string]any {
		c := maps.Clone(claims)
		c[name] = value
		return c
	}
	if r := k.userinfo(k.forge(keys.AccessToken, claims)); r.status != 200 {
		t.Fatalf("a token with the same claims: %d %s", r.status, r.body)
	}
	cut := tokens.AccessToken[:strings.LastIndex(tokens.AccessToken, ".")+1]
	for name, token := range map[string]string{
		"an ID token":               tokens.RawID,
		"an ID token's typ":         k.forge(keys.IDToken, claims),
		"a logout token's typ":      k.forge(keys.LogoutToken, claims),
		"another audience":          k.forge(keys.AccessToken, with("aud", "https://api.example")),
		"no audience":               k.forge(keys.AccessToken, with("aud", nil)),
		"another issuer":            k.forge(keys.AccessToken, with("iss", "https://evil.example")),
		"expired":                   k.forge(keys.AccessToken, with("exp", idp.Now().Add(-time.Second).Unix())),
		"no expiry":                 k.forge(keys.AccessToken, with("exp", nil)),
		"no token id":               k.forge(keys.AccessToken, with("jti", "")),
		"an unknown grant":          k.forge(keys.AccessToken, with("jti", "unknown.1")),
		"another client":            k.forge(keys.AccessToken, with("client_id", other.Client.ID)),
		"another person":            k.forge(keys.AccessToken, with("sub", idp.NewID())),
		"no signature":              cut,
		"another token's signature": cut + strings.Split(tokens.RawID, ".")[2],
		"alg none":                  "eyJhbGciOiJub25lIiwidHlwIjoiYXQrand0In0." + strings.Split(tokens.AccessToken, ".")[1] + ".",
		"a very long one":           strings.Repeat("a.", 10000),
		"an invented one":           idp.NewSecret(),
	} {
		t.Run(name, func(t *testing.T) {
			r := k.userinfo(token)
			r.want(t, 401, "invalid_token")
			if got := r.header.Get("WWW-Authenticate"); !strings.HasPrefix(got, "Bearer ") || !strings.Contains(got, `error="invalid_token"`) {
				t.Errorf("WWW-Authenticate %q", got)
			}
		})
	}
	if r := k.userinfo(tokens.AccessToken); r.status != 200 {
		t.Errorf("the token itself: %d %s", r.status, r.body)
	}
}

// RFC 6750 sections 2 and 3.1.
func TestUserinfoTakesOneTokenInHeaderOrForm(t *testing.T) {
	t.Parallel()
	k := start(t, idptest.Migrated(t))
	p := k.AddParty(idp.Client{})
	token := k.tokens(p).AccessToken
	k.send("GET", "/userinfo?access_token="+token, "").want(t, 400, "invalid_request")
	k.send("GET", "/userinfo?access_token="+token, "", "Authorization", "Bearer "+token).want(t, 400, "invalid_request")
	if r := k.send("POST", "/userinfo", "access_token="+token); r.status != 200 || r.text("sub") != k.user.ID {
		t.Errorf("in a form: %d %s", r.status, r.body)
	}
	wrong := k.send("POST", "/userinfo", "access_token=x")
	wrong.want(t, 401, "invalid_token")
	for name, r := range map[string]*reply{
		"twice":     k.send("POST", "/userinfo", "access_token="+token, "Authorization", "Bearer "+token),
		"in a form": k.send("POST", "/userinfo", "access_token="+token+"&access_token=x"),
	} {
		r.want(t, 400, "invalid_request")
		if got := r.header.Get("WWW-Authenticate"); got != `Bearer error="invalid_request"` {
			t.Errorf("%s: WWW-Authenticate %q", name, got)
		}
	}
	for name, r := range map[string]*reply{
		"none":         k.send("GET", "/userinfo", ""),
		"in no form":   k.send("POST", "/userinfo", `{"access_token":"`+token+`"}`, "Content-Type", "application/json"),
		"with no name": k.send("POST", "/userinfo", "access_token="),
	} {
		if r.status != 401 || r.header.Get("WWW-Authenticate") != "Bearer" || strings.Contains(r.body, k.user.ID) {
			t.Errorf("%s: %d %q %s", name, r.status, r.header.Get("WWW-Authenticate"), r.body)
		}
	}
	if r := k.send("GET", "/userinfo", "", "Authorization", "Basic "+token); r.status != 401 {
		t.Errorf("another scheme: %d %s", r.status, r.body)
	}
	for _, method := range []string{"GET", "POST"} {
		r := k.send(method, "/userinfo", "", "Authorization", "Bearer "+token)
		if r.status != 200 || r.text("sub") != k.user.ID || r.header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %d %q %s", method, r.status, r.header.Get("Cache-Control"), r.body)
		}
	}
}

func TestRevokedAccessTokensEndAtOnce(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		k := start(t, db.URL)
		for _, format := range []idp.TokenFormat{idp.OpaqueToken, idp.JWTToken} {
			token := k.tokens(k.AddParty(idp.Client{TokenFormat: format})).AccessToken
			if r := k.userinfo(token); r.status != 200 {
				t.Fatalf("%s: %d %s", format, r.status, r.body)
			}
			k.exec("UPDATE grants SET revoked_at = " + ago(0))
			k.userinfo(token).want(t, 401, "invalid_token")
		}
	})
}

func TestHintsAreIDTokensOfThisClient(t *testing.T) {
	t.Parallel()
	k := start(t, idptest.Migrated(t))
	p, other := k.AddParty(idp.Client{TokenFormat: idp.JWTToken}), k.AddParty(idp.Client{})
	tokens := k.tokens(p)
	claims := part(t, tokens.RawID, 1)
	claims["iss"] = "https://evil.example"
	for name, hint := range map[string]string{
		"a JWT access token":      tokens.AccessToken,
		"another client's":        k.tokens(other).RawID,
		"of another issuer":       k.forge(keys.IDToken, claims),
		"without signature":       tokens.RawID[:strings.LastIndex(tokens.RawID, ".")+1],
		"with two zero bytes":     "\x00\x00",
		"an access token's claim": k.forge(keys.IDToken, part(t, tokens.AccessToken, 1)),
	} {
		t.Run(name, func(t *testing.T) {
			a := p.Begin("id_token_hint", hint)
			k.wantError(t, p, a, k.browser.Get(a.URL), "invalid_request")
		})
	}
	claims["iss"], claims["exp"] = k.Issuer, 1
	a := p.Begin("id_token_hint", k.forge(keys.IDToken, claims)) // expired: still says whom
	p.Exchange(a, k.browser.Get(a.URL).Left)
}
