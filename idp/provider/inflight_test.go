package provider_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/provider"
)

// A redirect URI that is taken away while somebody signs in gets neither a code nor an
// error: it may have been taken away because it is not the app's any more.
func TestARedirectURITakenAwayDuringASignInGetsNothing(t *testing.T) {
	t.Parallel()
	app := idptest.Start(t, idptest.Migrated(t), "")
	app.AddUser(idp.Agents, "maya@rtx.example")
	party, b := app.AddParty(idp.Client{}), idptest.NewBrowser(t)
	page := b.Submit(b.Get(party.Begin().URL), "/password", "email", "maya@rtx.example", "password", idptest.Password)
	page = b.Submit(page, "/enrol", "code", idptest.Scan(t, page).Code(0))
	v, err := app.Store.VersionedClient(t.Context(), party.Client.ID)
	idptest.Must(t, err)
	v.Client.RedirectURIs = []string{"https://elsewhere.example/callback"}
	idptest.Must(t, app.Store.SaveClient(t.Context(), v.Version, v.Client))
	page = b.Submit(page, "/saved", "saved", "yes")
	if page.Left != nil || page.LeadsOn() != nil || page.Status != http.StatusBadRequest {
		t.Errorf("%d %q, which leads to %v %v", page.Status, page.Heading(), page.Left, page.LeadsOn())
	}
	if n := app.Audited(idp.AuditClientAuthorized); n != 0 {
		t.Errorf("%d codes were made", n)
	}
}

// A scope that was taken away while somebody signs in is not in what they give.
func TestAScopeTakenAwayDuringASignInIsNotGiven(t *testing.T) {
	t.Parallel()
	k := start(t, idptest.Migrated(t))
	p, party := protocol(k), k.AddParty(idp.Client{Scopes: []string{"openid", "email", "profile"}})
	r := idptest.Request(party.Client)
	r.Pushed = nil // nobody pushed it
	r.BrowserHash, r.Demand.UserID, r.Resource, r.Scopes = k.session.BrowserHash, "", "", []string{"openid", "email"}
	idptest.Must(t, k.Store.CreateRequest(t.Context(), r))
	held{k: k, p: party}.change(func(c *idp.Client) { c.Scopes = without(c.Scopes, "email") })
	if _, err := k.resume(p, r.ID, k.session); err != nil {
		t.Fatal(err)
	}
	if n := k.count("SELECT count(*) FROM grants WHERE scope = 'openid'"); n != 1 {
		t.Errorf("%d grants without the scope, want one", n)
	}
}

// A service's tokens carry nothing that its client has lost since, also where it has it
// again.
func TestAServicesTokensDoNotReviveWithWhatIsGivenBack(t *testing.T) {
	t.Parallel()
	for what, c := range map[string]struct {
		take, back func(c *idp.Client)
		want       error
	}{
		"a scope": {
			func(c *idp.Client) { c.Scopes = without(c.Scopes, idp.AdminScope) },
			func(c *idp.Client) { c.Scopes = append(c.Scopes, idp.AdminScope) }, provider.ErrScopeInsufficient,
		},
		"the grant type": {
			func(c *idp.Client) { c.GrantTypes = nil },
			func(c *idp.Client) { c.GrantTypes = []string{"client_credentials"} }, provider.ErrTokenInvalid,
		},
	} {
		t.Run(what, func(t *testing.T) {
			k := start(t, idptest.Migrated(t))
			for _, format := range formats {
				service := k.service(idp.Client{TokenFormat: format, GrantTypes: []string{"client_credentials"}})
				before := k.ask(service).text("access_token")
				k.admits(t, before, nil)
				h := held{k: k, p: service}
				h.change(c.take)
				k.admits(t, before, c.want)
				h.change(c.back)
				k.admits(t, before, c.want)
				if scopes := fieldsOf(k.introspect(service, before)); slices.Contains(scopes, idp.AdminScope) {
					t.Errorf("%s: introspection says %v", format, scopes)
				}
				k.admits(t, k.ask(service).text("access_token"), nil)
			}
		})
	}
}

// fieldsOf are the scopes that an introspection names.
func fieldsOf(r *reply) []string {
	scope, _ := r.json["scope"].(string)
	return strings.Fields(scope)
}
