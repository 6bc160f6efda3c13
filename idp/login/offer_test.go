package login_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/login"
	"gatehouse/idp/manage/populations"
	"gatehouse/mfa"
)

const (
	offerHeading     = "Sign in faster next time"
	offerHereHeading = "Add a passkey on this device"
)

var bothKinds = idp.Policy{Authenticator: true, Passkey: true, IssuerLabel: "RTX"}

// offering is a house whose person has an authenticator, and whose people may have passkeys now.
func offering(t *testing.T, db *idptest.Database) (*house, idptest.Authenticator, []string) {
	t.Helper()
	h, _ := mailed(t, db, strict)
	phone, codes := h.enrol(idptest.NewBrowser(t))
	h.SetPolicy(idp.Agents, bothKinds, populations.OnNextLogin)
	h.exec("DELETE FROM sessions")
	return h, phone, codes
}

// code is a sign-in by password and code in a browser whose script says what it can do.
func (h *house) code(b *idptest.Browser, phone idptest.Authenticator, can string, at *idptest.Page) *idptest.Page {
	h.t.Helper()
	h.forget()
	page := b.Submit(at, "/password", "email", email, "password", idptest.Password, "passkeys", can)
	want(h.t, page, http.StatusOK, appHeading)
	return b.Submit(page, "/totp", "code", phone.Code(0), "passkeys", can)
}

// A passkey is offered at the end of a sign-in, which is done only after the answer. It is set up
// as at the account, and the token says what happened.
func TestAPasskeyIsOfferedAfterASignIn(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		h, phone, _ := offering(t, db)
		b := idptest.NewBrowser(t)
		attempt := h.party.Begin()
		page := h.code(b, phone, "yes", b.Get(attempt.URL))
		want(t, page, http.StatusOK, offerHeading, "Not now")
		if n := h.count("sessions") + h.count("tokens WHERE kind = 'code'"); n != 0 {
			t.Errorf("there are %d sessions and codes before the answer", n)
		}
		d := h.device()
		page = b.Submit(page, "/enrol", "credential", d.Create(askedFor(t, page)))
		wantLeft(t, page)
		h.wantTokens(h.party.Exchange(attempt, page.Left), idp.ACRPasskey, "pwd", "otp", "user", "mfa")
		for !strings.Contains(h.box.Next(email).Subject, "passkey") { // the person is told
		}
		if n := h.count("audit_events WHERE kind = '" + string(idp.AuditFactorEnrolled) + "' AND detail LIKE '%passkey%'"); n != 1 {
			t.Errorf("%d passkeys in the audit log", n)
		}
		wantLeft(t, h.alone(idptest.NewBrowser(t), d))
	})
}

// "Not now" holds for thirty days, in every browser.
func TestAPasskeyIsOfferedOnceInThirtyDays(t *testing.T) {
	t.Parallel()
	h, phone, _ := offering(t, idptest.Alone(t))
	b := idptest.NewBrowser(t)
	sign := func() *idptest.Page {
		b = idptest.NewBrowser(t)
		return h.code(b, phone, "here", h.atPassword(b))
	}
	page := sign()
	want(t, page, http.StatusOK, offerHeading)
	wantLeft(t, sign()) // somebody who closes the page was offered one
	h.db.Age(t, "users", 29*24*time.Hour, "passkey_offered_at")
	wantLeft(t, sign())
	h.db.Age(t, "users", 24*time.Hour, "passkey_offered_at")
	page = sign()
	want(t, page, http.StatusOK, offerHeading)
	wantLeft(t, b.Submit(page, "/later"))
	wantLeft(t, sign())
}

// Who has passkeys, and came by one on another device, is offered one for this device.
func TestAPasskeyIsOfferedForThisDevice(t *testing.T) {
	t.Parallel()
	h := passkeys(t, idptest.Alone(t))
	d := h.device()
	h.enrolPasskey(d, email)
	sign := func(can, attachment string) (*idptest.Browser, *idptest.Page) {
		b := idptest.NewBrowser(t)
		page := h.atPassword(b)
		d.Attachment = attachment
		return b, b.Submit(page, "/passkey", "credential", d.Use(askedFor(t, page)), "passkeys", can)
	}
	for _, c := range [][2]string{{"here", "platform"}, {"here", ""}, {"yes", "cross-platform"}, {"", "cross-platform"}} {
		_, page := sign(c[0], c[1])
		wantLeft(t, page)
	}
	b, page := sign("here", "cross-platform")
	want(t, page, http.StatusOK, offerHereHeading)
	here := h.device()
	wantLeft(t, b.Submit(page, "/enrol", "credential", here.Create(askedFor(t, page))))
	wantLeft(t, h.alone(idptest.NewBrowser(t), here))
}

