package demo_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/idptest/chromium"
	"gatehouse/idp/manage/authz"
	"gatehouse/idp/manage/populations"
)

// TestBrowserEntra tells the stories of people who sign in with Microsoft, as the
// demo's simulated tenant plays it, with a real browser.
func TestBrowserEntra(t *testing.T) {
	browser := chromium.Shared(t)
	databases := map[string]func(t *testing.T) string{"SQLite": func(*testing.T) string { return "" }}
	if idptest.OnBoth() {
		databases["PostgreSQL"] = func(t *testing.T) string { return idptest.Postgres(t) }
	}
	for name, database := range databases {
		t.Run(name, func(t *testing.T) {
			h := startHouse(t, browser, database(t))
			bothPortals(t, h)
			notAssigned(t, h)
			claimsAnother(t, h)
			if name == "SQLite" { // whose database this test can open beside the demo
				entraAlone(t, h)
			}
		})
	}
}

const microsoft = `a.button[href*="/federate"]`

// goesToMicrosoft leaves the portal for the tenant's sign-in page.
func (b *tab) goesToMicrosoft(portal string) {
	b.t.Helper()
	b.visit(portal)
	b.clicks(`a[href="/login"]`)
	b.page("signin")
	b.picture("signin-microsoft")
	b.clicks(microsoft)
	b.sees("#username")
}

// signsInThere fills in the tenant's page.
func (b *tab) signsInThere(email, password string) {
	b.t.Helper()
	b.types("#username", email)
	b.types("#password", password)
	b.clicks(`form:has(#password) button[value=password]`)
}

// bothPortals: staff and customers sign in with Microsoft, and nobody asks for a second
// step here.
func bothPortals(t *testing.T, h *house) {
	for email, portal := range map[string]string{"entra-agent@rtx.example": h.agentPortal(), "entra-contact@customer.example": h.supportPortal()} {
		p := h.person(t, email)
		b := h.window(t)
		b.goesToMicrosoft(portal)
		b.signsInThere(p.Email, p.Password)
		b.reads("You are signed in")
		claims := b.claims(portal)
		if fmt.Sprint(claims["amr"]) != "[fed]" || claims["acr"] != string(idp.ACRFederated) || claims["email"] != email {
			t.Errorf("%s: claims %v", email, claims)
		}
		if issuer := fmt.Sprint(claims["idp"]); !strings.HasPrefix(issuer, h.Entra+"/") {
			t.Errorf("%s: idp %s", email, issuer)
		}
		b.visit(portal)
		b.reads("You signed in with your organisation's account")
		b.picture("portal-microsoft")
		b.clicks(`form[action="/logout"] button`)
		b.reads("signed out")
		if status := b.visit(portal + "/me"); status != http.StatusUnauthorized {
			t.Errorf("/me answers %d after signing out", status)
		}
	}
}

// notAssigned: Microsoft refuses, and the page here says what to do.
func notAssigned(t *testing.T, h *house) {
	b := h.window(t)
	b.goesToMicrosoft(h.agentPortal())
	b.signsInThere("unassigned@rtx.example", "faint copper ladder")
	b.clicks(`button[value=return]`)
	b.page("signin")
	b.reads("may not use this sign-in yet")
	b.picture("entra-not-assigned")
	b.sees("#password") // the other way is there
}

// claimsAnother: an address that the directory does not confirm is asked about.
func claimsAnother(t *testing.T, h *house) {
	b := h.window(t)
	b.goesToMicrosoft(h.supportPortal())
	b.signsInThere("claims-to-be-agent@customer.example", "sly pewter mirror")
	b.page("confirm-email")
	b.reads("agent@rtx.example")
	b.picture("confirm-email")
	b.answers("000000")
	b.sees("#code-error")
	b.picture("confirm-email-wrong")
}

// entraAlone: where portal access has nothing else, the portal leads straight there.
func entraAlone(t *testing.T, h *house) {
	m := h.manager(t)
	p, err := m.Populations.Population(t.Context(), authz.System(), idp.Contacts)
	idptest.Must(t, err)
	_, err = m.Populations.SaveAccess(t.Context(), authz.System(), populations.Change[idp.Access]{ID: idp.Contacts, Version: p.Version, To: idp.Access{Federated: true}})
	idptest.Must(t, err)
	b := h.window(t)
	b.visit(h.supportPortal())
	b.clicks(`a[href="/login"]`)
	b.sees("#username")
	b.clicks(`button[value=deny]`)
	b.page("signin")
	b.reads("cancelled or not allowed")
	b.picture("signin-microsoft-alone")
}
