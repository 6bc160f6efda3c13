package admin_test

import (
	"encoding/csv"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/manage/authz"
	"gatehouse/idp/manage/people"
)

const notAllowed = "This account cannot open this page"

// newRole makes a role with these permissions, by its name.
func (h *house) newRole(name string, permissions ...string) string {
	h.t.Helper()
	r, err := h.Manage.Roles.CreateRole(h.t.Context(), authz.System(), name, permissions, "")
	idptest.Must(h.t, err)
	return r.ID
}

// contact adds somebody without a role to the contacts.
func (h *house) contact(email, name string) idp.User {
	h.t.Helper()
	u, err := h.Manage.People.CreateUser(h.t.Context(), people.NewUser{Population: idp.Contacts, Email: email, Name: name, Password: password})
	idptest.Must(h.t, err)
	return u
}

func lacks(t *testing.T, p *idptest.Page, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if strings.Contains(p.Body, text) {
			t.Errorf("%s says %q:\n%s", p.URL, text, p.Body)
		}
	}
}

func TestPeopleAreListedSearchedAndFiltered(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		h := open(t, db)
		h.person("admin@rtx.example", idp.RoleAdmin)
		h.contact("Zoe.Muster@customer.example", "Zoë Beispiel-Muster")
		off := h.contact("other@customer.example", "Other")
		disabled := true
		_, err := h.Manage.People.UpdateUser(t.Context(), authz.System(), off.ID, people.UserChange{Version: 1, Disabled: &disabled})
		idptest.Must(t, err)
		b, _ := h.enters("admin@rtx.example")
		want(t, h.page(b, "/people"), http.StatusOK, "People", "admin@rtx.example", "Admin", "Authenticator app", "Add a person")
		contacts := h.page(b, "/people?population=contacts")
		want(t, contacts, http.StatusOK, "People", "Zoë Beispiel-Muster", "other@customer.example", "Disabled")
		for _, q := range []string{"zoe", "ZOË MUST", "zoe.muster@cust"} {
			found := h.page(b, "/people?population=contacts&q="+url.QueryEscape(q))
			want(t, found, http.StatusOK, "People", "Zoë Beispiel-Muster")
			lacks(t, found, "other@customer.example")
		}
		for _, q := range []string{"customer.example", "EISPIEL-must", "uste"} {
			everywhere := h.page(b, "/people?q="+url.QueryEscape(q))
			want(t, everywhere, http.StatusOK, "People", "Zoë Beispiel-Muster", "Contacts")
			lacks(t, everywhere, "admin@rtx.example</small>")
		}
		// The search in the menu opens the one who was found; several are listed.
		want(t, contacts, http.StatusOK, "People", `<input type="hidden" name="open" value="1">`)
		want(t, h.page(b, "/people?open=1&q=zoe"), http.StatusOK, "Zoë Beispiel-Muster", "/sign-in", "/history")
		want(t, h.page(b, "/people?open=1&q=customer.example"), http.StatusOK, "People", "Zoë Beispiel-Muster", "other@customer.example")
		want(t, h.page(b, "/people?open=1&q="), http.StatusOK, "People", "admin@rtx.example")
		want(t, h.page(b, "/people?open=1&q=nobody"), http.StatusOK, "People", "Nobody was found")
		both := h.page(b, "/people?filter=disabled&filter=alone&filter=invented")
		want(t, both, http.StatusOK, "People", "other@customer.example")
		lacks(t, both, "Zoë Beispiel-Muster")
		found := h.page(b, "/people?population=contacts&filter=disabled")
		want(t, found, http.StatusOK, "People", "other@customer.example")
		lacks(t, found, "Zoë Beispiel-Muster")
		alone := h.page(b, "/people?population=agents&filter=alone")
		want(t, alone, http.StatusOK, "People", "No people here.")
	})
}

