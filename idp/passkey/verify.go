package passkey

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"

	"github.com/go-webauthn/webauthn/metadata"
	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/protocol/webauthncose"

	"gatehouse/idp"
)

// Reason is why an answer was refused, for the audit log.
type Reason string

// The reasons.
const (
	Unreadable   Reason = "unreadable"
	WrongPurpose Reason = "purpose" // a new passkey where one was to be used, or the reverse
	WrongOrigin  Reason = "origin"
	CrossOrigin  Reason = "cross_origin" // from a frame in another site's page
	WrongParty   Reason = "rp_id"
	OldChallenge Reason = "challenge"
	Unverified   Reason = "not_verified"
	Absent       Reason = "not_present"
	BadSignature Reason = "signature"
	BadAlgorithm Reason = "algorithm"
	BadKey       Reason = "key"
	Untrue       Reason = "attestation"
	BadBackup    Reason = "backup"  // flags that cannot be, or that changed
	WentBack     Reason = "counter" // of a key that cannot be copied: it was
	WrongPerson  Reason = "user_handle"
)

// RefusedError says that an answer was refused.
type RefusedError struct {
	Reason Reason
	Cause  error
}

// Error implements error.
func (e *RefusedError) Error() string { return fmt.Sprintf("passkey: %s: %v", e.Reason, e.Cause) }

// Unwrap is the cause.
func (e *RefusedError) Unwrap() error { return e.Cause }

func refuse(r Reason, format string, args ...any) error {
	return &RefusedError{r, fmt.Errorf(format, args...)}
}

// mostAnswer is the longest answer that is read: a certificate chain of an attestation is the
// most of it.
const mostAnswer = 64 << 10

// Trust is whose word about an authenticator counts.
type Trust struct {
	// AAGUIDs are the kinds of authenticators, Roots those who certify them.
	AAGUIDs [][]byte
	Roots   *x509.CertPool
}

// asks tells whether there is anybody whose word counts.
func (t Trust) asks() bool { return len(t.AAGUIDs) > 0 && t.Roots != nil }

// Created reads a browser's answer to Creation (section 7.1). verified: the authenticator
// checked who made it. An error is a *RefusedError. The key of a device that cannot be copied
// is Attested where t trusts the word for that.
func (r *Relying) Created(answer string, challenge []byte, t Trust) (key idp.Passkey, verified bool, err error) {
	if len(answer) > mostAnswer {
		return key, false, refuse(Unreadable, "it has %d bytes", len(answer))
	}
	p, err := protocol.ParseCredentialCreationResponseBytes([]byte(answer))
	if err != nil {
		return key, false, &RefusedError{Unreadable, err}
	}
	object := &p.Response.AttestationObject
	_, err = p.Verify(text(challenge), r.id, r.origins, nil, nil, protocol.TopOriginExplicitVerificationMode,
		false, false, true, nil, parameters(), protocol.AttestationPolicy{}, protocol.SignaturePolicy{})
	if err != nil {
		return key, false, &RefusedError{r.whyNotCreated(p, challenge), err}
	}
	data := object.AuthData
	if err := soundKey(data.AttData.CredentialPublicKey); err != nil {
		return key, false, err
	}
	if data.Flags.HasBackupState() && !data.Flags.HasBackupEligible() {
		return key, false, refuse(BadBackup, "backed up, and not to be")
	}
	return idp.Passkey{
		CredentialID: data.AttData.CredentialID, PublicKey: data.AttData.CredentialPublicKey, AAGUID: data.AttData.AAGUID,
		SignCount: data.Counter, Synced: data.Flags.HasBackupEligible(), BackedUp: data.Flags.HasBackupState(),
		Attested: t.vouched(object), Transports: known(p.Response.Transports),
	}, data.Flags.HasUserVerified(), nil
}

