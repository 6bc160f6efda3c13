package apps

import (
	"context"
	"errors"
	"slices"
	"strings"

	"gatehouse/idp"
	"gatehouse/idp/manage/entry"
	"gatehouse/idp/settings"
)

// checkAPI checks what an API has and what it must not have: it gets no tokens but by
// exchange for those that are for it.
func (m *Manager) checkAPI(ctx context.Context, c idp.Client, refuse func(broken bool, field, key string, args ...any)) error {
	refuse(c.Identifier == "", "identifier", "settings.api.need_identifier")
	ours := c.Identifier == m.Issuer || strings.HasPrefix(c.Identifier, m.Issuer+"/")
	refuse(ours, "identifier", "settings.api.ours", c.Identifier)
	for field, has := range map[string]bool{
		"redirect_uris": len(c.RedirectURIs) > 0, "post_logout_redirect_uris": len(c.PostLogoutRedirectURIs) > 0,
		"backchannel_logout_uri": c.BackchannelLogoutURI != "", "frontchannel_logout_uri": c.FrontchannelLogoutURI != "", "populations": len(c.Populations) > 0, "require_pkce": c.RequirePKCE,
		"subject_type":                          c.SubjectType == idp.PairwiseSubject,
		"sector_identifier_uri":                 c.SectorIdentifierURI != "",
		"third_party":                           c.ThirdParty,
		"require_pushed_authorization_requests": c.RequirePushed,
		"initiate_login_uri":                    c.InitiateLoginURI != "", "roles": len(c.Roles) > 0, "default_resource": c.DefaultResource != "",
	} {
		refuse(has, field, "settings.api.no_tokens")
	}
	exchanges := slices.Equal(c.GrantTypes, []string{idp.ExchangeGrant})
	refuse(len(c.GrantTypes) > 0 && !exchanges, "grant_types", "settings.api.no_tokens")
	refuse(len(c.Resources) > 0 && !exchanges, "resources", "settings.api.no_tokens")
	for _, s := range c.Scopes {
		refuse(s == idp.AdminScope || slices.Contains(idp.PersonScopes(), s), "scopes", "settings.api.scope", s)
	}
	other, err := m.Store.API(ctx, c.Identifier)
	if errors.Is(err, idp.ErrNotFound) {
		return m.checkUnnamed(ctx, c, refuse)
	}
	refuse(err == nil && other.ID != c.ID, "identifier", "settings.api.taken", other.Name)
	return err
}

// checkUnnamed refuses a new identifier that an app still has in its resources: the app and
// its grants mean an API that was deleted or renamed. Taking the identifier from the app ends
// those grants for good.
func (m *Manager) checkUnnamed(ctx context.Context, c idp.Client, refuse func(broken bool, field, key string, args ...any)) error {
	clients, err := m.Store.Clients(ctx)
	for _, app := range clients {
		if c.Identifier != "" && slices.Contains(app.Resources, c.Identifier) {
			refuse(true, "identifier", "settings.api.named", app.Name)
			break
		}
	}
	return err
}

// NamedError says which apps may get tokens for an API: without it each of their requests for
// one would fail. It is an idp.ErrInUse.
type NamedError struct{ Apps []string }

// Error implements error.
func (e *NamedError) Error() string {
	return "apps name the API in resources: " + strings.Join(e.Apps, ", ")
}

// Unwrap makes it an idp.ErrInUse.
func (e *NamedError) Unwrap() error { return idp.ErrInUse }

// naming are the names of the apps that may get tokens for an API; none for what is no API.
func (m *Manager) naming(ctx context.Context, api idp.Client) (names []string, err error) {
	if api.Kind != idp.APIClient {
		return nil, nil
	}
	clients, err := m.Store.Clients(ctx)
	for _, app := range clients {
		if slices.Contains(app.Resources, api.Identifier) && app.ID != api.ID {
			names = append(names, app.Name)
		}
	}
	return names, err
}

// checkResources checks the APIs that an app or a service may get tokens for.
func (m *Manager) checkResources(ctx context.Context, c idp.Client) (wrong settings.Errors, err error) {
	if c.Identifier != "" && c.Kind != idp.APIClient {
		wrong = wrong.And(entry.Said(entry.Invalid("identifier", "settings.api.only"))...)
	}
	for _, identifier := range c.Resources {
		_, err := m.Store.API(ctx, identifier)
		switch {
		case errors.Is(err, idp.ErrNotFound):
			wrong = wrong.And(entry.Said(entry.Invalid("resources", "settings.client.no_api", identifier))...)
		case err != nil:
			return nil, err
		}
	}
	if c.DefaultResource != "" && !slices.Contains(c.Resources, c.DefaultResource) {
		wrong = wrong.And(entry.Said(entry.Invalid("default_resource", "settings.client.default_resource"))...)
	}
	return wrong, nil
}
