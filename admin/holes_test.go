package admin_test

import (
	"errors"
	"net/url"
	"strings"
	"sync"
	"testing"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/manage/authz"
	"gatehouse/idp/manage/people"
	"gatehouse/idp/manage/populations"
)

// Each of these was a hole that a review found, or a door that it tried.

// Whoever may not reset a second step does not get around it by a new address for
// the email codes.
func TestManagingPeopleDoesNotMoveTheirEmailCodes(t *testing.T) {
	t.Parallel()
	app, _ := idptest.StartWithMail(t, idptest.Alone(t).URL)
	v := app.AddUser(idp.Agents, "victim@rtx.example")
	party := app.AddParty(idp.Client{})
	idptest.Enrol(idptest.NewBrowser(t), party, party.Begin(), v.Email)
	actor := authz.Actor{
		UserID: app.AddUser(idp.Agents, "weak@rtx.example").ID, Permissions: []string{idp.PermissionUsers}, SecondStepAt: idp.Now(),
	}
	d, err := app.Manage.People.UserDetail(t.Context(), actor, v.ID)
	idptest.Must(t, err)
	to := "evil@evil.example"
	change := people.UserChange{Version: d.Version, Email: &to, Reason: "x"}
	if _, err := app.Manage.People.UpdateUser(t.Context(), actor, v.ID, change); !errors.Is(err, authz.ErrForbidden) {
		t.Errorf("a new address: %v", err)
	}
	actor.Permissions = append(actor.Permissions, idp.PermissionAgentRecovery)
	if _, err := app.Manage.People.UpdateUser(t.Context(), actor, v.ID, change); err != nil {
		t.Errorf("with the permission: %v", err)
	}
}

// An app that people sign in to acts at the admin API as each of them: only who holds
// everything may give it that scope.
func TestTheAdminScopeIsNotForAnyApp(t *testing.T) {
	t.Parallel()
	h := open(t, idptest.Alone(t))
	actor := authz.Actor{UserID: h.person("weak@rtx.example").ID, Permissions: []string{idp.PermissionClients}, SecondStepAt: idp.Now()}
	app := idp.Client{
		Name: "Harmless", Kind: idp.SPAClient, Populations: []string{idp.Agents}, RedirectURIs: []string{"https://evil.example/cb"},
		Scopes: []string{"openid", idp.AdminScope},
	}
	if _, _, err := h.Manage.Apps.AddClient(t.Context(), actor, app); !errors.Is(err, authz.ErrForbidden) {
		t.Errorf("a new app: %v", err)
	}
	app.Scopes = []string{"openid"}
	e, _, err := h.Manage.Apps.AddClient(t.Context(), actor, app)
	idptest.Must(t, err)
	e.Scopes = append(e.Scopes, idp.AdminScope)
	if _, err := h.Manage.Apps.UpdateClient(t.Context(), actor, e); !errors.Is(err, authz.ErrForbidden) {
		t.Errorf("an app that exists: %v", err)
	}
}

// Where an app's codes go is not for a session that somebody left open.
func TestRedirectURIsTakeAFreshSecondStep(t *testing.T) {
	t.Parallel()
	h := open(t, idptest.Alone(t))
	actor := authz.Actor{UserID: h.person("weak@rtx.example").ID, Permissions: []string{idp.PermissionClients}}
	p := h.AddParty(idp.Client{Kind: idp.SPAClient})
	e, err := h.Manage.Apps.Client(t.Context(), actor, p.Client.ID)
	idptest.Must(t, err)
	e.Name = "Another name"
	e, err = h.Manage.Apps.UpdateClient(t.Context(), actor, e)
	idptest.Must(t, err)
	e.RedirectURIs = append(e.RedirectURIs, "https://evil.example/cb")
	if _, err := h.Manage.Apps.UpdateClient(t.Context(), actor, e); !errors.Is(err, authz.ErrStepUp) {
		t.Errorf("a redirect URI: %v", err)
	}
}

// Single sign-on under way while the password changes leaves nothing behind, offline
// access least of all.
func TestNoGrantOutlivesAChangeOfPassword(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		h := open(t, db)
		v := h.person("maya@rtx.example")
		h.SetPolicy(idp.Agents, idp.Policy{}, populations.OnNextLogin)
		p := h.AddParty(idp.Client{})
		p.OAuth.Scopes = []string{"openid", "offline_access"}
		passwords := []string{password, "another good password"}
		for round := range 6 {
			b := idptest.NewBrowser(t)
			b.Submit(b.Get(p.Begin().URL), "/password", "email", v.Email, "password", passwords[round%2])
			stop := make(chan struct{})
			var asking sync.WaitGroup
			for range 6 {
				asking.Go(func() {
					for {
						select {
						case <-stop:
							return
						default:
							b.Get(p.Begin("prompt", "none").URL)
						}
					}
				})
			}
			idptest.Must(t, h.Manage.People.SetPassword(t.Context(), authz.System(), v.ID, passwords[(round+1)%2], "stolen"))
			close(stop)
			asking.Wait()
			var n int
			row := db.SQL().QueryRowContext(t.Context(), "SELECT COUNT(*) FROM grants WHERE revoked_at IS NULL")
			idptest.Must(t, row.Scan(&n))
			if n != 0 {
				t.Fatalf("round %d: %d grants outlive the change of the password", round, n)
			}
		}
	})
}

func TestNamesAreTextAndRedirectsStay(t *testing.T) {
	t.Parallel()
	h := open(t, idptest.Alone(t))
	h.person("root@rtx.example", idp.RoleAdmin)
	_, err := h.Manage.People.CreateUser(t.Context(), people.NewUser{
		Population: idp.Agents, Email: "x@rtx.example", Name: `"><script>alert(1)</script>`, Password: password,
	})
	idptest.Must(t, err)
	h.AddParty(idp.Client{Name: `"><script>alert(2)</script>{{.}}`})
	b, _ := h.enters("root@rtx.example")
	for _, path := range []string{"/people", "/apps", "/audit", "/authentication/agents", "", "/system"} {
		page := h.page(b, path)
		if strings.Contains(page.Body, "<script>alert") || page.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %v\n%s", path, page.Header, page.Body)
		}
	}
	for _, to := range []string{
		"//evil.example", "https://evil.example/admin", "/admin/../x", "/admin\\evil", "/adminevil", "/admin/%2e%2e/x",
		"/admin//evil.example", "javascript:alert(1)", "/%61dmin", "\t//evil.example",
	} {
		if page := h.page(b, "/step-up?to="+url.QueryEscape(to)); page.Left != nil {
			t.Errorf("%q leads to %s", to, page.Left)
		}
	}
}
