package manage_test

import (
	"context"
	"encoding/base32"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/manage"
	"gatehouse/idp/manage/authz"
	"gatehouse/idp/manage/connections"
	"gatehouse/idp/manage/factors"
	"gatehouse/idp/manage/links"
	"gatehouse/idp/manage/people"
	"gatehouse/idp/manage/populations"
	"gatehouse/idp/manage/roles"
	"gatehouse/idp/manage/self"
	"gatehouse/idp/passkey"
	"gatehouse/idp/settings"
	"gatehouse/idp/store"
)

// crowdOfActs is how many do the same at once, on two replicas.
const crowdOfActs = 20

// limit is something of which there may be so many.
type limit struct {
	// try is one of those who come at once.
	try func(m *manage.Manager, i int) error
	// write is the table that they write to after they looked. It waits until all have.
	write string
	// there counts what there is then.
	there string
	args  []any
	want  int
}

// atOnce runs a limit's tries. Those that come too late are told so in words of ours.
func (o *office) atOnce(t *testing.T, l limit) {
	t.Helper()
	errs := o.db.Crowd(t, l.write, crowdOfActs, func(replicas []*store.Store) func(int) error {
		managers := []*manage.Manager{o.on(replicas[0]), o.on(replicas[1])}
		return func(i int) error { return l.try(managers[i%2], i) }
	})
	for _, err := range errs {
		var field settings.Errors
		var wait *authz.WaitError
		if err != nil && !errors.As(err, &field) && !errors.As(err, &wait) && !isAny(err, idp.ErrConflict, idp.ErrUsed, idp.ErrTwoSecrets,
			idp.ErrLastAdmin, idp.ErrInUse, idp.ErrNotFound, authz.ErrForbidden, links.ErrLink, authz.ErrUnchanged) {
			t.Errorf("one came too late and was told: %v", err)
		}
	}
	if n := query[int](t, o, l.there, l.args...); n != l.want {
		t.Errorf("there are %d, want %d", n, l.want)
	}
}

// Whatever an operation looks at before it writes is still so when it writes, however
// many do the same at once and wherever: of each thing there are as many as there may be.
func TestLimitsHoldForManyAtOnce(t *testing.T) {
	for name, prepare := range limits {
		t.Run(name, func(t *testing.T) {
			inOffice(t, func(t *testing.T, o *office) { o.atOnce(t, prepare(t, o)) })
		})
	}
}

// limits are all that operations hold. An operation that reads before it writes has a
// line here.
var limits = map[string]func(t *testing.T, o *office) limit{
	"authenticators of a person":   authenticatorsOfAPerson,
	"passkeys of a person":         passkeysOfAPerson,
	"last authenticator":           lastAuthenticator,
	"identity of a person":         identityOfAPerson,
	"account of an address":        accountOfAnAddress,
	"last admin":                   lastAdmin,
	"secrets of an app":            secretsOfAnApp,
	"last secret of an app":        lastSecretOfAnApp,
	"name of a new role":           nameOfANewRole,
	"name of a changed role":       nameOfAChangedRole,
	"same connection":              sameConnection,
	"id of a population":           idOfAPopulation,
	"invitation of an address":     invitationOfAnAddress,
	"use of an invitation":         useOfAnInvitation,
	"use of a registration's link": useOfARegistration,
	"reset links of a person":      resetLinksOfAPerson,
	"use of a reset link":          useOfAResetLink,
	"links to another address":     linksToAnotherAddress,
	"use of an address's link":     useOfAnAddressLink,
	"set-up links":                 setupLinks,
	"first admin":                  firstAdmin,
	"links for emergencies":        breakGlassLinks,
	"codes made again":             codesMadeAgain,
	"own password":                 ownPassword,
	"last identity of an admin":    lastIdentityOfAnAdmin,
	"authenticators after a reset": authenticatorsAfterAReset,
	"last admin of a connection":   lastAdminOfAConnection,
}

func (o *office) self(t *testing.T, u idp.User) self.Self {
	t.Helper()
	now := idp.Now()
	return self.Self{UserID: u.ID, SessionID: o.signedIn(t, u).ID, Proofs: []idp.Proof{
		{Method: idp.MethodPassword, At: now}, {Method: idp.MethodTOTP, At: now},
	}}
}

