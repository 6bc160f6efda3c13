package provider_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/keys"
)

func (k *kit) introspect(p *idptest.Party, token string) *reply {
	k.t.Helper()
	return k.postTo("/introspect", p, url.Values{"token": {token}})
}

// wantInactive checks that nothing at all is said of a token.
func (r *reply) wantInactive(t testing.TB) {
	t.Helper()
	if r.status != 200 || strings.TrimSpace(r.body) != `{"active":false}` {
		t.Errorf("answer %d %s, want only that it is not active", r.status, r.body)
	}
}

// wantFields checks all members of an answer but the times.
func (r *reply) wantFields(t testing.TB, want map[string]any) {
	t.Helper()
	for name, v := range want {
		got := r.json[name]
		if list, ok := got.([]any); ok {
			got = strings.Join(words(list), " ")
		}
		if got != v {
			t.Errorf("%s: %v, want %v", name, got, v)
		}
	}
	for name := range r.json {
		if _, wanted := want[name]; !wanted && name != "exp" && name != "iat" && name != "auth_time" && name != "jti" {
			t.Errorf("%s is said, too: %v", name, r.json[name])
		}
	}
	exp, _ := r.json["exp"].(float64)
	iat, _ := r.json["iat"].(float64)
	if now := float64(idp.Now().Unix()); exp <= now || iat > now || iat < now-60 {
		t.Errorf("iat %v, exp %v", iat, exp)
	}
	if r.header.Get("Cache-Control") != "no-store" || !strings.HasPrefix(r.header.Get("Content-Type"), "application/json") {
		t.Errorf("headers %v", r.header)
	}
}

func TestIntrospectionOfAPersonsTokens(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		k := start(t, db.URL)
		for _, format := range formats {
			p, tokens := k.adminTokens(format)
			want := map[string]any{
				"active": true, "scope": "openid email gatehouse:admin", "client_id": p.Client.ID, "token_type": "Bearer",
				"sub": k.user.ID, "aud": k.adminAPI() + " " + k.Issuer, "iss": k.Issuer, "sid": k.session.ID,
				"acr": string(idp.ACRMFA), "amr": "pwd otp mfa", idp.PopulationClaim: idp.Agents,
			}
			r := k.introspect(p, tokens.AccessToken)
			r.wantFields(t, want)
			if r.json["auth_time"] != tokens.Claims["auth_time"] {
				t.Errorf("auth_time %v, want %v", r.json["auth_time"], tokens.Claims["auth_time"])
			}
			if _, has := r.json["jti"]; has != (format == idp.JWTToken) {
				t.Errorf("%s: jti %v", format, r.json["jti"])
			}
			if format == idp.JWTToken {
				claims := part(t, tokens.AccessToken, 1)
				for _, name := range []string{"jti", "exp", "iat"} {
					if r.json[name] != claims[name] {
						t.Errorf("%s %v, in the token %v", name, r.json[name], claims[name])
					}
				}
			}
			delete(want, "token_type")
			want["aud"] = k.Issuer
			r = k.introspect(p, tokens.RefreshToken)
			if r.wantFields(t, want); r.json["jti"] != nil {
				t.Errorf("jti %v of a refresh token", r.json["jti"])
			}
			next := k.refresh(p, tokens.RefreshToken).text("refresh_token")
			k.introspect(p, tokens.RefreshToken).wantInactive(t)
			k.introspect(p, next).wantFields(t, want)
		}
	})
}

func TestIntrospectionOfAServicesTokens(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		k := start(t, db.URL)
		for _, format := range formats {
			p := k.service(idp.Client{TokenFormat: format})
			token := k.ask(p, idp.AdminScope).text("access_token")
			k.introspect(p, token).wantFields(t, map[string]any{
				"active": true, "scope": idp.AdminScope, "client_id": p.Client.ID, "token_type": "Bearer",
				"sub": p.Client.ID, "aud": k.adminAPI(), "iss": k.Issuer,
			})
			k.introspect(k.service(idp.Client{}), token).wantInactive(t)
			k.exec("UPDATE clients SET grant_types = ''")
			k.introspect(k.service(idp.Client{}), token).wantInactive(t)
		}
	})
}

