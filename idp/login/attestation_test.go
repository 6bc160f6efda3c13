package login_test

import (
	"crypto/x509"
	"net/http"
	"strings"
	"testing"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/manage/populations"
)

// modelID is a model that is trusted here, and model its bytes.
const modelID = "ee882879-721c-4913-9775-3dfcce97072a"

var model = [16]byte{0xee, 0x88, 0x28, 0x79, 0x72, 0x1c, 0x49, 0x13, 0x97, 0x75, 0x3d, 0xfc, 0xce, 0x97, 0x07, 0x2a}

func naming(m idptest.Maker) func(*idp.Policy) {
	return func(p *idp.Policy) { p.SecurityKeys, p.SecurityKeyRoots = modelID, strings.TrimSpace(m.PEM()) }
}

func only(p *idp.Policy) { p.OnlySecurityKeys = true }

// of is a device of the trusted model, which says of itself what attest makes.
func of(attest func(*string, map[string]any, []byte, []byte)) func(*idptest.Device) {
	return func(d *idptest.Device) { d.AAGUID, d.Attest = model, attest }
}

func TestTokensSayThatAKeyIsInHardware(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		m := idptest.NewMaker(t, model)
		h := passkeys(t, db, naming(m))
		for name, c := range map[string]struct {
			device []func(*idptest.Device)
			acr    idp.ACR
			amr    []string
		}{
			"its maker says so":        {[]func(*idptest.Device){of(m.Vouch())}, idp.ACRHardware, []string{"user", "mfa", "hwk"}},
			"it may be copied":         {[]func(*idptest.Device){of(m.Vouch()), func(d *idptest.Device) { d.Synced, d.Count = true, 0 }}, idp.ACRPasskey, []string{"user", "mfa", "swk"}},
			"nobody says so":           {nil, idp.ACRPasskey, []string{"user", "mfa"}},
			"another maker says so":    {[]func(*idptest.Device){of(idptest.NewMaker(t, model).Vouch())}, idp.ACRPasskey, []string{"user", "mfa"}},
			"a maker of another model": {[]func(*idptest.Device){of(idptest.NewMaker(t, [16]byte{9}).Vouch()), func(d *idptest.Device) { d.AAGUID = [16]byte{9} }}, idp.ACRPasskey, []string{"user", "mfa"}},
		} {
			d, address := h.device(c.device...), strings.ReplaceAll(name, " ", ".")+"@rtx.example"
			h.AddUser(idp.Agents, address)
			h.enrolPasskey(d, address)
			attempt := h.party.Begin()
			b := idptest.NewBrowser(t)
			page := b.Get(attempt.URL)
			if page = b.Submit(page, "/passkey", "credential", d.Use(askedFor(t, page))); page.Left == nil {
				t.Fatalf("%s: %q", name, page.Heading())
			}
			h.wantTokens(h.party.Exchange(attempt, page.Left), c.acr, c.amr...)
			if name != "its maker says so" {
				continue
			}
			// A model that turns out to be weak is taken off the list: the next sign-in says less.
			h.SetPolicy(idp.Agents, idp.Policy{Passkey: true, SecurityKeys: "cb69481e-8ff7-4039-93ec-0a2729a154a8", SecurityKeyRoots: m.PEM()}, populations.OnNextLogin)
			attempt, b = h.party.Begin(), idptest.NewBrowser(t)
			page = b.Get(attempt.URL)
			page = b.Submit(page, "/passkey", "credential", d.Use(askedFor(t, page)))
			h.wantTokens(h.party.Exchange(attempt, page.Left), idp.ACRPasskey, "user", "mfa")
			h.SetPolicy(idp.Agents, idp.Policy{Passkey: true, SecurityKeys: modelID, SecurityKeyRoots: m.PEM()}, populations.OnNextLogin)
		}
	})
}

// lies are what a device may say of itself that is not so; each is refused where only trusted
// keys are taken.
func lies(t *testing.T, m idptest.Maker) map[string]struct {
	change func(*idptest.Device)
	reason string
} {
	return map[string]struct {
		change func(*idptest.Device)
		reason string
	}{
		"no word at all": {func(d *idptest.Device) { d.AAGUID = model }, "model"},
		"its own word": {func(d *idptest.Device) {
			d.AAGUID = model
			d.Attest = func(format *string, statement map[string]any, authData, client []byte) {
				*format = "packed"
				statement["alg"], statement["sig"] = -7, d.Sign(append(append([]byte{}, authData...), client...))
			}
		}, "model"},
		"the word of a maker that nobody knows": {of(idptest.NewMaker(t, model).Vouch()), "model"},
		"of a key that may be copied":           {func(d *idptest.Device) { of(m.Vouch())(d); d.Synced = true }, "model"},
		"of a model that is not trusted":        {func(d *idptest.Device) { d.AAGUID, d.Attest = [16]byte{9}, idptest.NewMaker(t, [16]byte{9}).Vouch() }, "model"},
		"a signature over something else": {of(func(format *string, statement map[string]any, authData, client []byte) {
			m.Vouch()(format, statement, authData, append([]byte("x"), client...))
		}), "attestation"},
		"another model than its certificate's": {func(d *idptest.Device) { of(idptest.NewMaker(t, [16]byte{9}).Vouch())(d) }, "attestation"},
	}
}

