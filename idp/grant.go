package idp

import (
	"errors"
	"slices"
	"time"
)

// Lifetimes of codes and tokens.
const (
	CodeLifetime = 60 * time.Second
	// RefreshGrace is how long a refresh token that was used may be presented
	// again by a client that lost the answer: it gets the same successor.
	RefreshGrace = 10 * time.Second
	// RefreshLost is how long it may while the successor has not been presented: until
	// then the client may never have received it.
	RefreshLost = 10 * time.Minute
	// OfflineLifetime is how long a grant with offline access may live at most, used or not.
	OfflineLifetime = 180 * 24 * time.Hour
)

// Grant is what a client got from a session: one authorization code and the
// tokens that came of it. It snapshots the proofs, so that a later step-up of
// the session never upgrades it.
type Grant struct {
	ID            string
	ClientID      string
	UserID        string
	Subject       string // by which the client knows the person, empty for UserID: see Sub
	SessionID     string
	PopulationID  string
	PolicyVersion int64 // its session's
	RedirectURI   string
	Scopes        []string
	// Claims are those that the request asked for by name, beside what the scopes give.
	Claims        AskedClaims
	Nonce         string
	Resource      string // identifier of the API that its access tokens are for, empty for us
	CodeChallenge string
	CodeHash      []byte
	CodeExpiresAt time.Time
	CodeUsedAt    time.Time
	Proofs        []Proof
	ACR           ACR
	// FromDevice: it came of a device code (RFC 8628), not of an authorization code.
	FromDevice bool
	JKT        string // that its code asks for (RFC 9449 section 10), empty for none
	Offline    bool   // outlives sign-out and idleness: scope offline_access
	// GivenVersion is the number of the last change of any policy, app or connection when
	// it was made; 0 of one that is to be made.
	GivenVersion int64
	// ConnectionID is the connection that a proof came through, empty for none.
	ConnectionID string
	// ConsentID is the consent by which a third-party app got it, empty where none was asked.
	ConsentID string
	// Address and UserAgent are of the sign-in that it came from, which may be gone.
	Address, UserAgent string
	CreatedAt          time.Time
	ExpiresAt          time.Time // when nothing of it can be valid any more
	RevokedAt          time.Time
}

// Type is the grant type that the grant began with.
func (g Grant) Type() string {
	if g.FromDevice {
		return DeviceGrant
	}
	return "authorization_code"
}

// TokenKind tells access tokens from refresh tokens.
type TokenKind string

// The kinds of stored tokens.
const (
	AccessToken  TokenKind = "access"
	RefreshToken TokenKind = "refresh"
)

// AdminScope asks for the admin API. A client gets it only if it is registered for
// it, and an access token with it has that API as its audience.
const AdminScope = "gatehouse:admin"

// Token is a stored token of a grant. A JWT access token has a row only when it
// was revoked; the row's id is then its jti.
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
	// JKT is the thumbprint of the key that it is bound to, empty for none.
	JKT string
	// Exchange is how it came of another, zero where it did not.
	Exchange Exchange
	// PreviousID is the refresh token that this one replaced.
	PreviousID string
}

// GrantState is everything that decides whether a grant may still be used,
// read in one statement.
type GrantState struct {
	Grant      Grant
	Session    Session
	User       User
	Population Population
	// Roles are the ids of the person's roles, in their order.
	Roles []string
	// OverrideMin is the MinVersion of the client's override.
	OverrideMin int64
	// App and Way are the client, and the connection that the sign-in came through.
	App App
	Way Way
	// Consent is the one that the grant names; empty: there is none any more.
	Consent Consent
}

// Judged is the state with no more in its grant than what is still given: scopes that
// the app has lost are gone, and those that the person took back, and one that lost offline
// access or its refresh tokens no longer outlives the session.
func (s GrantState) Judged() GrantState {
	s.Grant = s.consented(s.Grant)
	s.Grant.Scopes = s.App.ScopesOf(s.Grant, s.Grant.Scopes)
	s.Grant.Offline = s.Grant.Offline && slices.Contains(s.Grant.Scopes, "offline_access") && s.App.Allows(s.Grant, "refresh_token")
	return s
}

