package self

import (
	"context"

	"gatehouse/idp"
	"gatehouse/idp/manage/people"
)

// OwnTrusted reads the browsers that a person trusts, the newest first.
func (m *Manager) OwnTrusted(ctx context.Context, s Self) ([]idp.TrustedBrowser, error) {
	user, err := m.Store.User(ctx, s.UserID)
	if err != nil {
		return nil, err
	}
	return people.TrustedBrowsersOf(ctx, m.Store, user)
}

// ForgetOwnTrusted ends the trust in a browser. It takes no fresh proof: nobody gains by it.
// idp.ErrNotFound: the person trusts none of that id.
func (m *Manager) ForgetOwnTrusted(ctx context.Context, s Self, id string) error {
	user, err := m.Store.User(ctx, s.UserID)
	if err != nil {
		return err
	}
	return m.Factors.ForgetTrust(ctx, user, id, s.actor().Audit(idp.AuditBrowserForgotten, "", nil))
}