// offered edits the facts of a sign-in at whose end a passkey is offered.
func offered(edit ...func(*login.Facts)) login.Facts {
	f := facts(bothKinds, working, saved, proved(idp.MethodPassword, idp.MethodTOTP))
	f.Population.Policy, f.Population.Access.Password = bothKinds, true
	f.At, f.Began, f.Notes.Passkeys = moment, moment.Add(-2*time.Minute), "here"
	for _, change := range edit {
		change(&f)
	}
	return f
}

// Where a passkey is offered, and where not.
func TestWhenAPasskeyIsOffered(t *testing.T) {
	t.Parallel()
	offer := login.NeedEnrolment{Method: idp.MethodPasskey, Offered: true}
	late := offer
	late.Late = true
	proofs := func(methods ...idp.Method) func(*login.Facts) {
		return func(f *login.Facts) { f.Proofs = proved(methods...) }
	}
	has := func(methods ...idp.Method) func(*login.Facts) {
		return func(f *login.Facts) {
			f.Enrolled = nil
			for _, m := range methods {
				f.Enrolled = append(f.Enrolled, mfa.Factor{Method: m})
			}
		}
	}
	policy := func(p idp.Policy) func(*login.Facts) {
		return func(f *login.Facts) { f.Policy, f.Population.Policy = p, p }
	}
	pwd, otp, key, eml, rec := idp.MethodPassword, idp.MethodTOTP, idp.MethodPasskey, idp.MethodEmail, idp.MethodRecovery
	all := idp.Policy{Authenticator: true, Passkey: true, EmailCode: true}
	byKey := func(f *login.Facts) {
		f.Proofs, f.Enrolled = []idp.Proof{{Method: key, At: moment, Verified: true, First: true}}, mfa.Enrolled{{Method: key}}
	}
	made := func(f *login.Facts) { f.Notes.Offer = "made" }
	for name, c := range map[string]struct {
		want login.State
		edit []func(*login.Facts)
	}{
		"password and app":         {offer, nil},
		"a browser with a phone":   {offer, []func(*login.Facts){func(f *login.Facts) { f.Notes.Passkeys = "yes" }}},
		"no script":                {login.Done{}, []func(*login.Facts){func(f *login.Facts) { f.Notes.Passkeys = "" }}},
		"no passkeys here":         {login.Done{}, []func(*login.Facts){policy(idp.Policy{Authenticator: true})}},
		"no password here":         {login.Done{}, []func(*login.Facts){func(f *login.Facts) { f.Population.Access.Password = false }}},
		"a session steps up":       {login.Done{}, []func(*login.Facts){func(f *login.Facts) { f.Continues = true }}},
		"offered lately":           {login.Done{}, []func(*login.Facts){func(f *login.Facts) { f.OfferedAt = moment.Add(-30*24*time.Hour + 1) }}},
		"offered long ago":         {offer, []func(*login.Facts){func(f *login.Facts) { f.OfferedAt = moment.Add(-30 * 24 * time.Hour) }}},
		"a factor set up just now": {login.Done{}, []func(*login.Facts){func(f *login.Facts) { f.EnrolledAt = f.Began }}},
		"a factor of yesterday":    {offer, []func(*login.Facts){func(f *login.Facts) { f.EnrolledAt = moment.Add(-24 * time.Hour) }}},
		"a recovery code":          {login.Done{}, []func(*login.Facts){proofs(pwd, rec), told}},
		"an email code alone":      {offer, []func(*login.Facts){policy(all), proofs(pwd, eml), has()}},
		"email in place of an app": {login.Done{}, []func(*login.Facts){policy(all), proofs(pwd, eml)}},
		"a trusted browser":        {login.Done{}, []func(*login.Facts){policy(all), proofs(pwd), has(eml), func(f *login.Facts) { f.Trusted = idp.ACRTwoStep }}},
		"a trusted browser, and the code": {
			offer, []func(*login.Facts){policy(all), proofs(pwd, eml), has(), func(f *login.Facts) { f.Trusted = idp.ACRTwoStep }},
		},
		"a password by mail": {login.Done{}, []func(*login.Facts){func(f *login.Facts) { f.Proofs[0].ByMail = true }}},
		"Microsoft":          {login.Done{}, []func(*login.Facts){proofs(idp.MethodFederated), has(), elsewhere}},
		"no code asked for":  {login.Done{}, []func(*login.Facts){proofs(pwd), override(idp.OverrideOff, "")}},
		"ten apps": {login.Done{}, []func(*login.Facts){func(f *login.Facts) {
			for range mfa.MostPossessions {
				f.Enrolled = append(f.Enrolled, mfa.Factor{Method: otp})
			}
		}}},
		"an old proof":                    {login.Done{}, []func(*login.Facts){func(f *login.Facts) { f.At = moment.Add(10 * time.Minute) }}},
		"a passkey of this device":        {login.Done{}, []func(*login.Facts){byKey}},
		"a passkey of a phone":            {offer, []func(*login.Facts){byKey, func(f *login.Facts) { f.Notes.Elsewhere = true }}},
		"of a phone, none kept here":      {login.Done{}, []func(*login.Facts){byKey, func(f *login.Facts) { f.Notes.Elsewhere, f.Notes.Passkeys = true, "yes" }}},
		"a passkey, and came by the app":  {login.Done{}, []func(*login.Facts){has(otp, key)}},
		"not done yet":                    {bothWays, []func(*login.Facts){proofs(pwd)}},
		"the app is let in first":         {terms, []func(*login.Facts){third}},
		"the app is turned away":          {login.Denied{}, []func(*login.Facts){third, denied}},
		"codes are saved first":           {login.ShowCodes{}, []func(*login.Facts){func(f *login.Facts) { f.Recovery = unsaved }}},
		"asked, and offered to others":    {offer, []func(*login.Facts){made, func(f *login.Facts) { f.OfferedAt = moment }}},
		"asked, and then too late":        {late, []func(*login.Facts){made, func(f *login.Facts) { f.At = moment.Add(10 * time.Minute) }}},
		"asked, and passkeys are off":     {late, []func(*login.Facts){made, policy(idp.Policy{Authenticator: true})}},
		"asked, and more is missing":      {bothWays, []func(*login.Facts){made, proofs(pwd)}},
		"asked, and came by Microsoft":    {late, []func(*login.Facts){made, proofs(idp.MethodFederated), has(), elsewhere}},
		"answered":                        {login.Done{}, []func(*login.Facts){func(f *login.Facts) { f.Notes.Offer = "answered" }}},
		"asked, and nothing is to be had": {late, []func(*login.Facts){made, proofs(pwd), override(idp.OverrideOff, "")}},
	} {
		if diff := cmp.Diff(c.want, login.Next(offered(c.edit...))); diff != "" {
			t.Errorf("%s: want (-), got (+): %s", name, diff)
		}
	}
}

