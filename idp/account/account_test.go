package account_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/manage/authz"
	"gatehouse/idp/manage/people"
	"gatehouse/idp/manage/populations"
	"gatehouse/idp/manage/self"
)

// looks are all pages that somebody with an authenticator can look at.
var looks = []string{
	"", "/profile", "/email", "/password", "/second-step", "/second-step/add", "/codes", "/sessions", "/connected-apps", "/activity", "/data",
}

func TestWhoeverIsNotSignedInSignsInFirstAndComesBack(t *testing.T) {
	t.Parallel()
	h := open(t, idptest.Alone(t), none)
	h.AddUser(idp.Agents, maya)
	for _, page := range looks {
		b := idptest.NewBrowser(t)
		form := b.Get(h.Issuer + "/account/agents" + page)
		if _, _, ok := form.Form("/password"); !ok || !strings.Contains(form.URL.Path, "/login/") {
			t.Fatalf("%s leads to %s (%q)", page, form.URL, form.Heading())
		}
		back := b.Submit(form, "/password", "email", maya, "password", idptest.Password)
		if want := "/account/agents" + page; back.URL.Path != want && page != "/second-step/add" {
			t.Errorf("%s comes back to %s", want, back.URL)
		}
	}
	b := idptest.NewBrowser(t)
	if page := b.Get(h.Issuer + "/account/nobody"); page.Status != http.StatusNotFound {
		t.Errorf("a population that is none: %d %q", page.Status, page.Heading())
	}
	for _, state := range []string{"https://evil.example/", "//evil.example", "/admin", "/account/../admin", "/account/callback", "%"} {
		encoded := url.QueryEscape(strings.TrimRight(base64.URLEncoding.EncodeToString([]byte(state)), "="))
		if page := b.Get(h.Issuer + "/account/callback?state=" + encoded); !strings.HasPrefix(page.URL.Path, "/login/") && page.URL.Path != "/account/agents" || page.Left != nil {
			t.Errorf("the way back leads from %q to %s (%v)", state, page.URL, page.Left)
		}
	}
}

func TestLookingChangesNothing(t *testing.T) {
	t.Parallel()
	h := open(t, idptest.Alone(t), byApp)
	r := h.moveIn(maya)
	before := h.everything()
	for _, page := range append(looks, "/second-step/"+r.factors()[0]+"/rename", "/second-step/"+r.factors()[0]+"/remove", "/codes/recovery-codes.txt", "/sessions/end", "/email/cancel") {
		r.at(page)
	}
	if after := h.everything(); after != before {
		t.Errorf("looking wrote:\n%s\n%s", before, after)
	}
}

// everything counts the rows of each table that a change would write to.
func (h *house) everything() string {
	h.t.Helper()
	var counts []string
	for _, table := range []string{"audit_events", "outbox", "sessions", "factors", "recovery_codes", "links", "throttles"} {
		var n string
		err := h.db.SQL().QueryRowContext(h.t.Context(), "SELECT COUNT(*) FROM "+table).Scan(&n)
		idptest.Must(h.t, err)
		counts = append(counts, table+" "+n)
	}
	return strings.Join(counts, ", ")
}

// Every form is refused when another site posts it, with the person's cookies.
func TestOtherSitesPostNothing(t *testing.T) {
	t.Parallel()
	h := open(t, idptest.Alone(t), byApp)
	r := h.moveIn(maya)
	before := h.everything()
	for _, form := range []string{
		"/profile", "/email", "/email/cancel", "/password", "/second-step/add", "/second-step/" + r.factors()[0] + "/rename",
		"/second-step/" + r.factors()[0] + "/remove", "/codes", "/codes/saved", "/sessions/end", "/sessions/end-others", "/connected-apps/save", "/connected-apps/withdraw", "/microsoft", "/data",
	} {
		for name, value := range map[string]string{"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"} {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, h.Issuer+"/account/agents"+form, strings.NewReader("name=x&email=x@y.example&saved=yes"))
			idptest.Must(t, err)
			req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			req.Header.Set(name, value)
			if page := r.Do(req); page.Status != http.StatusForbidden {
				t.Errorf("%s with %s: %d %q", form, name, page.Status, page.Heading())
			}
		}
	}
	if after := h.everything(); after != before {
		t.Errorf("another site wrote:\n%s\n%s", before, after)
	}
}