// whyNotCreated finds what is wrong about an answer that was refused.
func (r *Relying) whyNotCreated(p *protocol.ParsedCredentialCreationData, challenge []byte) Reason {
	data := p.Response.AttestationObject.AuthData
	if why := r.whyNot(p.Response.CollectedClientData, protocol.CreateCeremony, data, challenge); why != "" {
		return why
	}
	key, err := webauthncose.ParsePublicKey(data.AttData.CredentialPublicKey)
	if err != nil || !slices.Contains(algorithms, algorithmOf(key)) {
		return BadAlgorithm
	}
	return Untrue
}

// whyNot finds what is wrong about what browser and authenticator say of the ceremony, empty
// for nothing.
func (r *Relying) whyNot(c protocol.CollectedClientData, purpose protocol.CeremonyType, data protocol.AuthenticatorData, challenge []byte) Reason {
	id := sha256.Sum256([]byte(r.id))
	switch {
	case c.Type != purpose:
		return WrongPurpose
	case c.Challenge != text(challenge):
		return OldChallenge
	case !protocol.IsOriginInHaystack(c.Origin, r.origins):
		return WrongOrigin
	case c.CrossOrigin, c.TopOrigin != "":
		return CrossOrigin
	case !bytes.Equal(data.RPIDHash, id[:]):
		return WrongParty
	case !data.Flags.HasUserPresent():
		return Absent
	}
	return ""
}

func algorithmOf(key any) webauthncose.COSEAlgorithmIdentifier {
	switch k := key.(type) {
	case webauthncose.EC2PublicKeyData:
		return webauthncose.COSEAlgorithmIdentifier(k.Algorithm)
	case webauthncose.OKPPublicKeyData:
		return webauthncose.COSEAlgorithmIdentifier(k.Algorithm)
	case webauthncose.RSAPublicKeyData:
		return webauthncose.COSEAlgorithmIdentifier(k.Algorithm)
	}
	return 0
}

// The sizes of an RSA modulus that is taken, in bytes: less is weak, more is work for us at
// each sign-in.
const leastModulus, mostModulus = 256, 512

// soundKey refuses a key that no check by it would be worth.
func soundKey(cose []byte) error {
	key, err := webauthncose.ParsePublicKey(cose)
	if err != nil {
		return &RefusedError{BadKey, err}
	}
	if rsa, ok := key.(webauthncose.RSAPublicKeyData); ok {
		if n := len(bytes.TrimLeft(rsa.Modulus, "\x00")); n < leastModulus || n > mostModulus {
			return refuse(BadKey, "an RSA modulus of %d bytes", n)
		}
	}
	return nil
}

