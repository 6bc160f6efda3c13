package system

import (
	"context"

	"gatehouse/idp"
	"gatehouse/idp/manage/authz"
	"gatehouse/idp/outbox"
	"gatehouse/idp/store"
	"gatehouse/ui"
)

// Manager carries out the operations on the installation.
type Manager struct {
	Authz *authz.Manager
	Store *store.Store
	// Mailer sends mail at once, nil where no server is configured: then email codes
	// cannot be offered. Write puts a mail into words.
	Mailer outbox.Mailer
	Write  func(ui.Mail) (ui.Letter, error)
	// Logout posts a logout token of an invented session to a client, at once. Optional:
	// without it TestLogout fails.
	Logout func(context.Context, idp.Client) error
	// Rotation rotates signing keys. Optional: without it RotateKeys fails.
	Rotation Rotation
}
