package provider_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
)

const (
	leosTenant  = "4fa1f7d2-6c5c-4d6d-9b64-0f9e6d1b2c3a"
	otherTenant = "5fa1f7d2-6c5c-4d6d-9b64-0f9e6d1b2c3b"
)

// federated is a kit whose person came through a connection to two organisations, with a
// second step proved there.
func federated(t *testing.T, k *kit) idp.Connection {
	t.Helper()
	p, err := k.Store.VersionedPopulations(t.Context(), idp.Agents)
	idptest.Must(t, err)
	idptest.Must(t, k.Store.SaveAccess(t.Context(), idp.Agents, p[0].Version, idp.Access{Password: true, Federated: true}))
	c := idptest.Connection(idp.Agents)
	c.Tenants, c.AnyTenant, c.PersonalAccounts, c.Trust = []string{leosTenant, otherTenant}, false, false, idp.Trusted
	idptest.Must(t, k.Store.CreateConnection(t.Context(), c))
	leo, now := k.person("leo@rtx.example"), idp.Now()
	subject := idp.EntraSubject(leosTenant, "leo")
	idptest.Must(t, k.Store.CreateIdentity(t.Context(), idp.Identity{
		ConnectionID: c.ID, Subject: subject, UserID: leo.ID, Email: leo.Email, CreatedAt: now, LastSeenAt: now,
	}))
	k.user = leo
	k.browser = k.cameThrough(c, subject)
	return c
}

// cameThrough is a new browser in which the kit's person comes through a connection.
func (k *kit) cameThrough(c idp.Connection, subject string) *idptest.Browser {
	k.t.Helper()
	version, err := k.Store.PolicyVersion(k.t.Context())
	idptest.Must(k.t, err)
	b, browser, token, now := idptest.NewBrowser(k.t), idp.NewSecret(), idp.NewSecret(), idp.Now()
	k.setCookie(b, "gatehouse_browser", browser)
	k.setCookie(b, "gatehouse_session_"+k.user.PopulationID, token)
	k.session = idp.Session{
		ID: idp.NewID(), TokenHash: idp.HashSecret(token), BrowserHash: idp.HashSecret(browser), UserID: k.user.ID,
		PopulationID: k.user.PopulationID, PolicyVersion: version, CreatedAt: now, LastSeenAt: now, ExpiresAt: now.Add(time.Hour),
		ConnectionID: c.ID, Proofs: []idp.Proof{{
			Method: idp.MethodFederated, At: now, Via: c.ID, Subject: subject, Version: version, Evidence: idp.ACRMFA, AMR: []string{"mfa"},
		}},
	}
	idptest.Must(k.t, k.Store.CreateSession(k.t.Context(), k.session))
	return b
}

// held is what an app and a browser have of one sign-in.
type held struct {
	k               *kit
	p               *idptest.Party
	online, offline idptest.Tokens
	attempt         idptest.Attempt
	code            string
}

func (k *kit) hold(format idp.TokenFormat) held {
	p := k.AddParty(idp.Client{TokenFormat: format, Scopes: []string{"openid", "profile", "email", "offline_access", idp.AdminScope}})
	h := held{k: k, p: p, online: k.tokens(p, "scope", "openid email "+idp.AdminScope), offline: k.tokens(p, "scope", "openid email offline_access")}
	h.attempt, h.code = k.code(p, "scope", "openid email "+idp.AdminScope)
	return h
}

// places are where something that was given can be used. Each says what is left of it:
// "yes", "narrow" for less than there was, or "no".
var places = []struct {
	name string
	use  func(h held) string
}{
	{"userinfo", func(h held) string { return left(h.k.userinfo(h.online.AccessToken), "email") }},
	{"introspection", func(h held) string { return h.introspected(h.online.AccessToken) }},
	{"introspection of a refresh token", func(h held) string { return h.introspected(h.online.RefreshToken) }},
	{"introspection of an offline one", func(h held) string { return h.introspected(h.offline.RefreshToken) }},
	{"admin API", func(h held) string {
		a, err := h.k.gate().AdminToken(h.k.t.Context(), h.online.AccessToken)
		return leftOf(err == nil, slices.Contains(a.Scopes, "email"))
	}},
	{"code exchange", func(h held) string { return left(h.k.redeem(h.p, h.code, h.attempt.Verifier), "scope") }},
	{"refresh", func(h held) string { return left(h.k.refresh(h.p, h.online.RefreshToken), "scope") }},
	{"offline refresh", func(h held) string { return left(h.k.refresh(h.p, h.offline.RefreshToken), "scope") }},
	{"single sign-on", func(h held) string {
		answer := h.k.browser.Get(h.p.Begin("prompt", "none", "scope", "openid email", "acr_values", string(idp.ACRMFA)).URL)
		return leftOf(answer.Left != nil && answer.Left.Query().Get("code") != "", true)
	}},
	{"account", func(h held) string {
		return leftOf(strings.HasPrefix(h.k.browser.Get(h.k.Issuer+"/account").URL.Path, "/account"), true)
	}},
}

