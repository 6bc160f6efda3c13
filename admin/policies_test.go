package admin_test

import (
	"net/http"
	"slices"
	"testing"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
)

func TestAPolicyIsChangedInTwoSteps(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		h := open(t, db)
		h.person("admin@rtx.example", idp.RoleAdmin)
		b, _ := h.enters("admin@rtx.example")
		form := h.page(b, "/authentication/agents")
		want(t, form, http.StatusOK, "Agent Authentication", "Issuer name")
		choice := b.Submit(form, "/mfa", "authenticator", "on", "issuer_label", "RTX Solutions – Agent App")
		want(t, choice, http.StatusOK, "When should this apply?", "The issuer name becomes RTX Solutions", "Immediately (all users will be logged out)", "On next login")
		want(t, b.Submit(choice, "/apply", "reason", "new brand"), http.StatusUnprocessableEntity, "When should this apply?", "Choose when it applies.")
		want(t, b.Submit(choice, "/apply", "apply", "next_login"), http.StatusUnprocessableEntity, "When should this apply?", "Say why")
		done := b.Submit(choice, "/apply", "apply", "next_login", "reason", "new brand")
		want(t, done, http.StatusOK, "Agent Authentication", "Saved. It applies from the next sign-in on.", "RTX Solutions – Agent App")
		// The same form once more is stale by now.
		want(t, b.Submit(choice, "/apply", "apply", "immediately", "reason", "again"), http.StatusConflict, "Agent Authentication", "This was changed in the meantime")
		want(t, b.Submit(form, "/mfa", "authenticator", "on", "issuer_label", "x"), http.StatusConflict, "Agent Authentication", "This was changed in the meantime")
	})
}

// The form itself says from when a change applies: what ends no session is saved at once.
func TestTheFormSaysWhenItApplies(t *testing.T) {
	t.Parallel()
	h := open(t, idptest.Alone(t))
	h.person("admin@rtx.example", idp.RoleAdmin)
	b, _ := h.enters("admin@rtx.example")
	for tab, fields := range map[string][]string{
		"mfa":       {"authenticator", "on", "issuer_label", "Straight"},
		"passwords": {"min_length", "14"},
	} {
		form := func() *idptest.Page { return h.page(b, "/authentication/agents/"+tab) }
		with := func(more ...string) []string { return append(slices.Clone(fields), more...) }
		want(t, form(), http.StatusOK, "Agent Authentication", `name="apply" value="next_login"`, `name="apply" value="immediately"`)
		unsaid := b.Submit(form(), "/"+tab, with("apply", "next_login")...)
		want(t, unsaid, http.StatusUnprocessableEntity, "Agent Authentication", "Say why", fields[len(fields)-1])
		asked := b.Submit(form(), "/"+tab, with("apply", "immediately", "reason", "a test")...)
		want(t, asked, http.StatusOK, "When should this apply?", `value="immediately" checked`, `value="a test"`, "Immediately signs you out as well.")
		done := b.Submit(form(), "/"+tab, with("apply", "next_login", "reason", "a test")...)
		want(t, done, http.StatusOK, "Agent Authentication", "Saved. It applies from the next sign-in on.", fields[len(fields)-1])
		if now := b.Submit(asked, "/apply", "apply", "immediately", "reason", "a test"); now.Status != http.StatusConflict {
			t.Errorf("%s: what was asked before is saved over it: %d %q", tab, now.Status, now.Heading())
		}
	}
	off := b.Submit(h.page(b, "/authentication/agents/mfa"), "/mfa", "authenticator", "", "apply", "next_login", "reason", "x")
	want(t, off, http.StatusUnprocessableEntity, "When should this apply?", "Tick the box", `value="next_login" checked`)
}

func TestWhatCannotBeSavedIsSaidBesideTheField(t *testing.T) {
	t.Parallel()
	h := open(t, idptest.Alone(t))
	h.person("admin@rtx.example", idp.RoleAdmin)
	b, _ := h.enters("admin@rtx.example")
	form := h.page(b, "/authentication/agents")
	want(t, b.Submit(form, "/mfa", "authenticator", "on", "issuer_label", " "), http.StatusUnprocessableEntity, "Agent Authentication", "needs a name to show")
	want(t, b.Submit(form, "/mfa", "email_code", "on"), http.StatusUnprocessableEntity, "Agent Authentication", "No mail server is configured")
	alone := b.Submit(form, "/mfa")
	want(t, alone, http.StatusOK, "When should this apply?", "with their password alone")
	want(t, b.Submit(alone, "/apply", "apply", "next_login", "reason", "x"), http.StatusUnprocessableEntity, "When should this apply?", "Tick the box")
}

// An old second step is asked for again, on the way to the choice.
func TestChangingAPolicyNeedsAFreshSecondStep(t *testing.T) {
	t.Parallel()
	h := open(t, idptest.Alone(t))
	h.person("admin@rtx.example", idp.RoleAdmin)
	b, _ := h.enters("admin@rtx.example")
	form := h.page(b, "/authentication/agents")
	h.AgeProofs(11 * time.Minute)
	page := b.Submit(form, "/mfa", "authenticator", "on", "issuer_label", "x")
	want(t, page, http.StatusOK, "Enter your password again")
	page = b.Submit(page, "/password", "password", password)
	want(t, page, http.StatusOK, "Enter the code from your app")
}

func TestOneOfTwoAdminsWins(t *testing.T) {
	t.Parallel()
	h := open(t, idptest.Alone(t))
	h.person("admin@rtx.example", idp.RoleAdmin)
	h.person("other@rtx.example", idp.RoleAdmin)
	first, _ := h.enters("admin@rtx.example")
	second, _ := h.enters("other@rtx.example")
	a := first.Submit(h.page(first, "/authentication/agents"), "/mfa", "authenticator", "on", "issuer_label", "first")
	b := second.Submit(h.page(second, "/authentication/agents"), "/mfa", "authenticator", "on", "issuer_label", "second")
	want(t, first.Submit(a, "/apply", "apply", "next_login", "reason", "r"), http.StatusOK, "Agent Authentication", "first")
	want(t, second.Submit(b, "/apply", "apply", "next_login", "reason", "r"), http.StatusConflict, "Agent Authentication", "This was changed in the meantime", "first")
}
