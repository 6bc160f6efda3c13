package apps

import (
	"context"
	"encoding/base64"
	"errors"
	"regexp"
	"slices"
	"strings"

	"gatehouse/idp"
	"gatehouse/idp/settings"
)

// ClientIDs are the ids that a client can be given, SecretForm the secrets.
const (
	ClientIDs  = `^[A-Za-z0-9][A-Za-z0-9._-]{2,99}$`
	SecretForm = `^[A-Za-z0-9_-]{43,200}$`
)

var (
	clientIDForm = regexp.MustCompile(ClientIDs)
	// ownIDForm are ids as this provider makes them (RFC 9562 section 5.7).
	ownIDForm = regexp.MustCompile(`(?i)^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$`)
)

// reservedIDs name something else where a client's id would stand: deliveries, pages.
var reservedIDs = []string{"mail", "requests", "new", "registration"}

// checkClientID refuses an id that is not a client's to have. An id of a person would let a
// service act under it: in the audit log, and as the subject of its tokens.
func (m *Manager) checkClientID(ctx context.Context, id string) error {
	switch {
	case !clientIDForm.MatchString(id):
		return settings.Invalid("id", "settings.client.id_form")
	case idp.OwnClient(id), slices.Contains(reservedIDs, strings.ToLower(id)), ownIDForm.MatchString(id):
		return settings.Invalid("id", "settings.client.id_taken", id)
	}
	_, err := m.Store.User(ctx, id)
	if errors.Is(err, idp.ErrNotFound) {
		return nil
	}
	if err == nil {
		err = settings.Invalid("id", "settings.client.id_taken", id)
	}
	return err
}

// leastLetters is how many different characters 256 random bits have at the very least.
const leastLetters = 12

// checkSecret refuses a secret that could be guessed: it is stored as its SHA-256, which
// takes no time to compute.
func checkSecret(secret string) error {
	bits, err := base64.RawURLEncoding.DecodeString(secret)
	different := slices.Compact(slices.Sorted(slices.Values([]byte(secret))))
	if err != nil || len(bits) < idp.SecretBytes || len(different) < leastLetters || len(secret) > 200 {
		return settings.Invalid("secret", "settings.client.secret_form")
	}
	return nil
}

// choose puts an id and a secret that were chosen into a new client; empty ones are made.
func (m *Manager) choose(ctx context.Context, c *idp.Client, secret string) error {
	if c.ID != "" {
		if err := m.checkClientID(ctx, c.ID); err != nil {
			return err
		}
	}
	if secret == "" {
		return nil
	}
	if !withDefaults(*c).AuthMethod.Secret() {
		return settings.Invalid("secret", "settings.client.secret_public")
	}
	*c = c.WithSecret(idp.HashSecret(secret), idp.Now())
	return checkSecret(secret)
}