func authenticatorsOfAPerson(t *testing.T, o *office) limit {
	u := o.enrolled(t, idp.Agents)
	for range 8 {
		idptest.Must(t, o.db.CreateFactor(t.Context(), idp.Factor{
			ID: idp.NewID(), UserID: u.ID, Method: idp.MethodTOTP, Secret: []byte("sealed"), CreatedAt: idp.Now(), LastUsedAt: idp.Now(),
		}))
	}
	return limit{
		write: "factors", try: o.addsAuthenticators(t, o.self(t, u)),
		there: "SELECT COUNT(*) FROM factors WHERE method = 'totp' AND user_id = ?", args: []any{u.ID}, want: 10,
	}
}

// passkeysOfAPerson: with nine authenticators there is room for one passkey.
func passkeysOfAPerson(t *testing.T, o *office) limit {
	const issuer = "https://rtx.example"
	relying, err := passkey.New(passkey.Site{Issuer: issuer}, []byte("key"))
	idptest.Must(t, err)
	o.refit(func(p *manage.Parts) { p.Passkeys = relying })
	o.exec(t, "UPDATE policies SET passkey = TRUE")
	u := o.enrolled(t, idp.Agents)
	for range 8 {
		idptest.Must(t, o.db.CreateFactor(t.Context(), idp.Factor{
			ID: idp.NewID(), UserID: u.ID, Method: idp.MethodTOTP, Secret: []byte("sealed"), CreatedAt: idp.Now(), LastUsedAt: idp.Now(),
		}))
	}
	s := o.self(t, u)
	s.Proofs = append(s.Proofs, idp.Proof{Method: idp.MethodPasskey, At: idp.Now()})
	var sealed [crowdOfActs][]byte
	var made [crowdOfActs]string
	for i := range made {
		begun, err := o.Self.BeginPasskey(t.Context(), s)
		idptest.Must(t, err)
		sealed[i], made[i] = begun.Sealed, idptest.NewDevice(t, issuer, "rtx.example").Create(begun.Options)
	}
	return limit{
		write: "factors",
		try: func(m *manage.Manager, i int) error {
			_, _, err := m.Self.AddPasskey(t.Context(), s, sealed[i], made[i])
			return err
		},
		there: "SELECT COUNT(*) FROM factors WHERE method = 'passkey' AND user_id = ?", args: []any{u.ID}, want: 1,
	}
}

// addsAuthenticators is a person who has set up as many as come at once, and confirms them.
func (o *office) addsAuthenticators(t *testing.T, s self.Self) func(m *manage.Manager, i int) error {
	t.Helper()
	signedIn := func(m *manage.Manager) func(context.Context) (authz.Actor, error) {
		return func(ctx context.Context) (authz.Actor, error) {
			now, err := m.Store.Session(ctx, s.SessionID)
			if err == nil && !now.EndedAt.IsZero() {
				err = authz.ErrForbidden
			}
			return authz.Actor{UserID: s.UserID}, err
		}
	}
	var begun [crowdOfActs]self.PendingAuthenticator
	for i := range begun {
		p, err := o.Self.BeginAuthenticator(t.Context(), s)
		idptest.Must(t, err)
		begun[i] = p
	}
	return func(m *manage.Manager, i int) error {
		code, err := totp.GenerateCode(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(begun[i].Key), idp.Now())
		if err != nil {
			return err
		}
		return m.Self.AddAuthenticator(m.Authz.Watch(t.Context(), signedIn(m)), s, begun[i].Sealed, fmt.Sprint("Phone ", i), code)
	}
}

// authenticatorsAfterAReset leaves a person none, whichever they confirmed meanwhile: their
// sessions have ended.
func authenticatorsAfterAReset(t *testing.T, o *office) limit {
	u := o.enrolled(t, idp.Agents)
	adds := o.addsAuthenticators(t, o.self(t, u))
	return limit{
		write: "factors",
		try: func(m *manage.Manager, i int) error {
			if i%2 == 0 {
				return adds(m, i)
			}
			return m.Factors.ResetMFA(t.Context(), everything(), u.ID, ticket)
		},
		there: "SELECT COUNT(*) FROM factors WHERE user_id = ?", args: []any{u.ID}, want: 0,
	}
}

