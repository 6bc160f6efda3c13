package admin_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/manage/authz"
	"gatehouse/idp/manage/connections"
)

const (
	tenantID = "4fa1f7d2-6c5c-4d6d-9b64-0f9e6d1b2c3a"
	objectID = "11111111-2222-4333-8444-555555555555"
)

// entraForm is what an admin types for one organisation.
func entraForm(more ...string) []string {
	return append([]string{
		"name", "Microsoft", "client_id", "app-1", "tenants", tenantID, "credential", "secret", "client_secret", "their secret",
		"trust", "trusted", "enabled", "on", "reason", "ticket 7",
	}, more...)
}

// connect adds a connection past the console.
func (h *house) connect(population string, change func(c *connections.ConnectionChange)) connections.ConnectionEntry {
	h.t.Helper()
	c := connections.ConnectionChange{
		Connection: idp.Connection{
			PopulationID: population, Kind: idp.EntraConnection, Name: "Microsoft", Enabled: true, Tenants: []string{tenantID}, ClientID: "app-1",
		},
		ClientSecret: "their secret",
	}
	if change != nil {
		change(&c)
	}
	e, err := h.Manage.Connections.AddConnection(h.t.Context(), authz.System(), c)
	idptest.Must(h.t, err)
	return e
}

// only is the one connection there is.
func (h *house) only() idp.Connection {
	h.t.Helper()
	list, err := h.Store.Connections(h.t.Context(), "")
	idptest.Must(h.t, err)
	if len(list) != 1 {
		h.t.Fatalf("%d connections", len(list))
	}
	return list[0]
}

// A connection is added, gets a certificate, and goes, in the console alone.
func TestAConnectionsLifeInTheConsole(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		h := open(t, db)
		b := h.admin()
		page := h.page(b, "/authentication/contacts/access")
		want(t, page, http.StatusOK, "Contact Authentication", "Portal access", "No connection yet.")
		want(t, h.page(b, "/authentication/contacts/connections/new"), http.StatusOK, "Add a connection", "connections/new/oidc")
		form := h.page(b, "/authentication/contacts/connections/new/entra")
		want(t, form, http.StatusOK, "Microsoft Entra, one organisation", h.Issuer+"/federation/callback", h.Issuer+"/federation/logout")
		added := b.Submit(form, "/new/entra", entraForm("map_claim", "roles", "map_value", "Desk", "map_role", "agent")...)
		want(t, added, http.StatusOK, "Microsoft", "The connection is added", "Keep the client secret", tenantID)
		c := h.only()
		if c.PopulationID != idp.Contacts || c.Trust != idp.Trusted || len(c.Roles) != 1 || !c.Enabled || c.AnyTenant {
			t.Errorf("%+v", c)
		}
		if strings.Contains(added.Body, "their secret") {
			t.Error("the page shows the secret")
		}
		settings := entraForm("credential", "certificate", "client_secret", "", "any_tenant", "", "personal_accounts", "", "create_users", "on")
		changed := b.Submit(added, "/connections/"+c.ID, settings...)
		want(t, changed, http.StatusOK, "Microsoft", "Saved.", "Keep the certificate", "Download certificate")
		file := h.page(b, "/authentication/contacts/connections/"+c.ID+"/certificate")
		if !strings.HasPrefix(file.Body, "-----BEGIN CERTIFICATE-----") || strings.Contains(file.Body, "PRIVATE") {
			t.Errorf("%d %s", file.Status, file.Body)
		}
		if now := h.only(); !now.CreateUsers || len(now.Roles) != 0 || now.Secret != nil {
			t.Errorf("%+v", now)
		}
		// The previous form is stale by now.
		want(t, b.Submit(added, "/connections/"+c.ID, settings...), http.StatusConflict, "Microsoft", "This was changed in the meantime")
		kept := b.Submit(changed, "/connections/"+c.ID, entraForm("credential", "keep", "name", "Contoso")...)
		want(t, kept, http.StatusOK, "Contoso", "Saved.")
		want(t, h.page(b, "/authentication/contacts/access"), http.StatusOK, "Contact Authentication", "Contoso", "Microsoft Entra, 1 organisation", "Trusted")

		ask := h.page(b, "/authentication/contacts/connections/"+c.ID+"/delete")
		want(t, ask, http.StatusOK, "Delete Contoso?", "people linked", "sessions that began with it")
		want(t, b.Submit(ask, "/delete", "reason", " "), http.StatusUnprocessableEntity, "Delete Contoso?", `id="reason-error"`)
		want(t, b.Submit(ask, "/delete", "reason", "gone"), http.StatusOK, "Contact Authentication", "The connection is deleted", "No connection yet.")
		want(t, h.page(b, "/authentication/contacts/connections/"+c.ID), http.StatusNotFound, "There is no page here")
	})
}