// What a form says of the browser is no way around anything: without the rule nothing is offered,
// and what was not offered is not set up.
func TestTheOfferIsNoWayAroundTheRule(t *testing.T) {
	t.Parallel()
	h, phone, codes := offering(t, idptest.Alone(t))
	b := idptest.NewBrowser(t)
	page := b.Submit(h.atPassword(b), "/password", "email", email, "password", idptest.Password, "passkeys", "here")
	want(t, page, http.StatusOK, appHeading)
	answer := h.device().Create(`{"challenge":"AAAA","rp":{"id":"localhost"},"user":{"id":"AAAA"}}`)
	for _, step := range []string{"later", "enrol", "begin"} { // a thief who has the password
		target, fields, _ := page.Form("/totp")
		fields.Set("credential", answer)
		got := b.Post(strings.TrimSuffix(target, "totp")+step, fields)
		want(t, got, http.StatusOK, appHeading)
	}
	page = b.Submit(page, "/method", "method", "recovery")
	page = b.Submit(page, "/recovery", "code", codes[0], "passkeys", "here")
	wantLeft(t, b.Submit(page, "/told", "passkeys", "here"))
	if n := h.count("users WHERE passkey_offered_at IS NOT NULL"); n != 0 {
		t.Error("one was offered after a recovery code")
	}
	h.exec("DELETE FROM sessions")

	// While it is offered, passkeys are switched off.
	b = idptest.NewBrowser(t)
	page = h.code(b, phone, "here", h.atPassword(b))
	want(t, page, http.StatusOK, offerHeading)
	answer = h.device().Create(askedFor(t, page))
	h.SetPolicy(idp.Agents, strict, populations.OnNextLogin)
	got := b.Submit(page, "/enrol", "credential", answer)
	want(t, got, http.StatusOK, offerHeading, "too late to add a passkey")
	if asksForPasskey(got) || h.count("factors WHERE method = 'passkey'") != 0 {
		t.Error("it was set up all the same")
	}
	wantLeft(t, b.Submit(got, "/later"))
}

