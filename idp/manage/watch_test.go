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
	"gatehouse/idp/store"
)

// readings are the operations that write nothing but the audit log's word of a refusal.
var readings = []string{
	"PreviewPolicy", "PreviewOverride", "Policy", "Override", "Populations", "Population", "Connections", "Connection",
	"PreviewAccess", "Identities", "Requirements", "PreviewPasswordRules", "PreviewSessionRules", "Users", "UserDetail",
	"Invitation", "Invitations", "ListSessions", "ListGrants", "Roles", "Clients", "Client", "Audit", "ExportAudit", "Deliveries", "SigningKeys",
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
type act = func(ctx context.Context, a manage.Actor) error

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
	changed, err := o.CreateRole(t.Context(), everything(), "Changed", nil, ticket)
	idptest.Must(t, err)
	gone, err := o.CreateRole(t.Context(), everything(), "Gone", nil, ticket)
	idptest.Must(t, err)
	return map[string]act{
		"AddClient": func(ctx context.Context, a manage.Actor) error {
			return third(o.AddClient(ctx, a, idp.Client{Name: "New", Populations: []string{idp.Agents}, RedirectURIs: []string{"https://new.example/cb"}}))
		},
		"UpdateClient": func(ctx context.Context, a manage.Actor) error {
			entry, err := o.Client(ctx, a, client.ID)
			entry.Name = "Another name"
			return errors.Join(err, second(o.UpdateClient(ctx, a, entry)))
		},
		"DeleteClient": func(ctx context.Context, a manage.Actor) error { return o.DeleteClient(ctx, a, client.ID, ticket) },
		"AddClientSecret": func(ctx context.Context, a manage.Actor) error {
			secrets(`["AA=="]`)
			return second(o.AddClientSecret(ctx, a, client.ID))
		},
		"RemoveClientSecret": func(ctx context.Context, a manage.Actor) error {
			secrets(`["AA==","AQ=="]`)
			return o.RemoveClientSecret(ctx, a, client.ID, 0)
		},
		"SaveOverride": func(ctx context.Context, a manage.Actor) error {
			return second(o.SaveOverride(ctx, a, manage.Change[idp.Override]{
				ID: client.ID, To: idp.Override{Mode: idp.OverrideRequired, Version: o.override(t, client.ID).Version},
				Apply: manage.Immediately, Reason: ticket,
			}))
		},
		"CreateRole": func(ctx context.Context, a manage.Actor) error {
			return second(o.CreateRole(ctx, a, "New", nil, ticket))
		},
		"UpdateRole": func(ctx context.Context, a manage.Actor) error {
			after := changed
			after.Permissions = []string{idp.PermissionUsers}
			return second(o.UpdateRole(ctx, a, after, ticket))
		},
		"DeleteRole": func(ctx context.Context, a manage.Actor) error {
			return o.DeleteRole(ctx, a, gone.ID, gone.Version, ticket)
		},
		"RevokeKey":       func(ctx context.Context, a manage.Actor) error { return o.RevokeKey(ctx, a, "leaked", ticket) },
		"RotateKeys":      func(ctx context.Context, a manage.Actor) error { return second(o.RotateKeys(ctx, a, ticket)) },
		"TestMail":        func(ctx context.Context, a manage.Actor) error { return o.TestMail(ctx, a, "maya@rtx.example") },
		"RetryDeliveries": func(ctx context.Context, a manage.Actor) error { return second(o.RetryDeliveries(ctx, a, "mail")) },
	}
}

