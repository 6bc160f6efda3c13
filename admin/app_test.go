package admin_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	described "gatehouse/idp/settings"
)

func TestAnAppIsChanged(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		h := open(t, db)
		b := h.admin()
		app := h.AddParty(idp.Client{Name: "Wallboard"}).Client
		form := h.page(b, "/apps/"+app.ID)
		want(t, form, http.StatusOK, "Wallboard", "http://localhost:1/callback", "Delete this app")
		change := []string{
			"name", "Wall", "population_1", idp.Contacts, "population_2", idp.Agents, "redirect_uris", "https://rtx.example/a\nhttps://rtx.example/b",
			"post_logout_redirect_uris", "https://rtx.example/bye", "home_url", "https://rtx.example/", "backchannel_logout_uri", "https://rtx.example/out",
			"token_format", "jwt", "signing_alg", "ES256", "auth_method", "client_secret_post", "require_pkce", "on", "grant_types", "authorization_code",
			"scopes", "openid tickets:read", "access_ttl", "15", "access_ttl_unit", "minutes", "refresh_ttl", "90", "refresh_ttl_unit", "seconds",
			"secret_lifetime", "0", "secret_lifetime_unit", "days", "roles_claim", "groups", "id_token_claims", "on",
		}
		want(t, b.Submit(form, "/apps/"+app.ID, change...), http.StatusOK, "Wall", "Saved.", "https://rtx.example/b")
		got, err := h.Store.VersionedClient(t.Context(), app.ID)
		idptest.Must(t, err)
		c := got.Client
		if strings.Join(c.Populations, " ") != "contacts agents" || c.TokenFormat != idp.JWTToken || c.AccessTTL != 5*time.Minute ||
			c.AuthMethod != idp.ClientSecretPost || !c.RequirePKCE || strings.Join(c.GrantTypes, " ") != "authorization_code" ||
			strings.Join(c.Scopes, " ") != "openid tickets:read" || c.RefreshTTL != 90*time.Second ||
			c.SigningAlg != idp.ES256 || c.BackchannelLogoutURI != "https://rtx.example/out" || c.HomeURL != "https://rtx.example/" ||
			c.Claims != (idp.AppClaims{Roles: idp.RolesAsGroups, InIDToken: true}) ||
			len(c.PostLogoutRedirectURIs) != 1 || len(c.RedirectURIs) != 2 {
			t.Errorf("the change made %+v", c)
		}
		// The same form once more is stale by now, and shows how it stands.
		stale := b.Submit(form, "/apps/"+app.ID, "name", "Other", "population_1", idp.Agents, "redirect_uris", "https://rtx.example/c")
		want(t, stale, http.StatusConflict, "Wall", "This was changed in the meantime", "https://rtx.example/b")
		wrong := b.Submit(h.page(b, "/apps/"+app.ID), "/apps/"+app.ID, append(change, "redirect_uris", "http://rtx.example/a")...)
		want(t, wrong, http.StatusUnprocessableEntity, "Wall", "redirect_uris-error", "http://rtx.example/a")
		want(t, b.Submit(h.page(b, "/apps/"+app.ID), "/apps/"+app.ID, append(change, "signing_alg", "none")...), http.StatusUnprocessableEntity, "Wall", "signing_alg-error")
		fapi := b.Submit(h.page(b, "/apps/"+app.ID), "/apps/"+app.ID, append(change, "signing_alg", "RS256", "fapi", "on", "redirect_uris", "http://localhost/a")...)
		want(t, fapi, http.StatusUnprocessableEntity, "Wall", "auth_method-error", "signing_alg-error", "redirect_uris-error")
		want(t, h.page(b, "/apps/"+app.ID+"/connect"), http.StatusOK, "Wall", "SignatureAlgorithm.ES256")
		// What the libraries cannot verify is not offered to them.
		want(t, b.Submit(h.page(b, "/apps/"+app.ID), "/apps/"+app.ID, append(change, "signing_alg", "EdDSA", "token_format", "opaque")...), http.StatusOK, "Wall", "Saved.")
		if page := h.page(b, "/apps/"+app.ID+"/connect"); strings.Contains(page.Body, "Spring") || !strings.Contains(page.Body, "go-oidc") {
			t.Error("EdDSA is offered to Spring Security, or to nobody")
		}
	})
}

