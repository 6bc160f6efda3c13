package provider_test

import (
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
)

const tickets, billing = "https://api.example/tickets", "urn:example:billing"

// apis registers two APIs, and an app and a service that may use the first.
func (k *kit) apis(format idp.TokenFormat) (ours, other *idptest.Party, app, service *idptest.Party) {
	k.t.Helper()
	ours = k.AddParty(idp.Client{Kind: idp.APIClient, Name: "Tickets", Identifier: tickets, Scopes: []string{"tickets:read"}, TokenFormat: format, SigningAlg: idp.ES256, AccessTTL: time.Minute})
	other = k.AddParty(idp.Client{Kind: idp.APIClient, Name: "Billing", Identifier: billing, Scopes: []string{"tickets:read"}})
	app = k.AddParty(idp.Client{
		Resources: []string{tickets}, Scopes: []string{"openid", "email", "offline_access", "tickets:read", "else", idp.AdminScope},
	})
	service = k.service(idp.Client{Resources: []string{tickets}, DefaultResource: tickets, Scopes: []string{"tickets:read", idp.AdminScope}})
	return ours, other, app, service
}

// RFC 8707: a token says whom it is for. That API learns what it is worth, and is the only
// one that takes it.
func TestATokenIsForTheAPIThatItWasAskedFor(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		for _, format := range []idp.TokenFormat{idp.OpaqueToken, idp.JWTToken} {
			k := start(t, idptest.Migrated(t))
			api, other, app, service := k.apis(format)
			signedIn := k.tokens(app, "resource", tickets, "scope", "openid email offline_access tickets:read else "+idp.AdminScope)
			refreshed := k.refresh(app, signedIn.RefreshToken, "resource", tickets)
			refreshed.want(t, 200, "")
			own := k.ask(service)
			own.want(t, 200, "")
			for name, c := range map[string]struct {
				token string
				sub   string
				scope string
				aud   []string
				admin error
			}{
				"of a person": {signedIn.AccessToken, k.user.ID, "email offline_access openid tickets:read", []string{tickets, k.Issuer}, idp.ErrScopeInsufficient},
				"refreshed":   {refreshed.text("access_token"), k.user.ID, "email offline_access openid tickets:read", []string{tickets, k.Issuer}, idp.ErrScopeInsufficient},
				"a service's": {own.text("access_token"), service.Client.ID, "tickets:read", []string{tickets}, idp.ErrTokenInvalid},
			} {
				if isJWT := strings.Count(c.token, ".") == 2; isJWT != (format == idp.JWTToken) {
					t.Errorf("%s: the API takes %s, the token is %s", name, format, c.token)
				} else if isJWT && part(t, c.token, 0)["alg"] != "ES256" {
					t.Errorf("%s: header %v", name, part(t, c.token, 0))
				}
				r := k.introspect(api, c.token)
				scopes := strings.Fields(r.text("scope"))
				slices.Sort(scopes)
				if r.json["active"] != true || r.text("sub") != c.sub || strings.Join(scopes, " ") != c.scope || !slices.Equal(words(r.json["aud"]), c.aud) {
					t.Errorf("%s: the API hears %s", name, r.body)
				}
				if life := r.json["exp"].(float64) - r.json["iat"].(float64); life != 60 {
					t.Errorf("%s lives for %v seconds", name, life)
				}
				if r := k.introspect(other, c.token); r.json["active"] != false || len(r.json) != 1 {
					t.Errorf("%s: another API hears %s", name, r.body)
				}
				k.admits(t, c.token, c.admin)
			}
			if r := k.userinfo(signedIn.AccessToken); r.status != 200 || r.text("email") == "" {
				t.Errorf("userinfo: %d %s", r.status, r.body)
			}
			if r := k.userinfo(own.text("access_token")); r.status != 401 {
				t.Errorf("userinfo of a service: %d", r.status)
			}
			// What was not for the API is none of its business.
			if r := k.introspect(api, k.tokens(app).AccessToken); r.json["active"] != false {
				t.Errorf("the API hears of a token for us: %s", r.body)
			}
			if r := k.introspect(api, signedIn.RefreshToken); r.json["active"] != false {
				t.Errorf("the API hears of a refresh token: %s", r.body)
			}
		}
	})
}

func TestOnlyAllowedAPIsGetTokens(t *testing.T) {
	t.Parallel()
	k := start(t, idptest.Migrated(t))
	api, _, app, service := k.apis(idp.OpaqueToken)
	for _, resources := range [][]string{
		{billing}, {tickets, tickets}, {"https://evil.example"}, {"https://api.example"}, {k.Issuer}, {k.adminAPI()},
	} {
		a := app.Begin()
		k.wantError(t, app, a, k.browser.Get(a.URL+"&"+url.Values{"resource": resources}.Encode()), "invalid_target")
		if len(resources) == 1 {
			k.post(service, url.Values{"grant_type": {"client_credentials"}, "resource": resources}).want(t, 400, "invalid_target")
		}
	}
	a, code := k.code(app, "resource", tickets)
	form := url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {idptest.RedirectURI}, "code_verifier": {a.Verifier}, "resource": {billing}}
	k.post(app, form).want(t, 400, "invalid_target")
	form.Set("resource", tickets)
	k.post(app, form).want(t, 200, "") // the mistake did not spend the code
	for _, grant := range []string{"client_credentials", "authorization_code", "refresh_token"} {
		if r := k.post(api, url.Values{"grant_type": {grant}, "code": {"x"}, "refresh_token": {"x"}}); r.status != 400 {
			t.Errorf("an API and %s: %d %s", grant, r.status, r.body)
		}
	}
}

