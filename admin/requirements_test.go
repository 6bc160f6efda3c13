package admin_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
)

const requirements = "/authentication/agents/passwords"

// rules and limits are what the forms show at first, with what is to be changed.
func rules(changes ...string) []string {
	return append([]string{"min_length", "8", "expiry_days", "0", "no_reuse", "0"}, changes...)
}

func limits(changes ...string) []string {
	return append([]string{
		"session_idle", "1", "session_idle_unit", "hours", "session_lifetime", "24", "session_lifetime_unit", "hours",
		"kept_idle", "30", "kept_idle_unit", "days", "kept_lifetime", "90", "kept_lifetime_unit", "days", "end_others", "on",
	}, changes...)
}

func TestPasswordRequirementsAreChangedInTwoSteps(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		h := open(t, db)
		h.person("admin@rtx.example", idp.RoleAdmin)
		b, _ := h.enters("admin@rtx.example")
		form := h.page(b, requirements)
		want(t, form, http.StatusOK, "Agent Authentication", "Minimum length", "Legacy", "100,000 commonest", "Existing ones stay valid")
		choice := b.Submit(form, "/passwords", "min_length", "12", "digit", "on", "expiry_days", "90", "no_reuse", "5")
		want(t, choice, http.StatusOK, "When should this apply?", "at least 12 characters, A digit, a new one every 90 days, none of the last 5",
			"Immediately (all users will be logged out)", "On next login", "Only for new passwords", "person with a password")
		want(t, b.Submit(choice, "/passwords/apply", "reason", "audit"), http.StatusUnprocessableEntity, "When should this apply?", "Choose when it applies.")
		want(t, b.Submit(choice, "/passwords/apply", "apply", "new_passwords"), http.StatusUnprocessableEntity, "When should this apply?", "Say why")
		done := b.Submit(choice, "/passwords/apply", "apply", "new_passwords", "reason", "audit")
		want(t, done, http.StatusOK, "Agent Authentication", "Saved. It applies to new passwords.", `value="12"`, `value="90"`, "Existing ones stay valid")
		want(t, b.Submit(choice, "/passwords/apply", "apply", "next_login", "reason", "again"), http.StatusConflict, "Agent Authentication", "This was changed in the meantime")
		want(t, b.Submit(form, "/passwords", rules()...), http.StatusConflict, "Agent Authentication", "This was changed in the meantime")

		choice = b.Submit(done, "/passwords", "min_length", "12", "digit", "on", "expiry_days", "90", "no_reuse", "5")
		want(t, choice, http.StatusOK, "When should this apply?", "Nothing changes in the rules")
		done = b.Submit(choice, "/passwords/apply", "apply", "next_login", "reason", "audit")
		want(t, done, http.StatusOK, "Agent Authentication", "It applies from the next sign-in on.")
		if strings.Contains(done.Body, "until a change is applied") || strings.Contains(done.Body, "left alone") {
			t.Error("it says that passwords in use are asked for less")
		}
		p, err := h.Store.Population(t.Context(), idp.Agents)
		idptest.Must(t, err)
		if want := (idp.PasswordRules{MinLength: 12, Digit: true, ExpiryDays: 90, NoReuse: 5}); p.Passwords != want || p.PasswordsAtSignIn != want {
			t.Errorf("saved %+v", p)
		}
		laxer := b.Submit(b.Submit(done, "/passwords", rules()...), "/passwords/apply", "apply", "new_passwords", "reason", "audit")
		want(t, laxer, http.StatusOK, "Agent Authentication", "It applies to new passwords.")
		stricter := b.Submit(b.Submit(laxer, "/passwords", rules("min_length", "20")...), "/passwords/apply", "apply", "new_passwords", "reason", "audit")
		want(t, stricter, http.StatusOK, "Agent Authentication", "Passwords in use have to meet less than this", "at least 8 characters")
		done = stricter
		choice = b.Submit(done, "/passwords", "min_length", "12", "digit", "on", "expiry_days", "90", "no_reuse", "5")
		gone := b.Submit(choice, "/passwords/apply", "apply", "immediately", "reason", "audit")
		if gone.Heading() == "Agent Authentication" {
			t.Error("the admin is not signed out")
		}
	})
}

func TestRequirementsThatNobodyMeetsAreRefusedBesideTheField(t *testing.T) {
	t.Parallel()
	h := open(t, idptest.Alone(t))
	h.person("admin@rtx.example", idp.RoleAdmin)
	b, _ := h.enters("admin@rtx.example")
	form := h.page(b, requirements)
	for field, values := range map[string][]string{
		"min_length":  {"65", "5000", "7", "0", "-1", "", "ten", "12.5", "99999999999999999999"},
		"expiry_days": {"-1", "3651", "soon"},
		"no_reuse":    {"25", "-1", "x"},
	} {
		for _, value := range values {
			page := b.Submit(form, "/passwords", rules(field, value)...)
			want(t, page, http.StatusUnprocessableEntity, "Agent Authentication", `id="`+field+`-error"`)
		}
	}
	want(t, b.Submit(form, "/passwords", rules("expiry_days", "", "no_reuse", "")...), http.StatusOK, "When should this apply?")
	if p, err := h.Store.Population(t.Context(), idp.Agents); err != nil || p.Passwords != (idp.PasswordRules{MinLength: 8}) {
		t.Errorf("something was saved: %+v (%v)", p, err)
	}
}

