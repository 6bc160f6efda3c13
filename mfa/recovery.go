package mfa

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"strings"
	"time"
)

const (
	// RecoveryCodes is how many codes a set has.
	RecoveryCodes = 10
	// RecoveryLow is the number of codes left from which on the person is warned.
	RecoveryLow = 3
	// RegenerateAfter is how long after it was made a set cannot be replaced: a thief in a
	// hijacked session cannot outrun the owner's notification mail.
	RegenerateAfter = 2 * time.Hour
)

// recoverySize is the size of a code in bytes: 80 bits are 16 characters of
// five bits, with nothing left over. Look-up secrets have at least 64 bits (NIST SP 800-63B-4
// section 3.1.2).
const recoverySize = 10

// recoveryChars is that in characters.
const recoveryChars = recoverySize * 8 / 5

// crockford is the alphabet of Crockford's base32: no I, L, O, which look like
// 1 and 0, and no U.
const crockford = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

var recoveryText = base32.NewEncoding(crockford).WithPadding(base32.NoPadding)

// NewRecoveryCodes makes a set of random codes of 80 bits, in the one form in
// which codes are shown, stored and compared: "0123-4567-89AB-CDEF".
func NewRecoveryCodes() []string {
	codes := make([]string, RecoveryCodes)
	for i := range codes {
		var b [recoverySize]byte
		rand.Read(b[:]) // never fails: crypto/rand ends the program instead
		codes[i] = grouped(recoveryText.EncodeToString(b[:]), "-")
	}
	return codes
}

func recoveryChar(r rune) rune {
	switch {
	case r == ' ' || r == '-':
		return -1
	case 'a' <= r && r <= 'z': // ASCII only: ſ and K (kelvin) are other letters
		r -= 'a' - 'A'
	}
	switch r {
	case 'O':
		return '0'
	case 'I', 'L':
		return '1'
	}
	return r
}

// recoveryDomain keeps these MACs apart from all others under the same key.
const recoveryDomain = "gatehouse/recovery-code/v1"

// RecoveryMAC is by what a code is found: HMAC-SHA256 under a server's key, so
// that a copy of the database alone cannot be tried against. It is bound to the
// user, so equal MACs of two people tell nothing. The code must be in the form
// that NewRecoveryCodes and NormalizeRecoveryCode make.
func RecoveryMAC(key []byte, userID, code string) []byte {
	mac := hmac.New(sha256.New, key)
	// The code never contains a NUL, so the parts cannot shift into each other.
	fmt.Fprintf(mac, "%s\x00%s\x00%s", recoveryDomain, userID, code)
	return mac.Sum(nil)
}

// CanRegenerate tells whether a set made at generated can be replaced now, and
// from when on. A user without a set has the zero time, and can.
func CanRegenerate(generated, now time.Time) (ok bool, at time.Time) {
	at = generated.Add(RegenerateAfter)
	return !now.Before(at), at
}

// RecoveryText is the file that people download or print, in the words of write. Label
// and account are put on one line each, so that neither can pose as a code.
func RecoveryText(write func(label, account, codes string) string, issuerLabel, account string, codes []string) string {
	var b strings.Builder
	for i, code := range codes {
		fmt.Fprintf(&b, "%3d.  %s\n", i+1, code)
	}
	return write(oneLine(issuerLabel), oneLine(account), b.String())
}
