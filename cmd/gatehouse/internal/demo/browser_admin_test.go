package demo_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"gatehouse/cmd/gatehouse/internal/demo/portal"
	"gatehouse/idp"
	"gatehouse/idp/manage"
	"gatehouse/idp/manage/links"
	"gatehouse/idp/manage/populations"

	"gatehouse/idp/idptest/chromium"
)

// TestBrowserAdmin is the first day of an admin, from the link that the first start
// prints.
func TestBrowserAdmin(t *testing.T) {
	h := startHouse(t, chromium.Shared(t), "")
	m := h.manager(t)
	policy(t, m, idp.Agents, idp.Policy{}, populations.OnNextLogin)
	agent := h.person(t, "agent@rtx.example")
	at := h.window(t)
	at.signsIn(h.agentPortal(), agent)
	at.reads("You are signed in")

	b := firstAdmin(t, h, m)
	enableImmediately(t, h, b, at, agent)
	givesRecoveryRole(h, b)
	viewsCodes(t, h, agent)
	connectsApp(t, h, b)
	b.looksAround(h)
}

// adminTab is the window of the new admin.
type adminTab struct {
	*tab
	who *person
}

// firstAdmin sets the installation up.
func firstAdmin(t *testing.T, h *house, m *manage.Manager) adminTab {
	token, err := m.Links.SetupLink(t.Context(), links.FirstSetupLifetime)
	if err != nil {
		t.Fatal(err)
	}
	p := h.person(t, "admin@rtx.example")
	p.Email, p.Password = "first@rtx.example", "a calm first morning"
	b := h.window(t)
	b.visit(h.Issuer + "/admin/setup/" + token)
	b.page("setup")
	b.types("#name", "First admin")
	b.types("#email", p.Email)
	b.types("#password", p.Password)
	b.submits()
	b.page("signin")
	b.givesPassword(p)
	b.setsUp(p)
	b.ticks()
	b.submits()
	b.page("console-overview")
	return adminTab{b, p}
}

// enableImmediately turns the authenticator on for agents while one is signed in,
// who is out at the portal as soon as it was told.
func enableImmediately(t *testing.T, h *house, b adminTab, at *tab, agent *person) {
	b.visit(h.Issuer + "/admin/authentication/agents")
	b.page("console-policy")
	b.clicks("#authenticator")
	b.types("#reason", "a second step for everybody")
	b.clicks(`button[name=apply][value=immediately]`)
	b.page("console-apply")
	b.submits()
	ctx, cancel := context.WithTimeout(at.ctx, 5*time.Second)
	defer cancel()
	for at.visit(h.agentPortal()+"/me") != http.StatusUnauthorized {
		if ctx.Err() != nil {
			t.Fatal("the portal was not told of the sign-out within 5 s")
		}
	}
	at.signsIn(h.agentPortal(), agent)
	at.setsUp(agent)
	at.finishes()
	// Everybody is everybody: the admin signs in again, and comes back to the page.
	b.page("signin")
	b.givesPassword(b.who)
	b.sees("main.page-code")
	b.answers(b.who.code(t, 30*time.Second))
	b.reads("Everyone affected is signed out")
	b.picture("console-policy-applied")
}

// recoveryLabel is the one permission that the colleague gets.
const recoveryLabel = "Access to Agent Recovery Code and Reset MFA"

// givesRecoveryRole makes a role with one permission and gives it to a colleague.
func givesRecoveryRole(h *house, b adminTab) {
	b.visit(h.Issuer + "/admin/roles/new")
	b.page("console-role")
	b.types("#name", "Recovery desk")
	b.clicks(fmt.Sprintf("input[name=permissions][value=%q]", idp.PermissionAgentRecovery))
	b.reads(recoveryLabel)
	b.types("#reason", "the desk helps agents back in")
	b.submits()
	b.reads("Not held by any person or service")
	b.visit(h.Issuer + "/admin/people?q=agent2")
	b.page("console-people")
	b.clicks(`a.person[href*="/admin/people/"]`)
	b.page("console-person")
	b.clicks(`a[href$="/roles"]:not(nav a)`)
	b.page("console-person-roles")
	b.until(`[...document.querySelectorAll("label")].some((l) => l.innerText.includes("Recovery desk") && (l.querySelector("input") ?? document.getElementById(l.htmlFor)).click() === undefined)`)
	b.types("#reason", "joins the desk")
	b.submits()
	b.page("console-person")
	b.reads("Recovery desk")
}

