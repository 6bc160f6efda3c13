package admin_test

import (
	"net/http"
	"testing"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/manage/people"
	"gatehouse/idp/manage/populations"
)

const password = idptest.Password

var want = idptest.Want

// house is a provider with its console, and somebody who signs in to it.
type house struct {
	*idptest.App
	t  *testing.T
	db *idptest.Database
}

func open(t *testing.T, db *idptest.Database) *house {
	t.Helper()
	return &house{App: idptest.Start(t, db.URL, ""), t: t, db: db}
}

// person adds somebody with roles.
func (h *house) person(email string, roles ...string) idp.User {
	h.t.Helper()
	u, err := h.Manage.People.CreateUser(h.t.Context(), people.NewUser{
		Population: idp.Agents, Email: email, Name: "Somebody", Password: password, Roles: roles,
	})
	idptest.Must(h.t, err)
	return u
}

// enters signs somebody in to the console for the first time, with set-up.
func (h *house) enters(email string) (*idptest.Browser, *idptest.Page) {
	h.t.Helper()
	b := idptest.NewBrowser(h.t)
	page := b.Submit(b.Get(h.Issuer+"/admin"), "/password", "email", email, "password", password)
	phone := idptest.Scan(h.t, page)
	return b, b.Submit(b.Submit(page, "/enrol", "code", phone.Code(0)), "/saved", "saved", "yes")
}

func (h *house) page(b *idptest.Browser, path string) *idptest.Page {
	h.t.Helper()
	return b.Get(h.Issuer + "/admin" + path)
}

func TestTheConsoleLeadsThroughSetUpWhateverThePolicy(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		h := open(t, db)
		h.person("admin@rtx.example", idp.RoleAdmin)
		h.SetPolicy(idp.Agents, idp.Policy{}, populations.OnNextLogin)
		_, page := h.enters("admin@rtx.example")
		want(t, page, http.StatusOK, "Overview", "admin@rtx.example", "Agent Authentication", "First steps")
	})
}

func TestWithoutARoleTheConsoleIsClosed(t *testing.T) {
	t.Parallel()
	h := open(t, idptest.Alone(t))
	h.person("agent@rtx.example")
	b, page := h.enters("agent@rtx.example")
	want(t, page, http.StatusForbidden, "This account cannot open this page")
	for _, path := range []string{"/authentication/agents", "/authentication/agents/mfa", "/step-up"} {
		want(t, h.page(b, path), http.StatusForbidden, "This account cannot open this page")
	}

	h.person("admin@rtx.example", idp.RoleAdmin)
	page = b.Get(idptest.Follow(t, page, "Use another account"))
	page = b.Submit(b.Get(page.URL.String()+"?other=1"), "/password", "email", "admin@rtx.example", "password", password)
	page = b.Submit(b.Submit(page, "/enrol", "code", idptest.Scan(t, page).Code(0)), "/saved", "saved", "yes")
	want(t, page, http.StatusOK, "Overview", "admin@rtx.example")
}
