package portal

import (
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

// desk is a portal on a real socket.
type desk struct {
	*Portal
	url string
}

func newDesk(t *testing.T, issuer string, change ...func(*Config)) desk {
	t.Helper()
	server := httptest.NewUnstartedServer(nil)
	cfg := Config{
		Kind: Agent, Name: "RTX Solutions agents", Issuer: issuer,
		ClientID: clientID, ClientSecret: clientSecret,
		BaseURL: "http://" + server.Listener.Addr().String(),
		Logger:  slog.New(slog.NewTextHandler(t.Output(), nil)),
	}
	for _, c := range change {
		c(&cfg)
	}
	p, err := New(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	server.Config.Handler = p.Handler()
	server.Start()
	t.Cleanup(server.Close)
	return desk{p, server.URL}
}

// browser keeps cookies and follows redirects.
type browser struct {
	*http.Client
	t *testing.T
}

func newBrowser(t *testing.T) browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return browser{&http.Client{Jar: jar}, t}
}

// page is what the browser shows.
type page struct {
	status int
	url    string
	header http.Header
	body   string
}

func (b browser) do(method, address string, form url.Values) page {
	b.t.Helper()
	req, err := http.NewRequestWithContext(b.t.Context(), method, address, strings.NewReader(form.Encode()))
	if err != nil {
		b.t.Fatal(err)
	}
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	res, err := b.Do(req)
	if err != nil {
		b.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return page{res.StatusCode, res.Request.URL.String(), res.Header, string(body)}
}

func (b browser) get(address string) page { b.t.Helper(); return b.do("GET", address, nil) }
func (b browser) post(address string, form url.Values) page {
	b.t.Helper()
	return b.do("POST", address, form)
}

// hop answers where one request leads, without going there.
func (b browser) hop(method, address string) string {
	b.t.Helper()
	still := *b.Client
	still.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	p := browser{&still, b.t}.do(method, address, nil)
	if p.status != http.StatusSeeOther && p.status != http.StatusFound {
		b.t.Fatalf("%s %s: status %d, want a redirect", method, address, p.status)
	}
	return p.header.Get("Location")
}

func (b browser) me(d desk) int { b.t.Helper(); return b.get(d.url + "/me").status }

func wants(t *testing.T, p page, status int, texts ...string) {
	t.Helper()
	if p.status != status {
		t.Errorf("%s: status %d, want %d", p.url, p.status, status)
	}
	for _, text := range texts {
		if !strings.Contains(p.body, text) {
			t.Errorf("%s lacks %q:\n%s", p.url, text, p.body)
		}
	}
}

func signedIn(t *testing.T, d desk) browser {
	t.Helper()
	b := newBrowser(t)
	wants(t, b.get(d.url+"/login"), http.StatusOK, "You are signed in")
	return b
}

func TestSignIn(t *testing.T) {
	op := newFakeProvider(t)
	d := newDesk(t, op.URL)
	b := newBrowser(t)

	wants(t, b.get(d.url+"/"), http.StatusOK, "Sign in", `href="/login"`)
	me := b.get(d.url + "/me")
	wants(t, me, http.StatusUnauthorized, "login_required")
	if got := me.header.Get("WWW-Authenticate"); got != "Bearer" {
		t.Errorf("WWW-Authenticate %q, want Bearer", got)
	}

	p := b.get(d.url + "/login")
	wants(t, p, http.StatusOK, "maya@rtx.example", "agents", "pwd otp mfa", "urn:gatehouse:acr:mfa",
		"You signed in with password and authenticator app or recovery code, 2 minutes ago.")
	if p.url != d.url+"/" {
		t.Errorf("ended at %s, want the home page", p.url)
	}

	me = b.get(d.url + "/me")
	var claims map[string]any
	if err := json.Unmarshal([]byte(me.body), &claims); err != nil {
		t.Fatal(err)
	}
	if claims["sub"] != "user-1" || claims["sid"] != "sid-1" || claims["population"] != "agents" {
		t.Errorf("/me answers %v", claims)
	}
}

func TestLoginRequest(t *testing.T) {
	op := newFakeProvider(t)
	d := newDesk(t, op.URL)
	b := newBrowser(t)
	u, err := url.Parse(b.hop("GET", d.url+"/login?prompt=login&acr_values=phr&max_age=60&login_hint=maya@rtx.example&scope=admin"))
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	want := map[string]string{
		"response_type": "code", "client_id": clientID, "redirect_uri": d.url + "/callback",
		"scope": "openid profile email", "code_challenge_method": "S256",
		"prompt": "login", "acr_values": "phr", "max_age": "60", "login_hint": "maya@rtx.example",
	}
	for name, value := range want {
		if q.Get(name) != value {
			t.Errorf("%s is %q, want %q", name, q.Get(name), value)
		}
	}
	for _, name := range []string{"state", "nonce", "code_challenge"} {
		if len(q.Get(name)) != 43 {
			t.Errorf("%s is %q, want 256 bits", name, q.Get(name))
		}
	}
	wants(t, b.get(d.url+"/login?max_age=soon"), http.StatusBadRequest, "Try again")
	wants(t, b.get(d.url+"/login?login_hint="+strings.Repeat("x", 600)), http.StatusBadRequest)
}

func TestCallbackRefuses(t *testing.T) {
	tests := []struct {
		name   string
		login  string
		bend   func(*fakeProvider)
		status int
		text   string
	}{
		{"another state", "", func(f *fakeProvider) { f.response["state"] = newID() }, 400, "did not start here"},
		{"no state", "", func(f *fakeProvider) { f.response["state"] = "" }, 400, "did not start here"},
		{"another nonce", "", func(f *fakeProvider) { f.claims["nonce"] = newID() }, 502, "could not be checked"},
		{"no nonce", "", func(f *fakeProvider) { f.claims["nonce"] = "" }, 502, "could not be checked"},
		{"another issuer answers", "", func(f *fakeProvider) { f.response["iss"] = "https://evil.example" }, 400, "somewhere else"},
		{"another issuer's error", "", func(f *fakeProvider) {
			f.response["error"], f.response["iss"] = "access_denied", "https://evil.example"
		}, 400, "somewhere else"},
		{"no iss though promised", "", func(f *fakeProvider) { f.issSupported, f.response["iss"] = true, "" }, 400, "somewhere else"},
		{"another issuer's token", "", func(f *fakeProvider) { f.claims["iss"] = "https://evil.example" }, 502, "could not be checked"},
		{"a token for another client", "", func(f *fakeProvider) { f.claims["aud"] = "other" }, 502, "could not be checked"},
		{"issued to another client", "", func(f *fakeProvider) { f.claims["azp"] = "other" }, 502, "could not be checked"},
		{"several audiences, no azp", "", func(f *fakeProvider) { f.claims["aud"] = []string{"other", clientID} }, 502, "could not be checked"},
		{"expired", "", func(f *fakeProvider) { f.claims["exp"] = now().Add(-time.Minute).Unix() }, 502, "could not be checked"},
		{"issued in the future", "", func(f *fakeProvider) { f.claims["iat"] = now().Add(time.Hour).Unix() }, 502, "could not be checked"},
		{"another access token's hash", "", func(f *fakeProvider) { f.claims["at_hash"] = "AAAAAAAAAAAAAAAAAAAAAA" }, 502, "could not be checked"},
		{"no sub", "", func(f *fakeProvider) { f.claims["sub"] = "" }, 502, "could not be checked"},
		{"older than max_age", "?max_age=10", func(f *fakeProvider) {}, 502, "could not be checked"},
		{"another key", "", func(f *fakeProvider) { f.published = &newKey(t).PublicKey }, 502, "could not be checked"},
		{"no code", "", func(f *fakeProvider) { f.response["code"] = "" }, 502, "could not be checked"},
		{"an unknown code", "", func(f *fakeProvider) { f.response["code"] = "guess" }, 400, "has run out"},
		{"client refused", "", func(f *fakeProvider) { f.tokenError, f.tokenStatus = "invalid_client", 401 }, 502, "refused this portal"},
		{"cancelled", "", func(f *fakeProvider) { f.response["error"] = "access_denied" }, 403, "You were not signed in"},
		{"silent sign-in impossible", "?prompt=none", func(f *fakeProvider) { f.response["error"] = "login_required" }, 401, "not signed in yet"},
		{"too weak", "?acr_values=phr", func(f *fakeProvider) { f.response["error"] = "unmet_authentication_requirements" }, 403, "stronger"},
		{"an unknown error", "", func(f *fakeProvider) {
			f.response["error"], f.response["error_description"] = "odd", "<b>because</b>"
		}, 400, "&lt;b&gt;because&lt;/b&gt;"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			op := newFakeProvider(t)
			test.bend(op)
			d := newDesk(t, op.URL)
			b := newBrowser(t)
			wants(t, b.get(d.url+"/login"+test.login), test.status, test.text, "Try again")
			if got := b.me(d); got != http.StatusUnauthorized {
				t.Errorf("/me answers %d after a refused sign-in", got)
			}
		})
	}
}

func TestOtherBrowser(t *testing.T) {
	op := newFakeProvider(t)
	d := newDesk(t, op.URL)
	attacker, victim := newBrowser(t), newBrowser(t)
	callback := attacker.hop("GET", attacker.hop("GET", d.url+"/login"))

	wants(t, victim.get(callback), http.StatusBadRequest, "did not start here")
	victim.hop("GET", d.url+"/login") // a browser with a cookie of its own
	wants(t, victim.get(callback), http.StatusBadRequest, "did not start here")
	wants(t, attacker.get(callback), http.StatusOK, "You are signed in")
	wants(t, victim.get(callback), http.StatusBadRequest, "did not start here")
}

func TestTwoTabs(t *testing.T) {
	op := newFakeProvider(t)
	d := newDesk(t, op.URL)
	b := newBrowser(t)
	one, two := b.hop("GET", d.url+"/login"), b.hop("GET", d.url+"/login")
	wants(t, b.get(two), http.StatusOK, "You are signed in")
	wants(t, b.get(one), http.StatusOK, "You are signed in")
	if n := len(d.sessions.entries); n != 1 {
		t.Errorf("one browser has %d sessions", n)
	}
}

func TestSessionCookie(t *testing.T) {
	op := newFakeProvider(t)
	d := newDesk(t, op.URL)
	b := newBrowser(t)
	cookie := func() *http.Cookie {
		res, err := (&http.Client{Jar: b.Jar, CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		}}).Get(b.hop("GET", b.hop("GET", d.url+"/login")))
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		for _, c := range res.Cookies() {
			if c.Name == "portal_agent_session" {
				return c
			}
		}
		t.Fatal("no session cookie")
		return nil
	}
	first := cookie()
	if !first.HttpOnly || first.SameSite != http.SameSiteLaxMode || first.Path != "/" || len(first.Value) != 43 || first.Secure {
		t.Errorf("session cookie: %+v", first)
	}
	if second := cookie(); second.Value == first.Value {
		t.Error("the session's id did not change at the second sign-in")
	}
	if _, ok := d.sessions.get(digest(first.Value)); ok {
		t.Error("the old id still opens a session")
	}

	https := newDesk(t, op.URL, func(c *Config) { c.BaseURL = "https://desk.rtx.example"; c.Kind = Support })
	rec := httptest.NewRecorder()
	https.setCookie(rec, sessionCookie, "id", time.Hour)
	if got := rec.Header().Get("Set-Cookie"); !strings.HasPrefix(got, "__Host-portal_support_session=id;") || !strings.Contains(got, "Secure") {
		t.Errorf("on https the cookie is %q", got)
	}
}

