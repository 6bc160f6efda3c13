package manage_test

import (
	"errors"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

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
	"gatehouse/idp/manage/system"
)

// Whatever takes an actor has a rule, and every rule is some method's.
func TestEveryOperationHasARule(t *testing.T) {
	t.Parallel()
	methods := map[string]bool{}
	for _, room := range rooms() {
		for i := range room.NumMethod() {
			if method := room.Method(i); takesActor(method.Type) && !slices.Contains(steps, method.Name) {
				methods[method.Name] = true
			}
		}
	}
	operations := authz.Operations()
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

// steps are methods that operations of other rooms call, after they were allowed.
var steps = []string{
	"Authorize", "AuthorizeRead", "AuthorizeVouching", "Detail", "Forbid", "LinkMade", "Mailing", "SaveUser", "Target", "Through", "Unlink",
}

// A room that grows beyond this holds two concerns.
func TestRoomsStaySmall(t *testing.T) {
	t.Parallel()
	for _, room := range rooms() {
		if n := room.NumMethod(); n > 40 {
			t.Errorf("%s has %d exported methods", room, n)
		}
	}
}

// rooms are the types of all rooms.
func rooms() []reflect.Type {
	house := reflect.TypeFor[manage.Manager]()
	list := []reflect.Type{reflect.PointerTo(house)}
	for i := range house.NumField() {
		if t := house.Field(i).Type; t.Kind() == reflect.Pointer && strings.HasPrefix(t.Elem().PkgPath(), house.PkgPath()+"/") {
			list = append(list, t)
		}
	}
	return list
}

func takesActor(method reflect.Type) bool {
	for in := range method.NumIn() {
		if method.In(in) == reflect.TypeFor[authz.Actor]() {
			return true
		}
	}
	return false
}

// attempt is a way to ask for an operation that changes nothing when it is allowed:
// it fails for another reason.
type attempt struct {
	op string
	// allowed are the permissions that count for what it concerns; nil: all of the
	// rule.
	allowed []string
	do      func(a authz.Actor) error
}

// attempts are all operations, with and without those whom they concern.
func (o *office) attempts(t *testing.T) []attempt {
	t.Helper()
	ctx := t.Context()
	client, _, err := o.Apps.CreateClient(ctx, idp.Client{Name: "App", Populations: []string{idp.Agents}})
	idptest.Must(t, err)
	list := []attempt{
		{"PreviewPolicy", nil, func(a authz.Actor) error {
			return second(o.Populations.PreviewPolicy(ctx, a, idp.Agents, idp.Policy{}))
		}},
		{"PreviewOverride", nil, func(a authz.Actor) error {
			return second(o.Populations.PreviewOverride(ctx, a, client.ID, idp.Override{}))
		}},
		{"SavePolicy", nil, func(a authz.Actor) error {
			return second(o.Populations.SavePolicy(ctx, a, populations.Change[idp.Policy]{}))
		}},
		{"SaveOverride", nil, func(a authz.Actor) error {
			return second(o.Populations.SaveOverride(ctx, a, populations.Change[idp.Override]{}))
		}},
		{"TestMail", nil, func(a authz.Actor) error { return o.System.TestMail(ctx, a, "nobody") }},
		{"Populations", nil, func(a authz.Actor) error { return second(o.Populations.Populations(ctx, a)) }},
		{"Population", nil, func(a authz.Actor) error { return second(o.Populations.Population(ctx, a, idp.Agents)) }},
		{"AddPopulation", nil, func(a authz.Actor) error { return second(o.Populations.AddPopulation(ctx, a, "", "")) }},
		{"Coverage", nil, func(a authz.Actor) error { return second(o.Populations.Coverage(ctx, a)) }},
		{"PreviewReminder", nil, func(a authz.Actor) error { return second(o.Populations.PreviewReminder(ctx, a, idp.Agents)) }},
		{"RemindSecondStep", nil, func(a authz.Actor) error {
			return second(o.Populations.RemindSecondStep(ctx, a, idp.Agents, idp.Now(), ""))
		}},
		{"SaveBrand", nil, func(a authz.Actor) error {
			return second(o.Populations.SaveBrand(ctx, a, populations.Change[idp.Brand]{ID: idp.Agents}))
		}},
		{"Requirements", nil, func(a authz.Actor) error { return second(o.Populations.Requirements(ctx, a, idp.Agents)) }},
		{"PreviewPasswordRules", nil, func(a authz.Actor) error {
			return second(o.Populations.PreviewPasswordRules(ctx, a, idp.Agents, idp.PasswordRules{}))
		}},
		{"SavePasswordRules", nil, func(a authz.Actor) error {
			return second(o.Populations.SavePasswordRules(ctx, a, populations.Change[idp.PasswordRules]{ID: idp.Agents}))
		}},
		{"PreviewSessionRules", nil, func(a authz.Actor) error {
			return second(o.Populations.PreviewSessionRules(ctx, a, idp.Agents, populations.SessionRules{}))
		}},
		{"SaveSessionRules", nil, func(a authz.Actor) error {
			return second(o.Populations.SaveSessionRules(ctx, a, populations.Change[populations.SessionRules]{ID: idp.Agents}))
		}},
		{"Users", nil, func(a authz.Actor) error { return third(o.People.Users(ctx, a, people.UserQuery{})) }},
		{"AddUser", nil, func(a authz.Actor) error { return second(o.People.AddUser(ctx, a, people.NewUser{})) }},
		{"Invite", nil, func(a authz.Actor) error { return second(o.Links.Invite(ctx, a, links.Invitation{})) }},
		{"Invitations", nil, func(a authz.Actor) error { return third(o.Links.Invitations(ctx, a, links.InvitationQuery{})) }},
		{"Invitation", nil, func(a authz.Actor) error { return second(o.Links.Invitation(ctx, a, "none")) }},
		{"ResendInvitation", nil, func(a authz.Actor) error { return second(o.Links.ResendInvitation(ctx, a, "none")) }},
		{"RevokeInvitation", nil, func(a authz.Actor) error { return o.Links.RevokeInvitation(ctx, a, "none") }},
		{"SaveRegistration", nil, func(a authz.Actor) error {
			return second(o.Populations.SaveRegistration(ctx, a, populations.Change[idp.Registration]{ID: idp.Agents}))
		}},
		{"ImportUser", nil, func(a authz.Actor) error {
			return second(o.Connections.ImportUser(ctx, a, connections.ImportedUser{}, ticket))
		}},
		{"ListSessions", nil, func(a authz.Actor) error { return third(o.People.ListSessions(ctx, a, people.SessionQuery{})) }},
		{"Roles", nil, func(a authz.Actor) error { return second(o.Roles.Roles(ctx, a)) }},
		{"CreateRole", nil, func(a authz.Actor) error { return second(o.Roles.CreateRole(ctx, a, "", nil, ticket)) }},
		{"UpdateRole", nil, func(a authz.Actor) error {
			return second(o.Roles.UpdateRole(ctx, a, roles.RoleEntry{Role: idp.Role{ID: idp.RoleAgent}}, ticket))
		}},
		{"DeleteRole", nil, func(a authz.Actor) error { return o.Roles.DeleteRole(ctx, a, idp.RoleAgent, 1, ticket) }},
		{"Clients", nil, func(a authz.Actor) error { return third(o.Apps.Clients(ctx, a, "", 1)) }},
		{"Client", nil, func(a authz.Actor) error { return second(o.Apps.Client(ctx, a, client.ID)) }},
		{"AddClient", nil, func(a authz.Actor) error { return third(o.Apps.AddClient(ctx, a, idp.Client{})) }},
		{"UpdateClient", nil, func(a authz.Actor) error {
			return second(o.Apps.UpdateClient(ctx, a, apps.ClientEntry{Client: idp.Client{ID: client.ID}}))
		}},
		{"DeleteClient", nil, func(a authz.Actor) error { return o.Apps.DeleteClient(ctx, a, client.ID, 0, "") }},
		{"InitialTokens", nil, func(a authz.Actor) error { return third(o.Apps.InitialTokens(ctx, a, "", 0)) }},
		{"InitialToken", nil, func(a authz.Actor) error { return second(o.Apps.InitialToken(ctx, a, "none")) }},
		{"AddInitialToken", nil, func(a authz.Actor) error { return third(o.Apps.AddInitialToken(ctx, a, idp.InitialToken{})) }},
		{"WithdrawInitialToken", nil, func(a authz.Actor) error { return o.Apps.WithdrawInitialToken(ctx, a, "none", ticket) }},
		{"ClientRegistration", nil, func(a authz.Actor) error { return third(o.Apps.ClientRegistration(ctx, a, "none")) }},
		{"AddClientSecret", nil, func(a authz.Actor) error {
			a.SecondStepAt = time.Time{}
			return second(o.Apps.AddClientSecret(ctx, a, client.ID))
		}},
		{"RemoveClientSecret", nil, func(a authz.Actor) error { return o.Apps.RemoveClientSecret(ctx, a, client.ID, 0) }},
		{"Audit", nil, func(a authz.Actor) error { return third(o.System.Audit(ctx, a, system.AuditQuery{})) }},
		{"ExportAudit", nil, func(a authz.Actor) error {
			return o.System.ExportAudit(ctx, a, system.AuditQuery{UserID: "nobody"}, func(idp.AuditEvent) error { return nil })
		}},
		{"Deliveries", nil, func(a authz.Actor) error { return second(o.System.Deliveries(ctx, a)) }},
		{"Policy", nil, func(a authz.Actor) error { return second(o.Populations.Policy(ctx, a, idp.Agents)) }},
		{"Override", nil, func(a authz.Actor) error { return second(o.Populations.Override(ctx, a, client.ID)) }},
		{"SigningKeys", nil, func(a authz.Actor) error { return second(o.System.SigningKeys(ctx, a)) }},
		{"RotateKeys", nil, func(a authz.Actor) error { return second(o.System.RotateKeys(ctx, a, "")) }},
		{"RevokeKey", nil, func(a authz.Actor) error { return o.System.RevokeKey(ctx, a, "", "") }},
		{"TestLogout", nil, func(a authz.Actor) error { return o.System.TestLogout(ctx, a, "nobody") }},
		{"RetryDeliveries", nil, func(a authz.Actor) error { return second(o.System.RetryDeliveries(ctx, a, "nowhere")) }},
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
		{"Connections", nil, func(a authz.Actor) error { return second(o.Connections.Connections(ctx, a, idp.Agents)) }},
		{"Connection", nil, func(a authz.Actor) error { return second(o.Connections.Connection(ctx, a, c.ID)) }},
		{"AddConnection", nil, func(a authz.Actor) error {
			return second(o.Connections.AddConnection(ctx, a, connections.ConnectionChange{Reason: ticket}))
		}},
		{"UpdateConnection", nil, func(a authz.Actor) error {
			return second(o.Connections.UpdateConnection(ctx, a, connections.ConnectionChange{Connection: idp.Connection{ID: c.ID}, Reason: ticket}))
		}},
		{"DeleteConnection", nil, func(a authz.Actor) error { return o.Connections.DeleteConnection(ctx, a, c.ID, -1, ticket) }},
		{"PreviewAccess", nil, func(a authz.Actor) error { return second(o.Populations.PreviewAccess(ctx, a, idp.Agents)) }},
		{"SaveAccess", nil, func(a authz.Actor) error {
			return second(o.Populations.SaveAccess(ctx, a, populations.Change[idp.Access]{ID: idp.Agents, Version: -1, Reason: ticket}))
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
		{"Users", seers, func(a authz.Actor) error {
			return third(o.People.Users(ctx, a, people.UserQuery{Population: population, Limit: 1}))
		}},
		{"UserDetail", seers, func(a authz.Actor) error { return second(o.People.UserDetail(ctx, a, u.ID)) }},
		{"UpdateUser", nil, func(a authz.Actor) error {
			return second(o.People.UpdateUser(ctx, a, u.ID, people.UserChange{Version: -1}))
		}},
		{"DeleteUser", nil, func(a authz.Actor) error { return o.People.DeleteUser(ctx, a, u.ID, 0, "") }},
		{"AnonymiseUser", nil, func(a authz.Actor) error { return o.People.AnonymiseUser(ctx, a, u.ID, "") }},
		{"SetPassword", nil, func(a authz.Actor) error { return o.People.SetPassword(ctx, a, u.ID, "gentle maple corner", "") }},
		{"ClearThrottle", nil, func(a authz.Actor) error { return o.People.ClearThrottle(ctx, a, u.ID, "") }},
		{"SetRoles", nil, func(a authz.Actor) error { return o.People.SetRoles(ctx, a, u.ID, -1, nil, ticket) }},
		{"Identities", seers, func(a authz.Actor) error { return second(o.Connections.Identities(ctx, a, u.ID)) }},
		{"LinkIdentity", nil, func(a authz.Actor) error {
			return o.Connections.LinkIdentity(ctx, a, connections.NewIdentity{UserID: plain.ID})
		}},
		{"UnlinkIdentity", nil, func(a authz.Actor) error { return o.Connections.UnlinkIdentity(ctx, a, u.ID, "none", "") }},
		{"ViewRecoveryCodes", viewers, func(a authz.Actor) error { return second(o.Factors.ViewRecoveryCodes(ctx, a, u.ID, "")) }},
		{"RegenerateRecoveryCodes", reset, func(a authz.Actor) error { return o.Factors.RegenerateRecoveryCodes(ctx, a, u.ID, "") }},
		{"ResetMFA", reset, func(a authz.Actor) error { return o.Factors.ResetMFA(ctx, a, u.ID, "") }},
		{"EnableFactor", reset, func(a authz.Actor) error { return o.Factors.EnableFactor(ctx, a, u.ID, "none", "") }},
		{"ListGrants", nil, func(a authz.Actor) error { return second(o.People.ListGrants(ctx, a, u.ID)) }},
		{"ListConsents", nil, func(a authz.Actor) error { return second(o.People.ListConsents(ctx, a, u.ID)) }},
		{"WithdrawConsent", nil, func(a authz.Actor) error { return o.People.WithdrawConsent(ctx, a, u.ID, "none", ticket) }},
		{"ListTrustedBrowsers", nil, func(a authz.Actor) error { return second(o.Factors.ListTrustedBrowsers(ctx, a, u.ID)) }},
		{"ForgetTrustedBrowser", nil, func(a authz.Actor) error { return o.Factors.ForgetTrustedBrowser(ctx, a, u.ID, "none", ticket) }},
		{"EndGrant", nil, func(a authz.Actor) error { return o.People.EndGrant(ctx, a, u.ID, "none", ticket) }},
		{"EndSession", nil, func(a authz.Actor) error { return o.People.EndSession(ctx, a, s.ID, "") }},
		{"SignOut", nil, func(a authz.Actor) error { return second(o.People.SignOut(ctx, a, u.ID, "", people.EndAppAccess)) }},
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
		left := authz.Operations()
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
				allowed = authz.Operations()[at.op]
			}
			for _, set := range sets {
				seen := query[int](t, o, refusals)
				err := at.do(holder(set...))
				may := slices.ContainsFunc(set, func(p string) bool { return slices.Contains(allowed, p) })
				if errors.Is(err, authz.ErrForbidden) == may {
					t.Errorf("%s with %v: %v", at.op, set, err)
				}
				if n := query[int](t, o, refusals) - seen; !may && n != 1 {
					t.Errorf("%s with %v: %d refusals in the audit log", at.op, set, n)
				}
				if may && !holder(set...).CanDo(at.op) {
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
