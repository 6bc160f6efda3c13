package apps

import (
	"encoding/json"
	"errors"
	"net/url"
	"strings"

	"gatehouse/idp"
	"gatehouse/idp/keyset"
)

// checkKeys checks the keys that a client authenticates by: its own in one of two ways, and
// none where it does not.
func (m *Manager) checkKeys(c idp.Client, refuse func(broken bool, field, key string, args ...any)) {
	if c.AuthMethod != idp.PrivateKeyJWT {
		refuse(c.JWKS != "", "jwks", "settings.client.keys_unused")
		refuse(c.JWKSURI != "", "jwks_uri", "settings.client.keys_unused")
		return
	}
	refuse(c.JWKS == "" && c.JWKSURI == "", "jwks", "settings.client.need_keys")
	refuse(c.JWKS != "" && c.JWKSURI != "", "jwks_uri", "settings.client.one_of_keys")
	if c.JWKS != "" {
		key, args := judgeKeys(c.JWKS)
		refuse(key != "", "jwks", key, args...)
	}
	if c.JWKSURI != "" {
		u, err := url.Parse(c.JWKSURI)
		broken := err != nil || u.Host == "" || u.User != nil || strings.ContainsAny(c.JWKSURI, "# \\")
		refuse(broken, "jwks_uri", "settings.client.url", c.JWKSURI)
		refuse(!broken && u.Scheme != "https" && (u.Scheme != "http" || !m.PrivateNetworks), "jwks_uri", "settings.client.https", c.JWKSURI)
		refuse(c.JWKSURI == m.Issuer || strings.HasPrefix(c.JWKSURI, m.Issuer+"/"), "jwks_uri", "settings.client.our_keys")
	}
}

// judgeKeys is what is wrong with a JWK set that an admin gave, and with which key: all of it
// must be of use (RFC 7517 sections 4 and 5).
func judgeKeys(document string) (key string, args []any) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal([]byte(document), &set); err != nil || len(set.Keys) == 0 {
		return "settings.client.no_jwks", nil
	}
	rules := keyset.OfClients()
	if len(set.Keys) > rules.Most {
		return "settings.client.many_keys", []any{rules.Most}
	}
	seen := map[string]bool{}
	for i, raw := range set.Keys {
		k, err := rules.Read(raw)
		switch {
		case errors.Is(err, keyset.ErrPrivate):
			return "settings.client.private_key", []any{i + 1}
		case err != nil:
			return "settings.client.bad_key", []any{i + 1, strings.Join(rules.Algorithms, ", ")}
		case len(set.Keys) > 1 && (k.KeyID == "" || seen[k.KeyID]):
			return "settings.client.key_id", []any{i + 1}
		}
		seen[k.KeyID] = true
	}
	return "", nil
}
