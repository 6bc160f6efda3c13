package login_test

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/manage/populations"
)

const (
	passkeyHeading = "Use your passkey"
	passkeySetUp   = "Set up a passkey"
	passkeyUnknown = "That passkey cannot be used here. Use another one, or sign in with your email and password."
)

// askedFor is the WebAuthn options on a page, which must have some.
func askedFor(t *testing.T, p *idptest.Page) string {
	t.Helper()
	options := p.AsksFor()
	if options == "" {
		t.Fatalf("%s (%q) asks for no passkey:\n%s", p.URL, p.Heading(), p.Body)
	}
	return options
}

func asksForPasskey(p *idptest.Page) bool { return p.AsksFor() != "" }

// passkeys is a house whose people may have passkeys.
func passkeys(t *testing.T, db *idptest.Database, and ...func(*idp.Policy)) *house {
	t.Helper()
	h := open(t, db)
	p := idp.Policy{Passkey: true}
	for _, change := range and {
		change(&p)
	}
	h.SetPolicy(idp.Agents, p, populations.OnNextLogin)
	return h
}

func andApp(p *idp.Policy) { p.Authenticator, p.IssuerLabel = true, "RTX" }

// device is an authenticator in a browser at the provider.
func (h *house) device(change ...func(*idptest.Device)) *idptest.Device {
	h.t.Helper()
	d := idptest.NewDevice(h.t, h.Issuer, h.site().Hostname())
	for _, c := range change {
		c(d)
	}
	return d
}

// enrolPasskey signs a person in for the first time, who sets up a passkey.
func (h *house) enrolPasskey(d *idptest.Device, address string) (codes []string) {
	h.t.Helper()
	b := idptest.NewBrowser(h.t)
	page := b.Submit(h.atPassword(b), "/password", "email", address, "password", idptest.Password)
	want(h.t, page, http.StatusOK, passkeySetUp)
	page = b.Submit(page, "/enrol", "credential", d.Create(askedFor(h.t, page)))
	want(h.t, page, http.StatusOK, "Save your recovery codes")
	codes = idptest.RecoveryCodes(page)
	wantLeft(h.t, b.Submit(page, "/saved", "saved", "yes"))
	return codes
}

// alone signs in with nothing but a passkey.
func (h *house) alone(b *idptest.Browser, d *idptest.Device) *idptest.Page {
	h.t.Helper()
	page := h.atPassword(b)
	return b.Submit(page, "/passkey", "credential", d.Use(askedFor(h.t, page)))
}

func (h *house) wantTokens(tokens idptest.Tokens, acr idp.ACR, amr ...string) {
	h.t.Helper()
	var got []string
	for _, v := range tokens.Claims["amr"].([]any) {
		got = append(got, v.(string))
	}
	if !slices.Equal(got, amr) || tokens.Claims["acr"] != string(acr) {
		h.t.Errorf("the token says amr %v, acr %v; want %v, %v", got, tokens.Claims["acr"], amr, acr)
	}
}

func TestAPasskeyIsASecondStep(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		h := passkeys(t, db)
		d := h.device(func(d *idptest.Device) { d.Unverified = true })
		if codes := h.enrolPasskey(d, email); len(codes) != 10 {
			t.Errorf("%d recovery codes", len(codes))
		}
		b := idptest.NewBrowser(t)
		attempt := h.party.Begin()
		page := b.Submit(b.Get(attempt.URL), "/password", "email", email, "password", idptest.Password)
		want(t, page, http.StatusOK, passkeyHeading, `value="recovery"`)
		page = b.Submit(page, "/passkey", "credential", d.Use(askedFor(t, page)))
		wantLeft(t, page)
		h.wantTokens(h.party.Exchange(attempt, page.Left), idp.ACRPasskey, "pwd", "user", "mfa")
	})
}

func TestAPasskeySignsInAlone(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		h := passkeys(t, db)
		d := h.device()
		h.enrolPasskey(d, email)
		b := idptest.NewBrowser(t)
		attempt := h.party.Begin()
		page := b.Get(attempt.URL)
		wantText(t, page, http.StatusOK, `autocomplete="username webauthn"`)
		page = b.Submit(page, "/passkey", "credential", d.Use(askedFor(t, page)))
		wantLeft(t, page)
		h.wantTokens(h.party.Exchange(attempt, page.Left), idp.ACRPasskey, "user", "mfa")

		synced := h.device(func(d *idptest.Device) { d.Synced, d.Count = true, 0 })
		h.AddUser(idp.Agents, "second@rtx.example")
		h.enrolPasskey(synced, "second@rtx.example")
		for range 2 { // it counts nothing
			attempt = h.party.Begin()
			b = idptest.NewBrowser(t)
			page = b.Get(attempt.URL)
			page = b.Submit(page, "/passkey", "credential", synced.Use(askedFor(t, page)))
			wantLeft(t, page)
			h.wantTokens(h.party.Exchange(attempt, page.Left), idp.ACRPasskey, "user", "mfa", "swk")
		}
	})
}