// The offer is of one browser, and nothing before it is open again.
func TestTheOfferHoldsTheSignIn(t *testing.T) {
	t.Parallel()
	h, phone, _ := offering(t, idptest.Alone(t))
	b := idptest.NewBrowser(t)
	first := b.Submit(h.atPassword(b), "/password", "email", email, "password", idptest.Password, "passkeys", "yes")
	h.forget()
	page := b.Submit(first, "/totp", "code", phone.Code(0))
	want(t, page, http.StatusOK, offerHeading)
	h.forget()
	want(t, b.Submit(first, "/totp", "code", phone.Code(0)), http.StatusOK, offerHeading) // back, and once more
	want(t, b.Get(page.URL.String()), http.StatusOK, offerHeading)
	stranger := idptest.NewBrowser(t)
	target, fields, _ := page.Form("/later")
	if got := stranger.Post(target, fields); got.Left != nil || got.Status == http.StatusOK {
		t.Errorf("another browser: %d %q", got.Status, got.Heading())
	}
	none := b.Get(h.party.Begin("prompt", "none").URL)
	if none.Left == nil || none.Left.Query().Get("error") != "login_required" {
		t.Errorf("prompt=none during the offer leads to %v", none.Left)
	}
	refused := b.Submit(page, "/enrol", "credential", "{}")
	wantText(t, refused, http.StatusUnprocessableEntity, "Your passkey could not be set up.")
	want(t, refused, http.StatusUnprocessableEntity, offerHeading, "Not now")
	wantLeft(t, b.Submit(page, "/later"))
	for _, again := range []*idptest.Page{b.Submit(page, "/later"), b.Submit(page, "/enrol", "credential", h.device().Create(askedFor(t, page)))} {
		if again.Left == nil { // single sign-on
			t.Errorf("a sign-in that is over: %d %q", again.Status, again.Heading())
		}
	}
	if n := h.count("factors WHERE method = 'passkey'"); n != 0 {
		t.Error("a sign-in that is over set one up")
	}
	none = b.Get(h.party.Begin("prompt", "none").URL)
	wantLeft(t, none)
	if none.Left.Query().Get("code") == "" {
		t.Errorf("prompt=none after it leads to %v", none.Left)
	}
}

// Of sign-ins at once one has the offer, and of answers to it at once one counts.
func TestOffersAndAnswersAtOnce(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		h := passkeys(t, db)
		h.SetOverride(h.party.Client.ID, idp.Override{Mode: idp.OverrideOff}, populations.OnNextLogin)
		const tabs = 6
		browsers, pages := make([]*idptest.Browser, tabs), make([]*idptest.Page, tabs)
		for i := range tabs {
			browsers[i] = idptest.NewBrowser(t)
			pages[i] = h.atPassword(browsers[i])
		}
		together(tabs, func(i int) {
			pages[i] = browsers[i].Submit(pages[i], "/password", "email", email, "password", idptest.Password, "passkeys", "here")
		})
		at := -1
		for i, page := range pages {
			switch {
			case page.Heading() == offerHeading && at < 0:
				at = i
			case page.Left == nil:
				t.Errorf("%d: %d %q", i, page.Status, page.Heading())
			}
		}
		if at < 0 {
			t.Fatal("nobody was offered one")
		}
		sessions := h.count("sessions")
		b, page := browsers[at], pages[at]
		enrol, fields, _ := page.Form("/enrol")
		fields.Set("credential", h.device().Create(askedFor(t, page)))
		later, without, _ := page.Form("/later")
		together(tabs, func(i int) {
			if i%2 == 0 {
				b.Post(enrol, fields)
			} else {
				b.Post(later, without)
			}
		})
		if page := b.Get(page.URL.String()); page.Heading() == "Save your recovery codes" {
			wantLeft(t, b.Submit(page, "/saved", "saved", "yes"))
		}
		if n := h.count("sessions") - sessions; n != 1 {
			t.Errorf("%d sessions came of one sign-in", n)
		}
		if n := h.count("factors"); n > 1 {
			t.Errorf("%d passkeys came of one answer", n)
		}
	})
}
