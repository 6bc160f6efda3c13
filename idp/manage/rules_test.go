package manage_test

import (
	"errors"
	"maps"
	"reflect"
	"slices"
	"testing"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/manage"
)

// Whatever takes an actor has a rule, and every rule is some method's.
func TestEveryOperationHasARule(t *testing.T) {
	t.Parallel()
	manager, actor := reflect.TypeFor[*manage.Manager](), reflect.TypeFor[manage.Actor]()
	methods := map[string]bool{}
	for i := range manager.NumMethod() {
		method := manager.Method(i)
		for in := range method.Type.NumIn() {
			if method.Type.In(in) == actor {
				methods[method.Name] = true
			}
		}
	}
	operations := manage.Operations()
	for name := range methods {
		if len(operations[name]) == 0 {
			t.Errorf("%s takes an actor and has no rule", name)
		}
	}
	for name, permissions := range operations {
		if !methods[name] {
			t.Errorf("there is a rule for %s, and no such operation", name)
		}
		for _, p := range permissions {
			if !slices.Contains(idp.Permissions(), p) {
				t.Errorf("%s asks for %q, which is no permission", name, p)
			}
		}
	}
}

// attempt is a way to ask for an operation that changes nothing when it is allowed:
// it fails for another reason.
type attempt struct {
	op string
	// allowed are the permissions that count for what it concerns; nil: all of the
	// rule.
	allowed []string
	do      func(a manage.Actor) error
}

// attempts are all operations, with and without those whom they concern.
func (o *office) attempts(t *testing.T) []attempt {
	t.Helper()
	ctx := t.Context()
	client, _, err := o.CreateClient(ctx, idp.Client{Name: "App", Populations: []string{idp.Agents}})
	idptest.Must(t, err)
	list := []attempt{
		{"PreviewPolicy", nil, func(a manage.Actor) error {
			return second(o.PreviewPolicy(ctx, a, idp.Agents, idp.Policy{}))
		}},
		{"PreviewOverride", nil, func(a manage.Actor) error {
			return second(o.PreviewOverride(ctx, a, client.ID, idp.Override{}))
		}},
		{"SavePolicy", nil, func(a manage.Actor) error { return second(o.SavePolicy(ctx, a, manage.Change[idp.Policy]{})) }},
		{"SaveOverride", nil, func(a manage.Actor) error { return second(o.SaveOverride(ctx, a, manage.Change[idp.Override]{})) }},
		{"TestMail", nil, func(a manage.Actor) error { return o.TestMail(ctx, a, "nobody") }},
		{"Populations", nil, func(a manage.Actor) error { return second(o.Populations(ctx, a)) }},
		{"Population", nil, func(a manage.Actor) error { return second(o.Population(ctx, a, idp.Agents)) }},
		{"AddPopulation", nil, func(a manage.Actor) error { return second(o.AddPopulation(ctx, a, "", "")) }},
		{"SaveBrand", nil, func(a manage.Actor) error {
			return second(o.SaveBrand(ctx, a, manage.Change[idp.Brand]{ID: idp.Agents}))
		}},
		{"Requirements", nil, func(a manage.Actor) error { return second(o.Requirements(ctx, a, idp.Agents)) }},
		{"PreviewPasswordRules", nil, func(a manage.Actor) error {
			return second(o.PreviewPasswordRules(ctx, a, idp.Agents, idp.PasswordRules{}))
		}},
		{"SavePasswordRules", nil, func(a manage.Actor) error {
			return second(o.SavePasswordRules(ctx, a, manage.Change[idp.PasswordRules]{ID: idp.Agents}))
		}},
		{"PreviewSessionRules", nil, func(a manage.Actor) error {
			return second(o.PreviewSessionRules(ctx, a, idp.Agents, manage.SessionRules{}))
		}},
		{"SaveSessionRules", nil, func(a manage.Actor) error {
			return second(o.SaveSessionRules(ctx, a, manage.Change[manage.SessionRules]{ID: idp.Agents}))
		}},
		{"Users", nil, func(a manage.Actor) error { return third(o.Users(ctx, a, manage.UserQuery{})) }},
		{"AddUser", nil, func(a manage.Actor) error { return second(o.AddUser(ctx, a, manage.NewUser{})) }},
		{"Invite", nil, func(a manage.Actor) error { return second(o.Invite(ctx, a, manage.Invitation{})) }},
		{"Invitations", nil, func(a manage.Actor) error { return third(o.Invitations(ctx, a, manage.InvitationQuery{})) }},
		{"Invitation", nil, func(a manage.Actor) error { return second(o.Invitation(ctx, a, "none")) }},
		{"ResendInvitation", nil, func(a manage.Actor) error { return second(o.ResendInvitation(ctx, a, "none")) }},
		{"RevokeInvitation", nil, func(a manage.Actor) error { return o.RevokeInvitation(ctx, a, "none") }},
		{"SaveRegistration", nil, func(a manage.Actor) error {
			return second(o.SaveRegistration(ctx, a, manage.Change[idp.Registration]{ID: idp.Agents}))
		}},
		{"ImportUser", nil, func(a manage.Actor) error { return second(o.ImportUser(ctx, a, manage.ImportedUser{}, ticket)) }},
		{"ListSessions", nil, func(a manage.Actor) error { return third(o.ListSessions(ctx, a, manage.SessionQuery{})) }},
		{"Roles", nil, func(a manage.Actor) error { return second(o.Roles(ctx, a)) }},
		{"CreateRole", nil, func(a manage.Actor) error { return second(o.CreateRole(ctx, a, "", nil, ticket)) }},
		{"UpdateRole", nil, func(a manage.Actor) error {
			return second(o.UpdateRole(ctx, a, manage.RoleEntry{Role: idp.Role{ID: idp.RoleAgent}}, ticket))
		}},
		{"DeleteRole", nil, func(a manage.Actor) error { return o.DeleteRole(ctx, a, idp.RoleAgent, 1, ticket) }},
		{"Clients", nil, func(a manage.Actor) error { return third(o.Clients(ctx, a, "", 1)) }},
		{"Client", nil, func(a manage.Actor) error { return second(o.Client(ctx, a, client.ID)) }},
		{"AddClient", nil, func(a manage.Actor) error { return third(o.AddClient(ctx, a, idp.Client{})) }},
		{"UpdateClient", nil, func(a manage.Actor) error {
			return second(o.UpdateClient(ctx, a, manage.ClientEntry{Client: idp.Client{ID: client.ID}}))
		}},
		{"DeleteClient", nil, func(a manage.Actor) error { return o.DeleteClient(ctx, a, client.ID, "") }},
		{"AddClientSecret", nil, func(a manage.Actor) error {
			a.SecondStepAt = time.Time{}
			return second(o.AddClientSecret(ctx, a, client.ID))
		}},
		{"RemoveClientSecret", nil, func(a manage.Actor) error { return o.RemoveClientSecret(ctx, a, client.ID, 0) }},
		{"Audit", nil, func(a manage.Actor) error { return third(o.Audit(ctx, a, manage.AuditQuery{})) }},
		{"ExportAudit", nil, func(a manage.Actor) error {
			return o.ExportAudit(ctx, a, manage.AuditQuery{UserID: "nobody"}, func(idp.AuditEvent) error { return nil })
		}},
		{"Deliveries", nil, func(a manage.Actor) error { return second(o.Deliveries(ctx, a)) }},
		{"Policy", nil, func(a manage.Actor) error { return second(o.Policy(ctx, a, idp.Agents)) }},
		{"Override", nil, func(a manage.Actor) error { return second(o.Override(ctx, a, client.ID)) }},
		{"SigningKeys", nil, func(a manage.Actor) error { return second(o.SigningKeys(ctx, a)) }},
		{"RotateKeys", nil, func(a manage.Actor) error { return second(o.RotateKeys(ctx, a, "")) }},
		{"RevokeKey", nil, func(a manage.Actor) error { return o.RevokeKey(ctx, a, "", "") }},
		{"RetryDeliveries", nil, func(a manage.Actor) error { return second(o.RetryDeliveries(ctx, a, "nowhere")) }},
	}
	list = append(list, o.attemptsOnConnections(t)...)
	return append(append(list, o.attemptsOn(t, idp.Agents)...), o.attemptsOn(t, idp.Contacts)...)
}

