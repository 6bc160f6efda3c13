package factors

import (
	"gatehouse/idp/keyring"
	"gatehouse/idp/manage/authz"
	"gatehouse/idp/manage/people"
	"gatehouse/idp/outbox"
	"gatehouse/idp/passkey"
	"gatehouse/idp/store"
)

// Manager carries out the operations on people's second steps.
type Manager struct {
	Authz   *authz.Manager
	People  *people.Manager
	Store   *store.Store
	Keyring *keyring.Keyring
	Outbox  *outbox.Outbox
	// RecoveryKey is the HMAC key under which recovery codes are found.
	RecoveryKey []byte
	// Passkeys is the relying party of passkeys.
	Passkeys *passkey.Relying
	// Throttles counts mails and forgets counted failures. *throttle.Limiter does.
	Throttles authz.Throttles
}
