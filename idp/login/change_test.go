package login_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/manage/authz"
	"gatehouse/idp/manage/populations"
)

const (
	asksForAnother = "Choose a new password"
	better         = "7 patient horses"
)

// require puts rules of passwords in force.
func (h *house) require(r idp.PasswordRules, apply populations.Apply) {
	h.t.Helper()
	seen, err := h.Manage.Populations.Population(h.t.Context(), authz.System(), idp.Agents)
	idptest.Must(h.t, err)
	_, err = h.Manage.Populations.SavePasswordRules(h.t.Context(), authz.System(), populations.Change[idp.PasswordRules]{
		ID: idp.Agents, Version: seen.Version, To: r, Apply: apply,
	})
	idptest.Must(h.t, err)
}

// sessions changes how long sessions last.
func (h *house) sessions(change func(r *populations.SessionRules)) {
	h.t.Helper()
	seen, err := h.Manage.Populations.Population(h.t.Context(), authz.System(), idp.Agents)
	idptest.Must(h.t, err)
	rules := populations.SessionRulesOf(seen.Population)
	change(&rules)
	_, err = h.Manage.Populations.SaveSessionRules(h.t.Context(), authz.System(), populations.Change[populations.SessionRules]{
		ID: idp.Agents, Version: seen.Version, To: rules,
	})
	idptest.Must(h.t, err)
}

// withPassword signs somebody in with both steps, and returns the page after them.
func (h *house) withPassword(b *idptest.Browser, plain string, phone idptest.Authenticator, pairs ...string) *idptest.Page {
	h.t.Helper()
	h.forget()
	page := b.Submit(h.atPassword(b), "/password", append([]string{"email", email, "password", plain}, pairs...)...)
	want(h.t, page, http.StatusOK, "Enter the code from your app")
	return b.Submit(page, "/totp", "code", phone.Code(0))
}

// silent asks for a code without any page, and returns the error.
func (h *house) silent(b *idptest.Browser) string {
	h.t.Helper()
	page := b.Get(h.party.Begin("prompt", "none").URL)
	if page.Left == nil {
		return "a page: " + page.Heading()
	}
	return page.Left.Query().Get("error")
}

var (
	withDigit   = idp.PasswordRules{MinLength: 8, Digit: true}
	withSpecial = idp.PasswordRules{MinLength: 8, Special: true, Upper: true}
)

// A policy is changed in each of the three ways, and the test shows who is asked for a
// new password, and when.
func TestThreeWaysToApplyRulesOfPasswords(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		h := open(t, db)
		first := idptest.NewBrowser(t)
		phone, _ := h.enrol(first)

		// Only for new passwords: nobody is asked.
		h.require(withDigit, populations.OnlyNew)
		wantLeft(t, h.withPassword(idptest.NewBrowser(t), idptest.Password, phone))

		// On next login: sessions go on, whoever signs in is asked, after the second step.
		h.require(withDigit, populations.OnNextLogin)
		if got := h.silent(first); got != "" {
			t.Errorf("single sign-on after it: %q", got)
		}
		b := idptest.NewBrowser(t)
		page := h.withPassword(b, idptest.Password, phone)
		want(t, page, http.StatusOK, asksForAnother)
		wantText(t, page, http.StatusOK, "does not meet the current rules")
		if h.cookie(b, "gatehouse_session_agents") != "" {
			t.Error("there is a session before the password was changed")
		}
		for typed, broken := range map[string]string{
			"":                      "Enter a new password.",
			"patient horses":        `data-rule="no_digit" class="broken"`,
			"7 horses"[:6]:          `data-rule="too_short" class="broken"`,
			"password1":             `data-rule="common" class="broken"`,
			email:                   `data-rule="personal" class="broken"`,
			strings.Repeat("x", 10): `data-rule="common" class="broken"`,
		} {
			wantText(t, b.Submit(page, "/change", "password", typed), http.StatusUnprocessableEntity, broken)
		}
		wantLeft(t, b.Submit(page, "/change", "password", better))
		wantLeft(t, h.withPassword(idptest.NewBrowser(t), better, phone))
		refused := b.Submit(h.atPassword(idptest.NewBrowser(t)), "/password", "email", email, "password", idptest.Password)
		if refused.Left != nil {
			t.Error("the old password works")
		}

		// Immediately: everybody is signed out, and asked at the next sign-in.
		b = idptest.NewBrowser(t)
		wantLeft(t, h.withPassword(b, better, phone))
		h.require(withSpecial, populations.Immediately)
		if got := h.silent(b); got != "login_required" {
			t.Errorf("single sign-on after it: %q", got)
		}
		page = h.withPassword(b, better, phone)
		want(t, page, http.StatusOK, asksForAnother)
		wantLeft(t, b.Submit(page, "/change", "password", "Seven patient horses"))
		wantLeft(t, h.withPassword(idptest.NewBrowser(t), "Seven patient horses", phone))

		if n := h.Audited(idp.AuditPasswordChanged); n != 2 {
			t.Errorf("%d changes are in the audit log", n)
		}
		if n := h.count("outbox WHERE kind = 'password_changed' OR (lane = 'mail' AND kind LIKE '%password%')"); n != 2 {
			t.Logf("outbox: %q", h.rows("outbox"))
			t.Errorf("%d mails about it", n)
		}
		for _, row := range slices.Concat(h.rows("audit_events"), h.rows("flows")) {
			if strings.Contains(row, "patient horses") || strings.Contains(row, "$argon2id$") {
				t.Errorf("the password is in %s", row)
			}
		}
	})
}