// attemptsOnConnections are those that concern ways in through other providers.
func (o *office) attemptsOnConnections(t *testing.T) []attempt {
	t.Helper()
	ctx := t.Context()
	c := o.connected(t, nil)
	return []attempt{
		{"Connections", nil, func(a manage.Actor) error { return second(o.Connections(ctx, a, idp.Agents)) }},
		{"Connection", nil, func(a manage.Actor) error { return second(o.Connection(ctx, a, c.ID)) }},
		{"AddConnection", nil, func(a manage.Actor) error {
			return second(o.AddConnection(ctx, a, manage.ConnectionChange{Reason: ticket}))
		}},
		{"UpdateConnection", nil, func(a manage.Actor) error {
			return second(o.UpdateConnection(ctx, a, manage.ConnectionChange{Connection: idp.Connection{ID: c.ID}, Reason: ticket}))
		}},
		{"DeleteConnection", nil, func(a manage.Actor) error { return o.DeleteConnection(ctx, a, c.ID, -1, ticket) }},
		{"PreviewAccess", nil, func(a manage.Actor) error { return second(o.PreviewAccess(ctx, a, idp.Agents)) }},
		{"SaveAccess", nil, func(a manage.Actor) error {
			return second(o.SaveAccess(ctx, a, manage.Change[idp.Access]{ID: idp.Agents, Version: -1, Reason: ticket}))
		}},
	}
}

