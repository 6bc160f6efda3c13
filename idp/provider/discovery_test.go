package provider_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/provider"
	"gatehouse/idp/server"
)

const documentPath = "/.well-known/openid-configuration"

func words(v any) (list []string) {
	items, _ := v.([]any)
	for _, item := range items {
		s, _ := item.(string)
		list = append(list, s)
	}
	return list
}

func TestDiscoverySaysWhatWorks(t *testing.T) {
	t.Parallel()
	k := start(t, idptest.Migrated(t))
	d := k.send("GET", documentPath, "").json
	for name, want := range map[string]string{
		"response_types_supported": "code", "response_modes_supported": "query fragment form_post", "subject_types_supported": "public",
		"introspection_endpoint_auth_methods_supported": "client_secret_basic client_secret_post private_key_jwt",
		"revocation_endpoint_auth_methods_supported":    "client_secret_basic client_secret_post private_key_jwt none",
		"scopes_supported":      "openid profile email roles offline_access gatehouse:admin",
		"grant_types_supported": "authorization_code refresh_token client_credentials", "code_challenge_methods_supported": "S256",
	} {
		if got := strings.Join(words(d[name]), " "); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	for name, want := range map[string]any{
		"issuer": k.Issuer, "request_parameter_supported": false, "request_uri_parameter_supported": false,
		"backchannel_logout_supported": true, "backchannel_logout_session_supported": true,
		"frontchannel_logout_supported": true, "frontchannel_logout_session_supported": true,
		"claims_parameter_supported": true, "authorization_response_iss_parameter_supported": true,
	} {
		if d[name] != want {
			t.Errorf("%s: %v, want %v", name, d[name], want)
		}
	}
	for _, name := range []string{"authorization_endpoint", "token_endpoint", "userinfo_endpoint", "end_session_endpoint", "jwks_uri", "introspection_endpoint", "revocation_endpoint"} {
		target, _ := d[name].(string)
		if r := k.send("GET", strings.TrimPrefix(target, k.Issuer), ""); r.status == 404 || r.status >= 500 {
			t.Errorf("%s: %d", name, r.status)
		}
	}
	for name := range d {
		if strings.HasPrefix(name, "device") || name == "registration_endpoint" {
			t.Errorf("%s is not built", name)
		}
	}
}

func TestEveryValueOfDiscoveryWorks(t *testing.T) {
	t.Parallel()
	k := start(t, idptest.Migrated(t))
	d := k.send("GET", documentPath, "").json
	kinds := map[string]idp.ClientKind{"none": idp.NativeClient}
	for _, method := range words(d["token_endpoint_auth_methods_supported"]) {
		p := k.AddParty(k.withKey(idp.Client{Kind: kinds[method], AuthMethod: idp.AuthMethod(method)}))
		a, code := k.code(p)
		k.redeem(p, code, a.Verifier).want(t, 200, "")
	}
	for _, endpoint := range []string{"token", "introspection", "revocation"} {
		target, _ := d[endpoint+"_endpoint"].(string)
		for _, alg := range words(d[endpoint+"_endpoint_auth_signing_alg_values_supported"]) {
			key := newKey(t, jose.SignatureAlgorithm(alg), "")
			form := asserted(url.Values{"token": {"x"}, "grant_type": {"client_credentials"}}, key.sign(t, k.claimsOf(k.keyed(key).Client.ID)))
			form.Del("client_id")
			if r := k.send("POST", strings.TrimPrefix(target, k.Issuer), form.Encode()); r.text("error") == "invalid_client" {
				t.Errorf("%s at %s: %s", alg, endpoint, r.body)
			}
		}
	}
	for _, endpoint := range []string{"introspection", "revocation"} {
		target, _ := d[endpoint+"_endpoint"].(string)
		for _, method := range words(d[endpoint+"_endpoint_auth_methods_supported"]) {
			p := k.AddParty(k.withKey(idp.Client{Kind: kinds[method], AuthMethod: idp.AuthMethod(method)}))
			k.postTo(strings.TrimPrefix(target, k.Issuer), p, url.Values{"token": {"x"}}).want(t, 200, "")
		}
	}
	for _, alg := range words(d["id_token_signing_alg_values_supported"]) {
		if got := part(t, k.tokens(k.AddParty(idp.Client{SigningAlg: idp.Algorithm(alg)})).RawID, 0)["alg"]; got != alg {
			t.Errorf("alg %v, want %s", got, alg)
		}
	}
	scopes := strings.Join(words(d["scopes_supported"]), " ")
	p, claims := k.AddParty(idp.Client{Scopes: words(d["scopes_supported"])}), map[string]any{}
	for _, acr := range words(d["acr_values_supported"]) {
		tokens := k.tokens(p, "acr_values", acr, "scope", scopes)
		claims = tokens.Claims
		if acr == string(idp.ACRFederated) { // by password and app: it is more, and says so
			acr = string(idp.ACRMFA)
		}
		if claims["acr"] != acr || tokens.Extra("scope") != scopes {
			t.Errorf("acr %v, scope %v; want %s, %s", claims["acr"], tokens.Extra("scope"), acr, scopes)
		}
	}
	for name := range claims {
		if !slices.Contains(words(d["claims_supported"]), name) {
			t.Errorf("claim %s is not announced", name)
		}
	}
	for _, prompt := range words(d["prompt_values_supported"]) {
		page := k.browser.Get(p.Begin("prompt", prompt).URL)
		if page.Left != nil && page.Left.Query().Has("error") {
			t.Errorf("prompt=%s: %s", prompt, page.Left)
		}
	}
}

func TestPublicDocumentsAreCached(t *testing.T) {
	t.Parallel()
	k := start(t, idptest.Migrated(t))
	for _, path := range []string{documentPath, "/keys"} {
		r := k.send("GET", path, "", "Origin", "https://anybody.example")
		etag := r.header.Get("ETag")
		if r.status != 200 || etag == "" || r.header.Get("Content-Type") != "application/json" ||
			!strings.Contains(r.header.Get("Cache-Control"), "max-age") {
			t.Errorf("%s: %d %v", path, r.status, r.header)
		}
		if r.header.Get("Access-Control-Allow-Origin") != "*" || r.header.Get("Access-Control-Allow-Credentials") != "" {
			t.Errorf("%s: CORS %v", path, r.header)
		}
		if r := k.send("GET", path, "", "If-None-Match", etag); r.status != http.StatusNotModified || r.body != "" {
			t.Errorf("%s, known: %d %s", path, r.status, r.body)
		}
		if r := k.send("GET", path, "", "If-None-Match", `"other"`); r.status != 200 {
			t.Errorf("%s, changed: %d", path, r.status)
		}
		if strings.Contains(r.body, `"d":`) {
			t.Errorf("%s: a private key", path)
		}
	}
	before := k.send("GET", "/keys", "").header.Get("ETag")
	_, err := k.Keys.Rotate(t.Context(), true)
	idptest.Must(t, err)
	if k.send("GET", "/keys", "").header.Get("ETag") == before {
		t.Error("the ETag stays when keys change")
	}
}

// RFC 8414 section 3 names the document's other address: the issuer's path stands behind
// it. Some libraries append it all the same.
func TestTheMetadataIsWhereEitherStandardPutsIt(t *testing.T) {
	t.Parallel()
	for issuerPath, paths := range map[string][]string{
		"":         {documentPath, "/.well-known/oauth-authorization-server"},
		"/idp/one": {"/idp/one" + documentPath, "/idp/one/.well-known/oauth-authorization-server", "/.well-known/oauth-authorization-server/idp/one"},
	} {
		app := idptest.Start(t, idptest.Migrated(t), issuerPath)
		k, site := &kit{App: app, t: t}, strings.TrimSuffix(app.Issuer, issuerPath)
		for _, path := range append(paths, issuerPath+"/keys") {
			for method, status := range map[string]int{"GET": 200, "HEAD": 200, "OPTIONS": 204} {
				req, err := http.NewRequest(method, site+path, http.NoBody)
				idptest.Must(t, err)
				req.Header.Set("Origin", "https://spa.example")
				req.Header.Set("Access-Control-Request-Headers", "x-requested-with")
				r := k.do(req)
				if r.status != status || r.header.Get("Access-Control-Allow-Origin") != "*" {
					t.Errorf("%s %s: %d %v", method, path, r.status, r.header)
				}
				if method == "GET" && !strings.HasSuffix(path, "/keys") && r.text("issuer") != app.Issuer {
					t.Errorf("%s: issuer %q", path, r.text("issuer"))
				}
				if method == "OPTIONS" && r.header.Get("Access-Control-Allow-Headers") != "*" {
					t.Errorf("%s: a preflight allows %q", path, r.header.Get("Access-Control-Allow-Headers"))
				}
			}
		}
	}
}

// Whatever goes wrong, a client that reads JSON gets JSON.
func TestEndpointsOfClientsAnswerErrorsInJSON(t *testing.T) {
	t.Parallel()
	k := start(t, idptest.Migrated(t))
	for _, path := range provider.Endpoints() {
		for _, method := range []string{"PUT", "DELETE", "PATCH"} {
			if r := k.send(method, path, ""); r.status != 405 || r.text("error") == "" || r.header.Get("Allow") == "" {
				t.Errorf("%s %s: %d %s", method, path, r.status, r.body)
			}
		}
		if r := k.send("POST", path, strings.Repeat("a=b&", 20<<10)); r.status >= 500 || r.status < 400 || r.text("error") == "" {
			t.Errorf("POST %s with a large body: %d %s", path, r.status, r.body)
		}
	}
}

func TestTheIssuerIsNotTheRequests(t *testing.T) {
	t.Parallel()
	k := start(t, idptest.Migrated(t))
	req, err := http.NewRequest("GET", k.Issuer+documentPath, http.NoBody)
	idptest.Must(t, err)
	req.Host = "evil.example"
	req.Header.Set("X-Forwarded-Host", "evil.example")
	req.Header.Set("Forwarded", "host=evil.example")
	if r := k.do(req); r.text("issuer") != k.Issuer || strings.Contains(r.body, "evil") {
		t.Errorf("document %s", r.body)
	}
}

func TestCORSIsForRegisteredAppsInTheBrowser(t *testing.T) {
	t.Parallel()
	k := start(t, idptest.Migrated(t))
	k.AddParty(idp.Client{Kind: idp.SPAClient, RedirectURIs: []string{"https://spa.example/cb"}})
	k.AddParty(idp.Client{RedirectURIs: []string{"https://web.example/cb"}})
	for _, c := range []struct {
		path, origin string
		allowed      bool
	}{
		{"/token", "https://spa.example", true},
		{"/userinfo", "https://spa.example", true},
		{"/revoke", "https://spa.example", true},
		{"/revoke", "https://evil.example", false},
		{"/introspect", "https://spa.example", false},
		{"/token", "https://web.example", false},
		{"/token", "https://evil.example", false},
		{"/token", "https://spa.example.evil.example", false},
		{"/token", "http://spa.example", false},
		{"/token", "null", false},
		{"/userinfo", "https://evil.example", false},
		{"/authorize", "https://spa.example", false},
		{"/end_session", "https://spa.example", false},
		{"/end_session/confirm", "https://spa.example", false},
	} {
		for _, method := range []string{"OPTIONS", "POST", "GET"} {
			r := k.send(method, c.path, "", "Origin", c.origin, "Access-Control-Request-Method", "POST")
			want := ""
			if c.allowed && (method != "GET" || c.path == "/userinfo") {
				want = c.origin
			}
			if got := r.header.Get("Access-Control-Allow-Origin"); got != want || r.header.Get("Access-Control-Allow-Credentials") != "" {
				t.Errorf("%s %s from %s: %q, want %q", method, c.path, c.origin, got, want)
			}
		}
	}
}

func TestForwardedAddressesCountOnlyFromTrustedProxies(t *testing.T) {
	t.Parallel()
	for want, trusted := range map[string][]string{"127.0.0.1": nil, "203.0.113.9": {"127.0.0.0/8"}} {
		databaseURL := idptest.Migrated(t)
		app := idptest.StartWith(t, server.Config{DatabaseURL: databaseURL, DataDir: idptest.Folder(t), TrustedProxies: trusted}, "")
		k := signedIn(t, app, databaseURL)
		k.send("GET", "/authorize?client_id=nobody", "", "X-Forwarded-For", "203.0.113.9", "X-Real-Ip", "203.0.113.7")
		events, err := k.Store.AuditEvents(t.Context(), idp.AuditAuthorizeRefused, "", 10)
		idptest.Must(t, err)
		if len(events) != 1 || events[0].Address != want {
			t.Errorf("trusting %v: events %+v, want address %s", trusted, events, want)
		}
	}
}