func TestAHostileSearchFindsNobodyAndBreaksNothing(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		h := open(t, db)
		h.person("admin@rtx.example", idp.RoleAdmin)
		b, _ := h.enters("admin@rtx.example")
		for _, q := range []string{
			`%`, `_`, `' OR 1=1 --`, `"><script>alert(1)</script>`, "\x00", "\xff\xfe", "a\u202e", `\`, strings.Repeat("é", 200), "%_%", "{{.}}",
		} {
			page := h.page(b, "/people?population=agents&q="+url.QueryEscape(q))
			want(t, page, http.StatusOK, "People", "Nobody was found")
			lacks(t, page, "<script>alert", "admin@rtx.example</small>")
		}
		for _, query := range []string{
			"after=x", "after=" + strings.Repeat("A", 3000), "q=" + strings.Repeat("a", 501), "q=a&after=eyJsIjoicGVvcGxlIiwiaSI6IngifQ",
		} {
			if page := h.page(b, "/people?population=agents&"+query); page.Status >= http.StatusInternalServerError {
				t.Errorf("%s: status %d", query, page.Status)
			}
		}
		want(t, h.page(b, "/people?population=nobody"), http.StatusNotFound, "There is no page here")
		want(t, h.page(b, "/people/nobody"), http.StatusNotFound, "There is no page here")
		want(t, h.page(b, "/people/nobody/delete"), http.StatusNotFound, "There is no page here")
	})
}

func TestALongListGoesOnAndIsExportedWhole(t *testing.T) {
	t.Parallel()
	h := open(t, idptest.Alone(t))
	h.person("admin@rtx.example", idp.RoleAdmin)
	b, _ := h.enters("admin@rtx.example")
	names := []string{"=HYPERLINK(\"http://evil.example\")", "@sum", "Ordinary, with a comma"}
	for i := range 205 {
		_, err := h.Manage.People.CreateUser(t.Context(), people.NewUser{
			Population: idp.Contacts, Email: "contact" + string(rune('a'+i/26)) + string(rune('a'+i%26)) + "@customer.example", Name: names[i%3],
		})
		idptest.Must(t, err)
	}
	page, seen := h.page(b, "/people?population=contacts&q=contact"), 0
	for {
		seen += strings.Count(page.Body, `class="person"`)
		_, rest, more := strings.Cut(page.Body, `rel="next" href="`)
		if !more {
			break
		}
		link, _, _ := strings.Cut(rest, `"`)
		page = b.Get("http://" + page.URL.Host + strings.ReplaceAll(link, "&amp;", "&"))
	}
	if seen != 205 {
		t.Errorf("the pages list %d people, want 205", seen)
	}
	file := h.page(b, "/people/export?population=contacts")
	rows, err := csv.NewReader(strings.NewReader(file.Body)).ReadAll()
	idptest.Must(t, err)
	if len(rows) != 206 || !slices.Equal(rows[0][:3], []string{"email", "name", "population"}) {
		t.Fatalf("%d rows, first %v; want 206", len(rows), rows[0])
	}
	for _, row := range rows[1:] {
		if strings.ContainsAny(row[1][:1], "=@") || row[2] != idp.Contacts || row[3] != "no" {
			t.Fatalf("row %v: want no formula, and a contact who is not disabled", row)
		}
	}
	if file.Header.Get("Cache-Control") != "no-store" || !strings.HasPrefix(file.Header.Get("Content-Disposition"), "attachment") {
		t.Errorf("headers of the export: %v", file.Header)
	}
}

func TestAPersonIsAdded(t *testing.T) {
	t.Parallel()
	h := open(t, idptest.Alone(t))
	h.person("admin@rtx.example", idp.RoleAdmin)
	b, _ := h.enters("admin@rtx.example")
	form := h.page(b, "/people/new?population=contacts")
	want(t, form, http.StatusOK, "Add a person", `value="contacts" selected`, "Access to Agent and Contact Authentication")
	bad := b.Submit(form, "/new", "email", "nonsense", "name", "Some <b>body</b>", "population", idp.Agents)
	want(t, bad, http.StatusUnprocessableEntity, "Add a person", "is not an email address.", "Some &lt;b&gt;body")
	bad = b.Submit(form, "/new", "email", "new@rtx.example", "population", idp.Agents, "password", "password")
	want(t, bad, http.StatusUnprocessableEntity, "Add a person", `id="password-error"`)
	lacks(t, bad, `value="password"`)
	bad = b.Submit(form, "/new", "email", "ADMIN@rtx.example", "population", idp.Agents)
	want(t, bad, http.StatusConflict, "Add a person", "This email is already in use.")
	bad = b.Submit(form, "/new", "email", "new@rtx.example", "population", "nowhere")
	want(t, bad, http.StatusUnprocessableEntity, "Add a person", `id="population-error"`)
	done := b.Submit(form, "/new", "email", "new@rtx.example", "name", "New", "population", idp.Agents, "roles", idp.RoleManager, "password", password)
	want(t, done, http.StatusOK, "New", "The person is added.", "new@rtx.example", "Manager")
}

