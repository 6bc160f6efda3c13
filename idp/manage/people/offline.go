package people

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/manage/authz"
)

// KeptAccess is what an app keeps of a person while they are signed out (scope
// offline_access).
type KeptAccess struct {
	ID, ClientID string
	Scopes       []string
	// SessionID, Address and UserAgent are of the sign-in that it came from.
	SessionID, Address, UserAgent    string
	CreatedAt, LastUsedAt, ExpiresAt time.Time
}

// ListGrants reads the access that apps keep of a person, the newest first.
func (m *Manager) ListGrants(ctx context.Context, a authz.Actor, userID string) ([]KeptAccess, error) {
	if err := m.Authz.Authorize(ctx, a, authz.Request{Op: "ListGrants"}); err != nil {
		return nil, err
	}
	if _, err := m.Store.User(ctx, userID); err != nil {
		return nil, err
	}
	return m.Kept(ctx, userID)
}

func (m *Manager) Kept(ctx context.Context, userID string) ([]KeptAccess, error) {
	rows, err := m.Store.OfflineOf(ctx, userID, idp.Now())
	list := make([]KeptAccess, len(rows))
	for i, r := range rows {
		list[i] = KeptAccess{
			ID: r.Grant.ID, ClientID: r.Grant.ClientID, Scopes: r.Grant.Scopes, SessionID: r.Grant.SessionID,
			Address: r.Grant.Address, UserAgent: r.Grant.UserAgent,
			CreatedAt: r.Grant.CreatedAt, LastUsedAt: r.LastUsedAt, ExpiresAt: r.Grant.ExpiresAt,
		}
	}
	return list, err
}

// EndGrant ends the access that an app keeps of a person. idp.ErrNotFound: there is none
// of that id that is theirs. What has ended already stays as it is.
func (m *Manager) EndGrant(ctx context.Context, a authz.Actor, userID, id, reason string) error {
	user, err := m.Store.User(ctx, userID)
	if err != nil {
		return err
	}
	if err := m.Authz.Authorize(ctx, a, authz.Request{Op: "EndGrant", Target: &user, Reason: reason}); err != nil {
		return err
	}
	return m.EndKept(ctx, a.Audit(idp.AuditGrantEnded, reason, nil), user, id)
}

func (m *Manager) EndKept(ctx context.Context, e idp.AuditEvent, user idp.User, id string) error {
	state, err := m.Store.GrantState(ctx, id)
	if err == nil && (state.Grant.UserID != user.ID || !state.Grant.Offline) {
		err = fmt.Errorf("grant: %w", idp.ErrNotFound)
	}
	if err != nil {
		return err
	}
	return m.Store.Do(ctx, func(ctx context.Context) error {
		first, err := m.Store.RevokeGrant(ctx, id, idp.Now())
		if err != nil || !first {
			return err
		}
		e.ClientID, e.SessionID = state.Grant.ClientID, state.Grant.SessionID
		e.Detail["grant"] = id
		return m.Authz.AuditOf(ctx, e, user)
	})
}

// EndOffline ends all access that apps keep of a person.
func (m *Manager) EndOffline(ctx context.Context, e idp.AuditEvent, user idp.User) error {
	ended, err := m.Store.RevokeOfflineOf(ctx, user.ID, idp.Now())
	if err != nil || ended == 0 {
		return err
	}
	e.Detail["ended"] = strconv.Itoa(ended)
	return m.Authz.AuditOf(ctx, e, user)
}
