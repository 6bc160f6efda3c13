package apps

import (
	"slices"

	"gatehouse/idp"
)

// checkService checks what a service has and what it must not have: no person signs in to
// it, so there is nothing to redirect, to refresh or to sign out (RFC 6749 section 4.4).
func checkService(c idp.Client, refuse func(broken bool, field, key string, args ...any)) {
	refuse(!slices.Equal(c.GrantTypes, []string{"client_credentials"}), "grant_types", "settings.service.grants")
	refuse(len(c.RedirectURIs) > 0, "redirect_uris", "settings.service.sign_in")
	refuse(len(c.PostLogoutRedirectURIs) > 0, "post_logout_redirect_uris", "settings.service.sign_out")
	refuse(c.BackchannelLogoutURI != "", "backchannel_logout_uri", "settings.service.sign_out")
	refuse(c.SubjectType == idp.PairwiseSubject, "subject_type", "settings.service.sign_in")
	refuse(c.SectorIdentifierURI != "", "sector_identifier_uri", "settings.service.sign_in")
	refuse(c.ThirdParty, "third_party", "settings.service.sign_in")
	refuse(c.InitiateLoginURI != "", "initiate_login_uri", "settings.service.sign_in")
	refuse(c.FrontchannelLogoutURI != "", "frontchannel_logout_uri", "settings.service.sign_out")
	refuse(len(c.Populations) > 0, "populations", "settings.service.sign_in")
	refuse(c.RequirePKCE, "require_pkce", "settings.service.pkce")
	refuse(c.RequirePushed, "require_pushed_authorization_requests", "settings.service.sign_in")
	refuse(len(c.Scopes) == 0, "scopes", "settings.service.need_scope", idp.AdminScope)
	for _, s := range c.Scopes {
		refuse(slices.Contains(idp.PersonScopes(), s), "scopes", "settings.service.scope", s)
	}
}
