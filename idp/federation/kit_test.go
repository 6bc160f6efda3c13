package federation_test

import (
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/manage/authz"
	"gatehouse/idp/manage/connections"
	"gatehouse/idp/manage/populations"
)

// house is a provider whose agents may come through a simulated Entra.
type house struct {
	*idptest.App
	t          *testing.T
	db         *idptest.Database
	mail       *idptest.Mailbox
	entra      *idptest.Entra
	party      *idptest.Party
	connection idp.Connection
}

// open starts it with a connection to HomeTenant that makes accounts; change may alter
// that, nil leaves it.
func open(t *testing.T, db *idptest.Database, change func(*connections.ConnectionChange)) *house {
	t.Helper()
	app, mail := idptest.StartWithMail(t, db.URL)
	h := &house{App: app, t: t, db: db, mail: mail, entra: idptest.StartEntra(t, app.Issuer, nil)}
	h.party = app.AddParty(idp.Client{HomeURL: "https://portal.example/", Claims: idp.PortalClaims(), PostLogoutRedirectURIs: []string{"https://portal.example/bye"}})
	h.connection = h.connect(change)
	h.allow(idp.Access{Password: true, Federated: true})
	return h
}

// connect adds a connection.
func (h *house) connect(change func(*connections.ConnectionChange)) idp.Connection {
	h.t.Helper()
	n := connections.ConnectionChange{
		Connection: idp.Connection{
			PopulationID: idp.Agents, Kind: idp.EntraConnection, Name: "Microsoft", Enabled: true, Issuer: h.entra.URL,
			Tenants: []string{idptest.HomeTenant}, ClientID: idptest.HomeApp, CreateUsers: true,
		},
		ClientSecret: idptest.EntraSecret,
	}
	if change != nil {
		change(&n)
	}
	entry, err := h.Manage.Connections.AddConnection(h.t.Context(), authz.System(), n)
	if err != nil {
		h.t.Fatalf("adding a connection: %v", err)
	}
	return entry.Connection
}

// allow sets the portal access of agents.
func (h *house) allow(a idp.Access) {
	h.t.Helper()
	p, err := h.Manage.Populations.Population(h.t.Context(), authz.System(), idp.Agents)
	idptest.Must(h.t, err)
	_, err = h.Manage.Populations.SaveAccess(h.t.Context(), authz.System(), populations.Change[idp.Access]{ID: idp.Agents, Version: p.Version, To: a})
	idptest.Must(h.t, err)
}

// anyone lets everybody at Entra come.
func anyone(n *connections.ConnectionChange) {
	n.Tenants, n.AnyTenant, n.PersonalAccounts, n.ClientID = nil, true, true, idptest.OpenApp
}

// ours names the domain of the directory: its word is enough for people who have an
// account already, with a second step too.
func ours(n *connections.ConnectionChange) { n.Domains = []string{"home.example"} }

// generic is a connection to the plain OpenID provider.
func (h *house) generic(n *connections.ConnectionChange) {
	n.Kind, n.Tenants, n.Issuer, n.ClientID, n.Name = idp.OIDCConnection, nil, h.entra.Issuer("generic"), idptest.GenericApp, "Generic"
}

var upstreamLink = regexp.MustCompile(`href="([^"]*/federate\?c=[^"]*)"`)

// leave goes to the other provider: from the sign-in page by the first button, or
// straight.
func (h *house) leave(b *idptest.Browser, a idptest.Attempt) *url.URL {
	h.t.Helper()
	return h.press(b, b.Get(a.URL))
}

func (h *house) press(b *idptest.Browser, p *idptest.Page) *url.URL {
	h.t.Helper()
	if p.Left != nil {
		return p.Left
	}
	m := upstreamLink.FindStringSubmatch(p.Body)
	if m == nil {
		h.t.Fatalf("page %q (%d) has no button of another provider: %s", p.Heading(), p.Status, p.Body)
	}
	p = b.Get(h.absolute(html.UnescapeString(m[1])))
	if p.Left == nil {
		h.t.Fatalf("the button leads to %q (%d)", p.Heading(), p.Status)
	}
	return p.Left
}

