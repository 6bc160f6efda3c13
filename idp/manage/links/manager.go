package links

import (
	"gatehouse/idp/keyring"
	"gatehouse/idp/manage/authz"
	"gatehouse/idp/manage/people"
	"gatehouse/idp/outbox"
	"gatehouse/idp/store"
)

// Manager carries out the operations of this room.
type Manager struct {
	Authz   *authz.Manager
	People  *people.Manager
	Store   *store.Store
	Keyring *keyring.Keyring
	Outbox  *outbox.Outbox
	// Mailer sends mail at once, nil where no server is configured: then email codes
	// cannot be offered. Write puts a mail into words.
	Mailer outbox.Mailer
	// Issuer is the provider's: links in mails lead below it.
	Issuer string
	// Throttles counts mails and forgets counted failures. *throttle.Limiter does.
	Throttles authz.Throttles
}