func TestNameAndLanguage(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		h := open(t, db, none)
		r := h.moveIn(maya)
		form := r.at("/profile")
		want(t, r.Submit(form, "/profile", "name", " Maya  R. ", "given_name", "Maya", "family_name", "R.", "zoneinfo", "Europe/Paris", "locale", "en"), http.StatusOK, "Name and language", "Saved.", "Maya  R.", "Europe/Paris")
		u, err := h.Store.User(t.Context(), r.user.ID)
		if err != nil || u.Name != "Maya  R." || u.Locale != "en" || u.Email != maya || u.PasswordHash == "" {
			t.Errorf("saved as %+v (%v)", u, err)
		}
		if u.Profile != (idp.Profile{GivenName: "Maya", FamilyName: "R.", Zoneinfo: "Europe/Paris"}) {
			t.Errorf("the profile is saved as %+v", u.Profile)
		}
		for field, bad := range map[string]string{"zoneinfo": "Local", "given_name": "\u200b", "family_name": "\u202e"} {
			page := r.Submit(r.at("/profile"), "/profile", "name", "M", "picture", "https://evil.example/p", field, bad)
			want(t, page, http.StatusUnprocessableEntity, "Name and language", `id="`+field+`-error"`)
		}
		want(t, r.Submit(form, "/profile", "name", "Too late"), http.StatusConflict, "Name and language", "This was changed in the meantime")
		want(t, r.Submit(r.at("/profile"), "/profile", "name", strings.Repeat("x", 201), "locale", ""), http.StatusUnprocessableEntity, "Name and language", "at most 200")
		want(t, r.Submit(r.at("/profile"), "/profile", "name", "M", "locale", "<b>"), http.StatusUnprocessableEntity, "Name and language", "not the tag of a language")
		if n := h.Audited(idp.AuditUserChanged); n != 1 {
			t.Errorf("%d events", n)
		}
	})
}

const newPassword = "seven purple bicycles sing"

func TestPasswordIsChangedForThePresentOne(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		h := open(t, db, none)
		r := h.moveIn(maya)
		elsewhere := r.returns()
		app := h.AddParty(idp.Client{})
		app.OAuth.Scopes = append(app.OAuth.Scopes, "offline_access")
		attempt := app.Begin()
		kept := app.Exchange(attempt, r.Get(attempt.URL).Left)

		form := r.at("/password")
		want(t, r.Submit(form, "/password", "current", "wrong", "password", newPassword), http.StatusUnprocessableEntity, "Password", "not your current password")
		want(t, r.Submit(form, "/password", "password", newPassword), http.StatusUnprocessableEntity, "Password", "Enter your current password")
		for plain, why := range map[string]string{
			"short": `data-rule="too_short" class="broken"`, "": "Enter your password", idptest.Password: `data-rule="same" data-later class="broken"`,
			maya + maya: `data-rule="personal" class="broken"`,
		} {
			want(t, r.Submit(form, "/password", "current", idptest.Password, "password", plain), http.StatusUnprocessableEntity, "Password", why)
		}
		want(t, r.Submit(form, "/password", "current", idptest.Password, "password", newPassword), http.StatusOK, "Password", "every other device is signed out")
		want(t, r.at(""), http.StatusOK, "Your account")
		if page := elsewhere.at(""); !strings.Contains(page.URL.Path, "/login/") {
			t.Errorf("the other browser sees %q", page.Heading())
		}
		if _, err := app.Refresh(kept.RefreshToken); err == nil {
			t.Error("offline access outlives the change")
		}
		if _, page := h.another(maya); page.Status != http.StatusUnprocessableEntity {
			t.Errorf("the old password: %d %q", page.Status, page.Heading())
		}
		if l := h.letter(maya, "Your password was changed"); strings.Contains(l.Text, "did this, not you") {
			t.Errorf("the mail says\n%s", l.Text)
		}
		if h.Audited(idp.AuditPasswordChanged) != 1 {
			t.Error("no event")
		}
	})
}