// A setting that the description has can be changed in the console, whatever it is.
func TestEachSettingOfAnAppIsOnThePageOfSomeKind(t *testing.T) {
	t.Parallel()
	h := open(t, idptest.Alone(t))
	b, pages := h.admin(), map[idp.ClientKind]string{}
	for _, kind := range []idp.ClientKind{idp.WebClient, idp.SPAClient, idp.NativeClient} {
		pages[kind] = h.page(b, "/apps/"+h.AddParty(idp.Client{Kind: kind}).Client.ID).Body
	}
	service := h.AddParty(idp.Client{Kind: idp.ServiceClient, Scopes: []string{idp.AdminScope}}).Client
	pages[idp.ServiceClient] = h.page(b, "/apps/"+service.ID).Body
	pages[idp.APIClient] = h.page(b, "/apps/"+h.AddParty(idp.Client{Kind: idp.APIClient, Identifier: "https://api.example"}).Client.ID).Body
	for _, f := range described.Client() {
		name := map[string]string{"populations": "population_1"}[f.Name]
		if name == "" {
			name = f.Name
		}
		on := 0
		for _, body := range pages {
			on += strings.Count(body, `name="`+name+`"`)
		}
		if on == 0 && f.Name != "kind" { // it stays as the template made it
			t.Errorf("no page asks for %s", f.Name)
		}
	}
	for kind, names := range map[idp.ClientKind][]string{
		idp.APIClient: {"redirect_uris", "refresh_ttl", "roles", "default_resource", "population_1"},
		idp.SPAClient: {"auth_method", "require_pkce", "roles"}, idp.NativeClient: {"auth_method", "require_pkce", "roles"},
		idp.ServiceClient: {"require_pkce", "redirect_uris", "grant_types", "refresh_ttl"}, idp.WebClient: {"roles", "identifier"},
	} {
		for _, name := range names {
			if strings.Contains(pages[kind], `name="`+name+`"`) {
				t.Errorf("%s: %s has no meaning there", kind, name)
			}
		}
	}
}

func TestTheSecretIsShownOnceAndRotated(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		h := open(t, db)
		b := h.admin()
		page := h.connects(b, "web", "name", "App", "population_1", idp.Agents, "redirect_uris", "http://localhost:1/callback")
		values, _ := settings(page)
		first, id := values["secret"][0], values["Client ID"][0]
		if page.Header.Get("Cache-Control") != "no-store" {
			t.Error("the page with the secret may be kept")
		}
		h.signsIn(b, values)
		unseen := func(secrets ...string) {
			t.Helper()
			for _, path := range []string{"", "/" + id, "/" + id + "/connect", "/" + id + "/secrets"} {
				for _, secret := range secrets {
					if strings.Contains(h.page(b, "/apps"+path).Body, secret) {
						t.Errorf("/apps%s shows a secret again", path)
					}
				}
			}
		}
		unseen(first)

		want(t, h.page(b, "/apps/"+id+"/secrets"), http.StatusOK, "App", "secret works", "/secrets/add")
		ask := h.page(b, "/apps/"+id+"/secrets/add")
		added := b.Submit(ask, "/secrets/add")
		want(t, added, http.StatusOK, "App", "shown this once")
		second, _ := settings(added)
		h.signsIn(b, values)
		h.signsIn(b, second)
		unseen(first, second["secret"][0])
		// Sent again, it makes no third one.
		want(t, b.Submit(ask, "/secrets/add"), http.StatusConflict, "App", "two secrets already", "secrets work")
		if strings.Contains(h.page(b, "/apps/"+id+"/secrets").Body, "/secrets/add") {
			t.Error("a third secret is offered")
		}

		remove := h.page(b, "/apps/"+id+"/secrets/remove/0")
		want(t, remove, http.StatusOK, "Remove the older secret")
		want(t, b.Submit(remove, "/secrets/remove/0"), http.StatusOK, "App", "The secret is removed")
		h.signsIn(b, second)
		if h.secretWorks(id, first) || !h.secretWorks(id, second["secret"][0]) {
			t.Error("the wrong secret was removed")
		}
		// Sent again, it does not remove the one that is left.
		want(t, b.Submit(remove, "/secrets/remove/0"), http.StatusConflict, "App", "This was changed in the meantime")
		want(t, b.Submit(h.page(b, "/apps/"+id+"/secrets/remove/0"), "/secrets/remove/0"), http.StatusConflict, "App", "The last secret stays")
		if !h.secretWorks(id, second["secret"][0]) {
			t.Error("the last secret is gone")
		}
	})
}

