package manage_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/manage"
	"gatehouse/idp/manage/apps"
	"gatehouse/idp/manage/authz"
	"gatehouse/idp/manage/connections"
	"gatehouse/idp/manage/links"
	"gatehouse/idp/manage/people"
	"gatehouse/idp/manage/populations"
	"gatehouse/idp/manage/roles"
	"gatehouse/idp/throttle"
)

// sets are no permission, each single one, and each two.
func sets() [][]string {
	list := [][]string{{}}
	all := idp.Permissions()
	for i, p := range all {
		list = append(list, []string{p})
		for _, q := range all[i+1:] {
			list = append(list, []string{p, q})
		}
	}
	return list
}

// aim is somebody whom an operation may reach, with everything through which they can be
// reached: a connection that they come through, an app that acts as them, a role.
type aim struct {
	user       idp.User
	version    int64
	session    idp.Session
	grant      idp.Grant
	consent    idp.Consent
	trusted    idp.TrustedBrowser
	factor     string
	connection connections.ConnectionEntry
	app        apps.ClientEntry
	service    apps.ClientEntry
	role       roles.RoleEntry
	population populations.PopulationEntry
}

// trusts has a person trust a browser.
func (o *office) trusts(t *testing.T, userID string) idp.TrustedBrowser {
	t.Helper()
	b := idptest.TrustedBrowser(userID)
	idptest.Must(t, o.db.TrustBrowser(t.Context(), b))
	return b
}

// consents has a person let an app have something.
func (o *office) consents(t *testing.T, userID, clientID string) idp.Consent {
	t.Helper()
	idptest.Must(t, o.db.GiveConsent(t.Context(), idp.Consent{}, userID, clientID, idp.Terms{Scopes: []string{"openid"}}, idp.Now()))
	c, err := o.db.Consent(t.Context(), userID, clientID)
	idptest.Must(t, err)
	return c
}

// aimAt adds an agent with an authenticator, who used email codes and is linked through a
// trusted connection; with these permissions.
func (o *office) aimAt(t *testing.T, permissions ...string) aim {
	t.Helper()
	ctx := t.Context()
	a := aim{connection: o.connected(t, nil)}
	role, err := o.Roles.CreateRole(ctx, everything(), "Role "+idp.NewID(), permissions, ticket)
	idptest.Must(t, err)
	a.role = role
	a.user = o.enrolled(t, idp.Agents, role.ID)
	enrolment := o.enrolment(t, a.user)
	a.factor = enrolment.Of(idp.MethodTOTP)[0].ID
	o.exec(t, "UPDATE factors SET disabled_at = '2026-01-01 00:00:00' WHERE id = '"+a.factor+"'")
	idptest.Must(t, o.db.CreateIdentity(ctx, idp.Identity{
		ConnectionID: a.connection.ID, Subject: idp.EntraSubject(contoso, oid), UserID: a.user.ID, CreatedAt: idp.Now(),
	}))
	a.connection.Linked = true
	a.session = o.signedIn(t, a.user)
	app, _, err := o.Apps.AddClient(ctx, everything(), idp.Client{
		Name: "Tools", Populations: []string{idp.Agents}, RedirectURIs: []string{"https://tools.example/cb"}, Scopes: []string{"openid", idp.AdminScope},
	})
	idptest.Must(t, err)
	a.app = app
	_, err = o.Apps.AddClientSecret(ctx, everything(), app.ID)
	idptest.Must(t, err)
	a.app.Version++
	a.grant, _ = idptest.Grant(app.Client, a.session)
	idptest.Must(t, o.db.CreateGrant(ctx, a.grant))
	a.consent = o.consents(t, a.user.ID, app.ID)
	a.trusted = o.trusts(t, a.user.ID)
	a.service, _, err = o.Apps.AddClient(ctx, everything(), idp.Client{
		Name: "Nightly", Kind: idp.ServiceClient, Scopes: []string{idp.AdminScope}, Roles: []string{role.ID},
	})
	idptest.Must(t, err)
	a.population, err = o.Populations.Population(ctx, everything(), idp.Agents)
	idptest.Must(t, err)
	_, a.version, err = o.db.VersionedUser(ctx, a.user.ID)
	idptest.Must(t, err)
	return a
}

