package login_test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/manage/populations"
	"gatehouse/idp/throttle"
)

const (
	sent    = "Check your mail"
	changed = "Your password is changed"
	dead    = "This link does not work any more"
)

// Somebody who forgot their password gets a link, sets another, and signs in with it
// and their second step. Everything that stood open is closed, and they are told.
func TestForgotPassword(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		h := withLinks(t, db, idp.Policy{Authenticator: true})
		before := idptest.NewBrowser(t)
		page, phone, _ := idptest.Enrol(before, h.party, h.party.Begin(), email)
		wantLeft(t, page)

		b := idptest.NewBrowser(t)
		page = h.forgot(b, " MAYA@rtx.example ")
		want(t, page, http.StatusOK, sent)
		link := h.link(email)
		if kept := h.count("links WHERE kind = 'reset' AND user_id = '" + h.user.ID + "'"); kept != 1 || strings.Contains(strings.Join(h.linkRows(), ""), link[len(link)-43:]) {
			t.Errorf("%d links; the token is kept", kept)
		}

		// Mail scanners open links, as often as they like.
		h.quiet()
		rows := h.linkRows()
		for range 3 {
			page = idptest.NewBrowser(t).Get(link)
			want(t, page, http.StatusOK, "Set a new password")
			wantText(t, page, http.StatusOK, email)
		}
		if !slices.Equal(rows, h.linkRows()) {
			t.Error("looking at a link changed something")
		}
		wantText(t, submit(b, link, "password", "short"), http.StatusUnprocessableEntity, `data-rule="too_short" class="broken"`)
		wantText(t, submit(b, link, "password", ""), http.StatusUnprocessableEntity, "Enter your password.")
		wantText(t, submit(b, link, "password", "maya@rtx.example"), http.StatusUnprocessableEntity, `data-rule="personal" class="broken"`)
		page = submit(b, link, "password", fresh)
		want(t, page, http.StatusOK, changed)
		if got := follow(t, page, "Sign in"); !strings.Contains(got, "/login/") {
			t.Errorf("the sign-in under way is at %s", got)
		}
		if page := before.Get(h.party.Begin("prompt", "none").URL); page.Left.Query().Get("error") != "login_required" {
			t.Error("an older session still counts")
		}
		if l := h.box.Next(email); l.Subject != "Your password was changed" {
			t.Errorf("the notice is %q", l.Subject)
		}

		page = b.Get(follow(t, page, "Sign in"))
		wantText(t, b.Submit(page, "/password", "email", email, "password", idptest.Password), http.StatusUnprocessableEntity, "do not match")
		page = b.Submit(page, "/password", "email", email, "password", fresh)
		want(t, page, http.StatusOK, "Enter the code from your app")
		h.exec("UPDATE factors SET last_step = 0")
		wantLeft(t, b.Submit(page, "/totp", "code", phone.Code(0)))
		if n := h.Audited(idp.AuditResetUsed); n != 1 {
			t.Errorf("%d events of a link that was used", n)
		}
	})
}

// Mailbox and mailbox is one factor: after a reset by mail, who has an authenticator is
// not offered the email code, in whatever browser, until they have proved it once.
func TestAfterAResetTheMailboxIsNoSecondStep(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		h := withLinks(t, db, idp.Policy{Authenticator: true})
		_, phone, _ := idptest.Enrol(idptest.NewBrowser(t), h.party, h.party.Begin(), email)
		h.SetPolicy(idp.Agents, either, populations.OnNextLogin)
		const offer = "Enter OTP received via email"
		b := idptest.NewBrowser(t)
		wantText(t, b.Submit(h.at(b), "/password", "email", email, "password", idptest.Password), http.StatusOK, offer)

		h.forgot(b, email)
		want(t, submit(b, h.link(email), "password", fresh), http.StatusOK, changed)
		for range 2 { // the first leaves it at that
			thief := idptest.NewBrowser(t)
			page := thief.Submit(h.at(thief), "/password", "email", email, "password", fresh)
			want(t, page, http.StatusOK, "Enter the code from your app")
			if strings.Contains(page.Body, offer) {
				t.Fatal("the email code is offered after a reset by mail")
			}
		}
		page := b.Submit(h.at(b), "/password", "email", email, "password", fresh)
		h.exec("UPDATE factors SET last_step = 0")
		wantLeft(t, b.Submit(page, "/totp", "code", phone.Code(0)))
		next := idptest.NewBrowser(t)
		wantText(t, next.Submit(h.at(next), "/password", "email", email, "password", fresh), http.StatusOK, offer)
	})
}

