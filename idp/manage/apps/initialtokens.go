package apps

import (
	"context"
	"errors"
	"strings"

	"gatehouse/idp"
	"gatehouse/idp/manage/authz"
	"gatehouse/idp/manage/entry"
	"gatehouse/idp/settings"
)

// InitialTokens reads a page of initial access tokens, the newest first, those that have ended
// too, and where the next begins, empty at the end. limit is 1 to 200; zero is 50.
func (m *Manager) InitialTokens(ctx context.Context, a authz.Actor, after entry.Cursor, limit int) ([]idp.InitialToken, entry.Cursor, error) {
	if err := m.Authz.Authorize(ctx, a, authz.Request{Op: "InitialTokens"}); err != nil {
		return nil, "", err
	}
	at, err := after.Position("initial-tokens")
	if err != nil {
		return nil, "", err
	}
	if limit, err = entry.PageSize(limit); err != nil {
		return nil, "", err
	}
	list, err := m.Store.InitialTokens(ctx, at.ID, limit+1)
	if err != nil {
		return nil, "", err
	}
	list, next := entry.Page(list, limit, func(t idp.InitialToken) entry.Position { return entry.Position{List: "initial-tokens", ID: t.ID} })
	return list, next, nil
}

// InitialToken reads one by its id, also after its end.
func (m *Manager) InitialToken(ctx context.Context, a authz.Actor, id string) (idp.InitialToken, error) {
	if err := m.Authz.Authorize(ctx, a, authz.Request{Op: "InitialToken"}); err != nil {
		return idp.InitialToken{}, err
	}
	return m.Store.InitialToken(ctx, id)
}

// AddInitialToken makes an initial access token, which is shown once and not stored.
// settings.Errors say what cannot be saved.
func (m *Manager) AddInitialToken(ctx context.Context, a authz.Actor, t idp.InitialToken) (made idp.InitialToken, token string, err error) {
	if err := m.Authz.Authorize(ctx, a, authz.Request{Op: "AddInitialToken"}); err != nil {
		return t, "", err
	}
	if err := m.CheckInitialToken(ctx, &t); err != nil {
		return t, "", err
	}
	token = idp.NewSecret()
	t.ID, t.Hash, t.Uses, t.CreatedAt = idp.NewID(), idp.HashSecret(token), 0, idp.Now()
	t.CreatedBy, t.ExpiresAt = a.UserID+a.Service, t.CreatedAt.Add(t.Lifetime)
	detail := map[string]string{"initial_access_token": t.ID}
	for name, value := range settings.InitialToken().Diff(idp.InitialToken{}, t) {
		if after, ok := strings.CutPrefix(name, "after."); ok {
			detail[after] = value
		}
	}
	return t, token, m.Store.Do(ctx, func(ctx context.Context) error {
		if err := m.Store.CreateInitialToken(ctx, t); err != nil {
			return err
		}
		return m.Store.Audit(ctx, a.Audit(idp.AuditInitialTokenMade, "", detail))
	})
}

// CheckInitialToken says what is wrong about a token to be made.
func (m *Manager) CheckInitialToken(ctx context.Context, t *idp.InitialToken) error {
	settings.InitialToken().Defaults(t)
	wrong := settings.InitialToken().Check(t)
	for _, id := range t.Policy.Populations {
		_, err := m.Store.Population(ctx, id)
		if err != nil && !errors.Is(err, idp.ErrNotFound) {
			return err
		}
		if err != nil {
			wrong = wrong.And(settings.Error{Field: "populations", Key: "settings.no_population", Args: []any{id}})
		}
	}
	return wrong.Err()
}

// WithdrawInitialToken ends an initial access token: no app is registered by it any more, and
// those that were can be read and removed by their holders, and not changed. idp.ErrUsed: it
// was withdrawn before.
func (m *Manager) WithdrawInitialToken(ctx context.Context, a authz.Actor, id, reason string) error {
	if err := m.Authz.Authorize(ctx, a, authz.Request{Op: "WithdrawInitialToken", Reason: reason}); err != nil {
		return err
	}
	t, err := m.Store.InitialToken(ctx, id)
	if err != nil {
		return err
	}
	return m.Store.Do(ctx, func(ctx context.Context) error {
		if err := m.Store.WithdrawInitialToken(ctx, id, idp.Now()); err != nil {
			return err
		}
		return m.Store.Audit(ctx, a.Audit(idp.AuditInitialTokenEnded, reason, map[string]string{"initial_access_token": id, "name": t.Name}))
	})
}

// ClientRegistration says by which token an app registered itself. idp.ErrNotFound: there is
// no such app, or an admin added it.
func (m *Manager) ClientRegistration(ctx context.Context, a authz.Actor, id string) (idp.ClientRegistration, idp.InitialToken, error) {
	if err := m.Authz.Authorize(ctx, a, authz.Request{Op: "ClientRegistration"}); err != nil {
		return idp.ClientRegistration{}, idp.InitialToken{}, err
	}
	r, err := m.Store.Registration(ctx, id)
	if err != nil {
		return r, idp.InitialToken{}, err
	}
	t, err := m.Store.InitialToken(ctx, r.TokenID)
	return r, t, err
}