func TestOtherSessionsStayWhereThePopulationSaysSo(t *testing.T) {
	t.Parallel()
	h := open(t, idptest.Alone(t), none)
	h.exec("UPDATE populations SET end_others = FALSE WHERE id = 'agents'")
	r := h.moveIn(maya)
	elsewhere := r.returns()
	want(t, r.Submit(r.at("/password"), "/password", "current", idptest.Password, "password", newPassword), http.StatusOK, "Password", "Your password is changed.")
	want(t, elsewhere.at(""), http.StatusOK, "Your account")
}

// Whoever sits down at an open browser does not guess the password there.
func TestGuessesOfThePresentPasswordAreCounted(t *testing.T) {
	t.Parallel()
	h := open(t, idptest.Alone(t), none)
	r := h.moveIn(maya)
	limited := 0
	for range 7 {
		if page := r.posts("/password", "current", "wrong", "password", newPassword); page.Status == http.StatusTooManyRequests {
			limited++
			if page.Header.Get("Retry-After") == "" {
				t.Error("it is not said how long")
			}
		}
	}
	if limited == 0 {
		t.Error("nobody counts")
	}
	if page := r.posts("/password", "current", idptest.Password, "password", newPassword); page.Status != http.StatusTooManyRequests {
		t.Errorf("the right one after too many: %d", page.Status)
	}
}

// Two who change the password at once: one has it then.
func TestOnePasswordWins(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		h := open(t, db, none)
		h.exec("UPDATE populations SET end_others = FALSE WHERE id = 'agents'")
		first := h.moveIn(maya)
		browsers := []*resident{first, first.returns()}
		pages := idptest.Race(2, func(i int) *idptest.Page {
			return browsers[i].posts("/password", "current", idptest.Password, "password", newPassword+string(rune('a'+i)))
		})
		won := 0
		for _, p := range pages {
			if p.Status == http.StatusOK {
				won++
			}
		}
		if won != 1 || h.Audited(idp.AuditPasswordChanged) != 1 {
			t.Errorf("%d won: %d, %d", won, pages[0].Status, pages[1].Status)
		}
	})
}

func TestSessionsAreListedAndEnded(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		h := open(t, db, none)
		r := h.moveIn(maya)
		second, third, foreign := r.returns(), r.returns(), h.moveIn(noor)
		app := h.AddParty(idp.Client{Name: "Wallboard"})
		attempt := app.Begin()
		app.Exchange(attempt, second.Get(attempt.URL).Left)
		page := r.at("/sessions")
		want(t, page, http.StatusOK, "Where you are signed in", "Wallboard", "This device", "127.0.0.1", "Sign out everywhere else")
		if n := strings.Count(page.Body, `action="/account/agents/sessions/end"`); n != 2 {
			t.Errorf("%d sessions can be ended, want 2", n)
		}
		// Somebody else's, and what is none.
		theirs := h.sessionOf(foreign)
		for _, id := range []string{theirs, "nothing", "", "\x00"} {
			if page := r.posts("/sessions/end", "session", id); page.Status != http.StatusNotFound {
				t.Errorf("session %q: %d", id, page.Status)
			}
		}
		want(t, foreign.at(""), http.StatusOK, "Your account")

		want(t, r.posts("/sessions/end", "session", h.sessionOf(third)), http.StatusOK, "Where you are signed in", "That device is signed out")
		if page := third.at(""); !strings.Contains(page.URL.Path, "/login/") {
			t.Errorf("the third browser sees %q", page.Heading())
		}
		want(t, second.at(""), http.StatusOK, "Your account")
		want(t, r.Submit(r.at("/sessions"), "/end-others"), http.StatusOK, "Where you are signed in", "Every other device is signed out")
		if page := second.at(""); !strings.Contains(page.URL.Path, "/login/") {
			t.Errorf("the second browser sees %q", page.Heading())
		}
		want(t, r.at(""), http.StatusOK, "Your account", "On this device only")
		want(t, foreign.at(""), http.StatusOK, "Your account")
	})
}

