package passkey_test

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/passkey"
)

const (
	origin = "https://id.rtx.example"
	host   = "id.rtx.example"
	userID = "0197a1b2-user"
)

func relying(tb testing.TB) *passkey.Relying {
	tb.Helper()
	r, err := passkey.New(passkey.Site{Issuer: origin + "/sso"}, []byte("key"))
	idptest.Must(tb, err)
	return r
}

var challenge = []byte(strings.Repeat("c", 32))

// enrolled is a device whose passkey was taken, and what is kept of it.
func enrolled(t *testing.T, r *passkey.Relying, change ...func(*idptest.Device)) (*idptest.Device, idp.Passkey) {
	t.Helper()
	d := idptest.NewDevice(t, origin, host)
	for _, c := range change {
		c(d)
	}
	key, _, err := r.Created(d.Create(creation(r)), challenge, passkey.Trust{})
	idptest.Must(t, err)
	return d, key
}

func creation(r *passkey.Relying) string {
	return r.Creation(challenge, passkey.Person{ID: userID, Name: "maya@rtx.example", DisplayName: "Maya"}, nil, false)
}

func ask() passkey.Ask {
	return passkey.Ask{Challenge: challenge, UserID: userID, Verify: true, Alone: true}
}

func expect(t *testing.T, err error, want passkey.Reason) {
	t.Helper()
	var refused *passkey.RefusedError
	if !errors.As(err, &refused) || refused.Reason != want {
		t.Errorf("%v, want it refused for %q", err, want)
	}
}

func TestAPasskeyIsMadeAndUsed(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*idptest.Device){
		"of a device": func(*idptest.Device) {},
		"synced":      func(d *idptest.Device) { d.Synced, d.Count = true, 0 },
		"RSA":         func(d *idptest.Device) { d.WithRSA() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := relying(t)
			d, key := enrolled(t, r, change)
			if key.Attested || key.Synced != d.Synced || string(d.Handle) != userID || string(key.CredentialID) != string(d.ID()) {
				t.Errorf("kept: %+v", key)
			}
			for range 2 {
				a, err := passkey.Read(d.Use(r.Request(challenge, nil, true)))
				idptest.Must(t, err)
				use, err := r.Check(a, ask(), key)
				idptest.Must(t, err)
				if !use.Verified || use.SignCount != d.Count || use.BackedUp != d.Synced {
					t.Errorf("used: %+v", use)
				}
				key.SignCount = use.SignCount
			}
		})
	}
}

// Pages give these to a browser as they are.
func TestWhatBrowsersAreAskedFor(t *testing.T) {
	t.Parallel()
	r := relying(t)
	have := []idp.Passkey{{CredentialID: []byte("one"), Transports: []string{"usb"}}}
	var made struct {
		RP               struct{ ID string }
		User             struct{ ID, Name, DisplayName string }
		Challenge        string
		PubKeyCredParams []struct{ Alg int }
		ExcludeCredentials,
		AllowCredentials []struct {
			ID         string
			Transports []string
		}
		AuthenticatorSelection        struct{ ResidentKey, UserVerification string }
		Attestation, UserVerification string
		RPID                          string
	}
	text := r.Creation(challenge, passkey.Person{ID: userID, Name: "maya@rtx.example", DisplayName: "Maya"}, have, true)
	idptest.Must(t, json.Unmarshal([]byte(text), &made))
	algorithms := []int{made.PubKeyCredParams[0].Alg, made.PubKeyCredParams[1].Alg, made.PubKeyCredParams[2].Alg}
	if made.RP.ID != host || made.Attestation != "direct" || !slices.Equal(algorithms, []int{-7, -8, -257}) || len(made.PubKeyCredParams) != 3 ||
		string(idptest.Unbase64(t, made.User.ID)) != userID || made.ExcludeCredentials[0].Transports[0] != "usb" || made.AuthenticatorSelection.ResidentKey != "preferred" {
		t.Errorf("to make: %s", text)
	}
	text = r.Request(challenge, have, true)
	idptest.Must(t, json.Unmarshal([]byte(text), &made))
	if made.RPID != host || made.UserVerification != "required" || string(idptest.Unbase64(t, made.AllowCredentials[0].ID)) != "one" {
		t.Errorf("to use: %s", text)
	}
	if strings.Contains(r.Request(challenge, nil, false), "required") {
		t.Error("a second step needs a verified person")
	}
	if text := creation(r); strings.Contains(text, "direct") || strings.Contains(text, "excludeCredentials") {
		t.Errorf("to make the first: %s", text)
	}
}

