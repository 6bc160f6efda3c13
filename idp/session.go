package idp

import "time"

// Session is a completed sign-in of one user in one browser.
type Session struct {
	ID           string // public, the `sid` claim; no credential
	TokenHash    []byte // SHA-256 of the cookie's value, which rotates
	BrowserHash  []byte
	UserID       string
	PopulationID string
	// PolicyVersion is the number of the last change of any policy or override
	// when it was created: it is judged by the versions of that moment.
	PolicyVersion int64
	Proofs        []Proof
	Address       string // where the sign-in came from
	UserAgent     string
	CreatedAt     time.Time
	LastSeenAt    time.Time
	ExpiresAt     time.Time // absolute limit
	// Kept: its cookie outlives the closing of the browser.
	Kept bool
	// ConnectionID and UpstreamSID name the session at the provider through which the
	// person came, empty for a sign-in of our own.
	ConnectionID, UpstreamSID string
	// UpstreamSignOut is what that provider is told when the person signs out, sealed;
	// empty where nothing is kept, and after the end.
	UpstreamSignOut []byte
	EndedAt         time.Time // zero while it lasts
}

// Alive tells whether a session may be used now, in its population as it is now.
func (s Session) Alive(p Population, now time.Time) bool {
	idle, lifetime := p.Limits(s.Kept)
	return s.EndedAt.IsZero() &&
		now.Before(s.ExpiresAt) &&
		now.Before(s.CreatedAt.Add(lifetime)) && // which may be shorter by now
		now.Before(s.LastSeenAt.Add(idle)) &&
		s.PolicyVersion >= p.MinVersion
}