func (h held) introspected(token string) string {
	r := h.k.postTo("/introspect", h.p, url.Values{"token": {token}})
	return leftOf(r.json["active"] == true, strings.Contains(r.text("scope"), "email"))
}

// left reads an answer: "email" is in the field, or under that name.
func left(r *reply, field string) string {
	return leftOf(r.status == http.StatusOK, strings.Contains(r.text(field), "email") || strings.Contains(r.text(field), "@"))
}

func leftOf(any, all bool) string {
	switch {
	case any && all:
		return "yes"
	case any:
		return "narrow"
	}
	return "no"
}

// change changes the party's client.
func (h held) change(change func(c *idp.Client)) {
	h.k.t.Helper()
	v, err := h.k.Store.VersionedClient(h.k.t.Context(), h.p.Client.ID)
	idptest.Must(h.k.t, err)
	change(&v.Client)
	idptest.Must(h.k.t, h.k.Store.SaveClient(h.k.t.Context(), v.Version, v.Client))
}

func (h held) connect(change func(c *idp.Connection)) {
	h.k.t.Helper()
	c, err := h.k.Store.Connection(h.k.t.Context(), h.k.session.ConnectionID)
	idptest.Must(h.k.t, err)
	change(&c)
	idptest.Must(h.k.t, h.k.Store.SaveConnection(h.k.t.Context(), c))
}

func (h held) access(a idp.Access) {
	h.k.t.Helper()
	p, err := h.k.Store.VersionedPopulations(h.k.t.Context(), idp.Agents)
	idptest.Must(h.k.t, err)
	idptest.Must(h.k.t, h.k.Store.SaveAccess(h.k.t.Context(), idp.Agents, p[0].Version, a))
}

func without(list []string, one string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(s string) bool { return s == one })
}

// taking takes something away and gives it back.
type taking struct {
	take, back func(h held)
	// lost is what is left where it is not "yes", and "*" of all places but these.
	lost map[string]string
	// after is the same once it was given back, where nobody signed in again.
	after map[string]string
}

func ofClient(take, back func(c *idp.Client), lost, after map[string]string) taking {
	return taking{func(h held) { h.change(take) }, func(h held) { h.change(back) }, lost, after}
}

func ofConnection(take, back func(c *idp.Connection), lost, after map[string]string) taking {
	return taking{func(h held) { h.connect(take) }, func(h held) { h.connect(back) }, lost, after}
}

var (
	all = map[string]string{"*": "no"}
	// apart is what of an app is gone where the person's session goes on.
	apart = map[string]string{"*": "no", "single sign-on": "yes", "account": "yes"}
	app   = map[string]string{"*": "no", "account": "yes"}
)

var takings = map[string]taking{
	"a scope": ofClient(
		func(c *idp.Client) { c.Scopes = without(c.Scopes, "email") }, func(c *idp.Client) { c.Scopes = append(c.Scopes, "email") },
		map[string]string{"*": "narrow", "single sign-on": "yes", "account": "yes"},
		map[string]string{"*": "narrow", "single sign-on": "yes", "account": "yes"}),
	"the admin API": ofClient(
		func(c *idp.Client) { c.Scopes = without(c.Scopes, idp.AdminScope) }, func(c *idp.Client) { c.Scopes = append(c.Scopes, idp.AdminScope) },
		map[string]string{"admin API": "no"}, map[string]string{"admin API": "no"}),
	"a population": ofClient(
		func(c *idp.Client) { c.Populations = []string{idp.Contacts} }, func(c *idp.Client) { c.Populations = []string{idp.Agents} }, app, apart),
	"sign-ins": ofClient(
		func(c *idp.Client) { c.GrantTypes = []string{"refresh_token"} },
		func(c *idp.Client) { c.GrantTypes = []string{"authorization_code", "refresh_token"} }, app, apart),
	"refresh tokens": ofClient(
		func(c *idp.Client) { c.GrantTypes = []string{"authorization_code"} },
		func(c *idp.Client) { c.GrantTypes = []string{"authorization_code", "refresh_token"} },
		map[string]string{"refresh": "no", "offline refresh": "no", "introspection of a refresh token": "no", "introspection of an offline one": "no"},
		map[string]string{"refresh": "no", "offline refresh": "no", "introspection of a refresh token": "no", "introspection of an offline one": "no"}),
	"the kind": {
		func(h held) { h.k.exec("UPDATE clients SET kind = 'service' WHERE id = '" + h.p.Client.ID + "'") },
		func(h held) { h.k.exec("UPDATE clients SET kind = 'web' WHERE id = '" + h.p.Client.ID + "'") },
		map[string]string{"*": "no", "single sign-on": "yes", "account": "yes"},
		nil,
	},
	"the connection": ofConnection(
		func(c *idp.Connection) { c.Enabled = false }, func(c *idp.Connection) { c.Enabled = true }, all, all),
	"the organisation": ofConnection(
		func(c *idp.Connection) { c.Tenants = []string{otherTenant} },
		func(c *idp.Connection) { c.Tenants = []string{leosTenant, otherTenant} }, all, all),
	"another organisation": ofConnection(
		func(c *idp.Connection) { c.Tenants = []string{leosTenant} },
		func(c *idp.Connection) { c.Tenants = []string{leosTenant, otherTenant} }, nil, nil),
	"the domain": ofConnection(
		func(c *idp.Connection) { c.Domains = nil }, func(c *idp.Connection) { c.Domains = []string{"rtx.example"} }, all, all),
	"the trust": ofConnection( // a session counts as one by password, and is asked for a second step
		func(c *idp.Connection) { c.Trust = idp.LocalStep }, func(c *idp.Connection) { c.Trust = idp.Trusted }, all, all),
	"the context": ofConnection(
		func(c *idp.Connection) { c.Context = "c2" }, func(c *idp.Connection) { c.Context = "c1" },
		app, app),
	"the issuer": ofConnection(
		func(c *idp.Connection) { c.Issuer = "https://login.other.example" }, func(c *idp.Connection) { c.Issuer = idp.EntraAuthority }, all, all),
	"connections": {
		func(h held) { h.access(idp.Access{Password: true}) }, func(h held) { h.access(idp.Access{Password: true, Federated: true}) }, all, all,
	},
	"passwords": {
		func(h held) { h.access(idp.Access{Federated: true}) }, func(h held) { h.access(idp.Access{Password: true, Federated: true}) }, nil, nil,
	},
	"the identity": {
		func(h held) {
			h.k.exec("UPDATE identities SET user_id = (SELECT id FROM users WHERE email LIKE 'maya@%')")
		},
		func(h held) { h.k.exec("UPDATE identities SET user_id = '" + h.k.user.ID + "'") }, all, nil,
	},
	"the session": {
		func(h held) { h.k.exec("UPDATE sessions SET ended_at = " + ago(0)) }, func(held) {},
		map[string]string{"*": "no", "offline refresh": "yes", "introspection of an offline one": "yes"},
		map[string]string{"*": "no", "offline refresh": "yes", "introspection of an offline one": "yes"},
	},
}