func (o *office) actsOnSettings(t *testing.T) map[string]act {
	t.Helper()
	changed, gone := o.connected(t, nil), o.connected(t, func(c *manage.ConnectionChange) { c.Name = "Another" })
	version := func() int64 {
		return query[int64](t, o, "SELECT version FROM populations WHERE id = 'agents'")
	}
	return map[string]act{
		"SavePolicy": func(ctx context.Context, a manage.Actor) error {
			p := o.policy(t, idp.Agents)
			p.IssuerLabel += "!"
			return second(o.SavePolicy(ctx, a, manage.Change[idp.Policy]{ID: idp.Agents, To: p, Apply: manage.Immediately, Reason: ticket}))
		},
		"AddPopulation": func(ctx context.Context, a manage.Actor) error {
			return second(o.AddPopulation(ctx, a, "partners", "Partners"))
		},
		"SaveBrand": func(ctx context.Context, a manage.Actor) error {
			return second(o.SaveBrand(ctx, a, manage.Change[idp.Brand]{ID: idp.Agents, Version: version(), To: idp.Brand{Name: "Staff"}}))
		},
		"SaveRegistration": func(ctx context.Context, a manage.Actor) error {
			return second(o.SaveRegistration(ctx, a, manage.Change[idp.Registration]{ID: idp.Agents, Version: version(), To: idp.Registration{Open: true}}))
		},
		"SavePasswordRules": func(ctx context.Context, a manage.Actor) error {
			return second(o.SavePasswordRules(ctx, a, manage.Change[idp.PasswordRules]{
				ID: idp.Agents, Version: version(), To: idp.PasswordRules{MinLength: 12}, Apply: manage.OnlyNew, Reason: ticket,
			}))
		},
		"SaveSessionRules": func(ctx context.Context, a manage.Actor) error {
			rules := manage.SessionRulesOf(o.population(t, idp.Agents))
			rules.Idle = 10 * time.Minute
			return second(o.SaveSessionRules(ctx, a, manage.Change[manage.SessionRules]{ID: idp.Agents, Version: version(), To: rules, Reason: ticket}))
		},
		"SaveAccess": func(ctx context.Context, a manage.Actor) error {
			return second(o.SaveAccess(ctx, a, manage.Change[idp.Access]{
				ID: idp.Agents, Version: version(), To: idp.Access{Password: true, Federated: true}, Reason: ticket,
			}))
		},
		"AddConnection": func(ctx context.Context, a manage.Actor) error {
			return second(o.AddConnection(ctx, a, entra(func(c *manage.ConnectionChange) { c.Name = "Third" })))
		},
		"UpdateConnection": func(ctx context.Context, a manage.Actor) error {
			c := manage.ConnectionChange{Connection: changed.Connection, Reason: ticket}
			c.Name = "Another name"
			return second(o.UpdateConnection(ctx, a, c))
		},
		"DeleteConnection": func(ctx context.Context, a manage.Actor) error {
			return o.DeleteConnection(ctx, a, gone.ID, gone.Version, ticket)
		},
	}
}

