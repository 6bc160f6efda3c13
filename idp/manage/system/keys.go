package system

import (
	"context"
	"errors"

	"gatehouse/idp"
	"gatehouse/idp/manage/authz"
	"gatehouse/idp/store"
)

// Rotation makes successors of signing keys. *keys.Keys does.
type Rotation interface {
	// Rotate makes one for every key; force, whatever their age. Like Revoke it joins the
	// transaction of ctx.
	Rotate(ctx context.Context, force bool) (rotated int, err error)
	// Revoke withdraws one at once.
	Revoke(ctx context.Context, kid string) error
}

// errNoRotation: the manager was put together without keys.
var errNoRotation = errors.New("no signing keys are configured")

// SigningKeys reads all signing keys, oldest first, without their private halves.
func (m *Manager) SigningKeys(ctx context.Context, a authz.Actor) ([]store.SigningKey, error) {
	if err := m.Authz.Authorize(ctx, a, authz.Request{Op: "SigningKeys"}); err != nil {
		return nil, err
	}
	list, err := m.Store.SigningKeys(ctx)
	for i := range list {
		list[i].Private = nil
	}
	return list, err
}

// RotateKeys makes a successor for every signing key, published now and signing
// once relying parties have had time to fetch it; it returns how many. idp.ErrConflict: a
// rotation is under way, and its error says when the next key signs. One audit
// event says who asked and why; what was made is in the events of the keys.
func (m *Manager) RotateKeys(ctx context.Context, a authz.Actor, reason string) (int, error) {
	if err := m.Authz.Authorize(ctx, a, authz.Request{Op: "RotateKeys", Reason: reason}); err != nil {
		return 0, err
	}
	if m.Rotation == nil {
		return 0, errNoRotation
	}
	n := 0
	err := m.Store.Do(ctx, func(ctx context.Context) (err error) {
		if n, err = m.Rotation.Rotate(ctx, true); err != nil {
			return err
		}
		return m.Store.Audit(ctx, a.Audit(idp.AuditKeyRotated, reason, map[string]string{"keys": "all"}))
	})
	if err != nil {
		return 0, err
	}
	return n, nil
}

// RevokeKey withdraws a signing key at once, such as one that leaked. What it signed is
// worth nothing from then on, and a successor signs though apps have not fetched it yet.
// idp.ErrNotFound: there is no such key. One audit event says who asked and why, beside
// that of the key.
func (m *Manager) RevokeKey(ctx context.Context, a authz.Actor, kid, reason string) error {
	if err := m.Authz.Authorize(ctx, a, authz.Request{Op: "RevokeKey", Reason: reason}); err != nil {
		return err
	}
	if m.Rotation == nil {
		return errNoRotation
	}
	return m.Store.Do(ctx, func(ctx context.Context) error {
		if err := m.Rotation.Revoke(ctx, kid); err != nil {
			return err
		}
		return m.Store.Audit(ctx, a.Audit(idp.AuditKeyRevoked, reason, map[string]string{"kid": kid}))
	})
}

// KeyUse is what can be counted of the work of an algorithm's key. The tokens themselves
// cannot: the provider does not store what it signed.
type KeyUse struct {
	// Apps get ID tokens that the key signs; those among JWTApps access tokens, too.
	Apps, JWTApps int
}

// UseOf counts the apps that a signing algorithm signs for.
func UseOf(ctx context.Context, s *store.Store, alg idp.Algorithm) (use KeyUse, err error) {
	clients, err := s.Clients(ctx)
	for _, c := range clients {
		if c.SigningAlg != alg || idp.OwnClient(c.ID) {
			continue
		}
		use.Apps++
		if c.TokenFormat == idp.JWTToken {
			use.JWTApps++
		}
	}
	return use, err
}