// Who has neither chooses between the app and a passkey, and can turn to the other from the
// set-up.
func TestPeopleChooseBetweenAppAndPasskey(t *testing.T) {
	t.Parallel()
	h := passkeys(t, idptest.Alone(t), andApp)
	b := idptest.NewBrowser(t)
	page := h.accepted(b)
	want(t, page, http.StatusOK, "Add a second step", `value="passkey"`, `value="totp"`)
	page = b.Submit(page, "/method", "method", "passkey")
	want(t, page, http.StatusOK, passkeySetUp, `value="totp"`)
	page = b.Submit(page, "/enrol", "credential", h.device().Create(askedFor(t, page)))
	want(t, page, http.StatusOK, "Save your recovery codes")
}

// Each sign-in asks for something else, and takes no answer twice.
func TestAnAnswerCountsOnceAndInItsOwnSignIn(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		h := passkeys(t, db)
		d := h.device(func(d *idptest.Device) { d.Synced, d.Count = true, 0 })
		h.enrolPasskey(d, email)
		one, other := idptest.NewBrowser(t), idptest.NewBrowser(t)
		mine, theirs := h.atPassword(one), h.atPassword(other)
		answer := d.Use(askedFor(t, mine))
		wantText(t, other.Submit(theirs, "/passkey", "credential", answer), http.StatusUnprocessableEntity, "That took too long, or was sent twice.")
		wantLeft(t, one.Submit(mine, "/passkey", "credential", answer))
		thief := idptest.NewBrowser(t)
		wantText(t, thief.Submit(h.atPassword(thief), "/passkey", "credential", answer), http.StatusUnprocessableEntity, "That took too long, or was sent twice.")

		b := idptest.NewBrowser(t)
		first := h.accepted(b)
		answer = d.Use(askedFor(t, first))
		page := b.Submit(first, "/method", "method", "recovery") // the sign-in moved on
		want(t, page, http.StatusOK, "Enter a recovery code")
		page = b.Submit(first, "/passkey", "credential", answer)
		wantText(t, page, http.StatusUnprocessableEntity, "That took too long, or was sent twice.")
		if n := h.Audited(idp.AuditPasskeyRefused); n != 3 {
			t.Errorf("%d refusals in the audit log", n)
		}
	})
}

// Of one answer that is sent many times at once, one counts.
func TestOneAnswerSentManyTimesIsOneSignIn(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		h := passkeys(t, db)
		d := h.device()
		h.enrolPasskey(d, email)
		before := h.count("sessions")
		b := idptest.NewBrowser(t)
		page := h.atPassword(b)
		target, fields, _ := page.Form("/passkey")
		fields.Set("credential", d.Use(askedFor(t, page)))
		together(8, func(int) { b.Post(target, fields) })
		if n := h.count("sessions"); n != before+1 {
			t.Errorf("%d sessions came of it", n-before)
		}
	})
}