// secretWorks asks the token endpoint with a secret.
func (h *house) secretWorks(id, secret string) bool {
	h.t.Helper()
	req, err := http.NewRequest(http.MethodPost, h.Issuer+"/token", strings.NewReader("grant_type=authorization_code&code=x&redirect_uri=x&code_verifier=x"))
	idptest.Must(h.t, err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.SetBasicAuth(id, secret)
	return h.Do(req).StatusCode != http.StatusUnauthorized
}

func TestAnAppsRuleEndsItsGrantsAtOnce(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		h := open(t, db)
		b := h.admin()
		app, other := h.AddParty(idp.Client{Name: "Wallboard"}), h.AddParty(idp.Client{Name: "Other"})
		tokens := func(p *idptest.Party) idptest.Tokens {
			a := p.Begin()
			return p.Exchange(a, b.Get(a.URL).Left)
		}
		mine, theirs := tokens(app), tokens(other)
		form := h.page(b, "/apps/"+app.Client.ID+"/mfa")
		want(t, form, http.StatusOK, "Wallboard", "Follow the rules of its people")
		want(t, b.Submit(form, "/mfa"), http.StatusUnprocessableEntity, "Wallboard", "mode-error")
		want(t, b.Submit(form, "/mfa", "mode", "sometimes"), http.StatusUnprocessableEntity, "Wallboard", "mode-error")
		want(t, b.Submit(form, "/mfa", "mode", "required", "min_acr", "urn:elsewhere"), http.StatusUnprocessableEntity, "Wallboard", "min_acr-error")
		choice := b.Submit(form, "/mfa", "mode", "required", "min_acr", string(idp.ACRMFA), "federated", "on")
		want(t, choice, http.StatusOK, "When should this apply?", "Wallboard always asks for the authenticator app or a passkey.", "through a connection as well", "1 person is signed out of the app")
		want(t, b.Submit(choice, "/apply", "apply", "immediately"), http.StatusUnprocessableEntity, "When should this apply?", "Say why")
		want(t, b.Submit(choice, "/apply", "reason", "audit"), http.StatusUnprocessableEntity, "When should this apply?", "Choose when it applies.")
		want(t, b.Submit(choice, "/apply", "apply", "immediately", "reason", "audit"), http.StatusOK, "Wallboard", "Everyone is signed out of the app.")
		if _, err := app.Refresh(mine.RefreshToken); err == nil {
			t.Error("the app's grant goes on")
		}
		if _, err := other.Refresh(theirs.RefreshToken); err != nil {
			t.Errorf("another app's grant ended: %v", err)
		}
		o, err := h.Store.Override(t.Context(), app.Client.ID)
		if err != nil || o.Mode != idp.OverrideRequired || o.MinACR != idp.ACRMFA || !o.Federated || o.MinVersion != o.Version {
			t.Errorf("the override is %+v, %v", o, err)
		}
		want(t, h.page(b, "/apps"), http.StatusOK, "Apps", "Always, authenticator app")
		// The same forms once more are stale by now.
		want(t, b.Submit(choice, "/apply", "apply", "next_login", "reason", "r"), http.StatusConflict, "Wallboard", "This was changed in the meantime")
		want(t, b.Submit(form, "/mfa", "mode", "off"), http.StatusConflict, "Wallboard", "This was changed in the meantime")
		// What goes with required only is left behind.
		choice = b.Submit(h.page(b, "/apps/"+app.Client.ID+"/mfa"), "/mfa", "mode", "off", "min_acr", string(idp.ACRMFA), "federated", "on")
		want(t, choice, http.StatusOK, "When should this apply?", "Wallboard asks for no second step.")
		want(t, b.Submit(choice, "/apply", "apply", "next_login", "reason", "r"), http.StatusOK, "Wallboard", "It applies from the next sign-in on.")
	})
}

