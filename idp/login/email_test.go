package login_test

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/manage/populations"
	"gatehouse/mfa"
)

// mailed is a house that sends mail, with a policy.
func mailed(t *testing.T, db *idptest.Database, p idp.Policy) (*house, *idptest.Mailbox) {
	t.Helper()
	app, box := idptest.StartWithMail(t, db.URL)
	h := &house{App: app, t: t, db: db, box: box, user: app.AddUser(idp.Agents, email)}
	h.party = app.AddParty(idp.Client{HomeURL: home, Claims: idp.PortalClaims()})
	app.SetPolicy(idp.Agents, p, populations.OnNextLogin)
	return h, box
}

var (
	byMail = idp.Policy{EmailCode: true}
	either = idp.Policy{Authenticator: true, EmailCode: true}
)

const mailHeading = "Enter the code from your email"

// rest lets the time pass until the next code may be sent.
func (h *house) rest() { h.t.Helper(); h.db.Age(h.t, "factors", mfa.ResendAfter, "sent_at") }

func wantAMR(t *testing.T, tokens idptest.Tokens, acr idp.ACR, amr string) {
	t.Helper()
	var got []string
	list, _ := tokens.Claims["amr"].([]any)
	for _, v := range list {
		got = append(got, v.(string))
	}
	if tokens.Claims["acr"] != string(acr) || strings.Join(got, " ") != amr {
		t.Errorf("acr %v, amr %v; want %s, %s", tokens.Claims["acr"], got, acr, amr)
	}
}

func TestEmailAloneIsSentAtOnceAndOnce(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		h, box := mailed(t, db, byMail)
		b := idptest.NewBrowser(t)
		attempt := h.party.Begin()
		page := b.Submit(b.Get(attempt.URL), "/password", "email", email, "password", idptest.Password)
		want(t, page, http.StatusOK, mailHeading)
		wantText(t, page, http.StatusOK, "m•••@rtx.example")
		code := box.Code(email)
		for range 3 {
			want(t, b.Get(page.URL.String()), http.StatusOK, mailHeading)
		}
		page = b.Submit(page, "/email", "code", " "+code[:3]+" "+code[3:])
		wantLeft(t, page)
		tokens := h.party.Exchange(attempt, page.Left)
		if wantAMR(t, tokens, idp.ACRTwoStep, "pwd otp mca mfa"); tokens.Claims["email_verified"] != true {
			t.Error("the address is not verified after a code that was sent to it")
		}
		if n := len(box.All(email)); n != 1 {
			t.Errorf("%d mails came, want 1", n)
		}
		if n := h.count("recovery_sets"); n != 0 {
			t.Error("somebody without an authenticator got recovery codes")
		}
	})
}

func TestTheMailHasTheCodeNearTheTopAndNoLink(t *testing.T) {
	t.Parallel()
	h, box := mailed(t, idptest.Alone(t), byMail)
	h.accepted(idptest.NewBrowser(t))
	letter := box.Next(email)
	code := letter.Subject[:6]
	for name, text := range map[string]string{"text": letter.Text, "html": letter.HTML} {
		if at := strings.Index(text, code); at < 0 || name == "text" && at > 120 {
			t.Errorf("%s: the code stands at %d in\n%s", name, at, text)
		}
		if strings.Contains(text, h.Issuer) || strings.Contains(text, "/login/") {
			t.Errorf("%s links to the sign-in:\n%s", name, text)
		}
	}
	var stored int
	row := h.db.SQL().QueryRowContext(t.Context(), "SELECT COUNT(*) FROM email_codes WHERE mac = ? OR mac = ?", []byte(code), idp.HashSecret(code))
	if err := row.Scan(&stored); err != nil || stored != 0 {
		t.Errorf("the code can be read in the database (%v)", err)
	}
}

func TestWrongEmailCodes(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		h, box := mailed(t, db, byMail)
		b := idptest.NewBrowser(t)
		page := h.accepted(b)
		code := box.Code(email)
		for input, text := range map[string]string{
			"":              "Enter the 6-digit code.",
			"12345":         "The code has 6 digits.",
			"abcdef":        "The code has 6 digits.",
			other(code):     "That code did not work. Please check the newest email",
			code + "\u0000": "The code has 6 digits.",
		} {
			wantText(t, b.Submit(page, "/email", "code", input), http.StatusUnprocessableEntity, text)
		}
		if n := h.count("throttles WHERE failures > 1"); n != 0 {
			t.Error("what is no code was counted as a guess")
		}

		// The code of another flow of the same person is as wrong as any.
		h.rest()
		second := idptest.NewBrowser(t)
		there := h.accepted(second)
		foreign := box.Code(email)
		if foreign != code { // they are the same once in a million times
			wantText(t, b.Submit(page, "/email", "code", foreign), http.StatusUnprocessableEntity, "That code did not work.")
		}
		wantLeft(t, second.Submit(there, "/email", "code", foreign))
		wantLeft(t, b.Submit(page, "/email", "code", code))
	})
}

