package login_test

import (
	"net/http"
	"net/url"
	"testing"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/manage/authz"
	"gatehouse/idp/manage/people"
	"gatehouse/idp/manage/populations"
)

// Each of these was a hole that a review found.

// A code that was sent to one's own mailbox does not open somebody else's account
// in the same sign-in.
func TestAnEmailCodeIsThePersonsItWasSentTo(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		h, box := mailed(t, db, byMail)
		const other = "other@rtx.example"
		h.AddUser(idp.Agents, other)
		owner := idptest.NewBrowser(t)
		wantLeft(t, owner.Submit(h.accepted(owner), "/email", "code", box.Code(email)))
		for _, rested := range []bool{false, true} {
			b := idptest.NewBrowser(t)
			page := b.Submit(h.atPassword(b), "/password", "email", other, "password", idptest.Password)
			mine := box.Code(other)
			page = b.Submit(page, "/restart")
			if rested {
				h.rest()
			}
			page = b.Submit(page, "/password", "email", email, "password", idptest.Password)
			page = b.Post(flowOf(page)+"/email", url.Values{"code": {mine}})
			if page.Left != nil {
				t.Fatalf("somebody else's code signed in (30 s later: %t)", rested)
			}
			h.rest()
			h.calm()
		}
	})
}

// A thief who gets a browser known by the password alone, at an app that asks for no
// more, has no budget of his own at the second factor.
func TestThePasswordAloneMakesNoBrowserOnesOwn(t *testing.T) {
	t.Parallel()
	h := alone(t)
	phone, _ := h.enrol(idptest.NewBrowser(t))
	lax := h.AddParty(idp.Client{Name: "Lax"})
	h.SetOverride(lax.Client.ID, idp.Override{Mode: idp.OverrideOff}, populations.OnNextLogin)
	compared := 0
	for range 3 {
		b := idptest.NewBrowser(t)
		wantLeft(t, b.Submit(b.Get(lax.Begin().URL), "/password", "email", email, "password", idptest.Password))
		page := b.Get(h.party.Begin().URL)
		for range 5 {
			page = b.Post(flowOf(page)+"/totp", url.Values{"code": {wrong(phone)}})
			if page.Status == http.StatusUnprocessableEntity {
				compared++
			}
		}
	}
	if compared > 6 {
		t.Errorf("%d guesses in a row were compared at once", compared)
	}
}

// Recovery codes are shown and made for a second step of this very sign-in, not for
// one that a session had long ago.
func TestAnOpenSessionYieldsNoRecoveryCodes(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		h := open(t, db)
		_, codes := h.enrol(idptest.NewBrowser(t))
		h.exec("UPDATE recovery_codes SET used_at = (SELECT created_at FROM recovery_sets) WHERE position >= 3")
		b := idptest.NewBrowser(t)
		wantLeft(t, b.Submit(b.Submit(h.atRecovery(b), "/recovery", "code", codes[0]), "/told"))
		h.db.Age(t, "recovery_sets", 3*time.Hour, "created_at")
		again := func() *idptest.Page {
			page := b.Get(h.party.Begin("prompt", "select_account").URL)
			return b.Submit(page, "/choose", "session", h.session())
		}
		again()
		page := b.Post(h.Issuer+"/login/"+lastFlow(h)+"/regenerate", nil)
		if n := len(idptest.RecoveryCodes(page)); n != 0 {
			t.Errorf("%d new recovery codes without any proof", n)
		}
		idptest.Must(t, h.Manage.Factors.RegenerateRecoveryCodes(t.Context(), authz.System(), h.user.ID, "lost"))
		if n := len(idptest.RecoveryCodes(again())); n != 0 {
			t.Errorf("%d recovery codes are shown without any proof", n)
		}
	})
}

func (h *house) session() (id string) {
	h.t.Helper()
	row := h.db.SQL().QueryRowContext(h.t.Context(), "SELECT id FROM sessions WHERE ended_at IS NULL ORDER BY created_at DESC, id DESC LIMIT 1")
	idptest.Must(h.t, row.Scan(&id))
	return id
}

func lastFlow(h *house) (id string) {
	row := h.db.SQL().QueryRowContext(h.t.Context(), "SELECT id FROM flows ORDER BY created_at DESC LIMIT 1")
	idptest.Must(h.t, row.Scan(&id))
	return id
}

// An app was changed "immediately": the password alone, given elsewhere, does not
// bring the authenticator's earlier proof back to life there.
func TestImmediatelyIsNotUndoneElsewhere(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		h := open(t, db)
		strict, lax := h.AddParty(idp.Client{Name: "Strict"}), h.AddParty(idp.Client{Name: "Lax"})
		h.SetOverride(lax.Client.ID, idp.Override{Mode: idp.OverrideOff}, populations.OnNextLogin)
		b := idptest.NewBrowser(t)
		h.enrol(b)
		wantLeft(t, b.Get(strict.Begin().URL))
		h.SetOverride(strict.Client.ID, idp.Override{Mode: idp.OverrideRequired, MinACR: idp.ACRMFA}, populations.Immediately)
		page := b.Get(lax.Begin("prompt", "login").URL)
		wantLeft(t, b.Submit(page, "/password", "password", idptest.Password))
		want(t, b.Get(strict.Begin().URL), http.StatusOK, "Enter the code from your app")
	})
}

