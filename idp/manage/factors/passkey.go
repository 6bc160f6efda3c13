package factors

import (
	"errors"

	"gatehouse/idp"
	"gatehouse/idp/passkey"
)

// ErrPasskeyTaken: somebody, the person or another, has that passkey already.
var ErrPasskeyTaken = errors.New("the passkey is somebody's already")

// NewPasskey reads a browser's answer about a new passkey, for a person of a population.
// verified: its authenticator checked who made it. It stores nothing; an error is a
// *passkey.RefusedError.
func (m *Manager) NewPasskey(_ idp.Population, answer string, challenge []byte) (key idp.Passkey, verified bool, err error) {
	return m.Passkeys.Created(answer, challenge, passkey.Trust{})
}