// other is a code that differs in every digit.
func other(code string) string {
	return strings.Map(func(r rune) rune { return '0' + (r-'0'+5)%10 }, code)
}

func TestAnOldEmailCodeIsRefused(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		h, box := mailed(t, db, byMail)
		b := idptest.NewBrowser(t)
		page := h.accepted(b)
		code := box.Code(email)
		db.Age(t, "email_codes", mfa.EmailCodeLifetime)
		h.rest()
		wantText(t, b.Submit(page, "/email", "code", code), http.StatusUnprocessableEntity, "That code is too old now.")
		page = b.Submit(page, "/resend")
		wantText(t, page, http.StatusOK, "A new code is on its way.")
		fresh := box.Code(email)
		if fresh != code {
			wantText(t, b.Submit(page, "/email", "code", code), http.StatusUnprocessableEntity, "We have sent a newer code since.")
		}
		wantLeft(t, b.Submit(page, "/email", "code", fresh))
	})
}

func TestTheSixthTryIsRefusedEvenWhenItIsRight(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		h, box := mailed(t, db, byMail)
		b := idptest.NewBrowser(t)
		page := h.accepted(b)
		code := box.Code(email)
		for range mfa.EmailCodeTries {
			h.calm() // the waits between guesses are another test's
			page = b.Submit(page, "/email", "code", other(code))
		}
		wantText(t, page, http.StatusUnprocessableEntity, "That code was tried too often")
		h.calm()
		wantText(t, b.Submit(page, "/email", "code", code), http.StatusUnprocessableEntity, "That code was tried too often")
		h.rest()
		page = b.Submit(page, "/resend")
		wantLeft(t, b.Submit(page, "/email", "code", box.Code(email)))
	})
}

func TestResendIsCountedPerPersonAndDoesNotForgetFailures(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		h, box := mailed(t, db, byMail)
		b := idptest.NewBrowser(t)
		page := h.accepted(b)
		code := box.Code(email)
		b.Submit(page, "/email", "code", other(code))
		for range 5 {
			again := b.Submit(page, "/resend")
			wantText(t, again, http.StatusTooManyRequests, "We have just sent you a code.")
			if again.Header.Get("Retry-After") == "" {
				t.Error("no Retry-After")
			}
		}
		// Another flow sends none either: its page says when.
		second := idptest.NewBrowser(t)
		there := h.accepted(second)
		wantText(t, there, http.StatusOK, "We will send an email with 6 digits")
		there = second.Post(flowOf(there)+"/email", url.Values{"code": {code}})
		wantText(t, there, http.StatusOK, "We will send an email with 6 digits")
		if n := len(box.All(email)); n != 1 {
			t.Errorf("%d mails came within the 30 seconds, want 1", n)
		}
		failures := h.count("throttles WHERE kind = 'email' AND failures = 1")
		h.rest()
		page = b.Submit(page, "/resend")
		if left := h.count("throttles WHERE kind = 'email' AND failures = 1"); failures != 1 || left != 1 {
			t.Errorf("%d counters before a new code, %d after", failures, left)
		}
		wantLeft(t, b.Submit(page, "/email", "code", box.Code(email)))
	})
}

func TestOneOfFiftyUsesAnEmailCode(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		h, box := mailed(t, db, byMail)
		b := idptest.NewBrowser(t)
		page := h.accepted(b)
		target, fields, _ := page.Form("/email")
		fields.Set("code", box.Code(email))
		together(50, func(int) {
			res := raw(t, b, http.MethodPost, target, fields.Encode(), "Sec-Fetch-Site", "same-origin")
			if res.Status >= http.StatusInternalServerError {
				t.Errorf("status %d", res.Status)
			}
		})
		if n := h.count("email_codes WHERE used_at IS NOT NULL"); n != 1 {
			t.Errorf("%d codes used", n)
		}
		if n := h.count("sessions"); n != 1 {
			t.Errorf("%d sessions of one sign-in", n)
		}
	})
}

func TestFiftySendOneMail(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		h, box := mailed(t, db, byMail)
		b := idptest.NewBrowser(t)
		page := h.accepted(b)
		box.Code(email)
		h.rest()
		target, fields, _ := page.Form("/resend")
		together(50, func(int) {
			if res := raw(t, b, http.MethodPost, target, fields.Encode(), "Sec-Fetch-Site", "same-origin"); res.Status >= 500 {
				t.Errorf("status %d", res.Status)
			}
		})
		box.Code(email)
		if n := h.count("outbox WHERE kind = 'code'"); n != 2 {
			t.Errorf("%d mails, want the first and one more", n)
		}
	})
}

