package server_test

import (
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/manage/authz"
	"gatehouse/idp/manage/connections"
	"gatehouse/idp/manage/people"
	"gatehouse/idp/manage/populations"
	"gatehouse/idp/session"
)

// given are tokens that the attacker got honestly, at an app of their own browser.
type given struct {
	client          idp.Client
	secret          string
	access, refresh string
	// scopes are what is left of it, and refreshes tells whether it may be refreshed still.
	// What was taken once stays taken, whatever is given again.
	scopes    []string
	refreshes bool
	// tenant is the directory that vouched for them, empty for a password.
	tenant string
	// trusted: it did so for the second step too.
	trusted bool
	// session is theirs, with its cookies; way tells whether the way that they came stands,
	// and ended whether the session has ended.
	session    idp.Session
	cookies    []*http.Cookie
	way, ended bool
	// service: they got it for a service, and not as a person.
	service bool
}

// The verifier of idptest.Grant's challenge (RFC 7636 appendix B).
const grantVerifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"

var wholeScopes = []string{"openid", "email", "offline_access", idp.AdminScope}

// obtain signs the attacker in to an app that may do everything.
func (w *intrigue) obtain() {
	c, secret, err := w.app.Manage.Apps.CreateClient(w.ctx, idp.Client{
		Name: "Console of their own", Populations: []string{idp.Agents, idp.Contacts}, RedirectURIs: []string{"https://tool.example/callback"}, Scopes: wholeScopes,
	})
	w.must(err)
	g := given{client: c, secret: secret, scopes: wholeScopes, refreshes: true, way: true}
	population, err := w.app.Store.Population(w.ctx, w.self.PopulationID)
	w.must(err)
	s, token := idptest.Session(w.self, population)
	browser, hash := session.Cookies{}.NewBrowser()
	s.BrowserHash = hash
	s.ConnectionID, s.UpstreamSID = "", ""
	version, err := w.app.Store.PolicyVersion(w.ctx)
	w.must(err)
	s.Proofs = []idp.Proof{{Method: idp.MethodPassword, At: idp.Now(), Version: version}, {Method: idp.MethodTOTP, At: idp.Now()}}
	w.created = append(w.created, c.ID)
	if !w.closed && w.connection.Enabled && w.is("they came by Entra") {
		g.tenant, g.trusted = w.connection.Tenants[len(w.connection.Tenants)-1], w.connection.Trust == idp.Trusted
		s.ConnectionID = w.connection.ID
		subject := idp.EntraSubject(g.tenant, idp.NewID())
		s.Proofs = []idp.Proof{{
			Method: idp.MethodFederated, At: idp.Now(), Via: w.connection.ID, Issuer: w.connection.Issuer, Subject: subject,
			LocalStep: w.connection.Trust == idp.LocalStep, Version: version,
		}, {Method: idp.MethodTOTP, At: idp.Now()}}
		w.must(w.app.Store.CreateIdentity(w.ctx, idp.Identity{
			ConnectionID: w.connection.ID, Subject: subject, UserID: w.self.ID, Email: w.self.Email, CreatedAt: idp.Now(),
		}))
	}
	w.must(w.app.Store.CreateSession(w.ctx, s))
	grant, code := idptest.Grant(c, s)
	grant.Scopes, grant.ConnectionID = wholeScopes, s.ConnectionID
	w.must(w.app.Store.CreateGrant(w.ctx, grant))
	status, answer := w.token(g, url.Values{
		"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {grant.RedirectURI}, "code_verifier": {grantVerifier},
	})
	if status != http.StatusOK {
		w.r.Fatalf("the code is answered with %d %v", status, answer)
	}
	g.access, g.refresh = answer["access_token"].(string), answer["refresh_token"].(string)
	g.session, g.cookies = s, []*http.Cookie{browser, session.Cookies{}.NewSession(population.ID, token)}
	w.tokens = append(w.tokens, g, w.obtainService())
}

