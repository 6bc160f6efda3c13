package self

import (
	"context"
	"fmt"
	"slices"

	"gatehouse/idp"
	"gatehouse/idp/manage/authz"
	"gatehouse/idp/manage/people"
)

// OwnConsents lists what a person lets third-party apps have.
func (m *Manager) OwnConsents(ctx context.Context, s Self) ([]people.ConsentEntry, error) {
	return people.ConsentsOf(ctx, m.Store, s.UserID)
}

// ownConsent reads one of them. It takes no second step to give less: taking back is as
// easy as giving.
func (m *Manager) ownConsent(ctx context.Context, s Self, id string) (idp.Consent, error) {
	list, err := m.Store.ConsentsOf(ctx, s.UserID)
	if err != nil {
		return idp.Consent{}, err
	}
	i := slices.IndexFunc(list, func(c idp.Consent) bool { return c.ID == id })
	if i < 0 {
		return idp.Consent{}, fmt.Errorf("consent: %w", idp.ErrNotFound)
	}
	return list[i], nil
}

// NarrowOwnConsent leaves an app no more than the terms whose words are kept; what it holds
// beyond ends at once. idp.ErrConflict: the person lets it have something else by now.
// authz.ErrUnchanged: all is kept.
func (m *Manager) NarrowOwnConsent(ctx context.Context, s Self, id string, version int64, kept []string) error {
	consent, err := m.ownConsent(ctx, s, id)
	if err != nil {
		return err
	}
	if consent.Version != version {
		return fmt.Errorf("consent: %w", idp.ErrConflict)
	}
	left := consent.Terms.Only(kept)
	if left.Cover(consent.Terms) {
		return authz.ErrUnchanged
	}
	return m.changeConsent(ctx, s, consent, idp.AuditConsentNarrowed, left, func(ctx context.Context) error {
		return m.Store.NarrowConsent(ctx, consent, left, idp.Now())
	})
}

// WithdrawOwnConsent ends what a person lets an app have: its tokens end at once.
func (m *Manager) WithdrawOwnConsent(ctx context.Context, s Self, id string) error {
	consent, err := m.ownConsent(ctx, s, id)
	if err != nil {
		return err
	}
	return m.changeConsent(ctx, s, consent, idp.AuditConsentWithdrawn, consent.Terms, func(ctx context.Context) error {
		return m.Store.WithdrawConsent(ctx, consent, idp.Now())
	})
}

func (m *Manager) changeConsent(ctx context.Context, s Self, c idp.Consent, kind idp.AuditKind, t idp.Terms, change func(context.Context) error) error {
	user, err := m.Store.User(ctx, s.UserID)
	if err != nil {
		return err
	}
	return m.Store.Do(ctx, func(ctx context.Context) error {
		if err := change(ctx); err != nil {
			return err
		}
		e := s.actor().Audit(kind, "", idp.TermsDetail(t))
		e.ClientID = c.ClientID
		return m.Authz.AuditOf(ctx, e, user)
	})
}