// Live tells whether the grant may be used now. A grant with offline access
// outlives the session's sign-out and idleness, and nothing else.
func (s GrantState) Live(now time.Time) bool {
	switch {
	case !s.Grant.RevokedAt.IsZero(), s.User.Disabled, !now.Before(s.Grant.ExpiresAt):
		return false
	case s.Grant.PolicyVersion < max(s.Population.MinVersion, s.OverrideMin):
		return false
	case !s.App.Takes(s.Grant):
		return false
	case s.withdrawn():
		return false
	}
	if _, lessened := s.Way.Worth(s.Grant.Proofs, s.Population); lessened {
		return false // what the app was told of the sign-in is no longer so
	}
	if s.Judged().Grant.Offline {
		return true
	}
	return s.Session.Alive(s.Population, now)
}

// ServiceToken is an access token that a service got for itself (RFC 6749 section
// 4.4): there is no person, no session and no grant behind it. An opaque one has a
// row; a JWT has one only when it was revoked, with its jti as id.
type ServiceToken struct {
	ID        string
	ClientID  string
	Hash      []byte
	Scopes    []string
	Resource  string // that of a Grant
	JKT       string // that of a Token
	CreatedAt time.Time
	ExpiresAt time.Time
	RevokedAt time.Time
	// GivenVersion is that of a Grant.
	GivenVersion int64
}

// ServiceState is everything that decides what a service's token is worth, read
// in one statement: the client is as it is now and not a second ago.
type ServiceState struct {
	Token  ServiceToken
	Client Client
	// Taken is what the client lost.
	Taken Taken
}

// Scopes are those of the token that are still its client's, and were ever since.
func (s ServiceState) Scopes() []string {
	return slices.DeleteFunc(slices.Clone(s.Token.Scopes), func(scope string) bool {
		return !slices.Contains(s.Client.Scopes, scope) || s.Token.GivenVersion < s.Taken[takenScope+scope]
	})
}

// Live tells whether the token may be used now. It ends with its client, one of the
// same id that came later notwithstanding. A JWT knows its birth to the second.
func (s ServiceState) Live(now time.Time) bool {
	return s.Token.RevokedAt.IsZero() && now.Before(s.Token.ExpiresAt) && (s.Token.JKT != "" || !s.Client.NeedsProof()) &&
		s.Client.Kind == ServiceClient && s.Client.Allows("client_credentials") &&
		s.Token.GivenVersion >= max(s.Taken[takenKind], s.Taken[takenGrantType+"client_credentials"]) &&
		(s.Token.Resource == "" || slices.Contains(s.Client.Resources, s.Token.Resource) && s.Token.GivenVersion >= s.Taken[takenResource+s.Token.Resource]) &&
		!s.Token.CreatedAt.Before(s.Client.CreatedAt.Truncate(time.Second))
}

// AdminAccess is who stands behind an access token for the admin API, as of now:
// a person at a client, or a service by itself.
type AdminAccess struct {
	UserID   string // empty: a service
	ClientID string
	// Roles, by their ids, of a service. Those of a person are the person's.
	Roles []string
	// Scopes that the token carries.
	Scopes []string
	// Proofs, ACR and AuthTime say how the person signed in; a service has none.
	Proofs    []Proof
	ACR       ACR
	AuthTime  time.Time
	ExpiresAt time.Time
}

// What is wrong with an access token that is presented to an API (RFC 6750 section 3.1).
var (
	// ErrTokenInvalid: 401, error="invalid_token".
	ErrTokenInvalid = errors.New("the access token is not valid")
	// ErrScopeInsufficient: 403, error="insufficient_scope".
	ErrScopeInsufficient = errors.New("the access token lacks a scope")
)

// ProofError says that who presents an access token does not prove to hold its key (RFC 9449
// section 7). It is an ErrTokenInvalid.
type ProofError struct {
	Why string
	// Challenge is the answer's WWW-Authenticate, and Nonce its DPoP-Nonce.
	Challenge, Nonce string
}

// Error implements error.
func (e *ProofError) Error() string { return e.Why }

// Unwrap makes it an ErrTokenInvalid.
func (e *ProofError) Unwrap() error { return ErrTokenInvalid }