// obtainService has a token of a service that may act at the admin API, and has no role.
func (w *intrigue) obtainService() given {
	c, secret, err := w.app.Manage.Apps.CreateClient(w.ctx, idp.Client{Name: "Robot of their own", Kind: idp.ServiceClient, Scopes: []string{idp.AdminScope, "reports"}})
	w.must(err)
	w.created = append(w.created, c.ID)
	g := given{client: c, secret: secret, scopes: c.Scopes, service: true}
	status, answer := w.token(g, url.Values{"grant_type": {"client_credentials"}})
	if status != http.StatusOK {
		w.r.Fatalf("a service is answered with %d %v", status, answer)
	}
	g.access = answer["access_token"].(string)
	return g
}

func (w *intrigue) post(path string, g given, form url.Values) (int, map[string]any) {
	r, err := http.NewRequestWithContext(w.ctx, http.MethodPost, w.app.Issuer+path, strings.NewReader(form.Encode()))
	w.must(err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth(g.client.ID, url.QueryEscape(g.secret))
	return w.send(r)
}

func (w *intrigue) token(g given, form url.Values) (int, map[string]any) {
	return w.post("/token", g, form)
}

func (w *intrigue) send(r *http.Request) (int, map[string]any) {
	res, err := http.DefaultTransport.RoundTrip(r)
	w.must(err)
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	w.must(err)
	var answer map[string]any
	_ = json.Unmarshal(body, &answer) // what is no JSON has no members
	return res.StatusCode, answer
}

// takings are what admins take away, by their names.
func (w *intrigue) takings() map[string]func() {
	person, service := &w.tokens[0], &w.tokens[1]
	scope := func(g *given, scope string) func() {
		return func() { w.changeGiven(g, func(c *idp.Client) { c.Scopes = without(c.Scopes, scope) }) }
	}
	return map[string]func(){
		"the admin scope":   scope(person, idp.AdminScope),
		"the email scope":   scope(person, "email"),
		"the offline scope": scope(person, "offline_access"),
		"the user group":    func() { w.changeGiven(person, func(c *idp.Client) { c.Populations = []string{idp.Contacts} }) },
		"refreshing": func() {
			w.changeGiven(person, func(c *idp.Client) { c.GrantTypes = without(c.GrantTypes, "refresh_token") })
		},
		"a service's scope": scope(service, "reports"),
		"the directory":     func() { w.changeWay(func(c *idp.Connection) { c.Tenants = []string{idp.NewID()} }) },
		"the connection":    func() { w.changeWay(func(c *idp.Connection) { c.Enabled = false }) },
		"the trust":         w.takeTrust,
		"passwords":         w.takePasswords,
		"their role":        w.takeRole,
		"their session":     w.takeSession,
		"all their access":  w.takeAll,
		"nothing this time": func() {},
	}
}

// changeGiven has an admin change the app of a token.
func (w *intrigue) changeGiven(g *given, change func(*idp.Client)) {
	entry, err := w.app.Manage.Apps.Client(w.ctx, authz.System(), g.client.ID)
	w.must(err)
	change(&entry.Client)
	_, err = w.app.Manage.Apps.UpdateClient(w.ctx, authz.System(), entry)
	w.must(err)
}

func without(list []string, s string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(x string) bool { return x == s })
}

// changeWay has an admin change the connection. The only way in of a population is not
// switched off.
func (w *intrigue) changeWay(change func(*idp.Connection)) {
	c, err := w.app.Store.Connection(w.ctx, w.connection.ID)
	if errors.Is(err, idp.ErrNotFound) {
		return
	}
	w.must(err)
	change(&c)
	_, _ = w.app.Manage.Connections.UpdateConnection(w.ctx, authz.System(), connections.ConnectionChange{Connection: c, ClientSecret: sharedSecret, Reason: anyReason})
}

// takeTrust takes the second step from those whose it is at the other side.
func (w *intrigue) takeTrust() {
	w.changeWay(func(c *idp.Connection) { c.Trust = idp.LocalStep })
	for i := range w.people {
		w.people[i].upstream = false
	}
}

