package authz

import (
	"gatehouse/idp/store"
)

// Manager carries out the operations of this room.
type Manager struct {
	Store *store.Store
	// Throttles counts mails and forgets counted failures. *throttle.Limiter does.
	Throttles Throttles
}
