package manage

import (
	"context"
	"net/http"

	"gatehouse/idp"
	"gatehouse/idp/keyring"
	"gatehouse/idp/manage/apps"
	"gatehouse/idp/manage/authz"
	"gatehouse/idp/manage/connections"
	"gatehouse/idp/manage/factors"
	"gatehouse/idp/manage/links"
	"gatehouse/idp/manage/people"
	"gatehouse/idp/manage/populations"
	"gatehouse/idp/manage/roles"
	"gatehouse/idp/manage/self"
	"gatehouse/idp/manage/system"
	"gatehouse/idp/outbox"
	"gatehouse/idp/passkey"
	"gatehouse/idp/password"
	"gatehouse/idp/session"
	"gatehouse/idp/store"
	"gatehouse/ui"
)

// Parts are what the operations need.
type Parts struct {
	Store    *store.Store
	Hasher   *password.Hasher
	Keyring  *keyring.Keyring
	Sessions *session.Manager
	Outbox   *outbox.Outbox
	// RecoveryKey is the HMAC key under which recovery codes are found.
	RecoveryKey []byte
	// Passkeys is the relying party of passkeys, nil where nobody signs in.
	Passkeys *passkey.Relying
	// Mailer sends mail at once, nil where no server is configured: then email codes
	// cannot be offered. Write puts a mail into words.
	Mailer outbox.Mailer
	Write  func(ui.Mail) (ui.Letter, error)
	// Issuer is the provider's: links in mails lead below it.
	Issuer string
	// AccountURL is where people look after their account, for links in mails.
	AccountURL string
	// PrivateNetworks: back-channel logout may go to addresses that are not public,
	// by http too.
	PrivateNetworks bool
	// Fetch gets what apps publish: see idp/fetch.
	Fetch *http.Client
	// Throttles counts mails and forgets counted failures. *throttle.Limiter does.
	Throttles authz.Throttles
	// Logout posts a test to a client's back-channel logout URI. Optional: without it
	// TestLogout fails.
	Logout func(context.Context, idp.Client) error
	// Rotation rotates signing keys. Optional: without it RotateKeys fails.
	Rotation system.Rotation
	// Reap is called when something was ended "Immediately": the clean-up can begin.
	// It must not block. Optional.
	Reap func()
}

// Manager holds the rooms, each of which carries out the operations of one concern. Its
// Parts are for reading: the rooms were made of them.
type Manager struct {
	Parts
	Authz       *authz.Manager
	People      *people.Manager
	Factors     *factors.Manager
	Connections *connections.Manager
	Apps        *apps.Manager
	Populations *populations.Manager
	Roles       *roles.Manager
	System      *system.Manager
	Links       *links.Manager
	Self        *self.Manager
}

// New makes the rooms.
func New(p Parts) *Manager {
	m := &Manager{Parts: p}
	m.Authz = &authz.Manager{Store: p.Store, Throttles: p.Throttles}
	m.People = &people.Manager{Authz: m.Authz, Hasher: p.Hasher, Outbox: p.Outbox, Sessions: p.Sessions, Store: p.Store, Throttles: p.Throttles}
	m.Factors = &factors.Manager{Authz: m.Authz, People: m.People, Keyring: p.Keyring, Outbox: p.Outbox, RecoveryKey: p.RecoveryKey, Passkeys: p.Passkeys, Store: p.Store, Throttles: p.Throttles}
	m.Connections = &connections.Manager{Authz: m.Authz, People: m.People, Factors: m.Factors, Issuer: p.Issuer, Keyring: p.Keyring, PrivateNetworks: p.PrivateNetworks, Reap: p.Reap, Sessions: p.Sessions, Store: p.Store}
	m.Apps = &apps.Manager{Authz: m.Authz, Fetch: p.Fetch, Issuer: p.Issuer, PrivateNetworks: p.PrivateNetworks, Store: p.Store}
	m.Populations = &populations.Manager{Authz: m.Authz, Connections: m.Connections, Apps: m.Apps, Mailer: p.Mailer, Outbox: p.Outbox, Reap: p.Reap, Store: p.Store}
	m.Roles = &roles.Manager{Authz: m.Authz, Store: p.Store}
	m.System = &system.Manager{Authz: m.Authz, Logout: p.Logout, Mailer: p.Mailer, Rotation: p.Rotation, Store: p.Store, Write: p.Write}
	m.Links = &links.Manager{Authz: m.Authz, People: m.People, Issuer: p.Issuer, Keyring: p.Keyring, Mailer: p.Mailer, Outbox: p.Outbox, Store: p.Store, Throttles: p.Throttles}
	m.Self = &self.Manager{Authz: m.Authz, People: m.People, Factors: m.Factors, Connections: m.Connections, AccountURL: p.AccountURL, Issuer: p.Issuer, Hasher: p.Hasher, Keyring: p.Keyring, Mailer: p.Mailer, Outbox: p.Outbox, Sessions: p.Sessions, Store: p.Store}
	return m
}
