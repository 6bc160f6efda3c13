package idptest

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"html"
	"regexp"
	"testing"

	"github.com/descope/virtualwebauthn"
	"github.com/fxamacker/cbor/v2"
)

// Device is an authenticator of passkeys, with one of them: in a browser that is at Origin.
type Device struct {
	Origin, RPID string
	// Unverified: it does not check who uses it. Synced: its key may be copied.
	Unverified, Synced bool
	// Attachment is what the browser says of where it is, empty for nothing.
	Attachment string
	// Count is its signature counter. It grows with each use, unless it is 0.
	Count uint32
	// Handle is the user handle that it was given with the passkey.
	Handle []byte
	// Client changes what the browser says of the ceremony, nil for nothing.
	Client func(said map[string]any)
	// Attest changes what the authenticator says of itself, nil for nothing.
	Attest func(format *string, statement map[string]any, authData, clientHash []byte)
	AAGUID [16]byte
	key    virtualwebauthn.Credential
	tb     testing.TB
}

// NewDevice makes one that checks who uses it, and whose key cannot be copied.
func NewDevice(tb testing.TB, origin, rpID string) *Device {
	tb.Helper()
	return (&Device{Origin: origin, RPID: rpID, Count: 1, tb: tb}).with(virtualwebauthn.KeyTypeEC2)
}

// WithRSA is the same device with an RSA key.
func (d *Device) WithRSA() *Device { return d.with(virtualwebauthn.KeyTypeRSA) }

// fullKey is how long a COSE key on P-256 is: the library leaves leading zeros out, which no
// real authenticator does.
const fullKey = 77

func (d *Device) with(kind virtualwebauthn.KeyType) *Device {
	for {
		d.key = virtualwebauthn.NewCredential(kind)
		if kind != virtualwebauthn.KeyTypeEC2 || len(d.key.Key.AttestationData()) == fullKey {
			return d
		}
	}
}

// ID is the id of its passkey.
func (d *Device) ID() []byte { return d.key.ID }

// Sign signs as its passkey does.
func (d *Device) Sign(data []byte) []byte {
	d.tb.Helper()
	digest := sha256.Sum256(data)
	signature, err := d.key.Key.Sign(digest[:])
	Must(d.tb, err)
	return signature
}

func (d *Device) authenticator() virtualwebauthn.Authenticator {
	a := virtualwebauthn.NewAuthenticatorWithOptions(virtualwebauthn.AuthenticatorOptions{
		UserHandle: d.Handle, UserNotVerified: d.Unverified, BackupEligible: d.Synced, BackupState: d.Synced,
	})
	a.Aaguid = d.AAGUID
	return a
}

func (d *Device) party() virtualwebauthn.RelyingParty {
	return virtualwebauthn.RelyingParty{ID: d.RPID, Origin: d.Origin}
}

// credentialJSON is a browser's answer.
type credentialJSON struct {
	Type     string            `json:"type"`
	ID       string            `json:"id"`
	RawID    string            `json:"rawId"`
	Response map[string]string `json:"response"`

	Attachment string `json:"authenticatorAttachment,omitempty"`
}

// Create makes the passkey that a page asks for, and keeps whose it is. It has no maker's
// word, as browsers leave that out unless they are asked for it.
func (d *Device) Create(options string) string {
	d.tb.Helper()
	asked, err := virtualwebauthn.ParseAttestationOptions(options)
	Must(d.tb, err)
	d.Handle = []byte(asked.UserID)
	d.key.Counter = d.Count
	var answer credentialJSON
	Must(d.tb, json.Unmarshal([]byte(virtualwebauthn.CreateAttestationResponse(d.party(), d.authenticator(), d.key, *asked)), &answer))
	client := d.said(&answer)
	var object struct {
		Format    string         `cbor:"fmt"`
		Statement map[string]any `cbor:"attStmt"`
		AuthData  []byte         `cbor:"authData"`
	}
	Must(d.tb, cbor.Unmarshal(Unbase64(d.tb, answer.Response["attestationObject"]), &object))
	object.Format, object.Statement = "none", map[string]any{}
	if d.Attest != nil {
		d.Attest(&object.Format, object.Statement, object.AuthData, client)
	}
	raw, err := cbor.Marshal(object)
	Must(d.tb, err)
	answer.Response["attestationObject"] = base64.RawURLEncoding.EncodeToString(raw)
	return d.encode(answer)
}

// Use answers a page that asks for a passkey.
func (d *Device) Use(options string) string {
	d.tb.Helper()
	asked, err := virtualwebauthn.ParseAssertionOptions(options)
	Must(d.tb, err)
	if d.Count > 0 {
		d.Count++
	}
	d.key.Counter = d.Count
	var answer credentialJSON
	Must(d.tb, json.Unmarshal([]byte(virtualwebauthn.CreateAssertionResponse(d.party(), d.authenticator(), d.key, *asked)), &answer))
	client := d.said(&answer)
	signed := append(Unbase64(d.tb, answer.Response["authenticatorData"]), client...)
	answer.Response["signature"] = base64.RawURLEncoding.EncodeToString(d.Sign(signed))
	return d.encode(answer)
}

// said changes what the browser says, and is the hash of it.
func (d *Device) said(answer *credentialJSON) []byte {
	d.tb.Helper()
	raw := Unbase64(d.tb, answer.Response["clientDataJSON"])
	if d.Client != nil {
		said := map[string]any{}
		Must(d.tb, json.Unmarshal(raw, &said))
		d.Client(said)
		var err error
		raw, err = json.Marshal(said)
		Must(d.tb, err)
		answer.Response["clientDataJSON"] = base64.RawURLEncoding.EncodeToString(raw)
	}
	hash := sha256.Sum256(raw)
	return hash[:]
}

func (d *Device) encode(answer credentialJSON) string {
	d.tb.Helper()
	answer.Attachment = d.Attachment
	b, err := json.Marshal(answer)
	Must(d.tb, err)
	return string(b)
}

// WithoutPasskeys is a page without what it asks authenticators for, which is of one sign-in.
func WithoutPasskeys(page string) string { return asksFor.ReplaceAllString(page, "") }

var asksFor = regexp.MustCompile(`data-passkey="(?:use|create)" data-options="([^"]*)"`)

// AsksFor is the WebAuthn options on a page, as JSON; empty where it has none.
func (p *Page) AsksFor() string {
	m := asksFor.FindStringSubmatch(p.Body)
	if m == nil {
		return ""
	}
	return html.UnescapeString(m[1])
}

// Unbase64 reads base64url without padding.
func Unbase64(tb testing.TB, text string) []byte {
	tb.Helper()
	b, err := base64.RawURLEncoding.DecodeString(text)
	Must(tb, err)
	return b
}
