package manage_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/manage/authz"
	"gatehouse/idp/manage/connections"
	"gatehouse/idp/manage/people"
	"gatehouse/idp/manage/system"
)

// differences are what an event says of before and after.
func differences(e idp.AuditEvent) map[string]string {
	found := map[string]string{}
	for name, value := range e.Detail {
		if strings.HasPrefix(name, "before.") || strings.HasPrefix(name, "after.") {
			found[name] = value
		}
	}
	return found
}

// newest is the newest event of a kind.
func (o *office) newest(t *testing.T, kind idp.AuditKind) idp.AuditEvent {
	t.Helper()
	list := o.events(t, kind, "")
	if len(list) == 0 {
		t.Fatalf("no event %s", kind)
	}
	return list[0]
}

func TestTheAuditLogSaysWhatWasBeforeAndAfter(t *testing.T) {
	t.Parallel()
	inOffice(t, func(t *testing.T, o *office) {
		ctx := t.Context()
		expect := func(kind idp.AuditKind, want map[string]string) {
			t.Helper()
			e := o.newest(t, kind)
			if diff := cmp.Diff(want, differences(e)); diff != "" {
				t.Errorf("%s: %s", kind, diff)
			}
			for name, value := range e.Detail {
				if strings.Contains(value, "their secret") {
					t.Errorf("%s: %s tells a secret", kind, name)
				}
			}
		}
		app, secret, err := o.Apps.AddClient(ctx, everything(), idp.Client{
			Name: "App", Populations: []string{idp.Agents}, RedirectURIs: []string{"https://rtx.example/cb"}, Scopes: []string{"openid", "email"},
		})
		idptest.Must(t, err)
		app.RedirectURIs, app.Scopes = []string{"https://rtx.example/cb", "https://new.example/cb"}, []string{"openid"}
		app, err = o.Apps.UpdateClient(ctx, everything(), app)
		idptest.Must(t, err)
		expect(idp.AuditClientChanged, map[string]string{
			"before.redirect_uris": "https://rtx.example/cb", "after.redirect_uris": "https://rtx.example/cb https://new.example/cb",
			"before.scopes": "openid email", "after.scopes": "openid",
		})
		added, err := o.Apps.AddClientSecret(ctx, everything(), app.ID)
		idptest.Must(t, err)
		expect(idp.AuditSecretAdded, map[string]string{"before.secrets": "1", "after.secrets": "2"})
		idptest.Must(t, o.Apps.RemoveClientSecret(ctx, everything(), app.ID, 0))
		expect(idp.AuditSecretRemoved, map[string]string{"before.secrets": "2", "after.secrets": "1"})
		if n := query[int](t, o, "SELECT COUNT(*) FROM audit_events WHERE detail LIKE '%"+secret+"%' OR detail LIKE '%"+added+"%'"); n != 0 {
			t.Error("the audit log holds a secret")
		}

		c := o.connected(t, func(c *connections.ConnectionChange) { c.Tenants = []string{contoso} })
		_, err = o.Connections.UpdateConnection(ctx, everything(), change(c, func(c *connections.ConnectionChange) {
			c.Trust, c.Tenants, c.Issuer, c.ClientSecret = idp.LocalStep, []string{contoso, fabrikam}, "https://login.microsoftonline.us", "their secret too"
		}))
		idptest.Must(t, err)
		expect(idp.AuditConnectionChanged, map[string]string{
			"before.trust": "trusted", "after.trust": "local", "before.tenants": contoso, "after.tenants": contoso + " " + fabrikam,
			"before.issuer": idp.EntraAuthority, "after.issuer": "https://login.microsoftonline.us",
		})

		u := o.person(t, idp.Agents)
		_, err = o.People.UpdateUser(ctx, everything(), u.ID, people.UserChange{Version: 1, Email: ptr("new@rtx.example")})
		idptest.Must(t, err)
		expect(idp.AuditUserChanged, map[string]string{"before.email": u.Email, "after.email": "new@rtx.example"})
	})
}

// The audit log keeps nothing that says who somebody was.
func TestAddressesGoWithThePerson(t *testing.T) {
	t.Parallel()
	inOffice(t, func(t *testing.T, o *office) {
		ctx := t.Context()
		o.admin(t)
		for name, remove := range map[string]func(id string) error{
			"delete":    func(id string) error { return o.People.DeleteUser(ctx, everything(), id, 0, ticket) },
			"anonymise": func(id string) error { return o.People.AnonymiseUser(ctx, everything(), id, ticket) },
		} {
			u := o.person(t, idp.Agents)
			_, err := o.People.UpdateUser(ctx, everything(), u.ID, people.UserChange{Version: 1, Email: ptr("moved-" + name + "@rtx.example")})
			idptest.Must(t, err)
			idptest.Must(t, remove(u.ID))
			e := o.events(t, idp.AuditUserChanged, u.ID)[0]
			if e.Detail["before.email"] != idp.MaskEmail(u.Email) || e.Detail["after.email"] != "m•••@rtx.example" || e.Detail["changed"] != "email" {
				t.Errorf("%s: %+v", name, e.Detail)
			}
		}
	})
}

// What a service did is found by its id, as what a person did is by theirs; and no person
// is said to have done it.
func TestActsOfAServiceAreFoundByItsID(t *testing.T) {
	t.Parallel()
	inOffice(t, func(t *testing.T, o *office) {
		ctx := t.Context()
		service := authz.Actor{Service: "nightly", Permissions: idp.Permissions(), SecondStepAt: idp.Now()}
		u := o.person(t, idp.Agents)
		_, err := o.People.UpdateUser(ctx, service, u.ID, people.UserChange{Version: 1, Name: ptr("Ada")})
		idptest.Must(t, err)
		_, err = o.People.UpdateUser(ctx, everything(), u.ID, people.UserChange{Version: 2, Name: ptr("Eve")})
		idptest.Must(t, err)
		list, _, err := o.System.Audit(ctx, everything(), system.AuditQuery{ActorID: "nightly"})
		idptest.Must(t, err)
		if len(list) != 1 || list[0].ActorID != "" || list[0].Detail["service"] != "nightly" || list[0].UserID != u.ID {
			t.Errorf("%+v", list)
		}
	})
}

// What services did before their acts were found so is found, too.
func TestActsOfServicesOfBeforeAreFound(t *testing.T) {
	t.Parallel()
	inOffice(t, func(t *testing.T, o *office) {
		ctx := t.Context()
		app, _, err := o.Apps.AddClient(ctx, everything(), idp.Client{Name: "Nightly", Kind: idp.ServiceClient, Scopes: []string{idp.AdminScope}})
		idptest.Must(t, err)
		idptest.Must(t, o.db.Audit(ctx, idp.AuditEvent{Kind: "test.event", Detail: map[string]string{"service": app.ID, "reason": "x"}}))
		idptest.Must(t, o.db.Audit(ctx, idp.AuditEvent{Kind: "test.event", ActorID: "ada", Detail: map[string]string{"service": "other"}}))
		acts := func() string {
			return query[string](t, o, "SELECT MIN(actor_id) || ' ' || MAX(actor_id) FROM audit_events WHERE kind = 'test.event'")
		}
		const before = 10 // the migration before
		for query[int64](t, o, "SELECT MAX(version_id) FROM goose_db_version") > before {
			idptest.Must(t, o.db.MigrateDown(ctx))
		}
		if got := acts(); got != " ada" {
			t.Errorf("taken back: %q", got)
		}
		idptest.Must(t, o.db.Migrate(ctx))
		if got, want := acts(), min(app.ID, "ada")+" "+max(app.ID, "ada"); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	})
}