// A sign-in that was left standing on its last page ends with the sessions, whoever
// ends them.
func TestAParkedSignInEndsToo(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(h *house){
		"sign out": func(h *house) {
			_, err := h.Manage.People.SignOut(h.t.Context(), authz.System(), h.user.ID, "stolen", people.EndAppAccess)
			idptest.Must(h.t, err)
		},
		"immediately": func(h *house) {
			h.SetPolicy(idp.Agents, idp.Policy{Authenticator: true}, populations.Immediately)
		},
	} {
		t.Run(name, func(t *testing.T) {
			idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
				h := open(t, db)
				_, codes := h.enrol(idptest.NewBrowser(t))
				b := idptest.NewBrowser(t)
				notice := b.Submit(h.atRecovery(b), "/recovery", "code", codes[0])
				end(h)
				if page := b.Submit(notice, "/told"); page.Left != nil {
					t.Error("an earlier sign-in got a session after")
				}
			})
		})
	}
}

// A closed browser has lost its session's cookie; an address from its history does
// not give it back.
func TestAFinishedFlowGivesNoCookieBackLater(t *testing.T) {
	t.Parallel()
	h := alone(t)
	b := idptest.NewBrowser(t)
	page := h.atPassword(b)
	flow := flowOf(page)
	page = b.Submit(page, "/password", "email", email, "password", idptest.Password)
	phone := idptest.Scan(t, page)
	wantLeft(t, b.Submit(b.Submit(page, "/enrol", "code", phone.Code(0)), "/saved", "saved", "yes"))
	h.db.Age(t, "sessions", 2*time.Minute, "last_seen_at")
	b.Jar.SetCookies(h.site(), []*http.Cookie{{Name: "gatehouse_session_agents", Value: "", Path: "/", MaxAge: -1}})
	if page := b.Post(flow+"/saved", url.Values{"saved": {"yes"}}); page.Left != nil {
		t.Error("the session came back")
	}
}

// A session from before email codes were turned on sets up an authenticator for an
// app that wants one: the email code comes first all the same.
func TestEmailCodesComeFirstUnderAnOlderPolicyToo(t *testing.T) {
	t.Parallel()
	h, box := mailed(t, idptest.Alone(t), idp.Policy{})
	strict := h.AddParty(idp.Client{Name: "Strict"})
	h.SetOverride(strict.Client.ID, idp.Override{Mode: idp.OverrideRequired, MinACR: idp.ACRMFA}, populations.OnNextLogin)
	b := idptest.NewBrowser(t)
	wantLeft(t, h.accepted(b))
	h.SetPolicy(idp.Agents, either, populations.OnNextLogin)
	page := b.Get(strict.Begin().URL)
	want(t, page, http.StatusOK, mailHeading)
	page = b.Submit(page, "/resend")
	page = b.Submit(page, "/email", "code", box.Code(email))
	phone := idptest.Scan(t, page)
	wantLeft(t, b.Submit(b.Submit(page, "/enrol", "code", phone.Code(0)), "/saved", "saved", "yes"))
}

// A first step of its own makes a sign-in a new one: what its session proved under older
// policies is asked for again, and no token goes without it.
func TestWhatWasProvedUnderOlderPoliciesIsAskedForAgain(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		h := open(t, db)
		b := idptest.NewBrowser(t)
		phone, _ := h.enrol(b)
		s, err := h.Store.Session(t.Context(), h.session())
		idptest.Must(t, err)
		for i := range s.Proofs {
			if s.Proofs[i].Method == idp.MethodPassword {
				s.Proofs[i].At = s.Proofs[i].At.Add(-2 * time.Hour)
			}
		}
		idptest.Must(t, h.Store.RenewSession(t.Context(), s))
		h.SetPolicy(idp.Agents, idp.Policy{Authenticator: true, IssuerLabel: "Another"}, populations.OnNextLogin)
		a := h.party.Begin("max_age", "3600")
		page := b.Submit(b.Get(a.URL), "/password", "password", idptest.Password)
		want(t, page, http.StatusOK, "Enter the code from your app")
		h.forget()
		page = b.Submit(page, "/totp", "code", phone.Code(0))
		wantLeft(t, page)
		if claims := h.party.Exchange(a, page.Left).Claims; claims["acr"] != string(idp.ACRMFA) {
			t.Errorf("the token says %v", claims)
		}
	})
}
