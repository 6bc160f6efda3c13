package manage

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"gatehouse/idp"
	"gatehouse/ui"
)

// AddUser adds a person as CreateUser does. A role without permissions may be given
// with it; any other needs what SetRoles needs but a reason.
func (m *Manager) AddUser(ctx context.Context, a Actor, n NewUser) (idp.User, error) {
	if err := m.allow(ctx, a, request{op: "AddUser"}); err != nil {
		return idp.User{}, err
	}
	given, err := m.rolesByID(ctx, n.Roles)
	if err != nil {
		return idp.User{}, err
	}
	if permissions := permissionsIn(given); len(permissions) > 0 {
		if err := m.allow(ctx, a, request{op: "SetRoles", holds: permissions, part: true}); err != nil {
			return idp.User{}, err
		}
	}
	u, err := m.createUser(ctx, a, a.audit(idp.AuditUserCreated, "", nil), n)
	u.PasswordHash = ""
	return u, err
}

// rolesByID reads roles that must exist.
func (m *Manager) rolesByID(ctx context.Context, ids []string) ([]idp.Role, error) {
	roles, err := m.Store.RolesByID(ctx, ids...)
	if errors.Is(err, idp.ErrNotFound) {
		err = nil // an id that is no text
	}
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		if !slices.ContainsFunc(roles, func(r idp.Role) bool { return r.ID == id }) {
			return nil, invalid("roles", "settings.no_role", id)
		}
	}
	return roles, nil
}

func permissionsIn(roles []idp.Role) []string {
	var list []string
	for _, r := range roles {
		list = append(list, r.Permissions...)
	}
	return list
}

// UserChange is a change of a person; nil leaves a field as it is.
type UserChange struct {
	// Version is the one that the actor saw.
	Version             int64
	Name, Email, Locale *string
	Disabled            *bool
	// Reason is why Disabled changes; nothing else needs one.
	Reason string
}

// UpdateUser changes a person. idp.ErrConflict: somebody else changed them since
// the actor saw them. Whoever is disabled is signed out everywhere, and apps lose
// what they hold of them; nobody disables themselves (ErrForbidden), nor the last
// admin (idp.ErrLastAdmin). To disable and to enable needs a fresh second step and a
// reason; another address needs the former, since sign-in codes go there. The person
// is told by mail, of another address at both.
func (m *Manager) UpdateUser(ctx context.Context, a Actor, id string, c UserChange) (UserDetail, error) {
	before, version, err := m.Store.VersionedUser(ctx, id)
	if err != nil {
		return UserDetail{}, err
	}
	after, changed := c.apply(before)
	r := request{
		op: "UpdateUser", target: &before, reason: c.Reason,
		fresh: after.Email != before.Email, sensitive: after.Disabled != before.Disabled,
	}
	if after.Email != before.Email && !idp.SameMailbox(after.Email, before.Email) {
		r.way = moveEmail
	}
	disables := after.Disabled && !before.Disabled
	if disables && a.UserID == id && !a.system {
		return UserDetail{}, m.forbid(ctx, a, r, "nobody disables themselves")
	}
	if err := m.allow(ctx, a, r); err != nil {
		return UserDetail{}, err
	}
	same := len(changed) == 0 && after.Disabled == before.Disabled
	if version != c.Version && (!same || !a.Repeats) {
		return UserDetail{}, fmt.Errorf("user: %w", idp.ErrConflict)
	}
	if err := checkChange(before, after); err != nil {
		return UserDetail{}, err
	}
	if same {
		return m.detail(ctx, a, before, version)
	}
	err = m.Store.Do(ctx, func(ctx context.Context) error {
		if disables {
			if err := m.keepAnAdmin(ctx, before); err != nil {
				return err
			}
		}
		return m.saveUser(ctx, a, c, before, after, changed)
	})
	if err != nil {
		return UserDetail{}, err
	}
	after, version, err = m.Store.VersionedUser(ctx, id)
	if err != nil {
		return UserDetail{}, err
	}
	return m.detail(ctx, a, after, version)
}

// checkChange is checkUser without a name that stays: rules that came later keep nobody
// from disabling an account.
func checkChange(before, after idp.User) error {
	if after.Name == before.Name {
		after.Name = ""
	}
	return checkUser(after)
}

