package mfa

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"time"
)

const (
	// EmailCodeLifetime is how long an email code is valid (NIST SP 800-63B-4
	// section 3.1.3.2: at most ten minutes).
	EmailCodeLifetime = 10 * time.Minute
	// EmailCodeTries is how often one code may be tried.
	EmailCodeTries = 5
	// ResendAfter is how long a person waits for the next code, whichever sign-in
	// asks for it.
	ResendAfter = 30 * time.Second
)

// NewEmailCode makes a random code of six digits, each of the million equally
// likely.
func NewEmailCode() string {
	const codes = 1_000_000
	const fair = (1 << 32) / codes * codes // numbers from here on would favour the low codes
	for {
		var b [4]byte
		rand.Read(b[:]) // never fails: crypto/rand ends the program instead
		if n := binary.BigEndian.Uint32(b[:]); n < fair {
			return fmt.Sprintf("%06d", n%codes)
		}
	}
}

// EmailCodeMAC is the form in which a code is stored: an HMAC under key, bound to
// its flow and to the person it was sent to, so that neither the table, nor another
// flow, nor another person in the same flow can use it.
func EmailCodeMAC(key []byte, flowID, userID, code string) []byte {
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "email code\x00%d\x00%s%d\x00%s%s", len(flowID), flowID, len(userID), userID, code)
	return mac.Sum(nil)
}

// SameMAC compares two HMACs in constant time.
func SameMAC(a, b []byte) bool { return hmac.Equal(a, b) }
