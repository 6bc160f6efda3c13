package populations

import (
	"gatehouse/idp/manage/apps"
	"gatehouse/idp/manage/authz"
	"gatehouse/idp/manage/connections"
	"gatehouse/idp/outbox"
	"gatehouse/idp/store"
)

// Manager carries out the operations of this room.
type Manager struct {
	Authz       *authz.Manager
	Connections *connections.Manager
	Apps        *apps.Manager
	Store       *store.Store
	// Mailer sends mail at once, nil where no server is configured: then email codes
	// cannot be offered. Write puts a mail into words.
	Mailer outbox.Mailer
	// Reap is called when something was ended "Immediately": the clean-up can begin.
	// It must not block. Optional.
	Reap func()
}