func TestSessionEnds(t *testing.T) {
	op := newFakeProvider(t)
	d := newDesk(t, op.URL)
	b := signedIn(t, d)
	ageSessions(d, func(*session) {}, sessionLifetime)
	if got := b.me(d); got != http.StatusUnauthorized {
		t.Errorf("/me answers %d after 12 hours", got)
	}
	wants(t, b.get(d.url+"/"), http.StatusOK, "Your session here has ended", `href="/login"`)
	if p := b.get(d.url + "/"); strings.Contains(p.body, "has ended") {
		t.Error("the page says twice that the session has ended")
	}
}

// ageSessions moves the end of all sessions towards now and lets change them.
func ageSessions(d desk, change func(*session), by time.Duration) {
	d.sessions.mu.Lock()
	defer d.sessions.mu.Unlock()
	for key, e := range d.sessions.entries {
		change(&e.value)
		e.expires = e.expires.Add(-by)
		d.sessions.entries[key] = e
	}
}

func TestRefresh(t *testing.T) {
	op := newFakeProvider(t)
	d := newDesk(t, op.URL)
	b := signedIn(t, d)
	op.set(func() { op.claims["name"] = "Maya, renamed" })
	wants(t, b.post(d.url+"/refresh", nil), http.StatusOK, "Refreshed", "Tokens refreshed just now; the access token is now good until", "Last refreshed", "Maya, renamed")
	op.set(func() { op.withoutTokens = true })
	wants(t, b.post(d.url+"/refresh", nil), http.StatusOK, "Refreshed", "Maya, renamed")
	wants(t, newBrowser(t).post(d.url+"/refresh", nil), http.StatusOK, "has ended", `href="/login"`)
}

