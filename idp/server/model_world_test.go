package server_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/keyring"
	"gatehouse/idp/manage/authz"
	"gatehouse/idp/manage/connections"
	"gatehouse/idp/manage/people"
	"gatehouse/idp/manage/populations"
)

// What is the attacker's outside of Gatehouse: a mailbox, a directory at Entra, an
// OpenID provider and an app's server.
const (
	theirDomain    = "@evil.example"
	theirMailbox   = "mallory" + theirDomain
	theirDirectory = "66666666-aaaa-4bbb-8ccc-000000000666"
	theirObject    = "66666666-aaaa-4bbb-8ccc-000000000001"
	theirIssuer    = "https://login.evil.example"
	partnerIssuer  = "https://login.partner.example"
	theirCallback  = "https://evil.example/callback"

	homeDirectory = "77777777-aaaa-4bbb-8ccc-000000000001"
	sharedSecret  = "a password that the attacker chose"
	anyReason     = "ticket 42"
)

// subject is one of the people of a world, as they were before anybody acted.
type subject struct {
	idp.User
	permissions []string
	// protected: a second step stands between their password and them here; upstream: at
	// the provider through which they come.
	protected, upstream bool
	// open: the attacker could sign in as them from the start, since they run the
	// directory that vouches for the person.
	open bool
}

// intrigue is what the model draws.
type intrigue struct {
	t   *testing.T
	r   *rapid.T
	app *idptest.App
	ctx context.Context

	// shape leans the draw towards one way to more than is held.
	shape shape

	// admin is the id of somebody who holds everything in every world.
	admin  string
	people []subject
	// self is the attacker's own account; held are its permissions at the start.
	self idp.User
	held []string

	connection, partner idp.Connection
	// closed: agents were not let in through connections at the start.
	closed bool
	// display is an app that asks for no second step, empty for none.
	display  string
	apps     []idp.Client // those that existed before
	services []idp.Client
	// created are the apps of this world, by id.
	created []string
	// stepping: the steps of the shape are under way.
	stepping bool
	// prepared are accounts that the attacker made for others' addresses.
	prepared []prepared

	// What the attacker learnt.
	passwords map[string]bool // of people, by id
	codes     map[string]bool // recovery codes of people, by id
	secrets   map[string]bool // of apps, by id
	// tokens are those that they got honestly.
	tokens []given
}

func newIntrigue(t *testing.T, r *rapid.T, s shape, app *idptest.App, admin string) *intrigue {
	w := &intrigue{
		t: t, r: r, app: app, admin: admin, ctx: t.Context(),
		passwords: map[string]bool{}, codes: map[string]bool{}, secrets: map[string]bool{},
		shape: s,
	}
	w.drawConnection()
	w.drawPolicies()
	w.drawApps()
	for range rapid.IntRange(1, 3).Draw(r, "people") {
		w.drawPerson()
	}
	w.drawSelf()
	w.drawPrepared()
	w.drawSwitch()
	w.obtain()
	for i, p := range w.people {
		w.people[i].open = w.reaches(p.User) != ""
	}
	return w
}

// must ends the check unless a step worked, or had nothing to change.
func (w *intrigue) must(err error) {
	if err != nil && !errors.Is(err, authz.ErrUnchanged) {
		w.r.Fatalf("%v", err)
	}
}

// drawPolicies sets both populations: what they ask as a second step, and both ways in.
func (w *intrigue) drawPolicies() {
	for _, id := range []string{idp.Agents, idp.Contacts} {
		p, err := w.app.Store.Population(w.ctx, id)
		w.must(err)
		policy := idp.Policy{
			Version: p.Policy.Version, IssuerLabel: "RTX",
			Authenticator: w.is("authenticators count"), EmailCode: w.is("email codes count"),
		}
		if policy.Authenticator != p.Policy.Authenticator || policy.EmailCode != p.Policy.EmailCode {
			_, err = w.app.Manage.Populations.SavePolicy(w.ctx, authz.System(), populations.Change[idp.Policy]{ID: id, To: policy, Apply: populations.OnNextLogin, PasswordAlone: true})
			w.must(err)
		}
		if access := (idp.Access{Password: true, Federated: !w.closed || id != idp.Agents}); p.Access != access {
			entry, err := w.app.Manage.Populations.Population(w.ctx, authz.System(), id)
			w.must(err)
			_, err = w.app.Manage.Populations.SaveAccess(w.ctx, authz.System(), populations.Change[idp.Access]{ID: id, Version: entry.Version, To: access})
			w.must(err)
		}
	}
}

