package manage

import (
	"context"
	"fmt"

	"gatehouse/idp"
	"gatehouse/ui"
)

// SetPassword gives a person a new password, ends their sessions and everything that
// apps hold of them, and tells them by mail. It needs the permission to manage users.
// A *FieldError says what is wrong with the password.
func (m *Manager) SetPassword(ctx context.Context, a Actor, userID, plain, reason string) error {
	user, err := m.Store.User(ctx, userID)
	if err != nil {
		return err
	}
	if err := m.allow(ctx, a, request{op: "SetPassword", target: &user, reason: reason}); err != nil {
		return err
	}
	population, err := m.Store.Population(ctx, user.PopulationID)
	if err != nil {
		return err
	}
	if plain == "" {
		return invalid("password", "a password is needed")
	}
	hash, err := m.hash(ctx, population, user, plain)
	if err != nil {
		return err
	}
	return m.Store.Do(ctx, func(ctx context.Context) error {
		if err := m.Store.SetPasswordHash(ctx, userID, hash, idp.Now()); err != nil {
			return fmt.Errorf("set a password: %w", err)
		}
		if err := m.Store.DropLinks(ctx, idp.ResetLink, userID); err != nil {
			return err
		}
		e := a.audit(idp.AuditPasswordChanged, reason, nil)
		e.UserID, e.PopulationID = user.ID, user.PopulationID
		if err := m.Store.Audit(ctx, e); err != nil {
			return err
		}
		if err := m.signOutEverywhere(ctx, user, a.audit(idp.AuditSignedOut, "the password was changed", nil), ""); err != nil {
			return err
		}
		return m.Outbox.Notify(ctx, user, population, ui.Mail{Kind: ui.MailPasswordChanged, ByAdmin: true})
	})
}
