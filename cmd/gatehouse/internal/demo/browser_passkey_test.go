package demo_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/webauthn"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/idptest/chromium"
	"gatehouse/idp/manage/populations"
)

// TestBrowserPasskeys tells the stories of people with passkeys, by the authenticator that
// Chromium plays (CTAP2). The portals check the tokens with go-oidc.
func TestBrowserPasskeys(t *testing.T) {
	browser := chromium.Shared(t)
	databases := map[string]func(t *testing.T) string{"SQLite": func(*testing.T) string { return "" }}
	if idptest.OnBoth() {
		databases["PostgreSQL"] = func(t *testing.T) string { return idptest.Postgres(t) }
	}
	for name, database := range databases {
		t.Run(name, func(t *testing.T) {
			h := startHouse(t, browser, database(t))
			m := h.manager(t)
			for _, population := range []string{idp.Agents, idp.Contacts} {
				policy(t, m, population, idp.Policy{Authenticator: true, Passkey: true}, populations.OnNextLogin)
			}
			passkeyFromSetUpOn(t, h, "agent@rtx.example", h.agentPortal())
			passkeyFromSetUpOn(t, h, "contact@customer.example", h.supportPortal())
			passkeyWithoutPIN(t, h)
			passkeyDialogs(t, h)
			passkeyAtTheAccount(t, h)
		})
	}
}

// keyring is the virtual authenticator of a tab.
type keyring struct {
	tab *tab
	id  webauthn.AuthenticatorID
}

// cdpCall sends a command to a tab's page.
func cdpCall[P, R any](b *tab, command cdp.Command[P, R], params P) (result R) {
	b.t.Helper()
	b.do(chromedp.Func(func(ctx context.Context, t *chromedp.Target) (err error) {
		result, err = cdp.Call(ctx, t, command, params)
		return err
	}))
	return result
}

// keys gives a tab an authenticator.
func (b *tab) keys(options webauthn.VirtualAuthenticatorOptions) *keyring {
	b.t.Helper()
	options.Protocol, options.Transport, options.HasResidentKey, options.AutomaticPresenceSimulation = "ctap2", "internal", true, true
	cdpCall(b, webauthn.Enable, webauthn.EnableParams{})
	made := cdpCall(b, webauthn.AddVirtualAuthenticator, webauthn.AddVirtualAuthenticatorParams{Options: &options})
	return &keyring{b, made.AuthenticatorID}
}

// suggests has the browser offer passkeys in the email field, or not, as some cannot.
func (b *tab) suggests(on bool) {
	b.t.Helper()
	script := `PublicKeyCredential.isConditionalMediationAvailable = async () => ` + fmt.Sprint(on)
	cdpCall(b, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: script})
}

// forgets takes the browser's cookies away: who comes now is a stranger.
func (b *tab) forgets() {
	b.t.Helper()
	cdpCall(b, network.ClearBrowserCookies, cdp.Empty{})
}

// choosesPasskey sets one up on the way through the first sign-in.
func (b *tab) choosesPasskey(p *person) {
	b.t.Helper()
	b.page("choose-method")
	b.clicks(`form:has(input[value=passkey]) button`)
	b.page("passkey-set-up")
	b.clicks("[data-start]")
	b.page("recovery-codes")
	p.codes = mustAsk[[]string](b, `[...document.querySelectorAll("#codes li")].map((li) => li.textContent)`)
	b.finishes()
}

// comes goes from the portal's button to the first page.
func (b *tab) comes(portal string) {
	b.t.Helper()
	b.forgets()
	b.visit(portal)
	b.clicks(`a[href="/login"]`)
}

func (b *tab) provedByPasskey(portal, want string) {
	b.t.Helper()
	b.reads("You are signed in")
	claims := b.claims(portal)
	if got := fmt.Sprint(claims["acr"], claims["amr"]); got != want {
		b.t.Errorf("acr and amr: %s, want %s", got, want)
	}
}

// passkeyFromSetUpOn: chosen in place of an app, used beside the password, alone by its button,
// and alone as the email field suggests it.
func passkeyFromSetUpOn(t *testing.T, h *house, email, portal string) {
	p := h.person(t, email)
	b := h.window(t)
	b.keys(webauthn.VirtualAuthenticatorOptions{HasUserVerification: true, IsUserVerified: true})
	b.suggests(false)
	b.signsIn(portal, p)
	b.choosesPasskey(p)
	b.provedByPasskey(portal, "phr[pwd user mfa]")

	b.comes(portal)
	b.page("signin")
	b.givesPassword(p)
	b.page("passkey")
	b.sees(`.methods form:has(input[value=recovery]) button`)
	b.clicks("[data-start]")
	b.provedByPasskey(portal, "phr[pwd user mfa]")

	b.comes(portal)
	b.page("signin")
	b.clicks("[data-start]")
	b.provedByPasskey(portal, "phr[user mfa]")

	b.suggests(true)
	b.comes(portal) // and picks it: the authenticator's owner always does
	b.provedByPasskey(portal, "phr[user mfa]")
}

