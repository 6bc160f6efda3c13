package provider

import (
	"net/url"
	"time"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"

	"gatehouse/idp"
)

// lenientDecoder fills the library's requests with what its own checks need.
// Everything else we read from the form ourselves: its decoder refuses, with the
// wrong answer, what we can answer properly, and takes an access token from the
// query.
type lenientDecoder struct{}

// Decode implements the library's decoder.
func (lenientDecoder) Decode(dst any, src map[string][]string) error {
	form := url.Values(src)
	switch r := dst.(type) {
	case *op.ClientCredentials:
		r.ClientID, r.ClientSecret = form.Get("client_id"), form.Get("client_secret")
		r.ClientAssertion, r.ClientAssertionType = form.Get("client_assertion"), form.Get("client_assertion_type")
	case *oidc.AccessTokenRequest:
		r.Code, r.RedirectURI, r.CodeVerifier = form.Get("code"), form.Get("redirect_uri"), form.Get("code_verifier")
	case *oidc.ClientCredentialsRequest:
		r.Scope = fields(form.Get("scope"))
	case *oidc.RefreshTokenRequest:
		r.RefreshToken, r.Scopes = form.Get("refresh_token"), fields(form.Get("scope"))
	}
	return nil
}

// libraryClient shows a client to the library, which asks it little: our own
// checks have been made by the time it does.
type libraryClient struct{ client idp.Client }

func (c libraryClient) GetID() string                    { return c.client.ID }
func (c libraryClient) RedirectURIs() []string           { return c.client.RedirectURIs }
func (c libraryClient) PostLogoutRedirectURIs() []string { return c.client.PostLogoutRedirectURIs }
func (c libraryClient) LoginURL(string) string           { return "" }
func (c libraryClient) IDTokenLifetime() time.Duration   { return IDTokenLifetime }
func (c libraryClient) DevMode() bool                    { return true }
func (c libraryClient) IsScopeAllowed(string) bool       { return true }
func (c libraryClient) ClockSkew() time.Duration         { return 0 }

func (c libraryClient) IDTokenUserinfoClaimsAssertion() bool { return false }

// ApplicationType is native for all: the library refuses the private scheme of
// an app otherwise. Which redirect URIs a client has, we have checked.
func (c libraryClient) ApplicationType() op.ApplicationType { return op.ApplicationTypeNative }
func (c libraryClient) AccessTokenType() op.AccessTokenType { return op.AccessTokenTypeBearer }

func (c libraryClient) AuthMethod() oidc.AuthMethod { return oidc.AuthMethod(c.client.AuthMethod) }

func (c libraryClient) ResponseTypes() []oidc.ResponseType {
	return []oidc.ResponseType{oidc.ResponseTypeCode}
}

// GrantTypes is what the library holds grant_type against.
func (c libraryClient) GrantTypes() []oidc.GrantType {
	types := make([]oidc.GrantType, len(c.client.GrantTypes))
	for i, t := range c.client.GrantTypes {
		types[i] = oidc.GrantType(t)
	}
	return types
}

func (c libraryClient) RestrictAdditionalIdTokenScopes() func([]string) []string { return unchanged }

func (c libraryClient) RestrictAdditionalAccessTokenScopes() func([]string) []string {
	return unchanged
}

func unchanged(scopes []string) []string { return scopes }