// reach is an operation that reaches somebody, or something through which they are
// reached.
type reach struct {
	name string
	do   func(a authz.Actor, at aim) error
	// around: it gets around a second step, and takes the right to reset it.
	around bool
	// others: it concerns those who hold more alone.
	others bool
}

// reaches are all operations that concern a person, by their names; those that read, and
// those that concern nobody in particular, have none.
func (o *office) reaches(t *testing.T) map[string][]reach {
	t.Helper()
	ctx := t.Context()
	client := func(a authz.Actor, e apps.ClientEntry, change func(c *apps.ClientEntry)) error {
		change(&e)
		return second(o.Apps.UpdateClient(ctx, a, e))
	}
	update := func(name string, do func(c *connections.ConnectionChange)) reach {
		return reach{name, func(a authz.Actor, at aim) error {
			return second(o.Connections.UpdateConnection(ctx, a, change(at.connection, do)))
		}, true, false}
	}
	changed := func(change func(c *apps.ClientEntry)) func(a authz.Actor, at aim) error {
		return func(a authz.Actor, at aim) error { return client(a, at.app, change) }
	}
	return map[string][]reach{
		"LinkIdentity": {{"to an account of one's own", func(a authz.Actor, at aim) error {
			partner, err := o.Connections.AddConnection(ctx, everything(), generic(nil))
			idptest.Must(t, err)
			return o.Connections.LinkIdentity(ctx, a, connections.NewIdentity{UserID: at.user.ID, ConnectionID: partner.ID, Subject: "mine", Reason: ticket})
		}, true, false}},
		"UnlinkIdentity": {{"", func(a authz.Actor, at aim) error {
			return o.Connections.UnlinkIdentity(ctx, a, at.user.ID, at.connection.ID, ticket)
		}, true, false}},
		"SetPassword": {{"", func(a authz.Actor, at aim) error {
			return o.People.SetPassword(ctx, a, at.user.ID, "gentle maple corner", ticket)
		}, true, false}},
		"UpdateUser": {
			{"address", func(a authz.Actor, at aim) error {
				return second(o.People.UpdateUser(ctx, a, at.user.ID, people.UserChange{Version: at.version, Email: ptr(idp.NewID() + "@evil.example")}))
			}, true, false},
			{"name", func(a authz.Actor, at aim) error {
				return second(o.People.UpdateUser(ctx, a, at.user.ID, people.UserChange{Version: at.version, Name: ptr("Eve")}))
			}, false, true},
			{"state", func(a authz.Actor, at aim) error {
				return second(o.People.UpdateUser(ctx, a, at.user.ID, people.UserChange{Version: at.version, Disabled: ptr(true), Reason: ticket}))
			}, false, true},
		},
		"ResetMFA": {{"", func(a authz.Actor, at aim) error { return o.Factors.ResetMFA(ctx, a, at.user.ID, ticket) }, true, false}},
		"EnableFactor": {{"", func(a authz.Actor, at aim) error {
			return o.Factors.EnableFactor(ctx, a, at.user.ID, at.factor, ticket)
		}, true, false}},
		"ViewRecoveryCodes": {{"", func(a authz.Actor, at aim) error {
			return second(o.Factors.ViewRecoveryCodes(ctx, a, at.user.ID, ticket))
		}, true, false}},
		"RegenerateRecoveryCodes": {{"", func(a authz.Actor, at aim) error {
			return o.Factors.RegenerateRecoveryCodes(ctx, a, at.user.ID, ticket)
		}, true, false}},
		"DeleteUser":    {{"", func(a authz.Actor, at aim) error { return o.People.DeleteUser(ctx, a, at.user.ID, 0, ticket) }, false, true}},
		"AnonymiseUser": {{"", func(a authz.Actor, at aim) error { return o.People.AnonymiseUser(ctx, a, at.user.ID, ticket) }, false, true}},
		"ClearThrottle": {{"", func(a authz.Actor, at aim) error { return o.People.ClearThrottle(ctx, a, at.user.ID, ticket) }, false, true}},
		"WithdrawConsent": {{"", func(a authz.Actor, at aim) error {
			return o.People.WithdrawConsent(ctx, a, at.user.ID, at.consent.ID, ticket)
		}, false, true}},
		"ForgetTrustedBrowser": {{"", func(a authz.Actor, at aim) error {
			return o.Factors.ForgetTrustedBrowser(ctx, a, at.user.ID, at.trusted.ID, ticket)
		}, false, true}},
		"EndGrant":   {{"", func(a authz.Actor, at aim) error { return o.People.EndGrant(ctx, a, at.user.ID, at.grant.ID, ticket) }, false, true}},
		"EndSession": {{"", func(a authz.Actor, at aim) error { return o.People.EndSession(ctx, a, at.session.ID, ticket) }, false, true}},
		"SignOut": {{"", func(a authz.Actor, at aim) error {
			return second(o.People.SignOut(ctx, a, at.user.ID, ticket, people.EndAppAccess))
		}, false, true}},
		"SetRoles": {{"", func(a authz.Actor, at aim) error {
			return o.People.SetRoles(ctx, a, at.user.ID, at.version, nil, ticket)
		}, false, true}},
		"UpdateRole": {{"", func(a authz.Actor, at aim) error {
			at.role.Name = "Mine"
			return second(o.Roles.UpdateRole(ctx, a, at.role, ticket))
		}, false, true}},
		"AddUser": {{"with the role", func(a authz.Actor, at aim) error {
			return second(o.People.AddUser(ctx, a, people.NewUser{Population: idp.Agents, Email: idp.NewID() + "@rtx.example", Roles: []string{at.role.ID}}))
		}, false, true}},
		"ImportUser": {{"with the role", func(a authz.Actor, at aim) error {
			return second(o.Connections.ImportUser(ctx, a, connections.ImportedUser{Population: idp.Agents, Email: idp.NewID() + "@rtx.example", Roles: []string{at.role.ID}}, ticket))
		}, false, true}},
		"Invite": {{"with the role", func(a authz.Actor, at aim) error {
			return second(o.Links.Invite(ctx, a, links.Invitation{Population: idp.Agents, Email: idp.NewID() + "@rtx.example", Roles: []string{at.role.ID}}))
		}, false, true}},
		"CreateRole": {{"with as much", func(a authz.Actor, at aim) error {
			return second(o.Roles.CreateRole(ctx, a, "Role "+idp.NewID(), at.role.Permissions, ticket))
		}, false, true}},
		"AddClient": {{"with the role", func(a authz.Actor, at aim) error {
			return third(o.Apps.AddClient(ctx, a, idp.Client{Name: "Mine", Kind: idp.ServiceClient, Scopes: []string{idp.AdminScope}, Roles: []string{at.role.ID}}))
		}, false, true}},
		"UpdateClient": {
			{"redirect URIs", changed(func(c *apps.ClientEntry) { c.RedirectURIs = []string{"https://evil.example/cb"} }), false, true},
			{"another redirect URI", changed(func(c *apps.ClientEntry) { c.RedirectURIs = append(c.RedirectURIs, "https://evil.example/cb") }), false, true},
			{"where to go on from a sign-out", changed(func(c *apps.ClientEntry) { c.PostLogoutRedirectURIs = []string{"https://evil.example/"} }), false, true},
			{"the scope goes and the codes too", changed(func(c *apps.ClientEntry) {
				c.RedirectURIs, c.Scopes = []string{"https://evil.example/cb"}, []string{"openid"}
			}), false, true},
			{"grant types", changed(func(c *apps.ClientEntry) { c.GrantTypes = []string{"authorization_code"} }), false, true},
			{"PKCE", changed(func(c *apps.ClientEntry) { c.RequirePKCE = !c.RequirePKCE }), false, true},
			{"populations", changed(func(c *apps.ClientEntry) { c.Populations = []string{idp.Agents, idp.Contacts} }), false, true},
			{"sign-out notices", changed(func(c *apps.ClientEntry) { c.BackchannelLogoutURI = "https://evil.example/" }), false, true},
			{"a service's scopes", func(a authz.Actor, at aim) error {
				return client(a, at.service, func(c *apps.ClientEntry) { c.Scopes = append(c.Scopes, "reports") })
			}, false, true},
		},
		"DeleteClient": {{"", func(a authz.Actor, at aim) error { return o.Apps.DeleteClient(ctx, a, at.app.ID, 0, ticket) }, false, true}},
		"AddClientSecret": {{"of a service", func(a authz.Actor, at aim) error {
			return second(o.Apps.AddClientSecret(ctx, a, at.service.ID))
		}, false, true}},
		"RemoveClientSecret": {{"", func(a authz.Actor, at aim) error { return o.Apps.RemoveClientSecret(ctx, a, at.app.ID, 0) }, false, true}},
		"UpdateConnection": {
			update("evidence", func(c *connections.ConnectionChange) { c.Trust, c.Context = idp.EvidenceRequired, "c1" }),
			update("another organisation", func(c *connections.ConnectionChange) { c.Tenants = []string{fabrikam} }),
			update("another organisation too", func(c *connections.ConnectionChange) { c.Tenants = append(c.Tenants, fabrikam) }),
			update("any organisation", func(c *connections.ConnectionChange) { c.Tenants, c.AnyTenant, c.Trust = nil, true, idp.Trusted }),
			update("personal accounts", func(c *connections.ConnectionChange) { c.PersonalAccounts, c.Trust = true, idp.Trusted }),
			update("another client", func(c *connections.ConnectionChange) { c.ClientID = "mine" }),
			update("another secret", func(c *connections.ConnectionChange) { c.ClientSecret = "mine" }),
			update("a certificate", func(c *connections.ConnectionChange) { c.NewCertificate = true }),
			update("another claim", func(c *connections.ConnectionChange) { c.Claims.Email = "nickname" }),
			update("new accounts", func(c *connections.ConnectionChange) { c.CreateUsers = true }),
			update("domains", func(c *connections.ConnectionChange) { c.Domains = []string{"rtx.example"} }),
			update("a role", func(c *connections.ConnectionChange) {
				c.Roles = []idp.RoleMapping{mapsTo("roles", "x", idp.RoleAgent)}
			}),
		},
		"DeleteConnection": {{"", func(a authz.Actor, at aim) error {
			return o.Connections.DeleteConnection(ctx, a, at.connection.ID, at.connection.Version, ticket)
		}, true, false}},
		"AddConnection": {{"for everybody's addresses", func(a authz.Actor, _ aim) error {
			return second(o.Connections.AddConnection(ctx, a, entra(func(c *connections.ConnectionChange) { c.Domains = []string{"rtx.example"} })))
		}, true, false}},
		"SaveAccess": {{"opens the connection", func(a authz.Actor, at aim) error {
			return second(o.Populations.SaveAccess(ctx, a, populations.Change[idp.Access]{
				ID: idp.Agents, Version: at.population.Version, To: idp.Access{Password: true, Federated: true}, Reason: ticket,
			}))
		}, true, false}},
	}
}

