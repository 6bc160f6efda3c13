package idp

import "time"

// Lifetimes that the standards or REQUIREMENTS set.
const (
	CodeLifetime = 60 * time.Second
	// RefreshGrace is how long a refresh token that was used may be presented
	// again by a client that lost the answer: it gets the same successor.
	RefreshGrace = 10 * time.Second
)

// Grant is what a client got from a session: one authorization code and the
// tokens that came of it. It snapshots the proofs, so that a later step-up of
// the session never upgrades it.
type Grant struct {
	ID            string
	ClientID      string
	UserID        string
	SessionID     string
	PopulationID  string
	PolicyVersion int64 // its session's
	RedirectURI   string
	Scopes        []string
	Nonce         string
	CodeChallenge string
	CodeHash      []byte
	CodeExpiresAt time.Time
	CodeUsedAt    time.Time
	Proofs        []Proof
	ACR           ACR
	Offline       bool // outlives sign-out and idleness: scope offline_access
	CreatedAt     time.Time
	ExpiresAt     time.Time // when nothing of it can be valid any more
	RevokedAt     time.Time
}

// TokenKind tells access tokens from refresh tokens.
type TokenKind string

// The kinds of stored tokens.
const (
	AccessToken  TokenKind = "access"
	RefreshToken TokenKind = "refresh"
)

// Token is a stored token of a grant. A JWT access token has a row only when it
// was revoked.
type Token struct {
	ID        string
	GrantID   string
	Kind      TokenKind
	Hash      []byte
	CreatedAt time.Time
	ExpiresAt time.Time
	RevokedAt time.Time
	// Scopes of an access token: a refresh may have asked for fewer than the
	// grant has.
	Scopes []string
	// PreviousID is the refresh token that this one replaced.
	PreviousID string
}

// Standing is everything that decides whether a grant may still be used,
// read in one statement.
type Standing struct {
	Grant      Grant
	Session    Session
	User       User
	Population Population
	// OverrideMin is the MinVersion of the client's override.
	OverrideMin int64
}

// Live tells whether the grant may be used now. A grant with offline access
// outlives the session's sign-out and idleness, and nothing else.
func (s Standing) Live(now time.Time) bool {
	switch {
	case !s.Grant.RevokedAt.IsZero(), s.User.Disabled, !now.Before(s.Grant.ExpiresAt):
		return false
	case s.Grant.PolicyVersion < max(s.Population.MinVersion, s.OverrideMin):
		return false
	case s.Grant.Offline:
		return true
	}
	return s.Session.Alive(s.Population, now)
}
