package entra_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"gatehouse/idp/idptest"
	"gatehouse/idp/idptest/entra"
)

func TestConsoleIsForDemosAlone(t *testing.T) {
	h := open(t)
	if page := h.browser().Get(h.URL + "/"); page.Status != http.StatusNotFound {
		t.Errorf("GET /: status %d, want 404", page.Status)
	}
	if page := h.browser().Post(h.URL+"/switches", url.Values{"do": {"mend"}}); page.Status != http.StatusNotFound {
		t.Errorf("POST /switches: status %d, want 404", page.Status)
	}
	if strings.Contains(visit(h.browser(), h.home(idptest.HomeApp).begin()).Body, idptest.Arthur) {
		t.Error("the sign-in page lists people and their passwords")
	}
}

func openConsole(t *testing.T) *house {
	t.Helper()
	return &house{idptest.StartEntra(t, issuer, func(c *entra.Config) { c.Console = true }), t}
}

func TestConsoleListsWhoCanSignIn(t *testing.T) {
	h := openConsole(t)
	page := h.browser().Get(h.URL + "/")
	for _, want := range []string{idptest.Alice, idptest.Dora, idptest.Gina, idptest.Password, idptest.HomeTenant, idptest.OpenApp, "a secret/with &#43; signs", "Alice (guest)"} {
		if !strings.Contains(page.Body, want) {
			t.Errorf("the console does not name %s", want)
		}
	}
	if !strings.Contains(visit(h.browser(), h.home(idptest.HomeApp).begin()).Body, idptest.Arthur) {
		t.Error("the demo's sign-in page offers nobody")
	}
}

func TestConsoleSwitches(t *testing.T) {
	h := openConsole(t)
	p, b := h.home(idptest.HomeApp), h.browser()
	take := func() map[string]any {
		t.Helper()
		a := p.begin()
		return p.must(a, h.SignIn(b, a.url, idptest.Alice))
	}
	press := func(pairs ...string) {
		t.Helper()
		if page := b.Submit(b.Get(h.URL+"/"), "/switches", pairs...); page.Status != http.StatusOK {
			t.Fatalf("%v: status %d: %s", pairs, page.Status, page.Body)
		}
	}
	press("fault", string(entra.NoObjectID), "do", "once")
	if !strings.Contains(b.Get(h.URL+"/").Body, "next time") {
		t.Error("the console does not say that a fault is on")
	}
	if take()["oid"] != nil || take()["oid"] == nil {
		t.Error("the fault did not strike exactly once")
	}
	press("fault", string(entra.NoObjectID), "do", "on")
	press("do", "skew", "seconds", "120")
	if c := take(); c["oid"] != nil {
		t.Error("the fault is not on")
	}
	press("do", "mend")
	press("do", "rotate")
	if c := take(); c["oid"] == nil {
		t.Error("the fault is still on")
	}
	if n := len(h.keys("/" + idptest.HomeTenant + "/discovery/v2.0/keys")); n != 2 {
		t.Errorf("%d keys after a rotation, want 2", n)
	}
	if page := b.Post(h.URL+"/switches", url.Values{"do": {"on"}, "fault": {"nonsense"}}); page.Status != http.StatusBadRequest {
		t.Errorf("a switch that is none: status %d", page.Status)
	}
}

func TestConsoleChangesAPersonsEmail(t *testing.T) {
	h := openConsole(t)
	b := h.browser()
	b.Post(h.URL+"/people", url.Values{
		"directory": {idptest.OtherTenant}, "username": {idptest.Mallory}, "email": {"victim@home.example"}, "verified": {"yes"},
	})
	p, err := h.Person(idptest.OtherTenant, idptest.Mallory)
	if err != nil || p.Email != "victim@home.example" || !p.EmailVerified {
		t.Errorf("%+v, %v", p, err)
	}
	if page := b.Post(h.URL+"/people", url.Values{"directory": {"nowhere"}}); page.Status != http.StatusNotFound {
		t.Errorf("nobody: status %d", page.Status)
	}
}

func TestOtherSitesPressNothing(t *testing.T) {
	h := openConsole(t)
	for _, path := range []string{"/switches", "/people", "/flow/x"} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, h.URL+path, strings.NewReader("do=mend"))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header.Set("Sec-Fetch-Site", "cross-site")
		if page := h.browser().Do(req); page.Status != http.StatusForbidden {
			t.Errorf("%s: status %d, want 403", path, page.Status)
		}
	}
}

func TestErrorsAreExplained(t *testing.T) {
	h := open(t)
	if page := h.browser().Get(h.URL + "/error?code=50105"); page.Heading() != "AADSTS50105" {
		t.Errorf("page %q", page.Heading())
	}
	if page := h.browser().Get(h.URL + "/error?code=1"); page.Status != http.StatusNotFound {
		t.Errorf("status %d, want 404", page.Status)
	}
}
