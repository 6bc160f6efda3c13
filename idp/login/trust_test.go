package login_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/manage/authz"
	"gatehouse/idp/manage/people"
	"gatehouse/idp/manage/populations"
)

const trustBox = `name="trust"`

var appTrusted = idp.Policy{Authenticator: true, IssuerLabel: "RTX", TrustDays: 7}

// trusting is a person who trusts a browser and is signed out of it.
type trusting struct {
	*house
	b     *idptest.Browser
	phone idptest.Authenticator
	codes []string
}

func trusts(t *testing.T, db *idptest.Database) *trusting {
	t.Helper()
	h, _ := mailed(t, db, appTrusted)
	r := &trusting{house: h, b: idptest.NewBrowser(t)}
	r.phone, r.codes = h.enrol(idptest.NewBrowser(t))
	r.trust()
	return r
}

// trust has the browser trusted by a sign-in of its own.
func (r *trusting) trust() {
	r.t.Helper()
	r.forget()
	page := r.accepted(r.b)
	want(r.t, page, http.StatusOK, appHeading)
	if !strings.Contains(page.Body, trustBox) {
		r.t.Fatalf("the box is not offered:\n%s", page.Body)
	}
	wantLeft(r.t, r.b.Submit(page, "/totp", "code", r.phone.Code(0), "trust", "yes"))
	r.leave()
}

// leave ends the session that the browser has.
func (r *trusting) leave() { r.t.Helper(); r.exec("DELETE FROM sessions") }

// excused tells whether the browser's next sign-in has no second step, and signs out again.
func (r *trusting) excused() bool {
	r.t.Helper()
	page := r.accepted(r.b)
	left := page.Left != nil
	if !left && page.Heading() != appHeading && page.Heading() != mailHeading {
		r.t.Fatalf("%s: %d %q\n%s", page.URL, page.Status, page.Heading(), page.Body)
	}
	r.leave()
	return left
}

func (r *trusting) wantExcused(what string, want bool) {
	r.t.Helper()
	if r.excused() != want {
		r.t.Errorf("%s: the second step is left out: %t, want %t", what, !want, want)
	}
}

// A trusted browser is asked for the password alone, and the token says so. Other browsers and
// other people are asked as ever.
func TestATrustedBrowserIsNotAskedAgain(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		r := trusts(t, db)
		attempt := r.party.Begin()
		page := r.b.Submit(r.b.Get(attempt.URL), "/password", "email", email, "password", idptest.Password)
		wantLeft(t, page)
		wantAMR(t, r.party.Exchange(attempt, page.Left), idp.ACRPassword, "pwd")
		if n := r.count("audit_events WHERE kind = '" + string(idp.AuditSignedIn) + "' AND detail LIKE '%trusted_browser%'"); n != 1 {
			t.Errorf("%d sign-ins say that they rest on the browser", n)
		}
		if n := r.count("trusted_browsers WHERE last_used_at IS NOT NULL"); n != 1 {
			t.Error("the use is not recorded")
		}
		if r.Audited(idp.AuditBrowserTrusted) != 1 || !strings.Contains(lastSubject(r.box), "trusted") {
			t.Error("it was not audited, or not told")
		}
		r.leave()

		want(t, r.accepted(idptest.NewBrowser(t)), http.StatusOK, appHeading)
		const other = "noor@rtx.example"
		r.AddUser(idp.Agents, other)
		theirs := idptest.NewBrowser(t)
		setUp := theirs.Submit(r.atPassword(theirs), "/password", "email", other, "password", idptest.Password)
		theirs.Submit(setUp, "/enrol", "code", idptest.Scan(t, setUp).Code(0))
		page = r.b.Submit(r.atPassword(r.b), "/password", "email", other, "password", idptest.Password)
		want(t, page, http.StatusOK, appHeading)
	})
}

func lastSubject(box *idptest.Mailbox) (subject string) {
	for _, letter := range box.All(email) {
		subject += letter.Subject
	}
	return subject
}

