package login_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
)

// raw posts the password form of a page, and follows nothing.
func (h *house) raw(b *idptest.Browser, page *idptest.Page, pairs ...string) (*http.Response, *idptest.Page) {
	h.t.Helper()
	target, fields, ok := page.Form("/password")
	if !ok {
		h.t.Fatalf("no password form on %q", page.Heading())
	}
	for i := 0; i < len(pairs); i += 2 {
		fields.Set(pairs[i], pairs[i+1])
	}
	req, err := http.NewRequest(http.MethodPost, target, strings.NewReader(fields.Encode()))
	idptest.Must(h.t, err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for _, c := range b.Jar.Cookies(req.URL) {
		req.AddCookie(c)
	}
	res := h.Do(req)
	for _, c := range res.Cookies() {
		b.Jar.SetCookies(req.URL, []*http.Cookie{c})
	}
	return res, idptest.ReadPage(h.t, res)
}

// The answer to the last form is a page of ours and no redirect: Chromium holds every
// redirect that follows a form against form-action, the app's own ones too.
func TestTheLastFormEndsOnAPageThatLeadsOn(t *testing.T) {
	t.Parallel()
	for _, uri := range []string{
		"https://app.example/callback", "https://app.example:8443/cb?tenant=a&b=c%20d", "http://localhost:1/callback",
		"http://[::1]:7000/cb", "com.example.app:/callback", "com.example.app:/cb;x='y'?z=%27",
	} {
		h, b := alone(t), idptest.NewBrowser(t)
		h.exec("UPDATE policies SET authenticator = false, email_code = false")
		party := h.AddParty(idp.Client{Kind: idp.NativeClient, AuthMethod: idp.NoClientAuth, RedirectURIs: []string{uri}})
		a := party.Begin()
		res, page := h.raw(b, b.Get(a.URL), "email", email, "password", idptest.Password)
		if res.StatusCode != http.StatusOK || res.Header.Get("Location") != "" {
			t.Fatalf("%s: status %d, Location %q", uri, res.StatusCode, res.Header.Get("Location"))
		}
		next := page.LeadsOn()
		if next == nil || !strings.HasPrefix(next.String(), uri) {
			t.Fatalf("%s: leads on to %v", uri, next)
		}
		party.Exchange(a, next)
		class := "button" // of what opens another program: it shows at once
		if strings.HasPrefix(uri, "http") {
			class = "button onward"
		}
		if !strings.Contains(page.Body, `<a class="`+class+`" href="`) || strings.Contains(page.Body, "ZgotmplZ") {
			t.Errorf("%s: no link: %s", uri, page.Body)
		}
		policy := res.Header.Get("Content-Security-Policy")
		if !strings.HasSuffix(policy, "form-action 'self'") || res.Header.Get("Cache-Control") != "no-store" ||
			res.Header.Get("Referrer-Policy") != "no-referrer" {
			t.Errorf("%s: headers %v", uri, res.Header)
		}
		// The same form once more: no second code for the request, and no redirect.
		res, page = h.raw(b, mustForm(page, flowURL(res)), "email", email, "password", idptest.Password)
		if res.Header.Get("Location") != "" || page.LeadsOn() == nil || page.LeadsOn().Query().Has("code") {
			t.Errorf("%s: sent twice: status %d, leads on to %v", uri, res.StatusCode, page.LeadsOn())
		}
	}
}

// flowURL is where the form of an answer was posted to.
func flowURL(res *http.Response) *url.URL { return res.Request.URL }

// mustForm is a page with nothing but the form that was sent to an address.
func mustForm(page *idptest.Page, action *url.URL) *idptest.Page {
	return &idptest.Page{URL: page.URL, Body: `<form method="post" action="` + action.Path + `"></form>`}
}

// What an app hears of a person who cannot meet its demand leaves us the same way.
func TestAnUnmetDemandLeadsOn(t *testing.T) {
	t.Parallel()
	h, b := alone(t), idptest.NewBrowser(t)
	h.exec("UPDATE policies SET authenticator = false, email_code = true")
	res, page := h.raw(b, b.Get(h.party.Begin("acr_values", "urn:gatehouse:acr:mfa").URL), "email", email, "password", idptest.Password)
	if res.Header.Get("Location") != "" && !strings.HasPrefix(res.Header.Get("Location"), "/login/") {
		t.Errorf("a redirect to %s", res.Header.Get("Location"))
	}
	if next := page.LeadsOn(); next != nil && next.Query().Get("error") == "" {
		t.Errorf("leads on to %s", next)
	}
}
