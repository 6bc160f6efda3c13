package account_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/manage/populations"
)

// byMail signs the person in with an email code, in a browser of a thief who has the
// password and the mailbox.
func (r *resident) byMail() *resident {
	r.h.t.Helper()
	other := *r
	var page *idptest.Page
	other.Browser, page = r.h.another(r.user.Email)
	r.h.db.Age(r.h.t, "factors", time.Minute, "sent_at") // another code may be sent
	page = other.Submit(page, "/method", "method", "email")
	want(r.h.t, other.Submit(page, "/email", "code", r.h.box.Code(r.user.Email)), http.StatusOK, "Your account")
	return &other
}

// asksForTheApp fails unless a page is the sign-in's that asks for the authenticator and
// offers no email code.
func asksForTheApp(t *testing.T, what string, p *idptest.Page) {
	t.Helper()
	if p.Heading() != "Enter the code from your app" || strings.Contains(p.Body, `value="email"`) {
		t.Errorf("%s: %d %q (%s)\n%s", what, p.Status, p.Heading(), p.URL, p.Body)
	}
}

// Mailbox and password make no second authenticator, take none away, and see no recovery
// codes: each of these asks for what the person has that is strongest.
func TestAnEmailCodeChangesNothingForSomebodyWithAnAuthenticator(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		h := open(t, db, byApp)
		owner := h.moveIn(maya)
		id := owner.factors()[0]
		h.SetPolicy(idp.Agents, byBoth, populations.OnNextLogin)
		h.exec("UPDATE recovery_sets SET saved_at = NULL")
		thief := owner.byMail()
		for name, page := range map[string]func() *idptest.Page{
			"add":              func() *idptest.Page { return thief.at("/second-step/add") },
			"add, posted":      func() *idptest.Page { return thief.posts("/second-step/add", "pending", "x", "code", "000000") },
			"rename":           func() *idptest.Page { return thief.at("/second-step/" + id + "/rename") },
			"rename, posted":   func() *idptest.Page { return thief.posts("/second-step/"+id+"/rename", "name", "Broken") },
			"remove":           func() *idptest.Page { return thief.at("/second-step/" + id + "/remove") },
			"remove, posted":   func() *idptest.Page { return thief.posts("/second-step/" + id + "/remove") },
			"see codes":        func() *idptest.Page { return thief.at("/codes") },
			"download codes":   func() *idptest.Page { return thief.at("/codes/recovery-codes.txt") },
			"put codes away":   func() *idptest.Page { return thief.posts("/codes/saved", "saved", "yes") },
			"another address":  func() *idptest.Page { return thief.at("/email") },
			"address, posted":  func() *idptest.Page { return thief.posts("/email", "email", "thief@evil.example") },
			"another password": func() *idptest.Page { return thief.at("/password") },
			"password, posted": func() *idptest.Page {
				return thief.posts("/password", "current", idptest.Password, "password", "a thief knows this")
			},
			"take the data":     func() *idptest.Page { return thief.at("/data") },
			"the data, at once": func() *idptest.Page { return thief.posts("/data") },
		} {
			asksForTheApp(t, name, page())
		}
		h.db.Age(t, "recovery_sets", 3*time.Hour, "created_at")
		asksForTheApp(t, "new codes", thief.posts("/codes"))
		e, err := h.Store.Enrolment(t.Context(), owner.user.ID)
		if err != nil || len(e.Of(idp.MethodTOTP)) != 1 || e.Of(idp.MethodTOTP)[0].Name == "Broken" || !e.Recovery.SavedAt.IsZero() {
			t.Errorf("something was changed: %+v (%v)", e, err)
		}
		for _, kind := range []idp.AuditKind{idp.AuditEmailAsked, idp.AuditPasswordChanged, idp.AuditDataTaken, idp.AuditFactorRenamed} {
			if n := h.Audited(kind); n != 0 {
				t.Errorf("%d events %s", n, kind)
			}
		}
	})
}

