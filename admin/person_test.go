package admin_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/manage/authz"
	"gatehouse/idp/manage/people"
)

// helped is an agent who has signed in, and an admin at work.
func (h *house) helped() (agent idp.User, b *idptest.Browser) {
	h.t.Helper()
	h.person("admin@rtx.example", idp.RoleAdmin)
	agent = h.person("agent@rtx.example", idp.RoleManager)
	h.enters("agent@rtx.example")
	b, _ = h.enters("admin@rtx.example")
	return agent, b
}

func TestThePageOfAPerson(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		h := open(t, db)
		agent, b := h.helped()
		at := "/people/" + agent.ID
		profile := h.page(b, at)
		want(t, profile, http.StatusOK, "Somebody", "agent@rtx.example", "Agents", "Active", "Manager", "Anonymise",
			at+"/sign-in", at+"/sessions", at+"/history")
		lacks(t, profile, "Authenticator app", "127.0.0.1", "Signed in")
		want(t, h.page(b, at+"/sign-in"), http.StatusOK, "Somebody", "Authenticator app", "10 left", "can be generated again from", "Set password")
		want(t, h.page(b, at+"/sessions"), http.StatusOK, "Somebody", "127.0.0.1", "Gatehouse", "Sign out everywhere")
		want(t, h.page(b, at+"/history"), http.StatusOK, "Somebody", "Signed in", "127.0.0.1")
	})
}

func TestAPersonIsEditedByOneAtATime(t *testing.T) {
	t.Parallel()
	h := open(t, idptest.Alone(t))
	agent, b := h.helped()
	form := h.page(b, "/people/"+agent.ID+"/edit")
	want(t, b.Submit(form, "/edit", "name", "Renamed", "email", "x y", "locale", "de"), http.StatusUnprocessableEntity, "Edit details", "is not an email address.", `value="Renamed"`)
	want(t, b.Submit(form, "/edit", "name", "Renamed", "email", "admin@rtx.example"), http.StatusUnprocessableEntity, "Edit details", "This email is already in use.")
	want(t, b.Submit(form, "/edit", "name", "Renamed", "email", "renamed@rtx.example", "zoneinfo", "Mars/Olympus"), http.StatusUnprocessableEntity, "Edit details", "is not the name of a time zone")
	want(t, b.Submit(form, "/edit", "name", "Renamed", "email", "renamed@rtx.example", "picture", "http://rtx.example/p.png"), http.StatusUnprocessableEntity, "Edit details", `picture-error`)
	want(t, b.Submit(form, "/edit", "name", "Renamed", "email", "renamed@rtx.example", "locale", "de-CH", "given_name", "Re", "family_name", "Named", "zoneinfo", "Asia/Tokyo", "picture", "https://rtx.example/p.png"), http.StatusOK, "Renamed", "Saved.", "renamed@rtx.example", "de-CH")
	renamed, err := h.Store.User(t.Context(), agent.ID)
	idptest.Must(t, err)
	if renamed.Profile != (idp.Profile{GivenName: "Re", FamilyName: "Named", Zoneinfo: "Asia/Tokyo", Picture: "https://rtx.example/p.png"}) {
		t.Errorf("the profile is %+v", renamed.Profile)
	}
	want(t, b.Submit(form, "/edit", "name", "Again", "email", "again@rtx.example"), http.StatusConflict, "Edit details", "This was changed in the meantime", `value="Renamed"`)
}

func TestRolesAreGivenAndTaken(t *testing.T) {
	t.Parallel()
	h := open(t, idptest.Alone(t))
	agent, b := h.helped()
	form := h.page(b, "/people/"+agent.ID+"/roles")
	want(t, form, http.StatusOK, "Roles of Somebody", `value="manager" checked`)
	missing := b.Submit(form, "/roles", "roles", idp.RoleAdmin)
	want(t, missing, http.StatusUnprocessableEntity, "Roles of Somebody", "Say why", `id="reason-error"`, `value="admin" checked`)
	lacks(t, missing, `value="manager" checked`)
	want(t, b.Submit(form, "/roles", "roles", "nonsense", "reason", "promoted"), http.StatusUnprocessableEntity, "Roles of Somebody", "There is no role", `value="promoted"`)
	// What was seen stays what the form is compared with.
	done := b.Submit(missing, "/roles", "roles", idp.RoleAdmin, "reason", "promoted")
	want(t, done, http.StatusOK, "Somebody", "The roles are saved.", "<li>Admin</li>")
	want(t, h.page(b, "/people/"+agent.ID+"/history"), http.StatusOK, "Somebody", "Reason: promoted")
	lacks(t, done, "<li>Manager</li>")
	want(t, b.Submit(missing, "/roles", "reason", "late"), http.StatusConflict, "Roles of Somebody", "This was changed in the meantime", `value="admin" checked`)
	want(t, b.Submit(h.page(b, "/people/"+agent.ID+"/roles"), "/roles", "reason", "left"), http.StatusOK, "Somebody", "The roles are saved.", "None.")
}

