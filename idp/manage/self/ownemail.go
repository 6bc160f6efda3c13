package self

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/manage/authz"
	"gatehouse/idp/manage/entry"
	"gatehouse/idp/manage/links"
	"gatehouse/idp/manage/people"
	"gatehouse/idp/manage/system"
	"gatehouse/idp/outbox"
	"gatehouse/ui"
)

// emailPause is how long a person waits until they may have another link sent, to whatever
// address: a stranger's mailbox cannot be filled from here.
const emailPause = time.Minute

// AskEmail sends a link to the address that a person wants to have, and a notice to the
// one they have. Earlier links stop working. The answer is the same when another person
// has the address: then that person gets a mail that says so, and the link is not sent.
// settings.Errors say what is wrong with the address, ErrStepUp asks for a fresh second
// step, a *WaitError for patience.
func (m *Manager) AskEmail(ctx context.Context, s Self, email string) error {
	user, population, err := m.local(ctx, s)
	if err != nil {
		return err
	}
	if m.Mailer == nil {
		return system.ErrNoMail
	}
	if err := m.fresh(ctx, s, "change the email address"); err != nil {
		return err
	}
	wanted := user
	wanted.Email = entry.KeptEmail(email)
	switch {
	case wanted.Email == "":
		return entry.Invalid("email", "settings.user.need_email")
	case wanted.Email == user.Email:
		return entry.Invalid("email", "settings.user.email_same")
	}
	if err := people.CheckChange(user, wanted); err != nil {
		return err
	}
	return m.Store.Do(ctx, func(ctx context.Context) error {
		if err := m.Store.LockUser(ctx, user.ID); err != nil {
			return err
		}
		if err := m.checkAskAgain(ctx, user.ID); err != nil {
			return err
		}
		return m.sendEmailLink(ctx, s, user, population, wanted)
	})
}

// checkAskAgain refuses another link to a new address soon after the last one.
func (m *Manager) checkAskAgain(ctx context.Context, userID string) error {
	before, err := m.Store.NewestLink(ctx, idp.EmailLink, userID)
	if errors.Is(err, idp.ErrNotFound) {
		return nil
	}
	if wait := emailPause - idp.Now().Sub(before.CreatedAt); err == nil && wait > 0 {
		return &authz.WaitError{For: wait}
	}
	return err
}

// sendEmailLink writes the same rows for an address that is free and for one that is
// taken; only what the mail to it says differs.
func (m *Manager) sendEmailLink(ctx context.Context, s Self, user idp.User, population idp.Population, wanted idp.User) error {
	if err := m.Authz.Mailing(ctx, s.actor(), wanted.Email); err != nil {
		return err
	}
	owner, err := m.Store.UserByEmail(ctx, user.PopulationID, wanted.Email)
	if err != nil && !errors.Is(err, idp.ErrNotFound) {
		return err
	}
	if err := m.Store.DropLinks(ctx, idp.EmailLink, user.ID); err != nil {
		return err
	}
	token, now := idp.NewSecret(), idp.Now()
	err = m.Store.CreateLink(ctx, idp.Link{
		ID: idp.NewID(), Kind: idp.EmailLink, Hash: idp.HashSecret(token), PopulationID: user.PopulationID,
		UserID: user.ID, Email: wanted.Email, CreatedAt: now, ExpiresAt: now.Add(idp.EmailLifetime),
	})
	if err != nil {
		return err
	}
	if err := m.Authz.AuditOf(ctx, s.actor().Audit(idp.AuditEmailAsked, "", map[string]string{"to": idp.MaskEmail(wanted.Email)}), user); err != nil {
		return err
	}
	if err := m.Outbox.Notify(ctx, user, population, ui.Mail{Kind: ui.MailEmailAsked, URL: m.AccountURL}); err != nil {
		return err
	}
	if owner.ID != "" && owner.ID != user.ID {
		return m.Outbox.Notify(ctx, owner, population, ui.Mail{Kind: ui.MailEmailTaken})
	}
	mail := ui.Mail{Kind: ui.MailEmailConfirm, URL: m.AccountURL + "/confirm/" + token}
	mail.MailFrame = outbox.FrameFor(ctx, user, population)
	// A stranger may read there until the link was used. They are told which account it
	// is, as far as its owner needs to know it, and not whose.
	mail.Account, mail.Name = idp.MaskEmail(user.Email), ""
	return m.Outbox.Mail(ctx, outbox.Letter{To: wanted.Email, UserID: user.ID, Mail: mail, Lifetime: idp.EmailLifetime})
}