// The owner, who signed in with an email code too, goes on with the app, once.
func TestTheAppOpensWhatAnEmailCodeDoesNot(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		h := open(t, db, byApp)
		owner := h.moveIn(maya)
		h.SetPolicy(idp.Agents, byBoth, populations.OnNextLogin)
		r := owner.byMail()
		want(t, r.second(r.at("/second-step/add")), http.StatusOK, "Add an authenticator app")
		r.adds("Tablet")
		want(t, r.at("/data"), http.StatusOK, "Your data")
		r = owner.byMail()
		page := r.at("/second-step/add")
		page = r.Submit(page, "/method", "method", "recovery")
		page = r.Submit(page, "/recovery", "code", owner.codes[0])
		if _, _, told := page.Form("/told"); told {
			page = r.Submit(page, "/told")
		}
		want(t, page, http.StatusOK, "Add an authenticator app")
	})
}

// Guesses that stop the authenticator do not make the email code the strongest step: a
// thief who has password and mailbox uses up a hundred tries and is where they were. The
// owner is told once, and goes on with a recovery code, or with the app in a browser that
// knows it.
func TestGuessesDoNotLowerWhatFactorsTake(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		h := open(t, db, byApp)
		owner := h.moveIn(maya)
		h.SetPolicy(idp.Agents, byBoth, populations.OnNextLogin)
		thief := owner.byMail()
		guess := thief.at("/second-step/add")
		thief.Submit(guess, "/totp", "code", wrong(owner.phone))
		h.exec("UPDATE throttles SET failures = 99, next_at = '2026-01-01 00:00:00' WHERE kind = 'totp'")
		thief.Submit(guess, "/totp", "code", wrong(owner.phone))
		if n := h.Audited(idp.AuditFactorDisabled); n != 1 {
			t.Fatalf("the authenticator was stopped %d times", n)
		}
		for _, what := range []string{"/second-step/add", "/password", "/email"} {
			thief = owner.byMailOnly()
			if p := thief.at(what); p.Heading() != "Enter a recovery code" {
				t.Errorf("%s takes an email code: %d %q", what, p.Status, p.Heading())
			}
		}
		h.exec("UPDATE factors SET last_step = 0")
		want(t, owner.second(owner.at("/second-step/add")), http.StatusOK, "Add an authenticator app")
		r := owner.byMailOnly()
		page := r.Submit(r.at("/second-step/add"), "/recovery", "code", owner.codes[0])
		if _, _, told := page.Form("/told"); told {
			page = r.Submit(page, "/told")
		}
		want(t, page, http.StatusOK, "Add an authenticator app")
		h.exec("UPDATE recovery_sets SET disabled_at = '2026-01-01 00:00:00'")
		page = owner.byMailOnly().at("/second-step/add")
		want(t, page, http.StatusForbidden, "Enter the code from your app", "cannot be used right now")
		if n := h.letters(maya, "Your authenticator app was turned off"); n != 1 {
			t.Errorf("the owner was told %d times", n)
		}
	})
}

// Somebody whose authenticator was stopped replaces it with a recovery code; the new one
// works in a browser that is new, and the old one stays stopped.
func TestANewAuthenticatorWorksAfterTheOldOneWasStopped(t *testing.T) {
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		h := open(t, db, byApp)
		owner := h.moveIn(maya)
		b, page := h.another(maya)
		b.Submit(page, "/totp", "code", wrong(owner.phone))
		h.exec("UPDATE throttles SET failures = 99, next_at = '2026-01-01 00:00:00' WHERE kind = 'totp'")
		page = b.Submit(page, "/totp", "code", wrong(owner.phone))
		page = b.Submit(page, "/recovery", "code", owner.codes[0])
		if _, _, told := page.Form("/told"); told {
			page = b.Submit(page, "/told")
		}
		want(t, page, http.StatusOK, "Your account")
		r := *owner
		r.Browser = b
		r.phone = r.adds("New phone")
		r.returns()
		b, page = h.another(maya)
		h.exec("UPDATE factors SET last_step = 0")
		if p := b.Submit(page, "/totp", "code", owner.phone.Code(0)); p.Status != http.StatusUnprocessableEntity {
			t.Errorf("the stopped one: %d %q", p.Status, p.Heading())
		}
	})
}

