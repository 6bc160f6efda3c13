package password

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"gatehouse/idp"
	"gatehouse/idp/password/blocklist"
)

// Rules are what a password must meet (NIST SP 800-63B-4 section 3.1.1.2): what the
// population asks for, and always not being the first that an attacker would try.
type Rules struct {
	idp.PasswordRules
	// Personal are the person's names and email addresses, and the organisation's
	// and the product's names.
	Personal []string
}

// Kind names what is wrong about a password.
type Kind string

// The kinds of reasons. Judge finds all but the last three, for which one has to know
// the person's previous passwords.
const (
	TooLong  Kind = "too_long"  // more than Number bytes
	TooShort Kind = "too_short" // fewer than Number characters
	NoUpper  Kind = "no_upper"  // no upper-case letter
	NoLower  Kind = "no_lower"  // no lower-case letter
	NoDigit  Kind = "no_digit"
	// NoSpecial: nothing that is neither letter nor digit. A space is something.
	NoSpecial Kind = "no_special"
	// Common: it is among the commonest passwords, or one short thing repeated.
	Common Kind = "common"
	// Personal: most of it is a name or address of the person or the organisation.
	Personal Kind = "personal"
	// Reused: it is among the person's last Number passwords, Same: it is the one that
	// they have. Expired: it is older than Number days.
	Reused  Kind = "reused"
	Same    Kind = "same"
	Expired Kind = "expired"
)

// Reason is one thing that is wrong about a password.
type Reason struct {
	Kind   Kind `json:"kind"`
	Number int  `json:"number,omitempty"`
}

// String says it in English, as part of a sentence about the password.
func (r Reason) String() string {
	switch r.Kind {
	case TooLong:
		return fmt.Sprintf("longer than %d bytes", r.Number)
	case TooShort:
		return fmt.Sprintf("shorter than %d characters", r.Number)
	case NoUpper:
		return "without an upper-case letter"
	case NoLower:
		return "without a lower-case letter"
	case NoDigit:
		return "without a digit"
	case NoSpecial:
		return "without a character that is neither letter nor digit"
	case Common:
		return "one of the commonest"
	case Personal:
		return "mostly a name or address"
	case Reused:
		return fmt.Sprintf("one of the last %d", r.Number)
	case Same:
		return "the one that is to be replaced"
	case Expired:
		return fmt.Sprintf("older than %d days", r.Number)
	}
	return string(r.Kind)
}

// Judge lists everything that is wrong about a password, nothing for one that meets the
// rules. It is pure, and cheap enough to be asked at each key.
func Judge(password string, r Rules) []Reason {
	if len(password) > MaxBytes {
		return []Reason{{TooLong, MaxBytes}}
	}
	var reasons []Reason
	add := func(wrong bool, kind Kind, number int) {
		if wrong {
			reasons = append(reasons, Reason{kind, number})
		}
	}
	has := contents(password)
	add(characters(password) < r.MinLength, TooShort, r.MinLength)
	add(r.Upper && !has.upper, NoUpper, 0)
	add(r.Lower && !has.lower, NoLower, 0)
	add(r.Digit && !has.digit, NoDigit, 0)
	add(r.Special && !has.special, NoSpecial, 0)
	add(common(password), Common, 0)
	// Of an empty password nothing is a name.
	add(password != "" && personal(password, r.Personal), Personal, 0)
	return reasons
}

// content is which kinds of characters a password has.
type content struct{ upper, lower, digit, special bool }

func contents(password string) (has content) {
	for _, r := range norm.NFC.String(password) {
		switch {
		case unicode.IsUpper(r) || unicode.IsTitle(r):
			has.upper = true
		case unicode.IsLower(r):
			has.lower = true
		case unicode.IsDigit(r):
			has.digit = true
		case !unicode.IsLetter(r) && !unicode.IsMark(r):
			has.special = true
		}
	}
	return has
}

// Limits of rules. A service must allow 64 characters (NIST SP 800-63B-4 section
// 3.1.1.2) and so cannot ask for more, nor for fewer than 8.
const (
	LeastMinLength, MostMinLength = 8, 64
	MostExpiryDays                = 3650
	// MostNoReuse bounds the work of a change: one hash for each.
	MostNoReuse = 24
)

