package mfa

import (
	"crypto/rand"
	"strings"
	"unicode"
)

// userCodeLetters are the letters of user codes (RFC 8628 section 6.1): consonants alone,
// which look like nothing else and make no words.
const userCodeLetters = "BCDFGHJKLMNPQRSTVWXZ"

// userCodeLength is how many a user code has: 20^8 of them are 34 bits.
const userCodeLength = 8

// NewUserCode makes the random code that a device shows and a person types, in the form in
// which it is shown, stored and compared: "BCDF-GHJK".
func NewUserCode() string {
	const fair = 256 / len(userCodeLetters) * len(userCodeLetters) // bytes from here on would favour the first letters
	var code []byte
	for len(code) < userCodeLength {
		var b [1]byte
		rand.Read(b[:]) // never fails: crypto/rand ends the program instead
		if int(b[0]) < fair {
			code = append(code, userCodeLetters[int(b[0])%len(userCodeLetters)])
		}
	}
	return grouped(string(code), "-")
}

// NormalizeUserCode turns what a person typed into the form that NewUserCode makes: without
// regard to case, spaces, dashes and other signs, and what shows nothing, with letters of
// full width as those of ASCII. It fails with ErrCodeFormat where that makes no code.
func NormalizeUserCode(typed string) (string, error) {
	text, err := readable(typed)
	if err != nil {
		return "", err
	}
	code := strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z': // ASCII only: ſ and K (kelvin) are other letters
			return r - 'a' + 'A'
		case unicode.IsLetter(r) || unicode.IsDigit(r):
			return r
		}
		return -1
	}, text)
	if len(code) != userCodeLength || strings.Trim(code, userCodeLetters) != "" {
		return "", ErrCodeFormat
	}
	return grouped(code, "-"), nil
}
