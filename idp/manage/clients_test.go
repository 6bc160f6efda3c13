package manage_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/manage"
	"gatehouse/idp/manage/apps"
	"gatehouse/idp/manage/authz"
	"gatehouse/idp/manage/people"
)

func TestClientGetsTheDefaultsOfItsKind(t *testing.T) {
	t.Parallel()
	withDefaults(t, func(t *testing.T, db *idptest.Database, m *manage.Manager) {
		for _, c := range []struct {
			kind   idp.ClientKind
			method idp.AuthMethod
			secret bool
		}{
			{"", idp.ClientSecretBasic, true},
			{idp.WebClient, idp.ClientSecretBasic, true},
			{idp.SPAClient, idp.NoClientAuth, false},
			{idp.NativeClient, idp.NoClientAuth, false},
		} {
			before := idp.Now()
			made, secret, err := m.Apps.CreateClient(t.Context(), idp.Client{Name: "App", Kind: c.kind, Populations: []string{idp.Agents}})
			idptest.Must(t, err)
			if (secret != "") != c.secret || len(made.SecretHashes) > 1 || made.ID == "" || made.CreatedAt.Before(before) {
				t.Errorf("%s: secret %q, %+v", c.kind, secret, made)
			}
			if c.secret && (len(secret) != 43 || !bytes.Equal(made.SecretHashes[0], idp.HashSecret(secret))) {
				t.Errorf("the secret %s has the hash %x", secret, made.SecretHashes)
			}
			if c.secret && !made.SecretFacts[0].CreatedAt.Equal(made.CreatedAt) {
				t.Errorf("the secret was made at %s, the app at %s", made.SecretFacts[0].CreatedAt, made.CreatedAt)
			}
			kind := c.kind
			if kind == "" {
				kind = idp.WebClient
			}
			want := idp.Client{
				ID: made.ID, Name: "App", Kind: kind, AuthMethod: c.method, SecretHashes: made.SecretHashes, SecretFacts: made.SecretFacts,
				GrantTypes: []string{"authorization_code", "refresh_token"},
				Scopes:     []string{"openid", "profile", "email", "offline_access"}, Populations: []string{idp.Agents},
				TokenFormat: idp.OpaqueToken, SigningAlg: idp.RS256, AccessTTL: 15 * time.Minute, RefreshTTL: 30 * 24 * time.Hour,
				RequirePKCE: !c.secret, Claims: idp.AppClaims{Roles: idp.NoRoles}, SubjectType: idp.PublicSubject, CreatedAt: made.CreatedAt,
			}
			stored, err := db.Client(t.Context(), made.ID)
			idptest.Must(t, err)
			for _, got := range []idp.Client{made, stored} {
				if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
					t.Errorf("%s: %s", c.kind, diff)
				}
			}
		}
		events, err := db.AuditEvents(t.Context(), idp.AuditClientCreated, "", 10)
		if err != nil || len(events) != 4 || events[0].ClientID == "" {
			t.Errorf("the audit log says %+v (%v)", events, err)
		}
	})
}

func TestJWTAccessTokensLiveFiveMinutes(t *testing.T) {
	t.Parallel()
	withDefaults(t, func(t *testing.T, _ *idptest.Database, m *manage.Manager) {
		made, _, err := m.Apps.CreateClient(t.Context(), idp.Client{Name: "App", TokenFormat: idp.JWTToken, Populations: []string{idp.Agents}})
		if err != nil || made.AccessTTL != 5*time.Minute {
			t.Errorf("%s, %v", made.AccessTTL, err)
		}
	})
}

