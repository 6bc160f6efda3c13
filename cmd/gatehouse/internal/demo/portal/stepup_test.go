package portal

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

const (
	acrPassword = "urn:gatehouse:acr:password"
	confirmLink = "/login?acr_values=urn%3Agatehouse%3Aacr%3Amfa&max_age=300&step_up=%2Fexports"
)

// weakly signs in with a password alone, an hour ago.
func weakly(t *testing.T, op *fakeProvider, d desk) browser {
	t.Helper()
	op.set(func() { op.claims["acr"], op.authTime = acrPassword, now().Add(-time.Hour).Unix() })
	return signedIn(t, d)
}

// strongly lets the provider sign people in with two factors, just now.
func strongly(op *fakeProvider) {
	op.set(func() { op.claims["acr"], op.authTime = acrMFA, now().Unix() })
}

func TestAssurance(t *testing.T) {
	at := now().Truncate(time.Second)
	const weak, old = "A different authentication level is required", "More recent authentication is required"
	ages := map[time.Duration]string{
		0: "", 299 * time.Second: "", 300 * time.Second: "", 301 * time.Second: old, time.Hour: old,
		-30 * time.Second: "", -time.Hour: old,
	}
	levels := map[string]string{
		acrMFA: "", "https://refeds.org/profile/mfa": "", "phr": "",
		"": weak, acrPassword: weak, "urn:gatehouse:acr:two-step": weak, "phrh": weak, "PHR": weak, acrMFA + " phr": weak,
	}
	for acr, wantLevel := range levels {
		for age, wantAge := range ages {
			want := wantAge
			if wantLevel != "" {
				want = wantLevel
			}
			got := exportsNeed.lacking(identity{ACR: acr, AuthTime: float64(at.Add(-age).Unix())}, at)
			if got != want {
				t.Errorf("acr %q, %s old: %q, want %q", acr, age, got, want)
			}
		}
	}
	for _, none := range []float64{0, -1} {
		if got := exportsNeed.lacking(identity{ACR: acrMFA, AuthTime: none}, at); got != old {
			t.Errorf("auth_time %v: %q", none, got)
		}
	}
	if got := exportsNeed.lacking(identity{ACR: acrMFA, AuthTime: float64(at.Unix() - 300)}, at.Add(time.Millisecond)); got != old {
		t.Errorf("a moment more than 300 s: %q", got)
	}
	several := assurance{acrValues: "a b"}
	if several.lacking(identity{ACR: "b"}, at) != "" || several.lacking(identity{ACR: "c"}, at) != weak {
		t.Error("of several values not just any will do")
	}
}

func TestExportsAPI(t *testing.T) {
	op := newFakeProvider(t)
	d := newDesk(t, op.URL)
	api := d.url + "/api/exports"

	p := newBrowser(t).get(api)
	wants(t, p, http.StatusUnauthorized, "login_required")
	if got := p.header.Get("WWW-Authenticate"); got != "Bearer" {
		t.Errorf("signed out: WWW-Authenticate %q", got)
	}

	p = weakly(t, op, d).get(api)
	wants(t, p, http.StatusUnauthorized)
	want := `Bearer error="insufficient_user_authentication", error_description="A different authentication level is required", ` +
		`acr_values="urn:gatehouse:acr:mfa", max_age="300"`
	if got := p.header.Get("WWW-Authenticate"); got != want {
		t.Errorf("WWW-Authenticate\n%s, want\n%s", got, want)
	}
	var body map[string]any
	if err := json.Unmarshal([]byte(p.body), &body); err != nil {
		t.Fatal(err)
	}
	if body["error"] != "insufficient_user_authentication" || body["acr_values"] != acrMFA || body["max_age"] != 300.0 {
		t.Errorf("body %v", body)
	}

	strongly(op)
	b := signedIn(t, d)
	p = b.get(api)
	wants(t, p, http.StatusOK, `"exports"`, "customers-all.csv")
	if p.header.Get("Cache-Control") != "no-store" || p.header.Get("Content-Type") != "application/json" {
		t.Errorf("headers %v", p.header)
	}
	ageSessions(d, func(s *session) { s.identity.AuthTime -= 301 }, 0)
	wants(t, b.get(api), http.StatusUnauthorized, "More recent authentication is required")
	wants(t, b.get(d.url+"/exports"), http.StatusForbidden, "Confirm it is you")
}

func TestExportsAreTheAgentsOnly(t *testing.T) {
	op := newFakeProvider(t)
	d := newDesk(t, op.URL, func(c *Config) { c.Kind = Support })
	b := signedIn(t, d)
	if p := b.get(d.url + "/"); strings.Contains(p.body, "/exports") {
		t.Error("the support portal shows the exports")
	}
	wants(t, b.get(d.url+"/exports"), http.StatusNotFound)
	wants(t, b.get(d.url+"/api/exports"), http.StatusNotFound)
	wants(t, b.get(d.url+"/login?step_up=/exports"), http.StatusBadRequest, "step_up")
}

