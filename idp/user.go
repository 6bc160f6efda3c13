package idp

import (
	"strings"
	"time"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// User is a person of one population.
type User struct {
	ID           string
	PopulationID string
	Email        string // as the person writes it
	Name         string
	Locale       string // BCP 47, empty for none
	// EmailVerified: the person has shown that mail to the address reaches them.
	EmailVerified bool
	PasswordHash  string // encoded with its parameters; empty: no password sign-in
	// PasswordChangedAt is when the password was set, zero where nobody wrote it down.
	PasswordChangedAt time.Time
	Disabled          bool
	CreatedAt         time.Time
	UpdatedAt         time.Time
}

// PasswordSince is when the password was set, or the account made where nobody wrote
// that down.
func (u User) PasswordSince() time.Time {
	if u.PasswordChangedAt.IsZero() {
		return u.CreatedAt
	}
	return u.PasswordChangedAt
}

// MaxEmail is the longest address accepted, in bytes (RFC 5321 section 4.5.3.1).
const MaxEmail = 254

// EmailKey is the form of an address that is compared and indexed: trimmed,
// NFKC-normalised and case-folded, so that "Maya@RTX.example" and
// "maya@rtx.example" are one person. It is never shown nor mailed to.
func EmailKey(email string) []byte {
	// Folding may undo the normal form (and the reverse), hence once more. The
	// normal form may begin or end with a space where the address does not. In
	// small letters first, since Fold swaps the cases of Cherokee.
	folded := cases.Fold().String(strings.ToLower(norm.NFKC.String(email)))
	return []byte(strings.TrimSpace(norm.NFKC.String(folded)))
}

// MaskEmail shortens an address for logs and pages that a stranger may read:
// "maya@rtx.example" becomes "m•••@rtx.example". What is no address is masked
// whole.
func MaskEmail(email string) string {
	local, domain, ok := strings.Cut(strings.TrimSpace(email), "@")
	if !ok || local == "" {
		return "•••"
	}
	first := []rune(local)[0]
	return string(first) + "•••@" + domain
}
