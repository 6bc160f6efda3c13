package admin_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/manage/authz"
	"gatehouse/idp/manage/populations"
)

// An admin who has an authenticator does what is sensitive with that: an email code lets
// in whoever has their password and their mailbox.
func TestAnEmailCodeIsNoFreshStepOfAnAdminWithAnAuthenticator(t *testing.T) {
	t.Parallel()
	app, box := idptest.StartWithMail(t, idptest.Alone(t).URL)
	h := &house{App: app, t: t}
	h.person("ada@rtx.example", idp.RoleAdmin)
	b := idptest.NewBrowser(t)
	page := b.Submit(b.Get(h.Issuer+"/admin"), "/password", "email", "ada@rtx.example", "password", password)
	phone := idptest.Scan(t, page)
	b.Submit(b.Submit(page, "/enrol", "code", phone.Code(0)), "/saved", "saved", "yes")
	h.SetPolicy(idp.Agents, idp.Policy{Authenticator: true, EmailCode: true}, populations.OnNextLogin)

	b = idptest.NewBrowser(t)
	page = b.Submit(b.Get(h.Issuer+"/admin"), "/password", "email", "ada@rtx.example", "password", password)
	page = b.Submit(page, "/method", "method", "email")
	page = b.Submit(page, "/email", "code", box.Code("ada@rtx.example"))
	if page.Status != http.StatusOK || !strings.HasSuffix(page.URL.Path, "/admin") {
		t.Fatalf("%d %q (%s)", page.Status, page.Heading(), page.URL)
	}
	for name, page := range map[string]*idptest.Page{
		"a page":  h.page(b, "/roles/new"),
		"a form":  b.Post(h.Issuer+"/admin/roles/new", url.Values{"name": {"Mine"}, "reason": {"ticket 1"}}),
		"by hand": h.page(b, "/step-up?to=/admin/roles/new"),
	} {
		if page.Heading() != "Enter the code from your app" || strings.Contains(page.Body, `value="email"`) {
			t.Errorf("%s: %d %q (%s)", name, page.Status, page.Heading(), page.URL)
		}
	}
	if roles, err := h.Manage.Roles.Roles(t.Context(), authz.System()); err != nil || len(roles) != 3 {
		t.Errorf("%d roles (%v)", len(roles), err)
	}
	page = b.Submit(h.page(b, "/roles/new"), "/totp", "code", phone.Code(1))
	if page.Status != http.StatusOK || !strings.HasSuffix(page.URL.Path, "/roles/new") {
		t.Errorf("with the app: %d %q (%s)", page.Status, page.Heading(), page.URL)
	}
}

// What would get around a second step, or reach up through an app or a connection, is not
// offered to who may not do it, and refused.
func TestTheConsoleOffersNoWayAround(t *testing.T) {
	t.Parallel()
	h := open(t, idptest.Alone(t))
	agent := h.person("maya@rtx.example")
	idptest.Must(t, h.Store.CreateFactor(t.Context(), idp.Factor{
		ID: idp.NewID(), UserID: agent.ID, Method: idp.MethodTOTP, Secret: []byte("sealed"), CreatedAt: idp.Now(), LastUsedAt: idp.Now(),
	}))
	c := h.connect(idp.Agents, nil)
	h.person("people@rtx.example", h.newRole("People", idp.PermissionUsers))
	b, _ := h.enters("people@rtx.example")
	at := "/people/" + agent.ID
	if page := h.page(b, at); page.Status != http.StatusOK || strings.Contains(page.Body, "/connect/") {
		t.Errorf("connecting is offered (%d)", page.Status)
	}
	if page := h.page(b, at+"/edit"); !strings.Contains(page.Body, "readonly") || !strings.Contains(page.Body, "permission to reset their MFA") {
		t.Errorf("the address may be edited: %s", page.Body)
	}
	for path, form := range map[string]url.Values{
		at + "/edit":            {"version": {"1"}, "name": {"Maya"}, "email": {"mine@evil.example"}},
		at + "/connect/" + c.ID: {"tenant_id": {"x"}, "object_id": {"x"}, "reason": {"ticket 1"}},
	} {
		if page := b.Post(h.Issuer+"/admin"+path, form); page.Status != http.StatusForbidden {
			t.Errorf("%s: %d %q", path, page.Status, page.Heading())
		}
	}

	admin := h.person("ada@rtx.example", idp.RoleAdmin)
	idptest.Must(t, h.Store.CreateIdentity(t.Context(), idp.Identity{ConnectionID: c.ID, Subject: "a/b", UserID: admin.ID, CreatedAt: idp.Now()}))
	app, _, err := h.Manage.Apps.AddClient(t.Context(), authz.System(), idp.Client{
		Name: "Tools", Populations: []string{idp.Agents}, RedirectURIs: []string{"https://tools.example/cb"}, Scopes: []string{"openid", idp.AdminScope},
	})
	idptest.Must(t, err)
	h.person("both@rtx.example", h.newRole("Both", idp.PermissionAuthentication, idp.PermissionClients))
	b, _ = h.enters("both@rtx.example")
	page := h.page(b, "/authentication/agents/connections/"+c.ID)
	if page.Status != http.StatusOK || !strings.Contains(page.Body, "have permissions that you don’t have") || strings.Contains(page.Body, c.ID+"/delete") {
		t.Errorf("the connection: %d\n%s", page.Status, page.Body)
	}
	page = h.page(b, "/apps/"+app.ID)
	if _, _, form := page.Form("/apps/" + app.ID); page.Status != http.StatusOK || form || strings.Contains(page.Body, "/secrets") {
		t.Errorf("the app: %d\n%s", page.Status, page.Body)
	}
}
