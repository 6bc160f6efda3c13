package idp

import "time"

// Method is a way in which a person proved who they are.
type Method string

// The methods of proofs.
const (
	MethodPassword  Method = "password"
	MethodTOTP      Method = "totp"     // authenticator app, RFC 6238
	MethodRecovery  Method = "recovery" // one of ten codes on paper
	MethodEmail     Method = "email"    // a code sent by mail
	MethodPasskey   Method = "passkey"  // a WebAuthn credential
	MethodFederated Method = "federated"
)

// Proof is one authentication event that happened. amr, acr and auth_time are
// computed from proofs and from nothing else.
type Proof struct {
	Method Method
	At     time.Time
	// AMR is what an upstream's token proved (federated), or what is known of a passkey's
	// key: "hwk" if an attestation shows that no copy of it can exist, "swk" if copies may.
	AMR []string
	// Verified: the authenticator checked that it was its owner who used the passkey, by
	// a finger, a face or a PIN (WebAuthn Level 3 section 6.1, flag UV).
	Verified bool
	// First: the sign-in took the passkey in the place of a password. One that was used beside
	// a first step says nothing once that counts no more.
	First bool
	// Evidence is the ACR that an upstream's token proved, if any.
	Evidence ACR
	// Via is the connection of a federated sign-in. LocalStep: it counts as a password
	// does. CanProve is what the other side would prove beyond Evidence if it were
	// asked, empty for nothing.
	Via string
	// Issuer is who signed the other side's word: the "idp" of our tokens.
	Issuer    string
	LocalStep bool
	CanProve  ACR
	// UpstreamAt is when the other side says that it signed the person in, zero for the
	// moment in which they came here, or where it does not say.
	UpstreamAt time.Time
	// Subject is who the person is at the other side (federated), empty where that was not
	// noted yet.
	Subject string
	// Version is the number of the last change of any policy, app or connection when it
	// was proved.
	Version int64
	// Undated: the other side does not say when it signed the person in. A sign-in at no
	// known time is not a fresh one.
	Undated bool
	// ByMail: the password was set just now by a link in a mail.
	ByMail bool
}

// WithProof are proofs and another one: of each method the latest is kept, and of passkeys
// the latest that was a first step as well.
func WithProof(proofs []Proof, p Proof) []Proof {
	kept := make([]Proof, 0, len(proofs)+1)
	for _, old := range proofs {
		if old.Method != p.Method || old.First && !p.First {
			kept = append(kept, old)
		}
	}
	return append(kept, p)
}

// ProvedAt is when the person proved who they are: of a federated sign-in, when they
// did so at the other side, which may have been long before they came here. It is zero
// where the other side does not say.
func (p Proof) ProvedAt() time.Time {
	if p.Undated {
		return time.Time{}
	}
	if p.UpstreamAt.IsZero() || p.UpstreamAt.After(p.At) {
		return p.At
	}
	return p.UpstreamAt
}

// ACR is an authentication context class reference: how strongly a person was
// authenticated (OpenID Connect Core 1.0 section 2).
type ACR string

// The classes, weakest first. Password and federated are equally strong.
const (
	ACRPassword  ACR = "urn:gatehouse:acr:password"
	ACRFederated ACR = "urn:gatehouse:acr:federated"
	ACRTwoStep   ACR = "urn:gatehouse:acr:two-step"
	ACRMFA       ACR = "urn:gatehouse:acr:mfa"
	ACRPasskey   ACR = "phr"  // phishing-resistant (OpenID EAP ACR Values)
	ACRHardware  ACR = "phrh" // the same by a key that cannot be copied
	// ACRRefedsMFA is an alias of ACRMFA that other providers know.
	ACRRefedsMFA ACR = "https://refeds.org/profile/mfa"
)

// Rank orders the classes: 0 for one we do not know, else higher is stronger.
func (a ACR) Rank() int {
	switch a {
	case ACRPassword, ACRFederated:
		return 1
	case ACRTwoStep:
		return 2
	case ACRMFA, ACRRefedsMFA:
		return 3
	case ACRPasskey:
		return 4
	case ACRHardware:
		return 5
	}
	return 0
}

// ACRs lists the classes for discovery, weakest first. Not everybody reaches each: that is
// up to the policy of a person's population.
func ACRs() []ACR {
	return []ACR{ACRPassword, ACRFederated, ACRTwoStep, ACRMFA, ACRRefedsMFA, ACRPasskey, ACRHardware}
}
