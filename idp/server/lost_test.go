package server_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/keyring"
	"gatehouse/idp/manage/authz"
	"gatehouse/idp/manage/connections"
	"gatehouse/idp/manage/links"
	"gatehouse/idp/manage/people"
	"gatehouse/idp/manage/populations"
	"gatehouse/idp/outbox"
	"gatehouse/idp/store"
	"gatehouse/ui"
)

// loses is a house of which all that is sealed for people is under a master key that is
// lost. What the program seals for itself it can read, else it would not start.
type loses struct {
	*idptest.App
	t          *testing.T
	db         *idptest.Database
	box        *idptest.Mailbox
	ring       *keyring.Keyring
	connection idp.Connection
}

func openLoses(t *testing.T) *loses {
	db := idptest.Alone(t)
	app, box := idptest.StartWithMail(t, db.URL)
	ring, err := keyring.Parse(base64.StdEncoding.EncodeToString(idp.HashSecret("lost")))
	idptest.Must(t, err)
	app.SetPolicy(idp.Agents, idp.Policy{Authenticator: true}, populations.OnNextLogin)
	return &loses{App: app, t: t, db: db, box: box, ring: ring}
}

// lose seals everything again under the lost key.
func (l *loses) lose() (kinds map[string]int) {
	l.t.Helper()
	ctx, kinds := l.t.Context(), map[string]int{}
	var all []store.Sealed
	idptest.Must(l.t, l.Store.EachSealed(ctx, func(v store.Sealed) error {
		if v.Table != "settings" && v.Table != "signing_keys" {
			all = append(all, v)
		}
		return nil
	}))
	for _, v := range all {
		err := l.Store.ReplaceSealed(ctx, v, l.ring.Seal([]byte("gone"), v.AAD()))
		if errors.Is(err, idp.ErrConflict) {
			continue // a mail that has gone out meanwhile
		}
		idptest.Must(l.t, err)
		kinds[v.Table]++
	}
	return kinds
}

// loseFlows does so with what sign-ins on their way remember.
func (l *loses) loseFlows() {
	l.t.Helper()
	rows, err := l.db.SQL().QueryContext(l.t.Context(), "SELECT id, data FROM flows")
	idptest.Must(l.t, err)
	defer func() { _ = rows.Close() }()
	changed := map[string][]byte{}
	for rows.Next() {
		var id string
		var data []byte
		idptest.Must(l.t, rows.Scan(&id, &data))
		notes := map[string]any{}
		if json.Unmarshal(data, &notes) != nil || notes["key"] == nil {
			continue
		}
		notes["key"] = l.ring.Seal([]byte("gone"), keyring.AAD("flows", id, "data"))
		changed[id], err = json.Marshal(notes)
		idptest.Must(l.t, err)
	}
	idptest.Must(l.t, rows.Err())
	for id, data := range changed {
		_, err := l.db.SQL().ExecContext(l.t.Context(), "UPDATE flows SET data = ? WHERE id = ?", data, id)
		idptest.Must(l.t, err)
	}
	if len(changed) == 0 {
		l.t.Fatal("no sign-in remembers a key")
	}
}

// says checks that a page is no fault of ours and says something.
func (l *loses) says(p *idptest.Page, texts ...string) *idptest.Page {
	l.t.Helper()
	if p.Status == http.StatusInternalServerError {
		l.t.Errorf("%s: %d %q", p.URL, p.Status, p.Heading())
	}
	for _, text := range texts {
		if !strings.Contains(html.UnescapeString(p.Body), text) {
			l.t.Errorf("%s (%d %q) does not say %q", p.URL, p.Status, p.Heading(), text)
		}
	}
	return p
}

// atCodes signs somebody in for the first time, up to their recovery codes.
func (l *loses) atCodes(target, email string) (*idptest.Browser, *idptest.Page, idptest.Authenticator) {
	l.t.Helper()
	b := idptest.NewBrowser(l.t)
	page := b.Submit(b.Get(target), "/password", "email", email, "password", idptest.Password)
	phone := idptest.Scan(l.t, page)
	return b, b.Submit(page, "/enrol", "code", phone.Code(0)), phone
}

const unreadable = "This can no longer be read"

