package idp

import (
	"bytes"
	"fmt"
	"net/mail"
	"net/netip"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"
	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
	"golang.org/x/text/width"
)

// MaxEmail is the longest address accepted, in bytes (RFC 5321 section 4.5.3.1).
const MaxEmail = 254

// maxSpelled is how long an address or domain is looked into, in bytes: longer ones are
// none, and to decode them takes the square of their length.
const maxSpelled = 4 * MaxEmail

// ParseEmail reads an address that a person, a file or another program wrote, and
// returns the one form in which it is kept and mailed to: without space around it and
// without characters that show nothing, which come along when text is copied; full-width
// letters, @ and dots as their ASCII twins, which Japanese and Chinese keyboards type; no
// dot at its end; the letters of the local part composed (NFC). ErrInvalid: it is no
// address that mail reaches from here. Capitals stay as they are; EmailKey compares.
func ParseEmail(text string) (string, error) {
	local, domain, ok := cutLast(plain(text), "@")
	if !ok || len(text) > maxSpelled || !utf8.ValidString(text) {
		return "", fmt.Errorf("%w: not an address", ErrInvalid)
	}
	ascii, err := hostOf(domain)
	if err != nil {
		return "", err
	}
	local = norm.NFC.String(width.Fold.String(local))
	// Nothing may be quoted, said in comments or routed: one mailbox would have many
	// spellings.
	parsed, err := mail.ParseAddress(local + "@" + ascii)
	if err != nil || parsed.Name != "" || parsed.Address != local+"@"+ascii || strings.ContainsFunc(local, unseen) {
		return "", fmt.Errorf("%w: not an address", ErrInvalid)
	}
	domain, err = spelled(domain, ascii)
	email := local + "@" + domain
	if err != nil || len(email) > MaxEmail || len(parsed.Address) > MaxEmail {
		return "", fmt.Errorf("%w: not an address", ErrInvalid)
	}
	return email, nil
}

// EmailKey is the form of an address that is compared and indexed: two spellings of one
// mailbox have one key. The local part is NFKC-normalised and case-folded, more than mail
// servers would, so that no person has two accounts; the domain is in ASCII, as DNS
// compares it, since "straße.example" and "strasse.example" have two owners. Any text has
// a key, whether or not it is an address; a key is its own key. It is never shown nor
// mailed to.
func EmailKey(email string) []byte {
	key := []byte(email)
	const rounds = 8 // more than any text needs: what folds to something else folds once or twice
	for range rounds {
		next := keyOnce(string(key))
		if bytes.Equal(next, key) {
			break
		}
		key = next
	}
	return key
}

func keyOnce(email string) []byte {
	local, domain, ok := cutLast(plain(email), "@")
	if !ok || len(email) > maxSpelled {
		return fold(plain(email))
	}
	local = strings.Map(func(r rune) rune {
		if joins(r) {
			return -1
		}
		return r
	}, local)
	key := append(fold(local), '@')
	if ascii, err := hostOf(domain); err == nil {
		return append(key, ascii...)
	}
	return append(key, fold(domain)...)
}

// plain is a text without space around it and without the characters that show nothing,
// with an @ for what Unicode has as one.
func plain(text string) string {
	text = strings.Map(func(r rune) rune {
		switch {
		case r == '＠' || r == '﹫':
			return '@'
		case Invisible(r) && !joins(r):
			return -1
		}
		return r
	}, text)
	return strings.TrimSpace(text)
}

// Invisible tells whether a character shows nothing by itself and takes no room:
// zero-width spaces, soft hyphens, marks that turn the direction of text, tags, variation
// selectors, fillers (Unicode, Default_Ignorable_Code_Point).
func Invisible(r rune) bool {
	return r >= 0xad && unicode.In(r, unicode.Cf, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector) &&
		!unicode.Is(unicode.Prepended_Concatenation_Mark, r)
}

// joins tells whether a character joins letters or keeps them apart. Some scripts need
// it, in domains too (RFC 5892 appendix A), so it is not dropped.
func joins(r rune) bool { return r == '\u200c' || r == '\u200d' }

// blanks take room and show nothing, though Unicode has them as letters or symbols.
var blanks = []rune{'\u2800', '\u3164', '\uffa0', '\u115f', '\u1160', '\U0001d159', '\U00016fe4'}

