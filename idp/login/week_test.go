package login_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/mail"
	"gatehouse/idp/manage/populations"
	"gatehouse/idp/server"
	"gatehouse/idp/throttle"
)

// guesses is how often the attacker tries: from so many addresses, one guess each,
// evenly over a week. A hundred are the cap; the owner has to stand what comes after.
const (
	addresses  = 252
	betweenTwo = 7 * 24 * time.Hour / addresses
	perDay     = addresses / 7
)

// besieged is a house behind a proxy, with its owner, who has signed in from their
// own browser, and has an authenticator and recovery codes.
func besieged(t *testing.T, db *idptest.Database) (h *house, own *idptest.Browser, phone idptest.Authenticator, box *idptest.Mailbox) {
	t.Helper()
	box = idptest.NewMailbox(t)
	app := idptest.StartWith(t, server.Config{
		DatabaseURL: db.URL, DataDir: idptest.Folder(t), TrustedProxies: []string{"127.0.0.1"},
		Mail: mail.Config{Server: box.Address, Security: mail.Plain, From: "no-reply@rtx.example"},
	}, "")
	app.StartWork()
	h = &house{App: app, t: t, db: db, user: app.AddUser(idp.Agents, email)}
	h.party = app.AddParty(idp.Client{HomeURL: home})
	own = idptest.NewBrowser(t)
	phone, _ = h.enrol(own)
	app.SetPolicy(idp.Agents, either, populations.OnNextLogin)
	return h, own, phone, box
}

// from posts a form of a page from an address.
func (h *house) from(b *idptest.Browser, address int, page *idptest.Page, action string, form url.Values) *idptest.Page {
	h.t.Helper()
	return raw(h.t, b, http.MethodPost, flowOf(page)+action, form.Encode(), "Sec-Fetch-Site", "same-origin",
		"X-Forwarded-For", fmt.Sprintf("198.51.%d.%d", address/250, address%250+1))
}

// ownersDay is the owner's sign-in of the day: no wait, no refusal.
func (h *house) ownersDay(own *idptest.Browser, phone idptest.Authenticator, day int) {
	h.t.Helper()
	h.forget()
	page := own.Get(h.party.Begin("prompt", "login").URL)
	page = own.Submit(page, "/password", "email", email, "password", idptest.Password)
	if page = own.Submit(page, "/totp", "code", phone.Code(0)); page.Left == nil {
		h.t.Fatalf("day %d: the owner ends on %q (status %d)\n%s", day, page.Heading(), page.Status, page.Body)
	}
}

// passes lets the time between two guesses pass, and the codes of the hour expire.
func (h *house) passes() {
	h.t.Helper()
	h.db.Age(h.t, "throttles", betweenTwo)
	h.db.Age(h.t, "factors", betweenTwo, "sent_at")
}

// TestAWeekOfGuessingPasswords: strangers get a hundred guesses and no more, and the
// owner does not notice.
func TestAWeekOfGuessingPasswords(t *testing.T) {
	t.Parallel()
	h, own, phone, _ := besieged(t, idptest.Alone(t))
	b := idptest.NewBrowser(t)
	for i := range addresses {
		if i%perDay == 0 {
			h.ownersDay(own, phone, i/perDay)
			h.db.Age(t, "sessions", 24*time.Hour)
		}
		page := b.Get(h.party.Begin().URL)
		after := h.from(b, i, page, "/password", url.Values{"email": {email}, "password": {fmt.Sprint("guess ", i)}})
		if after.Status != http.StatusUnprocessableEntity && after.Status != http.StatusTooManyRequests {
			t.Fatalf("guess %d: status %d", i, after.Status)
		}
		h.passes()
	}
	if n := h.count("audit_events WHERE kind = 'password.refused'"); n != throttle.Cap {
		t.Errorf("%d guesses were compared, want %d", n, throttle.Cap)
	}
	// Even the right password does not open a browser that nobody knows now.
	page := h.from(b, 1, b.Get(h.party.Begin().URL), "/password", url.Values{"email": {email}, "password": {idptest.Password}})
	wantText(t, page, http.StatusTooManyRequests, "your password is paused in this browser")
	h.ownersDay(own, phone, 7)
}

// TestAWeekOfGuessingCodes: a thief who has the password guesses at every second
// factor. Each stands a hundred guesses and then is closed to strangers; the owner
// is told, and signs in throughout.
func TestAWeekOfGuessingCodes(t *testing.T) {
	t.Parallel()
	h, own, phone, box := besieged(t, idptest.Alone(t))
	bad := map[idp.Method]string{idp.MethodTOTP: wrong(phone), idp.MethodRecovery: "0000-0000-0000-0000"}
	kinds := map[idp.Method]idp.AuditKind{
		idp.MethodTOTP: idp.AuditCodeRefused, idp.MethodRecovery: idp.AuditRecoveryRefused, idp.MethodEmail: idp.AuditEmailRefused,
	}
	b := idptest.NewBrowser(t)
	page := h.accepted(b)
	for i := range addresses {
		if i%perDay == 0 {
			h.ownersDay(own, phone, i/perDay)
			h.db.Age(t, "sessions", 24*time.Hour)
			page = h.accepted(b)
		}
		for _, m := range []idp.Method{idp.MethodTOTP, idp.MethodRecovery, idp.MethodEmail} {
			action, code := "/"+string(m), bad[m]
			if m == idp.MethodEmail {
				code = h.wrongMailCode(page)
				h.from(b, i, page, "/resend", url.Values{})
			}
			if after := h.from(b, i, page, action, url.Values{"code": {code}}); after.Left != nil || after.Status >= 500 {
				t.Fatalf("guess %d at %s: status %d", i, m, after.Status)
			}
		}
		h.passes()
	}
	for m, kind := range kinds {
		if n := h.count("audit_events WHERE kind = '" + string(kind) + "'"); n != throttle.Cap {
			t.Errorf("%s: %d guesses were compared, want %d", m, n, throttle.Cap)
		}
	}
	want(t, b.Get(flowOf(h.accepted(b))), http.StatusForbidden, "Enter the code from your app")
	h.ownersDay(own, phone, 7)
	told := 0
	for _, letter := range box.All(email) {
		if strings.HasSuffix(letter.Subject, "turned off") {
			told++
		}
	}
	if told != len(kinds) {
		t.Errorf("the owner got %d notices of disabled factors, want %d", told, len(kinds))
	}
}

// wrongMailCode is a code that no mail to the owner had: the codes are six digits,
// and a thief who cannot read the mailbox has nothing better.
func (h *house) wrongMailCode(*idptest.Page) string { return "000000" }