// drawConnection adds one that agents come through. The attacker may have the other
// directory that it admits, where it counts as a password only.
func (w *intrigue) drawConnection() {
	c := idp.Connection{
		ID: idp.NewID(), PopulationID: idp.Agents, Kind: idp.EntraConnection, Name: "Microsoft", Enabled: true, Issuer: idp.EntraAuthority,
		Tenants: []string{homeDirectory}, ClientID: idp.NewID(), Trust: idp.LocalStep,
		CreateUsers: true, CreatedAt: idp.Now(), Version: 1,
	}
	if w.is("it counts as a second step") {
		c.Trust = idp.Trusted
	} else if w.is("their directory is admitted") {
		c.Tenants = append(c.Tenants, theirDirectory)
	}
	// In some worlds nobody comes through it yet.
	if w.closed = w.is("agents come by password alone"); w.closed && w.is("its domain is named") {
		c.Domains = []string{"rtx.example"}
	}
	// A change that sends the same secret again changes nothing by that.
	c.Secret = w.app.Manage.Connections.Keyring.Seal([]byte(sharedSecret), keyring.AAD("connections", c.ID, "secret"))
	w.must(w.app.Store.CreateConnection(w.ctx, c))
	w.connection, c.Domains, c.Secret = c, nil, nil
	// Contacts have one as well, through which nobody comes yet.
	c.ID, c.PopulationID, c.ClientID, c.Tenants = idp.NewID(), idp.Contacts, idp.NewID(), []string{homeDirectory}
	w.must(w.app.Store.CreateConnection(w.ctx, c))
	// The attacker has accounts at a partner, whose word about addresses counts for nothing.
	w.partner = idp.Connection{
		ID: idp.NewID(), PopulationID: idp.Agents, Kind: idp.OIDCConnection, Name: "Partner", Enabled: true, Issuer: partnerIssuer,
		ClientID: idp.NewID(), Trust: idp.LocalStep, CreatedAt: idp.Now(), Version: 1,
	}
	w.must(w.app.Store.CreateConnection(w.ctx, w.partner))
}

// drawSwitch has the connection, in some worlds, switched off before anybody acts.
func (w *intrigue) drawSwitch() {
	if !w.is("the connection is switched off") {
		return
	}
	c, err := w.app.Store.Connection(w.ctx, w.connection.ID)
	w.must(err)
	c.Enabled, w.connection.Enabled = false, false
	w.must(w.app.Store.SaveConnection(w.ctx, c))
}

// drawApps adds an app that may act for admins at the admin API, one that may not, and a
// service that has roles.
func (w *intrigue) drawApps() {
	for _, scopes := range [][]string{{"openid", idp.AdminScope}, {"openid", "email"}} {
		c, _, err := w.app.Manage.Apps.CreateClient(w.ctx, idp.Client{
			Name: "Portal", Populations: []string{idp.Agents}, RedirectURIs: []string{"https://portal.example/callback"}, Scopes: scopes,
		})
		w.must(err)
		w.created = append(w.created, c.ID)
		w.apps = append(w.apps, c)
	}
	w.drawDisplay()
	role := w.drawRole("service")
	c, _, err := w.app.Manage.Apps.CreateClient(w.ctx, idp.Client{
		Name: "Nightly", Kind: idp.ServiceClient, Scopes: []string{idp.AdminScope}, Roles: []string{role.ID},
	})
	w.must(err)
	w.created = append(w.created, c.ID)
	w.services = append(w.services, c)
}

// drawDisplay adds, in some worlds, an app that asks nobody for a second step.
func (w *intrigue) drawDisplay() {
	if !w.is("an app asks for a password alone") {
		return
	}
	c, _, err := w.app.Manage.Apps.CreateClient(w.ctx, idp.Client{
		Name: "Wall display", Populations: []string{idp.Agents, idp.Contacts}, RedirectURIs: []string{"https://wall.example/callback"}, Scopes: []string{"openid"},
	})
	w.must(err)
	w.created = append(w.created, c.ID)
	w.display = c.ID
	w.setDisplay(idp.OverrideOff)
}