// sessionOf is the id of the session that a browser has.
func (h *house) sessionOf(r *resident) string {
	h.t.Helper()
	var token string
	u, err := url.Parse(h.Issuer)
	idptest.Must(h.t, err)
	for _, c := range r.Jar.Cookies(u) {
		if c.Name == "gatehouse_session_agents" {
			token = c.Value
		}
	}
	found, err := h.Store.SessionsByToken(h.t.Context(), "", [][]byte{idp.HashSecret(token)})
	if err != nil || len(found) != 1 {
		h.t.Fatalf("%d sessions (%v)", len(found), err)
	}
	return found[0].Session.ID
}

func TestActivityIsInPlainWords(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		h := open(t, db, none)
		r := h.moveIn(maya)
		foreign := h.moveIn(noor)
		h.another(noor)
		reason := "a secret suspicion"
		_, err := h.Manage.People.SignOut(t.Context(), authz.System(), foreign.user.ID, reason, people.EndAppAccess)
		idptest.Must(t, err)
		idptest.Must(t, h.Manage.People.SetPassword(t.Context(), authz.System(), r.user.ID, newPassword, reason))
		page := r.Submit(r.at("/activity"), "/password", "email", maya, "password", newPassword)
		want(t, page, http.StatusOK, "Recent activity", "You signed in", "Your password was changed", "not by you", "127.0.0.1")
		for _, text := range []string{noor, reason, "console.event", "account.event", "password.accepted"} {
			if strings.Contains(page.Body, text) {
				t.Errorf("it shows %q", text)
			}
		}
		for range 60 {
			idptest.Must(t, h.Store.Audit(t.Context(), idp.AuditEvent{Kind: idp.AuditSteppedUp, ActorID: r.user.ID, UserID: r.user.ID}))
		}
		first := r.at("/activity")
		_, older, ok := strings.Cut(first.Body, "/activity?after=")
		if !ok || strings.Count(first.Body, "You proved again") != 50 {
			t.Fatalf("the first page has %d events", strings.Count(first.Body, "You proved again"))
		}
		older, _, _ = strings.Cut(older, `"`)
		if page := r.at("/activity?after=" + older); strings.Count(page.Body, "You proved again") != 10 || !strings.Contains(page.Body, "You signed in") {
			t.Errorf("the second page has %d events", strings.Count(page.Body, "You proved again"))
		}
		if page := r.at("/activity?after=broken"); page.Status != http.StatusBadRequest {
			t.Errorf("a broken page: %d", page.Status)
		}
	})
}

func TestDataIsTakenAlong(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		h := open(t, db, byApp)
		r := h.moveIn(maya)
		foreign := h.moveIn(noor)
		page := r.Submit(r.at("/data"), "/data")
		var data self.OwnData
		if err := json.Unmarshal([]byte(page.Body), &data); err != nil || page.Status != http.StatusOK {
			t.Fatalf("%d, %v:\n%s", page.Status, err, page.Body)
		}
		if d := page.Header.Get("Content-Disposition"); !strings.HasPrefix(d, "attachment;") || page.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("it is sent as %q", d)
		}
		if data.Account.Email != maya || len(data.Sessions) != 1 || len(data.SecondStep.Factors) != 1 || data.SecondStep.RecoveryCodesLeft != 10 || len(data.Activity) == 0 {
			t.Errorf("the data are %+v", data)
		}
		user, err := h.Store.User(t.Context(), r.user.ID)
		idptest.Must(t, err)
		for _, secret := range append(r.codes, user.PasswordHash, noor, foreign.user.ID) {
			if strings.Contains(page.Body, secret) {
				t.Errorf("%q is in the file", secret)
			}
		}
		if h.Audited(idp.AuditDataTaken) != 1 {
			t.Error("no event")
		}
	})
}

