package idp

import "time"

// Factor is an enrolled authenticator app of a user.
type Factor struct {
	ID     string
	UserID string
	Method Method
	Name   string
	Secret []byte // sealed under the keyring
	// LastStep is the last TOTP time step that was accepted; only a later one is
	// accepted again.
	LastStep   int64
	CreatedAt  time.Time
	LastUsedAt time.Time
	// DisabledAt is set at the cap of failures. The factor still counts as
	// enrolled: it cannot be replaced with a password alone.
	DisabledAt time.Time
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
	TOTP []Factor
	// Recovery is nil when the user has no codes.
	Recovery *RecoverySet
	// RecoveryLeft counts the codes that were not used.
	RecoveryLeft int
}

// Authenticator returns the first authenticator that may be used, nil for none.
func (e Enrolment) Authenticator() *Factor {
	for i := range e.TOTP {
		if e.TOTP[i].DisabledAt.IsZero() {
			return &e.TOTP[i]
		}
	}
	return nil
}
