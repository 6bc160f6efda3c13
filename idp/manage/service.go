package manage

import (
	"slices"
	"strings"

	"gatehouse/idp"
)

// checkService checks what a service has and what it must not have: nobody signs in
// to it, so there is nothing to redirect, to refresh or to sign out (RFC 6749
// section 4.4).
func checkService(c idp.Client) error {
	switch {
	case !slices.Equal(c.GrantTypes, []string{"client_credentials"}):
		return invalid("grant_types", "a service has client_credentials and nothing else")
	case len(c.RedirectURIs) > 0:
		return invalid("redirect_uris", "nobody signs in to a service")
	case len(c.PostLogoutRedirectURIs) > 0:
		return invalid("post_logout_redirect_uris", "nobody signs out of a service")
	case c.BackchannelLogoutURI != "":
		return invalid("backchannel_logout_uri", "nobody signs out of a service")
	case len(c.Populations) > 0:
		return invalid("populations", "nobody signs in to a service")
	case c.PKCEOptional:
		return invalid("pkce_optional", "a service has no use for PKCE")
	case len(c.Scopes) == 0:
		return invalid("scopes", "a service needs a scope, such as %s", idp.AdminScope)
	}
	for _, s := range c.Scopes {
		switch {
		case slices.Contains([]string{"openid", "profile", "email", "offline_access"}, s):
			return invalid("scopes", "%q is about a person, and a service is none", s)
		case s == "" || strings.ContainsFunc(s, notInScope):
			return invalid("scopes", "%q is no scope", s)
		}
	}
	return nil
}

// notInScope finds what a scope must not contain (RFC 6749 section 3.3).
func notInScope(r rune) bool { return r <= ' ' || r > '~' || r == '"' || r == '\\' }
