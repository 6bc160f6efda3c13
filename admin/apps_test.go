package admin_test

import (
	"html"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
)

// role adds a role with some permissions and returns its id.
func (h *house) role(permissions ...string) string {
	h.t.Helper()
	id := "role-" + strings.Join(permissions, "-")
	idptest.Must(h.t, h.Store.CreateRole(h.t.Context(), idp.Role{ID: id, Name: id, Permissions: permissions}))
	return id
}

// admin is a browser in which an admin is signed in to the console.
func (h *house) admin() *idptest.Browser {
	h.t.Helper()
	h.person("admin@rtx.example", idp.RoleAdmin)
	b, _ := h.enters("admin@rtx.example")
	return b
}

var (
	settingOn  = regexp.MustCompile(`(?s)<dt>([^<]*)</dt>\s*<dd class="copyline"><ul[^>]*>(.*?)</ul>`)
	codeOn     = regexp.MustCompile(`<code translate="no">([^<]*)</code>`)
	secretOn   = regexp.MustCompile(`<code translate="no" class="secret" id="secret">([^<]+)</code>`)
	snippetsOn = regexp.MustCompile(`(?s)<summary>([^<]*)</summary>\s*<pre id="snippet-\d+" tabindex="0">(.*?)</pre>`)
	testOn     = regexp.MustCompile(`href="([^"]*/authorize[^"]*)"`)
)

// settings reads what a page gives to copy, and its snippets.
func settings(p *idptest.Page) (values map[string][]string, snippets map[string]string) {
	values, snippets = map[string][]string{}, map[string]string{}
	for _, s := range settingOn.FindAllStringSubmatch(p.Body, -1) {
		for _, c := range codeOn.FindAllStringSubmatch(s[2], -1) {
			values[s[1]] = append(values[s[1]], html.UnescapeString(c[1]))
		}
	}
	if s := secretOn.FindStringSubmatch(p.Body); s != nil {
		values["secret"] = []string{s[1]}
	}
	for _, s := range snippetsOn.FindAllStringSubmatch(p.Body, -1) {
		snippets[html.UnescapeString(s[1])] = html.UnescapeString(s[2])
	}
	return values, snippets
}

// signsIn goes through a sign-in as an app does that knows nothing but what its page
// gave.
func (h *house) signsIn(b *idptest.Browser, values map[string][]string) *oauth2.Token {
	h.t.Helper()
	ctx, get := h.t.Context(), func(label string) string { return strings.Join(values[label], " ") }
	provider, err := oidc.NewProvider(ctx, get("Issuer"))
	idptest.Must(h.t, err)
	endpoint := oauth2.Endpoint{AuthURL: get("Authorization endpoint"), TokenURL: get("Token endpoint")}
	if found := provider.Endpoint(); found.AuthURL != endpoint.AuthURL || found.TokenURL != endpoint.TokenURL || provider.UserInfoEndpoint() != get("UserInfo endpoint") {
		h.t.Errorf("the page gave %v, discovery %v", endpoint, found)
	}
	endpoint.AuthStyle = oauth2.AuthStyleInParams
	if get("Client authentication") == "client_secret_basic" {
		endpoint.AuthStyle = oauth2.AuthStyleInHeader
	}
	config := oauth2.Config{
		ClientID: get("Client ID"), ClientSecret: get("secret"), Endpoint: endpoint,
		RedirectURL: values["Redirect URIs"][0], Scopes: strings.Fields(get("Scopes")),
	}
	pkce, nonce := oauth2.GenerateVerifier(), idp.NewID()
	page := b.Get(config.AuthCodeURL("s", oidc.Nonce(nonce), oauth2.S256ChallengeOption(pkce)))
	page = approved(b, page)
	if page.Left == nil || !strings.HasPrefix(page.Left.String(), config.RedirectURL+"?") {
		h.t.Fatalf("the sign-in ended at %s with %d, %v\n%s", page.URL, page.Status, page.Left, page.Body)
	}
	token, err := config.Exchange(ctx, page.Left.Query().Get("code"), oauth2.VerifierOption(pkce))
	idptest.Must(h.t, err)
	raw, _ := token.Extra("id_token").(string)
	id, err := provider.Verifier(&oidc.Config{ClientID: config.ClientID}).Verify(ctx, raw)
	if err != nil || id.Nonce != nonce {
		h.t.Fatalf("the ID token: %v, nonce %q", err, id.Nonce)
	}
	return token
}

