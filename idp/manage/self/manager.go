package self

import (
	"gatehouse/idp/keyring"
	"gatehouse/idp/manage/authz"
	"gatehouse/idp/manage/connections"
	"gatehouse/idp/manage/factors"
	"gatehouse/idp/manage/people"
	"gatehouse/idp/outbox"
	"gatehouse/idp/password"
	"gatehouse/idp/session"
	"gatehouse/idp/store"
)

// Manager carries out people's operations on their own account.
type Manager struct {
	Authz       *authz.Manager
	People      *people.Manager
	Factors     *factors.Manager
	Connections *connections.Manager
	Store       *store.Store
	Hasher      *password.Hasher
	Keyring     *keyring.Keyring
	Sessions    *session.Manager
	Outbox      *outbox.Outbox
	// Mailer is nil where no mail server is configured.
	Mailer outbox.Mailer
	// AccountURL is where people look after their account, for links in mails.
	AccountURL string
	// Issuer is who asks an app to start a sign-in.
	Issuer string
}