func TestWhatIsWrongAboutAConnectionIsSaidBesideTheField(t *testing.T) {
	t.Parallel()
	h := open(t, idptest.Alone(t))
	b := h.admin()
	form := h.page(b, "/authentication/agents/connections/new/entra-several")
	for field, values := range map[string][]string{
		"name": {"name", " "}, "client_id": {"client_id", " "}, "tenants": {"tenants", "contoso.onmicrosoft.com"},
		"credential": {"credential", ""}, "client_secret": {"client_secret", ""}, "trust": {"trust", "blind"},
		"context": {"trust", "evidence"}, "domains": {"domains", "com"}, "domain_hint": {"domain_hint", "com"},
		"roles": {"map_claim", "groups", "map_value", "g", "map_role", "invented"}, "name_claim": {"name_claim", strings.Repeat("n", 200)},
		"reason": {"reason", ""},
	} {
		page := b.Submit(form, "/entra-several", entraForm(values...)...)
		want(t, page, http.StatusUnprocessableEntity, "Microsoft Entra, several organisations", `id="`+field+`-error"`)
		if strings.Contains(page.Body, "their secret") {
			t.Errorf("%s: the page shows the secret", field)
		}
	}
	if list, err := h.Store.Connections(t.Context(), ""); err != nil || len(list) != 0 {
		t.Errorf("%d connections, %v", len(list), err)
	}
	// What was typed is still there.
	page := b.Submit(form, "/entra-several", entraForm("name", "Kept & shown", "reason", "", "map_claim", "roles", "map_value", "Desk", "map_role", "manager")...)
	want(t, page, http.StatusUnprocessableEntity, "Microsoft Entra, several organisations", "Kept &amp; shown", tenantID, "app-1", `value="Desk"`)

	other := h.page(b, "/authentication/agents/connections/new/oidc")
	bad := b.Submit(other, "/new/oidc", entraForm("tenants", "", "issuer", "ftp://partner.example")...)
	want(t, bad, http.StatusUnprocessableEntity, "Another OpenID Connect provider", `id="issuer-error"`)
	want(t, b.Submit(other, "/new/oidc", entraForm("issuer", "https://login.partner.example", "trust", "local")...), http.StatusOK, "Microsoft", "The connection is added")
	if c := h.only(); c.Kind != idp.OIDCConnection || len(c.Tenants) != 0 || c.Trust != idp.LocalStep {
		t.Errorf("%+v", c)
	}
	for _, path := range []string{"/authentication/agents/connections/new/saml", "/authentication/nothing/access", "/authentication/%00/access", "/authentication/contacts/connections/" + h.only().ID} {
		want(t, h.page(b, path), http.StatusNotFound, "There is no page here")
	}
}

// The template says who may come, and a form cannot say more.
func TestATemplateSaysWhoMayCome(t *testing.T) {
	t.Parallel()
	h := open(t, idptest.Alone(t))
	b := h.admin()
	form := h.page(b, "/authentication/agents/connections/new/entra")
	b.Submit(form, "/new/entra", entraForm("any_tenant", "on", "personal_accounts", "on")...)
	if c := h.only(); c.AnyTenant || c.PersonalAccounts || !slices.Equal(c.Tenants, []string{tenantID}) {
		t.Errorf("%+v", c)
	}
	form = h.page(b, "/authentication/contacts/connections/new/entra-any")
	if strings.Contains(form.Body, `name="tenants"`) || strings.Contains(form.Body, `name="domains"`) {
		t.Error("the form asks for tenants or domains")
	}
	b.Submit(form, "/new/entra-any", entraForm("tenants", "", "trust", "local")...)
	list, err := h.Store.Connections(t.Context(), idp.Contacts)
	if idptest.Must(t, err); len(list) != 1 || !list[0].AnyTenant {
		t.Errorf("%+v", list)
	}
}