func lastAuthenticator(t *testing.T, o *office) limit {
	u := o.enrolled(t, idp.Agents)
	idptest.Must(t, o.db.CreateFactor(t.Context(), idp.Factor{
		ID: idp.NewID(), UserID: u.ID, Method: idp.MethodTOTP, Secret: []byte("sealed"), CreatedAt: idp.Now(), LastUsedAt: idp.Now(),
	}))
	s, two := o.self(t, u), o.enrolment(t, u).Of(idp.MethodTOTP)
	return limit{
		write: "factors",
		try: func(m *manage.Manager, i int) error {
			err := m.Self.RemoveAuthenticator(t.Context(), s, two[i%2].ID)
			if errors.Is(err, self.ErrLastFactor) {
				err = authz.ErrForbidden
			}
			return err
		},
		there: "SELECT COUNT(*) FROM factors WHERE method = 'totp' AND user_id = ?", args: []any{u.ID}, want: 1,
	}
}

func identityOfAPerson(t *testing.T, o *office) limit {
	u, c := o.enrolled(t, idp.Agents), o.connected(t, nil)
	return limit{
		write: "identities",
		try: func(m *manage.Manager, i int) error {
			return m.Connections.LinkIdentity(t.Context(), everything(), connections.NewIdentity{
				UserID: u.ID, ConnectionID: c.ID, TenantID: contoso, ObjectID: guid(i), Reason: ticket,
			})
		},
		there: "SELECT COUNT(*) FROM identities", want: 1,
	}
}

func accountOfAnAddress(t *testing.T, _ *office) limit {
	return limit{
		write: "users",
		try: func(m *manage.Manager, _ int) error {
			return second(m.People.AddUser(t.Context(), everything(), people.NewUser{Population: idp.Agents, Email: "new@rtx.example"}))
		},
		there: "SELECT COUNT(*) FROM users", want: 1,
	}
}

func lastAdmin(t *testing.T, o *office) limit {
	two := []idp.User{o.admin(t), o.admin(t)}
	return limit{
		write: "user_roles",
		try: func(m *manage.Manager, i int) error {
			u, version, err := m.Store.VersionedUser(t.Context(), two[i%2].ID)
			if err != nil {
				return err
			}
			if i%3 == 0 {
				return second(m.People.UpdateUser(t.Context(), everything(), u.ID, people.UserChange{Version: version, Disabled: ptr(true), Reason: ticket}))
			}
			return m.People.SetRoles(t.Context(), everything(), u.ID, version, nil, ticket)
		},
		there: "SELECT COUNT(*) FROM users u JOIN user_roles r ON r.user_id = u.id WHERE r.role_id = ? AND NOT u.disabled",
		args:  []any{idp.RoleAdmin}, want: 1,
	}
}

func secretsOfAnApp(t *testing.T, o *office) limit {
	app := o.app(t, nil, idp.Agents)
	return limit{
		write: "clients",
		try: func(m *manage.Manager, _ int) error {
			return second(m.Apps.AddClientSecret(t.Context(), everything(), app.ID))
		},
		there: "SELECT (LENGTH(secret_hashes) - LENGTH(REPLACE(secret_hashes, '\"', ''))) / 2 FROM clients WHERE id = ?", args: []any{app.ID}, want: 2,
	}
}

func lastSecretOfAnApp(t *testing.T, o *office) limit {
	l := secretsOfAnApp(t, o)
	id, _ := l.args[0].(string)
	idptest.Must(t, second(o.Apps.AddClientSecret(t.Context(), everything(), id)))
	l.want = 1
	l.try = func(m *manage.Manager, i int) error {
		return m.Apps.RemoveClientSecret(t.Context(), everything(), id, i%2)
	}
	return l
}

func nameOfANewRole(t *testing.T, _ *office) limit {
	return limit{
		write: "roles",
		try: func(m *manage.Manager, _ int) error {
			return second(m.Roles.CreateRole(t.Context(), everything(), "Night shift", nil, ticket))
		},
		there: "SELECT COUNT(*) FROM roles WHERE NOT system", want: 1,
	}
}

