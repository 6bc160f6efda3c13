package manage_test

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/manage"
	"gatehouse/idp/settings"
)

func keySet(t *testing.T, keys ...jose.JSONWebKey) string {
	t.Helper()
	raw, err := json.MarshalIndent(jose.JSONWebKeySet{Keys: keys}, "", "  ")
	idptest.Must(t, err)
	return string(raw)
}

func TestKeysThatAnAppMayAuthenticateBy(t *testing.T) {
	t.Parallel()
	p256, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	idptest.Must(t, err)
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	idptest.Must(t, err)
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	idptest.Must(t, err)
	ed, _, err := ed25519.GenerateKey(rand.Reader)
	idptest.Must(t, err)
	one, two := jose.JSONWebKey{Key: p256.Public(), KeyID: "one"}, jose.JSONWebKey{Key: ed, KeyID: "two", Use: "sig", Algorithm: "EdDSA"}
	many := make([]jose.JSONWebKey, 21)
	for i := range many {
		many[i] = jose.JSONWebKey{Key: ed, KeyID: idp.NewID()}
	}
	withDefaults(t, func(t *testing.T, db *idptest.Database, m *manage.Manager) {
		for name, c := range map[string]struct {
			jwks, uri string
			field     string
		}{
			"one key":                      {keySet(t, jose.JSONWebKey{Key: p256.Public()}), "", ""},
			"two keys":                     {keySet(t, one, two), "", ""},
			"an address":                   {"", "https://app.example/jwks.json", ""},
			"none":                         {"", "", "jwks"},
			"both":                         {keySet(t, one), "https://app.example/jwks.json", "jwks_uri"},
			"no JSON":                      {"-----BEGIN PUBLIC KEY-----\nMFkw", "", "jwks"},
			"a key alone":                  {`{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}`, "", "jwks"},
			"an empty set":                 {`{"keys":[]}`, "", "jwks"},
			"a private key":                {keySet(t, jose.JSONWebKey{Key: p256}), "", "jwks"},
			"a private key beside another": {keySet(t, one, jose.JSONWebKey{Key: p256, KeyID: "two"}), "", "jwks"},
			"a secret key":                 {`{"keys":[{"kty":"oct","k":"c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3I"}]}`, "", "jwks"},
			"an unknown kty":               {`{"keys":[{"kty":"LATTICE"}]}`, "", "jwks"},
			"a weak key":                   {keySet(t, jose.JSONWebKey{Key: weak.Public()}), "", "jwks"},
			"a curve without algorithm":    {keySet(t, jose.JSONWebKey{Key: p384.Public()}), "", "jwks"},
			"a key for encryption":         {keySet(t, jose.JSONWebKey{Key: p256.Public(), Use: "enc"}), "", "jwks"},
			"HMAC":                         {keySet(t, jose.JSONWebKey{Key: p256.Public(), Algorithm: "HS256"}), "", "jwks"},
			"the same kid twice":           {keySet(t, one, one), "", "jwks"},
			"two keys, one without a kid":  {keySet(t, one, jose.JSONWebKey{Key: ed}), "", "jwks"},
			"too many":                     {keySet(t, many...), "", "jwks"},
			"too long":                     {`{"keys":[],"x":"` + strings.Repeat("x", 16_000) + `"}`, "", "jwks"},
			"an address by http":           {"", "http://app.example/jwks.json", "jwks_uri"},
			"an address with a user":       {"", "https://user@app.example/jwks.json", "jwks_uri"},
			"no address":                   {"", "app.example", "jwks_uri"},
		} {
			made, secret, err := m.Apps.CreateClient(t.Context(), idp.Client{
				Name: "App", AuthMethod: idp.PrivateKeyJWT, Populations: []string{idp.Agents}, RedirectURIs: []string{"https://rtx.example/cb"},
				JWKS: c.jwks, JWKSURI: c.uri,
			})
			expectField(t, name, err, c.field)
			if secret != "" || err == nil && strings.ContainsAny(made.JWKS, "\n ") {
				t.Errorf("%s: secret %q, keys %s", name, secret, made.JWKS)
			}
		}
		_, _, err := m.Apps.CreateClient(t.Context(), idp.Client{Name: "App", Populations: []string{idp.Agents}, JWKS: keySet(t, one)})
		expectField(t, "keys beside a secret", err, "jwks")
		_, _, err = m.Apps.CreateClient(t.Context(), idp.Client{Name: "App", Kind: idp.SPAClient, AuthMethod: idp.PrivateKeyJWT, Populations: []string{idp.Agents}, JWKS: keySet(t, one)})
		expectField(t, "a page with a key", err, "auth_method")
	})
}

