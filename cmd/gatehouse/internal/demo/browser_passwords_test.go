package demo_test

import (
	"testing"

	"gatehouse/idp/idptest/chromium"
)

// TestBrowserPasswords: an admin asks for more of passwords from the next login on, and
// lets people stay signed in; an agent signs in, is asked for another password after
// the second step, and sees while typing what it is not yet.
func TestBrowserPasswords(t *testing.T) {
	h := startHouse(t, chromium.Shared(t), "")
	b := firstAdmin(t, h, h.manager(t))
	requires(h, b)
	keepsPeople(h, b)

	agent := h.person(t, "agent@rtx.example")
	w := h.window(t)
	w.visit(h.agentPortal())
	w.clicks(`a[href="/login"]`)
	w.sees("input[name=keep]")
	w.picture("signin-keep")
	w.clicks("input[name=keep]")
	w.givesPassword(agent)
	w.sees("main.page-enrol")
	agent.key = w.text("#key")
	w.answers(agent.code(t, 0))
	w.page("change-password")
	w.reads("does not meet the current rules")
	w.types("#password", "a quiet day")
	w.sees("[data-rule=no_digit].broken")
	w.sees("[data-rule=too_short].broken")
	w.sees("[data-rule=common].met")
	w.picture("change-password-typing")
	w.submits()
	w.sees("#password[aria-invalid=true][aria-describedby~=password-error]")
	w.picture("change-password-refused")
	agent.Password = "7 quiet days in May"
	w.types("#password", agent.Password)
	w.sees(".rules li.met:nth-child(4)")
	w.picture("change-password-met")
	w.submits()
	w.sees("main.page-recovery-codes")
	w.finishes()

	w = h.window(t)
	w.signsIn(h.agentPortal(), agent)
	w.sees("main.page-code") // the new password is the one that counts
}

// requires asks for 12 characters and a digit from the next login on.
func requires(h *house, b adminTab) {
	b.visit(h.Issuer + "/admin/authentication/agents/passwords")
	b.page("console-passwords")
	b.types("#min_length", "70")
	b.types("#reason", "an auditor asks")
	b.submits()
	b.sees("#min_length-error")
	b.picture("console-passwords-refused")
	b.types("#min_length", "12")
	b.clicks("#digit")
	b.submits()
	b.reads("It applies from the next sign-in on.")
}

// keepsPeople lets people stay signed in.
func keepsPeople(h *house, b adminTab) {
	b.visit(h.Issuer + "/admin/authentication/agents/sessions")
	b.page("console-sessions")
	b.clicks("#keep_signed_in")
	b.submits()
	b.reads("Change how long sessions last?")
	b.picture("console-sessions-confirm")
	b.types("#reason", "fewer sign-ins on their own devices")
	b.submits()
	b.reads("Saved.")
}