// DropEmail takes back what AskEmail began. It needs no fresh second step: it changes
// nothing.
func (m *Manager) DropEmail(ctx context.Context, s Self) error {
	user, err := m.Store.User(ctx, s.UserID)
	if err != nil {
		return err
	}
	return m.Store.Do(ctx, func(ctx context.Context) error {
		// Used up, and not removed: it still says when the person asked last.
		link, err := m.Store.NewestLink(ctx, idp.EmailLink, user.ID)
		if err == nil {
			err = m.Store.UseLink(ctx, link, idp.Now())
		}
		if errors.Is(err, idp.ErrNotFound) || errors.Is(err, idp.ErrUsed) {
			return nil // there is nothing to take back
		}
		if err != nil {
			return err
		}
		return m.Authz.AuditOf(ctx, s.actor().Audit(idp.AuditEmailDropped, "", nil), user)
	})
}

// EmailMove is what a link of AskEmail does: User has Email from then on.
type EmailMove struct {
	User       idp.User
	Population idp.Population
	Email      string
}

// CheckEmail says what a link of AskEmail does: ErrLink. It uses nothing up.
func (m *Manager) CheckEmail(ctx context.Context, token string) (EmailMove, error) {
	link, user, err := m.emailLink(ctx, token)
	if err != nil {
		return EmailMove{}, err
	}
	p, err := m.Store.Population(ctx, link.PopulationID)
	return EmailMove{User: user, Population: p, Email: link.Email}, err
}

func (m *Manager) emailLink(ctx context.Context, token string) (idp.Link, idp.User, error) {
	link, err := m.Store.Link(ctx, idp.EmailLink, idp.HashSecret(token))
	if errors.Is(err, idp.ErrNotFound) || err == nil && !link.Works(idp.Now()) {
		return link, idp.User{}, fmt.Errorf("%w: email", links.ErrLink)
	}
	if err != nil {
		return link, idp.User{}, err
	}
	user, err := m.Store.User(ctx, link.UserID)
	if errors.Is(err, idp.ErrNotFound) || err == nil && user.Disabled {
		return link, user, fmt.Errorf("%w: email of a person who is gone", links.ErrLink)
	}
	return link, user, err
}

// ConfirmEmail moves the person's account to the address that its link was sent to, and
// tells them at both. The link says who reads the mailbox, and the session that the
// account is theirs: either alone would give one person the other's (ErrForbidden).
// ErrLink: the link does not work, or the address was taken meanwhile.
func (m *Manager) ConfirmEmail(ctx context.Context, s Self, token string) error {
	err := m.Store.Do(ctx, func(ctx context.Context) error {
		link, _, err := m.emailLink(ctx, token)
		if err != nil {
			return err
		}
		if link.UserID != s.UserID {
			return fmt.Errorf("%w: a link of another account", authz.ErrForbidden)
		}
		// The person before the link, as those do who delete both.
		if err := m.Store.LockUser(ctx, link.UserID); err != nil {
			return links.Gone(err)
		}
		if err := m.Store.UseLink(ctx, link, idp.Now()); err != nil {
			return err
		}
		return m.moveEmail(ctx, link)
	})
	if errors.Is(err, idp.ErrUsed) || errors.Is(err, idp.ErrConflict) || errors.Is(err, idp.ErrInvalid) {
		return fmt.Errorf("%w: %w", links.ErrLink, err)
	}
	return err
}

func (m *Manager) moveEmail(ctx context.Context, link idp.Link) error {
	before, version, err := m.Store.VersionedUser(ctx, link.UserID)
	if err != nil {
		return err
	}
	after := before
	after.Email, after.EmailVerified = link.Email, true
	a := authz.Actor{UserID: before.ID}
	return m.People.SaveUser(ctx, a, people.UserChange{Version: version}, before, after, []string{"email"})
}