// harmless are the operations that reach nobody: they read, or concern what a permission
// of its own is for.
var harmless = []string{
	"Coverage", "PreviewReminder", "RemindSecondStep", "PreviewPolicy", "PreviewOverride", "SavePolicy", "SaveOverride", "TestMail", "Policy", "Override",
	"Populations", "Population", "AddPopulation", "SaveBrand", "Connections", "Connection", "PreviewAccess", "Identities",
	"Requirements", "PreviewPasswordRules", "SavePasswordRules", "PreviewSessionRules", "SaveSessionRules", "SaveRegistration",
	"Users", "UserDetail", "Invitation", "Invitations", "ResendInvitation", "RevokeInvitation", "ListSessions", "ListGrants", "ListConsents", "ListTrustedBrowsers", "Roles", "DeleteRole",
	"InitialTokens", "InitialToken", "AddInitialToken", "WithdrawInitialToken", "ClientRegistration",
	"Clients", "Client", "Audit", "ExportAudit", "Deliveries", "RetryDeliveries", "TestLogout", "SigningKeys", "RotateKeys", "RevokeKey",
}

func TestEveryOperationIsKnownToReachSomebodyOrNobody(t *testing.T) {
	t.Parallel()
	inOffice(t, func(t *testing.T, o *office) {
		reaches := o.reaches(t)
		for op := range maps.Keys(authz.Operations()) {
			if _, reaches := reaches[op]; reaches == slices.Contains(harmless, op) {
				t.Errorf("whether %s reaches somebody is said once", op)
			}
		}
	})
}

