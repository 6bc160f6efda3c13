package idp

import "time"

// LinkKind says what a link is for.
type LinkKind string

// The kinds of links.
const (
	SetupLink        LinkKind = "setup"        // makes an admin
	InvitationLink   LinkKind = "invitation"   // makes an account, for an invited person
	RegistrationLink LinkKind = "registration" // makes an account, for a person who asked for one
	ResetLink        LinkKind = "reset"        // sets a password
	EmailLink        LinkKind = "email"        // moves an account to another address
	BreakGlassLink   LinkKind = "break_glass"  // lets a password do at the console where portal access allows none
)

// How long links work that come by mail.
const (
	InvitationLifetime   = 7 * 24 * time.Hour
	RegistrationLifetime = 24 * time.Hour
	ResetLifetime        = time.Hour
)

// LivingLinks is how many links of a kind work at once for one address. Anybody may ask for
// another one, ten minutes apart, and must not take the older ones from their owner.
const LivingLinks = 6

// EmailLifetime is how long a link to confirm an address works.
const EmailLifetime = 24 * time.Hour

// Link is mailed to a person and works once. The token is enough to use it; only its hash
// is stored.
type Link struct {
	ID           string
	Kind         LinkKind
	Hash         []byte // SHA-256 of the token
	PopulationID string
	UserID       string // of a reset: who has an account already
	Email        string // where it was sent
	// Body is what else belongs to it, sealed under the keyring.
	Body      []byte
	CreatedAt time.Time
	ExpiresAt time.Time
	UsedAt    time.Time
}

// Works tells whether a link can be used now.
func (l Link) Works(now time.Time) bool { return l.UsedAt.IsZero() && now.Before(l.ExpiresAt) }
