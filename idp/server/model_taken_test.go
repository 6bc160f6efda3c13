package server_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"pgregory.net/rapid"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/manage/authz"
	"gatehouse/idp/manage/connections"
)

// given are tokens that the attacker got honestly, at an app of their own browser.
type given struct {
	client          idp.Client
	secret          string
	access, refresh string
	scopes          []string
	// tenant is the directory that vouched for them, empty for a password.
	tenant string
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
	g := given{client: c, secret: secret, scopes: wholeScopes}
	population, err := w.app.Store.Population(w.ctx, w.self.PopulationID)
	w.must(err)
	s, _ := idptest.Session(w.self, population)
	s.ConnectionID, s.UpstreamSID = "", ""
	version, err := w.app.Store.PolicyVersion(w.ctx)
	w.must(err)
	s.Proofs = []idp.Proof{{Method: idp.MethodPassword, At: idp.Now(), Version: version}, {Method: idp.MethodTOTP, At: idp.Now()}}
	if !w.closed && rapid.Bool().Draw(w.r, "they came by Entra") {
		g.tenant = w.connection.Tenants[len(w.connection.Tenants)-1]
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
	w.tokens = append(w.tokens, g)
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
	fromApp := func(change func(*idp.Client)) func() {
		return func() {
			entry, err := w.app.Manage.Apps.Client(w.ctx, authz.System(), w.tokens[0].client.ID)
			w.must(err)
			change(&entry.Client)
			_, err = w.app.Manage.Apps.UpdateClient(w.ctx, authz.System(), entry)
			w.must(err)
		}
	}
	without := func(list []string, s string) []string {
		return slices.DeleteFunc(slices.Clone(list), func(x string) bool { return x == s })
	}
	fromConnection := func(change func(*idp.Connection)) func() {
		return func() {
			c, err := w.app.Store.Connection(w.ctx, w.connection.ID)
			w.must(err)
			change(&c)
			// The only way in of a population is not switched off.
			_, _ = w.app.Manage.Connections.UpdateConnection(w.ctx, authz.System(), connections.ConnectionChange{Connection: c, Reason: anyReason})
		}
	}
	return map[string]func(){
		"the admin scope":   fromApp(func(c *idp.Client) { c.Scopes = without(c.Scopes, idp.AdminScope) }),
		"the email scope":   fromApp(func(c *idp.Client) { c.Scopes = without(c.Scopes, "email") }),
		"the user group":    fromApp(func(c *idp.Client) { c.Populations = []string{idp.Contacts} }),
		"refreshing":        fromApp(func(c *idp.Client) { c.GrantTypes = without(c.GrantTypes, "refresh_token") }),
		"the directory":     fromConnection(func(c *idp.Connection) { c.Tenants = []string{idp.NewID()} }),
		"the connection":    fromConnection(func(c *idp.Connection) { c.Enabled = false }),
		"their role":        w.takeRole,
		"nothing this time": func() {},
	}
}

func (w *intrigue) takeRole() {
	_, version, err := w.app.Store.VersionedUser(w.ctx, w.self.ID)
	w.must(err)
	w.must(w.app.Manage.People.SetRoles(w.ctx, authz.System(), w.self.ID, version, nil, anyReason))
}

func (w *intrigue) take() {
	takings := w.takings()
	names := make([]string, 0, len(takings))
	for name := range takings {
		names = append(names, name)
	}
	slices.Sort(names)
	takings[rapid.SampledFrom(names).Draw(w.r, "an admin takes")]()
}

// left is what a grant is worth now: the scopes that the app still has, none where the
// app, the connection or the directory no longer stands behind it.
func (w *intrigue) left(g given) (scopes []string, refresh bool) {
	client, err := w.app.Store.VersionedClient(w.ctx, g.client.ID)
	w.must(err)
	c := client.Client
	if !slices.Contains(c.Populations, w.self.PopulationID) || !slices.Contains(c.GrantTypes, "authorization_code") {
		return nil, false
	}
	if g.tenant != "" {
		conn, err := w.app.Store.Connection(w.ctx, w.connection.ID)
		w.must(err)
		if !conn.Enabled || !conn.AllowsTenant(g.tenant) || conn.Issuer != w.connection.Issuer {
			return nil, false
		}
	}
	for _, s := range g.scopes {
		if slices.Contains(c.Scopes, s) {
			scopes = append(scopes, s)
		}
	}
	return scopes, slices.Contains(c.GrantTypes, "refresh_token")
}

// judgeTokens uses each token everywhere.
func (w *intrigue) judgeTokens() {
	for _, g := range w.tokens {
		scopes, refresh := w.left(g)
		w.judgeAccess("an access token", g.access, scopes)
		_, found := w.post("/introspect", g, url.Values{"token": {g.access}})
		w.judgeScopes("introspection", found, scopes)
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
