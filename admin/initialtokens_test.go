package admin_test

import (
	"encoding/json"
	"net/http"
	"regexp"
	"testing"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
)

var tokenOn = regexp.MustCompile(`<code translate="no" class="secret" id="token">([^<]+)</code>`)

func TestATokenForAppsThatRegisterThemselvesIsMadeShownOnceAndWithdrawn(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		h := open(t, db)
		b := h.admin()
		want(t, h.page(b, "/apps"), http.StatusOK, "Apps", `/admin/apps/registration"`)
		want(t, h.page(b, "/apps/registration"), http.StatusOK, "Apps that register themselves", "There is no token", "cannot register themselves at this server")
		form := h.page(b, "/apps/registration/new")
		want(t, form, http.StatusOK, "Make a token", "Who gets it", "*.example.com")
		common := []string{
			"population_1", idp.Agents, "lifetime", "7", "lifetime_unit", "days", "max_apps", "2", "grant_types", "authorization_code", "scopes", "openid\r\nemail",
			"secret_lifetime", "0", "secret_lifetime_unit", "days",
		}
		wrong := b.Submit(form, "/apps/registration/new", append(common, "name", "", "redirect_hosts", "https://partner.example/")...)
		want(t, wrong, http.StatusUnprocessableEntity, "Make a token", "is not a host", "Give it a name")
		made := b.Submit(wrong, "/apps/registration/new", append(common, "name", "Partner", "redirect_hosts", "*.partner.example")...)
		found := tokenOn.FindStringSubmatch(made.Body)
		if made.Status != http.StatusOK || found == nil {
			t.Fatalf("status %d without a token\n%s", made.Status, made.Body)
		}
		list := h.page(b, "/apps/registration")
		want(t, list, http.StatusOK, "Apps that register themselves", "Partner", "0 of 2")
		if tokenOn.MatchString(list.Body) {
			t.Error("the token is shown again")
		}
		app, err := h.Manage.Apps.Register(t.Context(), found[1], map[string]json.RawMessage{"redirect_uris": json.RawMessage(`["https://a.partner.example/cb"]`)})
		idptest.Must(t, err)
		want(t, h.page(b, "/apps/"+app.ID), http.StatusOK, "a.partner.example", "Registered itself on", "Partner")

		ask := b.Get(idptest.Follow(t, list, "Withdraw"))
		want(t, ask, http.StatusOK, "Withdraw the token Partner?", "stay as they are")
		want(t, b.Submit(ask, "/withdraw", "reason", ""), http.StatusUnprocessableEntity, "Withdraw the token Partner?")
		want(t, b.Submit(ask, "/withdraw", "reason", "over"), http.StatusOK, "Apps that register themselves", "Withdrawn", "1 of 2")
		if page := b.Submit(ask, "/withdraw", "reason", "over"); page.Status != http.StatusNotFound {
			t.Errorf("withdrawn again: %d", page.Status)
		}
		if h.Audited(idp.AuditInitialTokenMade) != 1 || h.Audited(idp.AuditInitialTokenEnded) != 1 {
			t.Error("the audit log lacks the token")
		}
	})
}