// Known and unknown, disabled and absent people get one answer, to the letter, and only
// those who can sign in get a link.
func TestForgotPasswordTellsNothing(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		h := withLinks(t, db, idp.Policy{Authenticator: true})
		h.AddUser(idp.Agents, "left@rtx.example")
		h.exec("UPDATE users SET disabled = TRUE WHERE email = 'left@rtx.example'")
		answers := map[string]bool{}
		for _, address := range []string{email, "nobody@rtx.example", "left@rtx.example", "maya+tag@rtx.example", "o'brien@rtx.example", "用户@例子.example", "a@b"} {
			page := h.forgot(idptest.NewBrowser(t), address)
			want(t, page, http.StatusOK, sent)
			answers[page.Impersonal()] = true
		}
		if len(answers) != 1 {
			t.Errorf("%d different answers", len(answers))
		}
		h.link(email)
		h.quiet()
		if n := len(h.box.All("")); n != 1 {
			t.Errorf("%d mails, want 1", n)
		}
		if n := h.Audited(idp.AuditResetAsked); n != 7 {
			t.Errorf("%d events", n)
		}
		for _, bad := range []string{"", "maya", "maya@rtx.example\r\nBcc: thief@rtx.example", "Maya <maya@rtx.example>", "maya@rtx.example, thief@rtx.example", "a\x00b@rtx.example"} {
			if page := h.forgot(idptest.NewBrowser(t), bad); page.Status != http.StatusUnprocessableEntity {
				t.Errorf("%q: status %d", bad, page.Status)
			}
		}
	})
}

// Whatever spelling is typed, the mail goes to the address that the account has.
func TestALookAlikeIsMailedWhereTheAccountIs(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		h := withLinks(t, db, idp.Policy{Authenticator: true})
		h.AddUser(idp.Agents, "mike@bücher.example")
		for typed, to := range map[string]string{"ｍaya@rtx.example": email, "mi\u212ae@XN--BCHER-KVA.example": "mike@xn--bcher-kva.example"} {
			h.forgot(idptest.NewBrowser(t), typed)
			h.link(to)
		}
		h.forgot(idptest.NewBrowser(t), "mауa@rtx.example") // Cyrillic а and у: somebody else
		h.quiet()
		if n := len(h.box.All("")); n != 2 {
			t.Errorf("%d mails, want 2", n)
		}
	})
}

// A link that was used, replaced, made up, too old or for an account that is not what
// it was gives a page that says what to do; so does one of another kind.
func TestLinksThatDoNotWork(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		h := withLinks(t, db, idp.Policy{Authenticator: true})
		b := idptest.NewBrowser(t)
		get := func() string {
			h.calm()
			h.forgot(b, email)
			link := h.link(email)
			h.quiet()
			return link
		}
		refused := func(name, link string) {
			t.Helper()
			rows := h.linkRows()
			for _, page := range []*idptest.Page{b.Get(link), post(b, link, "password", "some other password")} {
				if page.Status != http.StatusGone || !strings.Contains(page.Body, "Forgot password?") {
					t.Errorf("%s: status %d, %q", name, page.Status, page.Heading())
				}
			}
			if !slices.Equal(rows, h.linkRows()) {
				t.Errorf("%s changed something", name)
			}
		}
		first := get()
		second := get()
		refused("tampered", second[:len(second)-1]+"!")
		refused("cut", second[:len(second)-1])
		refused("odd", second[:len(second)-43]+"%00%ff")
		other := strings.Replace(second, "/reset/", "/invitation/", 1)
		if page := b.Get(other); page.Status != http.StatusGone {
			t.Errorf("as an invitation: %d", page.Status)
		}
		want(t, submit(b, second, "password", fresh), http.StatusOK, changed)
		h.quiet()
		refused("used", second)
		refused("older than one that was used", first)

		old := get()
		h.db.Age(t, "links", idp.ResetLifetime, "expires_at")
		refused("expired", old)
		moved := get()
		h.exec("UPDATE users SET email = 'maya@other.example'")
		refused("of an address that was given up", moved)
		h.exec("UPDATE users SET email = '" + email + "'")
		gone := get()
		h.exec("UPDATE users SET disabled = TRUE")
		refused("of a disabled account", gone)
	})
}

