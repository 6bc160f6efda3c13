package entra_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"gatehouse/idp/idptest"
	"gatehouse/idp/idptest/entra"
)

// listener is an app's logout address: what it was told, by method.
type listener struct {
	*httptest.Server
	mu   sync.Mutex
	told []string
}

func listen(tb testing.TB) *listener {
	tb.Helper()
	l := &listener{}
	l.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.told = append(l.told, r.Method+" "+r.FormValue("iss")+" "+r.FormValue("sid")+r.FormValue("logout_token"))
	}))
	tb.Cleanup(l.Close)
	return l
}

func (l *listener) heard() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]string(nil), l.told...)
}

func TestSigningOutTellsAppsThroughTheBrowser(t *testing.T) {
	h, app := open(t), listen(t)
	if err := h.ChangeApp(idptest.HomeApp, func(a *entra.App) { a.FrontChannelLogoutURI = app.URL }); err != nil {
		t.Fatal(err)
	}
	p, b := h.home(idptest.HomeApp), h.browser()
	a := p.begin()
	sid := p.must(a, h.SignIn(b, a.url, idptest.Alice))["sid"].(string)
	h.SignOut(h.browser(), idptest.HomeTenant)
	if heard := app.heard(); len(heard) != 0 {
		t.Fatalf("another browser's sign-out told %v", heard)
	}
	h.SignOut(b, idptest.HomeTenant)
	if heard := app.heard(); len(heard) != 1 || heard[0] != "GET "+h.Issuer(idptest.HomeTenant)+" "+sid {
		t.Errorf("the app heard %v, want iss and sid %s", heard, sid)
	}
	if answer(visit(b, p.begin())) != nil {
		t.Error("still signed in")
	}
}

func TestSigningOutGoesBackOnlyToRegisteredAddresses(t *testing.T) {
	h := open(t)
	if err := h.ChangeApp(idptest.HomeApp, func(a *entra.App) { a.FrontChannelLogoutURI = "" }); err != nil {
		t.Fatal(err)
	}
	b := h.browser()
	h.SignIn(b, h.home(idptest.HomeApp).begin().url, idptest.Alice)
	logout := h.URL + "/" + idptest.HomeTenant + "/oauth2/v2.0/logout?state=s&post_logout_redirect_uri="
	page := b.Get(logout + url.QueryEscape("https://elsewhere.example/"))
	if page.Left != nil || page.Status != http.StatusBadRequest {
		t.Errorf("status %d, left for %v", page.Status, page.Left)
	}
	page = b.Get(logout + url.QueryEscape(issuer+"/"))
	if page.Left == nil || page.Left.String() != issuer+"/?state=s" {
		t.Errorf("left for %v, want the app with the state", page.Left)
	}
}

func TestAHintEndsOneOfTwoSessions(t *testing.T) {
	h := open(t)
	p, b := h.at(idptest.OpenApp, idptest.HomeTenant), h.browser()
	dora := h.at(idptest.OpenApp, entra.Consumers)
	a := p.begin()
	claims := p.must(a, h.SignIn(b, a.url, idptest.Alice))
	h.SignIn(b, dora.begin().url, idptest.Dora)
	hint, _ := claims["login_hint"].(string)
	if hint == "" || strings.Contains(hint, "@") {
		t.Fatalf("login_hint %q: want an opaque one", hint)
	}
	b.Get(h.URL + "/common/oauth2/v2.0/logout?logout_hint=" + url.QueryEscape(hint))
	if answer(visit(b, p.begin("prompt", "none"))).Get("error") != "login_required" {
		t.Error("the session that was meant goes on")
	}
	if answer(visit(b, dora.begin("prompt", "none"))).Get("code") == "" {
		t.Error("the other session ended, too")
	}
}

func TestBackChannelLogout(t *testing.T) {
	h, app := open(t), listen(t)
	if err := h.ChangeApp(idptest.GenericApp, func(a *entra.App) { a.BackChannelLogoutURI = app.URL }); err != nil {
		t.Fatal(err)
	}
	p := h.at(idptest.GenericApp, entra.Generic)
	a := p.begin()
	sid := p.must(a, h.SignIn(h.browser(), a.url, idptest.Gina))["sid"]
	if n := h.EndSessions(t.Context(), entra.Generic, idptest.Gina); n != 1 {
		t.Fatalf("ended %d sessions, want 1", n)
	}
	heard := app.heard()
	if len(heard) != 1 || !strings.HasPrefix(heard[0], "POST ") {
		t.Fatalf("the app heard %v, want one logout token", heard)
	}
	header, c := unpack(t, strings.TrimPrefix(heard[0], "POST  "))
	if header["typ"] != "logout+jwt" || c["iss"] != h.Issuer(entra.Generic) || c["aud"] != idptest.GenericApp || c["sub"] != "gina-1" ||
		c["sid"] != sid || c["events"] == nil || c["jti"] == nil || c["nonce"] != nil {
		t.Errorf("logout token %v %v", header, c)
	}
	status, err := h.SendLogout(t.Context(), idptest.GenericApp, "gina-1", "", func(c map[string]any) { c["nonce"] = "n" })
	if err != nil || status != http.StatusOK {
		t.Errorf("status %d, %v", status, err)
	}
	if _, c = unpack(t, strings.TrimPrefix(app.heard()[1], "POST  ")); c["nonce"] != "n" || c["sid"] != nil {
		t.Errorf("changed logout token %v", c)
	}
}

// unpack reads a JWT without checking it.
func unpack(tb testing.TB, token string) (header, claims map[string]any) {
	tb.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		tb.Fatalf("%q is no JWT", token)
	}
	for i, into := range []*map[string]any{&header, &claims} {
		raw, err := base64.RawURLEncoding.DecodeString(parts[i])
		if err != nil {
			tb.Fatal(err)
		}
		if err := json.Unmarshal(raw, into); err != nil {
			tb.Fatal(err)
		}
	}
	return header, claims
}