// expectNobodyReached tries an operation with each set that lacks something, and fails
// unless it is refused and changes nothing.
func (o *office) expectNobodyReached(t *testing.T, name string, at aim, do func(a authz.Actor, at aim) error, lacks func(set []string) bool) {
	t.Helper()
	for _, set := range sets() {
		if !lacks(set) {
			continue
		}
		before := o.state(t)
		if err := do(holder(set...), at); !errors.Is(err, authz.ErrForbidden) {
			t.Errorf("%s with %v: %v", name, set, err)
		}
		if after := o.state(t); after != before && name != "LinkIdentity to an account of one's own" { // which adds a connection
			t.Errorf("%s with %v: from %s\nto %s", name, set, before, after)
		}
	}
}

// Somebody who holds everything, in the reach of everybody who holds one permission or two.
func TestNoPermissionReachesSomebodyWhoHoldsMore(t *testing.T) {
	t.Parallel()
	inOffice(t, func(t *testing.T, o *office) {
		o.admin(t)
		at := o.aimAt(t, idp.Permissions()...)
		for op, list := range o.reaches(t) {
			for _, r := range list {
				o.expectNobodyReached(t, op+" "+r.name, at, r.do, func([]string) bool { return true })
			}
		}
	})
}

// Somebody who holds nothing and has every second step there is: each way around it takes
// the right to reset it.
func TestNobodyGetsAroundASecondStepThatTheyMayNotReset(t *testing.T) {
	t.Parallel()
	inOffice(t, func(t *testing.T, o *office) {
		o.admin(t)
		at := o.aimAt(t)
		for op, list := range o.reaches(t) {
			for _, r := range list {
				if r.around {
					o.expectNobodyReached(t, op+" "+r.name, at, r.do, func(set []string) bool { return !slices.Contains(set, idp.PermissionAgentRecovery) })
				}
			}
		}
	})
}

