package manage_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/manage"
	"gatehouse/idp/manage/authz"
	"gatehouse/idp/manage/connections"
	"gatehouse/idp/manage/people"
	"gatehouse/idp/manage/populations"
	"gatehouse/idp/manage/roles"
)

func isAny(err error, targets ...error) bool {
	return slices.ContainsFunc(targets, func(target error) bool { return errors.Is(err, target) })
}

// almost may do everything but read the audit log.
func almost() authz.Actor {
	return holder(slices.DeleteFunc(idp.Permissions(), func(p string) bool { return p == idp.PermissionAudit })...)
}

func ptr[T any](v T) *T { return &v }

// Nobody reaches up: neither to people who hold more, nor to roles and apps that do.
func TestNobodyReachesUp(t *testing.T) {
	t.Parallel()
	inOffice(t, func(t *testing.T, o *office) {
		ctx := t.Context()
		o.admin(t)
		admin := o.enrolled(t, idp.Agents, idp.RoleAdmin)
		s := o.signedIn(t, admin)
		below := o.person(t, idp.Agents)
		auditor, err := o.Roles.CreateRole(ctx, everything(), "Auditor", []string{idp.PermissionAudit}, ticket)
		idptest.Must(t, err)
		service, _, err := o.Apps.AddClient(ctx, everything(), idp.Client{
			Name: "Nightly", Kind: idp.ServiceClient, Scopes: []string{"gatehouse:admin"}, Roles: []string{auditor.ID},
		})
		idptest.Must(t, err)
		mapping := o.connected(t, func(c *connections.ConnectionChange) {
			c.Roles = []idp.RoleMapping{{Claim: "roles", Value: "Auditor", RoleID: auditor.ID}}
		})
		idptest.Must(t, o.db.CreateIdentity(ctx, idp.Identity{ConnectionID: mapping.ID, Subject: idp.EntraSubject(contoso, oid), UserID: admin.ID}))
		vouching := entra(func(c *connections.ConnectionChange) { c.Domains = []string{"rtx.example"} })
		pretending := entra(func(c *connections.ConnectionChange) { c.Issuer = "https://login.evil.example" }) // vouches by xms_edov
		plain := o.connected(t, nil)
		before := o.state(t)
		changed := service
		changed.Name = "Mine"
		for name, err := range map[string]error{
			"rename":           second(o.People.UpdateUser(ctx, almost(), admin.ID, people.UserChange{Version: 1, Name: ptr("Mine")})),
			"redirect":         second(o.People.UpdateUser(ctx, almost(), admin.ID, people.UserChange{Version: 1, Email: ptr("evil@rtx.example")})),
			"disable":          second(o.People.UpdateUser(ctx, almost(), admin.ID, people.UserChange{Version: 1, Disabled: ptr(true), Reason: ticket})),
			"delete":           o.People.DeleteUser(ctx, almost(), admin.ID, 0, ticket),
			"anonymise":        o.People.AnonymiseUser(ctx, almost(), admin.ID, ticket),
			"password":         o.People.SetPassword(ctx, almost(), admin.ID, "gentle maple corner", ticket),
			"clear":            o.People.ClearThrottle(ctx, almost(), admin.ID, ticket),
			"enable":           o.Factors.EnableFactor(ctx, almost(), admin.ID, "none", ticket),
			"reset":            o.Factors.ResetMFA(ctx, almost(), admin.ID, ticket),
			"view":             second(o.Factors.ViewRecoveryCodes(ctx, almost(), admin.ID, ticket)),
			"regenerate":       o.Factors.RegenerateRecoveryCodes(ctx, almost(), admin.ID, ticket),
			"sign out":         second(o.People.SignOut(ctx, almost(), admin.ID, ticket, people.EndAppAccess)),
			"end":              o.People.EndSession(ctx, almost(), s.ID, ticket),
			"take roles":       o.People.SetRoles(ctx, almost(), admin.ID, 1, nil, ticket),
			"give admin":       o.People.SetRoles(ctx, almost(), below.ID, 1, []string{idp.RoleAdmin}, ticket),
			"give auditor":     o.People.SetRoles(ctx, almost(), below.ID, 1, []string{auditor.ID}, ticket),
			"give oneself":     o.People.SetRoles(ctx, authz.Actor{UserID: below.ID, Permissions: almost().Permissions, SecondStepAt: idp.Now()}, below.ID, 1, []string{idp.RoleAdmin}, ticket),
			"add an admin":     second(o.People.AddUser(ctx, almost(), people.NewUser{Population: idp.Agents, Email: "x@rtx.example", Roles: []string{idp.RoleAdmin}})),
			"manager by users": second(o.People.AddUser(ctx, holder(idp.PermissionUsers, idp.PermissionSessions, idp.PermissionContactReset), people.NewUser{Population: idp.Agents, Email: "x@rtx.example", Roles: []string{idp.RoleManager}})),
			"role of more":     second(o.Roles.CreateRole(ctx, almost(), "More", []string{idp.PermissionAudit}, ticket)),
			"widen a role":     second(o.Roles.UpdateRole(ctx, almost(), roles.RoleEntry{Role: idp.Role{ID: auditor.ID, Name: "Auditor"}, Version: 1}, ticket)),
			"delete a role":    o.Roles.DeleteRole(ctx, almost(), auditor.ID, 1, ticket),
			"app with a role":  third(o.Apps.AddClient(ctx, almost(), idp.Client{Name: "A", Kind: idp.ServiceClient, Roles: []string{auditor.ID}})),
			"role by clients":  third(o.Apps.AddClient(ctx, holder(idp.PermissionClients, idp.PermissionAudit), idp.Client{Name: "A", Kind: idp.ServiceClient, Roles: []string{auditor.ID}})),
			"app's secret":     second(o.Apps.AddClientSecret(ctx, almost(), service.ID)),
			"app's name":       second(o.Apps.UpdateClient(ctx, almost(), changed)),
			"delete the app":   o.Apps.DeleteClient(ctx, almost(), service.ID, 0, ticket),
			"map a role":       second(o.Connections.AddConnection(ctx, almost(), entra(func(c *connections.ConnectionChange) { c.Roles = mapping.Roles }))),
			"map by access":    second(o.Connections.AddConnection(ctx, holder(idp.PermissionAuthentication, idp.PermissionAudit), entra(func(c *connections.ConnectionChange) { c.Roles = mapping.Roles }))),
			"map to others":    second(o.Connections.UpdateConnection(ctx, almost(), change(mapping, func(c *connections.ConnectionChange) { c.Tenants = []string{fabrikam} }))),
			"vouch for agents": second(o.Connections.AddConnection(ctx, almost(), vouching)),
			"vouch by access":  second(o.Connections.AddConnection(ctx, holder(idp.PermissionAuthentication), vouching)),
			"vouch as Entra":   second(o.Connections.AddConnection(ctx, holder(idp.PermissionAuthentication), pretending)),
			"vouch later": second(o.Connections.UpdateConnection(ctx, almost(), change(plain, func(c *connections.ConnectionChange) {
				c.Domains = vouching.Domains
			}))),
			"take a mapping":  second(o.Connections.UpdateConnection(ctx, almost(), change(mapping, func(c *connections.ConnectionChange) { c.Roles = nil }))),
			"delete mappings": o.Connections.DeleteConnection(ctx, almost(), mapping.ID, mapping.Version, ticket),
			"sign in as them": o.Connections.LinkIdentity(ctx, almost(), connections.NewIdentity{UserID: admin.ID, ConnectionID: mapping.ID, TenantID: contoso, ObjectID: other, Reason: ticket}),
			"unlink":          o.Connections.UnlinkIdentity(ctx, almost(), admin.ID, mapping.ID, ticket),
		} {
			if !errors.Is(err, authz.ErrForbidden) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if after := o.state(t); after != before {
			t.Errorf("something was changed: %s, then %s", before, after)
		}
		// Of contacts, none holds anything.
		vouching.PopulationID = idp.Contacts
		_, err = o.Connections.AddConnection(ctx, holder(idp.PermissionAuthentication, idp.PermissionUsers, idp.PermissionContactReset), vouching)
		idptest.Must(t, err)
		// A role without permissions is no rise.
		_, err = o.People.AddUser(ctx, holder(idp.PermissionUsers), people.NewUser{Population: idp.Agents, Email: "x@rtx.example", Roles: []string{idp.RoleAgent}})
		idptest.Must(t, err)
	})
}

func TestNobodyShutsThemselvesOut(t *testing.T) {
	t.Parallel()
	inOffice(t, func(t *testing.T, o *office) {
		ctx := t.Context()
		u, other := o.admin(t), o.admin(t)
		self := authz.Actor{UserID: u.ID, Permissions: idp.Permissions(), SecondStepAt: idp.Now()}
		for name, err := range map[string]error{
			"disable":   second(o.People.UpdateUser(ctx, self, u.ID, people.UserChange{Version: 1, Disabled: ptr(true), Reason: ticket})),
			"delete":    o.People.DeleteUser(ctx, self, u.ID, 0, ticket),
			"anonymise": o.People.AnonymiseUser(ctx, self, u.ID, ticket),
		} {
			if !errors.Is(err, authz.ErrForbidden) {
				t.Errorf("%s: %v", name, err)
			}
		}
		idptest.Must(t, o.People.SetRoles(ctx, self, u.ID, 1, nil, ticket)) // another admin is left
		for name, err := range map[string]error{
			"disable":     second(o.People.UpdateUser(ctx, everything(), other.ID, people.UserChange{Version: 1, Disabled: ptr(true), Reason: ticket})),
			"delete":      o.People.DeleteUser(ctx, everything(), other.ID, 0, ticket),
			"anonymise":   o.People.AnonymiseUser(ctx, everything(), other.ID, ticket),
			"take":        o.People.SetRoles(ctx, everything(), other.ID, 1, []string{idp.RoleManager}, ticket),
			"the command": o.People.DeleteUser(ctx, authz.System(), other.ID, 0, ""),
		} {
			if !errors.Is(err, idp.ErrLastAdmin) {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

// Two admins who take the role from each other at once: one stays.
func TestTwoAdminsCannotRemoveEachOther(t *testing.T) {
	t.Parallel()
	inOffice(t, func(t *testing.T, o *office) {
		managers := []*manage.Manager{o.Manager, o.on(o.db.Replica(t))}
		admins := []idp.User{o.admin(t), o.admin(t)}
		var lost int
		for _, err := range idptest.Race(2, func(i int) error {
			return managers[i].People.SetRoles(t.Context(), everything(), admins[i].ID, 1, nil, ticket)
		}) {
			if errors.Is(err, idp.ErrLastAdmin) {
				lost++
			} else {
				idptest.Must(t, err)
			}
		}
		if held := query[int](t, o, "SELECT COUNT(*) FROM user_roles WHERE role_id = 'admin'"); lost != 1 || held != 1 {
			t.Errorf("%d were refused, %d hold the role", lost, held)
		}
	})
}

func TestStaleVersionsChangeNothing(t *testing.T) {
	t.Parallel()
	inOffice(t, func(t *testing.T, o *office) {
		ctx := t.Context()
		u := o.person(t, idp.Agents)
		d, err := o.People.UpdateUser(ctx, everything(), u.ID, people.UserChange{Version: 1, Name: ptr("Ada Newman")})
		if err != nil || d.Version != 2 || d.Name != "Ada Newman" {
			t.Fatalf("%+v, %v", d, err)
		}
		role, err := o.Roles.CreateRole(ctx, everything(), "Helpers", []string{idp.PermissionContactReset}, ticket)
		idptest.Must(t, err)
		role.Permissions = []string{idp.PermissionUsers}
		role, err = o.Roles.UpdateRole(ctx, everything(), role, ticket)
		idptest.Must(t, err)
		app, _, err := o.Apps.AddClient(ctx, everything(), idp.Client{Name: "App", Populations: []string{idp.Agents}})
		idptest.Must(t, err)
		app.Name = "Portal"
		app, err = o.Apps.UpdateClient(ctx, everything(), app)
		if err != nil || app.Version != 2 || app.Name != "Portal" {
			t.Fatalf("%+v, %v", app, err)
		}
		brand := populations.Change[idp.Brand]{ID: idp.Agents, Version: 1, To: idp.Brand{Name: "RTX", BrandColor: "#0A5C36", LogoURL: "https://rtx.example/logo.svg"}}
		p, err := o.Populations.SaveBrand(ctx, everything(), brand)
		if err != nil || p.Version != 2 || p.BrandColor != "#0a5c36" {
			t.Fatalf("%+v, %v", p, err)
		}
		before := o.state(t)
		role.Version, app.Version = 1, 1
		for name, err := range map[string]error{
			"user":   second(o.People.UpdateUser(ctx, everything(), u.ID, people.UserChange{Version: 1, Name: ptr("Eve")})),
			"roles":  o.People.SetRoles(ctx, everything(), u.ID, 1, []string{idp.RoleManager}, ticket),
			"role":   second(o.Roles.UpdateRole(ctx, everything(), role, ticket)),
			"delete": o.Roles.DeleteRole(ctx, everything(), role.ID, role.Version, ticket),
			"client": second(o.Apps.UpdateClient(ctx, everything(), app)),
			"brand":  second(o.Populations.SaveBrand(ctx, everything(), brand)),
		} {
			if !errors.Is(err, idp.ErrConflict) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if after := o.state(t); after != before {
			t.Errorf("something was changed: %s, then %s", before, after)
		}
		// Of two at once with the same version one wins.
		won := 0
		for _, err := range idptest.Race(4, func(i int) error {
			return second(o.People.UpdateUser(ctx, everything(), u.ID, people.UserChange{Version: 2, Name: ptr("Ada " + string(rune('A'+i)))}))
		}) {
			if err == nil {
				won++
			} else if !errors.Is(err, idp.ErrConflict) {
				t.Error(err)
			}
		}
		if won != 1 {
			t.Errorf("%d won", won)
		}
	})
}

func TestFreshSecondStepForWhatGivesPower(t *testing.T) {
	t.Parallel()
	inOffice(t, func(t *testing.T, o *office) {
		ctx := t.Context()
		u := o.person(t, idp.Agents)
		app, _, err := o.Apps.AddClient(ctx, everything(), idp.Client{Name: "App", Populations: []string{idp.Agents}})
		idptest.Must(t, err)
		old := everything()
		old.SecondStepAt = idp.Now().Add(-authz.FreshSecondStep - time.Second)
		for name, err := range map[string]error{
			"roles":   o.People.SetRoles(ctx, old, u.ID, 1, nil, ticket),
			"role":    second(o.Roles.CreateRole(ctx, old, "R", nil, ticket)),
			"email":   second(o.People.UpdateUser(ctx, old, u.ID, people.UserChange{Version: 1, Email: ptr("new@rtx.example")})),
			"secret":  second(o.Apps.AddClientSecret(ctx, old, app.ID)),
			"delete":  o.People.DeleteUser(ctx, old, u.ID, 0, ticket),
			"app":     o.Apps.DeleteClient(ctx, old, app.ID, 0, ticket),
			"manager": second(o.People.AddUser(ctx, old, people.NewUser{Population: idp.Agents, Email: "m@rtx.example", Roles: []string{idp.RoleManager}})),
		} {
			if !errors.Is(err, authz.ErrStepUp) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if _, err := o.People.UpdateUser(ctx, old, u.ID, people.UserChange{Version: 1, Name: ptr("Ada")}); err != nil {
			t.Errorf("a name: %v", err)
		}
	})
}