// connects connects an app by a template.
func (h *house) connects(b *idptest.Browser, template string, pairs ...string) *idptest.Page {
	h.t.Helper()
	form := h.page(b, "/apps/new/"+template)
	if form.Status != http.StatusOK {
		h.t.Fatalf("%s: status %d\n%s", template, form.Status, form.Body)
	}
	return b.Submit(form, "/apps/new/"+template, pairs...)
}

func TestAnAppOfEachKindSignsInWithWhatItsPageGave(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		h := open(t, db)
		b := h.admin()
		want(t, h.page(b, "/apps"), http.StatusOK, "Apps", "No app is connected yet", `/admin/apps/new"`)
		want(t, h.page(b, "/apps/new"), http.StatusOK, "Connect an app", "/apps/new/portal", "/apps/new/web", "/apps/new/spa", "/apps/new/native", "/apps/new/service")
		common := []string{"population_1", idp.Agents, "redirect_uris", "http://localhost:1/callback\r\nhttps://rtx.example/cb\r\n"}
		for template, c := range map[string]struct {
			more     []string
			secret   bool
			snippets []string
		}{
			"portal": {[]string{"backchannel_logout_uri", "http://localhost:1/logout", "home_url", "https://rtx.example/"}, true, []string{"Go · coreos/go-oidc", "Node.js · openid-client", "Python · Authlib", "ASP.NET Core · AddOpenIdConnect", "Java · Spring Security"}},
			"web":    {[]string{"population_2", idp.Contacts}, true, []string{"Go · coreos/go-oidc", "Node.js · openid-client", "Python · Authlib", "ASP.NET Core · AddOpenIdConnect", "Java · Spring Security"}},
			"spa":    {nil, false, []string{"JavaScript · oidc-client-ts"}},
			"native": {nil, false, []string{"Go · coreos/go-oidc", "Node.js · openid-client", "Android · AppAuth"}},
		} {
			page := h.connects(b, template, append(append([]string{"name", "My " + template}, common...), c.more...)...)
			want(t, page, http.StatusOK, "My "+template, "Settings to copy", "Test sign-in")
			values, snippets := settings(page)
			if (values["secret"] != nil) != c.secret || !slices.Equal(values["Redirect URIs"], []string{"http://localhost:1/callback", "https://rtx.example/cb"}) {
				t.Errorf("%s: the page gave %v", template, values)
			}
			made, err := h.Store.VersionedClient(t.Context(), values["Client ID"][0])
			idptest.Must(t, err)
			portal := template == "portal" // which reads all out of the ID token
			if told := (idp.AppClaims{Roles: idp.NoRoles, InIDToken: portal, PlainPopulation: portal}); made.Client.Claims != told {
				t.Errorf("%s: told %+v, want %+v", template, made.Client.Claims, told)
			}
			h.signsIn(b, values)
			for _, title := range c.snippets {
				checkSnippet(t, h.Issuer, values, title, snippets[title])
			}
			if len(snippets) != len(c.snippets) {
				t.Errorf("%s: snippets for %d libraries, want %d", template, len(snippets), len(c.snippets))
			}
			ended := approved(b, b.Get(h.Issuer+html.UnescapeString(testOn.FindStringSubmatch(page.Body)[1])))
			if ended.Left == nil || ended.Left.Query().Get("code") == "" {
				t.Errorf("%s: the test sign-in ended at %s, %v", template, ended.URL, ended.Left)
			}
		}
		want(t, h.page(b, "/apps"), http.StatusOK, "Apps", "My portal", "My spa", "Agents, Contacts")
	})
}