// vouched tells whether a maker that is trusted says that the authenticator is of one of the
// kinds that are. The library has checked that the statement is what it says.
func (t Trust) vouched(o *protocol.AttestationObject) bool {
	kinds := []metadata.AuthenticatorAttestationType{metadata.BasicFull, metadata.AttCA}
	if !t.asks() || !slices.Contains(kinds, metadata.AuthenticatorAttestationType(o.Type)) {
		return false
	}
	if !slices.ContainsFunc(t.AAGUIDs, func(id []byte) bool { return bytes.Equal(id, o.AuthData.AttData.AAGUID) }) {
		return false
	}
	chain, _ := o.AttStatement["x5c"].([]any)
	var leaf *x509.Certificate
	between := x509.NewCertPool()
	for i, raw := range chain {
		der, _ := raw.([]byte)
		cert, err := x509.ParseCertificate(der)
		switch {
		case err != nil:
			return false
		case i == 0:
			leaf = cert
		default:
			between.AddCert(cert)
		}
	}
	if leaf == nil {
		return false
	}
	_, err := leaf.Verify(x509.VerifyOptions{
		Roots: t.Roots, Intermediates: between, CurrentTime: idp.Now(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	})
	return err == nil
}

// Answer is a browser's answer to Request, before it is known whose it is.
type Answer struct {
	parsed *protocol.ParsedCredentialAssertionData
}

// Read reads an answer to Request. An error is a *RefusedError.
func Read(answer string) (Answer, error) {
	if len(answer) > mostAnswer {
		return Answer{}, refuse(Unreadable, "it has %d bytes", len(answer))
	}
	p, err := protocol.ParseCredentialRequestResponseBytes([]byte(answer))
	if err != nil {
		return Answer{}, &RefusedError{Unreadable, err}
	}
	return Answer{p}, nil
}

// CredentialID says which passkey was used, if that is true: see Check.
func (a Answer) CredentialID() []byte { return a.parsed.RawID }

// To tells whether it is to a challenge.
func (a Answer) To(challenge []byte) bool {
	return a.parsed.Response.CollectedClientData.Challenge == text(challenge)
}

// Hash tells it from all others.
func (a Answer) Hash() []byte {
	sum := sha256.Sum256(a.parsed.Raw.AssertionResponse.Signature)
	return sum[:]
}

// Elsewhere tells whether the browser says that the passkey is not on its own device (section
// 5.4.5). Nobody signs that.
func (a Answer) Elsewhere() bool { return a.parsed.AuthenticatorAttachment == protocol.CrossPlatform }

// Names tells whether it says that it was made by a passkey.
func (a Answer) Names(key idp.Passkey) bool { return bytes.Equal(a.parsed.RawID, key.CredentialID) }

// Ask is what an answer is held against.
type Ask struct {
	Challenge []byte
	// UserID is whose the passkey is.
	UserID string
	// Verify: the authenticator has to have checked who uses it. Alone: nobody said before who
	// they are, so the authenticator has to (section 7.2 step 6).
	Verify, Alone bool
}

// Use is a right answer: what it shows, and what is to be kept of it.
type Use struct {
	Verified  bool
	SignCount uint32
	BackedUp  bool
}

// Check holds an answer against what was asked and against the passkey that it names
// (section 7.2). An error is a *RefusedError.
func (r *Relying) Check(a Answer, ask Ask, key idp.Passkey) (Use, error) {
	data := a.parsed.Response.AuthenticatorData
	if err := a.sameOwner(ask); err != nil {
		return Use{}, err
	}
	err := a.parsed.Verify(text(ask.Challenge), r.id, "", r.origins, nil, nil, protocol.TopOriginExplicitVerificationMode,
		false, ask.Verify, true, key.PublicKey, protocol.SignaturePolicy{})
	if err != nil {
		return Use{}, &RefusedError{r.whyNotUsed(a, ask), err}
	}
	if data.Flags.HasBackupEligible() != key.Synced || data.Flags.HasBackupState() && !key.Synced {
		return Use{}, refuse(BadBackup, "the key may be copied: %v, and it said %v", data.Flags.HasBackupEligible(), key.Synced)
	}
	if WentBackwards(key, data.Counter) {
		return Use{}, refuse(WentBack, "%d after %d", data.Counter, key.SignCount)
	}
	return Use{Verified: data.Flags.HasUserVerified(), SignCount: data.Counter, BackedUp: data.Flags.HasBackupState()}, nil
}

// sameOwner refuses an answer that says that the passkey is another person's.
func (a Answer) sameOwner(ask Ask) error {
	handle := a.parsed.Response.UserHandle
	if len(handle) == 0 && !ask.Alone {
		return nil
	}
	if string(handle) != ask.UserID {
		return &RefusedError{WrongPerson, errors.New("the user handle is another's")}
	}
	return nil
}

func (r *Relying) whyNotUsed(a Answer, ask Ask) Reason {
	data := a.parsed.Response.AuthenticatorData
	why := r.whyNot(a.parsed.Response.CollectedClientData, protocol.AssertCeremony, data, ask.Challenge)
	switch {
	case why != "":
		return why
	case ask.Verify && !data.Flags.HasUserVerified():
		return Unverified
	}
	return BadSignature
}

// WentBackwards tells whether a signature counter shows that a key has a twin (section
// 6.1.1): it has to grow, unless the authenticator counts nothing. Keys that are copied on
// purpose have counters apart, or none.
func WentBackwards(key idp.Passkey, count uint32) bool {
	return !key.Synced && (count != 0 || key.SignCount != 0) && count <= key.SignCount
}