func (h *house) absolute(address string) string {
	if strings.HasPrefix(address, "/") {
		u, _ := url.Parse(h.Issuer)
		return u.Scheme + "://" + u.Host + address
	}
	return address
}

// come signs in there as somebody, and comes back to what follows.
func (h *house) come(b *idptest.Browser, a idptest.Attempt, username string) *idptest.Page {
	h.t.Helper()
	return h.back(b, h.entra.SignIn(b, h.leave(b, a), username))
}

// back follows the answer of the other provider.
func (h *house) back(b *idptest.Browser, p *idptest.Page) *idptest.Page {
	h.t.Helper()
	if p.Left == nil || !strings.HasPrefix(p.Left.String(), h.Issuer+idp.FederationCallback) || p.Left.RawQuery == "" {
		h.t.Fatalf("the other provider ended on %q and left for %v", p.Heading(), p.Left)
	}
	return b.Get(p.Left.String())
}

// signIn is come that ends at the app with tokens.
func (h *house) signIn(b *idptest.Browser, username string, pairs ...string) idptest.Tokens {
	h.t.Helper()
	a := h.party.Begin(pairs...)
	p := h.come(b, a, username)
	if p.Left == nil {
		h.t.Fatalf("%s is not signed in: %q (%d) %s", username, p.Heading(), p.Status, alert(p))
	}
	return h.party.Exchange(a, p.Left)
}

var alertText = regexp.MustCompile(`(?s)class="alert[^>]*>(.*?)</div>`)

// alert is what a page says went wrong.
func alert(p *idptest.Page) string {
	m := alertText.FindStringSubmatch(p.Body)
	if m == nil {
		return ""
	}
	return html.UnescapeString(strings.TrimSpace(regexp.MustCompile(`<[^>]*>`).ReplaceAllString(m[1], " ")))
}

// refused checks that somebody was turned away with a page, and why, and that nothing
// was made or linked.
func (h *house) refused(p *idptest.Page, status int, reason idp.FederationReason) {
	h.t.Helper()
	if p.Left != nil || p.Status != status || alert(p) == "" {
		h.t.Errorf("page %q (%d, alert %q, left for %v), want status %d and an alert", p.Heading(), p.Status, alert(p), p.Left, status)
	}
	if got := h.lastRefusal(); got.Detail["reason"] != string(reason) {
		h.t.Errorf("the audit log says %v, want reason %s", got.Detail, reason)
	}
	if n := h.count("identities"); n != 0 {
		h.t.Errorf("%d identities were linked", n)
	}
	if n := h.count("sessions"); n != 0 {
		h.t.Errorf("%d sessions were made", n)
	}
}

func (h *house) lastRefusal() idp.AuditEvent {
	h.t.Helper()
	return h.last(idp.AuditFederatedRefused)
}

// last is the event that happened last: one that folds into an earlier row counts there.
func (h *house) last(kind idp.AuditKind) (last idp.AuditEvent) {
	h.t.Helper()
	events, err := h.Store.AuditEvents(h.t.Context(), kind, "", 50)
	idptest.Must(h.t, err)
	when := func(e idp.AuditEvent) time.Time {
		if e.LastAt.After(e.At) {
			return e.LastAt
		}
		return e.At
	}
	for _, e := range events {
		if when(e).After(when(last)) {
			last = e
		}
	}
	return last
}

func (h *house) count(query string) int { h.t.Helper(); return h.db.Count(h.t, query) }

// claim checks one claim of tokens.
func claim(t *testing.T, tokens idptest.Tokens, name string, want any) {
	t.Helper()
	got := tokens.Claims[name]
	if list, ok := got.([]any); ok {
		var text []string
		for _, v := range list {
			text = append(text, v.(string))
		}
		got = strings.Join(text, " ")
	}
	if got != want {
		t.Errorf("%s is %v, want %v", name, got, want)
	}
}

const ok, forbidden, badGateway = http.StatusOK, http.StatusForbidden, http.StatusBadGateway
