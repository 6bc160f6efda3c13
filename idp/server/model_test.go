package server_test

import (
	"context"
	"errors"
	"flag"
	"slices"
	"strconv"
	"testing"

	"pgregory.net/rapid"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/manage/connections"
	"gatehouse/mfa"
)

// Nobody gets more than was given. rapid draws people, roles, apps and a connection, and
// what somebody with some of the permissions does with them, while admins take away what
// was given. Afterwards nothing that is in their hands reaches a person, a permission or an app that the table of roles does
// not give them.
func TestNoSequenceOfOperationsReachesBeyondWhatTheActorHolds(t *testing.T) {
	app, _ := idptest.StartWithMail(t, idptest.Migrated(t))
	// Somebody can always sign in to the console.
	admin := app.AddUser(idp.Agents, "admin@rtx.example").ID
	idptest.Must(t, app.Store.GiveRole(t.Context(), admin, idp.RoleAdmin))
	fewerDraws(t)
	for _, s := range shapes {
		t.Run(s.name, func(t *testing.T) {
			rapid.Check(t, func(r *rapid.T) {
				w := newIntrigue(t, r, s, app, admin)
				defer w.leave()
				w.plot()
			})
		})
	}
}

// fewerDraws has each shape drawn a sixth as often as rapid is told.
func fewerDraws(t *testing.T) {
	checks := flag.Lookup("rapid.checks").Value
	before := checks.String()
	n, err := strconv.Atoi(before)
	idptest.Must(t, err)
	idptest.Must(t, checks.Set(strconv.Itoa(max(1, n/6))))
	t.Cleanup(func() { idptest.Must(t, checks.Set(before)) })
}

// plot draws what they do, and judges what came of it.
func (w *intrigue) plot() {
	w.step()
	for range rapid.IntRange(0, 4).Draw(w.r, "operations") {
		if w.is("an admin acts") {
			w.take()
		} else {
			w.act()
		}
		w.note()
	}
	w.tryAll()
	w.meet()
	w.judgePeople()
	w.judgeApps()
	w.judgeSelf()
	w.judgeTokens()
}

// mayBecome is the table of roles: to be a person takes all that the person holds, and
// the right to reset a second step that the person has.
func (w *intrigue) mayBecome(p subject, permissions []string) bool {
	reset := idp.PermissionContactReset
	if p.PopulationID == idp.Agents {
		reset = idp.PermissionAgentRecovery
	}
	if !w.holds(permissions) {
		return false
	}
	return slices.Contains(w.held, reset) || !p.protected && !p.upstream && slices.Contains(w.held, idp.PermissionUsers)
}

func (w *intrigue) holds(permissions []string) bool {
	return !slices.ContainsFunc(permissions, func(p string) bool { return !slices.Contains(w.held, p) })
}

func (w *intrigue) permissionsOf(userID string) []string {
	a, err := w.app.Manage.Authz.ActorOf(w.ctx, userID, idp.Now())
	w.must(err)
	return a.Permissions
}

func (w *intrigue) judgePeople() {
	for _, p := range w.people {
		now, err := w.app.Store.User(w.ctx, p.ID)
		w.must(err)
		permissions := w.permissionsOf(p.ID)
		if p.open { // as that person from the start, but not with what they got since
			if !w.holds(permissions) && len(permissions) > len(p.permissions) && w.reaches(now) != "" {
				w.r.Fatalf("with %v they are a person who got %v since", w.held, permissions)
			}
			continue
		}
		if how := w.reaches(now); how != "" && !w.mayBecome(p, permissions) {
			w.r.Fatalf("with %v they became a person (protected: %v) who holds %v: %s", w.held, p.protected || p.upstream, permissions, how)
		}
	}
}

