package mfa

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/width"

	"gatehouse/idp"
)

// ErrTwoCodes: what was typed or pasted holds more than one code. It is an
// ErrCodeFormat.
var ErrTwoCodes error = twoCodes{}

type twoCodes struct{}

// Error implements error.
func (twoCodes) Error() string { return "mfa: more than one code" }

// Is makes it an ErrCodeFormat for everybody who does not tell them apart.
func (twoCodes) Is(target error) bool { return target == ErrCodeFormat }

// maxCodeInput is how many bytes of what was typed are looked at: more than a mail with a
// code has, so that all of it may be pasted.
const maxCodeInput = 8192

// digitRuns are digits with spaces and dashes between them, on one line.
var digitRuns = regexp.MustCompile(`[0-9](?:[-\t ]*[0-9])*`)

// CodeDigits finds the six digits of a code, of an app or of a mail, in what a person
// typed or pasted, in the order typed: digits of any script, without regard to characters
// that show nothing and to spaces and dashes between digits. Of a sentence it takes the
// one run of six digits. It fails with ErrTwoCodes where there are several, and with
// ErrCodeFormat where there is none. codeDigits in ui/assets/comfort.js reads alike:
// testdata/typed.json holds both to one table.
func CodeDigits(typed string) (string, error) {
	text, err := readable(typed)
	if err != nil {
		return "", err
	}
	var found []string
	for _, run := range digitRuns.FindAllString(text, -1) {
		groups := strings.FieldsFunc(run, func(r rune) bool { return r < '0' || r > '9' })
		if whole := strings.Join(groups, ""); len(whole) == TOTPDigits {
			groups = []string{whole}
		}
		for _, g := range groups {
			if len(g) == TOTPDigits {
				found = append(found, g)
			}
		}
	}
	return only(found)
}

// listed is how a line of a list begins: " 10.  ".
var listed = regexp.MustCompile(`^[0-9]{1,2} ?[.):\]]`)

// NormalizeRecoveryCode turns what a person typed into the form that
// NewRecoveryCodes makes: without regard to case, spaces, dashes, what shows nothing and
// signs around it, reading O as 0 and I and L as 1, letters of full width and digits of
// any script as those of ASCII. A line of RecoveryText will do, with its number. It fails
// with ErrCodeFormat where that makes no code, and with ErrTwoCodes where it makes several.
func NormalizeRecoveryCode(input string) (string, error) {
	text, err := readable(input)
	if err != nil {
		return "", err
	}
	var found []string
	for _, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		line = strings.TrimFunc(strings.TrimPrefix(line, listed.FindString(line)), func(r rune) bool {
			return !unicode.IsLetter(r) && !unicode.IsDigit(r)
		})
		code := strings.Map(recoveryChar, line)
		if len(code) == recoveryChars && strings.Trim(code, crockford) == "" {
			found = append(found, grouped(code, "-"))
		}
	}
	return only(found)
}

func only(found []string) (string, error) {
	switch len(found) {
	case 0:
		return "", ErrCodeFormat
	case 1:
		return found[0], nil
	}
	return "", ErrTwoCodes
}

// readable is what was typed with what means the same written alike: ASCII digits, "-"
// for any dash, a space for any white space but the ends of lines, letters of full width
// as their twins, and nothing for what shows nothing or only stands on something else.
func readable(typed string) (string, error) {
	controls := strings.ContainsFunc(typed, func(r rune) bool { return unicode.IsControl(r) && !unicode.IsSpace(r) })
	if len(typed) > maxCodeInput || !utf8.ValidString(typed) || controls {
		return "", ErrCodeFormat
	}
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\r' || r == '\u2028' || r == '\u2029':
			return '\n'
		case idp.Invisible(r) || unicode.Is(unicode.M, r):
			return -1
		case unicode.IsSpace(r):
			return ' '
		case unicode.Is(unicode.Pd, r) || r == '\u2212': // minus sign
			return '-'
		case unicode.IsDigit(r):
			return digit(r)
		}
		if folded := width.LookupRune(r).Folded(); folded != 0 {
			return folded
		}
		return r
	}, typed), nil
}

// digit is a decimal digit of any script in ASCII: each script has its ten in a row, zero
// first (Unicode 4.6).
func digit(r rune) rune {
	zero := r
	for unicode.IsDigit(zero - 1) {
		zero--
	}
	return '0' + (r-zero)%10
}
