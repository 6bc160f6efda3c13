package idp

import "time"

// User is a person of one population.
type User struct {
	ID           string
	PopulationID string
	Email        string // as the person writes it
	Name         string
	Department   string // as another provider has it, empty for none
	Locale       string // BCP 47, empty for none
	// EmailVerified: the person has shown that mail to the address reaches them, or another
	// provider or an import vouches for it (OpenID Connect Core 1.0 section 5.1).
	EmailVerified bool
	PasswordHash  string // encoded with its parameters; empty: no password sign-in
	// PasswordChangedAt is when the password was set, zero where that is unknown.
	PasswordChangedAt time.Time
	// PasswordByMailAt is when a link in a mail set the password, zero once they have
	// proved a second step since: mailbox and mailbox is one factor.
	PasswordByMailAt time.Time
	// UnprovedAt is when a way into the account came about that is not known to be its
	// owner's, zero for none: what a connection gives brings no permissions to it.
	UnprovedAt time.Time
	// PasskeyOfferedAt is when they were last offered a passkey after a sign-in, zero for never.
	PasskeyOfferedAt time.Time
	Disabled         bool
	CreatedAt        time.Time
	UpdatedAt        time.Time
	Profile
}

// Profile is what apps are told of a person beside the name, by the claims of the same names
// (OpenID Connect Core 1.0 section 5.1). Each may be empty: nothing is guessed from Name.
type Profile struct {
	GivenName  string
	FamilyName string
	Zoneinfo   string // of the IANA time zone database, such as Europe/Paris
	Picture    string // an https URL, which we neither fetch nor serve
}

// PasswordSince is when the password was set, or the account made where that is unknown.
func (u User) PasswordSince() time.Time {
	if u.PasswordChangedAt.IsZero() {
		return u.CreatedAt
	}
	return u.PasswordChangedAt
}