// What an app may no longer call is over at once, with all that was given for it.
func TestAnAPIThatIsTakenFromAnAppIsTakenFromItsTokens(t *testing.T) {
	t.Parallel()
	for _, format := range []idp.TokenFormat{idp.OpaqueToken, idp.JWTToken} {
		k := start(t, idptest.Migrated(t))
		api, _, app, service := k.apis(format)
		signedIn, own := k.tokens(app, "resource", tickets, "scope", "openid offline_access tickets:read"), k.ask(service).text("access_token")
		for _, p := range []*idptest.Party{app, service} {
			v, err := k.Store.VersionedClient(t.Context(), p.Client.ID)
			idptest.Must(t, err)
			without := v.Client
			without.Resources, without.DefaultResource = nil, ""
			idptest.Must(t, k.Store.SaveClient(t.Context(), v.Version, without))
			idptest.Must(t, k.Store.SaveClient(t.Context(), v.Version+1, v.Client)) // given back, it revives nothing
		}
		for _, token := range []string{signedIn.AccessToken, own} {
			if r := k.introspect(api, token); r.json["active"] != false {
				t.Errorf("%s: the API hears %s", format, r.body)
			}
		}
		k.refresh(app, signedIn.RefreshToken).want(t, 400, "invalid_grant")
	}
}

// An API that was deleted gets no more tokens, and the app hears why.
func TestADeletedAPIGetsNoTokens(t *testing.T) {
	t.Parallel()
	k := start(t, idptest.Migrated(t))
	api, _, app, service := k.apis(idp.OpaqueToken)
	tokens := k.tokens(app, "resource", tickets, "scope", "openid offline_access")
	idptest.Must(t, k.Store.DeleteClient(t.Context(), api.Client.ID, 0))
	k.refresh(app, tokens.RefreshToken).want(t, 400, "invalid_target")
	k.ask(service).want(t, 400, "invalid_target")
}

// What an API offers no more is no scope of the tokens that are out, as it hears of them.
func TestAScopeThatAnAPIHasNoMoreIsNoneOfItsTokens(t *testing.T) {
	t.Parallel()
	for _, format := range []idp.TokenFormat{idp.OpaqueToken, idp.JWTToken} {
		k := start(t, idptest.Migrated(t))
		api, _, app, service := k.apis(format)
		signedIn, own := k.tokens(app, "resource", tickets, "scope", "openid tickets:read"), k.ask(service).text("access_token")
		v, err := k.Store.VersionedClient(t.Context(), api.Client.ID)
		idptest.Must(t, err)
		v.Client.Scopes = nil
		idptest.Must(t, k.Store.SaveClient(t.Context(), v.Version, v.Client))
		for token, scope := range map[string]string{signedIn.AccessToken: "openid", own: ""} {
			if r := k.introspect(api, token); r.json["active"] != true || r.text("scope") != scope {
				t.Errorf("%s: the API hears %s", format, r.body)
			}
		}
	}
}

// An API is found by its identifier where a token is made for it, and nowhere by what
// somebody sends as a client's id.
func TestNoClientIDFindsAnAPIByItsIdentifier(t *testing.T) {
	t.Parallel()
	k := start(t, idptest.Migrated(t))
	api, _, _, service := k.apis(idp.OpaqueToken)
	token := k.ask(service).text("access_token") // now the API is in memory
	form := url.Values{"token": {token}}.Encode()
	if r := k.send("POST", "/introspect", form, "Authorization", basic(url.QueryEscape("api "+tickets), api.Secret)); r.status != 401 {
		t.Errorf("status %d: %s", r.status, r.body)
	}
}

// Initiating User Registration via OpenID Connect 1.0 section 4: the person who makes an
// account has none yet, so no session of the browser counts.
func TestWhoeverIsSignedInIsNotMeantByPromptCreate(t *testing.T) {
	t.Parallel()
	k := start(t, idptest.Migrated(t))
	p := k.AddParty(idp.Client{})
	for _, prompt := range []string{"create", "create select_account", "login create"} {
		page := k.browser.Get(p.Begin("prompt", prompt).URL)
		if strings.Contains(page.Body, k.user.Email) {
			t.Errorf("%s: %s is about %s", prompt, page.Heading(), k.user.Email)
		}
		if n := k.count("SELECT count(*) FROM flows WHERE user_id <> '' OR kind = 'choose'"); n != 0 {
			t.Errorf("%s: the sign-in is somebody's, or asks whose", prompt)
		}
	}
}

// An API that is taken from an app while somebody signs in is refused where the app hears
// of it, and not by a code that is worth nothing.
func TestAnAPIThatIsTakenDuringASignInIsRefused(t *testing.T) {
	t.Parallel()
	k := start(t, idptest.Migrated(t))
	k.exec("UPDATE policies SET authenticator = false")
	user, b := k.AddUser(idp.Agents, "late@rtx.example"), idptest.NewBrowser(t)
	_, _, app, _ := k.apis(idp.OpaqueToken)
	a := app.Begin("resource", tickets)
	page := b.Get(a.URL)
	v, err := k.Store.VersionedClient(t.Context(), app.Client.ID)
	idptest.Must(t, err)
	v.Client.Resources = nil
	idptest.Must(t, k.Store.SaveClient(t.Context(), v.Version, v.Client))
	k.wantError(t, app, a, b.Submit(page, "/password", "email", user.Email, "password", idptest.Password), "invalid_target")
}