func nameOfAChangedRole(t *testing.T, o *office) limit {
	var made [crowdOfActs]roles.RoleEntry
	for i := range made {
		e, err := o.Roles.CreateRole(t.Context(), everything(), fmt.Sprint("Shift ", i), nil, ticket)
		idptest.Must(t, err)
		made[i] = e
	}
	return limit{
		write: "roles",
		try: func(m *manage.Manager, i int) error {
			e := made[i]
			e.Name = "Night shift"
			return second(m.Roles.UpdateRole(t.Context(), everything(), e, ticket))
		},
		there: "SELECT COUNT(*) FROM roles WHERE name = 'Night shift'", want: 1,
	}
}

func sameConnection(t *testing.T, _ *office) limit {
	n := entra(nil)
	return limit{
		write: "connections",
		try: func(m *manage.Manager, _ int) error {
			return second(m.Connections.AddConnection(t.Context(), everything(), n))
		},
		there: "SELECT COUNT(*) FROM connections", want: 1,
	}
}

func idOfAPopulation(t *testing.T, _ *office) limit {
	return limit{
		write: "populations",
		try: func(m *manage.Manager, _ int) error {
			return second(m.Populations.AddPopulation(t.Context(), everything(), "partners", "Partners"))
		},
		there: "SELECT COUNT(*) FROM policies WHERE population_id = 'partners'", want: 1,
	}
}

func invitationOfAnAddress(t *testing.T, _ *office) limit {
	return limit{
		write: "links",
		try: func(m *manage.Manager, _ int) error {
			return second(m.Links.Invite(t.Context(), everything(), links.Invitation{Population: idp.Agents, Email: "new@rtx.example"}))
		},
		there: "SELECT COUNT(*) FROM outbox", want: 1,
	}
}

// token makes the token of the newest link of a kind known.
func (o *office) token(t *testing.T, kind idp.LinkKind) string {
	t.Helper()
	id := query[string](t, o, "SELECT MAX(id) FROM links WHERE kind = ?", string(kind))
	link, err := o.db.LinkByID(t.Context(), kind, id)
	idptest.Must(t, err)
	token := idp.NewSecret()
	idptest.Must(t, o.db.RenewLink(t.Context(), id, idp.HashSecret(token), link.Body, idp.Now().Add(time.Hour)))
	return token
}

// arrives is a link that many use at once.
func (o *office) arrives(t *testing.T, kind idp.LinkKind) limit {
	t.Helper()
	token := o.token(t, kind)
	done := map[idp.LinkKind]idp.AuditKind{
		idp.InvitationLink: idp.AuditInvitationAccepted, idp.RegistrationLink: idp.AuditRegistered, idp.ResetLink: idp.AuditResetUsed,
	}
	return limit{
		write: "links",
		try: func(m *manage.Manager, i int) error {
			return second(m.Links.UseLink(t.Context(), kind, token, links.LinkForm{Name: "Maya", Password: fmt.Sprint("gentle maple corner ", i)}))
		},
		there: "SELECT COUNT(*) FROM audit_events WHERE kind = ?", args: []any{string(done[kind])}, want: 1,
	}
}

func useOfAnInvitation(t *testing.T, o *office) limit {
	idptest.Must(t, second(o.Links.Invite(t.Context(), everything(), links.Invitation{Population: idp.Agents, Email: "new@rtx.example"})))
	return o.arrives(t, idp.InvitationLink)
}

// asks carries out a request for a link.
func (o *office) asks(t *testing.T, m *manage.Manager, kind, population, email string) error {
	t.Helper()
	body, err := json.Marshal(links.LinkRequest{Population: population, Email: email})
	if err != nil {
		return err
	}
	return m.Links.CarryOut(t.Context(), kind, body)
}

func useOfARegistration(t *testing.T, o *office) limit {
	p := o.entry(t, idp.Contacts)
	idptest.Must(t, second(o.Populations.SaveRegistration(t.Context(), everything(), populations.Change[idp.Registration]{
		ID: idp.Contacts, Version: p.Version, To: idp.Registration{Open: true},
	})))
	idptest.Must(t, o.asks(t, o.Manager, "registration", idp.Contacts, "new@rtx.example"))
	return o.arrives(t, idp.RegistrationLink)
}

func resetLinksOfAPerson(t *testing.T, o *office) limit {
	u := o.admin(t)
	return limit{
		write: "links",
		try:   func(m *manage.Manager, _ int) error { return o.asks(t, m, "reset", idp.Agents, u.Email) },
		there: "SELECT COUNT(*) FROM links", want: idp.LivingLinks,
	}
}

