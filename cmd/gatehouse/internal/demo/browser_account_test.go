package demo_test

import (
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"gatehouse/idp/idptest/chromium"
)

// TestBrowserAccount looks after an account without a mouse: name, authenticators,
// recovery codes, password, sessions.
func TestBrowserAccount(t *testing.T) {
	h := startHouse(t, chromium.Shared(t), "")
	p := h.person(t, "lead@rtx.example")
	b := h.window(t)
	b.visit(h.Issuer + "/account")
	b.page("signin")
	b.enters("#email", p.Email, "")
	b.enters("#password", p.Password, kb.Enter)
	b.page("enrol")
	p.key = b.text("#key")
	b.enters("#code", p.code(t, 0), kb.Enter)
	b.page("recovery-codes")
	b.enters("input[name=saved]", " ", "")
	b.enters("button.primary", "", kb.Enter)
	b.page("account-overview")

	b.goesTo("/profile")
	b.page("account-profile")
	b.enters("#name", "Lead of the team", kb.Enter) // Tab has selected what was there
	b.reads("Saved.")

	b.goesTo("/second-step")
	b.page("account-second-step")
	b.goesTo("/second-step/add")
	b.page("account-enrol")
	second := *p
	second.key = b.text("#key")
	b.enters("#name", "Tablet", "")
	b.enters("#code", "000000", kb.Enter)
	b.sees(`#code[aria-invalid=true][aria-describedby~=code-error]`)
	b.enters("#code", second.code(t, 0), kb.Enter)
	b.page("account-second-step")
	b.reads("Tablet")
	b.enters(`a[href$="/remove"]`, "", kb.Enter)
	b.page("account-ask")
	b.enters("button.danger", "", kb.Enter)
	b.reads("The authenticator app is removed.")

	b.goesTo("/codes")
	b.page("account-codes")
	b.reads("10 recovery codes left")

	b.goesTo("/password")
	b.page("account-password")
	b.enters("#current", "wrong", "")
	b.enters("#password", "seven purple bicycles sing", kb.Enter)
	b.sees(`#current[aria-invalid=true][aria-describedby~=current-error]`)
	b.enters("#current", p.Password, "")
	b.enters("#password", "seven purple bicycles sing", kb.Enter)
	b.reads("Your password is changed")

	b.goesTo("/sessions")
	b.page("account-sessions")
	b.reads("This device")
	b.goesTo("/activity")
	b.page("account-activity")
	b.reads("Your password was changed")
	b.enters(`.viewer a`, "", kb.Enter)
	b.page("sign-out")
}

// enters tabs to an element, types and presses a key.
func (b *tab) enters(selector, text, key string) {
	b.t.Helper()
	b.tabsTo(selector)
	b.do(chromedp.KeyEvent(text + key))
}

// goesTo follows a link to a page of the account.
func (b *tab) goesTo(page string) {
	b.t.Helper()
	b.enters(`a[href$="`+page+`"]`, "", kb.Enter)
}
