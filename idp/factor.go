package idp

import (
	"slices"
	"time"
)

// Factor is a second factor of a user: an authenticator app, a passkey, or the email
// code, whose row comes with the first code that is sent.
type Factor struct {
	ID     string
	UserID string
	Method Method
	Name   string
	Secret []byte // sealed under the keyring; none for the email code and for passkeys
	// Passkey is what one is checked with, nil for every other method.
	Passkey *Passkey
	// LastStep is the last TOTP time step that was accepted; only a later one is
	// accepted again.
	LastStep   int64
	CreatedAt  time.Time
	LastUsedAt time.Time
	SentAt     time.Time // when the last email code was sent
	// DisabledAt is set at the cap of failures. The factor still counts as
	// enrolled: it cannot be replaced with a password alone.
	DisabledAt time.Time
}

// Passkey is a WebAuthn credential (WebAuthn Level 3 section 4, credential record).
// Nothing in it is secret: the private key stays with the authenticator.
type Passkey struct {
	CredentialID []byte // as the authenticator made it, at most 1023 bytes
	PublicKey    []byte // COSE_Key (RFC 9052 section 7)
	AAGUID       []byte // the kind of authenticator, 16 bytes, zeros where it does not say
	// SignCount is the highest signature counter seen, 0 for authenticators without one.
	SignCount uint32
	// Synced: the key may exist on several devices (flag BE, backup eligible). BackedUp: it
	// did at the last use (flag BS).
	Synced, BackedUp bool
	// Attested: the authenticator's maker vouched for it, under a root and for an AAGUID
	// that the population trusted then.
	Attested bool
	// Transports are how browsers reach it, such as "internal", "hybrid" or "usb".
	Transports []string
}

// Hardware tells whether it is shown that no copy of the key can exist, by the word of a maker
// whom the population trusts now: a model that turned out to be weak is taken off its list.
func (p *Passkey) Hardware(now Policy) bool {
	return p != nil && p.Attested && !p.Synced && now.TrustsModel(p.AAGUID)
}

// Proof is a proof by the passkey, under the policy of now. Its key is in hardware where its
// maker says so, and in software where it may be copied; of all others neither is known.
func (p *Passkey) Proof(now Policy, verified bool, version int64) Proof {
	proof := Proof{Method: MethodPasskey, At: Now(), Verified: verified, Version: version}
	switch {
	case p.Hardware(now):
		proof.AMR = []string{"hwk"}
	case p.Synced:
		proof.AMR = []string{"swk"}
	}
	return proof
}

// RecoverySet is a user's ten recovery codes as a whole.
type RecoverySet struct {
	ID        string
	UserID    string
	CreatedAt time.Time
	SavedAt   time.Time // zero until the person said so
	// DisabledAt is set at the cap of failures.
	DisabledAt time.Time
}

// RecoveryCode is one of them.
type RecoveryCode struct {
	ID       string
	SetID    string
	UserID   string
	Position int
	MAC      []byte // HMAC by which it is found
	Sealed   []byte // the code itself, under the keyring, to be shown again
	UsedAt   time.Time
}

// Enrolment is what second factors a user has.
type Enrolment struct {
	// Factors are in the order in which methods are offered. That of the mailbox comes
	// with the first email code.
	Factors []Factor
	// Recovery is nil when the user has no codes.
	Recovery *RecoverySet
	// RecoveryLeft counts the codes that were not used.
	RecoveryLeft int
}

// Of are the factors of a method.
func (e Enrolment) Of(m Method) []Factor {
	return slices.DeleteFunc(slices.Clone(e.Factors), func(f Factor) bool { return f.Method != m })
}

// First is the first factor of a method, nil for none.
func (e Enrolment) First(m Method) *Factor {
	for _, f := range e.Factors {
		if f.Method == m {
			return &f
		}
	}
	return nil
}

// EmailCode is a code of six digits that was sent by mail. It belongs to one
// flow.
type EmailCode struct {
	ID         string // also that of its mail in the outbox
	FlowID     string
	UserID     string
	MAC        []byte // HMAC of flow and code
	Tries      int
	CreatedAt  time.Time
	ExpiresAt  time.Time
	ReplacedAt time.Time // set when a newer one was sent
	UsedAt     time.Time
}