// What the walks above see refused is nothing that never worked.
func TestWhoHoldsAllReachesEverybody(t *testing.T) {
	t.Parallel()
	inOffice(t, func(t *testing.T, o *office) {
		o.admin(t)
		o.refit(func(p *manage.Parts) { p.Throttles = throttle.New(o.db.Store, []byte("key")) })
		for op, list := range o.reaches(t) {
			for i, r := range list {
				at := o.aimAt(t, idp.Permissions()...)
				if err := r.do(everything(), at); err != nil {
					t.Errorf("%s %s (%d): %v", op, r.name, i, err)
				}
				o.exec(t, "DELETE FROM identities")
				o.exec(t, "UPDATE populations SET access_federated = FALSE")
			}
		}
	})
}

// Which second step is got around by what: nothing else is asked of a manager than was.
func TestActsThatGetAroundNoSecondStepTakeNoMore(t *testing.T) {
	t.Parallel()
	inOffice(t, func(t *testing.T, o *office) {
		ctx := t.Context()
		manager := holder(idp.PermissionUsers)
		trusted := o.connected(t, nil)
		local := o.connected(t, func(c *connections.ConnectionChange) { c.Trust = idp.LocalStep })
		n := 0
		linked := func(c connections.ConnectionEntry) func(u idp.User) {
			return func(u idp.User) {
				n++
				idptest.Must(t, o.db.CreateIdentity(ctx, idp.Identity{ConnectionID: c.ID, Subject: idp.EntraSubject(contoso, guid(n)), UserID: u.ID}))
			}
		}
		factor := func(m idp.Method) func(u idp.User) {
			return func(u idp.User) {
				idptest.Must(t, o.db.CreateFactor(ctx, idp.Factor{ID: idp.NewID(), UserID: u.ID, Method: m, Secret: []byte("sealed"), CreatedAt: idp.Now(), LastUsedAt: idp.Now()}))
			}
		}
		for name, c := range map[string]struct {
			have                     func(u idp.User)
			email, password, connect bool
		}{
			"nothing":                           {func(idp.User) {}, true, true, true},
			"an authenticator":                  {factor(idp.MethodTOTP), false, true, false},
			"email codes":                       {factor(idp.MethodEmail), false, true, false},
			"an upstream that does it":          {linked(trusted), false, false, false},
			"an upstream that leaves it to us":  {linked(local), true, true, true},
			"an authenticator and the upstream": {func(u idp.User) { factor(idp.MethodTOTP)(u); linked(trusted)(u) }, false, false, false},
		} {
			for what, act := range map[string]struct {
				may bool
				do  func(u idp.User) error
			}{
				"email": {c.email, func(u idp.User) error {
					return second(o.People.UpdateUser(ctx, manager, u.ID, people.UserChange{Version: 1, Email: ptr(idp.NewID() + "@rtx.example")}))
				}},
				"spelling": {true, func(u idp.User) error {
					return second(o.People.UpdateUser(ctx, manager, u.ID, people.UserChange{Version: 1, Email: ptr("X" + u.Email[1:])}))
				}},
				"password": {c.password, func(u idp.User) error { return o.People.SetPassword(ctx, manager, u.ID, "gentle maple corner", ticket) }},
				"connect": {c.connect, func(u idp.User) error {
					partner, err := o.Connections.AddConnection(ctx, everything(), generic(nil))
					idptest.Must(t, err)
					return o.Connections.LinkIdentity(ctx, manager, connections.NewIdentity{UserID: u.ID, ConnectionID: partner.ID, Subject: idp.NewID(), Reason: ticket})
				}},
			} {
				u, err := o.People.CreateUser(ctx, people.NewUser{Population: idp.Agents, Email: "x" + idp.NewID() + "@rtx.example"})
				idptest.Must(t, err)
				c.have(u)
				if err := act.do(u); errors.Is(err, authz.ErrForbidden) == act.may || !act.may && err == nil {
					t.Errorf("%s of somebody with %s: %v", what, name, err)
				}
				d, err := o.People.UserDetail(ctx, manager, u.ID)
				idptest.Must(t, err)
				offered := map[string]bool{
					"email": manager.CanMoveEmail(d.Person), "spelling": manager.CanDoTo("UpdateUser", d.Person),
					"password": manager.CanDoTo("SetPassword", d.Person), "connect": manager.CanDoTo("LinkIdentity", d.Person),
				}
				if !act.may && offered[what] {
					t.Errorf("%s of somebody with %s is offered", what, name)
				}
			}
		}
	})
}

