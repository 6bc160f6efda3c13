package apps

import (
	"cmp"
	"context"
	"errors"
	"net/url"
	"slices"
	"strings"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/manage/entry"
	"gatehouse/idp/settings"
)

// Lifetimes of a client's access tokens unless it asks for others.
const (
	opaqueAccessTTL = 15 * time.Minute
	jwtAccessTTL    = 5 * time.Minute
)

// CreateClient adds a client and returns it with its secret, which is shown once
// and not stored; a public client has none. Empty fields get the defaults of its
// kind. settings.Errors say what cannot be saved.
func (m *Manager) CreateClient(ctx context.Context, c idp.Client) (idp.Client, string, error) {
	if err := m.readSector(ctx, idp.Client{}, c); err != nil {
		return c, "", err
	}
	return m.createClient(ctx, idp.AuditEvent{Kind: idp.AuditClientCreated}, c)
}

func (m *Manager) createClient(ctx context.Context, e idp.AuditEvent, c idp.Client) (idp.Client, string, error) {
	c = withDefaults(c)
	if err := m.checkClient(ctx, &c); err != nil {
		return c, "", err
	}
	secret := ""
	if c.AuthMethod.Secret() && len(c.SecretHashes) == 0 {
		secret = idp.NewSecret()
		c = c.WithSecret(idp.HashSecret(secret), c.CreatedAt)
	}
	return c, secret, m.Store.Do(ctx, func(ctx context.Context) error {
		err := m.Store.CreateClient(ctx, c)
		if errors.Is(err, idp.ErrNotFound) {
			return entry.Invalid("roles", "settings.client.role_gone")
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
	c = withFAPI(c)
	settings.Client().Defaults(&c)
	if c.AuthMethod == "" {
		c.AuthMethod = idp.ClientSecretBasic
		if !c.Kind.Confidential() {
			c.AuthMethod = idp.NoClientAuth
		}
	}
	c.RequirePKCE = c.RequirePKCE || !c.Kind.Confidential()
	if len(c.GrantTypes) == 0 {
		c.GrantTypes = []string{"authorization_code", "refresh_token"}
		switch c.Kind {
		case idp.ServiceClient:
			c.GrantTypes = []string{"client_credentials"}
		case idp.APIClient:
			c.GrantTypes = nil
		case idp.WebClient, idp.SPAClient, idp.NativeClient:
		}
	}
	if len(c.Scopes) == 0 && c.Kind.SignsIn() {
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
	imply(c)
	wrong, err := m.checkFAPI(ctx, *c)
	if err != nil {
		return err
	}
	wrong = wrong.And(settings.Client().Check(c)...)
	refuse := func(broken bool, field, key string, args ...any) {
		if broken {
			wrong = wrong.And(entry.Said(entry.Invalid(field, key, args...))...)
		}
	}
	refuse(c.Public() == c.Kind.Confidential(), "auth_method", "settings.client.auth_method", c.Kind, c.AuthMethod)
	m.checkKeys(*c, refuse)
	refuse(!c.Kind.Confidential() && !c.RequirePKCE, "require_pkce", "settings.client.pkce")
	refuse(c.TokenFormat == idp.JWTToken && c.AccessTTL > jwtAccessTTL, "access_ttl",
		"settings.client.jwt_ttl", jwtAccessTTL)
	if c.Kind == idp.APIClient {
		err := m.checkAPI(ctx, *c, refuse)
		more, errResources := m.checkResources(ctx, *c)
		wrong = wrong.And(more...)
		return cmp.Or(err, errResources, wrong.Err())
	}
	more, err := m.checkResources(ctx, *c)
	if err != nil {
		return err
	}
	wrong = wrong.And(more...)
	if c.Kind == idp.ServiceClient {
		checkService(*c, refuse)
		return wrong.Err()
	}
	refuse(len(c.Roles) > 0, "roles", "settings.client.only_service_roles")
	refuse(slices.Contains(c.GrantTypes, "client_credentials"), "grant_types", "settings.client.only_service_tokens")
	refuse(len(c.Populations) == 0, "populations", "settings.client.nobody")
	for _, uri := range c.RedirectURIs {
		wrong = wrong.And(entry.Said(checkRedirectURI("redirect_uris", uri, c.Kind))...)
	}
	for _, uri := range c.PostLogoutRedirectURIs {
		wrong = wrong.And(entry.Said(checkRedirectURI("post_logout_redirect_uris", uri, c.Kind))...)
	}
	if c.HomeURL != "" {
		wrong = wrong.And(entry.Said(checkRedirectURI("home_url", c.HomeURL, idp.WebClient))...)
	}
	if c.InitiateLoginURI != "" {
		wrong = wrong.And(entry.Said(checkRedirectURI("initiate_login_uri", c.InitiateLoginURI, idp.WebClient))...)
	}
	wrong = wrong.And(entry.Said(m.checkLogoutURI(c.BackchannelLogoutURI))...)
	refuse(!ofRedirects(c.FrontchannelLogoutURI, c.RedirectURIs), "frontchannel_logout_uri", "settings.client.frontchannel", c.FrontchannelLogoutURI)
	m.checkSector(*c, refuse)
	for _, id := range c.Populations {
		_, err := m.Store.Population(ctx, id)
		if err != nil && !errors.Is(err, idp.ErrNotFound) {
			return err
		}
		refuse(err != nil, "populations", "settings.no_population", id)
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
		return entry.Invalid(field, "settings.client.url", uri)
	case u.Scheme == "https" || u.Scheme == "http" && m.PrivateNetworks:
		return nil
	}
	return entry.Invalid(field, "settings.client.https", uri)
}

// ofRedirects tells whether an address is empty, or has scheme, host and port of a redirect
// URI on the web (OpenID Connect Front-Channel Logout 1.0 section 2).
func ofRedirects(uri string, redirects []string) bool {
	u, err := url.Parse(uri)
	if uri == "" {
		return true
	}
	if err != nil || u.Host == "" || u.User != nil || strings.ContainsAny(uri, "#* \\") {
		return false
	}
	return slices.ContainsFunc(redirects, func(redirect string) bool {
		r, err := url.Parse(redirect)
		return err == nil && (r.Scheme == "https" || r.Scheme == "http") && r.Scheme == u.Scheme && r.Host == u.Host
	})
}

// checkRedirectURI allows https anywhere, http on this machine only, and an
// app's private scheme for native apps (RFC 8252 section 7, RFC 9700 section
// 2.1). No fragment, no user information, no wildcard.
func checkRedirectURI(field, uri string, kind idp.ClientKind) error {
	u, err := url.Parse(uri)
	switch {
	case err != nil || u.Scheme == "":
		return entry.Invalid(field, "settings.client.uri", uri)
	case strings.ContainsAny(uri, "#* \\") || u.User != nil:
		return entry.Invalid(field, "settings.client.uri_parts", uri)
	case u.Scheme == "https" && u.Host != "":
		return nil
	case u.Scheme == "http" && idp.IsLoopback(u.Hostname()):
		return nil
	case u.Scheme == "http":
		return entry.Invalid(field, "settings.client.localhost", uri)
	case kind == idp.NativeClient && strings.Contains(u.Scheme, "."):
		return nil
	}
	return entry.Invalid(field, "settings.client.scheme", uri)
}
