package links

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/manage/authz"
	"gatehouse/idp/manage/entry"
	"gatehouse/idp/manage/people"
	"gatehouse/idp/manage/system"
	"gatehouse/ui"
)

// InvitationEntry is an invitation that was not accepted yet.
type InvitationEntry struct {
	ID, PopulationID, Email, Name, Locale string
	Roles                                 []string // ids
	// SentAt is when it was made; it may have been sent again since.
	SentAt, ExpiresAt time.Time
	// Lost: the master key of what it comes with, such as its roles, is lost. Its link
	// works no more, and it cannot be sent again.
	Lost bool
}

// Expired tells whether the link of its mail has stopped working. It can be sent again.
func (e InvitationEntry) Expired(now time.Time) bool { return !now.Before(e.ExpiresAt) }

// InvitationQuery asks for invitations that were not accepted yet.
type InvitationQuery struct {
	Population string // empty for all
	After      entry.Cursor
	Limit      int // 1 to 200; zero is 50
}

// Invitation is whom to invite. Password is not looked at: they choose it.
type Invitation = people.NewUser

// Invite mails a person a link by which they make themselves an account. It needs what
// AddUser needs, for the roles too. settings.Errors say what cannot be saved;
// idp.ErrConflict that the population has that address, or it is invited already; a
// *WaitError that the address was mailed too often.
func (m *Manager) Invite(ctx context.Context, a authz.Actor, n Invitation) (InvitationEntry, error) {
	if err := m.authorizeInvitation(ctx, a, "Invite", n.Roles); err != nil {
		return InvitationEntry{}, err
	}
	given, err := m.Authz.RolesByID(ctx, n.Roles)
	if err != nil {
		return InvitationEntry{}, err
	}
	p, err := m.inviting(ctx, n.Population)
	if err != nil {
		return InvitationEntry{}, err
	}
	n.Email, n.Name = entry.KeptEmail(n.Email), strings.TrimSpace(n.Name)
	if err := people.CheckUser(idp.User{Email: n.Email, Name: n.Name, Locale: n.Locale}); err != nil {
		return InvitationEntry{}, err
	}
	link, token, err := m.newLink(idp.InvitationLink, p.ID, n.Email, idp.InvitationLifetime, linkBody{Name: n.Name, Locale: n.Locale, Roles: n.Roles})
	if err != nil {
		return InvitationEntry{}, err
	}
	err = m.Store.Do(ctx, func(ctx context.Context) error {
		if err := m.checkVacant(ctx, p, n.Email); err != nil {
			return err
		}
		if err := m.Authz.Mailing(ctx, a, n.Email); err != nil {
			return err
		}
		if err := m.Store.CreateLink(ctx, link); err != nil {
			return err
		}
		if err := m.mailInvitation(ctx, p, link, token, linkBody{Name: n.Name, Locale: n.Locale}); err != nil {
			return err
		}
		return m.Store.Audit(ctx, invitationEvent(a, idp.AuditInvited, link, authz.RoleNames(given)))
	})
	return invitationEntry(link, linkBody{Name: n.Name, Locale: n.Locale, Roles: n.Roles}), err
}

// inviting is a population that people can be invited to.
func (m *Manager) inviting(ctx context.Context, id string) (idp.Population, error) {
	p, err := m.Store.Population(ctx, id)
	switch {
	case errors.Is(err, idp.ErrNotFound):
		return p, entry.Invalid("population", "settings.no_population", id)
	case err != nil:
		return p, err
	case !p.Access.Password:
		return p, entry.Invalid("population", "settings.invitation.no_passwords")
	case m.Mailer == nil:
		return p, fmt.Errorf("invite: %w", system.ErrNoMail)
	}
	return p, nil
}

// checkVacant refuses, with idp.ErrConflict, an address that has an account or a living
// invitation. One that has expired makes room.
func (m *Manager) checkVacant(ctx context.Context, p idp.Population, email string) error {
	if _, err := m.Store.UserByEmail(ctx, p.ID, email); !errors.Is(err, idp.ErrNotFound) {
		if err == nil {
			err = fmt.Errorf("invite somebody who has an account: %w", idp.ErrConflict)
		}
		return err
	}
	return m.Store.DropExpiredInvitation(ctx, p.ID, email, idp.Now())
}

