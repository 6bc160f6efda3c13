package manage_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/manage"
	"gatehouse/idp/manage/authz"
	"gatehouse/idp/manage/connections"
	"gatehouse/idp/manage/links"
	"gatehouse/idp/manage/people"
	"gatehouse/idp/manage/populations"
	"gatehouse/idp/store"
)

// readings are the operations that write nothing but to the audit log.
var readings = []string{
	"Coverage", "PreviewReminder", "PreviewPolicy", "PreviewOverride", "Policy", "Override", "Populations", "Population", "Connections", "Connection",
	"PreviewAccess", "Identities", "Requirements", "PreviewPasswordRules", "PreviewSessionRules", "Users", "UserDetail",
	"Invitation", "Invitations", "ListSessions", "ListGrants", "ListConsents", "ListTrustedBrowsers", "Roles", "Clients", "Client", "InitialTokens", "InitialToken", "ClientRegistration", "Audit", "ExportAudit", "Deliveries", "TestLogout", "SigningKeys",
}

// turner counts the rotations of signing keys.
type turner struct {
	store  *store.Store
	turned int
}

// What was turned counts when it is written, as rows do.
func (r *turner) Rotate(ctx context.Context, _ bool) (int, error) {
	r.store.AfterCommit(ctx, func() { r.turned++ })
	return 1, nil
}

func (r *turner) Revoke(ctx context.Context, _ string) error {
	r.store.AfterCommit(ctx, func() { r.turned++ })
	return nil
}

// act is an operation that writes, asked for so that it would.
type act = func(ctx context.Context, a authz.Actor) error

// acts are all operations that write, by the names of their rules.
func (o *office) acts(t *testing.T) map[string]act {
	t.Helper()
	list := o.actsOnPeople(t)
	for name, do := range o.actsOnSettings(t) {
		list[name] = do
	}
	for name, do := range o.actsOnApps(t) {
		list[name] = do
	}
	return list
}

func (o *office) actsOnApps(t *testing.T) map[string]act {
	t.Helper()
	client := o.app(t, nil, idp.Agents)
	secrets := func(list string) {
		o.exec(t, "UPDATE clients SET secret_hashes = '"+list+"' WHERE id = '"+client.ID+"'")
	}
	changed, err := o.Roles.CreateRole(t.Context(), everything(), "Changed", nil, ticket)
	idptest.Must(t, err)
	gone, err := o.Roles.CreateRole(t.Context(), everything(), "Gone", nil, ticket)
	idptest.Must(t, err)
	token, _, err := o.Apps.AddInitialToken(t.Context(), everything(), idp.InitialToken{Name: "Gone", Policy: idp.RegistrationPolicy{Hosts: []string{"*"}, Populations: []string{idp.Agents}}})
	idptest.Must(t, err)
	return map[string]act{
		"AddClient": func(ctx context.Context, a authz.Actor) error {
			return third(o.Apps.AddClient(ctx, a, idp.Client{Name: "New", Populations: []string{idp.Agents}, RedirectURIs: []string{"https://new.example/cb"}}))
		},
		"UpdateClient": func(ctx context.Context, a authz.Actor) error {
			entry, err := o.Apps.Client(ctx, a, client.ID)
			entry.Name = "Another name"
			return errors.Join(err, second(o.Apps.UpdateClient(ctx, a, entry)))
		},
		"DeleteClient": func(ctx context.Context, a authz.Actor) error {
			return o.Apps.DeleteClient(ctx, a, client.ID, 0, ticket)
		},
		"AddClientSecret": func(ctx context.Context, a authz.Actor) error {
			secrets(`["AA=="]`)
			return second(o.Apps.AddClientSecret(ctx, a, client.ID))
		},
		"RemoveClientSecret": func(ctx context.Context, a authz.Actor) error {
			secrets(`["AA==","AQ=="]`)
			return o.Apps.RemoveClientSecret(ctx, a, client.ID, 0)
		},
		"AddInitialToken": func(ctx context.Context, a authz.Actor) error {
			return third(o.Apps.AddInitialToken(ctx, a, idp.InitialToken{Name: "Partner", Policy: idp.RegistrationPolicy{Hosts: []string{"*"}, Populations: []string{idp.Agents}}}))
		},
		"WithdrawInitialToken": func(ctx context.Context, a authz.Actor) error {
			return o.Apps.WithdrawInitialToken(ctx, a, token.ID, ticket)
		},
		"SaveOverride": func(ctx context.Context, a authz.Actor) error {
			return second(o.Populations.SaveOverride(ctx, a, populations.Change[idp.Override]{
				ID: client.ID, To: idp.Override{Mode: idp.OverrideRequired, Version: o.override(t, client.ID).Version},
				Apply: populations.Immediately, Reason: ticket,
			}))
		},
		"CreateRole": func(ctx context.Context, a authz.Actor) error {
			return second(o.Roles.CreateRole(ctx, a, "New", nil, ticket))
		},
		"UpdateRole": func(ctx context.Context, a authz.Actor) error {
			after := changed
			after.Permissions = []string{idp.PermissionUsers}
			return second(o.Roles.UpdateRole(ctx, a, after, ticket))
		},
		"DeleteRole": func(ctx context.Context, a authz.Actor) error {
			return o.Roles.DeleteRole(ctx, a, gone.ID, gone.Version, ticket)
		},
		"RevokeKey":  func(ctx context.Context, a authz.Actor) error { return o.System.RevokeKey(ctx, a, "leaked", ticket) },
		"RotateKeys": func(ctx context.Context, a authz.Actor) error { return second(o.System.RotateKeys(ctx, a, ticket)) },
		"TestMail":   func(ctx context.Context, a authz.Actor) error { return o.System.TestMail(ctx, a, "maya@rtx.example") },
		"RetryDeliveries": func(ctx context.Context, a authz.Actor) error {
			return second(o.System.RetryDeliveries(ctx, a, "mail"))
		},
	}
}