// With email codes on, everybody's mailbox is a second step; without any, a password
// alone gets past an authenticator.
func TestThePolicySaysWhatIsGotAround(t *testing.T) {
	t.Parallel()
	inOffice(t, func(t *testing.T, o *office) {
		ctx, manager := t.Context(), holder(idp.PermissionUsers)
		plain, phone := o.person(t, idp.Agents), o.enrolled(t, idp.Agents)
		move := func() error {
			_, version, err := o.db.VersionedUser(ctx, plain.ID)
			idptest.Must(t, err)
			return second(o.People.UpdateUser(ctx, manager, plain.ID, people.UserChange{Version: version, Email: ptr(idp.NewID() + "@rtx.example")}))
		}
		idptest.Must(t, move())
		idptest.Must(t, o.People.SetPassword(ctx, manager, phone.ID, "gentle maple corner", ticket))
		put := func(p idp.Policy) {
			p.Version, p.IssuerLabel = o.policy(t, idp.Agents).Version, "RTX"
			_, err := o.Populations.SavePolicy(ctx, everything(), populations.Change[idp.Policy]{ID: idp.Agents, To: p, Apply: populations.OnNextLogin, PasswordAlone: true, Reason: ticket})
			idptest.Must(t, err)
		}
		put(idp.Policy{Authenticator: true, EmailCode: true})
		if err := move(); !errors.Is(err, authz.ErrForbidden) {
			t.Errorf("another address with email codes on: %v", err)
		}
		idptest.Must(t, o.People.SetPassword(ctx, manager, phone.ID, "another maple corner", ticket))
		put(idp.Policy{})
		if err := o.People.SetPassword(ctx, manager, phone.ID, "a third maple corner", ticket); !errors.Is(err, authz.ErrForbidden) {
			t.Errorf("a password where nothing else is asked for: %v", err)
		}
	})
}

// The looks of a connection are the business of who manages them, and so is switching it
// off: nobody gets in by that.
func TestLooksOfAConnectionTakeNoMore(t *testing.T) {
	t.Parallel()
	inOffice(t, func(t *testing.T, o *office) {
		o.admin(t)
		at := o.aimAt(t, idp.Permissions()...)
		e := at.connection
		for name, do := range map[string]func(c *connections.ConnectionChange){
			"name":   func(c *connections.ConnectionChange) { c.Name = "Work account" },
			"hint":   func(c *connections.ConnectionChange) { c.DomainHint = "rtx.example" },
			"ending": func(c *connections.ConnectionChange) { c.EndUpstream = !c.EndUpstream },
		} {
			changed, err := o.Connections.UpdateConnection(t.Context(), holder(idp.PermissionAuthentication), change(e, do))
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			e = changed
		}
		off, err := o.Connections.UpdateConnection(t.Context(), holder(idp.PermissionAuthentication), change(e, func(c *connections.ConnectionChange) { c.Enabled = false }))
		idptest.Must(t, err)
		err = second(o.Connections.UpdateConnection(t.Context(), holder(idp.PermissionAuthentication), change(off, func(c *connections.ConnectionChange) { c.Enabled = true })))
		if !errors.Is(err, authz.ErrForbidden) {
			t.Errorf("on again: %v", err)
		}
	})
}

