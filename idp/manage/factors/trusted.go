package factors

import (
	"context"

	"gatehouse/idp"
	"gatehouse/idp/manage/authz"
	"gatehouse/idp/manage/people"
)

// ListTrustedBrowsers lists the browsers that a person trusts, the newest first.
func (m *Manager) ListTrustedBrowsers(ctx context.Context, a authz.Actor, userID string) ([]idp.TrustedBrowser, error) {
	if err := m.Authz.Authorize(ctx, a, authz.Request{Op: "ListTrustedBrowsers"}); err != nil {
		return nil, err
	}
	user, err := m.Store.User(ctx, userID)
	if err != nil {
		return nil, err
	}
	return people.TrustedBrowsersOf(ctx, m.Store, user)
}

// ForgetTrustedBrowser has a person asked for the second step again in a browser. Sessions
// there go on. idp.ErrNotFound: they trust none of that id.
func (m *Manager) ForgetTrustedBrowser(ctx context.Context, a authz.Actor, userID, id, reason string) error {
	user, err := m.Store.User(ctx, userID)
	if err != nil {
		return err
	}
	if err := m.Authz.Authorize(ctx, a, authz.Request{Op: "ForgetTrustedBrowser", Target: &user, Reason: reason}); err != nil {
		return err
	}
	return m.ForgetTrust(ctx, user, id, a.Audit(idp.AuditBrowserForgotten, reason, nil))
}

// ForgetTrust ends the trust in a browser, with its event.
func (m *Manager) ForgetTrust(ctx context.Context, user idp.User, id string, e idp.AuditEvent) error {
	return m.Store.Do(ctx, func(ctx context.Context) error {
		if err := m.Store.ForgetTrustedBrowser(ctx, user.ID, id); err != nil {
			return err
		}
		return m.Authz.AuditOf(ctx, e, user)
	})
}