func (o *office) actsOnPeople(t *testing.T) map[string]act {
	t.Helper()
	o.admin(t) // somebody is left who may everything
	c := o.connected(t, func(c *manage.ConnectionChange) { c.Name = "Linked" })
	u, away, nobody, stopped := o.enrolled(t, idp.Agents), o.enrolled(t, idp.Agents), o.enrolled(t, idp.Agents), o.enrolled(t, idp.Agents)
	unlinked := o.person(t, idp.Agents)
	o.linked(t, unlinked, c)
	s, factor := o.signedIn(t, u), o.enrolment(t, stopped).Of(idp.MethodTOTP)[0].ID
	o.exec(t, "UPDATE factors SET disabled_at = created_at WHERE id = '"+factor+"'")
	invited, err := o.Invite(t.Context(), everything(), manage.Invitation{Population: idp.Agents, Email: "invited@rtx.example"})
	idptest.Must(t, err)
	keeps, _, err := o.AddClient(t.Context(), everything(), idp.Client{Name: "Keeps access", Populations: []string{idp.Agents}, RedirectURIs: []string{"https://rtx.example/cb"}})
	idptest.Must(t, err)
	kept, _ := idptest.Grant(keeps.Client, s)
	idptest.Must(t, o.db.CreateGrant(t.Context(), kept))
	return map[string]act{
		"AddUser": func(ctx context.Context, a manage.Actor) error {
			return second(o.AddUser(ctx, a, manage.NewUser{Population: idp.Agents, Email: "new@rtx.example"}))
		},
		"ImportUser": func(ctx context.Context, a manage.Actor) error {
			return second(o.ImportUser(ctx, a, manage.ImportedUser{Population: idp.Agents, Email: "old@rtx.example"}, ticket))
		},
		"UpdateUser": func(ctx context.Context, a manage.Actor) error {
			return second(o.UpdateUser(ctx, a, u.ID, manage.UserChange{Version: 1, Name: ptr("Another name")}))
		},
		"DeleteUser":    func(ctx context.Context, a manage.Actor) error { return o.DeleteUser(ctx, a, away.ID, ticket) },
		"AnonymiseUser": func(ctx context.Context, a manage.Actor) error { return o.AnonymiseUser(ctx, a, nobody.ID, ticket) },
		"SetPassword": func(ctx context.Context, a manage.Actor) error {
			return o.SetPassword(ctx, a, u.ID, "gentle maple corner", ticket)
		},
		"ClearThrottle": func(ctx context.Context, a manage.Actor) error { return o.ClearThrottle(ctx, a, u.ID, ticket) },
		"SetRoles": func(ctx context.Context, a manage.Actor) error {
			return o.SetRoles(ctx, a, u.ID, query[int64](t, o, "SELECT version FROM users WHERE id = ?", u.ID), []string{idp.RoleAgent}, ticket)
		},
		"LinkIdentity": func(ctx context.Context, a manage.Actor) error {
			return o.LinkIdentity(ctx, a, manage.NewIdentity{
				UserID: u.ID, ConnectionID: c.ID, TenantID: contoso, ObjectID: "12345678-aaaa-4bbb-8ccc-000000000001", Reason: ticket,
			})
		},
		"UnlinkIdentity": func(ctx context.Context, a manage.Actor) error {
			return o.UnlinkIdentity(ctx, a, unlinked.ID, c.ID, ticket)
		},
		"Invite": func(ctx context.Context, a manage.Actor) error {
			return second(o.Invite(ctx, a, manage.Invitation{Population: idp.Agents, Email: "another@rtx.example"}))
		},
		"ResendInvitation": func(ctx context.Context, a manage.Actor) error { return second(o.ResendInvitation(ctx, a, invited.ID)) },
		"RevokeInvitation": func(ctx context.Context, a manage.Actor) error { return o.RevokeInvitation(ctx, a, invited.ID) },
		"ViewRecoveryCodes": func(ctx context.Context, a manage.Actor) error {
			codes, err := o.ViewRecoveryCodes(ctx, a, u.ID, ticket)
			if err != nil && len(codes) > 0 {
				t.Error("the codes come with the refusal")
			}
			return err
		},
		"RegenerateRecoveryCodes": func(ctx context.Context, a manage.Actor) error {
			return o.RegenerateRecoveryCodes(ctx, a, u.ID, ticket)
		},
		"EnableFactor": func(ctx context.Context, a manage.Actor) error {
			return o.EnableFactor(ctx, a, stopped.ID, factor, ticket)
		},
		"EndSession": func(ctx context.Context, a manage.Actor) error { return o.EndSession(ctx, a, s.ID, ticket) },
		"EndGrant":   func(ctx context.Context, a manage.Actor) error { return o.EndGrant(ctx, a, u.ID, kept.ID, ticket) },
		"SignOut": func(ctx context.Context, a manage.Actor) error {
			return second(o.SignOut(ctx, a, stopped.ID, ticket, manage.EndAppAccess))
		},
		"ResetMFA": func(ctx context.Context, a manage.Actor) error { return o.ResetMFA(ctx, a, u.ID, ticket) },
	}
}

// everyRow is all that an operation may write, but for refusals in the audit log.
func (o *office) everyRow(t *testing.T) string {
	t.Helper()
	text := o.standing(t)
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
		o.Rotation, o.Throttles = keys, nothingCounted{}
		acts := o.acts(t)
		for name := range manage.Operations() {
			if acts[name] == nil != slices.Contains(readings, name) {
				t.Errorf("%s is neither among the readings nor among the acts, or both", name)
			}
		}
		sensitive := []string{"SavePolicy", "SaveAccess", "SetPassword", "ResetMFA", "ViewRecoveryCodes", "SetRoles", "DeleteClient", "RotateKeys"}
		old := everything()
		old.SecondStepAt = idp.Now().Add(-manage.FreshSecondStep - time.Second)
		for name, do := range acts {
			for what, c := range map[string]struct {
				now  manage.Actor
				err  error
				want error
			}{
				"the session has ended":    {manage.Actor{}, manage.ErrGone, manage.ErrGone},
				"the token has ended":      {manage.Actor{}, idp.ErrTokenInvalid, idp.ErrTokenInvalid},
				"the permissions are gone": {holder(), nil, manage.ErrForbidden},
				"the second step is old":   {old, nil, manage.ErrStepUp},
			} {
				if what == "the second step is old" && !slices.Contains(sensitive, name) {
					continue
				}
				ctx := o.Watch(t.Context(), func(context.Context) (manage.Actor, error) { return c.now, c.err })
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
