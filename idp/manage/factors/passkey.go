package factors

import (
	"errors"

	"gatehouse/idp"
	"gatehouse/idp/passkey"
)

// ErrPasskeyTaken: that passkey is registered already, for this person or another.
var ErrPasskeyTaken = errors.New("the passkey is registered already")

// NewPasskey reads a browser's answer about a new passkey.
// verified: its authenticator checked who made it. It stores nothing; an error is a
// *passkey.RefusedError.
func (m *Manager) NewPasskey(answer string, challenge []byte) (key idp.Passkey, verified bool, err error) {
	return m.Passkeys.Created(answer, challenge, passkey.Trust{})
}