func TestAnAppIsDeletedWithItsTokens(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		h := open(t, db)
		b := h.admin()
		app := h.AddParty(idp.Client{Name: "Wallboard"})
		a := app.Begin()
		tokens := app.Exchange(a, b.Get(a.URL).Left)
		ask := h.page(b, "/apps/"+app.Client.ID+"/delete")
		want(t, ask, http.StatusOK, "Delete Wallboard?", "1 person is signed out of it", "cannot be undone")
		want(t, b.Submit(ask, "/delete"), http.StatusUnprocessableEntity, "Delete Wallboard?", "Say why")
		want(t, b.Submit(ask, "/delete", "reason", "replaced"), http.StatusOK, "Apps", "The app is deleted.")
		if _, err := app.Refresh(tokens.RefreshToken); err == nil {
			t.Error("its tokens go on")
		}
		want(t, h.page(b, "/apps/"+app.Client.ID), http.StatusNotFound, "There is no page here")
	})
}

// An old second step is asked for again, before what is sensitive is shown.
func TestSensitivePagesOfAnAppNeedAFreshSecondStep(t *testing.T) {
	t.Parallel()
	h := open(t, idptest.Alone(t))
	b := h.admin()
	id := h.AddParty(idp.Client{Name: "Wallboard"}).Client.ID
	add, rule := h.page(b, "/apps/"+id+"/secrets/add"), h.page(b, "/apps/"+id+"/mfa")
	h.AgeProofs(11 * time.Minute)
	for _, path := range []string{"/secrets/add", "/secrets/remove/0", "/delete"} {
		want(t, h.page(b, "/apps/"+id+path), http.StatusOK, "Enter your password again")
	}
	want(t, h.page(b, "/apps/new/service"), http.StatusOK, "Enter your password again")
	want(t, h.page(b, "/authentication/new"), http.StatusOK, "Enter your password again")
	want(t, b.Submit(add, "/secrets/add"), http.StatusOK, "Enter your password again")
	want(t, b.Submit(rule, "/mfa", "mode", "off"), http.StatusOK, "Enter your password again")
	for _, path := range []string{"/delete", "/secrets/remove/0"} {
		want(t, b.Post(h.Issuer+"/admin/apps/"+id+path, url.Values{"reason": {"x"}, "version": {"1"}}), http.StatusOK, "Enter your password again")
	}
	want(t, h.page(b, "/apps/"+id), http.StatusOK, "Wallboard")
	c, err := h.Store.VersionedClient(t.Context(), id)
	if err != nil || len(c.Client.SecretHashes) != 1 || c.Version != 1 {
		t.Errorf("something changed: %+v, %v", c, err)
	}
}

func TestDeliveriesToAnAppAreShownAndRetried(t *testing.T) {
	t.Parallel()
	h := open(t, idptest.Alone(t)) // without background work: what is queued waits
	b := h.admin()
	app := h.AddParty(idp.Client{Name: "Wallboard", BackchannelLogoutURI: "http://localhost:1/logout"})
	h.AddUser(idp.Agents, "maya@rtx.example")
	other, a := idptest.NewBrowser(t), app.Begin()
	left, _, _ := idptest.Enrol(other, app, a, "maya@rtx.example")
	app.Exchange(a, left.Left)
	other.Submit(other.Get(h.Issuer+"/end_session"), "/confirm")
	page := h.page(b, "/apps/"+app.Client.ID+"/deliveries")
	want(t, page, http.StatusOK, "Wallboard", "http://localhost:1/logout", "<dd>1</dd><dt>Waiting</dt>")
	want(t, b.Submit(page, "/system/retry"), http.StatusOK, "System", "tried again now", "/apps/"+app.Client.ID+"/deliveries")
	page = h.page(b, "/apps/"+app.Client.ID+"/deliveries")
	want(t, b.Submit(page, "/deliveries/test"), http.StatusUnprocessableEntity, "Wallboard", "The app did not accept the test", "refused")
	answering := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(answering.Close)
	heard := h.AddParty(idp.Client{Name: "Board", BackchannelLogoutURI: answering.URL + "/logout"})
	page = h.page(b, "/apps/"+heard.Client.ID+"/deliveries")
	want(t, b.Submit(page, "/deliveries/test"), http.StatusOK, "Board", "The app accepted the test")
	if n := h.Audited(idp.AuditLogoutTested); n != 2 {
		t.Errorf("%d tests in the audit log, want 2", n)
	}
	want(t, b.Post(h.Issuer+"/admin/system/retry", url.Values{"lane": {"\x00"}}), http.StatusBadRequest, "Something is missing from this link")
}