// takePasswords leaves agents the connections alone. An admin comes through one.
func (w *intrigue) takePasswords() {
	entry, err := w.app.Manage.Populations.Population(w.ctx, authz.System(), idp.Agents)
	w.must(err)
	if !entry.Access.Federated {
		return // nobody comes otherwise
	}
	err = w.app.Store.CreateIdentity(w.ctx, idp.Identity{
		ConnectionID: w.connection.ID, Subject: idp.EntraSubject(homeDirectory, idp.NewID()), UserID: w.admin, CreatedAt: idp.Now(),
	})
	if err != nil {
		return // the connection is gone, or the admin is linked
	}
	_, _ = w.app.Manage.Populations.SaveAccess(w.ctx, authz.System(), populations.Change[idp.Access]{
		ID: idp.Agents, Version: entry.Version, To: idp.Access{Federated: true}, Reason: anyReason,
	})
}

func (w *intrigue) takeRole() {
	_, version, err := w.app.Store.VersionedUser(w.ctx, w.self.ID)
	w.must(err)
	w.must(w.app.Manage.People.SetRoles(w.ctx, authz.System(), w.self.ID, version, nil, anyReason))
}

func (w *intrigue) takeSession() {
	g := &w.tokens[0]
	w.must(w.app.Manage.People.EndSession(w.ctx, authz.System(), g.session.ID, anyReason))
	g.ended = true
}

func (w *intrigue) takeAll() {
	_, err := w.app.Manage.People.SignOut(w.ctx, authz.System(), w.self.ID, anyReason, people.EndAppAccess)
	w.must(err)
	w.tokens[0].ended, w.tokens[0].scopes = true, nil
}

// giveBack has an admin give everything again that was taken from apps and connections.
func (w *intrigue) giveBack() {
	for _, g := range w.tokens {
		w.changeGiven(&g, func(c *idp.Client) {
			c.Scopes, c.GrantTypes, c.Populations = g.client.Scopes, g.client.GrantTypes, g.client.Populations
		})
	}
	w.changeWay(func(c *idp.Connection) {
		c.Tenants, c.Enabled, c.Trust = w.connection.Tenants, w.connection.Enabled, w.connection.Trust
	})
}

func (w *intrigue) take() {
	takings := w.takings()
	takings[oneOf(w.r, slices.Sorted(maps.Keys(takings)), "an admin takes")]()
	w.note()
	if w.is("an admin gives it again") {
		w.giveBack()
	}
}

// note writes down what is left of each token.
func (w *intrigue) note() {
	for i := range w.tokens {
		g := &w.tokens[i]
		scopes, refreshes := w.left(*g)
		g.scopes, g.refreshes, g.way = scopes, refreshes && g.refreshes, g.service || w.wayStands(*g)
	}
}

// left is what a token is worth now: the scopes that the app still has, none where the
// app, the connection or the directory no longer stands behind it.
func (w *intrigue) left(g given) (scopes []string, refreshes bool) {
	client, err := w.app.Store.VersionedClient(w.ctx, g.client.ID)
	w.must(err)
	c := client.Client
	for _, s := range g.scopes {
		if slices.Contains(c.Scopes, s) {
			scopes = append(scopes, s)
		}
	}
	if g.service {
		return scopes, false
	}
	refreshes = g.refreshes && slices.Contains(c.GrantTypes, "refresh_token")
	offline := slices.Contains(scopes, "offline_access") && refreshes
	if !slices.Contains(c.Populations, w.self.PopulationID) || !slices.Contains(c.GrantTypes, "authorization_code") || !offline && g.ended || !w.wayStands(g) || w.trustedLess(g) {
		return nil, false
	}
	return scopes, refreshes
}

// wayStands tells whether people may still come as the attacker did.
func (w *intrigue) wayStands(g given) bool {
	population, err := w.app.Store.Population(w.ctx, w.self.PopulationID)
	w.must(err)
	if g.tenant == "" {
		return g.way && population.Access.Password
	}
	conn, err := w.app.Store.Connection(w.ctx, w.connection.ID)
	if errors.Is(err, idp.ErrNotFound) {
		return false
	}
	w.must(err)
	return g.way && population.Access.Federated && conn.Enabled && conn.AllowsTenant(g.tenant) && conn.Issuer == w.connection.Issuer
}