func TestTheLastAdminStays(t *testing.T) {
	t.Parallel()
	h := open(t, idptest.Alone(t))
	admin := h.person("admin@rtx.example", idp.RoleAdmin)
	b, _ := h.enters("admin@rtx.example")
	page := b.Submit(h.page(b, "/people/"+admin.ID+"/roles"), "/roles", "roles", idp.RoleAgent, "reason", "tired")
	want(t, page, http.StatusConflict, "Roles of Somebody", "This is the last admin who can sign in.", `value="admin" checked`)
	lacks(t, h.page(b, "/people/"+admin.ID), ">Disable<", ">Delete<", ">Anonymise<")
	want(t, h.page(b, "/people/"+admin.ID+"/delete"), http.StatusForbidden, notAllowed)
}

func TestAnAccountIsDisabledAndEnabled(t *testing.T) {
	t.Parallel()
	h := open(t, idptest.Alone(t))
	agent, b := h.helped()
	ask := h.page(b, "/people/"+agent.ID+"/state")
	want(t, ask, http.StatusOK, "Disable Somebody?", "1 session ends now", "Reason")
	want(t, b.Submit(ask, "/state"), http.StatusUnprocessableEntity, "Disable Somebody?", "Say why", `id="reason-error"`)
	want(t, b.Submit(ask, "/state", "reason", strings.Repeat("x", 501)), http.StatusUnprocessableEntity, "Disable Somebody?", "at most 500 characters")
	want(t, b.Submit(ask, "/state", "reason", "lost phone"), http.StatusOK, "Somebody", "The account is disabled.", "Enable")
	want(t, h.page(b, "/people/"+agent.ID+"/sessions"), http.StatusOK, "Somebody", "Not signed in anywhere.")
	want(t, b.Submit(ask, "/state", "reason", "lost phone"), http.StatusConflict, "Somebody", "This was changed in the meantime")
	ask = h.page(b, "/people/"+agent.ID+"/state")
	want(t, ask, http.StatusOK, "Enable Somebody?")
	want(t, b.Submit(ask, "/state"), http.StatusUnprocessableEntity, "Enable Somebody?", "Say why")
	want(t, b.Submit(ask, "/state", "reason", "found it"), http.StatusOK, "Somebody", "The account is enabled.", "Active")
	want(t, h.page(b, "/people/"+agent.ID+"/history"), http.StatusOK, "Somebody", "Reason: lost phone", "Reason: found it")
	want(t, b.Submit(ask, "/state", "state", "odd"), http.StatusBadRequest, "Something is missing from this link")
}

func TestSessionsAreEnded(t *testing.T) {
	t.Parallel()
	h := open(t, idptest.Alone(t))
	agent, b := h.helped()
	one := h.sessionsOf(agent.ID)[0]
	at := "/people/" + agent.ID
	ask := h.page(b, at+"/end-session/"+one)
	want(t, ask, http.StatusOK, "End this session of Somebody?", "It is the only one.", "127.0.0.1")
	want(t, b.Submit(ask, one, "reason", ""), http.StatusUnprocessableEntity, "End this session of Somebody?", "Say why")
	want(t, b.Submit(ask, one, "reason", strings.Repeat("x", 501)), http.StatusUnprocessableEntity, "End this session of Somebody?", "at most 500 characters")
	want(t, b.Submit(ask, one, "reason", "shared computer"), http.StatusOK, "Somebody", "The session is ended.", "Not signed in anywhere.")
	want(t, h.page(b, at+"/history"), http.StatusOK, "Somebody", "Reason: shared computer")
	want(t, h.page(b, at+"/end-session/"+one), http.StatusNotFound, "There is no page here")
	// A session of somebody else is not one of this person's.
	mine, err := h.Store.UserByEmail(t.Context(), idp.Agents, "admin@rtx.example")
	idptest.Must(t, err)
	want(t, b.Post(h.Issuer+"/admin"+at+"/end-session/"+h.sessionsOf(mine.ID)[0], url.Values{"reason": {"x"}}), http.StatusNotFound, "There is no page here")
}

func (h *house) sessionsOf(userID string) []string {
	h.t.Helper()
	list, _, err := h.Manage.People.ListSessions(h.t.Context(), authz.System(), people.SessionQuery{UserID: userID})
	idptest.Must(h.t, err)
	ids := make([]string, len(list))
	for i, s := range list {
		ids[i] = s.ID
	}
	return ids
}

func TestSignedOutEverywhere(t *testing.T) {
	t.Parallel()
	h := open(t, idptest.Alone(t))
	agent, b := h.helped()
	ask := h.page(b, "/people/"+agent.ID+"/sign-out")
	want(t, ask, http.StatusOK, "Sign Somebody out everywhere?", "1 session ends now, at every app.")
	done := b.Submit(ask, "/sign-out", "reason", "asked for it")
	want(t, done, http.StatusOK, "Somebody", "The person is signed out everywhere.")
	if left := h.sessionsOf(agent.ID); len(left) != 0 {
		t.Errorf("%d sessions are left", len(left))
	}
}