// In the middle of a sign-in, recovery codes that nobody can read keep nobody from
// finishing, and stay to be shown. The account says what to do.
func TestRecoveryCodesWhoseKeyIsLostKeepNobodyOut(t *testing.T) {
	t.Parallel()
	l := openLoses(t)
	user := l.AddUser(idp.Agents, "maya@rtx.example")
	b, page, _ := l.atCodes(l.Issuer+"/account", user.Email)
	l.lose()
	l.says(b.Get(page.URL.String()), "Your recovery codes cannot be shown")
	if p := l.says(b.Get(page.URL.JoinPath("codes.txt").String()), unreadable); p.Status != http.StatusConflict {
		t.Errorf("the file is answered with %d", p.Status)
	}
	page = l.says(b.Submit(b.Get(page.URL.String()), "/saved"), "Your account")
	if page.Heading() != "Your account" {
		t.Fatalf("the sign-in ends at %q", page.Heading())
	}
	e, err := l.Store.Enrolment(t.Context(), user.ID)
	idptest.Must(t, err)
	if e.Recovery == nil || !e.Recovery.SavedAt.IsZero() {
		t.Error("codes that nobody saw are marked as saved")
	}
	l.says(b.Get(l.Issuer+"/account/agents/codes"), "cannot be shown", "Make another set")
	l.says(b.Get(l.Issuer+"/account/agents/codes/recovery-codes.txt"), unreadable)
	l.says(b.Get(l.Issuer + "/account/agents/second-step"))
	l.says(b.Get(l.Issuer + "/account/agents/second-step/add"))
}

// An authenticator that is being set up when its master key is lost is set up in a new
// sign-in.
func TestASetUpWhoseKeyIsLostStartsAgain(t *testing.T) {
	t.Parallel()
	l := openLoses(t)
	l.AddUser(idp.Agents, "maya@rtx.example")
	b := idptest.NewBrowser(t)
	page := b.Submit(b.Get(l.Issuer+"/account"), "/password", "email", "maya@rtx.example", "password", idptest.Password)
	phone := idptest.Scan(t, page)
	l.loseFlows()
	for _, p := range []*idptest.Page{b.Get(page.URL.String()), b.Submit(page, "/enrol", "code", phone.Code(0))} {
		if l.says(p); p.Status != http.StatusGone {
			t.Errorf("the set-up is answered with %d %q", p.Status, p.Heading())
		}
	}
}

var linkInMail = regexp.MustCompile(`http://127[^\s"]+`)

// A link whose master key is lost does not work any more, and says so.
func TestALinkWhoseKeyIsLostSaysSo(t *testing.T) {
	t.Parallel()
	l := openLoses(t)
	_, err := l.Manage.Links.Invite(t.Context(), authz.System(), links.Invitation{Population: idp.Agents, Email: "new@rtx.example", Name: "New"})
	idptest.Must(t, err)
	link := linkInMail.FindString(l.box.Next("new@rtx.example").Text)
	if l.lose()["links"] == 0 {
		t.Fatal("no link is sealed")
	}
	b := idptest.NewBrowser(t)
	for _, p := range []*idptest.Page{b.Get(link), b.Post(link, url.Values{"name": {"New"}, "password": {"a long enough password"}})} {
		if l.says(p); p.Status != http.StatusGone {
			t.Errorf("the link is answered with %d %q", p.Status, p.Heading())
		}
	}
}

// connect adds a connection through which agents come.
func (l *loses) connect() *idptest.Entra {
	l.t.Helper()
	ctx, entra := l.t.Context(), idptest.StartEntra(l.t, l.Issuer, nil)
	entry, err := l.Manage.Connections.AddConnection(ctx, authz.System(), connections.ConnectionChange{
		Connection: idp.Connection{
			PopulationID: idp.Agents, Kind: idp.EntraConnection, Name: "Microsoft", Enabled: true, Issuer: entra.URL,
			Tenants: []string{idptest.HomeTenant}, ClientID: idptest.HomeApp, CreateUsers: true, EndUpstream: true,
		},
		ClientSecret: idptest.EntraSecret,
	})
	idptest.Must(l.t, err)
	l.connection = entry.Connection
	p, err := l.Manage.Populations.Population(ctx, authz.System(), idp.Agents)
	idptest.Must(l.t, err)
	_, err = l.Manage.Populations.SaveAccess(ctx, authz.System(), populations.Change[idp.Access]{ID: idp.Agents, Version: p.Version, To: idp.Access{Password: true, Federated: true}})
	idptest.Must(l.t, err)
	return entra
}

