package login_test

import (
	"net/http"
	"strings"
	"testing"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/manage/populations"
)

const appHeading = "Enter the code from your app"

// Whoever used the email code last is asked for it at once, with the app below it, and the
// other way round. A code that was sent and not given was not used.
func TestTheMethodUsedLastComesFirst(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		h, box := mailed(t, db, idp.Policy{Authenticator: true})
		b := idptest.NewBrowser(t)
		phone, codes := h.enrol(b)
		h.SetPolicy(idp.Agents, either, populations.OnNextLogin)

		b = idptest.NewBrowser(t)
		page := h.atCode(b)
		page = b.Submit(page, "/method", "method", "email")
		want(t, page, http.StatusOK, mailHeading)
		box.Code(email)
		b = idptest.NewBrowser(t)
		want(t, h.accepted(b), http.StatusOK, appHeading)

		h.rest()
		page = b.Submit(h.accepted(b), "/method", "method", "email")
		wantLeft(t, b.Submit(page, "/email", "code", box.Code(email)))

		h.rest()
		b = idptest.NewBrowser(t)
		page = h.accepted(b)
		want(t, page, http.StatusOK, mailHeading)
		if _, _, offered := page.Form("/method"); !offered || !strings.Contains(page.Body, `value="totp"`) {
			t.Errorf("the app is not offered below:\n%s", page.Body)
		}
		wantText(t, page, http.StatusOK, "m•••@rtx.example")
		box.Code(email) // sent at once, by the password's own step
		page = b.Submit(page, "/method", "method", "totp")
		h.forget()
		wantLeft(t, b.Submit(page, "/totp", "code", phone.Code(0)))

		// A recovery code is for the day without the rest, and never comes first.
		b = idptest.NewBrowser(t)
		page = b.Submit(h.accepted(b), "/method", "method", "recovery")
		page = b.Submit(page, "/recovery", "code", codes[0])
		wantLeft(t, b.Submit(page, "/told"))
		b = idptest.NewBrowser(t)
		want(t, h.accepted(b), http.StatusOK, appHeading)
	})
}

// Who chose the email code in place of an app does not choose again, and may still set one up.
func TestWhoChoseTheEmailCodeDoesNotChooseAgain(t *testing.T) {
	t.Parallel()
	h, box := mailed(t, idptest.Alone(t), either)
	b := idptest.NewBrowser(t)
	page := b.Submit(h.accepted(b), "/method", "method", "email")
	wantLeft(t, b.Submit(page, "/email", "code", box.Code(email)))

	h.rest()
	b = idptest.NewBrowser(t)
	page = h.accepted(b)
	want(t, page, http.StatusOK, mailHeading)
	box.Code(email)
	if !strings.Contains(page.Body, `value="totp"`) {
		t.Errorf("setting up the app is not offered:\n%s", page.Body)
	}

	h.SetPolicy(idp.Agents, idp.Policy{Authenticator: true}, populations.OnNextLogin)
	b = idptest.NewBrowser(t)
	if page = h.accepted(b); page.Heading() == mailHeading {
		t.Error("a method that the policy has no longer comes first")
	}
	h.SetPolicy(idp.Agents, either, populations.OnNextLogin)
	h.exec("UPDATE factors SET disabled_at = created_at")
	b = idptest.NewBrowser(t)
	if page = h.accepted(b); page.Heading() == mailHeading {
		t.Error("a method that was stopped comes first")
	}
}

// A session that is not enough is asked for more without a POST: the page offers to send the
// code, and sends nothing.
func TestLookingAtTheFirstMethodSendsNothing(t *testing.T) {
	t.Parallel()
	h, box := mailed(t, idptest.Alone(t), either)
	b := idptest.NewBrowser(t)
	page := b.Submit(h.accepted(b), "/method", "method", "email")
	wantLeft(t, b.Submit(page, "/email", "code", box.Code(email)))
	h.rest()

	lax := h.AddParty(idp.Client{Name: "Lax"})
	h.SetOverride(lax.Client.ID, idp.Override{Mode: idp.OverrideOff}, populations.OnNextLogin)
	b = idptest.NewBrowser(t)
	wantLeft(t, b.Submit(b.Get(lax.Begin().URL), "/password", "email", email, "password", idptest.Password))
	before, mails := h.rows("factors"), h.count("outbox")
	page = b.Get(h.party.Begin().URL)
	want(t, page, http.StatusOK, mailHeading)
	wantText(t, page, http.StatusOK, "Send code")
	if after := h.rows("factors"); strings.Join(before, "") != strings.Join(after, "") || h.count("outbox") != mails {
		t.Errorf("looking wrote:\n%v\n%v", before, after)
	}
	wantLeft(t, b.Submit(b.Submit(page, "/resend"), "/email", "code", box.Code(email)))
}