func TestRecoveryCodesAreGeneratedAgainAfterTwoHours(t *testing.T) {
	t.Parallel()
	db := idptest.Alone(t)
	h := open(t, db)
	agent, b := h.helped()
	at := "/people/" + agent.ID
	early := h.page(b, at+"/sign-in")
	want(t, early, http.StatusOK, "Somebody", "can be generated again from")
	lacks(t, early, "Generate again")
	want(t, b.Post(h.Issuer+"/admin"+at+"/new-codes", url.Values{"reason": {"x"}}), http.StatusConflict, "Somebody", "Recovery codes can be generated again from")
	before := h.enrolment(agent.ID).Recovery.ID
	db.Age(t, "recovery_sets", 2*time.Hour+time.Minute, "created_at")
	ask := h.page(b, at+"/new-codes")
	want(t, ask, http.StatusOK, "Generate recovery codes again for Somebody?", "10 existing codes stop working.", "two hours")
	want(t, b.Submit(ask, "/new-codes", "reason", "printed out and lost"), http.StatusOK, "Somebody", "There are new recovery codes.")
	if h.enrolment(agent.ID).Recovery.ID == before {
		t.Error("the codes are the previous ones")
	}
}

func TestADisabledFactorIsEnabledAgain(t *testing.T) {
	t.Parallel()
	h := open(t, idptest.Alone(t))
	agent, b := h.helped()
	factor := h.enrolment(agent.ID).Of(idp.MethodTOTP)[0].ID
	at := "/people/" + agent.ID
	want(t, h.page(b, at+"/enable-factor/"+factor), http.StatusNotFound, "There is no page here")
	_, err := h.Store.DisableFactor(t.Context(), factor, idp.Now())
	idptest.Must(t, err)
	want(t, h.page(b, at+"/sign-in"), http.StatusOK, "Somebody", "after too many wrong codes", "Enable again")
	ask := h.page(b, at+"/enable-factor/"+factor)
	want(t, ask, http.StatusOK, "Enable the second factor of Somebody again?", "after too many wrong codes")
	want(t, b.Submit(ask, factor, "reason", "it was them"), http.StatusOK, "Somebody", "It can be used again.")
	if !h.enrolment(agent.ID).Of(idp.MethodTOTP)[0].DisabledAt.IsZero() {
		t.Error("the factor is still disabled")
	}
	want(t, b.Submit(ask, factor, "reason", "once more"), http.StatusNotFound, "There is no page here")
}

func TestAPasswordIsSetAndAPauseEnds(t *testing.T) {
	t.Parallel()
	h := open(t, idptest.Alone(t))
	agent, b := h.helped()
	at := "/people/" + agent.ID
	form := h.page(b, at+"/password")
	want(t, form, http.StatusOK, "Set a password for Somebody", "1 session ends now")
	want(t, b.Submit(form, "/password", "password", "short", "reason", "x"), http.StatusUnprocessableEntity, "Set a password for Somebody", `id="password-error"`)
	want(t, b.Submit(form, "/password", "password", "an entirely new one"), http.StatusUnprocessableEntity, "Set a password for Somebody", "Say why")
	want(t, b.Submit(form, "/password", "password", "an entirely new one", "reason", "forgot it"), http.StatusOK, "Somebody", "The password is set.")
	ask := h.page(b, at+"/end-pause")
	want(t, ask, http.StatusOK, "End the pause for Somebody?")
	want(t, b.Submit(ask, "/end-pause", "reason", "typed it wrong"), http.StatusOK, "Somebody", "The pause is over.")
}

func TestAPersonIsAnonymisedAndDeleted(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		h := open(t, db)
		agent, b := h.helped()
		at := "/people/" + agent.ID
		ask := h.page(b, at+"/anonymise")
		want(t, ask, http.StatusOK, "Anonymise Somebody?", "This cannot be undone.")
		done := b.Submit(ask, "/anonymise", "reason", "asked for it")
		want(t, done, http.StatusOK, agent.ID+"@anonymous.invalid", "The person is anonymised.", "Disabled")
		lacks(t, done, "agent@rtx.example")
		ask = h.page(b, at+"/delete")
		want(t, ask, http.StatusOK, "Delete "+agent.ID+"@anonymous.invalid?")
		want(t, b.Submit(ask, "/delete", "reason", ""), http.StatusUnprocessableEntity, "Delete "+agent.ID+"@anonymous.invalid?", "Say why")
		want(t, b.Submit(ask, "/delete", "reason", "asked for it"), http.StatusOK, "People", "The person is deleted.")
		want(t, h.page(b, at), http.StatusNotFound, "There is no page here")
	})
}
