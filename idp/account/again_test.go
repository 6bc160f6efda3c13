package account_test

import (
	"net/http"
	"testing"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/manage/authz"
	"gatehouse/idp/manage/populations"
)

// Taking the last authenticator away and adding one again is no way around the two hours
// between sets of recovery codes: the previous set comes back, and works.
func TestAnAuthenticatorTakenAwayAndAddedAgainBringsNoNewCodes(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		h := open(t, db, byApp)
		r := h.moveIn(maya)
		h.SetPolicy(idp.Agents, byBoth, populations.OnNextLogin)
		made := func() int { return h.Audited(idp.AuditRecoveryGenerated) }
		before := made()
		h.exec("UPDATE recovery_codes SET used_at = (SELECT created_at FROM recovery_sets) WHERE position = 0")
		r.posts("/second-step/" + r.factors()[0] + "/remove")
		if e, err := h.Store.Enrolment(t.Context(), r.user.ID); err != nil || e.Recovery != nil || e.RecoveryLeft != 0 {
			t.Fatalf("without an authenticator there are codes: %+v (%v)", e, err)
		}
		// At the next sign-in they set one up again.
		b, page := h.another(maya)
		page = b.Submit(page, "/method", "method", "totp")
		page = b.Submit(page, "/email", "code", h.box.Code(maya))
		phone := idptest.Scan(t, page)
		want(t, b.Submit(page, "/enrol", "code", phone.Code(0)), http.StatusOK, "Your account")
		if e, err := h.Store.Enrolment(t.Context(), r.user.ID); err != nil || e.RecoveryLeft != 9 || made() != before {
			t.Errorf("%d codes are left, %d sets were made (%v)", e.RecoveryLeft, made()-before, err)
		}
		r.phone = phone
		other, page := h.another(maya)
		page = other.Submit(page, "/method", "method", "recovery")
		want(t, other.Submit(other.Submit(page, "/recovery", "code", r.codes[1]), "/told"), http.StatusOK, "Your account")

		// At their account they do it once more, two hours later: there are new ones.
		r = r.returns()
		r.posts("/second-step/" + r.factors()[0] + "/remove")
		h.db.Age(t, "recovery_sets", 2*time.Hour+time.Second, "created_at")
		h.db.Age(t, "factors", time.Minute, "sent_at")
		b, page = h.another(maya)
		page = b.Submit(page, "/method", "method", "totp")
		page = b.Submit(page, "/email", "code", h.box.Code(maya))
		phone = idptest.Scan(t, page)
		page = b.Submit(page, "/enrol", "code", phone.Code(0))
		if codes := idptest.RecoveryCodes(page); len(codes) != 10 || made() != before+1 {
			t.Errorf("two hours later: %d codes on %q, %d sets", len(codes), page.Heading(), made()-before)
		}
	})
}

// After a reset there is always a fresh set, however young the previous one.
func TestAResetBringsNewCodesAtOnce(t *testing.T) {
	t.Parallel()
	h := open(t, idptest.Alone(t), byApp)
	r := h.moveIn(maya)
	h.SetPolicy(idp.Agents, byBoth, populations.OnNextLogin)
	r.posts("/second-step/" + r.factors()[0] + "/remove")
	idptest.Must(t, h.Manage.Factors.ResetMFA(t.Context(), authz.System(), r.user.ID, "lost"))
	h.SetPolicy(idp.Agents, byApp, populations.OnNextLogin)
	b, page := h.another(maya)
	phone := idptest.Scan(t, page)
	page = b.Submit(page, "/enrol", "code", phone.Code(0))
	if codes := idptest.RecoveryCodes(page); len(codes) != 10 || codes[0] == r.codes[0] {
		t.Errorf("after a reset: %v on %q", codes, page.Heading())
	}
}

// Whatever somebody proved in the session, adding an authenticator comes to a page, and
// not to a browser that goes round between the sign-in and the page for ever.
func TestAddingAnAuthenticatorNeverGoesRound(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		before, after idp.Policy
		remove        bool
	}{
		"the last one was removed":          {byApp, byBoth, true},
		"email codes came later":            {none, byBoth, false},
		"the policy came later":             {none, byApp, false},
		"email codes alone before":          {byEmail, byBoth, false},
		"email codes alone before, app now": {byEmail, byApp, false},
	} {
		t.Run(name, func(t *testing.T) {
			h := open(t, idptest.Alone(t), c.before)
			r := h.moveIn(maya)
			h.SetPolicy(idp.Agents, c.after, populations.OnNextLogin)
			if c.remove {
				want(t, r.posts("/second-step/"+r.factors()[0]+"/remove"), http.StatusOK, "Second step")
			}
			grants := h.count("grants")
			page := r.at("/second-step/add")
			if page.Status != http.StatusOK || h.count("grants") > grants+1 {
				t.Fatalf("%q (%d) after %d grants", page.Heading(), page.Status, h.count("grants")-grants)
			}
			if page.Heading() == "Enter your password again" {
				page = r.Submit(page, "/password", "password", idptest.Password)
			}
			if _, _, choice := page.Form("/method"); choice && page.Heading() != "Add an authenticator app" {
				page = r.Submit(page, "/method", "method", "email")
			}
			if _, _, mail := page.Form("/email"); mail {
				page = r.Submit(page, "/email", "code", h.box.Code(maya))
			}
			if page.Status != http.StatusOK || page.Heading() != "Add an authenticator app" && page.Heading() != "Set up your authenticator app" {
				t.Errorf("after the proofs: %q (%d) at %s", page.Heading(), page.Status, page.URL)
			}
		})
	}
}

func (h *house) count(query string) int { h.t.Helper(); return h.db.Count(h.t, query) }