// A challenge is of one sign-in, one purpose and one moment.
func TestChallengesDiffer(t *testing.T) {
	t.Parallel()
	r := relying(t)
	other, err := passkey.New(passkey.Site{Issuer: origin}, []byte("another key"))
	idptest.Must(t, err)
	seen := map[string]bool{}
	for _, c := range [][]byte{
		r.Challenge(passkey.ToUse, "flow", "1"), r.Challenge(passkey.ToCreate, "flow", "1"), r.Challenge(passkey.ToUse, "flow", "2"),
		r.Challenge(passkey.ToUse, "flow2", "1"), r.Challenge(passkey.ToUse, "flow1", ""), other.Challenge(passkey.ToUse, "flow", "1"),
	} {
		if len(c) != 32 || seen[string(c)] {
			t.Errorf("%x", c)
		}
		seen[string(c)] = true
	}
	if !seen[string(relying(t).Challenge(passkey.ToUse, "flow", "1"))] {
		t.Error("the page and the check of its answer have two")
	}
}

func said(name string, value any) func(*idptest.Device) {
	return func(d *idptest.Device) { d.Client = func(c map[string]any) { c[name] = value } }
}

// ceremonies are what is wrong with what browser and authenticator say of one.
var ceremonies = []struct {
	name   string
	change func(*idptest.Device)
	want   passkey.Reason
}{
	{"of another site", func(d *idptest.Device) { d.Origin = "https://id.rtx.example.evil.example" }, passkey.WrongOrigin},
	{"without TLS", func(d *idptest.Device) { d.Origin = "http://id.rtx.example" }, passkey.WrongOrigin},
	{"of another port", func(d *idptest.Device) { d.Origin = "https://id.rtx.example:8443" }, passkey.WrongOrigin},
	{"of a host below", func(d *idptest.Device) { d.Origin = "https://x.id.rtx.example" }, passkey.WrongOrigin},
	{"for another site", func(d *idptest.Device) { d.RPID = "rtx.example" }, passkey.WrongParty},
	{"for another question", said("challenge", base64.RawURLEncoding.EncodeToString([]byte("another"))), passkey.OldChallenge},
	{"for nothing", said("challenge", ""), passkey.OldChallenge},
	{"in a frame of another site", said("crossOrigin", true), passkey.CrossOrigin},
	{"below another site's page", func(d *idptest.Device) {
		d.Client = func(c map[string]any) { c["crossOrigin"], c["topOrigin"] = true, origin }
	}, passkey.CrossOrigin},
	{"below a page, without saying so", said("topOrigin", origin), passkey.CrossOrigin},
	{"for a payment", said("type", "payment.get"), passkey.WrongPurpose},
}

func TestAWrongCeremonyMakesNoPasskey(t *testing.T) {
	t.Parallel()
	for _, c := range append(ceremonies, struct {
		name   string
		change func(*idptest.Device)
		want   passkey.Reason
	}{"by using one", said("type", "webauthn.get"), passkey.WrongPurpose}) {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := relying(t)
			d := idptest.NewDevice(t, origin, host)
			c.change(d)
			_, _, err := r.Created(d.Create(creation(r)), challenge, passkey.Trust{})
			expect(t, err, c.want)
		})
	}
}

func TestAWrongUseIsRefused(t *testing.T) {
	t.Parallel()
	for _, c := range append(ceremonies, []struct {
		name   string
		change func(*idptest.Device)
		want   passkey.Reason
	}{
		{"by making one", said("type", "webauthn.create"), passkey.WrongPurpose},
		{"by nobody in particular", func(d *idptest.Device) { d.Unverified = true }, passkey.Unverified},
		{"of another person", func(d *idptest.Device) { d.Handle = []byte("0197a1b2-other") }, passkey.WrongPerson},
		{"of nobody", func(d *idptest.Device) { d.Handle = nil }, passkey.WrongPerson},
		{"by a copy that is behind", func(d *idptest.Device) { d.Count-- }, passkey.WentBack},
		{"by a copy that does not count", func(d *idptest.Device) { d.Count = 0 }, passkey.WentBack},
		{"by a key that may be copied now", func(d *idptest.Device) { d.Synced = true }, passkey.BadBackup},
		{"by another key", func(d *idptest.Device) { d.WithRSA() }, passkey.BadSignature},
	}...) {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := relying(t)
			d, key := enrolled(t, r)
			c.change(d)
			a, err := passkey.Read(d.Use(r.Request(challenge, nil, true)))
			idptest.Must(t, err)
			_, err = r.Check(a, ask(), key)
			expect(t, err, c.want)
		})
	}
}