// A browser in which an email code was proved has no budget of its own for the
// authenticator: with one for each browser, a thief who has the mailbox could guess on
// without end. Where the app was used, strangers do not use up the owner's tries.
func TestAnEmailCodeOpensNoBudgetForTheAuthenticator(t *testing.T) {
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		h := open(t, db, byApp)
		owner := h.moveIn(maya)
		h.SetPolicy(idp.Agents, byBoth, populations.OnNextLogin)
		for range 3 {
			thief := owner.byMail()
			thief.Submit(thief.at("/second-step/add"), "/totp", "code", wrong(owner.phone))
		}
		var failures, rows int
		err := h.db.SQL().QueryRowContext(t.Context(),
			"SELECT COALESCE(MAX(failures), 0), COUNT(*) FROM throttles WHERE kind = 'totp'").Scan(&failures, &rows)
		if err != nil || failures != 3 || rows != 1 {
			t.Errorf("three guesses in three browsers stand as %d in %d counters (%v)", failures, rows, err)
		}
		h.exec("UPDATE throttles SET failures = 100 WHERE kind = 'totp'")
		h.stale()
		want(t, owner.proves(owner.at("/second-step/add")), http.StatusOK, "Add an authenticator app")
	})
}

// A code that is tried against two authenticators is one guess at what the person has.
func TestTheCountOfWrongCodesBelongsToThePerson(t *testing.T) {
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		h := open(t, db, byApp)
		owner := h.moveIn(maya)
		owner.adds("Tablet")
		b, page := h.another(maya)
		b.Submit(page, "/totp", "code", wrong(owner.phone))
		var failures, rows int
		err := h.db.SQL().QueryRowContext(t.Context(),
			"SELECT COALESCE(SUM(failures), 0), COUNT(*) FROM throttles WHERE kind = 'totp'").Scan(&failures, &rows)
		if err != nil || failures != 1 || rows != 1 {
			t.Errorf("one guess stands as %d in %d counters (%v)", failures, rows, err)
		}
	})
}

// byMailOnly is byMail where the sign-in offers nothing else.
func (r *resident) byMailOnly() *resident {
	r.h.t.Helper()
	other := *r
	var page *idptest.Page
	r.h.db.Age(r.h.t, "factors", time.Minute, "sent_at") // another code may be sent
	other.Browser, page = r.h.another(r.user.Email)
	if _, _, unsent := page.Form("/resend"); unsent && !strings.Contains(page.Body, "one-time-code") {
		page = other.Submit(page, "/resend")
	}
	want(r.h.t, other.Submit(page, "/email", "code", r.h.box.Code(r.user.Email)), http.StatusOK, "Your account")
	return &other
}

// The code that confirms a new authenticator is a proof of it: the recovery codes that
// come with the first are shown at once, and in another session they are not.
func TestCodesOfAFirstAuthenticatorAreShownWhereItWasSetUp(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		h := open(t, db, byEmail)
		r := h.moveIn(maya)
		h.SetPolicy(idp.Agents, byBoth, populations.OnNextLogin)
		page := r.at("/second-step/add")
		phone := idptest.Scan(t, page)
		page = r.Submit(page, "/second-step/add", "code", phone.Code(0))
		if codes := idptest.RecoveryCodes(page); len(codes) != 10 {
			t.Fatalf("%d codes on %q (%s)", len(codes), page.Heading(), page.URL)
		}
		asksForTheApp(t, "codes in another session", r.byMail().at("/codes"))
	})
}
