package authz

import (
	"gatehouse/idp/store"
)

// Manager decides who may carry out which operation.
type Manager struct {
	Store *store.Store
	// Throttles counts mails and forgets counted failures. *throttle.Limiter does.
	Throttles Throttles
}
