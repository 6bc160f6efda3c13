package provider_test

import (
	"net/http"
	"strings"
	"testing"

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