// Whatever is wrong about a passkey that stands alone, its page is that of one nobody has.
func TestAPasskeyThatIsRefusedTellsNothing(t *testing.T) {
	t.Parallel()
	h := passkeys(t, idptest.Alone(t))
	d := h.device()
	h.enrolPasskey(d, email)
	stranger := h.device(func(s *idptest.Device) { s.Handle = []byte(h.user.ID) })
	refused := func(answer func(options string) string) string {
		t.Helper()
		b := idptest.NewBrowser(t)
		page := h.atPassword(b)
		page = b.Submit(page, "/passkey", "credential", answer(askedFor(t, page)))
		wantText(t, page, http.StatusUnprocessableEntity, passkeyUnknown)
		return idptest.WithoutPasskeys(page.Impersonal())
	}
	unknown := refused(stranger.Use)
	for name, c := range map[string]struct {
		change func(*idptest.Device)
		state  string // statement before it
		after  string
	}{
		"a disabled person":   {func(*idptest.Device) {}, "UPDATE users SET disabled = TRUE", "UPDATE users SET disabled = FALSE"},
		"a disabled passkey":  {func(*idptest.Device) {}, "UPDATE factors SET disabled_at = created_at", "UPDATE factors SET disabled_at = NULL"},
		"nobody verified":     {func(d *idptest.Device) { d.Unverified = true }, "", ""},
		"another's handle":    {func(d *idptest.Device) { d.Handle = []byte("another") }, "", ""},
		"no handle":           {func(d *idptest.Device) { d.Handle = nil }, "", ""},
		"another site":        {func(d *idptest.Device) { d.Origin = "https://evil.example" }, "", ""},
		"another party":       {func(d *idptest.Device) { d.RPID = "evil.example" }, "", ""},
		"a frame":             {func(d *idptest.Device) { d.Client = func(c map[string]any) { c["crossOrigin"] = true } }, "", ""},
		"a clone":             {func(d *idptest.Device) { d.Count = 0 }, "", ""},
		"a wrong signature":   {func(d *idptest.Device) { id := d.ID(); d.WithRSA(); copy(d.ID(), id) }, "", ""},
		"nothing of the kind": {nil, "", ""},
	} {
		if c.state != "" {
			h.exec(c.state)
		}
		answer := func(string) string { return `{"id":"AA"}` }
		if c.change != nil {
			copied := *d
			c.change(&copied)
			answer = copied.Use
		}
		if got := refused(answer); got != unknown {
			t.Errorf("%s looks different", name)
		}
		if c.after != "" {
			h.exec(c.after)
		}
	}
	want := map[string]bool{}
	events, err := h.Store.AuditEvents(t.Context(), idp.AuditPasskeyRefused, "", 100)
	idptest.Must(t, err)
	for _, e := range events {
		want[e.Detail["reason"]] = true
	}
	for _, reason := range []string{"unknown", "account_disabled", "not_verified", "user_handle", "origin", "rp_id", "cross_origin", "counter", "signature", "unreadable"} {
		if !want[reason] {
			t.Errorf("the audit log has no %s: %v", reason, want)
		}
	}
}

// A passkey is for people of the app alone, whichever population's page they begin at.
func TestAPasskeyIsForTheAppsOwnPeople(t *testing.T) {
	t.Parallel()
	h := passkeys(t, idptest.Alone(t))
	h.SetPolicy(idp.Contacts, idp.Policy{Passkey: true}, populations.OnNextLogin)
	d := h.device()
	h.enrolPasskey(d, email)
	try := func(party *idptest.Party) *idptest.Page {
		b := idptest.NewBrowser(t)
		page := b.Get(party.Begin().URL)
		return b.Submit(page, "/passkey", "credential", d.Use(askedFor(t, page)))
	}
	contacts := h.AddParty(idp.Client{Name: "Contacts' app", Populations: []string{idp.Contacts}})
	wantText(t, try(contacts), http.StatusUnprocessableEntity, passkeyUnknown)
	both := h.AddParty(idp.Client{Name: "Everybody's", Populations: []string{idp.Contacts, idp.Agents}})
	wantLeft(t, try(both))
	h.SetPolicy(idp.Agents, idp.Policy{}, populations.OnNextLogin)
	wantText(t, try(both), http.StatusUnprocessableEntity, passkeyUnknown)
}

// As a second step it is one of the person's own.
func TestAnothersPasskeyIsNoSecondStep(t *testing.T) {
	t.Parallel()
	h := passkeys(t, idptest.Alone(t))
	mine, theirs := h.device(), h.device()
	h.enrolPasskey(mine, email)
	h.AddUser(idp.Agents, "second@rtx.example")
	h.enrolPasskey(theirs, "second@rtx.example")
	b := idptest.NewBrowser(t)
	page := h.accepted(b)
	answer := theirs.Use(askedFor(t, page))
	wantText(t, b.Submit(page, "/passkey", "credential", answer), http.StatusUnprocessableEntity, "That passkey did not work.")
	copied := *mine
	copied.Handle = theirs.Handle
	wantText(t, b.Submit(page, "/passkey", "credential", copied.Use(askedFor(t, page))), http.StatusUnprocessableEntity, "That passkey did not work.")

	// Nor does it sign another person in again.
	b = idptest.NewBrowser(t)
	wantLeft(t, h.alone(b, mine))
	page = b.Get(h.party.Begin("prompt", "login").URL)
	wantText(t, page, http.StatusOK, "Use your passkey instead")
	wantText(t, b.Submit(page, "/passkey", "credential", theirs.Use(askedFor(t, page))), http.StatusUnprocessableEntity, passkeyUnknown)
	page = b.Get(h.party.Begin("prompt", "login").URL)
	wantLeft(t, b.Submit(page, "/passkey", "credential", mine.Use(askedFor(t, page))))
}

