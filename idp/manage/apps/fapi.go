package apps

import (
	"context"
	"encoding/json"
	"errors"
	"strings"

	"gatehouse/idp"
	"gatehouse/idp/manage/entry"
	"gatehouse/idp/settings"
)

// imply switches on what FAPI implies, so that an app says what it does.
func imply(c *idp.Client) {
	if !c.FAPI || !ofFAPI(c.Kind) {
		return
	}
	c.DPoPBound = true
	if c.Kind.SignsIn() { // nobody signs in to a service
		c.RequirePKCE, c.RequirePushed = true, true
	}
}

// withFAPI are the defaults of a new client with FAPI, where they are not those of all.
func withFAPI(c idp.Client) idp.Client {
	if c.FAPI && (c.Kind == "" || ofFAPI(c.Kind)) {
		if c.AuthMethod == "" {
			c.AuthMethod = idp.PrivateKeyJWT
		}
		if c.SigningAlg == "" {
			c.SigningAlg = idp.PS256
		}
	}
	return c
}

// ofFAPI tells whether clients of a kind are confidential and get tokens of their own.
func ofFAPI(kind idp.ClientKind) bool { return kind == idp.WebClient || kind == idp.ServiceClient }

// checkFAPI checks what FAPI needs of the other settings (FAPI 2.0 Security Profile sections
// 5.3.2 and 5.4.1). A native app's redirect URIs may be http there, but such an app is public.
func (m *Manager) checkFAPI(ctx context.Context, c idp.Client) (wrong settings.Errors, err error) {
	refuse := func(broken bool, field, key string, args ...any) {
		if broken {
			wrong = wrong.And(entry.Said(entry.Invalid(field, key, args...))...)
		}
	}
	switch {
	case !c.FAPI:
		return nil, nil
	case !ofFAPI(c.Kind):
		refuse(true, "fapi", "settings.fapi.kind")
		return wrong, nil
	}
	refuse(c.AuthMethod != idp.PrivateKeyJWT, "auth_method", "settings.fapi.auth_method")
	refuse(!c.SigningAlg.OfFAPI(), "signing_alg", "settings.fapi.alg", c.SigningAlg)
	refuse(c.AccessTTL > idp.FAPIAccessTTL, "access_ttl", "settings.fapi.access_ttl", idp.FAPIAccessTTL)
	refuse(strings.HasPrefix(c.JWKSURI, "http:"), "jwks_uri", "settings.client.https", c.JWKSURI)
	for i, alg := range keyAlgorithms(c.JWKS) {
		refuse(alg != "" && !alg.OfFAPI(), "jwks", "settings.fapi.key", i+1, alg)
	}
	for _, uri := range c.RedirectURIs {
		refuse(strings.HasPrefix(strings.ToLower(uri), "http:"), "redirect_uris", "settings.client.https", uri)
	}
	for _, identifier := range c.Resources {
		api, err := m.Store.API(ctx, identifier)
		if err != nil && !errors.Is(err, idp.ErrNotFound) { // which is said elsewhere
			return nil, err
		}
		refuse(err == nil && api.TokenFormat == idp.JWTToken && !api.SigningAlg.OfFAPI(), "resources", "settings.fapi.api", identifier, api.SigningAlg)
	}
	return wrong, nil
}

// keyAlgorithms are what the keys of a JWK set say of themselves, empty for nothing.
func keyAlgorithms(document string) (algs []idp.Algorithm) {
	var set struct {
		Keys []struct {
			Alg idp.Algorithm `json:"alg"`
		} `json:"keys"`
	}
	if json.Unmarshal([]byte(document), &set) != nil { // which is said elsewhere
		return nil
	}
	for _, k := range set.Keys {
		algs = append(algs, k.Alg)
	}
	return algs
}