func (o *office) actsOnSettings(t *testing.T) map[string]act {
	t.Helper()
	changed, gone := o.connected(t, nil), o.connected(t, func(c *connections.ConnectionChange) { c.Name = "Another" })
	version := func() int64 {
		return query[int64](t, o, "SELECT version FROM populations WHERE id = 'agents'")
	}
	return map[string]act{
		"SavePolicy": func(ctx context.Context, a authz.Actor) error {
			p := o.policy(t, idp.Agents)
			p.IssuerLabel += "!"
			return second(o.Populations.SavePolicy(ctx, a, populations.Change[idp.Policy]{ID: idp.Agents, To: p, Apply: populations.Immediately, Reason: ticket}))
		},
		"AddPopulation": func(ctx context.Context, a authz.Actor) error {
			return second(o.Populations.AddPopulation(ctx, a, "partners", "Partners"))
		},
		"RemindSecondStep": func(ctx context.Context, a authz.Actor) error {
			return second(o.Populations.RemindSecondStep(ctx, a, idp.Contacts, idp.Now().Add(48*time.Hour), ticket))
		},
		"SaveBrand": func(ctx context.Context, a authz.Actor) error {
			return second(o.Populations.SaveBrand(ctx, a, populations.Change[idp.Brand]{ID: idp.Agents, Version: version(), To: idp.Brand{Name: "Staff"}}))
		},
		"SaveRegistration": func(ctx context.Context, a authz.Actor) error {
			return second(o.Populations.SaveRegistration(ctx, a, populations.Change[idp.Registration]{ID: idp.Agents, Version: version(), To: idp.Registration{Open: true}}))
		},
		"SavePasswordRules": func(ctx context.Context, a authz.Actor) error {
			return second(o.Populations.SavePasswordRules(ctx, a, populations.Change[idp.PasswordRules]{
				ID: idp.Agents, Version: version(), To: idp.PasswordRules{MinLength: 12}, Apply: populations.OnlyNew, Reason: ticket,
			}))
		},
		"SaveSessionRules": func(ctx context.Context, a authz.Actor) error {
			rules := populations.SessionRulesOf(o.population(t, idp.Agents))
			rules.Idle = 10 * time.Minute
			return second(o.Populations.SaveSessionRules(ctx, a, populations.Change[populations.SessionRules]{ID: idp.Agents, Version: version(), To: rules, Reason: ticket}))
		},
		"SaveAccess": func(ctx context.Context, a authz.Actor) error {
			return second(o.Populations.SaveAccess(ctx, a, populations.Change[idp.Access]{
				ID: idp.Agents, Version: version(), To: idp.Access{Password: true, Federated: true}, Reason: ticket,
			}))
		},
		"AddConnection": func(ctx context.Context, a authz.Actor) error {
			return second(o.Connections.AddConnection(ctx, a, entra(func(c *connections.ConnectionChange) { c.Name = "Third" })))
		},
		"UpdateConnection": func(ctx context.Context, a authz.Actor) error {
			c := connections.ConnectionChange{Connection: changed.Connection, Reason: ticket}
			c.Name = "Another name"
			return second(o.Connections.UpdateConnection(ctx, a, c))
		},
		"DeleteConnection": func(ctx context.Context, a authz.Actor) error {
			return o.Connections.DeleteConnection(ctx, a, gone.ID, gone.Version, ticket)
		},
	}
}