func useOfAResetLink(t *testing.T, o *office) limit {
	u := o.admin(t)
	idptest.Must(t, o.asks(t, o.Manager, "reset", idp.Agents, u.Email))
	return o.arrives(t, idp.ResetLink)
}

func linksToAnotherAddress(t *testing.T, o *office) limit {
	s := o.self(t, o.enrolled(t, idp.Agents))
	return limit{
		write: "links",
		try: func(m *manage.Manager, i int) error {
			return m.Self.AskEmail(t.Context(), s, fmt.Sprintf("new%d@rtx.example", i))
		},
		there: "SELECT COUNT(*) FROM audit_events WHERE kind = 'email_change.asked'", want: 1,
	}
}

func useOfAnAddressLink(t *testing.T, o *office) limit {
	s := o.self(t, o.enrolled(t, idp.Agents))
	idptest.Must(t, o.Self.AskEmail(t.Context(), s, "new@rtx.example"))
	token := o.token(t, idp.EmailLink)
	return limit{
		write: "links",
		try:   func(m *manage.Manager, _ int) error { return m.Self.ConfirmEmail(t.Context(), s, token) },
		there: "SELECT COUNT(*) FROM audit_events WHERE kind = 'user.changed'", want: 1,
	}
}

func setupLinks(t *testing.T, _ *office) limit {
	return limit{
		write: "links",
		try:   func(m *manage.Manager, _ int) error { return second(m.Links.SetupLink(t.Context(), time.Hour)) },
		there: "SELECT COUNT(*) FROM links", want: 1,
	}
}

func firstAdmin(t *testing.T, o *office) limit {
	var tokens [crowdOfActs]string
	for i := range tokens {
		token, err := o.Links.FirstSetupLink(t.Context())
		idptest.Must(t, err)
		tokens[i] = token
	}
	return limit{
		write: "users",
		try: func(m *manage.Manager, i int) error {
			return second(m.Links.CreateAdmin(t.Context(), tokens[i], people.NewUser{
				Email: fmt.Sprintf("admin%d@rtx.example", i), Password: "gentle maple corner",
			}))
		},
		there: "SELECT COUNT(*) FROM users", want: 1,
	}
}

func breakGlassLinks(t *testing.T, _ *office) limit {
	return limit{
		write: "links",
		try:   func(m *manage.Manager, _ int) error { return second(m.Links.BreakGlass(t.Context())) },
		there: "SELECT COUNT(*) FROM links", want: 1,
	}
}

func codesMadeAgain(t *testing.T, o *office) limit {
	u := o.enrolled(t, idp.Agents)
	o.db.Age(t, "recovery_sets", 3*time.Hour, "created_at")
	return limit{
		write: "recovery_sets",
		try: func(m *manage.Manager, _ int) error {
			err := m.Factors.RegenerateRecoveryCodes(t.Context(), everything(), u.ID, ticket)
			var soon *factors.TooSoonError
			if errors.As(err, &soon) {
				return authz.ErrForbidden
			}
			return err
		},
		there: "SELECT COUNT(*) FROM audit_events WHERE kind = 'recovery.generated' AND user_id = ?", args: []any{u.ID}, want: 1,
	}
}

func ownPassword(t *testing.T, o *office) limit {
	const present = "gentle maple corner"
	u := o.enrolled(t, idp.Agents)
	idptest.Must(t, o.People.SetPassword(t.Context(), everything(), u.ID, present, ticket))
	s := o.self(t, u)
	return limit{
		write: "audit_events",
		try: func(m *manage.Manager, i int) error {
			err := m.Self.ChangePassword(t.Context(), s, present, fmt.Sprint("another maple corner ", i))
			if errors.Is(err, self.ErrWrongPassword) {
				return authz.ErrForbidden
			}
			return err
		},
		there: "SELECT COUNT(*) FROM audit_events WHERE kind = 'password.changed' AND actor_id = ?", args: []any{u.ID}, want: 1,
	}
}