// approved goes on where a native app gets no code silently.
func approved(b *idptest.Browser, page *idptest.Page) *idptest.Page {
	if _, _, asks := page.Form("/approve"); asks {
		return b.Submit(page, "/approve")
	}
	return page
}

// checkSnippet holds what is true of every snippet of an app that people sign in to.
func checkSnippet(t *testing.T, issuer string, values map[string][]string, title, code string) {
	t.Helper()
	secret := strings.Join(values["secret"], "")
	for _, part := range []string{issuer, values["Client ID"][0], "callback"} {
		if !strings.Contains(code, part) {
			t.Errorf("%s does not say %q:\n%s", title, part, code)
		}
	}
	if secret != "" && strings.Contains(code, secret) {
		t.Errorf("%s has the secret in it", title)
	}
	if !regexp.MustCompile(`S256|(?i)pkce`).MatchString(code) {
		t.Errorf("%s has no PKCE:\n%s", title, code)
	}
	if asks := regexp.MustCompile(`(?i)client_?-?secret`).MatchString(code); asks != (secret != "") {
		t.Errorf("%s asks for a secret: %t\n%s", title, asks, code)
	}
}

func TestAServiceGetsATokenWithWhatItsPageGave(t *testing.T) {
	t.Parallel()
	h := open(t, idptest.Alone(t))
	b := h.admin()
	form := h.page(b, "/apps/new/service")
	for _, absent := range []string{"redirect_uris", "population_1", "home_url", "backchannel"} {
		if strings.Contains(form.Body, absent) {
			t.Errorf("the form of a service asks for %s", absent)
		}
	}
	page := b.Submit(form, "/service", "name", "Nightly import", "roles", idp.RoleManager)
	want(t, page, http.StatusOK, "Nightly import", "client_credentials", "curl --fail", "shown this once")
	values, _ := settings(page)
	config := clientcredentials.Config{
		ClientID: values["Client ID"][0], ClientSecret: values["secret"][0], TokenURL: values["Token endpoint"][0],
		Scopes: values["Scopes"], AuthStyle: oauth2.AuthStyleInHeader,
	}
	token, err := config.Token(t.Context())
	if err != nil || token.AccessToken == "" {
		t.Fatalf("no token: %v", err)
	}
	c, err := h.Store.Client(t.Context(), values["Client ID"][0])
	if err != nil || !slices.Equal(c.Roles, []string{idp.RoleManager}) {
		t.Errorf("roles %q, %v", c.Roles, err)
	}
	for _, path := range []string{"/mfa", "/deliveries"} {
		if p := h.page(b, "/apps/"+c.ID+path); strings.Contains(p.Body, "People without a second step") {
			t.Errorf("a service has %s", path)
		}
	}
}