// Expires tells when a password that was set at a time has to be changed; never is
// the zero time.
func Expires(r idp.PasswordRules, set time.Time) time.Time {
	if r.ExpiryDays == 0 || set.IsZero() {
		return time.Time{}
	}
	return set.Add(time.Duration(r.ExpiryDays) * 24 * time.Hour)
}

// Laxer is met by each password that meets one of two sets of rules. A person who meets
// one of them is not asked to change.
func Laxer(a, b idp.PasswordRules) idp.PasswordRules {
	if a == (idp.PasswordRules{}) || b == (idp.PasswordRules{}) {
		return idp.PasswordRules{}
	}
	days := max(a.ExpiryDays, b.ExpiryDays)
	if a.ExpiryDays == 0 || b.ExpiryDays == 0 {
		days = 0
	}
	return idp.PasswordRules{
		MinLength: min(a.MinLength, b.MinLength),
		Upper:     a.Upper && b.Upper, Lower: a.Lower && b.Lower, Digit: a.Digit && b.Digit, Special: a.Special && b.Special,
		ExpiryDays: days, NoReuse: min(a.NoReuse, b.NoReuse),
	}
}

// characters counts code points, in the normal form or as typed, whichever are
// fewer: neither splitting an accent off nor a character that normalises to
// three makes a password longer.
func characters(password string) int {
	return min(utf8.RuneCount(normalize(password)), utf8.RuneCountInString(password))
}

// minUnit is how long, in characters, a repeated part must be for a password to
// be judged by more than that part's being common.
const minUnit = 5

// common tells whether a password is listed, or is one part over and over again
// ("passwordpassword", "123123123123") that is listed or very short.
func common(password string) bool {
	folded := blocklist.Fold(password)
	if blocklist.Contains(folded) {
		return true
	}
	unit := repeated(folded)
	return unit != folded && (utf8.RuneCountInString(unit) < minUnit || blocklist.Contains(unit))
}

// repeated returns the shortest text whose repetition is the whole: a text
// occurs inside itself doubled first where it begins to repeat.
func repeated(text string) string {
	if text == "" {
		return ""
	}
	period := 1 + strings.Index((text + text)[1:], text)
	return text[:period]
}

// minWord is the shortest personal word that counts, in characters: shorter ones
// are in half of all passwords by chance.
const minWord = 3

// personal tells whether personal words make up more than half of a password's
// letters and digits.
func personal(password string, items []string) bool {
	text := letters(blocklist.Fold(password))
	covered := make([]bool, len(text))
	for _, word := range words(items) {
		cover(covered, text, word)
	}
	count := 0
	for _, c := range covered {
		if c {
			count++
		}
	}
	return 2*count > len(text)
}

// cover marks the bytes of text where word stands. Occurrences that overlap all
// count, and the cost stays at one pass for a word.
func cover(covered []bool, text, word string) {
	marked := 0 // everything before was looked at
	for at := 0; ; at++ {
		next := strings.Index(text[at:], word)
		if next < 0 {
			return
		}
		at += next
		for i := max(at, marked); i < at+len(word); i++ {
			covered[i] = true
		}
		marked = at + len(word)
	}
}

// words takes names and addresses apart: each whole, without what is neither
// letter nor digit, and each of its words.
func words(items []string) []string {
	var found []string
	for _, item := range items {
		folded := blocklist.Fold(item)
		found = append(found, letters(folded))
		found = append(found, strings.FieldsFunc(folded, separator)...)
	}
	return slices.DeleteFunc(found, func(word string) bool {
		return utf8.RuneCountInString(word) < minWord
	})
}

// letters drops what people put between the parts of a name.
func letters(text string) string {
	return strings.Map(func(r rune) rune {
		if separator(r) {
			return -1
		}
		return r
	}, text)
}

func separator(r rune) bool {
	return !unicode.IsLetter(r) && !unicode.IsMark(r) && !unicode.IsDigit(r)
}