// lastIdentityOfAnAdmin is what two admins sign in by, where nobody has a password.
func lastIdentityOfAnAdmin(t *testing.T, o *office) limit {
	c, two := o.connected(t, nil), []idp.User{o.admin(t), o.admin(t)}
	for i, u := range two {
		idptest.Must(t, o.Connections.LinkIdentity(t.Context(), everything(), connections.NewIdentity{
			UserID: u.ID, ConnectionID: c.ID, TenantID: contoso, ObjectID: guid(i), Reason: ticket,
		}))
	}
	idptest.Must(t, o.saveAccess(t, idp.Agents, idp.Access{Federated: true}))
	return limit{
		write: "identities",
		try: func(m *manage.Manager, i int) error {
			return m.Connections.UnlinkIdentity(t.Context(), everything(), two[i%2].ID, c.ID, ticket)
		},
		there: "SELECT COUNT(*) FROM identities", want: 1,
	}
}

// lastAdminOfAConnection are two admins whose provider no longer says that they are.
func lastAdminOfAConnection(t *testing.T, o *office) limit {
	b, two := o.comer(t, "rtx.example"), []idp.User{o.person(t, idp.Agents), o.person(t, idp.Agents)}
	c, err := o.db.Connection(t.Context(), b.c.ID)
	idptest.Must(t, err)
	comes := func(m *manage.Manager, i int, roles ...string) error {
		a := idp.Assertion{Subject: idp.EntraSubject(contoso, guid(i)), Email: two[i].Email, EmailConfirmed: true, AppRoles: roles}
		return m.Store.Do(t.Context(), func(ctx context.Context) error { return second(m.Connections.Recognise(ctx, c, a)) })
	}
	for i := range two {
		idptest.Must(t, comes(o.Manager, i, "Admin"))
	}
	idptest.Must(t, o.saveAccess(t, idp.Agents, idp.Access{Federated: true}))
	return limit{
		write: "user_roles",
		try:   func(m *manage.Manager, i int) error { return comes(m, i%2) },
		there: "SELECT COUNT(*) FROM user_roles WHERE role_id = 'admin'", want: 1,
	}
}

// The people of each population that is added can sign in to our own pages, whichever
// others are added at once.
func TestPopulationsAddedAtOnceAllReachOurOwnPages(t *testing.T) {
	inOffice(t, func(t *testing.T, o *office) {
		idptest.Must(t, o.Apps.EnsureConsole(t.Context(), "https://id.rtx.example/admin/callback"))
		idptest.Must(t, o.Apps.EnsureAccount(t.Context(), "https://id.rtx.example/account/callback"))
		managers := []*manage.Manager{o.Manager, o.on(o.db.Replica(t))}
		for _, err := range idptest.Race(crowdOfActs, func(i int) error {
			return second(managers[i%2].Populations.AddPopulation(t.Context(), everything(), fmt.Sprint("group-", i), "Group"))
		}) {
			idptest.Must(t, err)
		}
		for _, id := range []string{idp.ConsoleClient, idp.AccountClient} {
			c, err := o.db.Replica(t).Client(t.Context(), id)
			idptest.Must(t, err)
			if len(c.Populations) != 2+crowdOfActs {
				t.Errorf("%s admits %d populations, want %d", id, len(c.Populations), 2+crowdOfActs)
			}
		}
	})
}

// A role is not deleted while a connection begins to give it.
func TestARoleThatAConnectionGivesStays(t *testing.T) {
	inOffice(t, func(t *testing.T, o *office) {
		managers := []*manage.Manager{o.Manager, o.on(o.db.Replica(t))}
		for range 5 {
			role, err := o.Roles.CreateRole(t.Context(), everything(), idp.NewID()[:20], nil, ticket)
			idptest.Must(t, err)
			n := entra(func(c *connections.ConnectionChange) {
				c.Roles = []idp.RoleMapping{mapsTo("groups", guid(1), role.ID)}
			})
			idptest.Race(2, func(i int) error {
				if i == 0 {
					return managers[0].Roles.DeleteRole(t.Context(), everything(), role.ID, role.Version, ticket)
				}
				return second(managers[1].Connections.AddConnection(t.Context(), everything(), n))
			})
		}
		list, err := o.db.Connections(t.Context(), "")
		idptest.Must(t, err)
		for _, c := range list {
			for _, r := range c.Roles {
				if query[int](t, o, "SELECT COUNT(*) FROM roles WHERE id = ?", r.RoleID) != 1 {
					t.Error("a connection gives a role that is gone")
				}
			}
		}
	})
}
