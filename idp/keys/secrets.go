package keys

import (
	"context"
	"crypto/rand"
	"fmt"

	"gatehouse/idp"
	"gatehouse/idp/keyring"
	"gatehouse/idp/store"
)

// Purpose names a secret that the program makes for itself, once.
type Purpose string

// The secrets. Each has one use.
const (
	ForThrottle Purpose = "hmac.throttle" // keys of counters
	ForRefresh  Purpose = "hmac.refresh"  // successors of refresh tokens
	ForRecovery Purpose = "hmac.recovery" // finding recovery codes
	ForEmail    Purpose = "hmac.email"    // keeping email codes
	ForSession  Purpose = "hmac.session"  // successors of a session's token
	ForNonce    Purpose = "hmac.nonce"    // nonces of proofs of possession
	ForPasskey  Purpose = "hmac.passkey"  // what authenticators sign
	// ForFederation binds what another provider answers to what it was asked.
	ForFederation Purpose = "hmac.federation"
)

// Secret returns the 256-bit secret of a purpose, and makes it where there is
// none. Replicas that start together agree on one. It is stored sealed.
func Secret(ctx context.Context, s *store.Store, ring *keyring.Keyring, purpose Purpose) ([]byte, error) {
	fresh := make([]byte, idp.SecretBytes)
	rand.Read(fresh) // never fails
	aad := keyring.AAD("settings", string(purpose), "value")
	stands, err := s.CreateSetting(ctx, string(purpose), ring.Seal(fresh, aad), true)
	if err != nil {
		return nil, err
	}
	secret, err := ring.Open(stands, aad)
	if err != nil {
		return nil, fmt.Errorf("open secret %s: %w: give the master key that it is sealed under, or, if it is lost for good, see gatehouse keys forget", purpose, err)
	}
	return secret, nil
}