func TestWhatAClientAsksForStays(t *testing.T) {
	t.Parallel()
	withDefaults(t, func(t *testing.T, db *idptest.Database, m *manage.Manager) {
		asked := idptest.Client(idp.Contacts, idp.Agents)
		asked.Identifier, asked.Resources, asked.DefaultResource, asked.JWKS, asked.JWKSURI, asked.FAPI = "", nil, "", "", "", false // an API's, and of private keys
		asked.SectorIdentifierURI = ""                                                                                               // nobody is asked here
		made, secret, err := m.Apps.CreateClient(t.Context(), asked)
		idptest.Must(t, err)
		if secret != "" {
			t.Error("a client with secrets of its own got another one")
		}
		if diff := cmp.Diff(asked, made); diff != "" {
			t.Error(diff)
		}
		if _, _, err := m.Apps.CreateClient(t.Context(), asked); !errors.Is(err, idp.ErrConflict) {
			t.Errorf("the same id again: %v", err)
		}
		if events, err := db.AuditEvents(t.Context(), idp.AuditClientCreated, "", 10); err != nil || len(events) != 1 {
			t.Errorf("%d events (%v)", len(events), err)
		}
	})
}

func TestClientsThatCannotBeSaved(t *testing.T) {
	t.Parallel()
	withDefaults(t, func(t *testing.T, db *idptest.Database, m *manage.Manager) {
		for name, c := range map[string]struct {
			change func(c *idp.Client)
			field  string
		}{
			"as it is":                     {func(*idp.Client) {}, ""},
			"no name":                      {func(c *idp.Client) { c.Name = "" }, "name"},
			"another kind":                 {func(c *idp.Client) { c.Kind, c.AuthMethod = "robot", idp.NoClientAuth }, "kind"},
			"another authentication":       {func(c *idp.Client) { c.AuthMethod = "tls_client_auth" }, "auth_method"},
			"web without authentication":   {func(c *idp.Client) { c.AuthMethod = idp.NoClientAuth }, "auth_method"},
			"native with a secret":         {func(c *idp.Client) { c.Kind = idp.NativeClient }, "auth_method"},
			"spa with a secret":            {func(c *idp.Client) { c.Kind, c.AuthMethod = idp.SPAClient, idp.ClientSecretPost }, "auth_method"},
			"web by post":                  {func(c *idp.Client) { c.AuthMethod = idp.ClientSecretPost }, ""},
			"web with PKCE":                {func(c *idp.Client) { c.RequirePKCE = true }, ""},
			"public without saying PKCE":   {func(c *idp.Client) { c.Kind, c.AuthMethod = idp.SPAClient, "" }, ""},
			"another algorithm":            {func(c *idp.Client) { c.SigningAlg = "HS256" }, "signing_alg"},
			"no algorithm":                 {func(c *idp.Client) { c.SigningAlg = "none" }, "signing_alg"},
			"another format":               {func(c *idp.Client) { c.TokenFormat = "saml" }, "token_format"},
			"a JWT for too long":           {func(c *idp.Client) { c.TokenFormat, c.AccessTTL = idp.JWTToken, 6*time.Minute }, "access_ttl"},
			"a JWT for five minutes":       {func(c *idp.Client) { c.TokenFormat, c.AccessTTL = idp.JWTToken, 5*time.Minute }, ""},
			"an opaque token for an hour":  {func(c *idp.Client) { c.AccessTTL = time.Hour }, ""},
			"an access token of the past":  {func(c *idp.Client) { c.AccessTTL = -time.Hour }, "access_ttl"},
			"a refresh token of the past":  {func(c *idp.Client) { c.RefreshTTL = -time.Hour }, "refresh_ttl"},
			"less than the database keeps": {func(c *idp.Client) { c.AccessTTL = time.Millisecond }, "access_ttl"},
			"nobody":                       {func(c *idp.Client) { c.Populations = nil }, "populations"},
			"another population":           {func(c *idp.Client) { c.Populations = []string{idp.Agents, "partners"} }, "populations"},
			"a bad redirect URI":           {func(c *idp.Client) { c.RedirectURIs = append(c.RedirectURIs, "http://rtx.example/") }, "redirect_uris"},
			"a bad logout redirect URI":    {func(c *idp.Client) { c.PostLogoutRedirectURIs = []string{"/bye"} }, "post_logout_redirect_uris"},
		} {
			client := idp.Client{
				Name: "App", Kind: idp.WebClient, AuthMethod: idp.ClientSecretBasic, Populations: []string{idp.Agents},
				RedirectURIs: []string{"https://rtx.example/cb"},
			}
			c.change(&client)
			made, secret, err := m.Apps.CreateClient(t.Context(), client)
			expectField(t, name, err, c.field)
			_, err = db.Client(t.Context(), made.ID)
			if (err == nil) != (c.field == "") || c.field != "" && secret != "" {
				t.Errorf("%s: saved %t with secret %q", name, err == nil, secret)
			}
		}
	})
}