func TestWhatAnAppCannotBeIsSaidBesideItsField(t *testing.T) {
	t.Parallel()
	h := open(t, idptest.Alone(t))
	b := h.admin()
	good := map[string]string{
		"name": "Portal", "population_1": idp.Agents, "redirect_uris": "https://rtx.example/cb", "backchannel_logout_uri": "https://rtx.example/logout",
	}
	for _, c := range []struct{ field, value, text, beside string }{
		{"name", " ", "needs a name", "name-error"},
		{"redirect_uris", "", "needs at least one", "redirect_uris-error"},
		{"redirect_uris", "http://rtx.example/cb", "use https", "redirect_uris-error"},
		{"redirect_uris", "https://rtx.example/cb\nhttps://rtx.example/*", "wildcard", "redirect_uris-error"},
		{"redirect_uris", "javascript:alert(1)", "use https", "redirect_uris-error"},
		{"redirect_uris", "https://rtx.example/#x", "fragment", "redirect_uris-error"},
		{"post_logout_redirect_uris", "/bye", "absolute", "post_logout_redirect_uris-error"},
		{"home_url", "javascript:alert(1)", "use https", "home_url-error"},
		{"backchannel_logout_uri", "", "needs an address where it is notified", "backchannel_logout_uri-error"},
		{"backchannel_logout_uri", "ftp://rtx.example/", "https", "backchannel_logout_uri-error"},
		{"population_1", "partners", "no user group", "populations-error"},
		{"population_1", "", "Nobody could sign in", "populations-error"},
	} {
		var pairs []string
		for field, value := range good {
			if field == c.field {
				value = c.value
			}
			pairs = append(pairs, field, value)
		}
		if _, ok := good[c.field]; !ok {
			pairs = append(pairs, c.field, c.value)
		}
		page := h.connects(b, "portal", pairs...)
		want(t, page, http.StatusUnprocessableEntity, "Portal", html.EscapeString(c.text), `id="`+c.beside+`"`)
		if strings.Count(page.Body, `class="error"`) != 1 {
			t.Errorf("%s %q: not one error:\n%s", c.field, c.value, page.Body)
		}
	}
	clients, err := h.Store.Clients(t.Context())
	apps := slices.DeleteFunc(clients, func(c idp.Client) bool { return idp.OwnClient(c.ID) })
	if err != nil || len(apps) != 0 || len(clients) != 2 {
		t.Errorf("%d apps of %d, %v", len(apps), len(clients), err)
	}
}

// What a form has no field for changes nothing.
func TestPostedFieldsThatNoFormHasChangeNothing(t *testing.T) {
	t.Parallel()
	h := open(t, idptest.Alone(t))
	b := h.admin()
	hostile := url.Values{
		"id": {"my-own"}, "kind": {"service"}, "secret_hashes": {"x"}, "grant_types": {"client_credentials"}, "scopes": {idp.AdminScope},
		"auth_method": {"none"}, "access_ttl": {"1000"}, "access_ttl_unit": {"hours"}, "roles": {idp.RoleAdmin}, "created_at": {"1970-01-01"},
		"name": {"App"}, "population_1": {idp.Agents}, "redirect_uris": {"https://rtx.example/cb"},
	}
	page := b.Post(h.Issuer+"/admin/apps/new/web", hostile)
	want(t, page, http.StatusOK, "App")
	values, _ := settings(page)
	before, err := h.Store.Client(t.Context(), values["Client ID"][0])
	idptest.Must(t, err)
	if before.ID == "my-own" || before.Kind != idp.WebClient || before.AuthMethod != idp.ClientSecretBasic ||
		len(before.Roles) > 0 || before.AccessTTL.Hours() > 1 || before.Allows("client_credentials") || slices.Contains(before.Scopes, idp.AdminScope) {
		t.Errorf("posted fields made %+v", before)
	}
	for name, value := range map[string]string{ // the page of an app that exists asks for these
		"name": "Renamed", "version": "1", "scopes": strings.Join(before.Scopes, "\n"), "auth_method": string(before.AuthMethod), "access_ttl": "15",
		"access_ttl_unit": "minutes", "refresh_ttl": "30", "refresh_ttl_unit": "days", "secret_lifetime": "0", "secret_lifetime_unit": "days", "token_format": "opaque", "signing_alg": "RS256",
	} {
		hostile.Set(name, value)
	}
	hostile["grant_types"] = before.GrantTypes
	want(t, b.Post(h.Issuer+"/admin/apps/"+before.ID, hostile), http.StatusOK, "Renamed", "Saved.")
	v, err := h.Store.VersionedClient(t.Context(), before.ID)
	idptest.Must(t, err)
	after := v.Client
	if after.Kind != before.Kind || after.AuthMethod != before.AuthMethod || string(after.SecretHashes[0]) != string(before.SecretHashes[0]) ||
		after.AccessTTL != before.AccessTTL || len(after.Roles) > 0 || !slices.Equal(after.GrantTypes, before.GrantTypes) ||
		!slices.Equal(after.Scopes, before.Scopes) || !after.CreatedAt.Equal(before.CreatedAt) {
		t.Errorf("posted fields made %+v of %+v", after, before)
	}
}