var throughMicrosoft = regexp.MustCompile(`href="([^"]*/federate\?c=[^"]*)"`)

// comes signs Alice in through the connection, as far as that goes.
func (l *loses) comes(b *idptest.Browser, entra *idptest.Entra) *idptest.Page {
	l.t.Helper()
	m := throughMicrosoft.FindStringSubmatch(b.Get(l.Issuer + "/account").Body)
	if m == nil {
		l.t.Fatal("the sign-in page offers no connection")
	}
	left := b.Get(l.Issuer + strings.TrimPrefix(html.UnescapeString(m[1]), l.Issuer)).Left
	return b.Get(entra.SignIn(b, left, idptest.Alice).Left.String())
}

// Every page that reads what is sealed answers when its master key is lost: the admin
// sees why nobody comes through a connection, and can mend it.
func TestEveryPageAnswersWhenAMasterKeyIsLost(t *testing.T) {
	t.Parallel()
	l := openLoses(t)
	entra := l.connect()
	admin, err := l.Manage.People.CreateUser(t.Context(), people.NewUser{
		Population: idp.Agents, Email: "admin@rtx.example", Name: "Ada", Password: idptest.Password, Roles: []string{idp.RoleAdmin},
	})
	idptest.Must(t, err)
	agent := l.AddUser(idp.Agents, "maya@rtx.example")
	party := l.AddParty(idp.Client{})
	_, _, phone := l.atCodes(party.Begin().URL, agent.Email)
	console, page, _ := l.atCodes(l.Issuer+"/admin", admin.Email)
	console.Submit(page, "/saved", "saved", "yes")
	federated := idptest.NewBrowser(t)
	l.says(l.comes(federated, entra))
	kinds := l.lose()
	for _, table := range []string{"factors", "recovery_codes", "connections", "sessions"} {
		if kinds[table] == 0 {
			t.Errorf("nothing of %s is sealed in this house: %v", table, kinds)
		}
	}
	view := "/admin/people/" + agent.ID + "/recovery-codes"
	l.says(console.Submit(console.Get(l.Issuer+view), "/recovery-codes", "reason", "at the desk"), unreadable)
	if n := l.Audited(idp.AuditRecoveryViewed); n != 0 {
		t.Errorf("%d views are recorded of codes that nobody saw", n)
	}
	l.says(console.Get(l.Issuer+"/admin/authentication/agents/access"), "Secret lost")
	settings := l.Issuer + "/admin/authentication/agents/connections/" + l.connection.ID
	l.says(console.Get(settings), "can no longer be read")
	for _, path := range []string{"", "/people", "/people/" + agent.ID, "/system", "/audit", "/apps"} {
		if p := l.says(console.Get(l.Issuer + "/admin" + path)); p.Status != http.StatusOK {
			t.Errorf("%s: %d", path, p.Status)
		}
	}
	l.says(l.comes(idptest.NewBrowser(t), entra))
	l.says(federated.Get(l.Issuer + "/end_session"))
	b := idptest.NewBrowser(t)
	page = b.Submit(b.Get(party.Begin().URL), "/password", "email", agent.Email, "password", idptest.Password)
	l.says(b.Submit(page, "/totp", "code", phone.Code(1)), "We cannot check this authenticator app right now.")

	// With its secret entered again, people come.
	change := connections.ConnectionChange{Connection: l.connection}
	if _, err := l.Manage.Connections.UpdateConnection(t.Context(), authz.System(), change); err == nil {
		t.Error("a connection stays on with a secret that nobody can read")
	}
	change.ClientSecret = idptest.EntraSecret
	if _, err := l.Manage.Connections.UpdateConnection(t.Context(), authz.System(), change); err != nil {
		t.Error(err)
	}
}