// breaksGlass signs in where passwords are no longer taken: by a link for emergencies.
func (h *house) breaksGlass(email string) *idptest.Browser {
	h.t.Helper()
	token, err := h.Manage.Links.BreakGlass(h.t.Context())
	idptest.Must(h.t, err)
	b := idptest.NewBrowser(h.t)
	page := b.Submit(b.Get(h.Issuer+"/login/break-glass/"+token), token)
	page = b.Submit(page, "/password", "email", email, "password", password)
	phone := idptest.Scan(h.t, page)
	b.Submit(b.Submit(page, "/enrol", "code", phone.Code(0)), "/saved", "saved", "yes")
	return b
}

func TestPortalAccessIsChangedInTwoSteps(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		h := open(t, db)
		b := h.admin()
		h.person("glass@rtx.example", idp.RoleAdmin)
		access := func() idp.Access {
			p, err := h.Store.Population(t.Context(), idp.Agents)
			idptest.Must(t, err)
			return p.Access
		}
		form := h.page(b, "/authentication/agents/access")
		want(t, b.Submit(form, "/access", "access", ""), http.StatusUnprocessableEntity, "Agent Authentication", `id="access-error"`)
		choice := b.Submit(form, "/access", "access", "both")
		want(t, choice, http.StatusOK, "Change portal access?", "people choose between", "not linked yet")
		want(t, b.Submit(choice, "/confirm", "reason", ""), http.StatusUnprocessableEntity, "Change portal access?", `id="reason-error"`)
		want(t, b.Submit(choice, "/confirm", "reason", "go live"), http.StatusUnprocessableEntity, "Agent Authentication", "no connection that is switched on")
		c := h.connect(idp.Agents, nil)
		want(t, b.Submit(choice, "/confirm", "reason", "go live"), http.StatusOK, "Agent Authentication", "rest on a way you turned off have ended")
		if access() != (idp.Access{Password: true, Federated: true}) {
			t.Errorf("%+v", access())
		}
		want(t, b.Submit(choice, "/confirm", "reason", "again"), http.StatusConflict, "Agent Authentication", "This was changed in the meantime")
		want(t, b.Submit(form, "/access", "access", "federated"), http.StatusConflict, "Agent Authentication", "This was changed in the meantime")

		only := b.Submit(h.page(b, "/authentication/agents/access"), "/access", "access", "federated")
		want(t, only, http.StatusOK, "Change portal access?", "Passwords stop working", "break-glass")
		want(t, b.Submit(only, "/confirm", "reason", "go live"), http.StatusUnprocessableEntity, "Agent Authentication", "No admin could sign in")
		if !access().Password {
			t.Error("nobody could sign in any more")
		}
		// What is the only way in cannot be switched off.
		admins, err := h.Store.UserByEmail(t.Context(), idp.Agents, "admin@rtx.example")
		idptest.Must(t, err)
		idptest.Must(t, h.Manage.Connections.LinkIdentity(t.Context(), authz.System(), connections.NewIdentity{UserID: admins.ID, ConnectionID: c.ID, TenantID: tenantID, ObjectID: objectID}))
		want(t, only, http.StatusOK, "Change portal access?", "signed out now, including you")
		want(t, b.Submit(only, "/confirm", "reason", "go live"), http.StatusOK, "Sign in to Gatehouse")
		b = h.breaksGlass("glass@rtx.example")
		settings := h.page(b, "/authentication/agents/connections/"+c.ID)
		want(t, b.Submit(settings, c.ID, entraForm("enabled", "", "credential", "keep")...), http.StatusUnprocessableEntity, "Microsoft", `id="enabled-error"`)
		ask := h.page(b, "/authentication/agents/connections/"+c.ID+"/delete")
		want(t, b.Submit(ask, "/delete", "reason", "gone"), http.StatusUnprocessableEntity, "Delete Microsoft?", "the only way in")
	})
}

