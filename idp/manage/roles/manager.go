package roles

import (
	"gatehouse/idp/manage/authz"
	"gatehouse/idp/store"
)

// Manager carries out the operations on roles.
type Manager struct {
	Authz *authz.Manager
	Store *store.Store
}