func (w *intrigue) setDisplay(mode idp.OverrideMode) {
	now, err := w.app.Store.Override(w.ctx, w.display)
	w.must(err)
	w.must(w.app.Store.SaveOverride(w.ctx, w.display, now.Version, idp.Override{Version: now.Version + 1, Mode: mode}, idp.Now()))
}

func (w *intrigue) drawRole(of string) idp.Role {
	return w.addRole(w.drawPermissions(of))
}

func (w *intrigue) addRole(permissions []string) idp.Role {
	role := idp.Role{ID: idp.NewID(), Name: "Role " + idp.NewID(), Permissions: permissions}
	w.must(w.app.Store.CreateRole(w.ctx, role))
	return role
}

func (w *intrigue) drawPermissions(of string) []string {
	return rapid.SliceOfNDistinct(rapid.SampledFrom(idp.Permissions()), 0, 4, rapid.ID).Draw(w.r, "permissions of "+of)
}

// addPerson adds somebody with a role of their own.
func (w *intrigue) addPerson(population, email string, role idp.Role) idp.User {
	u := idptest.User(population, email)
	u.PasswordByMailAt, u.UnprovedAt = time.Time{}, time.Time{}
	w.must(w.app.Store.CreateUser(w.ctx, u))
	w.must(w.app.Store.GiveRole(w.ctx, u.ID, role.ID))
	return u
}

func (w *intrigue) drawPerson() {
	population, domain := idp.Agents, "@rtx.example"
	if w.is("a contact") {
		population = idp.Contacts
	}
	if w.is("the attacker reads their mail") {
		domain = theirDomain
	}
	role := idp.Role{}
	if w.is("somebody without permissions") {
		role = w.addRole(nil)
	} else {
		role = w.drawRole("a person")
	}
	p := subject{User: w.addPerson(population, idp.NewID()+domain, role), permissions: role.Permissions}
	policy, err := w.app.Store.Population(w.ctx, population)
	w.must(err)
	// Where codes by email count, whoever reads them has the second step.
	mail := policy.Policy.EmailCode
	p.protected = mail && !theirs(p.Email)
	if w.is("has an authenticator") {
		w.enrol(p.User)
		p.protected = !mail || !theirs(p.Email)
	}
	if population == idp.Agents && w.is("comes by Entra") {
		directory := w.connection.Tenants[0]
		if len(w.connection.Tenants) > 1 && w.is("from their directory") {
			directory = theirDirectory
		}
		w.must(w.app.Store.CreateIdentity(w.ctx, idp.Identity{
			ConnectionID: w.connection.ID, Subject: idp.EntraSubject(directory, idp.NewID()), UserID: p.ID, Email: p.Email, CreatedAt: idp.Now(),
		}))
		p.upstream = w.connection.Trust == idp.Trusted
	}
	w.people = append(w.people, p)
}

// enrol gives a person an authenticator and recovery codes.
func (w *intrigue) enrol(u idp.User) {
	now := idp.Now()
	w.must(w.app.Store.CreateFactor(w.ctx, idp.Factor{
		ID: idp.NewID(), UserID: u.ID, Method: idp.MethodTOTP, Name: "Phone", Secret: []byte{1}, CreatedAt: now, LastUsedAt: now,
	}))
	w.must(w.app.Store.Do(w.ctx, func(ctx context.Context) error { return w.app.Manage.Factors.MakeRecoveryCodes(ctx, u.ID) }))
}

// drawSelf is the attacker: an agent with some permissions, signed in as strongly as can
// be.
func (w *intrigue) drawSelf() {
	permissions := w.shape.permissions(w.r)
	if len(permissions) == 0 {
		permissions = w.drawPermissions("the actor")
		for _, p := range []string{idp.PermissionUsers, idp.PermissionAuthentication} { // what most ways begin with
			if !slices.Contains(permissions, p) && w.is("and "+p) {
				permissions = append(permissions, p)
			}
		}
	}
	role := w.addRole(permissions)
	w.held = role.Permissions
	w.self = w.addPerson(idp.Agents, idp.NewID()+theirDomain, role)
	if w.is("the attacker has an authenticator") {
		w.enrol(w.self)
	}
}