func TestRefreshRefused(t *testing.T) {
	tests := []struct {
		name string
		bend func(*fakeProvider)
		ends bool
		text string
	}{
		{"invalid_grant", func(f *fakeProvider) { f.tokenError, f.tokenStatus = "invalid_grant", 400 }, true, "has ended your sign-in"},
		{"another person", func(f *fakeProvider) { f.claims["sub"] = "user-2" }, true, "has ended your sign-in"},
		{"another nonce", func(f *fakeProvider) { f.claims["nonce"] = "other" }, true, "has ended your sign-in"},
		{"another auth_time", func(f *fakeProvider) { f.claims["auth_time"] = 1 }, true, "has ended your sign-in"},
		{"server error", func(f *fakeProvider) { f.tokenError, f.tokenStatus = "server_error", 500 }, false, "still signed in"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			op := newFakeProvider(t)
			op.claims["auth_time"] = now().Unix()
			d := newDesk(t, op.URL)
			b := signedIn(t, d)
			op.set(func() { test.bend(op) })
			wants(t, b.post(d.url+"/refresh", nil), http.StatusOK, test.text)
			if got := b.me(d) == http.StatusUnauthorized; got != test.ends {
				t.Errorf("signed out: %t, want %t", got, test.ends)
			}
		})
	}
}