// apply returns the changed user, and which fields differ but for Disabled.
func (c UserChange) apply(u idp.User) (after idp.User, changed []string) {
	set := func(field string, to *string, value *string, kept func(string) string) {
		if value != nil && kept(*value) != *to {
			*to = kept(*value)
			changed = append(changed, field)
		}
	}
	set("name", &u.Name, c.Name, strings.TrimSpace)
	set("email", &u.Email, c.Email, keptEmail)
	u.EmailVerified = u.EmailVerified && !slices.Contains(changed, "email")
	set("locale", &u.Locale, c.Locale, strings.TrimSpace)
	if c.Disabled != nil {
		u.Disabled = *c.Disabled
	}
	return u, changed
}

// saveUser writes a changed user with its audit events and mails, in the transaction
// of ctx.
func (m *Manager) saveUser(ctx context.Context, a Actor, c UserChange, before, after idp.User, changed []string) error {
	if slices.Contains(changed, "email") {
		other, err := m.Store.UserByEmail(ctx, after.PopulationID, after.Email)
		if err == nil && other.ID != after.ID {
			return invalid("email", "settings.user.email_taken")
		}
		if err != nil && !errors.Is(err, idp.ErrNotFound) {
			return err
		}
	}
	after.UpdatedAt = idp.Now()
	if err := m.Store.SaveUser(ctx, c.Version, after); err != nil {
		return err
	}
	if len(changed) > 0 {
		e := a.audit(idp.AuditUserChanged, "", differing(map[string]string{"changed": strings.Join(changed, " ")}, addressFacts(before), addressFacts(after)))
		if err := m.auditOf(ctx, e, after); err != nil {
			return err
		}
	}
	if slices.Contains(changed, "email") {
		if a.UserID != after.ID { // who moves their own has read a mail there
			if err := m.mailing(ctx, a, after.Email); err != nil {
				return err
			}
		}
		if err := m.movedBy(ctx, a, before, after); err != nil {
			return err
		}
		if err := m.Store.DropFlows(ctx, after.ID); err != nil { // their codes went to the old address
			return err
		}
		if err := m.Store.DropLinks(ctx, idp.ResetLink, after.ID); err != nil {
			return err
		}
		if err := m.notifyMoved(ctx, a, before, after); err != nil {
			return err
		}
	}
	if after.Disabled == before.Disabled {
		return nil
	}
	return m.switched(ctx, a, after, c.Reason)
}

// movedBy notes that another person gave an account with ways in to another address's
// owner.
func (m *Manager) movedBy(ctx context.Context, a Actor, before, after idp.User) error {
	if idp.SameMailbox(before.Email, after.Email) {
		return nil
	}
	ways, err := m.hasWays(ctx, before)
	if err != nil || !ways {
		return err
	}
	return m.wayMade(ctx, a, after, idp.Now())
}

// notifyMoved tells a person at both addresses that theirs is another one now. Where
// the account was, the mail does not say where it went.
func (m *Manager) notifyMoved(ctx context.Context, a Actor, before, after idp.User) error {
	byAdmin := a.UserID != after.ID
	if err := m.notify(ctx, before, ui.Mail{Kind: ui.MailEmailChanged, ByAdmin: byAdmin, Former: true}); err != nil {
		return err
	}
	return m.notify(ctx, after, ui.Mail{Kind: ui.MailEmailChanged, ByAdmin: byAdmin})
}

// switched is what else happens when an account was disabled or enabled.
func (m *Manager) switched(ctx context.Context, a Actor, u idp.User, reason string) error {
	kind, mail := idp.AuditUserEnabled, ui.MailAccountEnabled
	if u.Disabled {
		kind, mail = idp.AuditUserDisabled, ui.MailAccountDisabled
		if err := m.signOutEverywhere(ctx, u, a.audit(idp.AuditSignedOut, "the account was disabled", nil), ""); err != nil {
			return err
		}
	}
	if err := m.auditOf(ctx, a.audit(kind, reason, nil), u); err != nil {
		return err
	}
	return m.notify(ctx, u, ui.Mail{Kind: mail, ByAdmin: true})
}