// attemptsOn are those that concern a person of a population.
func (o *office) attemptsOn(t *testing.T, population string) []attempt {
	t.Helper()
	ctx := t.Context()
	u := o.enrolled(t, population)
	s := o.signedIn(t, u)
	plain := o.person(t, population) // without a second step that a new account elsewhere would get around
	reset, viewers := []string{idp.PermissionAgentRecovery}, []string{idp.PermissionAgentRecovery}
	if population != idp.Agents {
		reset, viewers = []string{idp.PermissionContactReset}, []string{}
	}
	seers := append([]string{idp.PermissionUsers, idp.PermissionSessions}, reset...)
	return []attempt{
		{"Users", seers, func(a manage.Actor) error {
			return third(o.Users(ctx, a, manage.UserQuery{Population: population, Limit: 1}))
		}},
		{"UserDetail", seers, func(a manage.Actor) error { return second(o.UserDetail(ctx, a, u.ID)) }},
		{"UpdateUser", nil, func(a manage.Actor) error { return second(o.UpdateUser(ctx, a, u.ID, manage.UserChange{Version: -1})) }},
		{"DeleteUser", nil, func(a manage.Actor) error { return o.DeleteUser(ctx, a, u.ID, "") }},
		{"AnonymiseUser", nil, func(a manage.Actor) error { return o.AnonymiseUser(ctx, a, u.ID, "") }},
		{"SetPassword", nil, func(a manage.Actor) error { return o.SetPassword(ctx, a, u.ID, "gentle maple corner", "") }},
		{"ClearThrottle", nil, func(a manage.Actor) error { return o.ClearThrottle(ctx, a, u.ID, "") }},
		{"SetRoles", nil, func(a manage.Actor) error { return o.SetRoles(ctx, a, u.ID, -1, nil, ticket) }},
		{"Identities", seers, func(a manage.Actor) error { return second(o.Identities(ctx, a, u.ID)) }},
		{"LinkIdentity", nil, func(a manage.Actor) error { return o.LinkIdentity(ctx, a, manage.NewIdentity{UserID: plain.ID}) }},
		{"UnlinkIdentity", nil, func(a manage.Actor) error { return o.UnlinkIdentity(ctx, a, u.ID, "none", "") }},
		{"ViewRecoveryCodes", viewers, func(a manage.Actor) error { return second(o.ViewRecoveryCodes(ctx, a, u.ID, "")) }},
		{"RegenerateRecoveryCodes", reset, func(a manage.Actor) error { return o.RegenerateRecoveryCodes(ctx, a, u.ID, "") }},
		{"ResetMFA", reset, func(a manage.Actor) error { return o.ResetMFA(ctx, a, u.ID, "") }},
		{"EnableFactor", reset, func(a manage.Actor) error { return o.EnableFactor(ctx, a, u.ID, "none", "") }},
		{"ListGrants", nil, func(a manage.Actor) error { return second(o.ListGrants(ctx, a, u.ID)) }},
		{"EndGrant", nil, func(a manage.Actor) error { return o.EndGrant(ctx, a, u.ID, "none", ticket) }},
		{"EndSession", nil, func(a manage.Actor) error { return o.EndSession(ctx, a, s.ID, "") }},
		{"SignOut", nil, func(a manage.Actor) error { return second(o.SignOut(ctx, a, u.ID, "", manage.EndAppAccess)) }},
	}
}

func second[T any](_ T, err error) error        { return err }
func third[T, U any](_ T, _ U, err error) error { return err }

// signedIn gives somebody a session.
func (o *office) signedIn(t *testing.T, u idp.User) idp.Session {
	t.Helper()
	p, err := o.db.Population(t.Context(), u.PopulationID)
	idptest.Must(t, err)
	s, token := idptest.Session(u, p)
	s.BrowserHash = []byte(token)
	idptest.Must(t, o.db.CreateSession(t.Context(), s))
	return s
}

// Every operation, with no permission, each single one, and all.
func TestOperationsAskForTheirPermissions(t *testing.T) {
	t.Parallel()
	inOffice(t, func(t *testing.T, o *office) {
		attempts := o.attempts(t)
		left := manage.Operations()
		before := o.state(t)
		sets := [][]string{{}, idp.Permissions()}
		for _, p := range idp.Permissions() {
			sets = append(sets, []string{p})
		}
		const refusals = "SELECT COALESCE(SUM(times), 0) FROM audit_events WHERE kind = 'operation.refused'"
		for _, at := range attempts {
			delete(left, at.op)
			allowed := at.allowed
			if allowed == nil {
				allowed = manage.Operations()[at.op]
			}
			for _, set := range sets {
				seen := query[int](t, o, refusals)
				err := at.do(holder(set...))
				may := slices.ContainsFunc(set, func(p string) bool { return slices.Contains(allowed, p) })
				if errors.Is(err, manage.ErrForbidden) == may {
					t.Errorf("%s with %v: %v", at.op, set, err)
				}
				if n := query[int](t, o, refusals) - seen; !may && n != 1 {
					t.Errorf("%s with %v: %d refusals in the audit log", at.op, set, n)
				}
				if may && !holder(set...).May(at.op) {
					t.Errorf("%s with %v: allowed, and May says no", at.op, set)
				}
			}
		}
		if after := o.state(t); after != before {
			t.Errorf("something was changed: %s, then %s", before, after)
		}
		for op := range maps.Keys(left) {
			t.Errorf("nobody has tried %s", op)
		}
	})
}