func TestStaleTokensAreRenewed(t *testing.T) {
	op := newFakeProvider(t)
	d := newDesk(t, op.URL)
	b := signedIn(t, d)
	expire := func(s *session) { s.accessExpiry = now().Add(-time.Second) }

	ageSessions(d, expire, 0)
	var tabs sync.WaitGroup
	for range 8 {
		tabs.Go(func() { b.me(d) })
	}
	tabs.Wait()
	if op.refreshes != 1 {
		t.Errorf("8 tabs refreshed %d times, want once", op.refreshes)
	}

	ageSessions(d, expire, 0)
	op.set(func() { op.tokenError, op.tokenStatus = "temporarily_unavailable", 503 })
	if got := b.me(d); got != http.StatusOK {
		t.Errorf("/me answers %d while the provider is busy", got)
	}
	op.set(func() { op.tokenError, op.tokenStatus = "invalid_grant", 400 })
	if got := b.me(d); got != http.StatusUnauthorized {
		t.Errorf("/me answers %d after the provider ended the sign-in", got)
	}
}

func TestLogout(t *testing.T) {
	op := newFakeProvider(t)
	d := newDesk(t, op.URL)

	t.Run("here", func(t *testing.T) {
		b := signedIn(t, d)
		wants(t, b.post(d.url+"/logout/local", nil), http.StatusOK, "signed out of this portal", `href="/login"`)
		if got := b.me(d); got != http.StatusUnauthorized {
			t.Errorf("/me answers %d after signing out", got)
		}
	})
	t.Run("everywhere", func(t *testing.T) {
		b := signedIn(t, d)
		u, err := url.Parse(b.hop("POST", d.url+"/logout"))
		if err != nil {
			t.Fatal(err)
		}
		q := u.Query()
		if u.Path != "/end_session" || q.Get("client_id") != clientID || q.Get("post_logout_redirect_uri") != d.url+"/" {
			t.Errorf("sign-out leads to %s", u)
		}
		if len(strings.Split(q.Get("id_token_hint"), ".")) != 3 || len(q.Get("state")) != 43 {
			t.Errorf("hint %q, state %q", q.Get("id_token_hint"), q.Get("state"))
		}
		if got := b.me(d); got != http.StatusUnauthorized {
			t.Errorf("/me answers %d after signing out", got)
		}
		if p := b.get(d.url + "/?state=forged"); strings.Contains(p.body, "of the sign-in service") {
			t.Error("a forged state is believed")
		}
		wants(t, b.get(d.url+"/?state="+q.Get("state")), http.StatusOK, "of the sign-in service")
	})
	t.Run("signed out already", func(t *testing.T) {
		wants(t, newBrowser(t).post(d.url+"/logout", nil), http.StatusOK, "signed out of this portal")
	})
}