// actor is the attacker as of now, after a second step.
func (w *intrigue) actor() authz.Actor {
	a, err := w.app.Manage.Authz.ActorOf(w.ctx, w.self.ID, idp.Now())
	w.must(err)
	return a
}

// leave makes room for the next world: populations are shared, and everybody has one
// mailbox and one directory only.
func (w *intrigue) leave() {
	if w.display != "" {
		w.setDisplay(idp.OverrideInherit)
	}
	connections, err := w.app.Store.Connections(w.ctx, "")
	w.must(err)
	for _, c := range connections {
		w.must(w.app.Store.DeleteConnection(w.ctx, c.ID, c.Version))
	}
	w.clear()
}

// clear takes away what else a world has, so that the next one is no slower.
func (w *intrigue) clear() {
	gone := func(err error) {
		if !errors.Is(err, idp.ErrNotFound) {
			w.must(err)
		}
	}
	for _, c := range w.created {
		gone(w.app.Store.DeleteClient(w.ctx, c, 0))
	}
	ids := []string{w.self.ID}
	for _, p := range w.people {
		ids = append(ids, p.ID)
	}
	for _, population := range []string{idp.Agents, idp.Contacts} {
		u, err := w.app.Store.UserByEmail(w.ctx, population, theirMailbox)
		gone(err)
		ids = append(ids, u.ID)
	}
	for _, id := range ids {
		gone(w.app.Store.DeleteUser(w.ctx, id, 0))
	}
}

// anyone is one of the people: the first, whom the shape is about, for its steps.
func (w *intrigue) anyone() subject {
	if w.stepping {
		return w.people[0]
	}
	return w.people[rapid.IntRange(0, len(w.people)-1).Draw(w.r, "whom")]
}

// operations are what the attacker tries, by their names. A refusal is no failure.
func (w *intrigue) operations() map[string]func() {
	m := w.app.Manage
	return map[string]func(){
		"point an app at themselves":     func() { w.changeApp(func(c *idp.Client) { c.RedirectURIs = append(c.RedirectURIs, theirCallback) }) },
		"give an app the admin scope":    func() { w.changeApp(func(c *idp.Client) { c.Scopes = append(c.Scopes, idp.AdminScope) }) },
		"open an app to everybody":       func() { w.changeApp(func(c *idp.Client) { c.Populations = []string{idp.Agents, idp.Contacts} }) },
		"add an app":                     w.addApp,
		"add a secret":                   w.addSecret,
		"give a service a role":          w.giveService,
		"trust the connection":           func() { w.changeConnection(func(c *idp.Connection) { c.Trust = idp.Trusted }) },
		"admit their directory":          func() { w.changeConnection(func(c *idp.Connection) { c.Tenants = append(c.Tenants, theirDirectory) }) },
		"exchange the issuer":            func() { w.changeConnection(func(c *idp.Connection) { c.Issuer = theirIssuer }) },
		"claim a domain":                 func() { w.changeConnection(func(c *idp.Connection) { c.Domains = []string{"rtx.example"} }) },
		"switch the connection on":       func() { w.changeConnection(func(c *idp.Connection) { c.Enabled = true }) },
		"delete the connection":          w.deleteConnection,
		"let agents come through it":     w.openAccess,
		"map a role":                     w.mapRole,
		"add a connection of their own":  w.addConnection,
		"link themselves":                w.linkThemselves,
		"unlink":                         w.unlink,
		"move an address":                w.moveAddress,
		"set a password":                 w.setPassword,
		"reset MFA":                      func() { _ = m.Factors.ResetMFA(w.ctx, w.actor(), w.anyone().ID, anyReason) },
		"view recovery codes":            w.viewCodes,
		"give a role":                    w.giveRole,
		"widen their role":               w.widenRole,
		"add an account":                 w.addAccount,
		"import an account with a phone": w.importAccount,
	}
}

func (w *intrigue) act() {
	operations := w.operations()
	operations[oneOf(w.r, slices.Sorted(maps.Keys(operations)), "they")]()
}