func TestAppsAreForWhoMayManageThem(t *testing.T) {
	t.Parallel()
	h := open(t, idptest.Alone(t))
	app := h.AddParty(idp.Client{Name: "Wallboard", BackchannelLogoutURI: "http://localhost:1/logout"}).Client
	h.person("apps@rtx.example", h.role(idp.PermissionClients))
	h.person("rules@rtx.example", h.role(idp.PermissionAuthentication))
	h.person("people@rtx.example", h.role(idp.PermissionUsers))
	all := []string{"", "/connect", "/secrets", "/secrets/add", "/secrets/remove/0", "/delete", "/mfa", "/deliveries"}
	for email, allowed := range map[string][]string{
		"apps@rtx.example": {"", "/connect", "/secrets", "/secrets/add", "/secrets/remove/0", "/delete"}, "rules@rtx.example": {"", "/connect", "/mfa"}, "people@rtx.example": nil,
	} {
		b, home := h.enters(email)
		if shown := strings.Contains(home.Body, `/admin/apps"`); shown != (allowed != nil) {
			t.Errorf("%s sees Apps: %t", email, shown)
		}
		for _, path := range all {
			status := http.StatusForbidden
			if slices.Contains(allowed, path) {
				status = http.StatusOK
			}
			page := h.page(b, "/apps/"+app.ID+path)
			if page.Status != status {
				t.Errorf("%s: %s answers %d, want %d", email, path, page.Status, status)
			}
			if allowed != nil && path == "" {
				if tab := strings.Contains(page.Body, "/"+app.ID+`/mfa"`); tab != slices.Contains(allowed, "/mfa") {
					t.Errorf("%s sees the tab of MFA: %t", email, tab)
				}
			}
		}
		if email != "apps@rtx.example" {
			want(t, h.page(b, "/apps/new/portal"), http.StatusForbidden, "This account cannot open this page")
			want(t, b.Post(h.Issuer+"/admin/apps/new/spa", url.Values{"name": {"x"}}), http.StatusForbidden, "This account cannot open this page")
			want(t, b.Post(h.Issuer+"/admin/apps/"+app.ID, url.Values{"name": {"x"}}), http.StatusForbidden, "This account cannot open this page")
			want(t, b.Post(h.Issuer+"/admin/apps/"+app.ID+"/delete", url.Values{"reason": {"x"}}), http.StatusForbidden, "This account cannot open this page")
			want(t, b.Post(h.Issuer+"/admin/apps/"+app.ID+"/secrets/add", nil), http.StatusForbidden, "This account cannot open this page")
		}
	}
}

// The console asks for sign-ins by a client of its own, which is nobody's app.
func TestTheConsolesOwnClientIsNoApp(t *testing.T) {
	t.Parallel()
	h := open(t, idptest.Alone(t))
	b := h.admin()
	if page := h.page(b, "/apps"); strings.Contains(page.Body, idp.ConsoleClient) || strings.Contains(page.Body, idp.AccountClient) {
		t.Error("the console's own client is listed")
	}
	for _, id := range []string{idp.ConsoleClient, idp.AccountClient, "nothing", "%00", "a%0ab", "%ff"} {
		for _, path := range []string{"", "/connect", "/secrets", "/mfa", "/delete", "/deliveries"} {
			if page := h.page(b, "/apps/"+id+path); page.Status != http.StatusNotFound {
				t.Errorf("/apps/%s%s answers %d", id, path, page.Status)
			}
		}
		for _, path := range []string{"", "/secrets/add", "/secrets/remove/0", "/mfa", "/apply", "/delete"} {
			if page := b.Post(h.Issuer+"/admin/apps/"+id+path, url.Values{"reason": {"x"}, "mode": {"off"}}); page.Status != http.StatusNotFound {
				t.Errorf("POST /apps/%s%s answers %d", id, path, page.Status)
			}
		}
	}
}
