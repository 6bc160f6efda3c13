package people

import (
	"gatehouse/idp/manage/authz"
	"gatehouse/idp/outbox"
	"gatehouse/idp/password"
	"gatehouse/idp/session"
	"gatehouse/idp/store"
)

// Manager carries out the operations on people.
type Manager struct {
	Authz    *authz.Manager
	Store    *store.Store
	Hasher   *password.Hasher
	Sessions *session.Manager
	Outbox   *outbox.Outbox
	// Throttles counts mails and forgets counted failures. *throttle.Limiter does.
	Throttles authz.Throttles
}