// Whoever may only recover agents sees agents and what that takes, and nothing else.
func TestOnlyRecoveringAgents(t *testing.T) {
	t.Parallel()
	h := open(t, idptest.Alone(t))
	desk := h.newRole("Recovery desk", idp.PermissionAgentRecovery)
	h.person("desk@rtx.example", desk)
	agent := h.person("agent@rtx.example")
	contact := h.contact("contact@customer.example", "Contact")
	h.enters("agent@rtx.example")
	b, page := h.enters("desk@rtx.example")
	want(t, page, http.StatusOK, "Overview", "People")
	lacks(t, page, "Agent Authentication", ">Roles<", "Audit log", ">Apps<")
	list := h.page(b, "/people")
	want(t, list, http.StatusOK, "People", "agent@rtx.example")
	lacks(t, list, "Add a person", "Contacts", "contact@customer.example")
	mine := h.page(b, "/people/"+agent.ID)
	want(t, mine, http.StatusOK, "Somebody", "agent@rtx.example")
	want(t, h.page(b, "/people/"+agent.ID+"/sign-in"), http.StatusOK, "Somebody", "View codes", "Reset MFA", "10 left")
	lacks(t, mine, "Edit details", "Change roles", "Delete", "/sessions", "/history")
	lacks(t, h.page(b, "/people/"+agent.ID+"/sign-in"), "Set password", "End a pause")
	for _, path := range []string{
		"/people?population=contacts", "/people/export?population=contacts", "/people/new", "/people/" + contact.ID, "/people/" + contact.ID + "/reset-mfa",
		"/people/" + agent.ID + "/edit", "/people/" + agent.ID + "/roles", "/people/" + agent.ID + "/password", "/people/" + agent.ID + "/state",
		"/people/" + agent.ID + "/sign-out", "/people/" + agent.ID + "/delete", "/people/" + agent.ID + "/anonymise", "/people/" + agent.ID + "/end-pause",
		"/people/" + agent.ID + "/end-session/x", "/people/" + agent.ID + "/sessions", "/people/" + agent.ID + "/history", "/roles", "/roles/new", "/roles/" + desk, "/roles/" + desk + "/edit", "/authentication/agents",
	} {
		want(t, h.page(b, path), http.StatusForbidden, notAllowed)
	}
	want(t, h.page(b, "/people/"+agent.ID+"/new-codes"), http.StatusConflict, "Somebody", "can be generated again from")
	form := h.page(b, "/people/"+agent.ID+"/reset-mfa")
	want(t, form, http.StatusOK, "Reset MFA of Somebody?", "1 second factor is removed.", "10 recovery codes stop working.", "All sessions of the person end now")
	want(t, b.Submit(form, "/reset-mfa"), http.StatusUnprocessableEntity, "Reset MFA of Somebody?", "Say why")
	want(t, b.Submit(form, "/reset-mfa", "reason", "lost the phone"), http.StatusOK, "Somebody", "MFA is reset.", "leads through set-up")
}

func TestRecoveryCodesAreShownOnceAndTheAgentIsTold(t *testing.T) {
	t.Parallel()
	db := idptest.Alone(t)
	app, box := idptest.StartWithMail(t, db.URL)
	h := &house{App: app, t: t, db: db}
	h.person("desk@rtx.example", h.newRole("Recovery desk", idp.PermissionAgentRecovery))
	agent := h.person("agent@rtx.example")
	h.enters("agent@rtx.example")
	set := h.enrolment(agent.ID).Recovery
	rows, err := h.Store.RecoveryCodes(t.Context(), set.ID)
	idptest.Must(t, err)
	all, err := h.Manage.Factors.OpenRecoveryCodes(t.Context(), set.ID)
	idptest.Must(t, err)
	idptest.Must(t, h.Store.UseRecoveryCode(t.Context(), rows[0].ID, idp.Now()))
	b, _ := h.enters("desk@rtx.example")
	ask := h.page(b, "/people/"+agent.ID+"/recovery-codes")
	want(t, ask, http.StatusOK, "View the recovery codes of Somebody?", "9 unused codes will be shown, once.")
	want(t, b.Submit(ask, "/recovery-codes", "reason", " "), http.StatusUnprocessableEntity, "View the recovery codes of Somebody?", "Say why")
	if h.Audited(idp.AuditRecoveryViewed) != 0 {
		t.Error("without a reason, codes were viewed")
	}
	page := b.Submit(ask, "/recovery-codes", "reason", "new phone, at the desk")
	want(t, page, http.StatusOK, "Recovery codes of Somebody", append(all[1:], "agent@rtx.example gets an email about it")...)
	lacks(t, page, all[0])
	if page.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("Cache-Control %q", page.Header.Get("Cache-Control"))
	}
	lacks(t, h.page(b, "/people/"+agent.ID+"/recovery-codes"), all[1])
	for _, code := range all { // several mails may have come: of a new browser, too
		for _, letter := range box.All("agent@rtx.example") {
			if strings.Contains(letter.Text, code) {
				t.Error("a mail holds a recovery code")
			}
		}
	}
	for letter := box.Next("agent@rtx.example"); !strings.Contains(strings.ToLower(letter.Subject), "codes were viewed"); {
		letter = box.Next("agent@rtx.example")
	}
	if h.Audited(idp.AuditRecoveryViewed) != 1 {
		t.Error("viewing was not recorded once")
	}
}