// A passkey that somebody has is nobody else's, and not theirs twice.
func TestAPasskeyIsRegisteredOnce(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		h := passkeys(t, db)
		d := h.device()
		h.enrolPasskey(d, email)
		h.AddUser(idp.Agents, "second@rtx.example")
		b := idptest.NewBrowser(t)
		page := b.Submit(h.atPassword(b), "/password", "email", "second@rtx.example", "password", idptest.Password)
		page = b.Submit(page, "/enrol", "credential", d.Create(askedFor(t, page)))
		wantText(t, page, http.StatusUnprocessableEntity, "That passkey is in use already.")
		if _, owner, _, err := h.Store.PasskeyOwner(t.Context(), d.ID(), nil); err != nil || owner.ID != h.user.ID {
			t.Errorf("it is %s's now: %v", owner.Email, err)
		}
	})
}

func TestASetUpThatIsWrongIsRefused(t *testing.T) {
	t.Parallel()
	h := passkeys(t, idptest.Alone(t))
	b := idptest.NewBrowser(t)
	page := h.accepted(b)
	want(t, page, http.StatusOK, passkeySetUp)
	other := idptest.NewBrowser(t)
	for name, answer := range map[string]string{
		"of another site": h.device(func(d *idptest.Device) { d.Origin = "https://evil.example" }).Create(askedFor(t, page)),
		"of another flow": h.device().Create(askedFor(t, h.accepted(other))),
		"a use":           h.device().Use(askedFor(t, h.atPassword(other))),
		"no answer":       "{}",
		"nothing":         "",
	} {
		page := b.Submit(page, "/enrol", "credential", answer)
		if page.Status != http.StatusUnprocessableEntity || page.Heading() != passkeySetUp {
			t.Errorf("%s: %d %q", name, page.Status, page.Heading())
		}
	}
	if n := h.count("factors"); n != 0 {
		t.Errorf("%d factors were kept", n)
	}
	wantText(t, b.Submit(page, "/enrol"), http.StatusUnprocessableEntity, "Passkeys need JavaScript")
}

// A clone of a security key is refused, and the log says that there is one.
func TestAClonesCounterIsRefused(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		h := passkeys(t, db)
		d := h.device()
		h.enrolPasskey(d, email)
		clone := *d
		wantLeft(t, h.alone(idptest.NewBrowser(t), d))
		wantText(t, h.alone(idptest.NewBrowser(t), &clone), http.StatusUnprocessableEntity, passkeyUnknown)
		b := idptest.NewBrowser(t)
		page := h.accepted(b)
		clone.Count = 0
		wantText(t, b.Submit(page, "/passkey", "credential", clone.Use(askedFor(t, page))), http.StatusUnprocessableEntity, "That passkey did not work.")
		events, err := h.Store.AuditEvents(t.Context(), idp.AuditPasskeyRefused, "", 10)
		idptest.Must(t, err)
		for _, e := range events {
			if e.Detail["reason"] != "counter" || e.UserID != h.user.ID {
				t.Errorf("the log says %+v", e)
			}
		}
		if len(events) == 0 {
			t.Error("the log says nothing")
		}
		wantLeft(t, h.alone(idptest.NewBrowser(t), d))
	})
}

// Passkeys are offered where they will do, and taken nowhere else.
func TestWhereAPasskeyStandsAlone(t *testing.T) {
	t.Parallel()
	h := passkeys(t, idptest.Alone(t), andApp)
	at := func(pairs ...string) *idptest.Page { return idptest.NewBrowser(t).Get(h.party.Begin(pairs...).URL) }
	if !asksForPasskey(at()) || !asksForPasskey(at("acr_values", "phr")) {
		t.Error("it is not offered")
	}
	if asksForPasskey(at("acr_values", string(idp.ACRPassword))) {
		t.Error("it is offered where a password alone will do")
	}
	h.SetPolicy(idp.Agents, idp.Policy{Authenticator: true}, populations.OnNextLogin)
	b := idptest.NewBrowser(t)
	page := h.atPassword(b)
	if asksForPasskey(page) || strings.Contains(page.Body, "webauthn") {
		t.Error("it is offered where the policy has none")
	}
	h.SetOverride(h.party.Client.ID, idp.Override{Mode: idp.OverrideRequired, MinACR: idp.ACRPasskey}, populations.OnNextLogin)
	if !asksForPasskey(at()) {
		t.Error("it is not offered where the app asks for one")
	}
}

