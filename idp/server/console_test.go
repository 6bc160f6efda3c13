package server_test

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/manage/people"
	"gatehouse/idp/server"
)

// Inside, the issuer's name leads to the console's address, and outside to the other one:
// nothing of console and admin API is there, and all else is. Inside people sign in to the
// console as ever, whatever session they brought.
func TestAConsoleApartIsReachedFromInsideAlone(t *testing.T) {
	t.Parallel()
	var app *idptest.App
	var inside atomic.Bool
	app = idptest.StartBehind(t, server.Config{DatabaseURL: idptest.Alone(t).URL, DataDir: t.TempDir(), ConsoleApart: true}, func(all http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if inside.Load() {
				all.ServeHTTP(w, r)
				return
			}
			app.Public().ServeHTTP(w, r)
		})
	})
	_, err := app.Manage.People.CreateUser(t.Context(), people.NewUser{
		Population: idp.Agents, Email: "admin@rtx.example", Name: "Somebody", Password: idptest.Password, Roles: []string{idp.RoleAdmin},
	})
	idptest.Must(t, err)
	d := doors{t: t, app: app, browser: idptest.NewBrowser(t)}
	token := "Bearer " + strings.Repeat("a", 43)
	n := 0
	for _, route := range app.RouteTable() {
		apart := route[1] == "/admin" || strings.HasPrefix(route[1], "/admin/")
		path := routeParameter.ReplaceAllString(route[1], strings.Repeat("a", 36))
		if res := d.ask(route[0], path, token, nil); apart && res.StatusCode != http.StatusNotFound {
			t.Errorf("outside, %s %s: %d", route[0], route[1], res.StatusCode)
		}
		if apart {
			n++
		}
	}
	if n < 100 {
		t.Errorf("%d routes of console and API", n)
	}

	party, b := app.AddParty(idp.Client{}), idptest.NewBrowser(t)
	attempt := party.Begin()
	page, phone, _ := idptest.Enrol(b, party, attempt, "admin@rtx.example")
	party.Exchange(attempt, page.Left)
	idptest.Want(t, b.Get(app.Issuer+"/account"), http.StatusOK, "Your account")

	inside.Store(true)
	idptest.Want(t, b.Get(app.Issuer+"/admin"), http.StatusOK, "Overview")
	fresh := idptest.NewBrowser(t)
	page = fresh.Submit(fresh.Get(app.Issuer+"/admin"), "/password", "email", "admin@rtx.example", "password", idptest.Password)
	idptest.Want(t, fresh.Submit(page, "/totp", "code", phone.Code(1)), http.StatusOK, "Overview")
	if res := d.ask(http.MethodGet, "/admin/api/v1/users", token, nil); res.StatusCode != http.StatusUnauthorized {
		t.Errorf("inside, the API: %d", res.StatusCode)
	}
}
