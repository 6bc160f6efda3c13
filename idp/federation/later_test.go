package federation_test

import (
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/manage/authz"
	"gatehouse/idp/manage/connections"
	"gatehouse/idp/manage/links"
	"gatehouse/idp/manage/people"
	"gatehouse/ui"
)

// An admin who comes through Entra works in the console, and proves anew there.
func TestAnAdminOfEntraInTheConsole(t *testing.T) {
	t.Parallel()
	h, b := open(t, idptest.Alone(t), ours), idptest.NewBrowser(t)
	alice := h.AddUser(idp.Agents, idptest.Alice)
	h.signIn(idptest.NewBrowser(t), idptest.Alice)
	idptest.Must(t, h.Store.GiveRole(t.Context(), alice.ID, idp.RoleAdmin))
	h.allow(idp.Access{Federated: true})
	p := h.back(b, h.entra.SignIn(b, h.press(b, b.Get(h.Issuer+"/admin")), idptest.Alice))
	if p.Status != ok || !strings.HasPrefix(p.URL.Path, "/admin") {
		t.Fatalf("at %s: %q (%d)", p.URL, p.Heading(), p.Status)
	}
	stepUp := h.Issuer + "/admin/step-up?to=/admin/people"
	if p = b.Get(stepUp); p.Left != nil || p.Status != ok {
		t.Fatalf("fresh, and asked nevertheless: %q (%d), left for %v", p.Heading(), p.Status, p.Left)
	}
	h.AgeProofs(time.Hour)
	if p = b.Get(stepUp); p.Left == nil || p.Left.Query().Get("prompt") != "login" {
		t.Fatalf("the fresh step is %q (%d), left for %v", p.Heading(), p.Status, p.Left)
	}
	if p = h.back(b, h.entra.SignIn(b, p.Left, idptest.Alice)); p.Status != ok || p.Left != nil || p.URL.Path != "/admin/people" {
		t.Errorf("afterwards at %s: %q (%d), left for %v", p.URL, p.Heading(), p.Status, p.Left)
	}
}

// Several browsers bring the same new person at one moment: one account comes about, and
// all of them are in.
func TestANewPersonComesTwiceAtOnce(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		h := open(t, db, nil)
		const n = 4
		var browsers [n]*idptest.Browser
		var answers [n]string
		var pages [n]*idptest.Page
		for i := range n {
			browsers[i] = idptest.NewBrowser(t)
			answers[i] = h.entra.SignIn(browsers[i], h.leave(browsers[i], h.party.Begin()), idptest.Alice).Left.String()
		}
		var all sync.WaitGroup
		for i := range n {
			all.Go(func() { pages[i] = browsers[i].Get(answers[i]) })
		}
		all.Wait()
		for i, p := range pages {
			if p.Left == nil { // too late by a moment: once more
				p = h.back(browsers[i], h.entra.SignIn(browsers[i], h.press(browsers[i], p), idptest.Alice))
			}
			if p.Left == nil || p.Left.Query().Get("code") == "" {
				t.Errorf("browser %d is at %q (%d), left for %v", i, p.Heading(), p.Status, p.Left)
			}
		}
		if users, identities := h.count("users"), h.count("identities"); users != 1 || identities != 1 {
			t.Errorf("%d people, %d identities", users, identities)
		}
	})
}

// Somebody is invited, and comes through Entra before they open the link: one account.
func TestSomebodyInvitedComesThroughEntra(t *testing.T) {
	t.Parallel()
	h, b := open(t, idptest.Alone(t), nil), idptest.NewBrowser(t)
	_, err := h.Manage.Links.Invite(t.Context(), authz.System(), links.Invitation{Population: idp.Agents, Email: idptest.Alice, Roles: []string{idp.RoleManager}})
	idptest.Must(t, err)
	page := b.Get(invitationLink(t, h, h.mail.Next(idptest.Alice).Text))
	h.signIn(idptest.NewBrowser(t), idptest.Alice) // first
	p := b.Submit(page, "", "name", "Mallory", "password", "gentle maple corner stone")
	if p.Status != http.StatusConflict || h.count("users") != 1 {
		t.Errorf("the link makes %q (%d), %d people", p.Heading(), p.Status, h.count("users"))
	}
}

