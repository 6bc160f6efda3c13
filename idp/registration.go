package idp

import (
	"net/url"
	"slices"
	"strings"
	"time"
)

// InitialToken is an initial access token: who holds it may register apps (RFC 7591 section
// 1.2), within a policy. It stays as it was made.
type InitialToken struct {
	ID   string
	Hash []byte
	// Name says whom it was made for.
	Name   string
	Policy RegistrationPolicy
	// Lifetime is how long after its making apps can be registered by it.
	Lifetime time.Duration
	// Uses is how many apps were registered by it, those that are gone too.
	Uses int
	// CreatedBy is the person or service that made it.
	CreatedBy            string
	CreatedAt, ExpiresAt time.Time
	// UsedAt and WithdrawnAt are zero for never.
	UsedAt, WithdrawnAt time.Time
}

// RegistrationPolicy is what apps may ask for that register themselves.
type RegistrationPolicy struct {
	// MaxApps is how many may be registered.
	MaxApps int
	// Hosts are those of all their addresses: "app.example.com", "*.example.com" for those
	// below example.com, "*" for all, and "com.example.app:" for a private-use scheme.
	Hosts []string
	// GrantTypes and Scopes are those that they may have. What asks for no scopes gets all.
	GrantTypes, Scopes []string
	// Populations may sign in to them.
	Populations []string
	// PublicClients: they may be apps that keep no secret.
	PublicClients bool
	// SecretLifetime ends their secrets so long after they were made; zero: none ends.
	SecretLifetime time.Duration
}

// Live tells whether apps can be registered by the token now.
func (t InitialToken) Live(now time.Time) bool {
	return t.WithdrawnAt.IsZero() && now.Before(t.ExpiresAt) && t.Uses < t.Policy.MaxApps
}

// AnyHost is the entry of Hosts that stands for all.
const AnyHost = "*"

// Covers tells whether an address may be one of the apps'. named: an entry other than AnyHost
// says so.
func (p RegistrationPolicy) Covers(address string) (covered, named bool) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme == "" {
		return false, false
	}
	if u.Scheme != "https" && u.Scheme != "http" {
		named = slices.Contains(p.Hosts, u.Scheme+":")
		return named, named
	}
	host := strings.ToLower(u.Hostname())
	named = slices.ContainsFunc(p.Hosts, func(entry string) bool {
		below, wildcard := strings.CutPrefix(entry, "*.")
		return entry == host || wildcard && strings.HasSuffix(host, "."+below)
	})
	return named || slices.Contains(p.Hosts, AnyHost), named
}

// ClientRegistration is that an app registered itself.
type ClientRegistration struct {
	ClientID string
	// TokenID is the initial access token by which it did.
	TokenID string
	// Hash is that of the registration access token (RFC 7592 section 3).
	Hash      []byte
	CreatedAt time.Time
}