func TestIntrospectionIsForTheClientOrTheAudience(t *testing.T) {
	t.Parallel()
	k := start(t, idptest.Migrated(t))
	api := k.AddParty(idp.Client{ID: k.adminAPI(), AuthMethod: idp.ClientSecretPost})
	stranger := k.AddParty(idp.Client{})
	for _, format := range formats {
		_, tokens := k.adminTokens(format)
		k.introspect(stranger, tokens.AccessToken).wantInactive(t)
		k.introspect(stranger, tokens.RefreshToken).wantInactive(t)
		if r := k.introspect(api, tokens.AccessToken); r.json["active"] != true {
			t.Errorf("the audience: %s", r.body)
		}
		k.introspect(api, tokens.RefreshToken).wantInactive(t)
		k.introspect(api, k.tokens(k.AddParty(idp.Client{TokenFormat: format})).AccessToken).wantInactive(t)
	}
}

func TestIntrospectionSaysNothingOfWhatHasEnded(t *testing.T) {
	t.Parallel()
	k := start(t, idptest.Migrated(t))
	p, tokens := k.adminTokens(idp.JWTToken)
	opaque, more := k.adminTokens(idp.OpaqueToken)
	claims := part(t, tokens.AccessToken, 1)
	for name, token := range map[string]string{
		"an ID token":        tokens.RawID,
		"an ID token's typ":  k.forge(keys.IDToken, claims),
		"another issuer":     k.forge(keys.AccessToken, with(claims, "iss", "https://evil.example")),
		"expired":            k.forge(keys.AccessToken, with(claims, "exp", idp.Now().Unix())),
		"null":               k.raw("null"),
		"an invented one":    idp.NewSecret(),
		"no text":            "\x00\xff",
		"dots":               "...",
		"a service's prefix": "service~",
		"a very long one":    strings.Repeat("a.", 10000),
	} {
		t.Run(name, func(t *testing.T) { k.introspect(p, token).wantInactive(t) })
	}
	k.exec("UPDATE tokens SET expires_at = " + ago(0))
	k.introspect(opaque, more.AccessToken).wantInactive(t)
	k.introspect(opaque, more.RefreshToken).wantInactive(t)
	k.exec("UPDATE tokens SET expires_at = " + ago(-time.Hour))
	if r := k.introspect(opaque, more.AccessToken); r.json["active"] != true {
		t.Errorf("answer %s", r.body)
	}
	k.exec("UPDATE sessions SET ended_at = " + ago(0))
	k.introspect(p, tokens.AccessToken).wantInactive(t)
	k.introspect(opaque, more.AccessToken).wantInactive(t)
	k.introspect(opaque, more.RefreshToken).wantInactive(t)
}

// raw signs a payload as an access token.
func (k *kit) raw(payload string) string {
	k.t.Helper()
	token, err := k.Keys.Sign(idp.ES256, keys.AccessToken, []byte(payload))
	idptest.Must(k.t, err)
	return token
}

