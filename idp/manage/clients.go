package manage

import (
	"context"
	"errors"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"gatehouse/idp"
)

// Lifetimes of a client's tokens unless it asks for others (REQUIREMENTS).
const (
	opaqueAccessTTL = 15 * time.Minute
	jwtAccessTTL    = 5 * time.Minute
	refreshTTL      = 30 * 24 * time.Hour
)

// CreateClient adds a client and returns it with its secret, which is shown once
// and not stored; a public client has none. Empty fields get the defaults of its
// kind. A *FieldError says what cannot be saved.
func (m *Manager) CreateClient(ctx context.Context, c idp.Client) (idp.Client, string, error) {
	return m.createClient(ctx, idp.AuditEvent{Kind: idp.AuditClientCreated}, c)
}

func (m *Manager) createClient(ctx context.Context, e idp.AuditEvent, c idp.Client) (idp.Client, string, error) {
	c = withDefaults(c)
	if err := m.checkClient(ctx, c); err != nil {
		return c, "", err
	}
	secret := ""
	if !c.Public() && len(c.SecretHashes) == 0 {
		secret = idp.NewSecret()
		c.SecretHashes = [][]byte{idp.HashSecret(secret)}
	}
	return c, secret, m.Store.Do(ctx, func(ctx context.Context) error {
		err := m.Store.CreateClient(ctx, c)
		if errors.Is(err, idp.ErrNotFound) {
			return invalid("roles", "there is no such role")
		}
		if err != nil {
			return err
		}
		e.ClientID = c.ID
		return m.Store.Audit(ctx, e)
	})
}

func withDefaults(c idp.Client) idp.Client {
	if c.ID == "" {
		c.ID = idp.NewID()
	}
	if c.Kind == "" {
		c.Kind = idp.WebClient
	}
	if c.AuthMethod == "" {
		c.AuthMethod = idp.ClientSecretBasic
		if !c.Kind.Confidential() {
			c.AuthMethod = idp.NoClientAuth
		}
	}
	if len(c.GrantTypes) == 0 {
		c.GrantTypes = []string{"authorization_code", "refresh_token"}
		if c.Kind == idp.ServiceClient {
			c.GrantTypes = []string{"client_credentials"}
		}
	}
	if len(c.Scopes) == 0 && c.Kind != idp.ServiceClient {
		c.Scopes = []string{"openid", "profile", "email", "offline_access"}
	}
	if c.TokenFormat == "" {
		c.TokenFormat = idp.OpaqueToken
	}
	if c.SigningAlg == "" {
		c.SigningAlg = idp.RS256
	}
	if c.AccessTTL == 0 {
		c.AccessTTL = opaqueAccessTTL
		if c.TokenFormat == idp.JWTToken {
			c.AccessTTL = jwtAccessTTL
		}
	}
	if c.RefreshTTL == 0 {
		c.RefreshTTL = refreshTTL
	}
	if c.CreatedAt.IsZero() {
		c.CreatedAt = idp.Now()
	}
	return c
}

func (m *Manager) checkClient(ctx context.Context, c idp.Client) error {
	switch {
	case !idp.Shows(c.Name):
		return invalid("name", "a client needs a name: people read it when they sign in")
	case !slices.Contains([]idp.ClientKind{idp.WebClient, idp.SPAClient, idp.NativeClient, idp.ServiceClient}, c.Kind):
		return invalid("kind", "%q is neither web, spa, native nor service", c.Kind)
	case !slices.Contains([]idp.AuthMethod{idp.ClientSecretBasic, idp.ClientSecretPost, idp.NoClientAuth}, c.AuthMethod):
		return invalid("auth_method", "%q does not authenticate here", c.AuthMethod)
	case !slices.Contains([]idp.TokenFormat{idp.OpaqueToken, idp.JWTToken}, c.TokenFormat):
		return invalid("token_format", "%q is neither opaque nor jwt", c.TokenFormat)
	case !slices.Contains(idp.Algorithms(), c.SigningAlg):
		return invalid("signing_alg", "%q does not sign here", c.SigningAlg)
	case c.AccessTTL < time.Second:
		return invalid("access_ttl", "an access token lives at least a second")
	case c.RefreshTTL < time.Second:
		return invalid("refresh_ttl", "a refresh token lives at least a second")
	case c.Public() == c.Kind.Confidential():
		return invalid("auth_method", "a client of kind %s cannot authenticate by %s", c.Kind, c.AuthMethod)
	case c.Public() && c.PKCEOptional:
		return invalid("pkce_optional", "a public client always needs PKCE")
	case c.TokenFormat == idp.JWTToken && c.AccessTTL > jwtAccessTTL:
		return invalid("access_ttl", "a JWT access token lives at most %s: it cannot be called back", jwtAccessTTL)
	case c.Kind == idp.ServiceClient:
		return checkService(c)
	case len(c.Roles) > 0:
		return invalid("roles", "only a service has roles: at other clients people do")
	case slices.Contains(c.GrantTypes, "client_credentials"):
		return invalid("grant_types", "only a service gets tokens for itself")
	case len(c.Populations) == 0:
		return invalid("populations", "nobody could sign in")
	}
	for _, id := range c.Populations {
		_, err := m.Store.Population(ctx, id)
		if errors.Is(err, idp.ErrNotFound) {
			return invalid("populations", "there is no population %q", id)
		}
		if err != nil {
			return err
		}
	}
	for _, uri := range c.RedirectURIs {
		if err := checkRedirectURI("redirect_uris", uri, c.Kind); err != nil {
			return err
		}
	}
	for _, uri := range c.PostLogoutRedirectURIs {
		if err := checkRedirectURI("post_logout_redirect_uris", uri, c.Kind); err != nil {
			return err
		}
	}
	return m.checkLogoutURI(c.BackchannelLogoutURI)
}

// checkLogoutURI allows what the server can reach: https, and http where it may
// talk to this machine and its neighbours (OpenID Connect Back-Channel Logout 1.0
// section 2.2).
func (m *Manager) checkLogoutURI(uri string) error {
	if uri == "" {
		return nil
	}
	const field = "backchannel_logout_uri"
	u, err := url.Parse(uri)
	switch {
	case err != nil || u.Host == "" || u.User != nil || strings.ContainsAny(uri, "# \\"):
		return invalid(field, "%q is not an absolute URL without user and fragment", uri)
	case u.Scheme == "https" || u.Scheme == "http" && m.PrivateNetworks:
		return nil
	}
	return invalid(field, "%q must be https", uri)
}

// checkRedirectURI allows https anywhere, http on this machine only, and an
// app's private scheme for native apps (RFC 8252 section 7, RFC 9700 section
// 2.1). No fragment, no user information, no wildcard.
func checkRedirectURI(field, uri string, kind idp.ClientKind) error {
	u, err := url.Parse(uri)
	switch {
	case err != nil || u.Scheme == "":
		return invalid(field, "%q is not an absolute URI", uri)
	case strings.ContainsAny(uri, "#* \\") || u.User != nil:
		return invalid(field, "%q must have no fragment, user, wildcard, space or backslash", uri)
	case u.Scheme == "https" && u.Host != "":
		return nil
	case u.Scheme == "http" && isLoopback(u.Hostname()):
		return nil
	case u.Scheme == "http":
		return invalid(field, "%q: http is for this machine (localhost) only; use https", uri)
	case kind == idp.NativeClient && strings.Contains(u.Scheme, "."):
		return nil
	}
	return invalid(field, "%q: use https, or for a native app its reverse-domain scheme such as com.example.app:/callback", uri)
}

func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}