// authorizeInvitation checks an operation on an invitation with roles: the actor has to hold
// what they give, send again or take back.
func (m *Manager) authorizeInvitation(ctx context.Context, a authz.Actor, op string, roles []string) error {
	if err := m.Authz.Authorize(ctx, a, authz.Request{Op: op}); err != nil {
		return err
	}
	given, err := m.Store.RolesByID(ctx, roles...)
	if err != nil && !errors.Is(err, idp.ErrNotFound) {
		return err
	}
	if permissions := authz.PermissionsIn(given); len(permissions) > 0 {
		return m.Authz.Authorize(ctx, a, authz.Request{Op: "SetRoles", Holds: permissions, Part: true})
	}
	return nil
}

// mailInvitation mails the link. The mail does not say where the inviting admin is.
func (m *Manager) mailInvitation(ctx context.Context, p idp.Population, l idp.Link, token string, body linkBody) error {
	ctx = idp.WithVisit(ctx, &idp.Visit{})
	return m.mailTo(ctx, idp.User{Email: l.Email, Name: body.Name, Locale: body.Locale}, p, m.linkMail(ui.MailInvitation, l, token))
}

func invitationEvent(a authz.Actor, kind idp.AuditKind, l idp.Link, roles string) idp.AuditEvent {
	detail := map[string]string{"email": idp.MaskEmail(l.Email), "invitation": l.ID}
	if roles != "" {
		detail["roles"] = roles
	}
	e := a.Audit(kind, "", detail)
	e.PopulationID = l.PopulationID
	return e
}

func invitationEntry(l idp.Link, body linkBody) InvitationEntry {
	return InvitationEntry{
		ID: l.ID, PopulationID: l.PopulationID, Email: l.Email, Name: body.Name, Locale: body.Locale, Roles: body.Roles,
		SentAt: l.CreatedAt, ExpiresAt: l.ExpiresAt,
	}
}

// Invitations reads a page of those that were not accepted yet, the newest first, and
// where the next begins, empty at the end. One that has expired stays for 30 days.
func (m *Manager) Invitations(ctx context.Context, a authz.Actor, q InvitationQuery) ([]InvitationEntry, entry.Cursor, error) {
	if err := m.Authz.Authorize(ctx, a, authz.Request{Op: "Invitations"}); err != nil {
		return nil, "", err
	}
	after, err := q.After.Position("invitations")
	if err != nil {
		return nil, "", err
	}
	limit, err := entry.PageSize(q.Limit)
	if err != nil {
		return nil, "", err
	}
	links, err := m.Store.Invitations(ctx, q.Population, after.ID, limit+1)
	if err != nil {
		return nil, "", err
	}
	links, next := entry.Page(links, limit, func(l idp.Link) entry.Position { return entry.Position{List: "invitations", ID: l.ID} })
	list := make([]InvitationEntry, len(links))
	for i, l := range links {
		body, err := m.linkBody(l)
		if err != nil && !errors.Is(err, idp.ErrUnreadable) {
			return nil, "", err
		}
		list[i] = invitationEntry(l, body)
		list[i].Lost = err != nil
	}
	return list, next, nil
}

// Invitation reads one that was not accepted yet.
func (m *Manager) Invitation(ctx context.Context, a authz.Actor, id string) (InvitationEntry, error) {
	if err := m.Authz.Authorize(ctx, a, authz.Request{Op: "Invitation"}); err != nil {
		return InvitationEntry{}, err
	}
	l, body, err := m.invitation(ctx, id)
	e := invitationEntry(l, body)
	if errors.Is(err, idp.ErrUnreadable) {
		e.Lost, err = true, nil
	}
	return e, err
}

func (m *Manager) invitation(ctx context.Context, id string) (idp.Link, linkBody, error) {
	l, err := m.Store.LinkByID(ctx, idp.InvitationLink, id)
	if err == nil && !l.UsedAt.IsZero() {
		err = fmt.Errorf("invitation: %w", idp.ErrNotFound)
	}
	if err != nil {
		return l, linkBody{}, err
	}
	body, err := m.linkBody(l)
	return l, body, err
}