func invitationLink(t *testing.T, h *house, text string) string {
	t.Helper()
	_, rest, found := strings.Cut(text, h.Issuer+"/invitation/")
	if !found {
		t.Fatalf("no link in %s", text)
	}
	return h.Issuer + "/invitation/" + strings.Fields(rest)[0]
}

// Somebody is disabled between Entra and the second step of ours.
func TestDisabledBeforeTheLocalStep(t *testing.T) {
	t.Parallel()
	h := open(t, idptest.Alone(t), func(n *connections.ConnectionChange) { ours(n); n.Trust = idp.LocalStep })
	alice := h.AddUser(idp.Agents, idptest.Alice)
	_, phone, _ := idptest.Enrol(idptest.NewBrowser(t), h.party, h.party.Begin(), idptest.Alice)
	b := idptest.NewBrowser(t)
	before := h.count("sessions")
	p := h.come(b, h.party.Begin(), idptest.Alice)
	if _, _, ok := p.Form("/totp"); !ok {
		t.Fatalf("at %q (%d), left for %v", p.Heading(), p.Status, p.Left)
	}
	yes := true
	_, version, err := h.Store.VersionedUser(t.Context(), alice.ID)
	idptest.Must(t, err)
	_, err = h.Manage.People.UpdateUser(t.Context(), authz.System(), alice.ID, people.UserChange{Version: version, Disabled: &yes, Reason: "left"})
	idptest.Must(t, err)
	b.Submit(p, "/totp", "code", phone.Code(1))
	if n := h.count("sessions"); n != before {
		t.Errorf("%d sessions, there were %d", n, before)
	}
	p = h.come(b, h.party.Begin(), idptest.Alice)
	if p.Status != forbidden || h.lastRefusal().Detail["reason"] != string(idp.FederationDisabled) {
		t.Errorf("at %q (%d)", p.Heading(), p.Status)
	}
}

// Where people come through Entra alone there is no new password, whoever asks how.
func TestNoNewPasswordWhereThereIsNone(t *testing.T) {
	t.Parallel()
	h, admin, _ := locked(t, idptest.Alone(t))
	b := idptest.NewBrowser(t)
	flow := h.flowPage(b.Get(h.party.Begin().URL).Left)
	page := b.Get(flow + "/forgot")
	if _, _, form := page.Form("/forgot"); form || page.Status != http.StatusOK {
		t.Errorf("a form: %q (%d)", page.Heading(), page.Status)
	}
	if p := b.Post(flow+"/forgot", url.Values{"population": {idp.Agents}, "email": {admin.Email}}); p.Status != http.StatusNotFound {
		t.Errorf("posted: %d", p.Status)
	}
	if n := h.count("outbox WHERE kind = '" + string(ui.MailReset) + "'"); n != 0 {
		t.Errorf("%d mails", n)
	}
}

// Who disconnects Entra from their account is not connected again behind their back.
func TestDisconnectingLasts(t *testing.T) {
	t.Parallel()
	h, b := open(t, idptest.Alone(t), ours), idptest.NewBrowser(t)
	h.AddUser(idp.Agents, idptest.Alice)
	h.signIn(b, idptest.Alice)
	page := b.Get(h.Issuer + "/account/agents/microsoft")
	b.Submit(page, "/microsoft")
	if n := h.count("identities"); n != 0 {
		t.Fatalf("%d identities, at %q", n, page.Heading())
	}
	p := b.Get(h.party.Begin("prompt", "login").URL)
	if p.Left != nil {
		t.Fatalf("straight to Entra, which would connect them: %v", p.Left)
	}
	if _, _, ok := p.Form("/password"); !ok {
		t.Errorf("no password is asked for: %q", p.Heading())
	}
}