// Without the tick nothing is trusted, nor where the page does not offer it: by a recovery
// code, at an app or for a request that asks for more, and where the population has no days.
func TestTrustIsOfferedWhereItHelps(t *testing.T) {
	t.Parallel()
	r := trusts(t, idptest.Alone(t))
	r.exec("DELETE FROM trusted_browsers")
	strict, request := r.AddParty(idp.Client{Name: "Strict"}), r.AddParty(idp.Client{Name: "Asking"})
	r.SetOverride(strict.Client.ID, idp.Override{Mode: idp.OverrideRequired}, populations.OnNextLogin)
	for name, begin := range map[string]func() string{
		"an app's own rule": func() string { return strict.Begin().URL },
		"a request":         func() string { return request.Begin("acr_values", string(idp.ACRTwoStep)).URL },
	} {
		r.forget()
		b := idptest.NewBrowser(t)
		page := b.Submit(b.Get(begin()), "/password", "email", email, "password", idptest.Password)
		want(t, page, http.StatusOK, appHeading)
		if strings.Contains(page.Body, trustBox) {
			t.Errorf("%s: it is offered", name)
		}
		wantLeft(t, b.Submit(page, "/totp", "code", r.phone.Code(0), "trust", "yes"))
	}
	page := r.b.Submit(r.atCode(r.b), "/method")
	page = r.b.Submit(page, "/recovery", "code", r.codes[0], "trust", "yes")
	wantLeft(t, r.b.Submit(page, "/told"))
	r.leave()
	r.forget()
	page = r.b.Submit(r.atCode(r.b), "/totp", "code", r.phone.Wrong(), "trust", "yes")
	if !strings.Contains(page.Body, trustBox+` value="yes" checked`) {
		t.Error("a wrong code takes the tick away")
	}
	wantLeft(t, r.b.Submit(page, "/totp", "code", r.phone.Code(0)))
	r.leave()
	r.SetPolicy(idp.Agents, idp.Policy{Authenticator: true}, populations.OnNextLogin)
	r.forget()
	page = r.atCode(r.b)
	if strings.Contains(page.Body, trustBox) {
		t.Error("a population without days offers it")
	}
	wantLeft(t, r.b.Submit(page, "/totp", "code", r.phone.Code(0), "trust", "yes"))
	if n := r.count("trusted_browsers"); n != 0 {
		t.Errorf("%d browsers are trusted", n)
	}
}

// Trust counts for the population's policy alone.
func TestTrustMeetsNothingBeyondThePolicy(t *testing.T) {
	t.Parallel()
	r := trusts(t, idptest.Alone(t))
	strict, stricter := r.AddParty(idp.Client{Name: "Required"}), r.AddParty(idp.Client{Name: "At least mfa"})
	r.SetOverride(strict.Client.ID, idp.Override{Mode: idp.OverrideRequired}, populations.OnNextLogin)
	r.SetOverride(stricter.Client.ID, idp.Override{Mode: idp.OverrideRequired, MinACR: idp.ACRMFA}, populations.OnNextLogin)
	asks := map[string]string{
		"required": strict.Begin().URL, "at least mfa": stricter.Begin().URL,
		"acr_values":  r.party.Begin("acr_values", string(idp.ACRTwoStep)).URL,
		"claims":      r.party.Begin("claims", `{"id_token":{"acr":{"essential":true,"value":"`+string(idp.ACRMFA)+`"}}}`).URL,
		"the console": r.Issuer + "/admin",
	}
	for name, target := range asks {
		page := r.b.Submit(r.b.Get(target), "/password", "email", email, "password", idptest.Password)
		if page.Heading() != appHeading {
			t.Errorf("%s, signed out: %q", name, page.Heading())
		}
		r.leave()
	}
	// Single sign-on with a session that rests on trust is judged at each app.
	wantLeft(t, r.accepted(r.b))
	for name, target := range asks {
		if page := r.b.Get(target); page.Heading() != appHeading {
			t.Errorf("%s, signed in: %q at %s", name, page.Heading(), page.URL)
		}
	}
	wantLeft(t, r.b.Get(r.party.Begin().URL))
	want(t, r.b.Get(r.Issuer+"/account"), http.StatusOK, "Your account")
	if page := r.b.Get(r.Issuer + "/account/agents/second-step/add"); page.Heading() != appHeading && !strings.Contains(page.URL.Path, "/login/") {
		t.Errorf("adding an authenticator: %q at %s", page.Heading(), page.URL)
	}
	// Stepping up works as always.
	r.forget()
	attempt := r.party.Begin("acr_values", string(idp.ACRMFA))
	page := r.b.Submit(r.b.Get(attempt.URL), "/totp", "code", r.phone.Code(0))
	wantLeft(t, page)
	wantAMR(t, r.party.Exchange(attempt, page.Left), idp.ACRMFA, "pwd otp mfa")
}

