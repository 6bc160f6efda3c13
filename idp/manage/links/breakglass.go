package links

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gatehouse/idp"
	"gatehouse/ui"
)

// BreakGlassLifetime is how long a link for emergencies works.
const BreakGlassLifetime = time.Hour

// BreakGlass makes the token of a link by which one admin can sign in to the console with
// a password, and the second step that the console always asks for, where portal access
// allows no passwords. Earlier links stop working, and every admin is told by mail. It is
// for those who can sign in to the server.
func (m *Manager) BreakGlass(ctx context.Context) (token string, err error) {
	token = idp.NewSecret()
	now := idp.Now()
	return token, m.Store.Do(ctx, func(ctx context.Context) error {
		if err := m.Authz.OneAtATime(ctx); err != nil { // of two at once, the later one works alone
			return err
		}
		if err := m.Store.DropLinks(ctx, idp.BreakGlassLink, ""); err != nil {
			return err
		}
		err := m.Store.CreateLink(ctx, idp.Link{
			ID: idp.NewID(), Kind: idp.BreakGlassLink, Hash: idp.HashSecret(token), PopulationID: idp.Agents,
			CreatedAt: now, ExpiresAt: now.Add(BreakGlassLifetime),
		})
		if err != nil {
			return err
		}
		if err := m.tellAdmins(ctx, ui.Mail{Kind: ui.MailBreakGlass, ByAdmin: true}); err != nil {
			return err
		}
		return m.Store.Audit(ctx, idp.AuditEvent{Kind: idp.AuditBreakGlassOffered})
	})
}

func (m *Manager) tellAdmins(ctx context.Context, mail ui.Mail) error {
	admins, err := m.Store.Holders(ctx, idp.RoleAdmin)
	if err != nil {
		return err
	}
	for _, u := range admins {
		if err := m.People.Notify(ctx, u, mail); err != nil {
			return err
		}
	}
	return nil
}

// CheckBreakGlass tells whether a token would work now: nil, or ErrLink. used: one that
// was used counts too, as long as it would work otherwise. It uses nothing up.
func (m *Manager) CheckBreakGlass(ctx context.Context, token string, used bool) error {
	link, err := m.Store.Link(ctx, idp.BreakGlassLink, idp.HashSecret(token))
	if errors.Is(err, idp.ErrNotFound) || err == nil && !idp.Now().Before(link.ExpiresAt) || err == nil && !used && !link.UsedAt.IsZero() {
		return fmt.Errorf("%w: break-glass", ErrLink)
	}
	return err
}

// UseBreakGlass uses up a token for a person whose password was just accepted, in the
// transaction of ctx: ErrLink.
func (m *Manager) UseBreakGlass(ctx context.Context, token string, u idp.User) error {
	link, err := m.Store.Link(ctx, idp.BreakGlassLink, idp.HashSecret(token))
	if err == nil {
		err = m.Store.UseLink(ctx, link, idp.Now())
	}
	if errors.Is(err, idp.ErrNotFound) || errors.Is(err, idp.ErrUsed) {
		return fmt.Errorf("%w: break-glass", ErrLink)
	}
	if err != nil {
		return err
	}
	return m.Authz.AuditOf(ctx, idp.AuditEvent{Kind: idp.AuditBreakGlassUsed, ActorID: u.ID}, u)
}