func TestStepUp(t *testing.T) {
	op := newFakeProvider(t)
	d := newDesk(t, op.URL)
	b := weakly(t, op, d)
	wants(t, b.get(d.url+"/"), http.StatusOK, `href="/exports"`)
	link := strings.ReplaceAll(confirmLink, "&", "&amp;")
	wants(t, b.get(d.url+"/exports"), http.StatusForbidden, "Confirm it is you", `href="`+link+`"`, "5 minutes", "two factors")

	_, before := soleSession(t, d)
	strongly(op)
	p := b.get(d.url + confirmLink)
	wants(t, p, http.StatusOK, "Customer exports", "customers-all.csv", "1284 customers")
	if p.url != d.url+"/exports" {
		t.Errorf("ended at %s", p.url)
	}
	for name, want := range map[string]string{
		"acr_values": acrMFA, "max_age": "300", "id_token_hint": before.identity.raw,
		"login_hint": "", "step_up": "", "prompt": "",
	} {
		if got := op.lastRequest.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	_, after := soleSession(t, d)
	if after.identity.ACR != acrMFA || after.identity.raw == before.identity.raw || after.refreshToken == before.refreshToken {
		t.Error("the session is still the weak one")
	}
}

// soleSession is the only session that the portal has.
func soleSession(t *testing.T, d desk) (key string, s session) {
	t.Helper()
	d.sessions.mu.Lock()
	defer d.sessions.mu.Unlock()
	if n := len(d.sessions.entries); n != 1 {
		t.Fatalf("%d sessions, want one", n)
	}
	for k, e := range d.sessions.entries {
		key, s = k, e.value
	}
	return key, s
}

func TestStepUpFromSignedOut(t *testing.T) {
	op := newFakeProvider(t)
	strongly(op)
	d := newDesk(t, op.URL)
	b := newBrowser(t)
	wants(t, b.get(d.url+"/exports"), http.StatusForbidden, "Sign in first", `href="/login?step_up=%2Fexports"`)
	wants(t, b.get(d.url+"/login?step_up=%2Fexports"), http.StatusOK, "customers-all.csv")
	for _, name := range []string{"id_token_hint", "acr_values", "max_age"} {
		if op.lastRequest.Has(name) {
			t.Errorf("%s sent: %q", name, op.lastRequest.Get(name))
		}
	}
}

// TestStepUpRefused comes back from the provider with something that may not
// open the page. The weak session stands as it was, and nothing goes in circles.
func TestStepUpRefused(t *testing.T) {
	fails := func(code string) func(*fakeProvider) {
		return func(f *fakeProvider) { f.response["error"], f.response["code"] = code, "" }
	}
	tests := []struct {
		name   string
		bend   func(*fakeProvider)
		status int
		text   string
	}{
		{"too weak", func(f *fakeProvider) { f.claims["acr"] = acrPassword }, 403, "That was not enough"},
		{"no acr", func(f *fakeProvider) { f.claims["acr"] = "" }, 403, "That was not enough"},
		{"too old", func(f *fakeProvider) { f.authTime -= 302 }, 403, "That was not enough"},
		{"much too old", func(f *fakeProvider) { f.authTime -= 7200 }, 403, "That was not enough"},
		{"no auth_time", func(f *fakeProvider) { f.claims["auth_time"] = nil }, 403, "That was not enough"},
		{"another person", func(f *fakeProvider) { f.claims["sub"], f.claims["name"] = "user-2", "Rob" }, 403, "Somebody else signed in"},
		{"another nonce", func(f *fakeProvider) { f.claims["nonce"] = newID() }, 502, "could not be checked"},
		{"unmet", fails("unmet_authentication_requirements"), 403, "Set one up at the sign-in service"},
		{"interaction", fails("interaction_required"), 401, "answer what it asks"},
		{"login", fails("login_required"), 401, "Try again with your own account"},
		{"denied", fails("access_denied"), 403, "Try again when you are ready"},
		{"another error", fails("server_error"), 502, "It is not your fault"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			op := newFakeProvider(t)
			d := newDesk(t, op.URL)
			b := weakly(t, op, d)
			key, before := soleSession(t, d)
			strongly(op)
			op.set(func() { test.bend(op) })
			wants(t, b.get(d.url+confirmLink), test.status, test.text, `href="/exports"`)
			keyAfter, after := soleSession(t, d)
			if keyAfter != key || after.identity.raw != before.identity.raw || after.refreshToken != before.refreshToken {
				t.Error("the session has changed")
			}
			wants(t, b.get(d.url+"/exports"), http.StatusForbidden, "Confirm it is you")
			wants(t, b.get(d.url+"/"), http.StatusOK, "Maya")
			wants(t, b.get(d.url+"/api/exports"), http.StatusUnauthorized)
		})
	}
}

