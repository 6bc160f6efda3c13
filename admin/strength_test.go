package admin_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/manage"
)

// An admin who has an authenticator does what is sensitive with that: an email code lets
// in whoever has their password and their mailbox.
func TestAnEmailCodeIsNoFreshStepOfAnAdminWithAnAuthenticator(t *testing.T) {
	app, box := idptest.StartWithMail(t, idptest.Alone(t).URL)
	h := &house{App: app, t: t}
	h.person("ada@rtx.example", idp.RoleAdmin)
	b := idptest.NewBrowser(t)
	page := b.Submit(b.Get(h.Issuer+"/admin"), "/password", "email", "ada@rtx.example", "password", password)
	phone := idptest.Scan(t, page)
	b.Submit(b.Submit(page, "/enrol", "code", phone.Code(0)), "/saved", "saved", "yes")
	h.SetPolicy(idp.Agents, idp.Policy{Authenticator: true, EmailCode: true}, manage.OnNextLogin)

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
	if roles, err := h.Manage.Roles(t.Context(), manage.System()); err != nil || len(roles) != 3 {
		t.Errorf("%d roles (%v)", len(roles), err)
	}
	page = b.Submit(h.page(b, "/roles/new"), "/totp", "code", phone.Code(1))
	if page.Status != http.StatusOK || !strings.HasSuffix(page.URL.Path, "/roles/new") {
		t.Errorf("with the app: %d %q (%s)", page.Status, page.Heading(), page.URL)
	}
}
