package links

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"gatehouse/idp"
	"gatehouse/ui"
)

// carryReset mails a link to a person who has an account and may have a password. Earlier
// links go on working until one is used, since anybody can ask for another.
func (m *Manager) carryReset(ctx context.Context, r LinkRequest, p idp.Population, u idp.User) error {
	outcome := ""
	switch {
	case !p.Access.Password:
		outcome = "passwords_off"
	case u.ID == "":
		outcome = "unknown_email"
	case u.Disabled:
		outcome = "account_disabled"
	case u.PasswordHash == "" && p.Access.Federated:
		// Who left there must not come back by a mailbox.
		outcome = "signs_in_elsewhere"
		if err := m.mailTo(ctx, u, p, ui.Mail{Kind: ui.MailNoPassword}); err != nil {
			return err
		}
	}
	if outcome != "" {
		return m.Store.Audit(ctx, asked(idp.AuditResetAsked, r, u, outcome))
	}
	link, token, err := m.newLink(idp.ResetLink, p.ID, u.Email, idp.ResetLifetime, linkBody{Destination: r.Destination})
	if err != nil {
		return err
	}
	link.UserID = u.ID
	// Many at once would each leave the others' links.
	if err := m.Store.LockUser(ctx, u.ID); err != nil {
		return err
	}
	if err := m.Store.KeepNewestLinks(ctx, idp.ResetLink, p.ID, u.Email, idp.LivingLinks-1); err != nil {
		return err
	}
	if err := m.Store.CreateLink(ctx, link); err != nil {
		return err
	}
	if err := m.mailTo(ctx, u, p, m.linkMail(ui.MailReset, link, token)); err != nil {
		return err
	}
	return m.Store.Audit(ctx, asked(idp.AuditResetAsked, r, u, "sent"))
}

// resetUser is whose password a link sets: ErrLink when they may not sign in, or the
// link went to an address that is not theirs any more.
func (m *Manager) resetUser(ctx context.Context, l idp.Link) (idp.User, error) {
	user, err := m.Store.User(ctx, l.UserID)
	if errors.Is(err, idp.ErrNotFound) || err == nil && (user.Disabled || !bytes.Equal(idp.EmailKey(user.Email), idp.EmailKey(l.Email))) {
		return idp.User{}, fmt.Errorf("%w: its account is not what it was", ErrLink)
	}
	return user, err
}

// reset sets the password. Every session of the person ends, whatever the population says
// of changes by people who are signed in: another person may know the old one. The second
// step stays as it is and is asked for. The mailbox does not count as one until they have
// proved it.
func (m *Manager) reset(ctx context.Context, o OpenLink, in LinkForm) error {
	hash, err := m.People.Hash(ctx, o.Population, o.user, in.Password)
	if err != nil {
		return err
	}
	now := idp.Now()
	return m.Store.Do(ctx, func(ctx context.Context) error {
		// The person before the link, as those do who delete both.
		if err := m.Store.LockUser(ctx, o.user.ID); err != nil {
			return Gone(err)
		}
		if err := m.markUsed(ctx, o.link); err != nil {
			return err
		}
		if err := m.Store.DropLinks(ctx, idp.ResetLink, o.user.ID); err != nil {
			return err
		}
		if _, err := m.resetUser(ctx, o.link); err != nil { // disabled, say, while the hash was made
			return err
		}
		if err := m.Store.SetPasswordHash(ctx, o.user.ID, hash, now); err != nil {
			return err
		}
		if err := m.Store.MarkPasswordByMail(ctx, o.user.ID, now); err != nil {
			return err
		}
		if err := m.People.PasswordOwned(ctx, o.user); err != nil {
			return err
		}
		return m.afterReset(ctx, o)
	})
}

// Gone says of a person who was deleted meanwhile that their link does not work.
func Gone(err error) error {
	if errors.Is(err, idp.ErrNotFound) {
		return fmt.Errorf("%w: its account was deleted", ErrLink)
	}
	return err
}

// afterReset is what else a new password brings.
func (m *Manager) afterReset(ctx context.Context, o OpenLink) error {
	if m.Throttles != nil { // the pause of a password that was guessed at
		if err := m.Throttles.ClearAccount(ctx, o.Population.ID, o.user.Email); err != nil {
			return err
		}
	}
	by := map[string]string{"by": "link"}
	if err := m.People.SignOutEverywhere(ctx, o.user, idp.AuditEvent{Kind: idp.AuditSignedOut, ActorID: o.user.ID, Detail: by}, ""); err != nil {
		return err
	}
	for _, kind := range []idp.AuditKind{idp.AuditResetUsed, idp.AuditPasswordChanged} {
		e := idp.AuditEvent{Kind: kind, ActorID: o.user.ID, ClientID: o.Destination.ClientID, Detail: by}
		if err := m.Authz.AuditOf(ctx, e, o.user); err != nil {
			return err
		}
	}
	return m.Outbox.Notify(ctx, o.user, o.Population, ui.Mail{Kind: ui.MailPasswordChanged})
}
