package mfa

import (
	"errors"
	"fmt"
	"strings"
	"unicode"

	"github.com/pquerna/otp"
)

// ErrTOTPKey: it is no key of an authenticator that works here.
var ErrTOTPKey = errors.New("mfa: not a usable key of an authenticator")

// maxTOTPKey is the longest key that is read, in bytes: HMAC-SHA-1 hashes longer ones
// to 20 anyway.
const maxTOTPKey = 64

// ReadTOTPKey reads an authenticator's key as other systems export it: base32 in any
// case and grouping, or an otpauth URL. It fails with ErrTOTPKey for a key of fewer
// than 128 bits (RFC 4226 section 4, R6), and for codes other than those of 6 digits, 30
// seconds and SHA-1, which the app would go on making. Its errors quote nothing.
func ReadTOTPKey(text string) ([]byte, error) {
	text = strings.TrimSpace(text)
	if len(text) > 1024 {
		return nil, fmt.Errorf("%w: it is too long", ErrTOTPKey)
	}
	if strings.Contains(text, "://") {
		var err error
		if text, err = totpSecret(text); err != nil {
			return nil, err
		}
	}
	text = strings.TrimRight(strings.ToUpper(strings.Map(ungrouped, text)), "=")
	key, err := base32Text.DecodeString(text)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: it is not base32", ErrTOTPKey)
	case len(key) < minTOTPKey:
		return nil, fmt.Errorf("%w: it has fewer than %d bits; the person sets up the app again", ErrTOTPKey, 8*minTOTPKey)
	case len(key) > maxTOTPKey:
		return nil, fmt.Errorf("%w: it has more than %d bytes", ErrTOTPKey, maxTOTPKey)
	}
	return key, nil
}

// ungrouped drops what stands between groups of characters.
func ungrouped(r rune) rune {
	if unicode.IsSpace(r) || r == '-' {
		return -1
	}
	return r
}

// totpSecret is the secret of an otpauth URL.
func totpSecret(url string) (string, error) {
	key, err := otp.NewKeyFromURL(url)
	if err != nil || !strings.HasPrefix(url, "otpauth://") || key.Type() != "totp" {
		return "", fmt.Errorf("%w: it is no otpauth URL of a time-based code", ErrTOTPKey)
	}
	if key.Digits() != TOTPDigits || key.Period() != TOTPPeriod || key.Algorithm() != otp.AlgorithmSHA1 {
		return "", fmt.Errorf("%w: its codes are not of %d digits, %d seconds and SHA-1", ErrTOTPKey, TOTPDigits, TOTPPeriod)
	}
	return key.Secret(), nil
}