// As a second step it may be one that says nothing of the person, who is known.
func TestASecondStepNeedsNeitherHandleNorVerification(t *testing.T) {
	t.Parallel()
	r := relying(t)
	d, key := enrolled(t, r)
	d.Handle, d.Unverified = nil, true
	a, err := passkey.Read(d.Use(r.Request(challenge, []idp.Passkey{key}, false)))
	idptest.Must(t, err)
	use, err := r.Check(a, passkey.Ask{Challenge: challenge, UserID: userID}, key)
	if err != nil || use.Verified {
		t.Errorf("%+v, %v", use, err)
	}
	d.Handle = []byte("0197a1b2-other")
	a, err = passkey.Read(d.Use(r.Request(challenge, []idp.Passkey{key}, false)))
	idptest.Must(t, err)
	_, err = r.Check(a, passkey.Ask{Challenge: challenge, UserID: userID}, key)
	expect(t, err, passkey.WrongPerson)
}

func TestCountersGrow(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		kept, now uint32
		synced    bool
		back      bool
	}{
		{0, 0, false, false},
		{0, 1, false, false},
		{1, 2, false, false},
		{2, 2, false, true},
		{2, 1, false, true},
		{2, 0, false, true},
		{2, 1, true, false},
		{2, 0, true, false},
	} {
		if got := passkey.WentBackwards(idp.Passkey{SignCount: c.kept, Synced: c.synced}, c.now); got != c.back {
			t.Errorf("%+v: %v", c, got)
		}
	}
}

func TestAnAlgorithmThatWasNotOfferedIsRefused(t *testing.T) {
	t.Parallel()
	r := relying(t)
	answer := idptest.NewDevice(t, origin, host).Create(creation(r))
	var parsed map[string]any
	idptest.Must(t, json.Unmarshal([]byte(answer), &parsed))
	response := parsed["response"].(map[string]any)
	object := idptest.Unbase64(t, response["attestationObject"].(string))
	at := strings.Index(string(object), "\x03\x26") // alg: -7, ES256
	if at < 0 {
		t.Fatal("no algorithm in the key")
	}
	object[at+1] = 0x28 // -9: ES256 by another name (ESP256)
	response["attestationObject"] = base64.RawURLEncoding.EncodeToString(object)
	changed, err := json.Marshal(parsed)
	idptest.Must(t, err)
	_, _, err = r.Created(string(changed), challenge, passkey.Trust{})
	expect(t, err, passkey.BadAlgorithm)
}

func TestWhatIsNoAnswerIsRefused(t *testing.T) {
	t.Parallel()
	r := relying(t)
	d, _ := enrolled(t, r)
	made, used := d.Create(creation(r)), d.Use(r.Request(challenge, nil, true))
	for _, text := range []string{"", "{}", "null", "[]", "\x00", made[:len(made)/2], used[:len(used)/2], strings.Repeat("x", 1<<20)} {
		_, _, err := r.Created(text, challenge, passkey.Trust{})
		expect(t, err, passkey.Unreadable)
		_, err = passkey.Read(text)
		expect(t, err, passkey.Unreadable)
	}
	_, err := passkey.Read(made)
	expect(t, err, passkey.Unreadable)
	for n := range 200 { // CBOR that ends early, wherever it does
		var parsed map[string]any
		idptest.Must(t, json.Unmarshal([]byte(made), &parsed))
		response := parsed["response"].(map[string]any)
		object := response["attestationObject"].(string)
		response["attestationObject"] = object[:max(0, len(object)-1-n)]
		text, err := json.Marshal(parsed)
		idptest.Must(t, err)
		if _, _, err := r.Created(string(text), challenge, passkey.Trust{}); err == nil {
			t.Errorf("without its last %d characters it is taken", n+1)
		}
	}
}

func trust(m idptest.Maker, aaguids ...[16]byte) passkey.Trust {
	t := passkey.Trust{Roots: x509.NewCertPool()}
	t.Roots.AddCert(m.Root)
	for _, id := range aaguids {
		t.AAGUIDs = append(t.AAGUIDs, id[:])
	}
	return t
}

// "In hardware" is said of a key only where a maker that is trusted vouches for one of the
// kinds that are.
func TestWhoseWordCounts(t *testing.T) {
	t.Parallel()
	kind, other := [16]byte{1}, [16]byte{2}
	trusted, stranger := idptest.NewMaker(t, kind), idptest.NewMaker(t, kind)
	for _, c := range []struct {
		name   string
		maker  *idptest.Maker
		trust  passkey.Trust
		synced bool
		want   bool
	}{
		{name: "a maker that is trusted", maker: &trusted, trust: trust(trusted, kind), want: true},
		{name: "of a key that may be copied", maker: &trusted, trust: trust(trusted, kind), synced: true},
		{name: "nobody's", trust: trust(trusted, kind)},
		{name: "of another kind", maker: &trusted, trust: trust(trusted, other)},
		{name: "a stranger's", maker: &stranger, trust: trust(trusted, kind)},
		{name: "a maker's, and nobody is trusted", maker: &trusted},
		{name: "a maker's, and no root is", maker: &trusted, trust: passkey.Trust{AAGUIDs: [][]byte{kind[:]}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d, r := idptest.NewDevice(t, origin, host), relying(t)
			d.AAGUID, d.Synced = kind, c.synced
			if c.maker != nil {
				d.Attest = c.maker.Vouch()
			}
			key, _, err := r.Created(d.Create(creation(r)), challenge, c.trust)
			idptest.Must(t, err)
			if (key.Attested && !key.Synced) != c.want {
				t.Errorf("it is said to be in hardware: %v", !c.want)
			}
		})
	}
}

