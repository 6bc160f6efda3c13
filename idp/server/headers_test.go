package server_test

import (
	"net/http"
	"strings"
	"testing"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
)

// An app may sign people in by a popup, whose answers, redirects included, must not cut
// it off from its opener. No app opens the console or somebody's account.
func TestOnlyPagesThatNoAppOpensAreCutOffFromTheirOpener(t *testing.T) {
	app := idptest.Start(t, idptest.Migrated(t), "")
	party, b := app.AddParty(idp.Client{PostLogoutRedirectURIs: []string{"https://app.example/bye"}}), idptest.NewBrowser(t)
	flow := b.Get(party.Begin().URL).URL
	paths := map[string]string{
		"GET " + strings.TrimPrefix(party.Begin().URL, app.Issuer):                 "",
		"GET " + strings.TrimPrefix(party.Begin("prompt", "none").URL, app.Issuer): "",
		"GET /authorize":                  "",
		"POST /authorize":                 "",
		"GET " + flow.Path:                "",
		"POST " + flow.Path + "/password": "",
		"GET " + flow.Path + "/forgot":    "",
		"GET /login":                      "",
		"GET /login/nothing":              "",
		"GET /federation/callback":        "",
		"GET /end_session":                "",
		"POST /end_session":               "",
		"POST /end_session/confirm":       "",
		"GET /end_session?post_logout_redirect_uri=https://app.example/bye&client_id=" + party.Client.ID: "",
		"GET /invitation/x":            "",
		"GET /nothing":                 "",
		"GET /":                        "",
		"GET /account":                 "same-origin",
		"GET /account/agents/email":    "same-origin",
		"POST /account/agents/profile": "same-origin",
		"GET /account/callback":        "same-origin",
		"GET /admin":                   "same-origin",
		"GET /admin/people":            "same-origin",
	}
	for line, want := range paths {
		method, path, _ := strings.Cut(line, " ")
		req, err := http.NewRequest(method, app.Issuer+path, http.NoBody)
		idptest.Must(t, err)
		for _, c := range b.Jar.Cookies(req.URL) {
			req.AddCookie(c)
		}
		res := app.Do(req)
		if got := res.Header.Get("Cross-Origin-Opener-Policy"); got != want {
			t.Errorf("%s (%d): Cross-Origin-Opener-Policy %q, want %q", line, res.StatusCode, got, want)
		}
		if policy := res.Header.Get("Content-Security-Policy"); strings.Contains(policy, "form-action") && !strings.HasSuffix(policy, "form-action 'self'") {
			t.Errorf("%s (%d): a form may lead elsewhere: %s", line, res.StatusCode, policy)
		}
	}
}
