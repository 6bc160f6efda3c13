package provider_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
)

// FuzzAuthorize: no query is our fault, and none leads to where it says.
func FuzzAuthorize(f *testing.F) {
	k := start(f, idptest.Migrated(f))
	p := k.AddParty(idp.Client{ID: "app"})
	_, query, _ := strings.Cut(p.Begin().URL, "?")
	f.Add(query)
	for _, more := range []string{"prompt=none", "max_age=-1", "redirect_uri=//evil.example", "id_token_hint=e30.e30.e30", "state=%00", "%zz", ";", "request=x"} {
		f.Add(query + "&" + more)
	}
	f.Fuzz(func(t *testing.T, query string) {
		r := &http.Request{
			Method: "GET", URL: &url.URL{Path: "/authorize", RawQuery: query}, Host: "x", RemoteAddr: "127.0.0.1:1",
			Header: http.Header{}, Body: http.NoBody,
		}
		rec := httptest.NewRecorder()
		k.Handler().ServeHTTP(rec, r.WithContext(t.Context()))
		location := rec.Header().Get("Location")
		ours := strings.HasPrefix(location, "/login/") || strings.HasPrefix(location, idptest.RedirectURI+"?")
		if rec.Code >= 500 || location != "" && !ours {
			t.Errorf("%d, Location %q", rec.Code, location)
		}
	})
}

// FuzzToken: no form is our fault.
func FuzzToken(f *testing.F) {
	k := start(f, idptest.Migrated(f))
	p := k.AddParty(idp.Client{ID: "app", Kind: idp.NativeClient})
	tokens := k.tokens(p)
	f.Add("client_id=app&"+codeForm(p, "x", "y").Encode(), "")
	f.Add("client_id=app&grant_type=refresh_token&refresh_token="+tokens.RefreshToken, "")
	f.Add("grant_type=refresh_token&refresh_token=x", "Basic YXBwOg==")
	f.Add("grant_type=authorization_code&code=%00&redirect_uri=%ff&client_id=%00", "Basic %%%")
	f.Fuzz(func(t *testing.T, form, authorization string) {
		r := httptest.NewRequest("POST", "/token", strings.NewReader(form))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Authorization", authorization)
		rec := httptest.NewRecorder()
		k.Handler().ServeHTTP(rec, r.WithContext(t.Context()))
		if rec.Code >= 500 {
			t.Errorf("%d %s", rec.Code, rec.Body)
		}
	})
}

// FuzzIntrospectAndRevoke: no form is our fault, and none ends what it should not.
func FuzzIntrospectAndRevoke(f *testing.F) {
	k := start(f, idptest.Migrated(f))
	p := k.AddParty(idp.Client{ID: "app", TokenFormat: idp.JWTToken})
	k.AddParty(idp.Client{ID: "native", Kind: idp.NativeClient})
	service := k.service(idp.Client{ID: "service", AccessTTL: 24 * time.Hour})
	tokens, own := k.tokens(p), k.ask(service).text("access_token")
	right := basic("app", p.Secret)
	for _, token := range []string{tokens.AccessToken, tokens.RefreshToken, tokens.RawID, own, "x", "%00", "%ff", "a.b.c", "service~", k.raw("null")} {
		f.Add("client_id=native&token="+token, "")
		f.Add("token="+token, basic("service", "wrong"))
	}
	for _, token := range []string{"x", "%00", "%ff", "a.b.c", "service~", k.raw("null"), k.raw("{}"), k.raw(`{"jti":1}`)} {
		f.Add("token="+token+"&token_type_hint=bogus", right)
	}
	f.Add("token=x&token=y", right)
	f.Add("%zz", "Basic %%%")
	f.Fuzz(func(t *testing.T, form, authorization string) {
		for _, path := range []string{"/introspect", "/revoke"} {
			r := httptest.NewRequest("POST", path, strings.NewReader(form))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			r.Header.Set("Authorization", authorization)
			rec := httptest.NewRecorder()
			k.Handler().ServeHTTP(rec, r.WithContext(t.Context()))
			if rec.Code >= 500 || strings.Contains(rec.Body.String(), `"active":true`) {
				t.Errorf("%s: %d %s", path, rec.Code, rec.Body)
			}
		}
	})
	// Not the access token: it lives five minutes, and a run may take longer.
	k.refresh(p, tokens.RefreshToken).want(f, 200, "")
	k.admits(f, own, nil)
}

// FuzzHint: no token, signed by us or not, is our fault anywhere.
func FuzzHint(f *testing.F) {
	k := start(f, idptest.Migrated(f))
	p := k.AddParty(idp.Client{ID: "app"})
	for _, payload := range []string{"null", "{}", "[]", `{"aud":[null]}`, `{"iss":1}`, `{"sub":"x","aud":"app","iss":"` + k.Issuer + `"}`} {
		f.Add([]byte(payload), true)
		f.Add([]byte(payload), false)
	}
	cookies := k.request("GET", "/", nil).Header["Cookie"]
	f.Fuzz(func(t *testing.T, payload []byte, signed bool) {
		token := string(payload)
		if signed {
			var err error
			token, err = k.Keys.Sign(idp.EdDSA, "JWT", payload)
			idptest.Must(t, err)
		}
		q := url.Values{"id_token_hint": {token}}.Encode()
		for _, target := range []string{edit(p.Begin().URL, "prompt", "none") + "&" + q, "/end_session?" + q, "/userinfo"} {
			r := &http.Request{Method: "GET", Host: "x", RemoteAddr: "127.0.0.1:1", Header: http.Header{}, Body: http.NoBody}
			var err error
			r.URL, err = url.Parse(strings.TrimPrefix(target, k.Issuer))
			idptest.Must(t, err)
			r.Header["Cookie"] = cookies
			r.Header["Authorization"] = []string{"Bearer " + token}
			rec := httptest.NewRecorder()
			k.Handler().ServeHTTP(rec, r.WithContext(t.Context()))
			if rec.Code >= 500 || strings.Contains(rec.Header().Get("Location"), "code=") && !signed && token != "" {
				t.Errorf("%s: %d %s", target, rec.Code, rec.Header().Get("Location"))
			}
		}
	})
}