// viewsCodes: the colleague may view an agent's codes and reset, and nothing else.
func viewsCodes(t *testing.T, h *house, agent *person) {
	p := h.person(t, "agent2@rtx.example")
	b := h.window(t)
	b.visit(h.Issuer + "/admin")
	b.page("signin")
	b.givesPassword(p)
	b.setsUp(p)
	b.ticks()
	b.submits()
	b.page("console-overview")
	if nav := b.text("nav"); strings.Contains(nav, "Authentication") || strings.Contains(nav, "Roles") {
		t.Errorf("the navigation is %q", nav)
	}
	if status := b.visit(h.Issuer + "/admin/authentication/agents"); status != http.StatusForbidden {
		t.Errorf("the authentication settings answer %d", status)
	}
	b.visit(h.Issuer + "/admin/people?q=agent@&open=1") // the search in the menu
	b.page("console-person")
	b.clicks(`a[href$="/sign-in"]`)
	b.clicks(`a[href$="/recovery-codes"]`)
	b.page("console-confirm")
	b.types("#reason", "lost the phone, on the telephone")
	b.submits()
	b.page("console-person-codes")
	b.reads(agent.codes[0])
	h.toldOf(t, agent, "recovery codes")
}

// toldOf waits for a mail to somebody whose subject has a word.
func (h *house) toldOf(t *testing.T, p *person, word string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(glance)
	defer tick.Stop()
	for {
		for _, m := range h.mails(ctx, t, p.Email) {
			if strings.Contains(m, word) {
				return
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("%s was not told of %s", p.Email, word)
		}
	}
}

// connectsApp connects one more portal from a template and signs in to it with what
// the page gave.
func connectsApp(t *testing.T, h *house, b adminTab) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	base := "http://localhost:" + port
	b.visit(h.Issuer + "/admin/apps/new")
	b.page("console-app-new")
	b.visit(h.Issuer + "/admin/apps/new/web")
	b.page("console-app-form")
	b.types("#name", "Wallboard")
	b.types("#redirect_uris", base+"/callback")
	b.types("#post_logout_redirect_uris", base+"/")
	b.submits()
	b.page("console-app-connect")
	secret := b.text("#secret")
	settings := b.text("dl.settings")
	id := mustAsk[string](b.tab, `document.querySelector("dl.settings").innerText.match(/Client ID\s+(\S+)/i)[1]`)
	if !strings.Contains(settings, h.Issuer) {
		t.Errorf("the settings do not name the issuer:\n%s", settings)
	}
	made, err := portal.New(t.Context(), portal.Config{
		Kind: portal.Support, Name: "Wallboard", BaseURL: base, Issuer: h.Issuer, ClientID: id, ClientSecret: secret,
	})
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: made.Handler(), ReadHeaderTimeout: patience}
	over := make(chan error, 1)
	go func() { over <- srv.Serve(l) }()
	t.Cleanup(func() { _ = srv.Close(); <-over })
	b.visit(base)
	b.clicks(`a[href="/login"]`)
	b.reads("You are signed in") // single sign-on
}

// looksAround opens every page of the console, for the pictures.
func (b adminTab) looksAround(h *house) {
	for path, page := range map[string]string{
		"/admin": "console-overview", "/admin/people": "console-people", "/admin/people/new": "console-person-new",
		"/admin/apps": "console-apps", "/admin/roles": "console-roles", "/admin/audit": "console-audit",
		"/admin/system": "console-system", "/admin/authentication/contacts": "console-policy",
		"/admin/authentication/agents/brand": "console-brand", "/admin/authentication/new": "console-brand-new",
	} {
		if status := b.visit(h.Issuer + path); status != http.StatusOK {
			b.t.Errorf("%s answers %d", path, status)
		}
		b.page(page)
	}
}