// What ends the trust, each by itself.
func TestWhatEndsTrust(t *testing.T) {
	t.Parallel()
	r := trusts(t, idptest.Alone(t))
	system, id := authz.System(), r.user.ID
	password := idptest.Password
	set := func(p string) {
		idptest.Must(t, r.Manage.People.SetPassword(t.Context(), system, id, p, "test"))
	}
	enrolment, err := r.Store.Enrolment(t.Context(), id)
	idptest.Must(t, err)
	for _, c := range []struct {
		what string
		do   func()
	}{
		{"nothing", nil},
		{"a new password", func() { set("another good phrase 5"); set(password) }},
		{"a password of their own", func() {
			hash, err := r.Store.PasswordHash(t.Context(), id)
			idptest.Must(t, err)
			idptest.Must(t, r.Store.SetPasswordHash(t.Context(), id, hash, idp.Now()))
		}},
		{"another address", func() {
			r.change(people.UserChange{Email: new("other@rtx.example")})
			r.change(people.UserChange{Email: new(email)})
		}},
		{"everybody signed out", func() { r.SetPolicy(idp.Agents, appTrusted, populations.Immediately) }},
		{"signed out by an admin", func() {
			_, err := r.Manage.People.SignOut(t.Context(), system, id, "test", people.KeepAppAccess)
			idptest.Must(t, err)
		}},
		{"an app's rule changed immediately", func() {
			r.SetOverride(r.party.Client.ID, idp.Override{Mode: idp.OverrideOff}, populations.OnNextLogin)
			r.SetOverride(r.party.Client.ID, idp.Override{Mode: idp.OverrideInherit}, populations.Immediately)
		}},
		{"the authenticator stopped", func() {
			_, err := r.Store.DisableFactor(t.Context(), enrolment.Factors[0].ID, idp.Now())
			idptest.Must(t, err)
			r.exec("UPDATE factors SET disabled_at = NULL")
		}},
		{"new recovery codes", func() {
			idptest.Must(t, r.Manage.Factors.RegenerateRecoveryCodes(t.Context(), system, id, "test"))
		}},
		{"another authenticator", func() {
			idptest.Must(t, r.Store.CreateFactor(t.Context(), idp.Factor{ID: "another", UserID: id, Method: idp.MethodTOTP, CreatedAt: idp.Now(), LastUsedAt: idp.Now()}))
		}},
		{"one authenticator less", func() { idptest.Must(t, r.Store.RemoveFactor(t.Context(), id, "another")) }},
		{"another role", func() {
			_, version, err := r.Store.VersionedUser(t.Context(), id)
			idptest.Must(t, err)
			idptest.Must(t, r.Manage.People.SetRoles(t.Context(), system, id, version, []string{idp.RoleManager}, "test"))
		}},
		{"disabled and enabled", func() {
			r.change(people.UserChange{Disabled: new(true), Reason: "test"})
			r.change(people.UserChange{Disabled: new(false), Reason: "test"})
		}},
		{"the days are over", func() { r.db.Age(t, "trusted_browsers", 7*24*time.Hour, "created_at", "expires_at") }},
		{"fewer days", func() {
			r.db.Age(t, "trusted_browsers", 2*24*time.Hour, "created_at", "expires_at")
			fewer := appTrusted
			fewer.TrustDays = 1
			r.SetPolicy(idp.Agents, fewer, populations.OnNextLogin)
		}},
		{"no days, and then as many again", func() {
			r.SetPolicy(idp.Agents, idp.Policy{Authenticator: true, IssuerLabel: "RTX"}, populations.OnNextLogin)
			r.SetPolicy(idp.Agents, appTrusted, populations.OnNextLogin)
		}},
	} {
		r.calm()
		if c.do != nil {
			r.exec("DELETE FROM trusted_browsers")
			r.SetPolicy(idp.Agents, appTrusted, populations.OnNextLogin)
			r.exec("UPDATE recovery_sets SET created_at = '2026-01-01 00:00:00', saved_at = created_at")
			r.trust()
			r.wantExcused("before "+c.what, true)
			c.do()
		}
		r.wantExcused(c.what, c.do == nil)
	}
}

// change is one of the person by an admin.
func (r *trusting) change(c people.UserChange) {
	r.t.Helper()
	_, version, err := r.Store.VersionedUser(r.t.Context(), r.user.ID)
	idptest.Must(r.t, err)
	c.Version = version
	_, err = r.Manage.People.UpdateUser(r.t.Context(), authz.System(), r.user.ID, c)
	idptest.Must(r.t, err)
}

// A sign-in that rests on trust never renews it, and none rests on what was forgotten that
// moment.
func TestNoRaceExtendsTrust(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		r := trusts(t, db)
		before, err := r.Store.TrustedBrowsers(t.Context(), r.user.ID)
		idptest.Must(t, err)
		const tabs = 4
		pages := make([]*idptest.Page, tabs)
		for i := range pages {
			pages[i] = r.atPassword(r.b)
		}
		together(tabs, func(i int) {
			r.b.Submit(pages[i], "/password", "email", email, "password", idptest.Password, "trust", "yes")
		})
		after, err := r.Store.TrustedBrowsers(t.Context(), r.user.ID)
		idptest.Must(t, err)
		if len(after) != 1 || after[0].ID != before[0].ID || !after[0].CreatedAt.Equal(before[0].CreatedAt) || !after[0].ExpiresAt.Equal(before[0].ExpiresAt) {
			t.Errorf("the trust was %+v and is %+v", before, after)
		}
		r.leave()
		for i := range pages {
			pages[i] = r.atPassword(r.b)
		}
		together(tabs+1, func(i int) {
			if i == tabs {
				idptest.Must(t, r.Manage.Factors.ForgetTrustedBrowser(t.Context(), authz.System(), r.user.ID, before[0].ID, "test"))
				return
			}
			page := r.b.Submit(pages[i], "/password", "email", email, "password", idptest.Password)
			if page.Left == nil && page.Heading() != appHeading && page.Heading() != "You are signed in" {
				t.Errorf("%s: %d %q", page.URL, page.Status, page.Heading())
			}
		})
		if n := r.count("trusted_browsers"); n != 0 {
			t.Errorf("%d browsers are trusted after that", n)
		}
		if err := r.Store.UseTrustedBrowser(t.Context(), before[0].ID, idp.Now()); !errors.Is(err, idp.ErrConflict) {
			t.Errorf("a sign-in may rest on what was forgotten: %v", err)
		}
		r.leave()
		r.wantExcused("forgotten", false)
	})
}
