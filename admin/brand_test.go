package admin_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
)

func TestAPopulationGetsANameAndAColour(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		h := open(t, db)
		b := h.admin()
		form := h.page(b, "/authentication/agents/brand")
		want(t, form, http.StatusOK, "Agent Authentication", "Name and logo")
		good := []string{"name", "Bluebird Repairs", "brand_color", "#F2A900", "logo_url", "https://rtx.example/logo.svg", "help_url", "https://help.rtx.example/", "privacy_url", "", "support_url", "https://rtx.example/support"}
		// Looking at a colour saves nothing.
		shown := b.Submit(form, "/brand", append(good, "preview", "yes")...)
		want(t, shown, http.StatusOK, "Agent Authentication", "adjusted to be readable", "#f2a900 (", "2.0:1 with white", `fill="#f2a900"`)
		if p, err := h.Store.Population(t.Context(), idp.Agents); err != nil || p.Name != "Agents" {
			t.Errorf("a preview saved %+v, %v", p, err)
		}
		for field, value := range map[string]string{
			"name": " ", "brand_color": "red;}", "logo_url": "javascript:alert(1)", "help_url": "http://help.rtx.example/", "privacy_url": "/privacy",
			"support_url": "http://rtx.example/support",
		} {
			want(t, b.Submit(form, "/brand", append(good, field, value)...), http.StatusUnprocessableEntity, "Agent Authentication", `id="`+field+`-error"`)
		}
		want(t, b.Submit(form, "/brand", append(good, "brand_color", "blue", "preview", "yes")...), http.StatusOK, "Agent Authentication", `id="brand_color-error"`)
		want(t, b.Submit(form, "/brand", append(good, "id", "contacts", "min_version", "99", "session_idle", "1")...), http.StatusOK, "Agent Authentication", "Saved.")
		p, err := h.Store.Population(t.Context(), idp.Agents)
		idptest.Must(t, err)
		if p.Name != "Bluebird Repairs" || p.BrandColor != "#f2a900" || p.HelpURL != "https://help.rtx.example/" || p.SupportURL != "https://rtx.example/support" || p.MinVersion != 0 || p.SessionIdle.Hours() != 1 {
			t.Errorf("saved %+v", p)
		}
		want(t, b.Submit(form, "/brand", good...), http.StatusConflict, "Agent Authentication", "This was changed in the meantime", "Bluebird Repairs")
		// People see it where they sign in.
		signIn := idptest.NewBrowser(t).Get(h.AddParty(idp.Client{}).Begin().URL)
		if !strings.Contains(signIn.Body, `<a href="https://rtx.example/support">Contact support</a>`) {
			t.Errorf("the sign-in page does not lead to support:\n%s", signIn.Body)
		}
		if !strings.Contains(signIn.Body, "Bluebird Repairs") || !strings.Contains(signIn.Body, "f2a900.css") {
			t.Errorf("the sign-in page is not in its brand:\n%s", signIn.Body)
		}
	})
}

func TestAPopulationIsAdded(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		h := open(t, db)
		b := h.admin()
		form := h.page(b, "/authentication/new")
		want(t, form, http.StatusOK, "Add a user group")
		for id, text := range map[string]string{"agents": "has that short name", "new": "name of a page of ours", "No Spaces": "2 to 32", "": "2 to 32", "../x": "2 to 32"} {
			want(t, b.Submit(form, "/authentication/new", "id", id, "name", "Partners"), http.StatusUnprocessableEntity, "Add a user group", text, `id="id-error"`)
		}
		want(t, b.Submit(form, "/authentication/new", "id", "partners", "name", " "), http.StatusUnprocessableEntity, "Add a user group", `id="name-error"`)
		want(t, b.Submit(form, "/authentication/new", "id", "partners", "name", "Partners"), http.StatusOK, "Partners Authentication", "The user group is added")
		want(t, h.page(b, "/apps/new/web"), http.StatusOK, "Web app", `value="partners"`)
	})
}

func TestBrandsAreForWhoManagesAuthentication(t *testing.T) {
	t.Parallel()
	h := open(t, idptest.Alone(t))
	h.person("people@rtx.example", h.role(idp.PermissionUsers))
	b, home := h.enters("people@rtx.example")
	if strings.Contains(home.Body, "/authentication/") {
		t.Error("authentication is in the navigation")
	}
	for _, path := range []string{"/authentication/agents/brand", "/authentication/new"} {
		want(t, h.page(b, path), http.StatusForbidden, "This account cannot open this page")
		want(t, b.Post(h.Issuer+"/admin"+path, url.Values{"name": {"x"}, "id": {"xx"}, "version": {"1"}}), http.StatusForbidden, "This account cannot open this page")
	}
	admin := h.admin()
	want(t, h.page(admin, "/authentication/nothing/brand"), http.StatusNotFound, "There is no page here")
	want(t, h.page(admin, "/authentication/%00/brand"), http.StatusNotFound, "There is no page here")
}