func TestOnlyTrustedKeysAreSetUpWhereTheyAreRequired(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		m := idptest.NewMaker(t, model)
		h := passkeys(t, db, naming(m), only)
		b := idptest.NewBrowser(t)
		page := b.Submit(h.atPassword(b), "/password", "email", email, "password", idptest.Password)
		want(t, page, http.StatusOK, passkeySetUp, "YubiKey 5", "make and model")
		if !strings.Contains(page.AsksFor(), `"attestation":"direct"`) {
			t.Errorf("the browser is not asked for the maker's word: %s", page.AsksFor())
		}
		for name, lie := range lies(t, m) {
			logged := `audit_events WHERE kind = 'passkey.refused' AND detail LIKE '%"reason":"` + lie.reason + `"%'`
			h.exec("DELETE FROM throttles")
			h.exec("DELETE FROM audit_events") // equal refusals are one row
			page = b.Submit(page, "/enrol", "credential", h.device(lie.change).Create(askedFor(t, page)))
			text := "Your passkey could not be set up."
			if lie.reason == "model" {
				text = "That is not a security key that is accepted here"
			}
			wantText(t, page, http.StatusUnprocessableEntity, text)
			if h.count(logged) != 1 {
				t.Errorf("%s: the log does not say %q", name, lie.reason)
			}
		}
		if n := h.count("factors WHERE method = 'passkey'"); n != 0 {
			t.Fatalf("%d were taken", n)
		}
		page = b.Submit(page, "/enrol", "credential", h.device(of(m.Vouch())).Create(askedFor(t, page)))
		want(t, page, http.StatusOK, "Save your recovery codes")
	})
}

// Certificates end. What a maker's device shows is looked at when it is set up.
func TestAnExpiredCertificateOfAKeyIsNoWord(t *testing.T) {
	t.Parallel()
	m := idptest.NewMaker(t, model, func(leaf *x509.Certificate) { leaf.NotAfter = leaf.NotBefore.Add(time.Minute) })
	h := passkeys(t, idptest.Alone(t), naming(m), only)
	b := idptest.NewBrowser(t)
	page := b.Submit(h.atPassword(b), "/password", "email", email, "password", idptest.Password)
	page = b.Submit(page, "/enrol", "credential", h.device(of(m.Vouch())).Create(askedFor(t, page)))
	wantText(t, page, http.StatusUnprocessableEntity, "Your passkey could not be set up.")
}

// An app may require a key in hardware where the population takes others too. Who has another
// one uses that first, and sets up one that its maker vouches for.
func TestAnAppRequiresAKeyInHardware(t *testing.T) {
	t.Parallel()
	m := idptest.NewMaker(t, model)
	h := passkeys(t, idptest.Alone(t), naming(m))
	old := h.device()
	h.enrolPasskey(old, email)
	h.SetOverride(h.party.Client.ID, idp.Override{Mode: idp.OverrideRequired, MinACR: idp.ACRHardware}, populations.OnNextLogin)
	b, attempt := idptest.NewBrowser(t), h.party.Begin()
	page := b.Get(attempt.URL)
	page = b.Submit(page, "/passkey", "credential", old.Use(askedFor(t, page)))
	want(t, page, http.StatusOK, passkeySetUp, "YubiKey 5")
	if strings.Contains(page.AsksFor(), "excludeCredentials") {
		t.Error("the browser would refuse the key on which the person has a passkey without a maker's word")
	}
	another := h.device()
	wantText(t, b.Submit(page, "/enrol", "credential", another.Create(askedFor(t, page))), http.StatusUnprocessableEntity, "That is not a security key")
	page = b.Get(page.URL.String())
	key := h.device(of(m.Vouch()))
	page = b.Submit(page, "/enrol", "credential", key.Create(askedFor(t, page)))
	wantLeft(t, page)
	h.wantTokens(h.party.Exchange(attempt, page.Left), idp.ACRHardware, "user", "mfa", "hwk")

	// From then on it is that one which is asked for.
	b, attempt = idptest.NewBrowser(t), h.party.Begin()
	page = b.Submit(b.Get(attempt.URL), "/password", "email", email, "password", idptest.Password)
	if n := strings.Count(askedFor(t, page), `"type":"public-key"`); n != 1 {
		t.Errorf("%d passkeys would do: %s", n, page.AsksFor())
	}
	page = b.Submit(page, "/passkey", "credential", key.Use(askedFor(t, page)))
	h.wantTokens(h.party.Exchange(attempt, page.Left), idp.ACRHardware, "pwd", "user", "mfa", "hwk")
}

// An app may ask for a key in hardware where nobody can have one: the answer is the standard's.
func TestARequestForHardwareThatNobodyReaches(t *testing.T) {
	t.Parallel()
	h := passkeys(t, idptest.Alone(t))
	d := h.device()
	h.enrolPasskey(d, email)
	b := idptest.NewBrowser(t)
	page := b.Get(h.party.Begin("acr_values", "phrh").URL)
	page = b.Submit(page, "/passkey", "credential", d.Use(askedFor(t, page)))
	if next := page.LeadsOn(); next == nil || next.Query().Get("error") != "unmet_authentication_requirements" {
		t.Errorf("%q leads on to %s", page.Heading(), next)
	}
}
