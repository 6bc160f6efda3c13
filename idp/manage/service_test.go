package manage_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/manage"
)

func TestServiceGetsTheDefaultsOfItsKind(t *testing.T) {
	t.Parallel()
	withDefaults(t, func(t *testing.T, db *idptest.Database, m *manage.Manager) {
		made, secret, err := m.Apps.CreateClient(t.Context(), idp.Client{
			Name: "Reports", Kind: idp.ServiceClient, Scopes: []string{idp.AdminScope}, Roles: []string{idp.RoleManager},
		})
		idptest.Must(t, err)
		want := idp.Client{
			ID: made.ID, Name: "Reports", Kind: idp.ServiceClient, AuthMethod: idp.ClientSecretBasic,
			SecretHashes: [][]byte{idp.HashSecret(secret)}, SecretFacts: made.SecretFacts, GrantTypes: []string{"client_credentials"},
			Scopes: []string{idp.AdminScope}, TokenFormat: idp.OpaqueToken, SigningAlg: idp.RS256,
			AccessTTL: 15 * time.Minute, RefreshTTL: 30 * 24 * time.Hour, Roles: []string{idp.RoleManager}, Claims: idp.AppClaims{Roles: idp.NoRoles}, SubjectType: idp.PublicSubject, CreatedAt: made.CreatedAt,
		}
		stored, err := db.Client(t.Context(), made.ID)
		idptest.Must(t, err)
		for _, got := range []idp.Client{made, stored} {
			if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Error(diff)
			}
		}
	})
}

func TestServicesThatCannotBeSaved(t *testing.T) {
	t.Parallel()
	withDefaults(t, func(t *testing.T, db *idptest.Database, m *manage.Manager) {
		for name, c := range map[string]struct {
			change func(c *idp.Client)
			field  string
		}{
			"as it is":                {func(*idp.Client) {}, ""},
			"without roles":           {func(c *idp.Client) { c.Roles = nil }, ""},
			"by post":                 {func(c *idp.Client) { c.AuthMethod = idp.ClientSecretPost }, ""},
			"with JWTs":               {func(c *idp.Client) { c.TokenFormat = idp.JWTToken }, ""},
			"with JWTs for too long":  {func(c *idp.Client) { c.TokenFormat, c.AccessTTL = idp.JWTToken, time.Hour }, "access_ttl"},
			"without a secret":        {func(c *idp.Client) { c.AuthMethod = idp.NoClientAuth }, "auth_method"},
			"without scopes":          {func(c *idp.Client) { c.Scopes = nil }, "scopes"},
			"with openid":             {func(c *idp.Client) { c.Scopes = []string{idp.AdminScope, "openid"} }, "scopes"},
			"with offline access":     {func(c *idp.Client) { c.Scopes = []string{"offline_access"} }, "scopes"},
			"with a person's roles":   {func(c *idp.Client) { c.Scopes = []string{idp.RolesScope} }, "scopes"},
			"with somebody's address": {func(c *idp.Client) { c.Scopes = []string{"email"} }, "scopes"},
			"with two scopes in one":  {func(c *idp.Client) { c.Scopes = []string{"a b"} }, "scopes"},
			"with a scope of nothing": {func(c *idp.Client) { c.Scopes = []string{""} }, "scopes"},
			"with the code flow":      {func(c *idp.Client) { c.GrantTypes = []string{"client_credentials", "authorization_code"} }, "grant_types"},
			"with refresh tokens":     {func(c *idp.Client) { c.GrantTypes = []string{"refresh_token"} }, "grant_types"},
			"with a redirect URI":     {func(c *idp.Client) { c.RedirectURIs = []string{"https://rtx.example/cb"} }, "redirect_uris"},
			"with a way back":         {func(c *idp.Client) { c.PostLogoutRedirectURIs = []string{"https://rtx.example/"} }, "post_logout_redirect_uris"},
			"with logout":             {func(c *idp.Client) { c.BackchannelLogoutURI = "https://rtx.example/out" }, "backchannel_logout_uri"},
			"with people":             {func(c *idp.Client) { c.Populations = []string{idp.Agents} }, "populations"},
			"with PKCE":               {func(c *idp.Client) { c.RequirePKCE = true }, "require_pkce"},
			"with a role that is not": {func(c *idp.Client) { c.Roles = []string{"invented"} }, "roles"},
			"a web client with roles": {func(c *idp.Client) { c.Kind, c.Populations = idp.WebClient, []string{idp.Agents} }, "roles"},
			"a web client for itself": {func(c *idp.Client) {
				c.Kind, c.Populations, c.Roles, c.GrantTypes = idp.WebClient, []string{idp.Agents}, nil, []string{"client_credentials"}
			}, "grant_types"},
			"a web client at the API": {func(c *idp.Client) { c.Kind, c.Populations, c.Roles = idp.WebClient, []string{idp.Agents}, nil }, ""},
		} {
			client := idp.Client{
				Name: "Reports", Kind: idp.ServiceClient, Scopes: []string{idp.AdminScope}, Roles: []string{idp.RoleManager},
			}
			c.change(&client)
			made, _, err := m.Apps.CreateClient(t.Context(), client)
			expectField(t, name, err, c.field)
			if _, err = db.Client(t.Context(), made.ID); (err == nil) != (c.field == "") {
				t.Errorf("%s: saved %t", name, err == nil)
			}
		}
	})
}