// auditOf writes an event that concerns a person.
func (m *Manager) auditOf(ctx context.Context, e idp.AuditEvent, u idp.User) error {
	e.UserID, e.PopulationID = u.ID, u.PopulationID
	return m.Store.Audit(ctx, e)
}

// keepAnAdmin refuses, with idp.ErrLastAdmin, what would leave nobody who holds the
// role Admin and can sign in: two admins who take it from each other at once wait
// for each other here. It belongs to the transaction of ctx, as its first
// statement.
func (m *Manager) keepAnAdmin(ctx context.Context, u idp.User) error {
	if err := m.oneAtATime(ctx); err != nil {
		return err
	}
	now, err := m.Store.User(ctx, u.ID)
	if err != nil {
		return err
	}
	roles, err := m.Store.RolesOf(ctx, u.ID)
	if err != nil || now.Disabled || !slices.ContainsFunc(roles, func(r idp.Role) bool { return r.ID == idp.RoleAdmin }) {
		return err
	}
	other, err := m.Store.OtherAdminCanSignIn(ctx, u.ID)
	if err == nil && !other {
		return idp.ErrLastAdmin
	}
	return err
}

// oneAtATime makes whoever else may shut the last admin out wait for the end of this
// transaction: of two at once, each would find the other's way in still open.
func (m *Manager) oneAtATime(ctx context.Context) error {
	err := m.Store.LockRole(ctx, idp.RoleAdmin)
	if errors.Is(err, idp.ErrNotFound) {
		return nil
	}
	return err
}

// DeleteUser removes a person and everything that is theirs; their sessions end and
// apps are told. The audit log keeps their id and nothing else that says who they are. Nobody
// deletes themselves (ErrForbidden), nor the last admin (idp.ErrLastAdmin).
func (m *Manager) DeleteUser(ctx context.Context, a Actor, id, reason string) error {
	return m.removeUser(ctx, a, request{op: "DeleteUser", reason: reason}, id, idp.AuditUserDeleted, func(ctx context.Context) error {
		return m.Store.DeleteUser(ctx, id)
	})
}

// AnonymiseUser takes from a person whatever says who they are: address, name,
// password, factors and roles. The account is disabled; its id and history stay, as
// do the network addresses of past events in the audit log until they are swept.
// Errors are those of DeleteUser.
func (m *Manager) AnonymiseUser(ctx context.Context, a Actor, id, reason string) error {
	return m.removeUser(ctx, a, request{op: "AnonymiseUser", reason: reason}, id, idp.AuditUserAnonymised, func(ctx context.Context) error {
		// RFC 2606 section 2: such an address reaches nobody.
		return m.Store.AnonymiseUser(ctx, id, id+"@anonymous.invalid", idp.Now())
	})
}

func (m *Manager) removeUser(ctx context.Context, a Actor, r request, id string, kind idp.AuditKind, remove func(context.Context) error) error {
	user, err := m.Store.User(ctx, id)
	if err != nil {
		return err
	}
	r.target = &user
	if err := m.allow(ctx, a, r); err != nil {
		return err
	}
	if a.UserID == id && !a.system {
		return m.forbid(ctx, a, r, "nobody removes themselves")
	}
	return m.Store.Do(ctx, func(ctx context.Context) error {
		if err := m.keepAnAdmin(ctx, user); err != nil {
			return err
		}
		if err := m.Store.LockUser(ctx, id); err != nil {
			return err
		}
		if err := m.signOutEverywhere(ctx, user, a.audit(idp.AuditSignedOut, "the account was removed", nil), ""); err != nil {
			return err
		}
		if err := m.Store.CancelMailTo(ctx, id, idp.Now()); err != nil {
			return err
		}
		if err := m.Store.DropLinksOf(ctx, id); err != nil {
			return err
		}
		if err := remove(ctx); err != nil {
			return err
		}
		if err := m.Store.MaskAddresses(ctx, id); err != nil {
			return err
		}
		return m.auditOf(ctx, a.audit(kind, r.reason, nil), user)
	})
}

