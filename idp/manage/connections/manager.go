package connections

import (
	"gatehouse/idp/keyring"
	"gatehouse/idp/manage/authz"
	"gatehouse/idp/manage/factors"
	"gatehouse/idp/manage/people"
	"gatehouse/idp/session"
	"gatehouse/idp/store"
)

// Manager carries out the operations on connections and identities.
type Manager struct {
	Authz    *authz.Manager
	People   *people.Manager
	Factors  *factors.Manager
	Store    *store.Store
	Keyring  *keyring.Keyring
	Sessions *session.Manager
	// Issuer is the provider's: links in mails lead below it.
	Issuer string
	// PrivateNetworks: back-channel logout may go to addresses that are not public,
	// by http too.
	PrivateNetworks bool
	// Reap is called when something was ended "Immediately": the clean-up can begin.
	// It must not block. Optional.
	Reap func()
}