// tryAll has the attacker, in some worlds, try a password on everybody at the end.
func (w *intrigue) tryAll() {
	if !w.is("they set everybody's password") {
		return
	}
	for _, p := range w.people {
		if !slices.ContainsFunc(w.prepared, func(o prepared) bool { return o.id == p.ID }) {
			w.setPasswordOf(p.ID)
		}
	}
}

func (w *intrigue) changeApp(change func(*idp.Client)) {
	i := 0 // the app that may act for admins
	if !w.stepping {
		i = rapid.IntRange(0, len(w.apps)-1).Draw(w.r, "app")
	}
	c := w.apps[i]
	entry, err := w.app.Manage.Apps.Client(w.ctx, w.actor(), c.ID)
	if err != nil {
		return
	}
	change(&entry.Client)
	_, _ = w.app.Manage.Apps.UpdateClient(w.ctx, w.actor(), entry)
}

func (w *intrigue) addApp() {
	entry, _, err := w.app.Manage.Apps.AddClient(w.ctx, w.actor(), idp.Client{
		Name: "Mine", Populations: []string{idp.Agents}, RedirectURIs: []string{theirCallback}, Scopes: []string{"openid", idp.AdminScope},
	})
	if err == nil {
		w.secrets[entry.ID] = true
		w.created = append(w.created, entry.ID)
		w.apps = append(w.apps, entry.Client)
	}
}

func (w *intrigue) addSecret() {
	all := slices.Concat(w.apps, w.services)
	c := all[rapid.IntRange(0, len(all)-1).Draw(w.r, "app")]
	if _, err := w.app.Manage.Apps.AddClientSecret(w.ctx, w.actor(), c.ID); err == nil {
		w.secrets[c.ID] = true
	}
}

func (w *intrigue) giveService() {
	entry, err := w.app.Manage.Apps.Client(w.ctx, w.actor(), w.services[0].ID)
	if err != nil {
		return
	}
	entry.Roles = []string{rapid.SampledFrom([]string{idp.RoleAdmin, idp.RoleManager}).Draw(w.r, "role")}
	_, _ = w.app.Manage.Apps.UpdateClient(w.ctx, w.actor(), entry)
}

func (w *intrigue) changeConnection(change func(*idp.Connection)) {
	now, err := w.app.Store.Connection(w.ctx, w.connection.ID)
	if errors.Is(err, idp.ErrNotFound) {
		return
	}
	w.must(err)
	change(&now)
	_, _ = w.app.Manage.Connections.UpdateConnection(w.ctx, w.actor(), connections.ConnectionChange{Connection: now, ClientSecret: sharedSecret, Reason: anyReason})
}

func (w *intrigue) mapRole() {
	w.changeConnection(func(c *idp.Connection) {
		c.Roles = []idp.RoleMapping{{Claim: "groups", Value: "everybody", RoleID: idp.RoleAdmin}}
	})
}

// addConnection adds one to the attacker's own directory or provider.
func (w *intrigue) addConnection() {
	population := idp.Agents
	if w.is("a contact") {
		population = idp.Contacts
	}
	c := idp.Connection{
		PopulationID: population, Kind: idp.EntraConnection,
		Name: "Mine", Enabled: true, Issuer: idp.EntraAuthority, Tenants: []string{theirDirectory}, ClientID: idp.NewID(), Trust: idp.Trusted, CreateUsers: true,
	}
	if w.is("a provider of their own") {
		c.Kind, c.Issuer, c.Tenants = idp.OIDCConnection, theirIssuer, nil
	}
	if w.is("with the domain") {
		c.Domains = []string{"rtx.example"}
	}
	_, _ = w.app.Manage.Connections.AddConnection(w.ctx, w.actor(), connections.ConnectionChange{Connection: c, ClientSecret: sharedSecret, Reason: anyReason})
}

func (w *intrigue) deleteConnection() {
	_ = w.app.Manage.Connections.DeleteConnection(w.ctx, w.actor(), w.connection.ID, 0, anyReason)
}

func (w *intrigue) openAccess() {
	entry, err := w.app.Manage.Populations.Population(w.ctx, authz.System(), idp.Agents)
	w.must(err)
	_, _ = w.app.Manage.Populations.SaveAccess(w.ctx, w.actor(), populations.Change[idp.Access]{
		ID: idp.Agents, Version: entry.Version, To: idp.Access{Password: true, Federated: true}, Reason: anyReason,
	})
}