// unseen tells whether a character is none that people see and type in an address.
func unseen(r rune) bool {
	return !unicode.IsGraphic(r) || unicode.IsSpace(r) || unicode.Is(unicode.Zs, r) || Invisible(r) || slices.Contains(blanks, r)
}

// Shows tells whether a name shows anything: a letter, a digit, a sign or a picture.
// Marks alone are none: they stand on something.
func Shows(name string) bool {
	return strings.ContainsFunc(name, func(r rune) bool {
		return unicode.In(r, unicode.L, unicode.N, unicode.P, unicode.S) && !unseen(r)
	})
}

// dots writes the dots that IDNA takes for one (RFC 3490 section 3.1, UTS 46) as one, and
// drops one at the end, which DNS reads alike.
func dots(domain string) string {
	return strings.TrimSuffix(strings.NewReplacer("。", ".", "．", ".", "｡", ".").Replace(domain), ".")
}

// hostOf is the domain of an address in ASCII and small letters (RFC 5891 section 5), as
// DNS compares it. ErrInvalid: mail to it goes nowhere. Networks of their own have names
// of one label, and with "_".
func hostOf(domain string) (string, error) {
	name := strings.ToLower(dots(domain))
	if !isASCII(domain) || strings.Contains(name, "xn--") {
		// Strict would refuse what mail servers take; this maps as browsers do.
		mapped, err := idna.Lookup.ToASCII(dots(domain))
		if name = mapped; err != nil || !isASCII(name) {
			return "", fmt.Errorf("%w: not a domain", ErrInvalid)
		}
	}
	labels := strings.Split(name, ".")
	last := labels[len(labels)-1]
	if len(name) > 253 || !utf8.ValidString(domain) || strings.Trim(name, domainChars+"_") != "" || strings.Trim(last, "0123456789") == "" {
		return "", fmt.Errorf("%w: not a domain", ErrInvalid)
	}
	for _, label := range labels {
		if label == "" || len(label) > 63 {
			return "", fmt.Errorf("%w: not a domain", ErrInvalid)
		}
	}
	if _, err := netip.ParseAddr(name); err == nil {
		return "", fmt.Errorf("%w: an IP address is no domain", ErrInvalid)
	}
	return name, nil
}

// spelled is a domain as it is kept: as it was written where that is ASCII, else the
// letters that it stands for.
func spelled(domain, ascii string) (string, error) {
	if name := dots(domain); isASCII(name) {
		return name, nil
	}
	return idna.Lookup.ToUnicode(ascii)
}

func isASCII(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r > unicode.MaxASCII })
}

// MailDomain is the domain of an address in the form in which domains are compared:
// ASCII, in small letters (RFC 5891 section 5). ErrInvalid: it is no domain.
func MailDomain(email string) (string, error) {
	_, domain, ok := cutLast(plain(email), "@")
	if !ok {
		return "", fmt.Errorf("%w: an address without a domain", ErrInvalid)
	}
	return Domain(domain)
}

// SameMailbox tells whether two addresses lead to one mailbox for certain. EmailKey takes
// more for one person, so that no person has two accounts: "maßa" and "massa" have one
// key, and may be two mailboxes. What is mailed to one address, or proved of it, says
// nothing of the other.
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
	name = plain(name)
	if len(name) > maxSpelled {
		return "", fmt.Errorf("%w: not a domain", ErrInvalid)
	}
	ascii, err := hostOf(name)
	if err != nil || !strings.Contains(ascii, ".") || strings.Contains(ascii, "_") {
		return "", fmt.Errorf("%w: not a domain", ErrInvalid)
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

// fold is a text without regard to case and to how its letters are composed; search words
// are folded so too.
func fold(text string) []byte {
	// Folding may undo the normal form (and the reverse), hence once more. The
	// normal form may begin or end with a space where the text does not. In
	// small letters first, since Fold swaps the cases of Cherokee.
	folded := cases.Fold().String(strings.ToLower(norm.NFKC.String(text)))
	return []byte(strings.TrimSpace(norm.NFKC.String(folded)))
}

// NameKey is the form in which names are compared that must differ for the eye.
func NameKey(name string) []byte { return fold(plain(name)) }

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