// A page of contacts, opened by somebody who is signed out, offers the contacts' sign-in
// first, and one of agents theirs.
func TestAPageOffersTheSignInOfItsPeopleFirst(t *testing.T) {
	h := open(t, idptest.Alone(t), none)
	for population, other := range map[string]string{"contacts": "agents", "agents": "contacts"} {
		page := idptest.NewBrowser(t).Get(h.Issuer + "/account/" + population)
		_, fields, ok := page.Form("/password")
		if !ok || fields.Get("population") != population || !strings.Contains(page.Body, "as="+other) {
			t.Errorf("/account/%s offers\n%s", population, page.Body)
		}
	}
}

// A sign-in that starts again because it took too long is at the same people: those
// whose page was opened, or whose form the person chose.
func TestASignInThatStartsAgainKeepsItsPeople(t *testing.T) {
	t.Parallel()
	h := open(t, idptest.Alone(t), none)
	for name, c := range map[string]struct {
		forgotten, chosen bool
		want              string
	}{
		"known":             {false, false, "contacts"},
		"forgotten":         {true, false, "contacts"},
		"known, chosen":     {false, true, "agents"},
		"forgotten, chosen": {true, true, "agents"},
	} {
		b := idptest.NewBrowser(t)
		page := b.Get(h.Issuer + "/account/contacts")
		first := page.URL.String()
		if c.chosen {
			page = b.Get(first + "?as=agents")
		}
		h.db.Age(t, "flows", idp.FlowLifetime+time.Minute)
		h.db.Age(t, "requests", idp.FlowLifetime+time.Minute)
		if c.forgotten {
			h.exec("DELETE FROM flows")
			h.exec("DELETE FROM requests")
		}
		page = b.Submit(page, "/password", "email", "typed@rtx.example", "password", "secret")
		_, fields, ok := page.Form("/password")
		if !ok || page.URL.String() == first || fields.Get("population") != c.want || !strings.Contains(page.Body, `value="typed@rtx.example"`) {
			t.Errorf("%s: at %s (%d) with %v", name, page.URL, page.Status, fields)
		}
	}
	b := idptest.NewBrowser(t)
	page := b.Get(h.Issuer + "/account/contacts")
	h.db.Age(t, "flows", idp.FlowLifetime+time.Minute)
	h.db.Age(t, "requests", idp.FlowLifetime+time.Minute)
	for query, people := range map[string]string{"": "contacts", "?as=agents": "agents", "?as=%26prompt%3Dnone": "contacts"} {
		if _, fields, ok := b.Get(page.URL.String() + query).Form("/password"); !ok || fields.Get("population") != people {
			t.Errorf("looked at again with %q: %v", query, fields)
		}
	}
}

// Waits after wrong passwords are the person's own doing, as far as anybody knows.
func TestAThrottledPasswordIsNotByAnAdmin(t *testing.T) {
	h := open(t, idptest.Alone(t), none)
	r := h.moveIn(maya)
	b := idptest.NewBrowser(t)
	form := b.Get(h.Issuer + "/account")
	for range 7 {
		b.Submit(form, "/password", "email", maya, "password", "not the password")
	}
	page := r.at("/activity")
	if strings.Contains(page.Body, "not by you") || h.Audited(idp.AuditPasswordThrottled) == 0 {
		t.Errorf("the activity says\n%s", page.Body)
	}
}

// A browser may be signed in to one account of each population.
func TestTheAddressSaysWhoseAccountItIs(t *testing.T) {
	t.Parallel()
	h := open(t, idptest.Alone(t), none)
	h.SetPolicy(idp.Contacts, none, populations.OnNextLogin)
	r := h.moveIn(maya)
	h.AddUser(idp.Contacts, "maya@customer.example")
	page := r.Get(h.Issuer + "/account/contacts/sessions")
	want(t, page, http.StatusOK, "Whose account?", maya)
	page = r.Get(h.Issuer + "/account/contacts/sessions?sign-in=yes")
	page = r.Get(page.URL.String() + "?as=contacts")
	page = r.Submit(page, "/password", "email", "maya@customer.example", "password", idptest.Password, "population", "contacts")
	want(t, page, http.StatusOK, "Where you are signed in", "maya@customer.example")
	want(t, r.Get(h.Issuer+"/account"), http.StatusOK, "Whose account?", maya, "maya@customer.example")
	want(t, r.at("/profile"), http.StatusOK, "Name and language", maya)
	// A step-up is the account's that it is for.
	h.stale()
	page = r.at("/email")
	want(t, page, http.StatusOK, "Enter your password again", maya)
	want(t, r.Submit(page, "/password", "password", idptest.Password), http.StatusOK, "Email", maya)
}

