package links

import (
	"gatehouse/idp/keyring"
	"gatehouse/idp/manage/authz"
	"gatehouse/idp/manage/people"
	"gatehouse/idp/outbox"
	"gatehouse/idp/store"
)

// Manager makes and uses links by mail.
type Manager struct {
	Authz   *authz.Manager
	People  *people.Manager
	Store   *store.Store
	Keyring *keyring.Keyring
	Outbox  *outbox.Outbox
	// Mailer is nil where no mail server is configured.
	Mailer outbox.Mailer
	// Issuer is the provider's: links in mails lead below it.
	Issuer string
	// Throttles counts mails and forgets counted failures. *throttle.Limiter does.
	Throttles authz.Throttles
}
