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
	"gatehouse/idp/settings"
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
	if err := m.checkClient(ctx, &c); err != nil {
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

// The bounds of what a client may list.
const (
	maxClientName = 100
	maxListed     = 50
	maxTTL        = 100_000_000 * time.Second
)

// ClientFields describe an app or a service (OpenID Connect Dynamic Client Registration
// 1.0 section 2 has most of the names). Its kind stays as it was made.
func ClientFields() settings.Fields[idp.Client] {
	type client = idp.Client
	return settings.Fields[client]{
		settings.Line("name", func(c *client) *string { return &c.Name }).Must("settings.client.need_name").Max(maxClientName).As(settings.Words).Rule(showsName).Freely(),
		settings.Choice("kind", func(c *client) *idp.ClientKind { return &c.Kind },
			idp.WebClient, idp.SPAClient, idp.NativeClient, idp.ServiceClient).Or(idp.WebClient),
		settings.Choice("auth_method", func(c *client) *idp.AuthMethod { return &c.AuthMethod }, idp.ClientSecretBasic, idp.ClientSecretPost, idp.NoClientAuth),
		settings.List("populations", func(c *client) *[]string { return &c.Populations }).Max(maxListed).Each(maxURL),
		settings.List("redirect_uris", func(c *client) *[]string { return &c.RedirectURIs }).Max(maxListed).Each(maxURL),
		settings.List("post_logout_redirect_uris", func(c *client) *[]string { return &c.PostLogoutRedirectURIs }).Max(maxListed).Each(maxURL),
		settings.Line("home_url", func(c *client) *string { return &c.HomeURL }).Each(maxURL).Freely(),
		settings.Line("backchannel_logout_uri", func(c *client) *string { return &c.BackchannelLogoutURI }).Each(maxURL),
		settings.Set("grant_types", func(c *client) *[]string { return &c.GrantTypes }, "authorization_code", "refresh_token", "client_credentials").Max(maxListed),
		settings.Set("scopes", func(c *client) *[]string { return &c.Scopes }).Max(maxListed).Each(maxURL).Rule(scope).Like(`^[\x21\x23-\x5B\x5D-\x7E]+$`),
		settings.Set("roles", func(c *client) *[]string { return &c.Roles }).Needs("SetRoles"),
		settings.Choice("token_format", func(c *client) *idp.TokenFormat { return &c.TokenFormat }, idp.OpaqueToken, idp.JWTToken).Or(idp.OpaqueToken),
		settings.Choice("signing_alg", func(c *client) *idp.Algorithm { return &c.SigningAlg }, idp.Algorithms()...).Or(idp.RS256),
		settings.Duration("access_ttl", func(c *client) *time.Duration { return &c.AccessTTL }).Lasts(time.Second, maxTTL),
		settings.Duration("refresh_ttl", func(c *client) *time.Duration { return &c.RefreshTTL }).Lasts(time.Second, maxTTL).Or(refreshTTL),
		settings.Flag("pkce_optional", func(c *client) *bool { return &c.PKCEOptional }),
	}
}

// scope is RFC 6749 section 3.3.
func scope(s string) *settings.Error {
	if s == "" || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' || r == '"' || r == '\\' }) {
		return &settings.Error{Key: "settings.client.scope", Args: []any{settings.Cut(s)}}
	}
	return nil
}

func withDefaults(c idp.Client) idp.Client {
	if c.ID == "" {
		c.ID = idp.NewID()
	}
	ClientFields().Defaults(&c)
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
	if c.AccessTTL == 0 {
		c.AccessTTL = opaqueAccessTTL
		if c.TokenFormat == idp.JWTToken {
			c.AccessTTL = jwtAccessTTL
		}
	}
	if c.CreatedAt.IsZero() {
		c.CreatedAt = idp.Now()
	}
	return c
}

// CheckClient says what is wrong about a client; one without an id is new, and has the
// defaults of its kind.
func (m *Manager) CheckClient(ctx context.Context, c *idp.Client) error {
	judged := *c
	if c.ID == "" {
		judged = withDefaults(judged)
		if c.Kind == idp.ServiceClient {
			judged.Scopes = []string{idp.AdminScope}
		}
	}
	err := m.checkClient(ctx, &judged)
	c.Name = judged.Name
	return err
}

// MatchLifetime makes the lifetime of an app's access tokens fit their form, which changed.
func MatchLifetime(c *idp.Client) {
	switch c.TokenFormat {
	case idp.JWTToken:
		c.AccessTTL = min(c.AccessTTL, jwtAccessTTL)
	case idp.OpaqueToken:
		c.AccessTTL = opaqueAccessTTL
	}
}

// checkClient writes a client as it is kept, and returns all that is wrong about it.
func (m *Manager) checkClient(ctx context.Context, c *idp.Client) error {
	wrong := ClientFields().Check(c)
	refuse := func(broken bool, field, format string, args ...any) {
		if broken {
			wrong = wrong.And(said(invalid(field, format, args...))...)
		}
	}
	refuse(c.Public() == c.Kind.Confidential(), "auth_method", "a client of kind %s cannot authenticate by %s", c.Kind, c.AuthMethod)
	refuse(c.Public() && c.PKCEOptional, "pkce_optional", "a public client always needs PKCE")
	refuse(c.TokenFormat == idp.JWTToken && c.AccessTTL > jwtAccessTTL, "access_ttl",
		"a JWT access token lives at most %s: it cannot be called back", jwtAccessTTL)
	if c.Kind == idp.ServiceClient {
		checkService(*c, refuse)
		return wrong.Err()
	}
	refuse(len(c.Roles) > 0, "roles", "only a service has roles: at other clients people do")
	refuse(slices.Contains(c.GrantTypes, "client_credentials"), "grant_types", "only a service gets tokens for itself")
	refuse(len(c.Populations) == 0, "populations", "nobody could sign in")
	for _, uri := range c.RedirectURIs {
		wrong = wrong.And(said(checkRedirectURI("redirect_uris", uri, c.Kind))...)
	}
	for _, uri := range c.PostLogoutRedirectURIs {
		wrong = wrong.And(said(checkRedirectURI("post_logout_redirect_uris", uri, c.Kind))...)
	}
	if c.HomeURL != "" {
		wrong = wrong.And(said(checkRedirectURI("home_url", c.HomeURL, idp.WebClient))...)
	}
	wrong = wrong.And(said(m.checkLogoutURI(c.BackchannelLogoutURI))...)
	for _, id := range c.Populations {
		_, err := m.Store.Population(ctx, id)
		if err != nil && !errors.Is(err, idp.ErrNotFound) {
			return err
		}
		refuse(err != nil, "populations", "there is no population %q", id)
	}
	return wrong.Err()
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
