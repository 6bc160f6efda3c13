package idp

import "time"

// LinkKind says what a link is for.
type LinkKind string

// The kinds of links.
const (
	SetupLink LinkKind = "setup" // makes an admin
	EmailLink LinkKind = "email" // moves an account to another address
)

// EmailLifetime is how long a link to confirm an address works.
const EmailLifetime = 24 * time.Hour

// Link is something that somebody is sent, and that works once. Who has the token
// may do what it is for; only its hash is stored.
type Link struct {
	ID           string
	Kind         LinkKind
	Hash         []byte // SHA-256 of the token
	PopulationID string
	UserID       string
	Email        string
	CreatedAt    time.Time
	ExpiresAt    time.Time
	UsedAt       time.Time
}

// Works tells whether a link can be used now.
func (l Link) Works(now time.Time) bool { return l.UsedAt.IsZero() && now.Before(l.ExpiresAt) }
