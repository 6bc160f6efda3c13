package connections

import (
	"context"
	"slices"
	"strings"

	"gatehouse/idp"
	"gatehouse/idp/manage/authz"
	"gatehouse/idp/manage/entry"
	"gatehouse/idp/manage/people"
	"gatehouse/idp/settings"
	"gatehouse/ui"
)

// Identities lists who a person is elsewhere.
func (m *Manager) Identities(ctx context.Context, a authz.Actor, userID string) ([]people.IdentityEntry, error) {
	r := authz.Request{Op: "Identities"}
	if err := m.Authz.Authorize(ctx, a, r); err != nil {
		return nil, err
	}
	user, err := m.Store.User(ctx, userID)
	if err != nil {
		return nil, err
	}
	if err := m.People.AuthorizeRead(ctx, a, r, user); err != nil {
		return nil, err
	}
	return people.IdentitiesOf(ctx, m.Store, userID)
}

// NewIdentity says who a person is at the other side before they came through it.
type NewIdentity struct {
	UserID, ConnectionID string
	// TenantID and ObjectID of Entra; Subject ("sub") of any other provider.
	TenantID, ObjectID, Subject string
	Reason                      string
}

// LinkIdentity links a person with who they are at a connection of their population:
// an admin's own word, where no address decides. settings.Errors say what cannot be
// saved; idp.ErrConflict that either of both is linked already.
func (m *Manager) LinkIdentity(ctx context.Context, a authz.Actor, n NewIdentity) error {
	user, err := m.Store.User(ctx, n.UserID)
	if err != nil {
		return err
	}
	if err := m.Authz.Authorize(ctx, a, authz.Request{Op: "LinkIdentity", Target: &user, Reason: n.Reason}); err != nil {
		return err
	}
	c, err := m.Store.Connection(ctx, n.ConnectionID)
	if err != nil {
		return err
	}
	if c.PopulationID != user.PopulationID {
		return entry.Invalid("connection_id", "settings.identity.population")
	}
	// The person who has the account there gets these roles, and so does each who can sign
	// in to the one here.
	if err := m.authorizeLinking(ctx, a, "LinkIdentity", &user, c); err != nil {
		return err
	}
	subject, err := n.subject(c)
	if err != nil {
		return err
	}
	return m.Store.Do(ctx, func(ctx context.Context) error {
		unproved, err := m.People.LinkMade(ctx, a, user)
		if err != nil {
			return err
		}
		return m.link(ctx, a.Audit(idp.AuditIdentityLinked, n.Reason, map[string]string{"why": "an admin's own mapping"}), user,
			idp.Identity{ConnectionID: c.ID, Subject: subject, UserID: user.ID, Unproved: unproved}, c)
	})
}

// IdentityFields describe the identity of a person at a connection of a kind.
func IdentityFields(kind idp.ConnectionKind) settings.Fields[NewIdentity] {
	line := settings.Line[NewIdentity, string]
	if kind != idp.EntraConnection {
		return settings.Fields[NewIdentity]{line("subject", func(n *NewIdentity) *string { return &n.Subject }).Must("settings.identity.need_subject")}
	}
	return settings.Fields[NewIdentity]{
		line("tenant_id", func(n *NewIdentity) *string { return &n.TenantID }).Must("settings.connection.tenant"),
		line("object_id", func(n *NewIdentity) *string { return &n.ObjectID }).Must("settings.identity.object"),
	}
}

