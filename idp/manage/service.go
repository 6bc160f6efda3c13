package manage

import (
	"slices"

	"gatehouse/idp"
)

// checkService checks what a service has and what it must not have: nobody signs in
// to it, so there is nothing to redirect, to refresh or to sign out (RFC 6749
// section 4.4).
func checkService(c idp.Client, refuse func(broken bool, field, format string, args ...any)) {
	refuse(!slices.Equal(c.GrantTypes, []string{"client_credentials"}), "grant_types", "a service has client_credentials and nothing else")
	refuse(len(c.RedirectURIs) > 0, "redirect_uris", "nobody signs in to a service")
	refuse(len(c.PostLogoutRedirectURIs) > 0, "post_logout_redirect_uris", "nobody signs out of a service")
	refuse(c.BackchannelLogoutURI != "", "backchannel_logout_uri", "nobody signs out of a service")
	refuse(len(c.Populations) > 0, "populations", "nobody signs in to a service")
	refuse(c.PKCEOptional, "pkce_optional", "a service has no use for PKCE")
	refuse(len(c.Scopes) == 0, "scopes", "a service needs a scope, such as %s", idp.AdminScope)
	for _, s := range c.Scopes {
		about := slices.Contains([]string{"openid", "profile", "email", "offline_access"}, s)
		refuse(about, "scopes", "%q is about a person, and a service is none", s)
	}
}
