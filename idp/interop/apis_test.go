//go:build interop

package interop_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"golang.org/x/oauth2"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
)

// An API of each language takes tokens that are for it, and no others, of a service and of a
// page of the browser; by asking, and where they are JWTs by reading them.
func TestAPIsCheckTokens(t *testing.T) {
	app, ca, _ := start(t)
	for _, l := range apis {
		for format, ways := range map[idp.TokenFormat][]string{
			idp.OpaqueToken: {"introspection"}, idp.JWTToken: {"introspection", "jwt"},
		} {
			t.Run(l.name+" "+string(format), func(t *testing.T) {
				api, secret := addAPI(t, app, l.language, format)
				other, _ := addAPI(t, app, l.language+"-other", format)
				r := &relyingParty{library: l, client: api, secret: secret, port: freePort(t), issuer: app.Issuer, output: &idptest.LogText{}, t: t}
				r.base = "http://localhost:" + r.port
				r.await(r.start(ca, "API="+api.Identifier))
				for caller, token := range map[string]func(resource string) string{
					"service": serviceTokens(t, app, api, other), "spa": pageTokens(t, app, api, other),
				} {
					right, wrong := token(api.Identifier), token(other.Identifier)
					for _, way := range ways {
						r.answers(caller, way, right, http.StatusOK)
						r.answers(caller, way, wrong, http.StatusUnauthorized)
						r.answers(caller, way, "nonsense", http.StatusUnauthorized)
					}
				}
			})
		}
	}
}

func addAPI(t *testing.T, app *idptest.App, name string, format idp.TokenFormat) (idp.Client, string) {
	t.Helper()
	c, secret, err := app.Manage.Apps.CreateClient(t.Context(), idp.Client{
		Name: name, Kind: idp.APIClient, Identifier: "https://" + name + "-" + string(format) + ".example", Scopes: []string{"tickets:read"}, TokenFormat: format,
	})
	idptest.Must(t, err)
	return c, secret
}

// answers asks the API with a token.
func (r *relyingParty) answers(caller, way, token string, want int) {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), http.MethodGet, r.base+"/"+way, http.NoBody)
	idptest.Must(r.t, err)
	req.Header.Set("Authorization", "Bearer "+token)
	res, err := http.DefaultTransport.RoundTrip(req)
	idptest.Must(r.t, err)
	if page := idptest.ReadPage(r.t, res); page.Status != want {
		r.t.Errorf("%s, %s: the API answers %d, want %d:\n%s", caller, way, page.Status, want, page.Body)
	}
}

// serviceTokens are those that a service asks for by itself.
func serviceTokens(t *testing.T, app *idptest.App, apis ...idp.Client) func(resource string) string {
	t.Helper()
	c, secret, err := app.Manage.Apps.CreateClient(t.Context(), idp.Client{
		Name: "Nightly", Kind: idp.ServiceClient, Scopes: []string{"tickets:read"}, Resources: identifiers(apis),
	})
	idptest.Must(t, err)
	return func(resource string) string {
		return exchange(t, app, url.Values{
			"grant_type": {"client_credentials"}, "client_id": {c.ID}, "client_secret": {secret}, "scope": {"tickets:read"}, "resource": {resource},
		})
	}
}

// pageTokens are those that an app without a server gets as a person signs in to it. The
// second time she is signed in already.
func pageTokens(t *testing.T, app *idptest.App, apis ...idp.Client) func(resource string) string {
	t.Helper()
	const back = "https://app.example/callback"
	c, _, err := app.Manage.Apps.CreateClient(t.Context(), idp.Client{
		Name: "Page", Kind: idp.SPAClient, Populations: []string{idp.Agents}, RedirectURIs: []string{back},
		Scopes: []string{"openid", "tickets:read"}, Resources: identifiers(apis),
	})
	idptest.Must(t, err)
	r := &relyingParty{email: "ana@" + c.ID + ".example", issuer: app.Issuer, t: t}
	app.AddUser(idp.Agents, r.email)
	b := idptest.NewBrowser(t)
	return func(resource string) string {
		verifier := oauth2.GenerateVerifier()
		page := b.Get(app.Issuer + "/authorize?" + url.Values{
			"client_id": {c.ID}, "redirect_uri": {back}, "response_type": {"code"}, "scope": {"openid tickets:read"}, "state": {"s"},
			"code_challenge": {oauth2.S256ChallengeFromVerifier(verifier)}, "code_challenge_method": {"S256"}, "resource": {resource},
		}.Encode())
		if page.Left == nil {
			page = r.toApp(b, page)
		}
		return exchange(t, app, url.Values{
			"grant_type": {"authorization_code"}, "client_id": {c.ID}, "code": {page.Left.Query().Get("code")}, "code_verifier": {verifier}, "redirect_uri": {back},
		})
	}
}

func identifiers(apis []idp.Client) (list []string) {
	for _, a := range apis {
		list = append(list, a.Identifier)
	}
	return slices.Clip(list)
}

// exchange asks the token endpoint for an access token.
func exchange(t *testing.T, app *idptest.App, form url.Values) string {
	t.Helper()
	res, err := (&http.Client{}).PostForm(app.Issuer+"/token", form)
	idptest.Must(t, err)
	page := idptest.ReadPage(t, res)
	var got struct {
		Token string `json:"access_token"`
	}
	idptest.Must(t, json.NewDecoder(strings.NewReader(page.Body)).Decode(&got))
	if got.Token == "" {
		t.Fatalf("%d: %s", page.Status, page.Body)
	}
	return got.Token
}