func (n NewIdentity) subject(c idp.Connection) (string, error) {
	if c.Kind != idp.EntraConnection {
		sub := strings.TrimSpace(n.Subject)
		if sub == "" {
			return "", entry.Invalid("subject", "settings.identity.need_subject")
		}
		return idp.OIDCSubject(c.Issuer, sub), entry.CheckLine("subject", sub, 255) // OpenID Connect Core 1.0 section 2: sub
	}
	tid, oid := strings.ToLower(strings.TrimSpace(n.TenantID)), strings.ToLower(strings.TrimSpace(n.ObjectID))
	var wrong settings.Errors
	switch {
	case !guidForm.MatchString(tid):
		wrong = entry.Said(entry.Invalid("tenant_id", "settings.connection.tenant", tid))
	case !c.AllowsTenant(tid):
		wrong = entry.Said(entry.Invalid("tenant_id", "settings.identity.tenant"))
	}
	if !guidForm.MatchString(oid) {
		wrong = wrong.And(entry.Said(entry.Invalid("object_id", "settings.identity.object", oid))...)
	}
	return idp.EntraSubject(tid, oid), wrong.Err()
}

// link writes an identity, tells the person by mail, and says so in the audit log.
func (m *Manager) link(ctx context.Context, e idp.AuditEvent, u idp.User, i idp.Identity, c idp.Connection) error {
	i.CreatedAt = idp.Now()
	return m.Store.Do(ctx, func(ctx context.Context) error {
		if err := m.Store.CreateIdentity(ctx, i); err != nil {
			return err
		}
		e.Detail["connection"], e.Detail["subject"] = c.ID, i.Subject
		if err := m.Authz.AuditOf(ctx, e, u); err != nil {
			return err
		}
		return m.People.Notify(ctx, u, ui.Mail{Kind: ui.MailIdentityLinked, ByAdmin: e.ActorID != u.ID, Connection: c.Name})
	})
}

// UnlinkIdentity unlinks a person from a connection. Their sessions end, and apps lose
// what they hold of them. The person is told by mail. idp.ErrNotFound: they were not
// linked. idp.ErrLastAdmin: they are the last admin who can sign in, and only so.
func (m *Manager) UnlinkIdentity(ctx context.Context, a authz.Actor, userID, connectionID, reason string) error {
	user, err := m.Store.User(ctx, userID)
	if err != nil {
		return err
	}
	if err := m.Authz.Authorize(ctx, a, authz.Request{Op: "UnlinkIdentity", Target: &user, Reason: reason}); err != nil {
		return err
	}
	return m.Unlink(ctx, a, user, connectionID, reason, "", func(context.Context) error { return nil })
}

// Unlink unlinks a person, unless rest finds fault with what is left. Their sessions end
// but one (empty: none is spared).
func (m *Manager) Unlink(
	ctx context.Context, a authz.Actor, user idp.User, connectionID, reason, except string, rest func(context.Context) error,
) error {
	c, err := m.Store.Connection(ctx, connectionID)
	if err != nil {
		return err
	}
	return m.Store.Do(ctx, func(ctx context.Context) error {
		if err := m.Authz.OneAtATime(ctx); err != nil {
			return err
		}
		if err := m.Store.DropIdentity(ctx, connectionID, user.ID); err != nil {
			return err
		}
		if err := m.keepAWayInFor(ctx, user); err != nil {
			return err
		}
		if err := rest(ctx); err != nil {
			return err
		}
		if err := m.People.SignOutEverywhere(ctx, user, a.AuditSignOut(idp.AuditIdentityUnlinked), except); err != nil {
			return err
		}
		if err := m.Authz.AuditOf(ctx, a.Audit(idp.AuditIdentityUnlinked, reason, map[string]string{"connection": c.ID}), user); err != nil {
			return err
		}
		return m.People.Notify(ctx, user, ui.Mail{Kind: ui.MailIdentityUnlinked, ByAdmin: a.UserID != user.ID, Connection: c.Name})
	})
}

// keepAWayInFor refuses to take from the last admin the only way in.
func (m *Manager) keepAWayInFor(ctx context.Context, user idp.User) error {
	roles, err := m.Store.RolesOf(ctx, user.ID)
	if err != nil || !slices.ContainsFunc(roles, func(r idp.Role) bool { return r.ID == idp.RoleAdmin }) {
		return err
	}
	shut, err := m.AdminsShutOut(ctx)
	if err == nil && shut {
		err = idp.ErrLastAdmin
	}
	return err
}