func (h *house) enrolment(userID string) idp.Enrolment {
	h.t.Helper()
	e, err := h.Store.Enrolment(h.t.Context(), userID)
	idptest.Must(h.t, err)
	return e
}

// What a page does not offer is refused when it is posted all the same.
func TestCraftedPostsChangeNothing(t *testing.T) {
	t.Parallel()
	h := open(t, idptest.Alone(t))
	admin := h.person("admin@rtx.example", idp.RoleAdmin)
	h.enters("admin@rtx.example")
	agent := h.person("agent@rtx.example")
	helper := h.person("helper@rtx.example", h.newRole("Helper", idp.PermissionUsers, idp.PermissionSessions, idp.PermissionAgentRecovery, idp.PermissionRoles))
	custom := h.newRole("Clerk", idp.PermissionAudit)
	b, _ := h.enters("helper@rtx.example")
	sessions, _, err := h.Manage.People.ListSessions(t.Context(), authz.System(), people.SessionQuery{UserID: admin.ID})
	idptest.Must(t, err)
	events := h.Audited(idp.AuditOperationRefused)
	post := func(path string, pairs ...string) {
		t.Helper()
		form := url.Values{"reason": {"because"}, "version": {"1"}}
		for i := 0; i < len(pairs); i += 2 {
			form.Add(pairs[i], pairs[i+1])
		}
		want(t, b.Post(h.Issuer+"/admin"+path, form), http.StatusForbidden, notAllowed)
		if now := h.Audited(idp.AuditOperationRefused); now <= events {
			t.Errorf("%s: the refusal is not in the audit log", path)
		} else {
			events = now
		}
	}
	up := "/people/" + admin.ID
	for _, path := range []string{"/sign-out", "/reset-mfa", "/recovery-codes", "/new-codes", "/end-pause", "/anonymise", "/delete", "/enable-factor/" + h.enrolment(admin.ID).Of(idp.MethodTOTP)[0].ID, "/end-session/" + sessions[0].ID} {
		post(up + path)
	}
	post(up+"/edit", "name", "Me", "email", "me@evil.example")
	post(up+"/password", "password", "an entirely new one")
	post(up+"/state", "state", "disabled")
	post(up+"/roles", "roles", idp.RoleAgent)
	post("/people/"+agent.ID+"/roles", "roles", idp.RoleAdmin)
	post("/people/"+helper.ID+"/roles", "roles", idp.RoleAdmin)
	post("/people/"+helper.ID+"/state", "state", "disabled")
	post("/people/" + helper.ID + "/delete")
	post("/people/new", "email", "mine@rtx.example", "population", idp.Agents, "roles", idp.RoleAdmin)
	post("/roles/new", "name", "Mine", "permissions", idp.PermissionKeys)
	post("/roles/"+custom+"/edit", "name", "Clerk", "permissions", idp.PermissionUsers)
	post("/roles/" + custom + "/delete")
	for _, path := range []string{up + "/edit", up + "/roles", up + "/password", up + "/state", up + "/delete", "/people/" + helper.ID + "/state", "/roles/" + custom + "/edit"} {
		want(t, h.page(b, path), http.StatusForbidden, notAllowed)
	}
	page := h.page(b, up)
	want(t, page, http.StatusOK, "Somebody", "admin@rtx.example", "Admin")
	lacks(t, page, "Edit details", "Delete", "Change roles")
	methods := h.page(b, up+"/sign-in")
	want(t, methods, http.StatusOK, "Somebody", "10 left")
	lacks(t, methods, "Reset MFA", "View codes", "Set password")
	lacks(t, h.page(b, up+"/sessions"), "Sign out everywhere", "/end-session/")
	after, err := h.Manage.People.UserDetail(t.Context(), authz.System(), admin.ID)
	idptest.Must(t, err)
	if after.Version != 1 || after.Disabled || len(after.Factors) != 1 || len(after.Sessions) != len(sessions) || len(after.Roles) != 1 {
		t.Errorf("something changed: %+v", after)
	}
	for _, id := range []string{agent.ID, helper.ID} {
		if roles, err := h.Store.RolesOf(t.Context(), id); err != nil || slices.ContainsFunc(roles, func(r idp.Role) bool { return r.ID == idp.RoleAdmin }) {
			t.Errorf("roles %v, error %v", roles, err)
		}
	}
	if _, err := h.Store.UserByEmail(t.Context(), idp.Agents, "mine@rtx.example"); err == nil {
		t.Error("somebody was added with a role that may not be given")
	}
}

