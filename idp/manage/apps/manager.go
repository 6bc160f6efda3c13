package apps

import (
	"net/http"

	"gatehouse/idp/manage/authz"
	"gatehouse/idp/store"
)

// Manager carries out the operations on clients.
type Manager struct {
	Authz *authz.Manager
	Store *store.Store
	// Issuer is the provider's, below which no API of others is.
	Issuer string
	// Fetch gets what apps publish: see idp/fetch.
	Fetch *http.Client
	// PrivateNetworks: back-channel logout may go to addresses that are not public, and keys
	// may come from there, by http too.
	PrivateNetworks bool
}