// Anybody can ask for another link while the owner of an account has one open: the older
// one goes on working.
func TestAStrangerEndsNobodysResetLink(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		h := withLinks(t, db, idp.Policy{Authenticator: true})
		owner, stranger := idptest.NewBrowser(t), idptest.NewBrowser(t)
		h.forgot(owner, email)
		link := h.link(email)
		for range 5 {
			h.quiet()
			h.calm()
			h.forgot(stranger, email)
			h.link(email)
		}
		want(t, submit(owner, link, "password", fresh), http.StatusOK, changed)
	})
}

// Of two who use one link at once, one sets a password.
func TestALinkWorksOnce(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		h := withLinks(t, db, idp.Policy{Authenticator: true})
		h.forgot(idptest.NewBrowser(t), email)
		link := h.link(email)
		var mu sync.Mutex
		statuses := map[int]int{}
		var done sync.WaitGroup
		for i := range 6 {
			b := idptest.NewBrowser(t)
			done.Go(func() {
				page := post(b, link, "password", fmt.Sprintf("another password %d", i))
				mu.Lock()
				statuses[page.Status]++
				mu.Unlock()
			})
		}
		done.Wait()
		if statuses[http.StatusOK] != 1 || statuses[http.StatusGone] != 5 {
			t.Errorf("statuses %v", statuses)
		}
		if n := h.Audited(idp.AuditResetUsed); n != 1 {
			t.Errorf("%d events", n)
		}
	})
}

// A password that was guessed at until it paused works again once it is set anew, and
// not before.
func TestAResetEndsThePause(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		h := withLinks(t, db, idp.Policy{})
		b := idptest.NewBrowser(t)
		wantText(t, b.Submit(h.at(b), "/password", "email", email, "password", "wrong"), http.StatusUnprocessableEntity, "do not match")
		h.exec(fmt.Sprintf("UPDATE throttles SET failures = %d WHERE kind = 'password'", throttle.Cap))
		wantText(t, b.Submit(h.at(b), "/password", "email", email, "password", idptest.Password), http.StatusTooManyRequests, "Reset it to sign in")
		h.forgot(b, email)
		want(t, submit(b, h.link(email), "password", "a password of some length"), http.StatusOK, changed)
		wantLeft(t, b.Submit(h.at(b), "/password", "email", email, "password", "a password of some length"))
	})
}

// Ten thousand requests for one address, from as many places, make one mail, and the
// person signs in meanwhile. After the window they make another one.
func TestTenThousandRequestsMakeOneMail(t *testing.T) {
	t.Parallel()
	h := withLinks(t, idptest.Alone(t), idp.Policy{})
	b := idptest.NewBrowser(t)
	page := b.Get(follow(t, h.at(b), "Forgot password?"))
	requests := 10_000
	if idptest.Raced {
		requests = 1_000
	}
	for i := range requests {
		if i%500 == 0 { // as if from other networks
			h.exec("DELETE FROM throttles WHERE kind = 'mail-address'")
		}
		if status := h.fire(b, page.URL, url.Values{"email": {email}}); status != http.StatusSeeOther && status != http.StatusTooManyRequests {
			t.Fatalf("request %d: status %d", i, status)
		}
	}
	h.link(email)
	wantLeft(t, b.Submit(h.at(b), "/password", "email", email, "password", idptest.Password))
	h.quiet()
	resets := func() (n int) {
		for _, l := range h.box.All(email) {
			if linkIn(l) != "" {
				n++
			}
		}
		return n
	}
	if n := resets(); n != 1 {
		t.Errorf("%d mails with a link, want 1", n)
	}
	h.db.Age(t, "throttles", throttle.MailWindow+time.Second, "last_at", "next_at")
	h.forgot(idptest.NewBrowser(t), email)
	h.link(email)
}

