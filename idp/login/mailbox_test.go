package login_test

import (
	"net/http"
	"strings"
	"testing"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/manage/authz"
	"gatehouse/idp/manage/populations"
)

// A password that came by mail is one factor with the mailbox. Replacing it, where the
// rules have that, or at an app without a second step, proves nothing beside it: the
// email code is still no second step, until the authenticator was asked.
func TestAReplacedPasswordThatCameByMailStaysOne(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		h, box := mailed(t, db, either)
		h.require(withDigit, populations.OnNextLogin)
		strict := h.AddParty(idp.Client{Name: "Strict"})
		h.SetOverride(strict.Client.ID, idp.Override{Mode: idp.OverrideRequired, MinACR: idp.ACRMFA}, populations.OnNextLogin)
		lax := h.AddParty(idp.Client{Name: "Lax"})
		h.SetOverride(lax.Client.ID, idp.Override{Mode: idp.OverrideOff}, populations.OnNextLogin)
		idptest.Must(t, h.Manage.People.SetPassword(t.Context(), authz.System(), h.user.ID, better, "begin"))
		owner := idptest.NewBrowser(t)
		page := owner.Submit(owner.Get(strict.Begin().URL), "/password", "email", email, "password", better)
		page = owner.Submit(page, "/email", "code", box.Code(email))
		phone := idptest.Scan(t, page)
		wantLeft(t, owner.Submit(owner.Submit(page, "/enrol", "code", phone.Code(0)), "/saved", "saved", "yes"))
		h.require(withSpecial, populations.OnNextLogin)
		h.exec("UPDATE users SET password_by_mail_at = created_at")

		thief := idptest.NewBrowser(t)
		page = thief.Submit(thief.Get(lax.Begin().URL), "/password", "email", email, "password", better)
		want(t, page, http.StatusOK, asksForAnother)
		const chosen = "7 Patient horses!"
		wantLeft(t, thief.Submit(page, "/change", "password", chosen))
		if n := h.count("users WHERE password_by_mail_at IS NOT NULL"); n != 1 {
			t.Error("the password counts as one that did not come by mail")
		}
		next := idptest.NewBrowser(t)
		page = next.Submit(h.atPassword(next), "/password", "email", email, "password", chosen)
		want(t, page, http.StatusOK, "Enter the code from your app")
		if strings.Contains(page.Body, `value="email"`) {
			t.Error("the mailbox is offered as a second step")
		}
		h.forget()
		wantLeft(t, next.Submit(page, "/totp", "code", phone.Code(0)))
		if n := h.count("users WHERE password_by_mail_at IS NOT NULL"); n != 0 {
			t.Error("the authenticator did not settle it")
		}
	})
}