func (o *office) actsOnPeople(t *testing.T) map[string]act {
	t.Helper()
	o.admin(t) // somebody is left who may everything
	c := o.connected(t, func(c *connections.ConnectionChange) { c.Name = "Linked" })
	u, away, nobody, stopped := o.enrolled(t, idp.Agents), o.enrolled(t, idp.Agents), o.enrolled(t, idp.Agents), o.enrolled(t, idp.Agents)
	unlinked := o.person(t, idp.Agents)
	o.linked(t, unlinked, c)
	s, factor := o.signedIn(t, u), o.enrolment(t, stopped).Of(idp.MethodTOTP)[0].ID
	o.exec(t, "UPDATE factors SET disabled_at = created_at WHERE id = '"+factor+"'")
	invited, err := o.Links.Invite(t.Context(), everything(), links.Invitation{Population: idp.Agents, Email: "invited@rtx.example"})
	idptest.Must(t, err)
	keeps, _, err := o.Apps.AddClient(t.Context(), everything(), idp.Client{Name: "Keeps access", Populations: []string{idp.Agents}, RedirectURIs: []string{"https://rtx.example/cb"}})
	idptest.Must(t, err)
	kept, _ := idptest.Grant(keeps.Client, s)
	idptest.Must(t, o.db.CreateGrant(t.Context(), kept))
	consent := o.consents(t, u.ID, keeps.ID)
	trusted := o.trusts(t, u.ID)
	return map[string]act{
		"AddUser": func(ctx context.Context, a authz.Actor) error {
			return second(o.People.AddUser(ctx, a, people.NewUser{Population: idp.Agents, Email: "new@rtx.example"}))
		},
		"ImportUser": func(ctx context.Context, a authz.Actor) error {
			return second(o.Connections.ImportUser(ctx, a, connections.ImportedUser{Population: idp.Agents, Email: "old@rtx.example"}, ticket))
		},
		"UpdateUser": func(ctx context.Context, a authz.Actor) error {
			return second(o.People.UpdateUser(ctx, a, u.ID, people.UserChange{Version: 1, Name: ptr("Another name")}))
		},
		"DeleteUser": func(ctx context.Context, a authz.Actor) error { return o.People.DeleteUser(ctx, a, away.ID, 0, ticket) },
		"AnonymiseUser": func(ctx context.Context, a authz.Actor) error {
			return o.People.AnonymiseUser(ctx, a, nobody.ID, ticket)
		},
		"SetPassword": func(ctx context.Context, a authz.Actor) error {
			return o.People.SetPassword(ctx, a, u.ID, "gentle maple corner", ticket)
		},
		"ClearThrottle": func(ctx context.Context, a authz.Actor) error { return o.People.ClearThrottle(ctx, a, u.ID, ticket) },
		"SetRoles": func(ctx context.Context, a authz.Actor) error {
			return o.People.SetRoles(ctx, a, u.ID, query[int64](t, o, "SELECT version FROM users WHERE id = ?", u.ID), []string{idp.RoleAgent}, ticket)
		},
		"LinkIdentity": func(ctx context.Context, a authz.Actor) error {
			return o.Connections.LinkIdentity(ctx, a, connections.NewIdentity{
				UserID: u.ID, ConnectionID: c.ID, TenantID: contoso, ObjectID: "12345678-aaaa-4bbb-8ccc-000000000001", Reason: ticket,
			})
		},
		"UnlinkIdentity": func(ctx context.Context, a authz.Actor) error {
			return o.Connections.UnlinkIdentity(ctx, a, unlinked.ID, c.ID, ticket)
		},
		"Invite": func(ctx context.Context, a authz.Actor) error {
			return second(o.Links.Invite(ctx, a, links.Invitation{Population: idp.Agents, Email: "another@rtx.example"}))
		},
		"ResendInvitation": func(ctx context.Context, a authz.Actor) error {
			return second(o.Links.ResendInvitation(ctx, a, invited.ID))
		},
		"RevokeInvitation": func(ctx context.Context, a authz.Actor) error { return o.Links.RevokeInvitation(ctx, a, invited.ID) },
		"ViewRecoveryCodes": func(ctx context.Context, a authz.Actor) error {
			codes, err := o.Factors.ViewRecoveryCodes(ctx, a, u.ID, ticket)
			if err != nil && len(codes) > 0 {
				t.Error("the codes come with the refusal")
			}
			return err
		},
		"RegenerateRecoveryCodes": func(ctx context.Context, a authz.Actor) error {
			return o.Factors.RegenerateRecoveryCodes(ctx, a, u.ID, ticket)
		},
		"EnableFactor": func(ctx context.Context, a authz.Actor) error {
			return o.Factors.EnableFactor(ctx, a, stopped.ID, factor, ticket)
		},
		"EndSession": func(ctx context.Context, a authz.Actor) error { return o.People.EndSession(ctx, a, s.ID, ticket) },
		"WithdrawConsent": func(ctx context.Context, a authz.Actor) error {
			return o.People.WithdrawConsent(ctx, a, u.ID, consent.ID, ticket)
		},
		"ForgetTrustedBrowser": func(ctx context.Context, a authz.Actor) error {
			return o.Factors.ForgetTrustedBrowser(ctx, a, u.ID, trusted.ID, ticket)
		},
		"EndGrant": func(ctx context.Context, a authz.Actor) error {
			return o.People.EndGrant(ctx, a, u.ID, kept.ID, ticket)
		},
		"SignOut": func(ctx context.Context, a authz.Actor) error {
			return second(o.People.SignOut(ctx, a, stopped.ID, ticket, people.EndAppAccess))
		},
		"ResetMFA": func(ctx context.Context, a authz.Actor) error { return o.Factors.ResetMFA(ctx, a, u.ID, ticket) },
	}
}

