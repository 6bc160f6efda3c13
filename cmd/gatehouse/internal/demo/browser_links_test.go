package demo_test

import (
	"context"
	"encoding/json"
	"net/http"
	"regexp"
	"testing"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/idptest/chromium"
	"gatehouse/idp/manage"
	"gatehouse/idp/manage/authz"
	"gatehouse/idp/manage/links"
	"gatehouse/idp/manage/populations"
)

// TestBrowserLinks walks the links that come by mail: invitation, registration, reset.
func TestBrowserLinks(t *testing.T) {
	h := startHouse(t, chromium.Shared(t), "")
	m := h.manager(t)
	for _, story := range []struct {
		name string
		tell func(*testing.T, *house, *manage.Manager)
	}{
		{"Invitation", invitation},
		{"ForgotPassword", forgotPassword},
		{"Registration", registration},
	} {
		t.Run(story.name, func(t *testing.T) { story.tell(t, h, m) })
	}
}

// invitation: an admin invites somebody, who chooses a password, sets up the second
// step and arrives at the portal.
func invitation(t *testing.T, h *house, m *manage.Manager) {
	guest := h.person(t, "agent@rtx.example")
	guest.Email, guest.Password = "guest@rtx.example", "a calm first morning"
	_, err := m.Links.Invite(t.Context(), authz.System(), links.Invitation{Population: idp.Agents, Email: guest.Email, Name: "Guest"})
	if err != nil {
		t.Fatal(err)
	}
	link := h.linkTo(t, guest.Email, "/invitation/")
	b := h.window(t)
	b.visit(link)
	b.page("link-password")
	b.types("#password", "short")
	b.submits()
	b.sees("#password[aria-invalid=true][aria-describedby~=password-error]")
	b.types("#password", guest.Password)
	b.submits()
	b.page("link-used")
	b.clicks("a.button.solid")
	b.sees(`a[href="/login"]`)
	b.clicks(`a[href="/login"]`)
	b.page("signin")
	b.givesPassword(guest)
	b.setsUp(guest)
	b.finishes()
	if claims := b.claims(h.agentPortal()); claims["email"] != guest.Email || claims["email_verified"] != true {
		t.Errorf("the portal is told %v", claims)
	}
	if status := b.visit(link); status != http.StatusGone {
		t.Errorf("the link answers %d once it was used", status)
	}
	b.picture("invitation-used")
}

// forgotPassword: somebody with an authenticator sets a new password by mail, and is
// still asked for the second step.
func forgotPassword(t *testing.T, h *house, _ *manage.Manager) {
	p := h.person(t, "agent@rtx.example")
	first := h.window(t)
	first.signsIn(h.agentPortal(), p)
	first.setsUp(p)
	first.finishes()

	b := h.window(t)
	b.visit(h.agentPortal())
	b.clicks(`a[href="/login"]`)
	b.page("signin")
	b.types("#email", p.Email)
	b.clicks("a.forgot")
	b.page("forgot-password")
	b.submits() // the address came along
	b.page("link-sent")
	b.visit(h.linkTo(t, p.Email, "/reset/"))
	b.page("link-password")
	b.picture("new-password-reset")
	p.Password = "quite another password"
	b.types("#password", p.Password)
	b.submits()
	b.page("link-used")
	b.clicks("a.button.solid") // the sign-in goes on in this browser
	b.page("signin")
	b.givesPassword(p)
	b.page("code")
	b.answers(p.code(t, 30*time.Second))
	b.reads("You are signed in")
	// The previous window is out.
	first.visit(h.agentPortal())
	first.clicks(`a[href="/login"]`)
	first.page("signin")
}

// registration: somebody makes themselves an account at the support portal.
func registration(t *testing.T, h *house, m *manage.Manager) {
	e, err := m.Populations.Population(t.Context(), authz.System(), idp.Contacts)
	if err == nil {
		_, err = m.Populations.SaveRegistration(t.Context(), authz.System(), populations.Change[idp.Registration]{
			ID:      idp.Contacts,
			Version: e.Version, To: idp.Registration{Open: true, Denied: []string{"denied.example"}},
		})
	}
	if err != nil {
		t.Fatal(err)
	}
	p := h.person(t, "agent@rtx.example")
	p.Email, p.Password = "newcomer@customer.example", "a calm first morning"
	b := h.window(t)
	b.visit(h.supportPortal())
	b.clicks(`a[href="/login"]`)
	b.page("signin")
	b.clicks(`a[href*="/register"]`)
	b.page("register")
	b.types("#email", "newcomer@denied.example")
	b.submits()
	b.sees("#email[aria-invalid=true][aria-describedby~=email-error]")
	b.picture("register-denied")
	b.types("#email", p.Email)
	b.submits()
	b.page("link-sent")
	b.picture("link-sent-register")
	b.visit(h.linkTo(t, p.Email, "/registration/"))
	b.page("link-password")
	b.types("#name", "New Comer")
	b.types("#password", p.Password)
	b.submits()
	b.page("link-used")
	b.clicks("a.button.solid")
	b.page("signin")
	b.givesPassword(p)
	b.setsUp(p)
	b.finishes()
}

// linkTo waits for a mail with a link to an address, and returns the link.
func (h *house) linkTo(t *testing.T, email, path string) string {
	t.Helper()
	link := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(h.Issuer+path) + `[\w-]{43}`)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(glance)
	defer tick.Stop()
	for {
		var list struct {
			Messages []struct {
				ID string
				To []struct{ Address string }
			}
		}
		h.mailbox(ctx, t, "/api/v1/messages", &list)
		for _, m := range list.Messages {
			var body struct{ Text string }
			if m.To[0].Address != email {
				continue
			}
			h.mailbox(ctx, t, "/api/v1/message/"+m.ID, &body)
			if found := link.FindString(body.Text); found != "" {
				return found
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("no link came to %s", email)
		}
	}
}

// mailbox asks the demo's mailbox.
func (h *house) mailbox(ctx context.Context, t *testing.T, path string, into any) {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, h.Mailbox+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	if err := json.NewDecoder(res.Body).Decode(into); err != nil {
		t.Fatal(err)
	}
}