func TestSessionConfigurationIsChanged(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		h := open(t, db)
		h.person("admin@rtx.example", idp.RoleAdmin)
		b, _ := h.enters("admin@rtx.example")
		const path = "/authentication/agents/sessions"
		form := h.page(b, path)
		want(t, form, http.StatusOK, "Agent Authentication", "Signed out when idle for", "Keep me signed in", `<option value="hours" selected>`)
		for field, values := range map[string][]string{
			"session_idle": {"3", "25", "", "x", "-1", "999999999999"}, "session_lifetime": {"99999"}, "kept_idle": {"91"},
		} {
			for _, value := range values {
				unit := "hours"
				if value == "3" {
					unit = "minutes"
				}
				if field == "kept_idle" {
					unit = "days"
				}
				page := b.Submit(form, "/sessions", limits(field, value, field+"_unit", unit, "keep_signed_in", "on")...)
				want(t, page, http.StatusUnprocessableEntity, "Agent Authentication", `id="`+field+`-error"`)
			}
		}
		want(t, b.Submit(form, "/sessions", limits("session_idle_unit", "years")...), http.StatusUnprocessableEntity, "Agent Authentication")
		confirm := b.Submit(form, "/sessions", limits("session_idle", "30", "session_idle_unit", "minutes", "keep_signed_in", "on")...)
		want(t, confirm, http.StatusOK, "Change how long sessions last?", "1 active session.", "None will end")
		want(t, b.Submit(confirm, "/sessions/apply"), http.StatusUnprocessableEntity, "Change how long sessions last?", "Say why")
		done := b.Submit(confirm, "/sessions/apply", "reason", "audit")
		want(t, done, http.StatusOK, "Agent Authentication", "Saved.", `value="30"`)
		want(t, b.Submit(confirm, "/sessions/apply", "reason", "audit"), http.StatusConflict, "Agent Authentication", "This was changed in the meantime")
		p, err := h.Store.Population(t.Context(), idp.Agents)
		idptest.Must(t, err)
		if p.SessionIdle != 30*time.Minute || p.SessionLifetime != 24*time.Hour || !p.KeepSignedIn || !p.EndOthers {
			t.Errorf("saved %+v", p)
		}
	})
}

// Without the permission the sections are neither shown nor reachable, nor do they
// change anything; an old second step is asked for again.
func TestSectionsOfAuthenticationNeedThePermissionAndAFreshSecondStep(t *testing.T) {
	t.Parallel()
	h := open(t, idptest.Alone(t))
	h.person("admin@rtx.example", idp.RoleAdmin)
	h.person("manager@rtx.example", idp.RoleManager)
	admin, _ := h.enters("admin@rtx.example")
	manager, _ := h.enters("manager@rtx.example")
	for _, section := range []string{"passwords", "sessions"} {
		path := "/authentication/agents/" + section
		if page := h.page(manager, path); page.Status != http.StatusForbidden {
			t.Errorf("%s: %d", section, page.Status)
		}
		form := h.page(admin, path)
		before, err := h.Store.Population(t.Context(), idp.Agents)
		idptest.Must(t, err)
		for _, action := range []string{"", "/apply"} {
			_, fields, ok := form.Form("/" + section)
			if !ok {
				t.Fatalf("%s has no form", section)
			}
			fields.Set("reason", "because")
			fields.Set("apply", "immediately")
			for i, pairs := 0, append(rules(), limits()...); i < len(pairs); i += 2 {
				fields.Set(pairs[i], pairs[i+1])
			}
			target := *form.URL
			target.Path += action
			if page := manager.Post(target.String(), fields); page.Status != http.StatusForbidden {
				t.Errorf("%s%s: %d %s", section, action, page.Status, page.Heading())
			}
		}
		h.AgeProofs(11 * time.Minute)
		want(t, admin.Submit(form, "/"+section, append(rules(), limits()...)...), http.StatusOK, "Enter your password again")
		after, err := h.Store.Population(t.Context(), idp.Agents)
		idptest.Must(t, err)
		if after.Passwords != before.Passwords || after.MinVersion != before.MinVersion || after.SessionIdle != before.SessionIdle {
			t.Errorf("%s: changed to %+v", section, after)
		}
		_, err = h.db.SQL().ExecContext(t.Context(), "UPDATE factors SET last_step = 0")
		idptest.Must(t, err)
	}
}