// passkeyWithoutPIN: a security key that verifies nobody is a second step, and does not stand
// alone.
func passkeyWithoutPIN(t *testing.T, h *house) {
	p := h.person(t, "agent2@rtx.example")
	b := h.window(t)
	b.keys(webauthn.VirtualAuthenticatorOptions{})
	b.suggests(false)
	b.signsIn(h.agentPortal(), p)
	b.choosesPasskey(p)
	b.comes(h.agentPortal())
	b.page("signin")
	b.clicks("[data-start]")
	b.reads("The window was closed, or nothing happened in time.")
	b.givesPassword(p)
	b.page("passkey")
	b.clicks("[data-start]")
	b.provedByPasskey(h.agentPortal(), "phr[pwd user mfa]")
}

// passkeyDialogs: what a browser refuses reads as what it is.
func passkeyDialogs(t *testing.T, h *house) {
	p := h.person(t, "contact2@customer.example")
	b := h.window(t)
	k := b.keys(webauthn.VirtualAuthenticatorOptions{HasUserVerification: true, IsUserVerified: true})
	b.suggests(false)
	b.signsIn(h.supportPortal(), p)
	b.choosesPasskey(p)
	b.comes(h.supportPortal())
	b.page("signin")
	cdpCall(b, webauthn.ClearCredentials, webauthn.ClearCredentialsParams{AuthenticatorID: k.id})
	b.clicks("[data-start]")
	b.reads("The window was closed, or nothing happened in time.")
	b.picture("signin-passkey-cancelled")
	b.givesPassword(p)
	b.page("passkey")
	b.clicks("[data-start]")
	b.reads("The window was closed, or nothing happened in time.")
	b.clicks(`.methods form:has(input[value=recovery]) button`)
	b.page("recovery-code")
}

// presses has a person without a mouse press what they tab to.
func (b *tab) presses(selector string) { b.t.Helper(); b.enters(selector, "", kb.Enter) }

// passkeyAtTheAccount: added, renamed and removed by keyboard alone, and offered after a sign-in.
func passkeyAtTheAccount(t *testing.T, h *house) {
	p := h.person(t, "lead@rtx.example")
	b := h.window(t)
	k := b.keys(webauthn.VirtualAuthenticatorOptions{HasUserVerification: true, IsUserVerified: true})
	b.suggests(false)
	b.visit(h.Issuer + "/account")
	b.page("signin")
	b.enters("#email", p.Email, "")
	b.enters("#password", p.Password, kb.Enter)
	b.page("choose-method")
	b.presses(`form:has(input[value=totp]) button`)
	b.page("enrol")
	p.key = b.text("#key")
	b.enters("#code", p.code(t, 0), kb.Enter)
	b.page("recovery-codes")
	b.enters("input[name=saved]", " ", "")
	b.presses("button.primary")
	b.page("account-overview")

	b.goesTo("/second-step")
	b.goesTo("/second-step/passkey")
	b.page("account-passkey")
	// A dialog that was closed and one that took too long are the same to a page.
	mustAsk[bool](b, `(() => { navigator.credentials.create = async () => { throw new DOMException("", "NotAllowedError"); }; return true; })()`)
	b.presses("[data-start]")
	b.reads("The window was closed, or nothing happened in time.")
	b.sees(`a[href$="/second-step"]`)
	b.visit(mustAsk[string](b, "location.href"))
	b.presses("[data-start]")
	b.page("account-second-step")
	b.reads("The passkey is set up.")

	b.goesTo("/second-step/passkey")
	b.page("account-passkey")
	b.presses("[data-start]")
	b.reads("There is a passkey for your account on this device already.")
	b.goesTo("/second-step")
	b.page("account-second-step")

	b.presses(`li:last-child a[href$="/rename"]`)
	b.page("account-rename")
	b.enters("#name", "Work laptop", kb.Enter)
	b.page("account-second-step")
	b.reads("Work laptop")
	b.presses(`li:last-child a[href$="/remove"]`)
	b.page("account-ask")
	b.reads("Work laptop")
	b.presses("button.danger")
	b.page("account-second-step")
	b.reads("The passkey is removed.")

	// Without one, a sign-in ends with the offer of one.
	cdpCall(b, webauthn.ClearCredentials, webauthn.ClearCredentialsParams{AuthenticatorID: k.id})
	b.comes(h.agentPortal())
	b.page("signin")
	b.givesPassword(p)
	b.page("code")
	b.answers(p.code(t, 30*time.Second))
	b.page("passkey-offer")
	b.picture("passkey-offer")
	b.sees("form.later button")
	b.presses("[data-start]")
	b.provedByPasskey(h.agentPortal(), "phr[pwd otp user mfa]")
}
