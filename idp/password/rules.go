package password

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// Rules are what a new password must meet (NIST SP 800-63B-4 section 3.1.1.2):
// length, and not being the first that an attacker would try. There are no rules
// of composition.
type Rules struct {
	// MinLength counts characters, that is Unicode code points.
	MinLength int
	// Personal are the person's names and email addresses and the product's
	// names.
	Personal []string
}

// What Check can find, besides ErrTooLong and a TooShortError.
var (
	// ErrCommon: it is among the commonest passwords, or one short thing
	// repeated.
	ErrCommon = errors.New("password: one of the commonest")
	// ErrPersonal: most of it is a name or address of the person or the product.
	ErrPersonal = errors.New("password: mostly a name or address")
)

// TooShortError tells the minimum that a password missed, in characters.
type TooShortError struct {
	MinLength int
}

func (e TooShortError) Error() string {
	return fmt.Sprintf("password: shorter than %d characters", e.MinLength)
}

// Check tells whether a password may be set, and if not, the first reason:
// ErrTooLong, a TooShortError (errors.As), ErrCommon or ErrPersonal.
func Check(password string, r Rules) error {
	switch {
	case len(password) > MaxBytes:
		return ErrTooLong
	case characters(password) < r.MinLength:
		return TooShortError{MinLength: r.MinLength}
	case common(password):
		return ErrCommon
	case personal(password, r.Personal):
		return ErrPersonal
	}
	return nil
}

// characters counts code points, in the normal form or as typed, whichever are
// fewer: neither splitting an accent off nor a character that normalises to
// three makes a password longer.
func characters(password string) int {
	return min(utf8.RuneCount(normalize(password)), utf8.RuneCountInString(password))
}

// fold is the form in which passwords and words are compared with each other:
// what looks alike apart from case is the same.
func fold(text string) string {
	return norm.NFC.String(cases.Fold().String(norm.NFC.String(text)))
}

// minUnit is how long, in characters, a repeated part must be for a password to
// be judged by more than that part's being common.
const minUnit = 5

// common tells whether a password is listed, or is one part over and over again
// ("passwordpassword", "123123123123") that is listed or very short.
func common(password string) bool {
	folded := fold(password)
	if listed(folded) {
		return true
	}
	unit := repeated(folded)
	return unit != folded && (utf8.RuneCountInString(unit) < minUnit || listed(unit))
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
	text := letters(fold(password))
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
		folded := fold(item)
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