func TestALyingAttestationIsRefused(t *testing.T) {
	t.Parallel()
	kind := [16]byte{1}
	m := idptest.NewMaker(t, kind)
	for name, attest := range map[string]func(*string, map[string]any, []byte, []byte){
		"of a signature over something else": func(format *string, statement map[string]any, authData, client []byte) {
			m.Vouch()(format, statement, authData, append([]byte("x"), client...))
		},
		"of no signature": func(format *string, statement map[string]any, _, _ []byte) {
			*format = "packed"
			statement["alg"], statement["sig"], statement["x5c"] = -7, []byte{}, m.Chain
		},
		"of a kind that is not the certificate's": func(format *string, statement map[string]any, authData, client []byte) {
			idptest.NewMaker(t, [16]byte{9}).Vouch()(format, statement, authData, client)
		},
		"of a format that there is not": func(format *string, _ map[string]any, _, _ []byte) { *format = "made-up" },
		"of nothing, with a statement":  func(_ *string, statement map[string]any, _, _ []byte) { statement["alg"] = -7 },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, r := idptest.NewDevice(t, origin, host), relying(t)
			d.AAGUID, d.Attest = kind, attest
			_, _, err := r.Created(d.Create(creation(r)), challenge, trust(m, kind))
			expect(t, err, passkey.Untrue)
		})
	}
}

func TestIssuersWithoutAHostHaveNoPasskeys(t *testing.T) {
	t.Parallel()
	for _, issuer := range []string{"", "urn:x", "://", "https://"} {
		if _, err := passkey.New(passkey.Site{Issuer: issuer}, nil); err == nil {
			t.Errorf("%q is taken", issuer)
		}
	}
}

func TestAuthenticatorsHaveNames(t *testing.T) {
	t.Parallel()
	icloud := []byte{0xfb, 0xfc, 0x30, 0x07, 0x15, 0x4e, 0x4e, 0xcc, 0x8c, 0x0b, 0x6e, 0x02, 0x05, 0x57, 0xd7, 0xbd}
	if got := passkey.Name(icloud); got != "iCloud Keychain" {
		t.Error(got)
	}
	for _, id := range [][]byte{nil, make([]byte, 16), []byte("short")} {
		if got := passkey.Name(id); got != "" {
			t.Errorf("%x is called %q", id, got)
		}
	}
}

// Whatever a browser sends, reading it ends in an answer or a refusal.
func FuzzAnswers(f *testing.F) {
	r := relying(f)
	d := idptest.NewDevice(f, origin, host)
	made := d.Create(creation(r))
	key, _, err := r.Created(made, challenge, passkey.Trust{})
	idptest.Must(f, err)
	f.Add(made)
	f.Add(d.Use(r.Request(challenge, nil, true)))
	f.Add(`{"id":"AA","rawId":"AA","type":"public-key","response":{}}`)
	f.Fuzz(func(t *testing.T, answer string) {
		if got, _, err := r.Created(answer, challenge, passkey.Trust{}); err == nil && len(got.CredentialID) == 0 {
			t.Error("a passkey without an id")
		}
		a, err := passkey.Read(answer)
		if err != nil {
			return
		}
		if use, err := r.Check(a, ask(), key); err == nil && use.SignCount < key.SignCount {
			t.Errorf("the counter went back to %d", use.SignCount)
		}
	})
}

// The CBOR inside is what an attacker writes.
func FuzzAttestations(f *testing.F) {
	r := relying(f)
	made := idptest.NewDevice(f, origin, host).Create(creation(r))
	var parsed struct {
		Type, ID, RawID string
		Response        map[string]string
	}
	idptest.Must(f, json.Unmarshal([]byte(made), &parsed))
	f.Add(idptest.Unbase64(f, parsed.Response["attestationObject"]))
	f.Fuzz(func(_ *testing.T, object []byte) {
		parsed.Response["attestationObject"] = base64.RawURLEncoding.EncodeToString(object)
		text, _ := json.Marshal(map[string]any{"type": parsed.Type, "id": parsed.ID, "rawId": parsed.RawID, "response": parsed.Response})
		_, _, _ = r.Created(string(text), challenge, passkey.Trust{})
	})
}