// SetRoles gives a person these roles and no others. The actor must hold every
// permission of the roles that are given, and of those that are taken. version is
// the one that the actor saw: idp.ErrConflict when somebody else changed the person
// since. idp.ErrLastAdmin: nobody else holds Admin; ErrUnchanged: the person holds
// just these. The person is told by mail which
// roles they hold now.
func (m *Manager) SetRoles(ctx context.Context, a Actor, id string, version int64, roles []string, reason string) error {
	user, current, err := m.Store.VersionedUser(ctx, id)
	if err != nil {
		return err
	}
	r := request{op: "SetRoles", target: &user, reason: reason}
	if err := m.allow(ctx, a, r); err != nil {
		return err
	}
	given, err := m.rolesByID(ctx, roles)
	if err != nil {
		return err
	}
	r.holds = permissionsIn(given)
	if err := m.allow(ctx, a, r); err != nil {
		return err
	}
	if version != current && !a.Repeats {
		return fmt.Errorf("user: %w", idp.ErrConflict)
	}
	return m.Store.Do(ctx, func(ctx context.Context) error {
		if !slices.Contains(roles, idp.RoleAdmin) {
			if err := m.keepAnAdmin(ctx, user); err != nil {
				return err
			}
		}
		before, err := m.Store.RolesOf(ctx, id)
		if err != nil {
			return err
		}
		// Read after the roles: they are those of this version.
		if _, now, err := m.Store.VersionedUser(ctx, id); err != nil || (now == version || a.Repeats) && sameSet(roleIDs(before), roles) {
			return cmp.Or(err, error(&UnchangedError{Version: now}))
		}
		if err := m.Store.SaveRoles(ctx, id, version, roles); err != nil {
			return err
		}
		from, to := roleNames(before), roleNames(given)
		err = m.auditOf(ctx, a.audit(idp.AuditRolesChanged, reason, map[string]string{"from": from, "to": to}), user)
		if err != nil || from == to {
			return err
		}
		return m.notify(ctx, user, ui.Mail{Kind: ui.MailRolesChanged, ByAdmin: true, Roles: to})
	})
}

func roleIDs(roles []idp.Role) []string {
	ids := make([]string, len(roles))
	for i, r := range roles {
		ids[i] = r.ID
	}
	return ids
}

func roleNames(roles []idp.Role) string {
	names := make([]string, len(roles))
	for i, r := range roles {
		names[i] = r.Name
	}
	return strings.Join(names, ", ")
}

// errNoThrottles: the manager was put together without counters.
var errNoThrottles = errors.New("no throttles are configured")

// ClearThrottle forgets the wrong passwords that were counted against a person from
// browsers that they are not known in.
func (m *Manager) ClearThrottle(ctx context.Context, a Actor, id, reason string) error {
	user, err := m.Store.User(ctx, id)
	if err != nil {
		return err
	}
	if err := m.allow(ctx, a, request{op: "ClearThrottle", target: &user, reason: reason}); err != nil {
		return err
	}
	if m.Throttles == nil {
		return errNoThrottles
	}
	return m.Store.Do(ctx, func(ctx context.Context) error {
		if err := m.Throttles.ClearAccount(ctx, user.PopulationID, user.Email); err != nil {
			return err
		}
		return m.auditOf(ctx, a.audit(idp.AuditThrottleCleared, reason, nil), user)
	})
}

// EnableFactor lets a person use a factor again that was disabled at the cap of
// failures, forgets those, and tells the person by mail. factorID may be that of a
// set of recovery codes. idp.ErrNotFound: the person has no such factor that is disabled.
func (m *Manager) EnableFactor(ctx context.Context, a Actor, id, factorID, reason string) error {
	user, err := m.target(ctx, a, "EnableFactor", id, reason)
	if err != nil {
		return err
	}
	if m.Throttles == nil {
		return errNoThrottles
	}
	return m.Store.Do(ctx, func(ctx context.Context) error {
		method, err := m.Store.EnableFactor(ctx, id, factorID)
		if err != nil {
			return err
		}
		if err := m.Throttles.ClearFactor(ctx, id, method); err != nil {
			return err
		}
		e := a.audit(idp.AuditFactorEnabled, reason, map[string]string{"method": string(method)})
		if err := m.auditOf(ctx, e, user); err != nil {
			return err
		}
		return m.notify(ctx, user, ui.Mail{Kind: ui.MailFactorEnabled, ByAdmin: true, Method: string(method)})
	})
}
