package account_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/manage"
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
		h.SetPolicy(idp.Agents, byBoth, manage.OnNextLogin)
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
		if err != nil || len(e.TOTP) != 1 || e.TOTP[0].Name == "Broken" || !e.Recovery.SavedAt.IsZero() {
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
		h.SetPolicy(idp.Agents, byBoth, manage.OnNextLogin)
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

// Where authenticator and recovery codes are disabled, the email code is the strongest
// that works: there is a way, and it does not go round in circles.
func TestTheStrongestStepThatWorksIsEnough(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		h := open(t, db, byApp)
		owner := h.moveIn(maya)
		h.SetPolicy(idp.Agents, byBoth, manage.OnNextLogin)
		r := owner.byMail()
		h.exec("UPDATE factors SET disabled_at = '2026-01-01 00:00:00' WHERE method = 'totp'")
		asksForRecovery := r.at("/second-step/add")
		if asksForRecovery.Heading() == "Add an authenticator app" {
			t.Error("recovery codes work, and an email code is enough")
		}
		h.exec("UPDATE recovery_sets SET disabled_at = '2026-01-01 00:00:00'")
		want(t, owner.byMailOnly().at("/second-step/add"), http.StatusOK, "Add an authenticator app")
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
		h.SetPolicy(idp.Agents, byBoth, manage.OnNextLogin)
		page := r.at("/second-step/add")
		phone := idptest.Scan(t, page)
		page = r.Submit(page, "/second-step/add", "code", phone.Code(0))
		if codes := idptest.RecoveryCodes(page); len(codes) != 10 {
			t.Fatalf("%d codes on %q (%s)", len(codes), page.Heading(), page.URL)
		}
		asksForTheApp(t, "codes in another session", r.byMail().at("/codes"))
	})
}