// linkThemselves tries one of the connections that the person can come through.
func (w *intrigue) linkThemselves() {
	u := w.anyone()
	list, err := w.app.Store.Connections(w.ctx, u.PopulationID)
	w.must(err)
	if len(list) == 0 {
		return
	}
	w.link(u.ID, list[rapid.IntRange(0, len(list)-1).Draw(w.r, "connection")], theirDirectory, theirObject)
}

func (w *intrigue) link(userID string, c idp.Connection, directory, object string) {
	_ = w.app.Manage.Connections.LinkIdentity(w.ctx, w.actor(), connections.NewIdentity{
		UserID: userID, ConnectionID: c.ID, TenantID: directory, ObjectID: object, Subject: "mallory", Reason: anyReason,
	})
}

func (w *intrigue) unlink() {
	_ = w.app.Manage.Connections.UnlinkIdentity(w.ctx, w.actor(), w.anyone().ID, w.connection.ID, anyReason)
}

func (w *intrigue) moveAddress() { w.move(w.anyone().ID, theirMailbox) }

func (w *intrigue) move(id, address string) {
	_, version, err := w.app.Store.VersionedUser(w.ctx, id)
	w.must(err)
	_, _ = w.app.Manage.People.UpdateUser(w.ctx, w.actor(), id, people.UserChange{Version: version, Email: &address})
}

func (w *intrigue) setPassword() { w.setPasswordOf(w.anyone().ID) }

func (w *intrigue) setPasswordOf(id string) {
	if err := w.app.Manage.People.SetPassword(w.ctx, w.actor(), id, sharedSecret, anyReason); err == nil {
		w.passwords[id] = true
	}
}

func (w *intrigue) viewCodes() {
	p := w.anyone()
	if _, err := w.app.Manage.Factors.ViewRecoveryCodes(w.ctx, w.actor(), p.ID, anyReason); err == nil {
		w.codes[p.ID] = true
	}
}

func (w *intrigue) giveRole() {
	who := append([]string{w.self.ID}, w.anyone().ID)
	u, version, err := w.app.Store.VersionedUser(w.ctx, rapid.SampledFrom(who).Draw(w.r, "to whom"))
	w.must(err)
	_ = w.app.Manage.People.SetRoles(w.ctx, w.actor(), u.ID, version, []string{rapid.SampledFrom([]string{idp.RoleAdmin, idp.RoleManager}).Draw(w.r, "role")}, anyReason)
}

func (w *intrigue) widenRole() {
	roles, err := w.app.Manage.Roles.Roles(w.ctx, w.actor())
	if err != nil {
		return
	}
	for _, e := range roles {
		mine, err := w.app.Store.RolesOf(w.ctx, w.self.ID)
		w.must(err)
		if slices.ContainsFunc(mine, func(r idp.Role) bool { return r.ID == e.ID }) {
			e.Permissions = idp.Permissions()
			_, _ = w.app.Manage.Roles.UpdateRole(w.ctx, w.actor(), e, anyReason)
		}
	}
}

func (w *intrigue) addAccount() {
	u, err := w.app.Manage.People.AddUser(w.ctx, w.actor(), people.NewUser{
		Population: idp.Agents, Email: theirMailbox, Name: "Mallory", Password: sharedSecret,
		Roles: rapid.SampledFrom([][]string{nil, {idp.RoleManager}, {idp.RoleAdmin}}).Draw(w.r, "roles"),
	})
	w.added(u, err)
}

func (w *intrigue) importAccount() {
	u, err := w.app.Manage.Connections.ImportUser(w.ctx, w.actor(), connections.ImportedUser{
		Population: idp.Agents, Email: theirMailbox, Name: "Mallory", Roles: rapid.SampledFrom([][]string{nil, {idp.RoleAdmin}}).Draw(w.r, "roles"),
	}, anyReason)
	w.added(u, err)
}

// added is an account that the attacker made for their own mailbox.
func (w *intrigue) added(u idp.User, err error) {
	if err == nil {
		w.people = append(w.people, subject{User: u})
		w.passwords[u.ID] = true
	}
}

func theirs(email string) bool { return strings.HasSuffix(email, theirDomain) }