// Each page and form of connections asks for a fresh second step before it is typed in.
func TestConnectionsNeedAFreshSecondStep(t *testing.T) {
	t.Parallel()
	h := open(t, idptest.Alone(t))
	b := h.admin()
	c := h.connect(idp.Agents, nil)
	u := h.person("somebody@rtx.example")
	form := h.page(b, "/authentication/agents/access")
	settings := h.page(b, "/authentication/agents/connections/"+c.ID)
	h.AgeProofs(11 * time.Minute)
	want(t, b.Submit(form, "/access", "access", "both"), http.StatusOK, "Enter your password again")
	want(t, b.Submit(settings, c.ID, entraForm("credential", "keep")...), http.StatusOK, "Enter your password again")
	for _, path := range []string{
		"/authentication/agents/connections/new/entra", "/authentication/agents/connections/" + c.ID,
		"/authentication/agents/connections/" + c.ID + "/delete", "/people/" + u.ID + "/connect/" + c.ID,
	} {
		want(t, h.page(b, path), http.StatusOK, "Enter your password again")
	}
}

func TestConnectionsAreForWhoManagesAuthentication(t *testing.T) {
	t.Parallel()
	h := open(t, idptest.Alone(t))
	c := h.connect(idp.Agents, nil)
	h.person("people@rtx.example", h.role(idp.PermissionUsers))
	b, home := h.enters("people@rtx.example")
	if strings.Contains(home.Body, "/authentication/") {
		t.Error("authentication is in the navigation")
	}
	at := "/authentication/agents/connections/"
	for _, path := range []string{"/authentication/agents/access", at + "new", at + "new/entra", at + c.ID, at + c.ID + "/certificate", at + c.ID + "/delete"} {
		want(t, h.page(b, path), http.StatusForbidden, "This account cannot open this page")
	}
	for _, path := range []string{"/authentication/agents/access", "/authentication/agents/access/confirm", at + "new/entra", at + c.ID, at + c.ID + "/delete"} {
		values := url.Values{"access": {"both"}, "version": {"1"}, "reason": {"x"}, "credential": {"keep"}, "name": {"Mine"}}
		want(t, b.Post(h.Issuer+"/admin"+path, values), http.StatusForbidden, "This account cannot open this page")
	}
	if now := h.only(); now.Name != "Microsoft" || now.Version != 1 {
		t.Errorf("%+v", now)
	}
}

// An admin connects a person with their account elsewhere, and disconnects it.
func TestAPersonsAccountIsConnectedAndDisconnected(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		h := open(t, db)
		b := h.admin()
		u, other := h.person("somebody@rtx.example"), h.person("other@rtx.example")
		if strings.Contains(h.page(b, "/people/"+u.ID+"/sign-in").Body, "Connected accounts") {
			t.Error("accounts, and there is no connection")
		}
		c := h.connect(idp.Agents, nil)
		foreign := h.connect(idp.Contacts, nil)
		person := h.page(b, "/people/"+u.ID+"/sign-in")
		want(t, person, http.StatusOK, "Somebody", "Connected accounts", "Not connected", "/people/"+u.ID+"/connect/"+c.ID)
		if strings.Contains(person.Body, foreign.ID) {
			t.Error("another population's connection is on offer")
		}
		form := h.page(b, "/people/"+u.ID+"/connect/"+c.ID)
		want(t, form, http.StatusOK, "Connect Somebody with Microsoft", `value="`+tenantID+`"`)
		good := []string{"tenant_id", tenantID, "object_id", objectID, "reason", "ticket 7"}
		for field, value := range map[string]string{"tenant_id": objectID, "object_id": "maya@rtx.example", "reason": ""} {
			want(t, b.Submit(form, c.ID, append(good, field, value)...), http.StatusUnprocessableEntity, "Connect Somebody with Microsoft", `id="`+field+`-error"`)
		}
		want(t, b.Submit(form, c.ID, good...), http.StatusOK, "Somebody", "The account is connected", tenantID, objectID, "/unlink/"+c.ID)
		second := h.page(b, "/people/"+other.ID+"/connect/"+c.ID)
		want(t, b.Submit(second, c.ID, good...), http.StatusConflict, "Connect Somebody with Microsoft", "is connected already")

		ask := h.page(b, "/people/"+u.ID+"/unlink/"+c.ID)
		want(t, ask, http.StatusOK, "Disconnect Somebody from Microsoft?", "Apps lose")
		want(t, b.Submit(ask, c.ID, "reason", ""), http.StatusUnprocessableEntity, "Disconnect Somebody from Microsoft?", `id="reason-error"`)
		want(t, b.Submit(ask, c.ID, "reason", "left"), http.StatusOK, "Somebody", "The account is disconnected", "Not connected")
		for _, path := range []string{"/unlink/" + c.ID, "/unlink", "/unlink/none", "/connect/none", "/connect/%00", "/connect/" + foreign.ID} {
			want(t, h.page(b, "/people/"+u.ID+path), http.StatusNotFound, "There is no page here")
		}
		if list, err := h.Store.IdentitiesOf(t.Context(), u.ID); err != nil || len(list) != 0 {
			t.Errorf("%+v, %v", list, err)
		}
	})
}