// RFC 9700 section 2.1, RFC 8252 sections 7 and 8.4.
func TestRedirectURIsThatMayBeRegistered(t *testing.T) {
	t.Parallel()
	withDefaults(t, func(t *testing.T, _ *idptest.Database, m *manage.Manager) {
		const everybody, nobody, natives = "everybody", "nobody", "natives"
		for uri, who := range map[string]string{
			"https://rtx.example/cb":               everybody,
			"https://rtx.example":                  everybody,
			"https://rtx.example:8443/cb?tenant=1": everybody,
			"https://xn--rtx-ioa.example/cb":       everybody,
			"http://localhost:8081/cb":             everybody,
			"http://127.0.0.1/cb":                  everybody,
			"http://[::1]:8081/cb":                 everybody,
			"com.rtx.app:/cb":                      natives,
			"com.rtx.app://cb":                     natives,

			"":                                  nobody,
			"/cb":                               nobody,
			"rtx.example/cb":                    nobody,
			"//rtx.example/cb":                  nobody,
			"https:///cb":                       nobody,
			"https:rtx.example":                 nobody,
			"http://rtx.example/cb":             nobody,
			"http://localhost.rtx.example/":     nobody,
			"http://127.0.0.1.rtx.example/":     nobody,
			"http://10.0.0.1/cb":                nobody,
			"http://[::2]/cb":                   nobody,
			"http:localhost":                    nobody,
			"https://rtx.example/cb#":           nobody,
			"https://rtx.example/cb#top":        nobody,
			"https://*.rtx.example/cb":          nobody,
			"https://rtx.example/*":             nobody,
			"https://rtx.example/a b":           nobody,
			`https://rtx.example\@evil.example`: nobody,
			"https://maya@rtx.example/cb":       nobody,
			"https://maya:pass@rtx.example/cb":  nobody,
			"https://rtx.example/\ncb":          nobody,
			"https://rtx.example:port/cb":       nobody,
			"javascript:alert(1)":               nobody,
			"data:text/html,hi":                 nobody,
			"file:///etc/passwd":                nobody,
			"myapp:/cb":                         nobody,
			"myapp://cb":                        nobody,
		} {
			for _, kind := range []idp.ClientKind{idp.WebClient, idp.SPAClient, idp.NativeClient} {
				field := "redirect_uris"
				if who == everybody || who == natives && kind == idp.NativeClient {
					field = ""
				}
				_, _, err := m.Apps.CreateClient(t.Context(), idp.Client{
					Name: "App", Kind: kind, Populations: []string{idp.Agents}, RedirectURIs: []string{uri},
				})
				expectField(t, string(kind)+" "+uri, err, field)
			}
		}
	})
}

func TestDatabaseThatFailsIsNoFieldsFault(t *testing.T) {
	t.Parallel()
	withDefaults(t, func(t *testing.T, _ *idptest.Database, m *manage.Manager) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, _, errClient := m.Apps.CreateClient(ctx, idp.Client{Name: "App", Populations: []string{idp.Agents}})
		_, errUser := m.People.CreateUser(ctx, people.NewUser{Population: idp.Agents, Email: "maya@rtx.example"})
		for _, err := range []error{errClient, errUser} {
			if err == nil || errors.Is(err, idp.ErrInvalid) {
				t.Errorf("got %v", err)
			}
		}
	})
}