func TestBothMethodsNotEnrolled(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		h, box := mailed(t, db, either)
		b := idptest.NewBrowser(t)
		page := h.accepted(b)
		want(t, page, http.StatusOK, "Add a second step")
		if len(box.All(email)) != 0 {
			t.Error("a mail came before anybody chose it")
		}
		// The app: an email code comes first, so that a stolen password alone cannot
		// enrol the thief's phone.
		page = pick(b, page, idp.MethodTOTP)
		wantText(t, page, http.StatusOK, "Before you set up your app")
		page = b.Submit(page, "/email", "code", box.Code(email))
		phone := idptest.Scan(t, page)
		page = b.Submit(page, "/enrol", "code", phone.Code(0))
		wantLeft(t, b.Submit(page, "/saved", "saved", "yes"))
		if letter := box.Next(email); !strings.Contains(letter.Subject, "authenticator app") {
			t.Errorf("the notice of the set-up is %q", letter.Subject)
		}

		// Enrolled: the app first, email as the fallback.
		h.rest()
		second := idptest.NewBrowser(t)
		page = h.atCode(second)
		wantText(t, page, http.StatusOK, "Enter OTP received via email")
		page = pick(second, page, idp.MethodEmail)
		want(t, page, http.StatusOK, mailHeading)
		wantLeft(t, second.Submit(page, "/email", "code", box.Code(email)))
	})
}

func TestBothMethodsEmailChosen(t *testing.T) {
	t.Parallel()
	h, box := mailed(t, idptest.Alone(t), either)
	b := idptest.NewBrowser(t)
	page := pick(b, h.accepted(b), idp.MethodEmail)
	wantText(t, page, http.StatusOK, "Set up an authenticator app")
	page = b.Submit(page, "/email", "code", box.Code(email))
	wantLeft(t, page)
	// Changing one's mind after the code: the set-up can be left for what was proved.
	h.rest()
	other := idptest.NewBrowser(t)
	page = pick(other, h.accepted(other), idp.MethodTOTP)
	page = other.Submit(page, "/email", "code", box.Code(email))
	want(t, page, http.StatusOK, "Protect your account with an authenticator app")
	wantLeft(t, pick(other, page, idp.MethodEmail))
}

// pick presses the button of a method.
func pick(b *idptest.Browser, page *idptest.Page, m idp.Method) *idptest.Page {
	target, _, _ := page.Form("/method")
	return b.Post(target, url.Values{"method": {string(m)}})
}

func TestPasswordAloneEnrolsNobodyWhileThereAreEmailCodes(t *testing.T) {
	t.Parallel()
	h, _ := mailed(t, idptest.Alone(t), either)
	b := idptest.NewBrowser(t)
	page := pick(b, h.accepted(b), idp.MethodTOTP)
	flow := flowOf(page)
	for _, step := range []string{"/begin", "/enrol", "/saved", "/told", "/totp", "/recovery", "/regenerate"} {
		after := b.Post(flow+step, url.Values{"code": {"123456"}, "saved": {"yes"}})
		want(t, after, http.StatusOK, mailHeading)
	}
	if strings.Contains(b.Get(flow).Body, "otpauth:") || h.count("factors WHERE method = 'totp'") != 0 {
		t.Error("a key was shown without the email code")
	}
}

func TestMailServerDownIsSaidAndOtherMethodsStay(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		h, box := mailed(t, db, either)
		b := idptest.NewBrowser(t)
		page := pick(b, h.accepted(b), idp.MethodTOTP)
		page = b.Submit(page, "/email", "code", box.Code(email))
		phone := idptest.Scan(t, page)
		wantLeft(t, b.Submit(b.Submit(page, "/enrol", "code", phone.Code(0)), "/saved", "saved", "yes"))
		box.Next(email)

		box.Down()
		h.rest()
		second := idptest.NewBrowser(t)
		page = pick(second, h.atCode(second), idp.MethodEmail)
		waitFor(t, func() bool {
			return h.count("outbox WHERE kind = 'code' AND last_error <> '' AND done_at IS NULL") == 1
		})
		page = second.Get(flowOf(page))
		wantText(t, page, http.StatusOK, "Email may be slow right now.")
		wantText(t, page, http.StatusOK, "Use your authenticator app")
		box.Up()
		wantLeft(t, second.Submit(page, "/email", "code", box.Code(email)))
	})
}

// waitFor looks again and again until something is so.
func waitFor(t *testing.T, so func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !so() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatal("it did not come about within 20 s")
		}
	}
}