// Who may help people back in, and not change them, sees who they are elsewhere.
func TestConnectedAccountsAreChangedByWhoManagesPeople(t *testing.T) {
	t.Parallel()
	h := open(t, idptest.Alone(t))
	c, u := h.connect(idp.Agents, nil), h.person("somebody@rtx.example")
	admin := h.person("above@rtx.example", idp.RoleAdmin)
	idptest.Must(t, h.Manage.Connections.LinkIdentity(t.Context(), authz.System(), connections.NewIdentity{UserID: u.ID, ConnectionID: c.ID, TenantID: tenantID, ObjectID: objectID}))
	h.person("desk@rtx.example", h.role(idp.PermissionAgentRecovery))
	b, _ := h.enters("desk@rtx.example")
	page := h.page(b, "/people/"+u.ID+"/sign-in")
	want(t, page, http.StatusOK, "Somebody", "Connected accounts", objectID)
	h.person("people@rtx.example", h.role(idp.PermissionUsers))
	manager, _ := h.enters("people@rtx.example")
	above := h.page(manager, "/people/"+admin.ID+"/sign-in")
	for _, p := range []*idptest.Page{page, above} {
		if strings.Contains(p.Body, "/unlink/") || strings.Contains(p.Body, "/connect/") {
			t.Error("connecting is on offer")
		}
	}
	for path, browser := range map[string]*idptest.Browser{
		"/people/" + u.ID + "/unlink/" + c.ID: b, "/people/" + u.ID + "/connect/" + c.ID: b, "/people/" + admin.ID + "/connect/" + c.ID: manager,
	} {
		want(t, h.page(browser, path), http.StatusForbidden, "This account cannot open this page")
		values := url.Values{"tenant_id": {tenantID}, "object_id": {"66666666-7777-4888-9999-000000000000"}, "reason": {"x"}}
		want(t, browser.Post(h.Issuer+"/admin"+path, values), http.StatusForbidden, "This account cannot open this page")
	}
	list, err := h.Store.IdentitiesOf(t.Context(), u.ID)
	if err != nil || len(list) != 1 {
		t.Errorf("%+v, %v", list, err)
	}
}

func TestAllThatIsWrongAboutAConnectionIsSaidAtOnce(t *testing.T) {
	t.Parallel()
	h := open(t, idptest.Alone(t))
	b := h.admin()
	form := h.page(b, "/authentication/agents/connections/new/entra")
	bad := b.Submit(form, "/new/entra", entraForm("name", " ", "client_id", "", "tenants", "contoso", "client_secret", "", "trust", "evidence", "domain_hint", "com", "reason", "")...)
	want(t, bad, http.StatusUnprocessableEntity, "Microsoft Entra, one organisation", `id="name-error"`, `id="client_id-error"`, `id="tenants-error"`,
		`id="client_secret-error"`, `id="context-error"`, `id="domain_hint-error"`, `id="reason-error"`, `<details class="snippet" open>`)
}