// Where people have no password with us, they are told where it lives, all alike, and
// no link is sent or works.
func TestForgotPasswordElsewhere(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		h := withLinks(t, db, idp.Policy{Authenticator: true})
		b := idptest.NewBrowser(t)
		h.forgot(b, email)
		link := h.link(email)
		flow := strings.Join(strings.Split(h.at(b).URL.Path, "/")[:3], "/")
		h.exec("UPDATE populations SET access_password = FALSE, access_federated = TRUE WHERE id = 'agents'")
		if page := b.Get(h.Issuer + flow); strings.Contains(page.Body, "Forgot password?") {
			t.Error("the sign-in offers a new password")
		}
		page := b.Get(h.Issuer + flow + "/forgot")
		wantText(t, page, http.StatusOK, "sign in with the account of their company")
		if _, _, ok := page.Form("/forgot"); ok {
			t.Error("there is a form nevertheless")
		}
		for _, address := range []string{email, "nobody@rtx.example"} {
			want(t, post(b, h.Issuer+flow+"/forgot", "email", address), http.StatusNotFound, "There is no page here")
		}
		want(t, b.Get(link), http.StatusGone, dead)
		want(t, post(b, link, "password", fresh), http.StatusGone, dead)
		wantText(t, b.Get(h.Issuer+flow+"/forgot?as=contacts"), http.StatusOK, "Send link")

		// Where both ways are open, who has no password is told by mail, and gets none.
		h.exec("UPDATE populations SET access_password = TRUE WHERE id = 'agents'")
		h.exec("UPDATE users SET password_hash = ''")
		h.calm()
		want(t, h.forgot(b, email), http.StatusOK, sent)
		for {
			if l := h.box.Next(email); l.Subject == "Your account has no password with us" {
				break
			}
		}
		if n := h.count("links WHERE used_at IS NULL AND kind = 'reset' AND created_at > (SELECT MIN(created_at) FROM links)"); n != 0 {
			t.Errorf("%d links", n)
		}
	})
}

// Without a mail server nothing is offered that could not be sent.
func TestWithoutMailThereIsNoForgotPassword(t *testing.T) {
	t.Parallel()
	app := idptest.Start(t, idptest.Alone(t).URL, "")
	party := app.AddParty(idp.Client{})
	b := idptest.NewBrowser(t)
	page := b.Get(party.Begin().URL)
	if strings.Contains(page.Body, "Forgot password?") {
		t.Error("a new password is offered")
	}
	for _, step := range []string{"/forgot", "/register"} {
		want(t, b.Get(page.URL.String()+step), http.StatusNotFound, "There is no page here")
		want(t, post(b, page.URL.String()+step, "email", email), http.StatusNotFound, "There is no page here")
	}
}

// Another site's page cannot use a link that it knows somehow, nor ask for one.
func TestLinksAreNotUsedByOtherSites(t *testing.T) {
	t.Parallel()
	h := withLinks(t, idptest.Alone(t), idp.Policy{Authenticator: true})
	b := idptest.NewBrowser(t)
	page := b.Get(follow(t, h.at(b), "Forgot password?"))
	h.forgot(b, email)
	for _, target := range []string{h.link(email), page.URL.String()} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, target, strings.NewReader("password=another+long+password&email=x%40rtx.example"))
		idptest.Must(t, err)
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header.Set("Sec-Fetch-Site", "cross-site")
		if answer := b.Do(req); answer.Status != http.StatusForbidden {
			t.Errorf("%s answers another site with %d", target, answer.Status)
		}
	}
	if n := h.Audited(idp.AuditPasswordChanged); n != 0 {
		t.Error("the password was changed")
	}
}