// TestStepUpTakesTooLong is at the provider until a password that was young
// enough when the step-up began no longer is.
func TestStepUpTakesTooLong(t *testing.T) {
	op := newFakeProvider(t)
	d := newDesk(t, op.URL)
	b := weakly(t, op, d)
	strongly(op)
	op.set(func() { op.authTime -= 310 })
	callback := b.hop("GET", b.hop("GET", d.url+confirmLink))
	d.logins.mu.Lock()
	for state, e := range d.logins.entries {
		e.value.step.begun = e.value.step.begun.Add(-time.Minute)
		d.logins.entries[state] = e
	}
	d.logins.mu.Unlock()
	wants(t, b.get(callback), http.StatusForbidden, "That took too long", `href="/exports"`)
	wants(t, b.get(d.url+"/exports"), http.StatusForbidden, "Confirm it is you")
}

// TestStepUpMeetsAnotherSession changes the person who is signed in here while
// the step-up is at the provider.
func TestStepUpMeetsAnotherSession(t *testing.T) {
	op := newFakeProvider(t)
	d := newDesk(t, op.URL)
	b := weakly(t, op, d)
	callback := func() string {
		strongly(op)
		return b.hop("GET", b.hop("GET", d.url+confirmLink))
	}

	late := callback()
	op.set(func() { op.claims["sub"], op.claims["name"], op.claims["sid"] = "user-2", "Rob", "sid-2" })
	if p := b.get(d.url + "/login"); !strings.Contains(p.body, "Rob") || strings.Contains(p.body, "Maya") {
		t.Errorf("after Rob's own sign-in the page reads\n%s", p.body)
	}
	op.set(func() { op.claims["sub"], op.claims["name"] = "user-1", "Maya" })
	wants(t, b.get(late), http.StatusForbidden, "Somebody else signed in")
	wants(t, b.get(d.url+"/"), http.StatusOK, "Rob")

	op.set(func() { op.claims["sub"], op.claims["name"] = "user-2", "Rob" })
	gone := callback()
	b.post(d.url+"/logout/local", nil)
	op.set(func() { op.claims["sub"], op.claims["name"] = "user-1", "Maya" })
	wants(t, b.get(gone), http.StatusForbidden, "Somebody else signed in")
	if got := b.me(d); got != http.StatusUnauthorized {
		t.Errorf("/me answers %d: somebody else's step-up opened a session", got)
	}
}

func TestStepUpReturnsOnlyToOwnPages(t *testing.T) {
	op := newFakeProvider(t)
	d := newDesk(t, op.URL)
	b := signedIn(t, d)
	op.set(func() { op.lastRequest = nil })
	for _, to := range []string{
		"", "//evil.example", "///evil.example", `/\evil.example`, `\/evil.example`, "https://evil.example/exports",
		"http:evil.example", "javascript:alert(1)", "/%2fevil.example", "/.//evil.example", "/exports/../..//evil.example",
		"/\tevil.example", "/\r\nSet-Cookie: a=b", "/exports\x00", "exports", "/exports?x", "/exports#x", "//exports", "/exports/",
		"/login?step_up=/exports", "/callback", "/logout", "/" + strings.Repeat("x", 5000), d.url + "/exports", "@evil.example",
	} {
		p := b.get(d.url + "/login?step_up=" + url.QueryEscape(to))
		wants(t, p, http.StatusBadRequest, "This sign-in link is not right")
	}
	if op.lastRequest != nil {
		t.Error("a bad link reached the provider")
	}
	wants(t, b.get(d.url+"/login?step_up=%2Fexports&step_up=https://evil.example"), http.StatusOK, "Customer exports")
	wants(t, b.get(d.url+"/login?step_up=%2Fexports&max_age=soon"), http.StatusBadRequest, "max_age")
}

// TestLateTab comes back with a state that is not known any more.
func TestLateTab(t *testing.T) {
	op := newFakeProvider(t)
	d := newDesk(t, op.URL)
	b := newBrowser(t)
	callback := b.hop("GET", b.hop("GET", d.url+"/login"))
	wants(t, b.get(callback), http.StatusOK, "You are signed in")
	key, before := soleSession(t, d)
	codes := len(op.requests)

	op.set(func() { op.claims["name"] = "Rob" })
	forged := b.hop("GET", newBrowser(t).hop("GET", d.url+"/login")) // another browser's answer
	for _, address := range []string{
		callback, forged, d.url + "/callback", d.url + "/callback?state=x&code=y&iss=https://evil.example",
		d.url + "/callback?state=x&error=access_denied&error_description=Call+0900",
	} {
		if to := b.hop("GET", address); to != "/" {
			t.Errorf("%s leads to %s", address, to)
		}
		p := b.get(address)
		wants(t, p, http.StatusOK, "You are signed in", "Maya")
		if strings.Contains(p.body, "0900") || strings.Contains(p.body, "Rob") {
			t.Errorf("%s: the answer shows:\n%s", address, p.body)
		}
	}
	if keyAfter, after := soleSession(t, d); keyAfter != key || after.refreshToken != before.refreshToken {
		t.Error("a late tab changed the session")
	}
	if got := len(op.requests); got != codes+1 {
		t.Errorf("%d codes wait, want %d: one was redeemed", got, codes+1)
	}
	b.post(d.url+"/logout/local", nil)
	wants(t, b.get(callback), http.StatusBadRequest, "did not start here")
}