// everyRow is all that an operation may write, but for refusals in the audit log.
func (o *office) everyRow(t *testing.T) string {
	t.Helper()
	text := o.stateWithRoles(t)
	for _, counted := range []string{
		"links", "links WHERE used_at IS NULL", "roles", "clients", "signing_keys", "outbox WHERE done_at IS NULL", "populations",
		"factors WHERE disabled_at IS NULL", "users WHERE name = 'Another name'", "clients WHERE name = 'Another name'",
	} {
		text += " " + query[string](t, o, "SELECT COUNT(*) || '' FROM "+counted)
	}
	return text
}

// Between the moment in which a caller is let in and the end of what they write, much can
// happen. Whoever lost their session, service, permission or fresh second step meanwhile
// writes nothing, whatever the operation.
func TestCallersAreAskedForAgainAtTheEndOfWhatTheyWrite(t *testing.T) {
	t.Parallel()
	inOffice(t, func(t *testing.T, o *office) {
		keys := &turner{store: o.Store}
		o.refit(func(p *manage.Parts) { p.Rotation, p.Throttles = keys, nothingCounted{} })
		acts := o.acts(t)
		for name := range authz.Operations() {
			if acts[name] == nil != slices.Contains(readings, name) {
				t.Errorf("%s is neither among the readings nor among the acts, or both", name)
			}
		}
		sensitive := []string{"SavePolicy", "SaveAccess", "SetPassword", "ResetMFA", "ViewRecoveryCodes", "SetRoles", "DeleteClient", "RotateKeys"}
		old := everything()
		old.SecondStepAt = idp.Now().Add(-authz.FreshSecondStep - time.Second)
		for name, do := range acts {
			for what, c := range map[string]struct {
				now  authz.Actor
				err  error
				want error
			}{
				"the session has ended":    {authz.Actor{}, authz.ErrGone, authz.ErrGone},
				"the token has ended":      {authz.Actor{}, idp.ErrTokenInvalid, idp.ErrTokenInvalid},
				"the permissions are gone": {holder(), nil, authz.ErrForbidden},
				"the second step is old":   {old, nil, authz.ErrStepUp},
			} {
				if what == "the second step is old" && !slices.Contains(sensitive, name) {
					continue
				}
				ctx := o.Authz.Watch(t.Context(), func(context.Context) (authz.Actor, error) { return c.now, c.err })
				before, turned := o.everyRow(t), keys.turned
				err := do(ctx, everything())
				if !errors.Is(err, c.want) {
					t.Errorf("%s, %s: %v, want %v", name, what, err, c.want)
				}
				if after := o.everyRow(t); after != before || keys.turned != turned {
					t.Errorf("%s, %s: from\n%s\nto\n%s", name, what, before, after)
				}
			}
		}
	})
}

// nothingCounted forgets failures that nobody counted.
type nothingCounted struct{}

func (nothingCounted) ClearAccount(context.Context, string, string) error    { return nil }
func (nothingCounted) ClearFactor(context.Context, string, idp.Method) error { return nil }
func (nothingCounted) Mailing(context.Context, string, string) (time.Duration, error) {
	return 0, nil
}