func TestIssuerNotUpYet(t *testing.T) {
	op := newFakeProvider(t)
	op.down = true
	d := newDesk(t, op.URL)
	b := newBrowser(t)
	wants(t, b.get(d.url+"/"), http.StatusOK, `href="/login"`)
	wants(t, b.get(d.url+"/healthz"), http.StatusOK, "ok")
	wants(t, b.get(d.url+"/login"), http.StatusServiceUnavailable, "does not answer yet", "Try again")
	wants(t, b.post(d.url+"/backchannel-logout", url.Values{"logout_token": {"x"}}), http.StatusServiceUnavailable, "error")

	op.set(func() { op.down = false })
	d.provider.forget()
	wants(t, b.get(d.url+"/login"), http.StatusOK, "You are signed in")

	op.set(func() { op.down = true })
	d.provider.forget()
	wants(t, b.get(d.url+"/login"), http.StatusOK, "You are signed in") // the last known provider serves on
}

// forget lets the next caller discover again, as time would.
func (d *discovery) forget() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.before = time.Time{}
}

func TestCrossSiteForms(t *testing.T) {
	op := newFakeProvider(t)
	d := newDesk(t, op.URL)
	for _, path := range []string{"/logout", "/logout/local", "/refresh"} {
		req := httptest.NewRequest("POST", d.url+path, nil)
		req.Header.Set("Sec-Fetch-Site", "same-site")
		rec := httptest.NewRecorder()
		d.Handler().ServeHTTP(rec, req)
		if rec.Code != http.StatusForbidden || !strings.Contains(rec.Body.String(), "another site") {
			t.Errorf("%s from another site: %d", path, rec.Code)
		}
	}
}

func TestHeaders(t *testing.T) {
	op := newFakeProvider(t)
	d := newDesk(t, op.URL)
	b := newBrowser(t)
	p := b.get(d.url + "/")
	for name, text := range map[string]string{
		"Content-Security-Policy": "frame-ancestors 'none'", "X-Content-Type-Options": "nosniff",
		"Cache-Control": "no-store", "Referrer-Policy": "same-origin",
	} {
		if !strings.Contains(p.header.Get(name), text) {
			t.Errorf("%s is %q, want %q", name, p.header.Get(name), text)
		}
	}
	if strings.Contains(p.body, "<script") || strings.Contains(p.body, "style=") || strings.Contains(p.body, "<style") {
		t.Error("the page has inline script or style")
	}
	css := b.get(d.url + d.pages.layout.Stylesheet)
	if css.status != http.StatusOK || !strings.HasPrefix(css.header.Get("Content-Type"), "text/css") {
		t.Errorf("stylesheet: %d %s", css.status, css.header.Get("Content-Type"))
	}
	wants(t, b.get(d.url+"/nowhere"), http.StatusNotFound, "Back to the portal")
}

func TestConfig(t *testing.T) {
	good := Config{Kind: Support, Issuer: "http://localhost:8080", ClientID: "c", BaseURL: "http://localhost:8082/"}
	p, err := New(t.Context(), good)
	if err != nil {
		t.Fatal(err)
	}
	if p.cfg.BaseURL != "http://localhost:8082" || p.cfg.Name != "Support portal" {
		t.Errorf("completed to %+v", p.cfg)
	}
	for name, spoil := range map[string]func(*Config){
		"kind":     func(c *Config) { c.Kind = "other" },
		"issuer":   func(c *Config) { c.Issuer = "localhost:8080" },
		"base URL": func(c *Config) { c.BaseURL = "http://localhost/desk" },
		"client":   func(c *Config) { c.ClientID = "" },
	} {
		bad := good
		spoil(&bad)
		if _, err := New(t.Context(), bad); err == nil {
			t.Errorf("a wrong %s is accepted", name)
		}
	}
}