// What goes for the token endpoint goes for both, but for introspection's status: it is 401
// wherever the credentials were (RFC 7662 section 2.3).
func TestClientsAuthenticateAtIntrospectionAndRevocation(t *testing.T) {
	t.Parallel()
	k := start(t, idptest.Migrated(t))
	web := k.AddParty(idp.Client{})
	post := k.AddParty(idp.Client{AuthMethod: idp.ClientSecretPost})
	native := k.AddParty(idp.Client{Kind: idp.NativeClient})
	right := basic(web.Client.ID, web.Secret)
	for name, c := range map[string]struct {
		query, header string
		form          url.Values
		status        int
		want          string
	}{
		"as registered":                 {"", right, nil, 200, ""},
		"as registered, by post":        {"", "", named(post.Client.ID, post.Secret), 200, ""},
		"nobody":                        {"", "", nil, 401, "invalid_client"},
		"an unknown client":             {"", basic("nobody", "x"), nil, 401, "invalid_client"},
		"an unknown client by post":     {"", "", named("nobody", "x"), 401, "invalid_client"},
		"a client that is no text":      {"", "", named("a\x00", "x"), 401, "invalid_client"},
		"a wrong secret":                {"", basic(web.Client.ID, "wrong"), nil, 401, "invalid_client"},
		"an empty secret":               {"", basic(web.Client.ID, ""), nil, 401, "invalid_client"},
		"another's secret":              {"", basic(web.Client.ID, post.Secret), nil, 401, "invalid_client"},
		"a hash for a secret":           {"", basic(web.Client.ID, url.QueryEscape(string(web.Client.SecretHashes[0]))), nil, 401, "invalid_client"},
		"no secret":                     {"", "", named(web.Client.ID, ""), 401, "invalid_client"},
		"basic where post is right":     {"", basic(post.Client.ID, post.Secret), nil, 200, ""},
		"post where basic is right":     {"", "", named(web.Client.ID, web.Secret), 200, ""},
		"a wrong secret by post":        {"", "", named(web.Client.ID, "wrong"), 401, "invalid_client"},
		"both at once":                  {"", right, named(web.Client.ID, web.Secret), 400, "invalid_request"},
		"two clients":                   {"", right, named(native.Client.ID, ""), 401, "invalid_client"},
		"a bad escape":                  {"", basic("%zz", "x"), nil, 401, "invalid_client"},
		"a bearer token":                {"", "Bearer x", named(web.Client.ID, ""), 401, "invalid_client"},
		"an assertion":                  {"", "", url.Values{"client_assertion": {"a.b.c"}}, 401, "invalid_client"},
		"a public client with a secret": {"", "", named(native.Client.ID, "x"), 401, "invalid_client"},
		"a token in the address":        {"?token=x", right, nil, 400, "invalid_request"},
		"a secret in the address":       {"?client_secret=" + post.Secret, "", named(post.Client.ID, ""), 400, "invalid_request"},
		"two tokens":                    {"", right, url.Values{"token": {"x", "y"}}, 400, "invalid_request"},
		"an empty token":                {"", right, url.Values{"token": {""}}, 400, "invalid_request"},
		"a hint that nobody knows":      {"", right, url.Values{"token_type_hint": {"bogus"}}, 200, ""},
	} {
		t.Run(name, func(t *testing.T) {
			for _, path := range []string{"/introspect", "/revoke"} {
				form := url.Values{"token": {"x"}}
				for n, v := range c.form {
					form[n] = v
				}
				before := k.Audited(idp.AuditClientAuthFailed)
				r := k.send("POST", path+c.query, form.Encode(), "Authorization", c.header)
				status := c.status
				if status == 401 && c.header == "" && path == "/revoke" {
					status = 400
				}
				wantAuthentication(t, r, status, c.want)
				audited := k.Audited(idp.AuditClientAuthFailed) > before
				known := strings.Contains(form.Get("client_id")+c.header, web.Client.ID) || strings.Contains(name, "secret")
				if c.status == 401 && known && !audited {
					t.Errorf("%s: no audit event", path)
				}
			}
		})
	}
}

func TestIntrospectionIsForThoseWhoKeepASecret(t *testing.T) {
	t.Parallel()
	k := start(t, idptest.Migrated(t))
	native := k.AddParty(idp.Client{Kind: idp.NativeClient})
	wantAuthentication(t, k.introspect(native, k.tokens(native).AccessToken), 401, "invalid_client")
	for _, path := range []string{"/introspect", "/revoke"} {
		r := k.send("GET", path+"?token=x", "")
		if r.want(t, http.StatusMethodNotAllowed, "invalid_request"); !strings.Contains(r.header.Get("Allow"), "POST") {
			t.Errorf("%s: Allow %q", path, r.header.Get("Allow"))
		}
	}
}

func TestFaultsOfOursDoNotLeakFromIntrospectionAndRevocation(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		k := start(t, db.URL)
		p, tokens := k.adminTokens(idp.OpaqueToken)
		service := k.service(idp.Client{})
		k.exec("ALTER TABLE tokens RENAME TO tokens_away")
		k.exec("ALTER TABLE service_tokens RENAME TO service_tokens_away")
		for name, r := range map[string]*reply{
			"introspection": k.introspect(p, tokens.AccessToken), "revocation": k.revoke(p, tokens.AccessToken),
			"introspection of a service's": k.introspect(p, "service~x"), "revocation of a service's": k.revoke(p, "service~x"),
			"client credentials": k.ask(service),
		} {
			if r.want(t, 500, "server_error"); leaks(r.body) || strings.Contains(r.body, "token:") || r.header.Get("Cache-Control") != "no-store" {
				t.Errorf("%s: %s", name, r.body)
			}
		}
		idptest.Must(t, k.Store.Close())
		for _, path := range []string{"/introspect", "/revoke"} {
			r := k.send("POST", path, "token=x&client_id=other&client_secret=x")
			if r.want(t, 500, "server_error"); leaks(r.body) {
				t.Errorf("%s: %s", path, r.body)
			}
		}
	})
}
