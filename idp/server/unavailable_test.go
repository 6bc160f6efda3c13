package server_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
)

// A database that is gone is nobody's fault at our doors: each says when to try again,
// and what needs no database goes on.
func TestADatabaseThatIsGoneIsAnsweredWith503Everywhere(t *testing.T) {
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		if db.Dialect() != "postgres" {
			return // a file is never gone: see TestSQLiteThatCannotBeUsedIsUnavailable
		}
		w := idptest.NewWire(t, db.URL)
		app := idptest.Start(t, w.URL, "")
		app.AddUser(idp.Agents, "maya@rtx.example")
		party, browser := app.AddParty(idp.Client{}), idptest.NewBrowser(t)
		attempt := party.Begin()
		page, _, _ := idptest.Enrol(browser, party, attempt, "maya@rtx.example")
		tokens := party.Exchange(attempt, page.Left)
		waiting := party.Begin("prompt", "login")
		open := browser.Get(waiting.URL)
		w.Close()
		r := doors{t: t, app: app, browser: browser}
		r.walk()
		r.protocol(party, tokens, open)
	})
}

type doors struct {
	t       *testing.T
	app     *idptest.App
	browser *idptest.Browser
}

// ask asks once, as a signed-in browser or with a token, and follows nothing.
func (d doors) ask(method, target, token string, form url.Values) *http.Response {
	d.t.Helper()
	if strings.HasPrefix(target, "/") {
		target = d.app.Issuer + target
	}
	req, err := http.NewRequestWithContext(d.t.Context(), method, target, strings.NewReader(form.Encode()))
	idptest.Must(d.t, err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if token != "" {
		req.Header.Set("Authorization", token)
	}
	client := &http.Client{
		Jar: d.browser.Jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	res, err := client.Do(req)
	idptest.Must(d.t, err)
	d.t.Cleanup(func() { _ = res.Body.Close() })
	return res
}

// want503 fails unless an answer says when to try again.
func want503(t *testing.T, what string, res *http.Response) {
	t.Helper()
	if res.StatusCode != http.StatusServiceUnavailable || res.Header.Get("Retry-After") == "" {
		t.Errorf("%s: %d, Retry-After %q", what, res.StatusCode, res.Header.Get("Retry-After"))
	}
}

var routeParameter = regexp.MustCompile(`[:*][a-z_A-Z]+`)

// walk asks every route with nothing in particular.
func (d doors) walk() {
	token := "Bearer " + strings.Repeat("a", 43)
	for _, route := range d.app.RouteTable() {
		path := routeParameter.ReplaceAllString(route[1], strings.Repeat("a", 36))
		res := d.ask(route[0], path, token, url.Values{})
		if res.StatusCode >= 500 {
			want503(d.t, route[0]+" "+route[1], res)
		}
	}
	for path, want := range map[string]int{
		"/livez": 200, "/.well-known/openid-configuration": 200, "/keys": 200, "/readyz": 503,
		"/account": 503, "/admin": 503, "/admin/api/v1/users": 503,
	} {
		if res := d.ask(http.MethodGet, path, token, nil); res.StatusCode != want {
			d.t.Errorf("%s: %d, want %d", path, res.StatusCode, want)
		}
	}
}

// protocol asks as an app does, and as a person in the middle of a sign-in.
func (d doors) protocol(p *idptest.Party, tokens idptest.Tokens, open *idptest.Page) {
	t := d.t
	credentials := url.Values{"client_id": {p.OAuth.ClientID}, "client_secret": {p.OAuth.ClientSecret}, "token": {tokens.AccessToken}}
	for _, c := range []struct {
		method, path, token string
		form                url.Values
	}{
		{"POST", "/token", "", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {tokens.RefreshToken}}},
		{"POST", "/token", "", url.Values{"grant_type": {"authorization_code"}, "code": {"x"}, "redirect_uri": {p.OAuth.RedirectURL}}},
		{"POST", "/introspect", "", nil},
		{"POST", "/revoke", "", nil},
		{"GET", "/userinfo", "Bearer " + tokens.AccessToken, nil},
		{"GET", open.URL.String(), "", nil},
		{"POST", open.URL.String() + "/password", "", url.Values{"email": {"maya@rtx.example"}, "password": {idptest.Password}}},
	} {
		form := url.Values{}
		for _, values := range []url.Values{credentials, c.form} {
			for name, v := range values {
				form[name] = v
			}
		}
		want503(t, c.method+" "+c.path, d.ask(c.method, c.path, c.token, form))
	}
	res := d.ask("GET", p.Begin("prompt", "none").URL, "", nil)
	if location := res.Header.Get("Location"); res.StatusCode != 503 && !strings.Contains(location, "error=temporarily_unavailable") {
		t.Errorf("authorize: %d to %q", res.StatusCode, location)
	}
}
