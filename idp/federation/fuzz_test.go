package federation_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/manage/authz"
	"gatehouse/idp/manage/connections"
	"gatehouse/idp/manage/populations"
)

// FuzzCallback: no answer is our fault, none leads out of here, and none signs anybody
// in. Nobody at the other side ever issued a code.
func FuzzCallback(f *testing.F) {
	app := idptest.Start(f, idptest.Migrated(f), "")
	entra := idptest.StartEntra(f, app.Issuer, nil)
	c, err := app.Manage.Connections.AddConnection(f.Context(), authz.System(), connections.ConnectionChange{
		Connection: idp.Connection{
			PopulationID: idp.Agents, Kind: idp.EntraConnection, Name: "Microsoft", Enabled: true, Issuer: entra.URL,
			Tenants: []string{idptest.HomeTenant}, ClientID: idptest.HomeApp, CreateUsers: true,
		},
		ClientSecret: idptest.EntraSecret,
	})
	idptest.Must(f, err)
	p, err := app.Manage.Populations.Population(f.Context(), authz.System(), idp.Agents)
	idptest.Must(f, err)
	_, err = app.Manage.Populations.SaveAccess(f.Context(), authz.System(), populations.Change[idp.Access]{
		ID: idp.Agents, Version: p.Version, To: idp.Access{Password: true, Federated: true},
	})
	idptest.Must(f, err)
	b := idptest.NewBrowser(f)
	page := b.Get(app.AddParty(idp.Client{}).Begin().URL)
	left := b.Get(app.Issuer + upstreamLink.FindStringSubmatch(page.Body)[1]).Left
	state := left.Query().Get("state")
	cookies := b.Jar.Cookies(page.URL)

	for _, query := range []string{
		"state=" + state + "&code=x", "state=" + state, "state=" + state + "&error=access_denied&error_description=AADSTS50105%3A+x",
		"state=" + state + "&code=%00", "state=" + state + "&error=%00%ff", "state=&code=x", "state=x..y", "state=....", "%zz", ";", "state=%00.1.%00.x",
		"state=" + state + "&code=x&iss=https%3A%2F%2Fevil.example", "state=" + strings.Replace(state, ".0.", ".-1.", 1),
	} {
		f.Add(query)
	}
	f.Fuzz(func(t *testing.T, query string) {
		r := &http.Request{
			Method: http.MethodGet, URL: &url.URL{Path: c.CallbackPath(), RawQuery: query}, Host: "x", RemoteAddr: "127.0.0.1:1",
			Header: http.Header{}, Body: http.NoBody,
		}
		for _, c := range cookies {
			r.AddCookie(c)
		}
		rec := httptest.NewRecorder()
		app.Handler().ServeHTTP(rec, r.WithContext(t.Context()))
		if rec.Code == http.StatusInternalServerError || rec.Header().Get("Location") != "" {
			t.Errorf("%d, Location %q", rec.Code, rec.Header().Get("Location"))
		}
	})
}