// ResendInvitation mails an invitation again with a new link, which works for seven
// days from now; the previous one stops working. idp.ErrNotFound: it was accepted or
// revoked meanwhile.
func (m *Manager) ResendInvitation(ctx context.Context, a authz.Actor, id string) (InvitationEntry, error) {
	l, body, err := m.invitation(ctx, id)
	if err != nil {
		return InvitationEntry{}, errors.Join(m.Authz.Authorize(ctx, a, authz.Request{Op: "ResendInvitation"}), err)
	}
	if err := m.authorizeInvitation(ctx, a, "ResendInvitation", body.Roles); err != nil {
		return InvitationEntry{}, err
	}
	p, err := m.inviting(ctx, l.PopulationID)
	if err != nil {
		return InvitationEntry{}, err
	}
	l.ExpiresAt = idp.Now().Add(idp.InvitationLifetime)
	err = m.Store.Do(ctx, func(ctx context.Context) error {
		if err := m.Authz.Mailing(ctx, a, l.Email); err != nil {
			return err
		}
		if err := m.sendAgain(ctx, p, l, body); err != nil {
			return err
		}
		return m.Store.Audit(ctx, invitationEvent(a, idp.AuditInvitationResent, l, ""))
	})
	return invitationEntry(l, body), err
}

// sendAgain gives an invitation another token and mails it.
func (m *Manager) sendAgain(ctx context.Context, p idp.Population, l idp.Link, body linkBody) error {
	token := idp.NewSecret()
	body.Token = token
	sealed, err := m.sealLinkBody(l.ID, body)
	if err != nil {
		return err
	}
	err = m.Store.RenewLink(ctx, l.ID, idp.HashSecret(token), sealed, l.ExpiresAt)
	if errors.Is(err, idp.ErrUsed) {
		return fmt.Errorf("invitation: %w", idp.ErrNotFound)
	}
	if err != nil {
		return err
	}
	return m.mailInvitation(ctx, p, l, token, body)
}

// inviteAgain sends the living invitation of an address again, if there is one, for as
// long as it had to go. Anybody can ask for that: the link stays the one it was.
func (m *Manager) inviteAgain(ctx context.Context, p idp.Population, email string) (bool, error) {
	l, err := m.Store.InvitationOf(ctx, p.ID, email)
	if errors.Is(err, idp.ErrNotFound) || err == nil && !l.Works(idp.Now()) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	body, err := m.linkBody(l)
	if errors.Is(err, idp.ErrUnreadable) { // worth nothing any more
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if body.Token != "" && bytes.Equal(idp.HashSecret(body.Token), l.Hash) {
		return true, m.mailInvitation(ctx, p, l, body.Token, body)
	}
	// It is older than this rule.
	return true, m.sendAgain(ctx, p, l, body)
}

// RevokeInvitation takes an invitation back: its link stops working at once. One that is
// lost gives nothing that its actor could lack. idp.ErrNotFound: it was accepted or
// revoked meanwhile.
func (m *Manager) RevokeInvitation(ctx context.Context, a authz.Actor, id string) error {
	l, body, err := m.invitation(ctx, id)
	if err != nil && !errors.Is(err, idp.ErrUnreadable) {
		return errors.Join(m.Authz.Authorize(ctx, a, authz.Request{Op: "RevokeInvitation"}), err)
	}
	if err := m.authorizeInvitation(ctx, a, "RevokeInvitation", body.Roles); err != nil {
		return err
	}
	return m.Store.Do(ctx, func(ctx context.Context) error {
		err := m.Store.DropLink(ctx, id)
		if errors.Is(err, idp.ErrUsed) {
			return fmt.Errorf("invitation: %w", idp.ErrNotFound)
		}
		if err != nil {
			return err
		}
		return m.Store.Audit(ctx, invitationEvent(a, idp.AuditInvitationRevoked, l, ""))
	})
}