// An API that comes later is not the one that apps had: what they call it by is taken from
// them first.
func TestAnIdentifierThatAppsHaveIsNoNewAPIs(t *testing.T) {
	t.Parallel()
	withDefaults(t, func(t *testing.T, db *idptest.Database, m *manage.Manager) {
		ctx, gone := t.Context(), "https://api.example/gone"
		add := func(c idp.Client) (apps.ClientEntry, error) {
			e, _, err := m.Apps.AddClient(ctx, authz.System(), c)
			return e, err
		}
		api, err := add(idp.Client{Kind: idp.APIClient, Name: "Gone", Identifier: gone})
		idptest.Must(t, err)
		other, err := add(idp.Client{Kind: idp.APIClient, Name: "Other", Identifier: "urn:example:other"})
		idptest.Must(t, err)
		service, err := add(idp.Client{Kind: idp.ServiceClient, Name: "Service", Scopes: []string{"read"}, Resources: []string{gone}})
		idptest.Must(t, err)
		var named *apps.NamedError
		if err := m.Apps.DeleteClient(ctx, authz.System(), api.ID, 0, "over"); !errors.As(err, &named) || !errors.Is(err, idp.ErrInUse) || !slices.Equal(named.Apps, []string{"Service"}) {
			t.Errorf("an API that a service names is deleted: %v", err)
		}
		renamed := api
		renamed.Identifier = "https://api.example/renamed"
		_, err = m.Apps.UpdateClient(ctx, authz.System(), renamed)
		expectField(t, "an API that a service names is renamed", err, "identifier")
		api.Name = "Still named"
		_, err = m.Apps.UpdateClient(ctx, authz.System(), api)
		expectField(t, "its name", err, "")
		idptest.Must(t, db.DeleteClient(ctx, api.ID, 0)) // as an older release does

		_, err = add(idp.Client{Kind: idp.APIClient, Name: "New", Identifier: gone})
		expectField(t, "a new API", err, "identifier")
		other.Identifier = gone
		_, err = m.Apps.UpdateClient(ctx, authz.System(), other)
		expectField(t, "another name", err, "identifier")

		service.Resources = nil
		_, err = m.Apps.UpdateClient(ctx, authz.System(), service)
		idptest.Must(t, err)
		freed, err := m.Apps.UpdateClient(ctx, authz.System(), other)
		expectField(t, "a free name", err, "")
		idptest.Must(t, m.Apps.DeleteClient(ctx, authz.System(), freed.ID, 0, "over"))
	})
}

// Whoever may get tokens for an API with the second step of this morning may not for the next.
func TestAnAppThatNamesAPIsTakesAFreshSecondStep(t *testing.T) {
	t.Parallel()
	withDefaults(t, func(t *testing.T, _ *idptest.Database, m *manage.Manager) {
		ctx, stale := t.Context(), authz.Actor{UserID: "admin", Permissions: idp.Permissions(), SecondStepAt: idp.Now().Add(-time.Hour)}
		api, _, err := m.Apps.AddClient(ctx, authz.System(), idp.Client{Kind: idp.APIClient, Name: "API", Identifier: "urn:example:api"})
		idptest.Must(t, err)
		service := idp.Client{Kind: idp.ServiceClient, Name: "Service", Scopes: []string{"read"}}
		_, _, err = m.Apps.AddClient(ctx, stale, service)
		idptest.Must(t, err)
		service.Resources = []string{api.Identifier}
		if _, _, err := m.Apps.AddClient(ctx, stale, service); !errors.Is(err, authz.ErrStepUp) {
			t.Errorf("with an API: %v", err)
		}
	})
}