// Whoever links somebody's account elsewhere to one that they can sign in to would get
// what the connection gives to its owner.
func TestNobodyLinksAnAccountThatGetsRolesTheyLack(t *testing.T) {
	t.Parallel()
	inOffice(t, func(t *testing.T, o *office) {
		ctx, manager := t.Context(), holder(idp.PermissionUsers, idp.PermissionAgentRecovery)
		c := o.connected(t, func(c *connections.ConnectionChange) {
			c.Roles = []idp.RoleMapping{mapsTo("roles", "Admin", idp.RoleAdmin)}
		})
		u := o.person(t, idp.Agents)
		for name, err := range map[string]error{
			"link": o.Connections.LinkIdentity(ctx, manager, connections.NewIdentity{UserID: u.ID, ConnectionID: c.ID, TenantID: contoso, ObjectID: oid, Reason: ticket}),
			"import": second(o.Connections.ImportUser(ctx, manager, connections.ImportedUser{
				Population: idp.Agents, Email: "x@rtx.example", TenantID: contoso, ObjectID: oid,
			}, ticket)),
		} {
			if !errors.Is(err, authz.ErrForbidden) {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

// An account that somebody made for the address of an admin to come waits in vain.
func TestAnAddressAloneBringsNoPermissionsToAnAccountWithAPassword(t *testing.T) {
	t.Parallel()
	inOffice(t, func(t *testing.T, o *office) {
		ctx := t.Context()
		e := o.connected(t, func(c *connections.ConnectionChange) {
			c.Roles, c.Domains = []idp.RoleMapping{mapsTo("roles", "Admin", idp.RoleAdmin)}, []string{"rtx.example"}
		})
		c, err := o.db.Connection(ctx, e.ID)
		idptest.Must(t, err)
		come := func(u idp.User, n int, roles ...string) error {
			return o.db.Do(ctx, func(ctx context.Context) error {
				_, err := o.Connections.Recognise(ctx, c, idp.Assertion{Subject: idp.EntraSubject(contoso, guid(n)), Email: u.Email, EmailConfirmed: true, AppRoles: roles})
				return err
			})
		}
		prepared, other, empty := o.person(t, idp.Agents), o.person(t, idp.Agents), o.person(t, idp.Agents)
		for _, u := range []idp.User{prepared, other} {
			o.exec(t, fmt.Sprintf("UPDATE users SET password_hash = '$argon2id$known' WHERE id = '%s'", u.ID))
		}
		if err := come(prepared, 1, "Admin"); !errors.Is(err, connections.ErrConfirm) {
			t.Errorf("an admin to be, into an account with a password: %v", err)
		}
		idptest.Must(t, come(other, 2))
		idptest.Must(t, come(empty, 3, "Admin"))
		if n := query[int](t, o, "SELECT COUNT(*) FROM user_roles WHERE role_id = 'admin'"); n != 1 {
			t.Errorf("%d admins", n)
		}
	})
}

// Naming the domains of a connection links the people who have an address there, today and
// later. It takes the right to reset them, also where none has a second step today.
func TestNamingDomainsTakesTheRightToResetPeople(t *testing.T) {
	t.Parallel()
	inOffice(t, func(t *testing.T, o *office) {
		o.person(t, idp.Contacts)
		name := func(permissions ...string) error {
			return second(o.Connections.AddConnection(t.Context(), holder(permissions...), entra(func(c *connections.ConnectionChange) {
				c.PopulationID, c.Domains = idp.Contacts, []string{"rtx.example"}
			})))
		}
		if err := name(idp.PermissionAuthentication, idp.PermissionUsers); !errors.Is(err, authz.ErrForbidden) {
			t.Errorf("without the right: %v", err)
		}
		idptest.Must(t, name(idp.PermissionAuthentication, idp.PermissionUsers, idp.PermissionContactReset))
	})
}
