package login_test

import (
	"net/http"
	"testing"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/manage/authz"
	"gatehouse/idp/manage/populations"
)

// A thief who has given the old password, and stands in the middle of the sign-in,
// has nothing of it once somebody helps the owner.
func TestHelpEndsSignInsUnderWay(t *testing.T) {
	t.Parallel()
	for name, help := range map[string]func(h *house) error{
		"reset": func(h *house) error {
			return h.Manage.Factors.ResetMFA(h.t.Context(), authz.System(), h.user.ID, "stolen")
		},
		"new password": func(h *house) error {
			return h.Manage.People.SetPassword(h.t.Context(), authz.System(), h.user.ID, "another long password", "stolen")
		},
	} {
		t.Run(name, func(t *testing.T) {
			idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
				h := open(t, db)
				thief := idptest.NewBrowser(t)
				page := h.accepted(thief)
				phone := idptest.Scan(t, page)
				idptest.Must(t, help(h))
				want(t, thief.Submit(page, "/enrol", "code", phone.Code(0)), http.StatusOK, "Sign in to Test app") // it starts again
				if n := h.count("factors"); n != 0 {
					t.Error("the thief's phone was enrolled")
				}
			})
		})
	}
}

// The password is changed while a sign-in with the old one is being checked: either
// the sign-in was first and is ended, or it is refused.
func TestAChangeOfPasswordRacesASignIn(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		h := open(t, db)
		h.SetPolicy(idp.Agents, idp.Policy{}, populations.OnNextLogin)
		passwords := []string{idptest.Password, "another long password"}
		for round := range 8 {
			h.calm()
			b := idptest.NewBrowser(t)
			form := h.atPassword(b)
			idptest.Race(2, func(i int) error {
				if i == 0 {
					return h.Manage.People.SetPassword(t.Context(), authz.System(), h.user.ID, passwords[(round+1)%2], "race")
				}
				b.Submit(form, "/password", "email", email, "password", passwords[round%2])
				return nil
			})
			if page := b.Get(h.party.Begin("prompt", "none").URL); page.Left.Query().Get("error") != "login_required" {
				t.Fatalf("round %d: the old password opened a session", round)
			}
		}
	})
}