// trustedLess tells whether the connection no longer counts as a second step.
func (w *intrigue) trustedLess(g given) bool {
	conn, err := w.app.Store.Connection(w.ctx, w.connection.ID)
	return g.trusted && (err != nil || conn.Trust != idp.Trusted)
}

// judgeTokens uses each token everywhere.
func (w *intrigue) judgeTokens() {
	for _, g := range w.tokens {
		scopes, refresh := w.left(g)
		_, found := w.post("/introspect", g, url.Values{"token": {g.access}})
		w.judgeScopes("introspection", found, scopes)
		if g.service {
			continue
		}
		w.judgeSession(g)
		w.judgeAccess("an access token", g.access, scopes)
		status, answer := w.token(g, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {g.refresh}})
		switch {
		case status != http.StatusOK && refresh && len(scopes) > 0 && len(scopes) == len(g.scopes):
			w.r.Fatalf("nothing was taken, and the refresh token is answered with %d %v", status, answer)
		case status != http.StatusOK:
			continue
		case !refresh || len(scopes) == 0:
			w.r.Fatalf("a refresh token still works")
		}
		w.judgeScopes("a refreshed token", answer, scopes)
		w.judgeAccess("a refreshed token", answer["access_token"].(string), scopes)
	}
}

// judgeSession asks for a sign-in that shows no page.
func (w *intrigue) judgeSession(g given) {
	r, err := http.NewRequestWithContext(w.ctx, http.MethodGet, w.app.Issuer+"/authorize?"+url.Values{
		"client_id": {g.client.ID}, "redirect_uri": {g.client.RedirectURIs[0]}, "response_type": {"code"}, "scope": {"openid"}, "prompt": {"none"},
		"code_challenge": {"E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"}, "code_challenge_method": {"S256"},
	}.Encode(), http.NoBody)
	w.must(err)
	for _, c := range g.cookies {
		r.AddCookie(c)
	}
	res, err := http.DefaultTransport.RoundTrip(r)
	w.must(err)
	defer func() { _ = res.Body.Close() }()
	to, err := res.Location()
	if err != nil {
		return // the app takes nobody of theirs
	}
	if to.Query().Has("code") && (g.ended || !w.wayStands(g)) {
		w.r.Fatalf("their session still signs in")
	}
}

func (w *intrigue) judgeScopes(what string, answer map[string]any, scopes []string) {
	text, _ := answer["scope"].(string)
	for scope := range strings.FieldsSeq(text) {
		if !slices.Contains(scopes, scope) {
			w.r.Fatalf("%s still has scope %s; left are %v", what, scope, scopes)
		}
	}
	if answer["active"] == true && len(scopes) == 0 {
		w.r.Fatalf("%s is still active", what)
	}
}

// judgeAccess uses an access token at userinfo and at the admin API.
func (w *intrigue) judgeAccess(what, token string, scopes []string) {
	status, claims := w.bearer("/userinfo", token)
	if status == http.StatusOK && !slices.Contains(scopes, "openid") || claims["email"] != nil && !slices.Contains(scopes, "email") {
		w.r.Fatalf("%s shows %v at userinfo; left are %v", what, claims, scopes)
	}
	if status != http.StatusOK && slices.Contains(scopes, "openid") {
		w.r.Fatalf("%s is answered with %d at userinfo; left are %v", what, status, scopes)
	}
	status, _ = w.bearer("/admin/api/v1/roles", token)
	if status == http.StatusOK && (!slices.Contains(scopes, idp.AdminScope) || !w.readsRoles()) {
		w.r.Fatalf("%s opens the admin API; left are %v", what, scopes)
	}
}

// readsRoles tells whether the table of roles lets the attacker see roles.
func (w *intrigue) readsRoles() bool {
	return slices.ContainsFunc(w.permissionsOf(w.self.ID), func(p string) bool { return slices.Contains(authz.Operations()["Roles"], p) })
}

func (w *intrigue) bearer(path, token string) (int, map[string]any) {
	r, err := http.NewRequestWithContext(w.ctx, http.MethodGet, w.app.Issuer+path, http.NoBody)
	w.must(err)
	r.Header.Set("Authorization", "Bearer "+token)
	return w.send(r)
}