// reaches tells how the attacker can sign in as a person, empty if they cannot.
func (w *intrigue) reaches(u idp.User) string {
	population, err := w.app.Store.Population(w.ctx, u.PopulationID)
	w.must(err)
	now := idp.Now()
	if population.Access.Password && w.passwords[u.ID] && w.finishes(u, population, idp.Proof{Method: idp.MethodPassword, At: now}) {
		return "by a password that they set"
	}
	if population.Access.Password && theirs(u.Email) && w.finishes(u, population, idp.Proof{Method: idp.MethodPassword, At: now, ByMail: true}) {
		return "by a link to their mailbox"
	}
	if !population.Access.Federated {
		return ""
	}
	for _, came := range w.arrivals() {
		if came.user.ID == u.ID && w.finishes(u, population, came.proof) {
			return "through a connection"
		}
	}
	return ""
}

// finishes goes on from a first step with what the attacker has: a mailbox, recovery
// codes, a phone to enrol.
func (w *intrigue) finishes(u idp.User, population idp.Population, first idp.Proof) bool {
	enrolment, err := w.app.Store.Enrolment(w.ctx, u.ID)
	w.must(err)
	overrides, err := w.app.Store.OverridesFor(w.ctx, u.PopulationID)
	w.must(err)
	return slices.ContainsFunc(append(overrides, idp.Override{}), func(o idp.Override) bool {
		return w.finishesAt(o, u, enrolment, population, first)
	})
}

// finishesAt does so at an app with such an override.
func (w *intrigue) finishesAt(o idp.Override, u idp.User, enrolment idp.Enrolment, population idp.Population, first idp.Proof) bool {
	q := mfa.Question{
		Policy: population.Policy, Override: o, Demand: idp.Demand{MaxAge: idp.NoMaxAge}, Enrolled: mfa.EnrolledOf(population.Policy, enrolment, nil),
		Proofs: []idp.Proof{first}, Now: idp.Now(),
	}
	for range 4 {
		d := mfa.Decide(q)
		switch {
		case d.Outcome == mfa.Satisfied || d.Outcome == mfa.SetUp:
			return true
		case slices.Contains(d.Methods, idp.MethodEmail) && theirs(u.Email):
			q.Proofs = append(q.Proofs, idp.Proof{Method: idp.MethodEmail, At: q.Now})
		case d.Outcome == mfa.Challenge && slices.Contains(d.Methods, idp.MethodRecovery) && w.codes[u.ID]:
			q.Proofs = append(q.Proofs, idp.Proof{Method: idp.MethodRecovery, At: q.Now})
		case d.Outcome == mfa.Choose && mfa.SetUpNow(q).Outcome == mfa.SetUp:
			return true
		default:
			return false
		}
	}
	return false
}

// arrival is a person as whom one of the attacker's accounts elsewhere is recognised.
type arrival struct {
	user  idp.User
	proof idp.Proof
}

// errLeave takes back what recognising somebody wrote.
var errLeave = errors.New("only to see")

// arrivals tries all that the attacker's directory and provider can say through each
// connection that is switched on.
func (w *intrigue) arrivals() []arrival {
	connections, err := w.app.Store.Connections(w.ctx, "")
	w.must(err)
	var list []arrival
	for _, c := range connections {
		if !c.Enabled {
			continue
		}
		for _, a := range w.assertions(c) {
			if u, ok := w.recognised(c, a); ok {
				list = append(list, arrival{u, idp.Proof{Method: idp.MethodFederated, At: idp.Now(), Via: c.ID, LocalStep: c.Trust == idp.LocalStep, Evidence: idp.ACRMFA}})
			}
		}
	}
	return list
}

// assertions are what they can have an upstream say: with a provider of their own
// anything about anybody, else about the people of their own directory.
func (w *intrigue) assertions(c idp.Connection) []idp.Assertion {
	var list []idp.Assertion
	add := func(subject, email string, confirmed bool) {
		list = append(list, idp.Assertion{Subject: subject, Email: email, EmailConfirmed: confirmed, Groups: []string{"everybody"}})
	}
	all := c.Issuer == theirIssuer
	for _, p := range w.people {
		// Their directory has proved to Microsoft that the domain of their mail is its own.
		confirmed := c.OwnsAddress(p.Email) && (c.Kind == idp.OIDCConnection || c.NamesTenants()) || c.Kind == idp.EntraConnection && theirs(p.Email)
		switch {
		case all && c.Kind == idp.OIDCConnection:
			add(idp.OIDCSubject(theirIssuer, "mallory"), p.Email, confirmed)
		case all || c.AllowsTenant(theirDirectory):
			add(idp.EntraSubject(theirDirectory, idp.NewID()), p.Email, confirmed)
		}
		w.assertLinked(c, p, all, add)
	}
	if all && c.Kind == idp.OIDCConnection {
		add(idp.OIDCSubject(theirIssuer, "mallory"), theirMailbox, false)
	}
	if c.Kind == idp.EntraConnection && (all || c.AllowsTenant(theirDirectory)) {
		add(idp.EntraSubject(theirDirectory, theirObject), theirMailbox, false)
	}
	return list
}

