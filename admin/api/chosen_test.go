package api_test

import (
	"crypto/sha256"
	"net/http"
	"strings"
	"testing"

	"gatehouse/admin/api"
	"gatehouse/idp"
	"gatehouse/idp/idptest"
)

// A client brings its id and secret from elsewhere; nothing else's id is given to it.
func TestAClientBringsItsIDAndSecret(t *testing.T) {
	inOffice(t, func(t *testing.T, o *office) {
		u, secret := o.someone(idp.Agents, idp.RoleAdmin), idp.NewSecret()
		app := object{"name": "App", "kind": "web", "populations": []string{"agents"}, "redirect_uris": []string{"https://rtx.example/cb"}, "secret": secret}
		made := o.ask("all", "createClient", "/clients", with(app, "id", "Shop_1.eu"))
		c := into[api.CreatedClient](t, made)
		if c.Client.ID != "Shop_1.eu" || c.Secret != nil || strings.Contains(string(made.body), secret) {
			t.Errorf("%s", made.body)
		}
		stored, err := o.Store.Client(t.Context(), "Shop_1.eu")
		hash := sha256.Sum256([]byte(secret))
		if err != nil || len(stored.SecretHashes) != 1 || string(stored.SecretHashes[0]) != string(hash[:]) {
			t.Errorf("%+v %v", stored, err)
		}
		for name, c := range map[string]struct {
			id, secret, field string
			status            int
		}{
			"taken":                 {"Shop_1.eu", secret, "id", http.StatusConflict},
			"a person's":            {u.ID, secret, "id", http.StatusUnprocessableEntity},
			"a person's in capital": {strings.ToUpper(u.ID), secret, "id", http.StatusUnprocessableEntity},
			"as one of ours":        {idp.NewID(), secret, "id", http.StatusUnprocessableEntity},
			"the console's":         {idp.ConsoleClient, secret, "id", http.StatusUnprocessableEntity},
			"of a delivery":         {"mail", secret, "id", http.StatusUnprocessableEntity},
			"of a page":             {"New", secret, "id", http.StatusUnprocessableEntity},
			"a path":                {"..", secret, "id", http.StatusBadRequest},
			"with a colon":          {"a:b", secret, "id", http.StatusBadRequest},
			"too long":              {strings.Repeat("a", 101), secret, "id", http.StatusBadRequest},
			"short secret":          {"shop2", secret[:42], "secret", http.StatusBadRequest},
			"plain secret":          {"shop2", strings.Repeat("password-1", 5), "secret", http.StatusUnprocessableEntity},
			"no base64url":          {"shop2", secret + "AA", "secret", http.StatusUnprocessableEntity},
		} {
			a := o.ask("all", "createClient", "/clients", with(app, "id", c.id, "secret", c.secret))
			if a.status != c.status {
				t.Errorf("%s: %d %s", name, a.status, a.body)
				continue
			}
			if p := a.problem(t); p.Errors == nil || *(*p.Errors)[0].Pointer != "/"+c.field || strings.Contains(string(a.body), c.secret) {
				t.Errorf("%s: %s", name, a.body)
			}
		}
		public := o.ask("all", "createClient", "/clients", with(app, "kind", "spa"))
		want(t, "a public client", public, http.StatusUnprocessableEntity, "unprocessable")
	})
}

// Two who choose the same id at once: one has it.
func TestAChosenIDIsGivenOnce(t *testing.T) {
	inBothOffices(t, func(t *testing.T, o *office) {
		app := object{"name": "App", "kind": "spa", "id": "shop", "populations": []string{"agents"}, "redirect_uris": []string{"https://rtx.example/cb"}}
		won := 0
		for _, a := range idptest.Race(8, func(int) answer { return o.ask("all", "createClient", "/clients", app) }) {
			if a.status == http.StatusCreated {
				won++
				continue
			}
			want(t, "the others", a, http.StatusConflict, "conflict")
		}
		if won != 1 {
			t.Errorf("%d won", won)
		}
	})
}
