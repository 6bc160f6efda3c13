package federation

import (
	"context"
	"net/http"
	"sync"

	"gatehouse/idp"
	"gatehouse/idp/keyring"
	"gatehouse/idp/session"
	"gatehouse/idp/store"
	"gatehouse/idp/web"
)

// LogoutPath is where other providers say that a person signed out there, below the
// issuer. Their sign-in answers go to idp.FederationCallback, which login serves.
const LogoutPath = "/federation/logout"

// Config is what a Federation is made of.
type Config struct {
	// Client fetches from addresses that an admin configured (idp/fetch).
	Client *http.Client
	// Insecure: other providers may be reached by http, for tests and demos.
	Insecure bool
	Keyring  *keyring.Keyring
	Store    *store.Store
	Sessions *session.Manager
	Web      *web.Web
	// Issuer is our own, Key the HMAC key of what comes back to us.
	Issuer string
	Key    []byte
}

// Federation speaks with other providers. It may be used by many goroutines.
type Federation struct {
	cfg Config

	mu        sync.Mutex
	providers map[string]*provider // by the address of their discovery document
}

// New makes a Federation.
func New(cfg Config) *Federation {
	return &Federation{cfg: cfg, providers: map[string]*provider{}}
}

// provider is another provider as it describes itself.
func (f *Federation) provider(ctx context.Context, c idp.Connection) (*description, error) {
	address := discoveryAddress(c)
	f.mu.Lock()
	p, known := f.providers[address]
	if !known {
		p = &provider{address: address}
		f.providers[address] = p
	}
	f.mu.Unlock()
	return p.describe(ctx, f.cfg.Client, func(d document) error { return d.check(c, f.cfg.Insecure) })
}

// Check tells whether a connection's other side can be found: nil, or a
// *idp.FederationError.
func (f *Federation) Check(ctx context.Context, c idp.Connection) error {
	_, err := f.provider(ctx, c)
	return err
}