func TestAnOldSecondStepIsAskedForFirst(t *testing.T) {
	t.Parallel()
	h := open(t, idptest.Alone(t))
	h.person("admin@rtx.example", idp.RoleAdmin)
	agent := h.person("agent@rtx.example")
	h.enters("agent@rtx.example")
	custom := h.newRole("Clerk", idp.PermissionAudit)
	b, _ := h.enters("admin@rtx.example")
	at := "/people/" + agent.ID
	form := h.page(b, at+"/delete")
	h.AgeProofs(11 * time.Minute)
	const again = "Enter your password again"
	for _, path := range []string{"/sign-out", "/reset-mfa", "/recovery-codes", "/end-pause", "/anonymise", "/delete", "/password", "/roles", "/edit", "/state"} {
		want(t, h.page(b, at+path), http.StatusOK, again)
	}
	for _, path := range []string{"/people/new", "/roles/new", "/roles/" + custom + "/edit", "/roles/" + custom + "/delete"} {
		want(t, h.page(b, path), http.StatusOK, again)
	}
	want(t, b.Submit(form, "/delete", "reason", "left"), http.StatusOK, again)
	for path, fields := range map[string]url.Values{
		at + "/password":             {"password": {"an entirely new one"}, "reason": {"r"}},
		at + "/roles":                {"version": {"1"}, "roles": {idp.RoleAdmin}, "reason": {"r"}},
		at + "/state":                {"version": {"1"}, "state": {"disabled"}, "reason": {"r"}},
		at + "/edit":                 {"version": {"1"}, "email": {"other@rtx.example"}},
		"/roles/new":                 {"name": {"x"}, "reason": {"r"}},
		"/roles/" + custom + "/edit": {"version": {"1"}, "name": {"x"}, "reason": {"r"}},
		"/people/new":                {"email": {"x@rtx.example"}, "population": {idp.Agents}, "roles": {idp.RoleAdmin}},
	} {
		want(t, b.Post(h.Issuer+"/admin"+path, fields), http.StatusOK, again)
	}
	if now, err := h.Manage.People.UserDetail(t.Context(), authz.System(), agent.ID); err != nil || now.Version != 1 || len(now.Roles) != 0 {
		t.Errorf("something changed: %+v, error %v", now, err)
	}
}

func TestAllThatIsWrongAboutAPersonIsSaidAtOnce(t *testing.T) {
	t.Parallel()
	h := open(t, idptest.Alone(t))
	h.person("admin@rtx.example", idp.RoleAdmin)
	b, _ := h.enters("admin@rtx.example")
	bad := b.Submit(h.page(b, "/people/new"), "/new", "email", "nonsense", "name", strings.Repeat("x", 201), "population", idp.Agents, "password", "password")
	want(t, bad, http.StatusUnprocessableEntity, "Add a person", `id="email-error"`, `id="name-error"`, `id="password-error"`, "one of the commonest")
	bad = b.Submit(h.page(b, "/people/new"), "/new", "email", "", "name", "\u200b", "population", "nowhere")
	want(t, bad, http.StatusUnprocessableEntity, "Add a person", "Enter an email address.", `id="name-error"`, `id="population-error"`)
}