// Who has no password here signs in at another provider. Who was blocked there must not come
// back by a passkey that they set up while they could.
func TestWhoSignsInElsewhereDoesNotComeByPasskey(t *testing.T) {
	t.Parallel()
	h := passkeys(t, idptest.Alone(t))
	d := h.device()
	h.enrolPasskey(d, email)
	h.exec("UPDATE users SET password_hash = ''")
	wantLeft(t, h.alone(idptest.NewBrowser(t), d))
	h.exec("UPDATE populations SET access_federated = TRUE")
	if page := h.alone(idptest.NewBrowser(t), d); !strings.Contains(page.Body, passkeyUnknown) {
		t.Errorf("%d %q (%s)", page.Status, page.Heading(), page.URL)
	}
}

// Who sets a password by a link in a mail may have taken the mailbox. The owner's passkey,
// which stands alone, does not say that the password is theirs.
func TestAPasskeyAloneDoesNotVouchForAMailedPassword(t *testing.T) {
	t.Parallel()
	h, _ := mailed(t, idptest.Alone(t), idp.Policy{Passkey: true})
	d := h.device()
	h.enrolPasskey(d, email)
	h.SetPolicy(idp.Agents, idp.Policy{Passkey: true, EmailCode: true}, populations.OnNextLogin)
	h.exec("UPDATE users SET password_by_mail_at = created_at")
	wantLeft(t, h.alone(idptest.NewBrowser(t), d))
	page := h.accepted(idptest.NewBrowser(t))
	if strings.Contains(page.Body, `value="email"`) {
		t.Error("mailbox and mailbox would do")
	}
	b := idptest.NewBrowser(t)
	page = h.accepted(b)
	wantLeft(t, b.Submit(page, "/passkey", "credential", d.Use(askedFor(t, page))))
	wantText(t, h.accepted(idptest.NewBrowser(t)), http.StatusOK, `value="email"`)
}

// Answers are counted against the address and not against the passkey: a thief who has the
// password cannot take the passkey from its owner by sending wrong ones.
func TestWrongAnswersStopAnAddressAndNoPasskey(t *testing.T) {
	t.Parallel()
	h := passkeys(t, idptest.Alone(t))
	d := h.device()
	h.enrolPasskey(d, email)
	h.exec("DELETE FROM throttles")
	thief := idptest.NewBrowser(t)
	page := h.accepted(thief)
	limited := false
	for range 130 {
		p := thief.Submit(page, "/passkey", "credential", `{"id":"AA"}`)
		limited = limited || p.Status == http.StatusTooManyRequests
		if p.Status == http.StatusTooManyRequests {
			break
		}
	}
	if !limited {
		t.Error("nobody was told to wait")
	}
	if n := h.Audited(idp.AuditPasskeyThrottled); n == 0 {
		t.Error("the log says nothing")
	}
	if n := h.count("throttles WHERE kind <> 'address'"); n != 0 {
		t.Error("it was counted against more than the address")
	}
	h.calm()
	wantLeft(t, h.alone(idptest.NewBrowser(t), d))
}

// A passkey that was removed while it was used is none.
func TestAPasskeyThatIsGoneIsRefused(t *testing.T) {
	t.Parallel()
	h := passkeys(t, idptest.Alone(t))
	d := h.device()
	h.enrolPasskey(d, email)
	f, _, _, err := h.Store.PasskeyOwner(t.Context(), d.ID(), nil)
	idptest.Must(t, err)
	b := idptest.NewBrowser(t)
	page := h.atPassword(b)
	answer := d.Use(askedFor(t, page))
	idptest.Must(t, h.Store.RemoveFactor(t.Context(), h.user.ID, f.ID))
	wantText(t, b.Submit(page, "/passkey", "credential", answer), http.StatusUnprocessableEntity, passkeyUnknown)
	if err := h.Store.UsePasskey(t.Context(), f, 99, false, idp.Now()); !errors.Is(err, idp.ErrUsed) {
		t.Error(err)
	}
}
