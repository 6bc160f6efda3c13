package admin_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
)

func TestTheSystemPageShowsHowItDoes(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		h := open(t, db)
		b := h.admin()
		database := map[string]string{"sqlite": "SQLite", "postgres": "PostgreSQL"}[db.Dialect()]
		want(t, h.page(b, "/system"), http.StatusOK, "System", "Answers", database, "00", "RS256", "EdDSA", "Signs", "No mail server is connected", "Deliveries")
		_, err := h.Keys.Rotate(t.Context(), true)
		idptest.Must(t, err)
		want(t, h.page(b, "/system"), http.StatusOK, "System", ">Next<")
		want(t, b.Post(h.Issuer+"/admin/system/test-mail", url.Values{"to": {"maya@rtx.example"}}), http.StatusUnprocessableEntity, "System", "No mail server is connected")
	})
}

func TestATestMailIsAnsweredByTheMailServer(t *testing.T) {
	t.Parallel()
	app, box := idptest.StartWithMail(t, idptest.Alone(t).URL)
	h := &house{App: app, t: t}
	b := h.admin()
	page := h.page(b, "/system")
	want(t, page, http.StatusOK, "System", "A mail server is connected", `value="admin@rtx.example"`)
	want(t, b.Submit(page, "/test-mail", "to", "maya@rtx.example"), http.StatusOK, "System", "The mail server accepted the email")
	if letter := box.Next("maya@rtx.example"); letter.Subject == "" {
		t.Error("the test mail has no subject")
	}
	for _, to := range []string{"", "nobody", "a@b.example\r\nBcc: c@d.example", "<script>@x"} {
		page := b.Submit(page, "/test-mail", "to", to)
		want(t, page, http.StatusUnprocessableEntity, "System", `id="to-error"`)
	}
	box.Down()
	want(t, b.Submit(page, "/test-mail", "to", "maya@rtx.example"), http.StatusUnprocessableEntity, "System", "The mail server answered: ")
	box.Up()
}

func TestPartsOfTheSystemPageAreForWhoMaySeeThem(t *testing.T) {
	t.Parallel()
	h := open(t, idptest.Alone(t))
	h.person("keys@rtx.example", h.role(idp.PermissionKeys))
	h.person("rules@rtx.example", h.role(idp.PermissionAuthentication))
	h.person("watch@rtx.example", h.role(idp.PermissionDeliveries))
	for email, sees := range map[string]map[string]bool{
		"keys@rtx.example": {"Signing keys": true, "Deliveries": true}, "rules@rtx.example": {"No mail server is connected": true},
		"watch@rtx.example": {"Deliveries": true},
	} {
		b, home := h.enters(email)
		if !strings.Contains(home.Body, `/admin/system"`) {
			t.Errorf("%s does not see the system in the navigation", email)
		}
		page := h.page(b, "/system")
		want(t, page, http.StatusOK, "System", "Answers")
		for _, part := range []string{"Signing keys", "Deliveries", "No mail server is connected"} {
			if strings.Contains(page.Body, part) != sees[part] {
				t.Errorf("%s sees %s: %t", email, part, !sees[part])
			}
		}
		for path, allowed := range map[string]bool{"/system/retry": email == "keys@rtx.example", "/system/test-mail": email == "rules@rtx.example"} {
			if p := b.Post(h.Issuer+"/admin"+path, url.Values{"lane": {"mail"}, "to": {"x"}}); (p.Status != http.StatusForbidden) != allowed {
				t.Errorf("%s: %s answers %d", email, path, p.Status)
			}
		}
	}
}

func TestARevokedKeyIsGoneFromTheSystemPage(t *testing.T) {
	t.Parallel()
	h := open(t, idptest.Alone(t))
	b := h.admin()
	leaked := h.Keys.List()[0].ID
	h.AddParty(idp.Client{})
	h.AddParty(idp.Client{TokenFormat: idp.JWTToken})
	h.AddParty(idp.Client{SigningAlg: idp.EdDSA})
	ask := h.page(b, "/system/keys/"+leaked+"/revoke")
	heading := "Revoke the RS256 key " + leaked + "?"
	want(t, ask, http.StatusOK, heading, "2", "apps get ID tokens signed this way", "app gets access tokens signed this way", "cannot be counted", "stop working", "Another key signs at once", "go on")
	want(t, b.Submit(ask, "/revoke"), http.StatusUnprocessableEntity, heading)
	if len(h.Keys.List()) != 4 {
		t.Fatal("revoked without a reason")
	}
	page := b.Submit(ask, "/revoke", "reason", "It leaked")
	want(t, page, http.StatusOK, "System", "The key is revoked")
	if strings.Contains(page.Body, leaked) {
		t.Error("the key is still there")
	}
	if got := h.page(b, "/system/keys/"+leaked+"/revoke").Status; got != http.StatusNotFound {
		t.Errorf("a key that is gone: %d", got)
	}
	h.person("rules@rtx.example", h.role(idp.PermissionAuthentication))
	other, _ := h.enters("rules@rtx.example")
	id := h.Keys.List()[0].ID
	if got := h.page(other, "/system/keys/"+id+"/revoke").Status; got != http.StatusForbidden {
		t.Errorf("who may not see keys: %d", got)
	}
}