func TestTheSecretsOfAnAppEndWhenItGetsAKey(t *testing.T) {
	t.Parallel()
	key, _, err := ed25519.GenerateKey(rand.Reader)
	idptest.Must(t, err)
	inOffice(t, func(t *testing.T, o *office) {
		ctx := t.Context()
		app, _, err := o.Apps.AddClient(ctx, everything(), idp.Client{Name: "App", Populations: []string{idp.Agents}})
		idptest.Must(t, err)
		app.AuthMethod, app.JWKS = idp.PrivateKeyJWT, keySet(t, jose.JSONWebKey{Key: key})
		app, err = o.Apps.UpdateClient(ctx, everything(), app)
		if err != nil || app.Secrets != 0 {
			t.Fatalf("%d secrets, %v", app.Secrets, err)
		}
		expectField(t, "a secret beside a key", second(o.Apps.AddClientSecret(ctx, everything(), app.ID)), "auth_method")
		app.AuthMethod, app.JWKS = idp.ClientSecretBasic, ""
		app, err = o.Apps.UpdateClient(ctx, everything(), app)
		if err != nil || app.Secrets != 0 {
			t.Fatalf("%d secrets came back, %v", app.Secrets, err)
		}
		idptest.Must(t, second(o.Apps.AddClientSecret(ctx, everything(), app.ID)))
	})
}

// What contradicts FAPI is said at each field at once; what it implies is switched on.
func TestFAPISaysAtOnceWhatItNeeds(t *testing.T) {
	t.Parallel()
	ed, _, err := ed25519.GenerateKey(rand.Reader)
	idptest.Must(t, err)
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	idptest.Must(t, err)
	inOffice(t, func(t *testing.T, o *office) {
		ctx := t.Context()
		_, _, err := o.Apps.AddClient(ctx, everything(), idp.Client{
			ID: "api", Name: "API", Kind: idp.APIClient, Identifier: "https://api.example/", TokenFormat: idp.JWTToken, Scopes: []string{"read"},
		})
		idptest.Must(t, err)
		app, _, err := o.Apps.AddClient(ctx, everything(), idp.Client{
			Name: "App", Populations: []string{idp.Agents}, RedirectURIs: []string{"http://localhost/cb", "https://app.example/cb"},
			AccessTTL: time.Hour, Resources: []string{"https://api.example/"},
		})
		idptest.Must(t, err)
		before := app.Client
		app.FAPI, app.JWKS = true, keySet(t, jose.JSONWebKey{Key: key.Public(), Algorithm: "RS256"})
		_, err = o.Apps.UpdateClient(ctx, everything(), app)
		var refused settings.Errors
		if !errors.As(err, &refused) {
			t.Fatal(err)
		}
		var fields []string
		for _, e := range refused {
			fields = append(fields, e.Field)
		}
		slices.Sort(fields)
		if got := strings.Join(slices.Compact(fields), " "); got != "access_ttl auth_method jwks redirect_uris resources signing_alg" {
			t.Errorf("refused %s: %v", got, err)
		}

		app.AuthMethod, app.JWKS, app.SigningAlg, app.AccessTTL = idp.PrivateKeyJWT, keySet(t, jose.JSONWebKey{Key: ed}), idp.EdDSA, 10*time.Minute
		app.RedirectURIs, app.Resources = []string{"https://app.example/cb"}, nil
		app, err = o.Apps.UpdateClient(ctx, everything(), app)
		idptest.Must(t, err)
		if before.RequirePKCE || !app.RequirePKCE || !app.DPoPBound || !app.RequirePushed || app.Secrets != 0 {
			t.Errorf("before %+v, now %+v", before, app)
		}
		app.RequirePKCE, app.DPoPBound, app.RequirePushed = false, false, false
		again, err := o.Apps.UpdateClient(ctx, everything(), app)
		if err != nil || !again.RequirePKCE || !again.DPoPBound || !again.RequirePushed || again.Version != app.Version {
			t.Errorf("%+v, %v", again, err)
		}
		service, _, err := o.Apps.AddClient(ctx, everything(), idp.Client{Name: "Service", Kind: idp.ServiceClient, FAPI: true, JWKS: app.JWKS, Scopes: []string{"read"}})
		if err != nil || service.AuthMethod != idp.PrivateKeyJWT || service.SigningAlg != idp.PS256 || !service.DPoPBound || service.RequirePKCE {
			t.Errorf("%+v, %v", service, err)
		}
	})
}