// A lost invitation is seen as one in the list, keeps no other from being seen, and can be
// taken back and made anew. Who registers its address is not kept waiting for it.
func TestAnInvitationWhoseKeyIsLostIsMadeAnew(t *testing.T) {
	t.Parallel()
	l := openLoses(t)
	ctx, who := t.Context(), links.Invitation{Population: idp.Contacts, Email: "new@rtx.example", Name: "New"}
	p, err := l.Manage.Populations.Population(ctx, authz.System(), idp.Contacts)
	idptest.Must(t, err)
	_, err = l.Manage.Populations.SaveRegistration(ctx, authz.System(), populations.Change[idp.Registration]{ID: idp.Contacts, Version: p.Version, To: idp.Registration{Open: true}})
	idptest.Must(t, err)
	admin, err := l.Manage.People.CreateUser(ctx, people.NewUser{
		Population: idp.Agents, Email: "admin@rtx.example", Name: "Ada", Password: idptest.Password, Roles: []string{idp.RoleAdmin},
	})
	idptest.Must(t, err)
	console, page, _ := l.atCodes(l.Issuer+"/admin", admin.Email)
	console.Submit(page, "/saved", "saved", "yes")
	lost, err := l.Manage.Links.Invite(ctx, authz.System(), who)
	idptest.Must(t, err)
	l.box.Next(who.Email)
	l.lose()
	other := who
	other.Email = "other@rtx.example"
	_, err = l.Manage.Links.Invite(ctx, authz.System(), other)
	idptest.Must(t, err)

	list := l.Issuer + "/admin/people/invitations?population=contacts"
	page = l.says(console.Get(list), who.Email, other.Email, "It can no longer be read.")
	if p := l.says(console.Post(l.Issuer+"/admin/people/invitations/"+lost.ID+"/resend", url.Values{}), unreadable); p.Status != http.StatusConflict {
		t.Errorf("sent again: %d", p.Status)
	}
	idptest.Must(t, l.Manage.Links.AskRegistration(ctx, links.LinkRequest{Population: idp.Contacts, Email: who.Email}))
	if link := linkInMail.FindString(l.box.Next(who.Email).Text); !strings.Contains(link, "/registration/") {
		t.Errorf("who registers is sent %q", link)
	}
	l.says(console.Submit(page, lost.ID+"/revoke"), "The invitation is revoked.", other.Email)
	_, err = l.Manage.Links.Invite(ctx, authz.System(), who)
	idptest.Must(t, err)
	l.says(console.Get(list), who.Email)
}

// What waits to be mailed when its master key is lost stays, and says why; what is asked
// for again is mailed.
func TestAMailWhoseKeyIsLostHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	l := openLoses(t)
	user, lost := l.AddUser(idp.Agents, "maya@rtx.example"), outbox.New(l.Store, l.ring)
	for range 4 { // as many as are under way at once to one domain
		idptest.Must(t, lost.Mail(t.Context(), outbox.Letter{To: user.Email, UserID: user.ID, Lifetime: time.Hour, Mail: ui.Mail{Kind: ui.MailReset}}))
	}
	idptest.Must(t, l.Manage.Links.AskReset(t.Context(), links.LinkRequest{Population: idp.Agents, Email: user.Email}))
	l.box.Next(user.Email)
	over := time.After(20 * time.Second)
	for l.db.Count(t, "outbox WHERE done_at IS NULL AND last_error LIKE '%no master key%'") < 4 {
		select {
		case <-over:
			t.Fatal("not all say why they wait")
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// A form that its browser kept, and an authenticator that it was setting up at its
// account, begin again.
func TestWhatABrowserKeepsIsOfNoUseUnderALostKey(t *testing.T) {
	t.Parallel()
	l := openLoses(t)
	user := l.AddUser(idp.Agents, "maya@rtx.example")
	b, page, phone := l.atCodes(l.Issuer+"/account", user.Email)
	b.Submit(page, "/saved", "saved", "yes")
	page = b.Get(l.Issuer + "/account/agents/second-step/add")
	sealed := base64.RawURLEncoding.EncodeToString(l.ring.Seal([]byte("gone"), "anything"))
	l.says(b.Submit(page, "/second-step/add", "pending", sealed, "code", phone.Code(1)), "here is a new QR code")
	u, err := url.Parse(l.Issuer)
	idptest.Must(t, err)
	b.Jar.SetCookies(u, []*http.Cookie{{Name: "gatehouse_kept_form", Value: sealed, Path: "/"}})
	for _, path := range []string{"", "/profile", "/password"} {
		if p := l.says(b.Get(l.Issuer + "/account/agents" + path)); p.Status != http.StatusOK {
			t.Errorf("%q: %d", path, p.Status)
		}
	}
}