// People who sign in elsewhere only have no password and no second step here.
func TestPeopleFromElsewhere(t *testing.T) {
	t.Parallel()
	h := open(t, idptest.Alone(t), none)
	r := h.moveIn(maya)
	h.exec("UPDATE populations SET access_password = FALSE, access_federated = TRUE WHERE id = 'agents'")
	page := r.at("")
	want(t, page, http.StatusOK, "Your account", "You sign in with Microsoft")
	for _, link := range []string{"/password", "/second-step", "/codes"} {
		if strings.Contains(page.Body, "/account/agents"+link) {
			t.Errorf("the page leads to %s", link)
		}
		if p := r.at(link); p.Status != http.StatusForbidden {
			t.Errorf("%s: %d", link, p.Status)
		}
	}
	want(t, r.at("/email"), http.StatusOK, "Email", "comes from Microsoft")
	want(t, r.at("/profile"), http.StatusOK, "Name and language", "comes from Microsoft")
	want(t, r.Submit(r.at("/profile"), "/profile", "name", "Another", "locale", "en"), http.StatusOK, "Name and language", "Saved.")
	if u, err := h.Store.User(t.Context(), r.user.ID); err != nil || u.Name != "Somebody" || u.Locale != "en" {
		t.Errorf("saved as %q, %q (%v)", u.Name, u.Locale, err)
	}
	for _, form := range [][]string{
		{"/password", "current", idptest.Password, "password", newPassword},
		{"/email", "email", "new@rtx.example"},
		{"/codes"},
		{"/second-step/add", "code", "123456"},
	} {
		if p := r.posts(form[0], form[1:]...); p.Status < 400 {
			t.Errorf("%s: %d %q", form[0], p.Status, p.Heading())
		}
	}
}

func TestADisabledPersonIsOut(t *testing.T) {
	t.Parallel()
	h := open(t, idptest.Alone(t), none)
	r := h.moveIn(maya)
	h.exec("UPDATE users SET disabled = TRUE")
	for _, page := range []string{"", "/data"} {
		if p := r.at(page); !strings.Contains(p.URL.Path, "/login/") {
			t.Errorf("%s: %q", page, p.Heading())
		}
	}
	h.exec("UPDATE users SET disabled = FALSE")
	h.db.Age(t, "sessions", 2*time.Hour, "last_seen_at")
	if p := r.posts("/data"); !strings.Contains(p.URL.Path, "/login/") {
		t.Errorf("a session that was idle: %q", p.Heading())
	}
}

// People of a population that comes later have an account too; none is called like a
// page.
func TestPopulationsThatComeLater(t *testing.T) {
	t.Parallel()
	h := open(t, idptest.Alone(t), none)
	_, err := h.Manage.Populations.AddPopulation(t.Context(), authz.System(), "partners", "Partners")
	idptest.Must(t, err)
	h.SetPolicy("partners", none, populations.OnNextLogin)
	h.AddUser("partners", maya)
	b := idptest.NewBrowser(t)
	page := b.Get(h.Issuer + "/account/partners")
	page = b.Submit(b.Get(page.URL.String()+"?as=partners"), "/password", "population", "partners", "email", maya, "password", idptest.Password)
	want(t, page, http.StatusOK, "Your account", "Partners", maya)
	for _, id := range []string{"callback", "confirm"} {
		if _, err := h.Manage.Populations.AddPopulation(t.Context(), authz.System(), id, "X"); !errors.Is(err, idp.ErrInvalid) {
			t.Errorf("%s: %v", id, err)
		}
	}
}