func TestExpiredPasswordIsChanged(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		h := open(t, db)
		phone, _ := h.enrol(idptest.NewBrowser(t))
		h.require(idp.PasswordRules{MinLength: 8, ExpiryDays: 90}, populations.OnNextLogin)
		wantLeft(t, h.withPassword(idptest.NewBrowser(t), idptest.Password, phone))
		h.exec("UPDATE users SET password_changed_at = '2020-01-01 00:00:00'")
		b := idptest.NewBrowser(t)
		page := h.withPassword(b, idptest.Password, phone)
		want(t, page, http.StatusOK, asksForAnother)
		wantText(t, page, http.StatusOK, "more than 90 days old")
		again := b.Submit(page, "/change", "password", idptest.Password)
		wantText(t, again, http.StatusUnprocessableEntity, `data-rule="same" data-later class="broken"`)
		wantLeft(t, b.Submit(page, "/change", "password", better))
		wantLeft(t, h.withPassword(idptest.NewBrowser(t), better, phone))
	})
}

// Expiry that is for new passwords only leaves older ones alone, and theirs is counted
// from the day they were set.
func TestExpiryOnlyForNewPasswords(t *testing.T) {
	t.Parallel()
	h := alone(t)
	phone, _ := h.enrol(idptest.NewBrowser(t))
	h.exec("UPDATE users SET password_changed_at = '2020-01-01 00:00:00'")
	h.require(idp.PasswordRules{MinLength: 8, ExpiryDays: 90}, populations.OnlyNew)
	wantLeft(t, h.withPassword(idptest.NewBrowser(t), idptest.Password, phone))
	h.exec("UPDATE populations SET expiry_since = '2019-12-31 00:00:00'")
	want(t, h.withPassword(idptest.NewBrowser(t), idptest.Password, phone), http.StatusOK, asksForAnother)
}

func TestFormerPasswordsAreRefused(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		h := open(t, db)
		phone, _ := h.enrol(idptest.NewBrowser(t))
		h.require(idp.PasswordRules{MinLength: 8, NoReuse: 2, Digit: true}, populations.OnlyNew)
		idptest.Must(t, h.Manage.People.SetPassword(t.Context(), authz.System(), h.user.ID, better, ""))
		idptest.Must(t, h.Manage.People.SetPassword(t.Context(), authz.System(), h.user.ID, "8 patient horses", ""))
		h.require(idp.PasswordRules{MinLength: 17, NoReuse: 2}, populations.OnNextLogin)
		h.require(idp.PasswordRules{MinLength: 8, NoReuse: 2}, populations.OnlyNew)
		h.exec("UPDATE populations SET passwords_at_sign_in = '{\"min_length\":17}'")
		b := idptest.NewBrowser(t)
		page := h.withPassword(b, "8 patient horses", phone)
		want(t, page, http.StatusOK, asksForAnother)
		for _, former := range []string{better, "8 patient horses"} {
			answer := b.Submit(page, "/change", "password", former)
			wantText(t, answer, http.StatusUnprocessableEntity, `data-rule="reused" data-later class="broken"`)
			wantText(t, answer, http.StatusUnprocessableEntity, "None of your last 2 passwords")
		}
		wantLeft(t, b.Submit(page, "/change", "password", "twenty patient horses"))
	})
}

