package people

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"gatehouse/idp"
	"gatehouse/idp/manage/authz"
	"gatehouse/idp/store"
	"gatehouse/ui"
)

// ConsentEntry is what a person lets an app have, with the app.
type ConsentEntry struct {
	idp.Consent
	App idp.Client
	// Groups are the terms in words.
	Groups []ui.TermGroup
}

// ConsentsOf lists what a person lets third-party apps have, the newest first.
func ConsentsOf(ctx context.Context, s *store.Store, userID string) ([]ConsentEntry, error) {
	rows, err := s.ConsentsOf(ctx, userID)
	if err != nil {
		return nil, err
	}
	list := make([]ConsentEntry, len(rows))
	for i, c := range rows {
		list[i].Consent = c
		if list[i].App, err = s.Client(ctx, c.ClientID); err != nil && !errors.Is(err, idp.ErrNotFound) { // deleted this moment
			return nil, err
		}
		if list[i].Groups, err = TermGroups(ctx, s, c.Terms); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// ListConsents lists what a person lets third-party apps have, the newest first.
func (m *Manager) ListConsents(ctx context.Context, a authz.Actor, userID string) ([]ConsentEntry, error) {
	if err := m.Authz.Authorize(ctx, a, authz.Request{Op: "ListConsents"}); err != nil {
		return nil, err
	}
	if _, err := m.Store.User(ctx, userID); err != nil {
		return nil, err
	}
	return ConsentsOf(ctx, m.Store, userID)
}

// WithdrawConsent ends what a person lets an app have: its tokens end at once, and it asks the
// person anew. idp.ErrNotFound: there is no such consent of theirs.
func (m *Manager) WithdrawConsent(ctx context.Context, a authz.Actor, userID, id, reason string) error {
	user, err := m.Store.User(ctx, userID)
	if err != nil {
		return err
	}
	if err := m.Authz.Authorize(ctx, a, authz.Request{Op: "WithdrawConsent", Target: &user, Reason: reason}); err != nil {
		return err
	}
	list, err := m.Store.ConsentsOf(ctx, userID)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(list, func(c idp.Consent) bool { return c.ID == id })
	if i < 0 {
		return fmt.Errorf("consent: %w", idp.ErrNotFound)
	}
	return m.Store.Do(ctx, func(ctx context.Context) error {
		if err := m.Store.WithdrawConsent(ctx, list[i], idp.Now()); err != nil {
			return err
		}
		e := a.Audit(idp.AuditConsentWithdrawn, reason, idp.TermsDetail(list[i].Terms))
		e.ClientID = list[i].ClientID
		return m.Authz.AuditOf(ctx, e, user)
	})
}

// TermGroups say terms in plain words: what is about the person first, then each API by its
// name.
func TermGroups(ctx context.Context, db *store.Store, t idp.Terms) ([]ui.TermGroup, error) {
	own := ui.TermGroup{}
	for _, s := range t.Scopes {
		own.Items = append(own.Items, ui.Term{Word: s, Text: ui.ScopeText(s), Fixed: s == "openid"})
	}
	for _, c := range t.Claims {
		own.Items = append(own.Items, ui.Term{Word: idp.ClaimWord(c), Text: ui.ClaimText(c)})
	}
	groups := []ui.TermGroup{own}
	for _, identifier := range slices.Sorted(maps.Keys(t.APIs)) {
		api, err := db.API(ctx, identifier)
		if err != nil && !errors.Is(err, idp.ErrNotFound) {
			return nil, err
		}
		g := ui.TermGroup{API: identifier, Word: idp.APIWord(identifier, "")}
		if err == nil {
			g.API = api.Name + " (" + identifier + ")"
		}
		for _, s := range t.APIs[identifier] {
			g.Items = append(g.Items, ui.Term{Word: idp.APIWord(identifier, s), Text: ui.Plain(s)})
		}
		groups = append(groups, g)
	}
	return groups, nil
}
