package passkey

import (
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/protocol/webauthncose"

	"gatehouse/idp"
)

// timeout is how long browsers let a person look for their key. Browsers keep it between half
// a minute and ten minutes (WebAuthn Level 3 section 15.1).
const timeout = 5 * time.Minute

// Relying is the relying party of the ceremonies.
type Relying struct {
	// id is the host that passkeys belong to (RP ID), origins are the pages that may use them.
	id      string
	name    string
	origins []string
	// key makes challenges.
	key []byte
}

// New is the relying party of a site, which has been checked: passkeys belong to its domain, and
// the issuer's pages and those of related origins use them, no others.
func New(s Site, key []byte) (*Relying, error) {
	u, host, err := s.host()
	if err != nil {
		return nil, err
	}
	id := cmp.Or(s.Domain, host)
	return &Relying{id: id, name: id, origins: s.origins(u), key: key}, nil
}

// Related are the origins elsewhere whose pages use our passkeys: browsers look for them at
// /.well-known/webauthn of the domain (section 5.11).
func (r *Relying) Related() []string { return r.origins[1:] }

// Purposes of a challenge: one that was made for the one is none for the other.
const (
	ToCreate = "create"
	ToUse    = "use"
)

// Challenge is what an authenticator signs, so that an answer to anything else is none. It
// follows from what it is for, such as a sign-in and how far it has got, and from a key: a
// page that is only looked at stores nothing, and nobody else can tell it beforehand
// (WebAuthn Level 3 section 13.4.3). What it is for has to change when it was answered.
func (r *Relying) Challenge(purpose string, of ...string) []byte {
	mac := hmac.New(sha256.New, r.key)
	for _, part := range append([]string{purpose}, of...) {
		fmt.Fprintf(mac, "%d:%s,", len(part), part) // the length keeps ("ab","c") and ("a","bc") apart
	}
	return mac.Sum(nil)
}

// Person is whom a passkey is made for. Name is what authenticators show.
type Person struct{ ID, Name, DisplayName string }

// algorithms are those of keys that are taken, the preferred one first: ES256, EdDSA and
// RS256, which is Windows Hello's.
var algorithms = []webauthncose.COSEAlgorithmIdentifier{webauthncose.AlgES256, webauthncose.AlgEdDSA, webauthncose.AlgRS256}

func parameters() (list []protocol.CredentialParameter) {
	for _, alg := range algorithms {
		list = append(list, protocol.CredentialParameter{Type: protocol.PublicKeyCredentialType, Algorithm: alg})
	}
	return list
}

// Creation is what a browser is asked for to make a passkey, as JSON (section 5.1.8,
// PublicKeyCredentialCreationOptionsJSON). Authenticators that have one in have are left
// out. attest asks for the word of its maker.
//
// It is to be found without a name typed first (a resident key) where the authenticator has
// room for such: an old security key has none, and still does as a second step. The user
// handle is the person's random id, and tells nothing about them.
func (r *Relying) Creation(challenge []byte, p Person, have []idp.Passkey, attest bool) string {
	conveyance := protocol.PreferNoAttestation
	if attest {
		conveyance = protocol.PreferDirectAttestation
	}
	return encode(protocol.PublicKeyCredentialCreationOptions{
		RelyingParty: protocol.RelyingPartyEntity{ID: r.id, CredentialEntity: protocol.CredentialEntity{Name: r.name}},
		User: protocol.UserEntity{
			ID: protocol.URLEncodedBase64(p.ID), DisplayName: p.DisplayName, CredentialEntity: protocol.CredentialEntity{Name: p.Name},
		},
		Challenge: challenge, Parameters: parameters(), Timeout: int(timeout / time.Millisecond),
		CredentialExcludeList: descriptors(have), Attestation: conveyance,
		AuthenticatorSelection: protocol.AuthenticatorSelection{
			ResidentKey: protocol.ResidentKeyRequirementPreferred, UserVerification: protocol.VerificationPreferred,
		},
	})
}

// Request is what a browser is asked for to use a passkey, as JSON (section 5.1.8,
// PublicKeyCredentialRequestOptionsJSON): one of allowed, or any that it has of ours where
// there are none. verify has the authenticator check who uses it.
func (r *Relying) Request(challenge []byte, allowed []idp.Passkey, verify bool) string {
	verification := protocol.VerificationPreferred
	if verify {
		verification = protocol.VerificationRequired
	}
	return encode(protocol.PublicKeyCredentialRequestOptions{
		Challenge: challenge, Timeout: int(timeout / time.Millisecond), RelyingPartyID: r.id,
		AllowedCredentials: descriptors(allowed), UserVerification: verification,
	})
}

func descriptors(keys []idp.Passkey) (list []protocol.CredentialDescriptor) {
	for _, k := range keys {
		d := protocol.CredentialDescriptor{Type: protocol.PublicKeyCredentialType, CredentialID: k.CredentialID}
		for _, t := range k.Transports {
			d.Transport = append(d.Transport, protocol.AuthenticatorTransport(t))
		}
		list = append(list, d)
	}
	return list
}

func encode(options any) string {
	b, _ := json.Marshal(options) // bytes, strings and numbers always marshal
	return string(b)
}

// known keeps of what a browser says how it reaches an authenticator what the standard has
// (section 5.8.4).
func known(transports []protocol.AuthenticatorTransport) (list []string) {
	for _, t := range []protocol.AuthenticatorTransport{
		protocol.USB, protocol.NFC, protocol.BLE, protocol.SmartCard, protocol.Hybrid, protocol.Internal,
	} {
		if slices.Contains(transports, t) {
			list = append(list, string(t))
		}
	}
	return list
}

func text(challenge []byte) string { return base64.RawURLEncoding.EncodeToString(challenge) }