// A rule that is saved while somebody signs in counts for them: they type the password
// again, since nobody knows it any more, and not the code.
func TestRulesThatChangeUnderWay(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		h := open(t, db)
		phone, _ := h.enrol(idptest.NewBrowser(t))
		h.forget()
		b := idptest.NewBrowser(t)
		page := h.atCode(b)
		h.require(withDigit, populations.OnNextLogin)
		page = b.Submit(page, "/totp", "code", phone.Code(0))
		want(t, page, http.StatusOK, "Enter your password again")
		page = b.Submit(page, "/password", "password", idptest.Password)
		if page.Heading() == "Enter the code from your app" {
			h.forget()
			page = b.Submit(page, "/totp", "code", phone.Code(0))
		}
		want(t, page, http.StatusOK, asksForAnother)
		wantLeft(t, b.Submit(page, "/change", "password", better))

		// And once more while the page that asks for another password is open.
		h.require(idp.PasswordRules{MinLength: 8, Digit: true, Upper: true}, populations.OnNextLogin)
		b = idptest.NewBrowser(t)
		page = h.withPassword(b, better, phone)
		want(t, page, http.StatusOK, asksForAnother)
		h.require(withSpecial, populations.OnNextLogin)
		page = b.Submit(page, "/change", "password", "8 Patienthorses")
		want(t, page, http.StatusOK, "Enter your password again")
	})
}

// What a change ends elsewhere is the population's to say; what outlives sessions ends
// in any case.
func TestChangedPasswordSignsOutElsewhere(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		h := open(t, db)
		elsewhere := idptest.NewBrowser(t)
		phone, _ := h.enrol(elsewhere)
		for i, c := range []struct {
			ends bool
			want string
		}{{false, ""}, {true, "login_required"}} {
			h.sessions(func(r *populations.SessionRules) { r.EndOthers = c.ends })
			plain, next := idptest.Password, "8 patient horses"
			rules := withDigit
			if i > 0 {
				plain, next, rules = "8 patient horses", "Eight patient horses", withSpecial
			}
			party := *h.party
			party.OAuth.Scopes = []string{"openid", "offline_access"}
			attempt := party.Begin()
			tokens := party.Exchange(attempt, elsewhere.Get(attempt.URL).Left)
			h.require(rules, populations.OnNextLogin)
			// Another sign-in of theirs stands in the middle.
			middle := idptest.NewBrowser(t)
			h.forget()
			waiting := middle.Submit(h.atPassword(middle), "/password", "email", email, "password", plain)
			b := idptest.NewBrowser(t)
			page := h.withPassword(b, plain, phone)
			if says := strings.Contains(page.Body, "signs you out everywhere else"); says != c.ends {
				t.Errorf("ends others %t: the page says so %t", c.ends, says)
			}
			wantLeft(t, b.Submit(page, "/change", "password", next))
			if got := h.silent(elsewhere); got != c.want {
				t.Errorf("ends others %t: elsewhere %q", c.ends, got)
			}
			if got := h.silent(b); got != "" {
				t.Errorf("ends others %t: here %q", c.ends, got)
			}
			if _, err := party.Refresh(tokens.RefreshToken); err == nil {
				t.Errorf("ends others %t: offline access goes on", c.ends)
			}
			h.forget()
			if late := middle.Submit(waiting, "/totp", "code", phone.Code(0)); late.Heading() != "Sign in to Test app" { // it starts again
				t.Errorf("ends others %t: a sign-in with the old password goes on: %s", c.ends, late.Heading())
			}
		}
	})
}

