package people

import (
	"context"
	"slices"
	"strings"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/manage/authz"
	"gatehouse/mfa"
)

// An account has an owner, and ways in: a password, an authenticator, accounts elsewhere.
// A way in is unproved if another person made it, or if it was there before the owner was
// linked by an address alone. Another person may then hold it, and would hold what a
// connection gives to the owner. So a connection brings no permissions to the account
// until the owner has proved the ways in, at the first link and at every later sign-in.

// Unproved marks, in the transaction of ctx, an account that is about to be linked by an
// address alone, if there are ways in already.
func (m *Manager) Unproved(ctx context.Context, user idp.User) (idp.User, error) {
	ways, err := m.hasWays(ctx, user)
	if err != nil || !ways || !user.UnprovedAt.IsZero() {
		return user, err
	}
	user.UnprovedAt = idp.Now()
	return user, m.Store.MarkUnproved(ctx, user.ID, user.UnprovedAt)
}

// hasWays tells whether an account can be signed in to, or a second step be proved there.
func (m *Manager) hasWays(ctx context.Context, user idp.User) (bool, error) {
	if user.PasswordHash != "" {
		return true, nil
	}
	if held, err := m.hasFactors(ctx, user); err != nil || held {
		return held, err
	}
	linked, err := m.Store.IdentitiesOf(ctx, user.ID)
	return len(linked) > 0, err
}

// hasFactors tells whether there is an authenticator, or recovery codes in its place.
func (m *Manager) hasFactors(ctx context.Context, user idp.User) (bool, error) {
	e, err := m.Store.Enrolment(ctx, user.ID)
	return len(mfa.Possessions(e.Factors)) > 0 || e.Recovery != nil, err
}

// wayMade notes, in the transaction of ctx, that an actor made a way into a person's
// account.
func (m *Manager) wayMade(ctx context.Context, a authz.Actor, user idp.User, at time.Time) error {
	if at = a.MadeFor(user, at); at.IsZero() {
		return nil
	}
	return m.Store.MarkUnproved(ctx, user.ID, at)
}

// LinkMade notes the same of an account elsewhere, and tells whether the link is unproved.
// Whose that account is was not proved, also where the one here is the actor's own: what a
// connection gives to its owner later would be the actor's.
func (m *Manager) LinkMade(ctx context.Context, a authz.Actor, user idp.User) (unproved bool, err error) {
	at := a.MadeFor(idp.User{}, idp.Now())
	if at.IsZero() {
		return false, nil
	}
	user, err = m.Store.User(ctx, user.ID)
	if err != nil || !user.UnprovedAt.IsZero() { // the mark of a password stays its own
		return true, err
	}
	return true, m.Store.MarkUnproved(ctx, user.ID, at)
}

// passwordMade notes the same of a password, which replaces the previous one: where it
// is the only way in, what was unproved is gone.
func (m *Manager) passwordMade(ctx context.Context, a authz.Actor, user idp.User, at time.Time) error {
	if at = a.MadeFor(user, at); !at.IsZero() {
		return m.Store.MarkUnproved(ctx, user.ID, at)
	}
	return m.PasswordOwned(ctx, user)
}

// PasswordOwned takes the mark from an account whose password was just replaced by its
// owner, or by an actor who could have all that it gets, and that has no other way in. No
// password tells whose an account elsewhere is that an actor linked.
func (m *Manager) PasswordOwned(ctx context.Context, user idp.User) error {
	factors, err := m.hasFactors(ctx, user)
	if err != nil || factors || user.UnprovedAt.IsZero() {
		return err
	}
	linked, err := m.Store.IdentitiesOf(ctx, user.ID)
	unproved := slices.ContainsFunc(linked, func(i idp.Identity) bool { return i.Unproved })
	if err != nil || unproved || len(linked) > 1 { // the owner's own, and another
		return err
	}
	return m.Store.MarkUnproved(ctx, user.ID, time.Time{})
}

// ProvedOwn takes the mark from an account that its owner has just signed in to by its
// own ways. A password that another person gave them proves nothing: both know it.
func (m *Manager) ProvedOwn(ctx context.Context, user idp.User) (idp.User, error) {
	user, err := m.Store.User(ctx, user.ID)
	if err != nil || user.UnprovedAt.IsZero() || user.UnprovedAt.Equal(user.PasswordSince()) {
		return user, err
	}
	linked, err := m.Store.IdentitiesOf(ctx, user.ID)
	if err != nil || len(linked) > 0 { // whose that is was not proved
		return user, err
	}
	user.UnprovedAt = time.Time{}
	return user, m.Store.MarkUnproved(ctx, user.ID, user.UnprovedAt)
}

// Withhold leaves out roles from those that a person is to hold from now on: roles with
// permissions that a connection would give to an account with an unproved way in.
func (m *Manager) Withhold(ctx context.Context, c idp.Connection, user idp.User, now, next []string) ([]string, error) {
	if user.UnprovedAt.IsZero() {
		return next, nil
	}
	roles, err := m.Store.RolesByID(ctx, next...)
	if err != nil {
		return nil, err
	}
	var withheld []string
	for _, r := range roles {
		if len(r.Permissions) > 0 && !slices.Contains(now, r.ID) {
			withheld = append(withheld, r.ID)
		}
	}
	if len(withheld) == 0 {
		return next, nil
	}
	e := idp.AuditEvent{Kind: idp.AuditRolesWithheld, Detail: map[string]string{
		"connection": c.ID, "roles": strings.Join(withheld, " "), "cause": "unproved_way_in",
	}}
	next = slices.DeleteFunc(slices.Clone(next), func(id string) bool { return slices.Contains(withheld, id) })
	return next, m.Authz.AuditOf(ctx, e, user)
}