// Each thing that can be taken, at each place where what was given is used.
func TestWhatIsTakenAwayReachesWhatWasGiven(t *testing.T) {
	t.Parallel()
	for name, c := range takings {
		t.Run(name, func(t *testing.T) {
			inEachFormat(t, func(t *testing.T, k *kit, format idp.TokenFormat) {
				federated(t, k)
				k.walk(t, c, k.hold(format), k.hold(format))
			})
		})
	}
}

func inEachFormat(t *testing.T, run func(t *testing.T, k *kit, format idp.TokenFormat)) {
	t.Helper()
	for _, format := range formats {
		t.Run(string(format), func(t *testing.T) {
			idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) { run(t, start(t, db.URL), format) })
		})
	}
}

// walk takes, looks, gives back, and looks again at what was not used up meanwhile.
func (k *kit) walk(t *testing.T, c taking, first, second held) {
	t.Helper()
	c.take(first)
	c.take(second)
	first.expect(t, "taken", c.lost)
	c.back(second)
	second.expect(t, "given back", c.after)
}

func (h held) expect(t *testing.T, when string, lost map[string]string) {
	t.Helper()
	for _, place := range places {
		want, ok := lost[place.name]
		if !ok {
			want, ok = lost["*"]
		}
		if !ok {
			want = "yes"
		}
		if got := place.use(h); got != want {
			t.Errorf("%s, %s, at %s: %s, want %s", h.p.Client.TokenFormat, when, place.name, got, want)
		}
	}
}

func TestSomebodyWithAPasswordGoesOnAsLongAsPasswordsDo(t *testing.T) {
	t.Parallel()
	inEachFormat(t, func(t *testing.T, k *kit, format idp.TokenFormat) {
		c := taking{
			take: func(h held) { h.access(idp.Access{Federated: true}) }, back: func(h held) { h.access(idp.Access{Password: true}) },
			lost: all, after: all,
		}
		k.walk(t, c, k.hold(format), k.hold(format))
		k.browser, k.session = k.signIn(k.user, idp.MethodPassword, idp.MethodTOTP)
		k.hold(format).expect(t, "signed in again", nil)
	})
}

func TestASessionThatIsTrustedLessIsAskedForASecondStep(t *testing.T) {
	t.Parallel()
	k := start(t, idptest.Migrated(t))
	federated(t, k)
	p := k.AddParty(idp.Client{})
	if k.browser.Get(p.Begin().URL).Left == nil {
		t.Fatal("no single sign-on to begin with")
	}
	h := held{k: k, p: p}
	h.connect(func(c *idp.Connection) { c.Trust = idp.LocalStep })
	page := k.browser.Get(p.Begin().URL)
	if page.Left != nil || page.Status != http.StatusOK {
		t.Errorf("status %d, %v", page.Status, page.Left)
	}
	h.connect(func(c *idp.Connection) { c.Trust = idp.Trusted })
	if page := k.browser.Get(p.Begin().URL); page.Left != nil {
		t.Error("the trust that was given back woke the old sign-in up")
	}
}