func TestOfTwoTabsOneChangesThePassword(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		h := open(t, db)
		phone, _ := h.enrol(idptest.NewBrowser(t))
		h.require(withDigit, populations.OnNextLogin)
		b := idptest.NewBrowser(t)
		page := h.withPassword(b, idptest.Password, phone)
		target, fields, ok := page.Form("/change")
		if !ok {
			t.Fatal("there is no form")
		}
		var statuses [4]int
		together(len(statuses), func(i int) {
			fields := url.Values{"password": {better + strings.Repeat("!", i)}, "version": fields["version"]}
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, target, strings.NewReader(fields.Encode()))
			if err != nil {
				t.Error(err)
				return
			}
			req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			for _, c := range b.Jar.Cookies(req.URL) {
				req.AddCookie(c)
			}
			statuses[i] = h.Do(req).StatusCode
		})
		for _, status := range statuses {
			if status >= http.StatusBadRequest {
				t.Errorf("the tabs are answered with %v", statuses)
			}
		}
		if n := h.Audited(idp.AuditPasswordChanged); n != 1 {
			t.Errorf("changed %d times", n)
		}
	})
}

func TestPasswordsOfFourKibibytes(t *testing.T) {
	t.Parallel()
	h := alone(t)
	phone, _ := h.enrol(idptest.NewBrowser(t))
	h.require(withDigit, populations.OnNextLogin)
	b := idptest.NewBrowser(t)
	page := h.withPassword(b, idptest.Password, phone)
	longest := strings.Repeat("7 patient horses, ", 4096/18+1)[:4095] + "x"
	wantText(t, b.Submit(page, "/change", "password", longest+"y"), http.StatusUnprocessableEntity, `data-rule="too_long" class="broken"`)
	wantLeft(t, b.Submit(page, "/change", "password", longest))
	wantLeft(t, h.withPassword(idptest.NewBrowser(t), longest, phone))
}

// What is told while somebody types: by the server's rules, to whoever is asked for a
// password and to nobody else, and without writing anything.
func TestRulesAreToldWhileSomebodyTypes(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		h := open(t, db)
		phone, _ := h.enrol(idptest.NewBrowser(t))
		h.require(withDigit, populations.OnNextLogin)
		b := idptest.NewBrowser(t)
		early := h.atPassword(b)
		hint := func(b *idptest.Browser, flow, typed string) (int, []string) {
			t.Helper()
			page := raw(t, b, http.MethodPost, flow+"/judge", "password="+typed, "Sec-Fetch-Site", "same-origin")
			var answer struct{ Broken []string }
			if page.Status == http.StatusOK {
				idptest.Must(t, json.Unmarshal([]byte(page.Body), &answer))
			}
			return page.Status, answer.Broken
		}
		if status, _ := hint(b, flowOf(early), "x"); status != http.StatusTooManyRequests {
			t.Errorf("before the password: %d", status)
		}
		page := h.withPassword(b, idptest.Password, phone)
		want(t, page, http.StatusOK, asksForAnother)
		wantText(t, page, http.StatusOK, `data-judged="/login/`)
		before := h.snapshot()
		for typed, want := range map[string][]string{
			"": {"too_short", "no_digit"}, "7": {"too_short"}, "password": {"no_digit", "common"}, "7+patient+horses": {},
		} {
			if status, got := hint(b, flowOf(page), typed); status != http.StatusOK || !slices.Equal(got, want) {
				t.Errorf("%q: %d %q, want %q", typed, status, got, want)
			}
		}
		if !slices.Equal(before, h.snapshot()) {
			t.Error("a hint wrote something")
		}
		if status, _ := hint(idptest.NewBrowser(t), flowOf(page), "7"); status == http.StatusOK {
			t.Error("another browser is told")
		}
		statuses := map[int]int{}
		for range 200 {
			status, _ := hint(b, flowOf(page), "7")
			statuses[status]++
		}
		if statuses[http.StatusOK] > 120 || statuses[http.StatusTooManyRequests] < 80 {
			t.Errorf("200 hints within a minute: %v", statuses)
		}
		wantLeft(t, b.Submit(page, "/change", "password", better))
	})
}

func TestNewPasswordsAreTriedAtAPace(t *testing.T) {
	t.Parallel()
	h := alone(t)
	phone, _ := h.enrol(idptest.NewBrowser(t))
	h.require(withDigit, populations.OnNextLogin)
	b := idptest.NewBrowser(t)
	page := h.withPassword(b, idptest.Password, phone)
	var last *idptest.Page
	for range 22 {
		last = b.Submit(page, "/change", "password", "short")
	}
	if last.Status != http.StatusTooManyRequests || last.Header.Get("Retry-After") == "" {
		t.Errorf("the 22nd try: %d %s", last.Status, last.Heading())
	}
	h.calm()
	wantLeft(t, b.Submit(page, "/change", "password", better))
}
