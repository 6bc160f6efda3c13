package settings

import (
	"bytes"
	"encoding/json"
	"net/url"
	"strings"
	"time"

	"gatehouse/idp"
)

// The bounds of what a client may list.
const (
	maxClientName = 100
	maxListed     = 50
	maxTTL        = 100_000_000 * time.Second
	maxJWKS       = 16_000
)

// refreshTTL is the lifetime of a refresh token unless a client asks for another.
const refreshTTL = 30 * 24 * time.Hour

// Client describes an app or a service (OpenID Connect Dynamic Client Registration 1.0
// section 2 has most of the names). Its kind stays as it was made.
func Client() Fields[idp.Client] {
	type client = idp.Client
	return Fields[client]{
		Line("name", func(c *client) *string { return &c.Name }).Must("settings.client.need_name").Max(maxClientName).As(Words).Rule(ShowsName).Freely().Registered("client_name"),
		Choice("kind", func(c *client) *idp.ClientKind { return &c.Kind },
			idp.WebClient, idp.SPAClient, idp.NativeClient, idp.ServiceClient, idp.APIClient).Or(idp.WebClient),
		List("populations", func(c *client) *[]string { return &c.Populations }).Max(maxListed).Each(MaxURL),
		List("redirect_uris", func(c *client) *[]string { return &c.RedirectURIs }).Max(maxListed).Each(MaxURL).Registered(),
		List("post_logout_redirect_uris", func(c *client) *[]string { return &c.PostLogoutRedirectURIs }).Max(maxListed).Each(MaxURL).Registered(),
		Line("home_url", func(c *client) *string { return &c.HomeURL }).Each(MaxURL).Freely().Registered("client_uri"),
		Line("logo_uri", func(c *client) *string { return &c.LogoURI }).Each(MaxURL).Rule(WebURL).InColumn().Registered(),
		Line("backchannel_logout_uri", func(c *client) *string { return &c.BackchannelLogoutURI }).Each(MaxURL).Registered(),
		Flag("third_party", func(c *client) *bool { return &c.ThirdParty }).InColumn(),
		Line("policy_uri", func(c *client) *string { return &c.PolicyURI }).Each(MaxURL).Rule(WebURL).InColumn().Registered(),
		Line("tos_uri", func(c *client) *string { return &c.TosURI }).Each(MaxURL).Rule(WebURL).InColumn().Registered(),
		Line("initiate_login_uri", func(c *client) *string { return &c.InitiateLoginURI }).Each(MaxURL).InColumn().Registered(),
		Line("frontchannel_logout_uri", func(c *client) *string { return &c.FrontchannelLogoutURI }).Each(MaxURL).InColumn().Registered(),
		Choice("auth_method", func(c *client) *idp.AuthMethod { return &c.AuthMethod }, idp.ClientSecretBasic, idp.ClientSecretPost, idp.PrivateKeyJWT, idp.NoClientAuth).Registered("token_endpoint_auth_method"),
		Line("jwks", func(c *client) *string { return &c.JWKS }).Each(maxJWKS).As(oneLine).InColumn().Registered(),
		Line("jwks_uri", func(c *client) *string { return &c.JWKSURI }).Each(MaxURL).InColumn().Registered(),
		Duration("secret_lifetime", func(c *client) *time.Duration { return &c.SecretLifetime }).Lasts(0, maxTTL).InColumn(),
		Flag("fapi", func(c *client) *bool { return &c.FAPI }).InColumn(),
		Flag("require_pkce", func(c *client) *bool { return &c.RequirePKCE }),
		Flag("dpop_bound_access_tokens", func(c *client) *bool { return &c.DPoPBound }).InColumn().Registered(),
		Flag("require_pushed_authorization_requests", func(c *client) *bool { return &c.RequirePushed }).InColumn().Registered(),
		Set("grant_types", func(c *client) *[]string { return &c.GrantTypes }, "authorization_code", "refresh_token", "client_credentials", idp.DeviceGrant, idp.ExchangeGrant).Max(maxListed).Registered(),
		Set("response_modes", func(c *client) *[]string { return &c.ResponseModes }, string(idp.QueryMode), string(idp.FragmentMode), string(idp.FormPostMode)).InColumn(),
		Set("scopes", func(c *client) *[]string { return &c.Scopes }).Max(maxListed).Each(MaxURL).Rule(scope).Like(`^[\x21\x23-\x5B\x5D-\x7E]+$`).Registered("scope"),
		Line("identifier", func(c *client) *string { return &c.Identifier }).Each(MaxURL).Rule(identifier).Since(),
		List("resources", func(c *client) *[]string { return &c.Resources }).Max(maxListed).Each(MaxURL).Rule(identifier).InColumn(),
		Line("default_resource", func(c *client) *string { return &c.DefaultResource }).Each(MaxURL).Rule(identifier).InColumn(),
		Set("roles", func(c *client) *[]string { return &c.Roles }).Needs("SetRoles"),
		Choice("roles_claim", func(c *client) *idp.RolesClaim { return &c.Claims.Roles },
			idp.NoRoles, idp.RolesAsRoles, idp.RolesAsGroups).Or(idp.NoRoles).InColumn(),
		Flag("id_token_claims", func(c *client) *bool { return &c.Claims.InIDToken }).Until(true).InColumn(),
		Flag("plain_population", func(c *client) *bool { return &c.Claims.PlainPopulation }).Until(true).InColumn(),
		Choice("subject_type", func(c *client) *idp.SubjectType { return &c.SubjectType }, idp.PublicSubject, idp.PairwiseSubject).Or(idp.PublicSubject).InColumn().Registered(),
		Line("sector_identifier_uri", func(c *client) *string { return &c.SectorIdentifierURI }).Each(MaxURL).InColumn().Registered(),
		Choice("token_format", func(c *client) *idp.TokenFormat { return &c.TokenFormat }, idp.OpaqueToken, idp.JWTToken).Or(idp.OpaqueToken),
		Choice("signing_alg", func(c *client) *idp.Algorithm { return &c.SigningAlg }, idp.Algorithms()...).Or(idp.RS256).Registered("id_token_signed_response_alg"),
		Duration("access_ttl", func(c *client) *time.Duration { return &c.AccessTTL }).Lasts(time.Second, maxTTL),
		Duration("refresh_ttl", func(c *client) *time.Duration { return &c.RefreshTTL }).Lasts(time.Second, maxTTL).Or(refreshTTL),
	}
}

// oneLine is how JSON is kept, and what is none without its line breaks.
func oneLine(text string) string {
	var compact bytes.Buffer
	if err := json.Compact(&compact, []byte(text)); err != nil {
		return Words(text)
	}
	return compact.String()
}

// identifier is an absolute URI without a fragment (RFC 8707 section 2).
func identifier(s string) *Error {
	u, err := url.Parse(s)
	if s != "" && (err != nil || !u.IsAbs() || strings.ContainsAny(s, "# \\\"<>") || u.User != nil || u.Host == "" && u.Opaque == "") {
		return wrong("settings.client.identifier", Cut(s))
	}
	return nil
}

// scope is RFC 6749 section 3.3.
func scope(s string) *Error {
	if s == "" || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' || r == '"' || r == '\\' }) {
		return wrong("settings.client.scope", Cut(s))
	}
	return nil
}