// assertLinked adds the people of their directory who are linked already.
func (w *intrigue) assertLinked(c idp.Connection, p subject, all bool, add func(subject, email string, confirmed bool)) {
	linked, err := w.app.Store.IdentitiesOf(w.ctx, p.ID)
	w.must(err)
	for _, i := range linked {
		tenant := i.Subject[:min(len(i.Subject), len(theirDirectory))]
		entra := c.Kind == idp.EntraConnection && (all || tenant == theirDirectory && c.AllowsTenant(tenant))
		if i.ConnectionID == c.ID && (entra || i.Subject == idp.OIDCSubject(partnerIssuer, "mallory")) {
			add(i.Subject, p.Email, false)
		}
	}
}

// recognised asks the operation that a sign-in asks, and takes back what it wrote. An
// account that did not exist before is nobody's but must hold no more than the attacker.
func (w *intrigue) recognised(c idp.Connection, a idp.Assertion) (user idp.User, ok bool) {
	err := w.app.Store.Do(w.ctx, func(ctx context.Context) error {
		var err error
		user, err = w.app.Manage.Connections.Recognise(ctx, c, a)
		if errors.Is(err, connections.ErrConfirm) && theirs(a.Email) {
			var signIn bool
			user, signIn, err = w.app.Manage.Connections.Confirmed(ctx, c, a)
			if signIn {
				err = errLeave
			}
		}
		if err != nil {
			return err
		}
		ok = true
		now, err := w.app.Manage.Authz.ActorOf(ctx, user.ID, idp.Now())
		if err != nil {
			return err
		}
		if before := w.permissionsBefore(user.ID); !w.holds(now.Permissions) && !slices.Equal(before, now.Permissions) {
			w.r.Fatalf("with %v they gave %v to whoever comes through a connection", w.held, now.Permissions)
		}
		return errLeave
	})
	if !ok && err == nil {
		w.r.Fatalf("recognised nobody, without an error")
	}
	return user, ok
}

func (w *intrigue) permissionsBefore(userID string) []string {
	for _, p := range w.people {
		if p.ID == userID {
			return p.permissions
		}
	}
	return nil
}

// judgeApps: an app that sends codes to the attacker, or whose secret they know, acts
// with nothing that they lack.
func (w *intrigue) judgeApps() {
	clients, err := w.app.Store.VersionedClients(w.ctx, "", 1000)
	w.must(err)
	for _, v := range clients {
		c := v.Client
		known := slices.ContainsFunc(slices.Concat(w.apps, w.services), func(o idp.Client) bool { return o.ID == c.ID })
		if !known || !w.secrets[c.ID] && !slices.Contains(c.RedirectURIs, theirCallback) {
			continue
		}
		if c.Kind == idp.ServiceClient {
			a, err := w.app.Manage.Authz.ActorOfRoles(w.ctx, c.Roles)
			w.must(err)
			if !w.holds(a.Permissions) {
				w.r.Fatalf("with %v they act as a service that holds %v", w.held, a.Permissions)
			}
			continue
		}
		if slices.Contains(c.Scopes, idp.AdminScope) && !w.holds(idp.Permissions()) {
			w.r.Fatalf("with %v they have an app that acts for every admin who signs in to it", w.held)
		}
	}
}

func (w *intrigue) judgeSelf() {
	if now := w.permissionsOf(w.self.ID); !w.holds(now) {
		w.r.Fatalf("with %v they gave themselves %v", w.held, now)
	}
}
