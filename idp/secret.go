package idp

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"

	"github.com/google/uuid"
)

// NewID makes an identifier for a row: a UUID of version 7 (RFC 9562 section
// 5.7), whose leading timestamp keeps inserts at the right edge of an index. It
// is public and never a credential.
func NewID() string {
	return uuid.Must(uuid.NewV7()).String()
}

// SecretBytes is the size of every random credential we hand out: 256 bits.
const SecretBytes = 32

// NewSecret makes a random 256-bit credential (session id, code, token, client
// secret) in base64url without padding: 43 characters.
func NewSecret() string {
	var b [SecretBytes]byte
	rand.Read(b[:]) // never fails: crypto/rand ends the program instead
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// HashSecret is how a random credential is stored and looked up: its SHA-256.
// A slow hash would buy nothing, since 256 random bits cannot be guessed.
func HashSecret(secret string) []byte {
	sum := sha256.Sum256([]byte(secret))
	return sum[:]
}
