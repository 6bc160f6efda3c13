package idp

import (
	"bytes"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/net/idna"
	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// User is a person of one population.
type User struct {
	ID           string
	PopulationID string
	Email        string // as the person writes it
	Name         string
	Department   string // as another provider has it, empty for none
	Locale       string // BCP 47, empty for none
	// EmailVerified: the person has shown that mail to the address reaches them.
	EmailVerified bool
	PasswordHash  string // encoded with its parameters; empty: no password sign-in
	// PasswordChangedAt is when the password was set, zero where nobody wrote it down.
	PasswordChangedAt time.Time
	// PasswordByMailAt is when a link in a mail set the password, zero once they have
	// proved a second step since: mailbox and mailbox is one factor.
	PasswordByMailAt time.Time
	Disabled         bool
	CreatedAt        time.Time
	UpdatedAt        time.Time
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
// NFKC-normalised and case-folded, an internationalised domain in letters and not in
// its ASCII form, so that "Maya@RTX.example" and "maya@rtx.example" are one person. It
// is never shown nor mailed to.
func EmailKey(email string) []byte {
	key := fold(email)
	at := bytes.LastIndexByte(key, '@')
	if at < 0 || len(key) > maxSpelled || !bytes.Contains(key[at:], []byte("xn--")) {
		return key
	}
	domain, err := idna.Lookup.ToUnicode(string(key[at+1:]))
	if err != nil {
		return key
	}
	return fold(string(key[:at+1]) + domain)
}

// maxSpelled is how long an address or domain is looked into, in bytes: longer ones are
// none, and to decode them takes the square of their length.
const maxSpelled = 4 * MaxEmail

// MailDomain is the domain of an address in the form in which domains are compared:
// ASCII, in small letters (RFC 5891 section 5). ErrInvalid: it is no domain.
func MailDomain(email string) (string, error) {
	_, domain, ok := cutLast(strings.TrimSpace(email), "@")
	if !ok {
		return "", fmt.Errorf("%w: an address without a domain", ErrInvalid)
	}
	return Domain(domain)
}

// SameMailbox tells whether two addresses lead to one mailbox for certain. EmailKey takes
// more for one person, so that nobody has two accounts: "straße.example" and
// "strasse.example" are two domains, of two owners, with one key. What is mailed to one
// address, or proved of it, says nothing of the other.
func SameMailbox(a, b string) bool {
	domainA, errA := MailDomain(a)
	domainB, errB := MailDomain(b)
	localA, _, _ := cutLast(norm.NFC.String(strings.TrimSpace(a)), "@")
	localB, _, _ := cutLast(norm.NFC.String(strings.TrimSpace(b)), "@")
	return errA == nil && errB == nil && domainA == domainB && asciiLower(localA) == asciiLower(localB)
}

// asciiLower leaves other letters as they are: some have two capitals.
func asciiLower(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			r += 'a' - 'A'
		}
		return r
	}, s)
}

// Domain is a domain in ASCII and small letters, without a dot at its end.
func Domain(name string) (string, error) {
	if len(name) > maxSpelled {
		return "", fmt.Errorf("%w: not a domain", ErrInvalid)
	}
	// Strict would refuse what mail servers take; this maps as browsers do.
	ascii, err := idna.Lookup.ToASCII(strings.TrimSuffix(strings.TrimSpace(name), "."))
	if err != nil || !utf8.ValidString(name) || len(ascii) > 253 || !strings.Contains(ascii, ".") || strings.Trim(ascii, domainChars) != "" {
		return "", fmt.Errorf("%w: not a domain", ErrInvalid)
	}
	for _, label := range strings.Split(ascii, ".") {
		if label == "" || len(label) > 63 {
			return "", fmt.Errorf("%w: not a domain", ErrInvalid)
		}
	}
	return ascii, nil
}

const domainChars = "abcdefghijklmnopqrstuvwxyz0123456789-."

func cutLast(s, sep string) (before, after string, ok bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}

// fold is EmailKey but for domains; search words are folded so too.
func fold(email string) []byte {
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
