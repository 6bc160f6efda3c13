package populations

import (
	"gatehouse/idp/manage/apps"
	"gatehouse/idp/manage/authz"
	"gatehouse/idp/manage/connections"
	"gatehouse/idp/outbox"
	"gatehouse/idp/store"
)

// Manager carries out the operations on what is set for a population.
type Manager struct {
	Authz       *authz.Manager
	Connections *connections.Manager
	Apps        *apps.Manager
	Store       *store.Store
	// Mailer is nil where no mail server is configured.
	Mailer outbox.Mailer
	Outbox *outbox.Outbox
	// Reap is called when something was ended "Immediately": the clean-up can begin.
	// It must not block. Optional.
	Reap func()
}
