package connections

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"gatehouse/idp"
	"gatehouse/idp/manage/authz"
	"gatehouse/idp/manage/people"
	"gatehouse/mfa"
)

// ErrConfirm: it is unknown whose the address is that a person brought along. They confirm
// it by a code that is sent there. If an account has it, they also prove that the account
// is theirs.
var ErrConfirm = errors.New("the address has to be confirmed")

func turnedAway(reason idp.FederationReason, format string, args ...any) error {
	return &idp.FederationError{Reason: reason, Cause: fmt.Errorf(format, args...)}
}

// Recognise finds, in the transaction of ctx, the account of a person whom another
// provider vouches for. A linked identity decides alone. For a new identity, an address
// that is known to be theirs decides: the account that has it is linked, or one is made
// where the connection makes accounts. An account with permissions is never taken over by
// an address alone. Nor is one with a second step, unless an admin named the domain as the
// other side's. An account does not get permissions if another person may know its
// password. What the directory decides (name, department, mapped roles) is brought up to
// date; the address never is.
//
// ErrConfirm: nothing was changed, and Confirmed goes on. An *idp.FederationError says why
// the person may not come in.
func (m *Manager) Recognise(ctx context.Context, c idp.Connection, a idp.Assertion) (idp.User, error) {
	identity, err := m.knownIdentity(ctx, c, a.Subject)
	if err == nil {
		return m.returned(ctx, c, a, identity)
	}
	if !errors.Is(err, idp.ErrNotFound) {
		return idp.User{}, err
	}
	if a.Email == "" {
		return idp.User{}, turnedAway(idp.FederationNoEmail, "no address came along")
	}
	user, err := m.Store.UserByEmail(ctx, c.PopulationID, a.Email)
	unknown := errors.Is(err, idp.ErrNotFound)
	switch {
	case err != nil && !unknown:
		return idp.User{}, err
	case !a.EmailConfirmed:
		return idp.User{}, ErrConfirm // whether there is such an account or not
	case unknown:
		return m.admit(ctx, c, a)
	}
	if err := m.checkLinkable(ctx, c, a, user); err != nil {
		return idp.User{}, err
	}
	permissions, err := m.Authz.PermissionsOf(ctx, user.ID)
	if err != nil {
		return idp.User{}, err
	}
	hijacked, err := m.canBeHijacked(ctx, c, a, user)
	if err != nil {
		return idp.User{}, err
	}
	own, err := m.ownWay(ctx, c, a, user)
	if err != nil {
		return idp.User{}, err
	}
	if len(permissions) > 0 || hijacked || own {
		return idp.User{}, ErrConfirm
	}
	if user, err = m.People.Unproved(ctx, user); err != nil {
		return user, err
	}
	return m.linkAssertion(ctx, c, a, user, "the other side confirmed the address")
}

// canBeHijacked tells whether an account that can be signed in to already would get
// permissions by being linked. An attacker who made it for the address, or moved it there,
// would hold them too.
func (m *Manager) canBeHijacked(ctx context.Context, c idp.Connection, a idp.Assertion, user idp.User) (bool, error) {
	given, err := m.Store.RolesByID(ctx, mappedRoles(c, a, nil)...)
	if err != nil || len(authz.PermissionsIn(given)) == 0 || user.PasswordHash != "" {
		return err == nil && len(authz.PermissionsIn(given)) > 0, err
	}
	return m.signsInElsewhere(ctx, user)
}

// ownWay tells whether an account has a sign-in of its own with a second step, which an
// address would get around. An admin who named the domains of a connection could reset it.
func (m *Manager) ownWay(ctx context.Context, c idp.Connection, a idp.Assertion, user idp.User) (bool, error) {
	if c.OwnsAddress(a.Email) {
		return false, nil
	}
	steps, err := m.Authz.SecondSteps(ctx, user)
	if err != nil || steps.Authenticator || user.PasswordHash == "" {
		return steps.Authenticator, err
	}
	population, err := m.Store.Population(ctx, user.PopulationID)
	if err != nil {
		return false, err
	}
	overrides, err := m.Store.OverridesFor(ctx, user.PopulationID)
	asks := func(o idp.Override) bool { return mfa.Asks(population.Policy, o) }
	return steps.Any() || mfa.Strongest(population.Policy, mfa.Enrolled{}) != "" || slices.ContainsFunc(overrides, asks), err
}

// knownIdentity finds a person's identity here, by this connection or by another one that
// is the same: of those the sign-in page offers one alone.
func (m *Manager) knownIdentity(ctx context.Context, c idp.Connection, subject string) (idp.Identity, error) {
	identity, err := m.Store.Identity(ctx, c.ID, subject)
	if !errors.Is(err, idp.ErrNotFound) {
		return identity, err
	}
	list, errList := m.Store.Connections(ctx, c.PopulationID)
	if errList != nil {
		return identity, errList
	}
	for _, other := range list {
		if other.ID != c.ID && other.Enabled && other.Same(c) && errors.Is(err, idp.ErrNotFound) {
			identity, err = m.Store.Identity(ctx, other.ID, subject)
		}
	}
	return identity, err
}

// returned is a person who came before.
func (m *Manager) returned(ctx context.Context, c idp.Connection, a idp.Assertion, i idp.Identity) (idp.User, error) {
	user, err := m.Store.User(ctx, i.UserID)
	if err != nil {
		return user, err
	}
	if user.Disabled {
		return user, turnedAway(idp.FederationDisabled, "account %s is disabled", user.ID)
	}
	i.Email, i.LastSeenAt = a.Email, idp.Now()
	if i.ConnectionID != c.ID { // they stay who they are when the other connection goes
		i.ConnectionID, i.CreatedAt = c.ID, i.LastSeenAt
		err = m.Store.CreateIdentity(ctx, i)
	} else {
		err = m.Store.SeeIdentity(ctx, i)
	}
	if err != nil {
		return user, err
	}
	return m.sync(ctx, c, a, user)
}

// checkLinkable refuses an account that a new identity may not be linked with.
func (m *Manager) checkLinkable(ctx context.Context, c idp.Connection, a idp.Assertion, user idp.User) error {
	if !idp.SameMailbox(a.Email, user.Email) {
		return turnedAway(idp.FederationTaken, "account %s has an address that only looks the same", user.ID)
	}
	if user.Disabled {
		return turnedAway(idp.FederationDisabled, "account %s is disabled", user.ID)
	}
	linked, err := m.Store.IdentitiesOf(ctx, user.ID)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(linked, func(i idp.Identity) bool { return i.ConnectionID == c.ID }) {
		return turnedAway(idp.FederationTaken, "account %s is another identity's", user.ID)
	}
	return nil
}

// admit makes an account for a person whose address is confirmed.
func (m *Manager) admit(ctx context.Context, c idp.Connection, a idp.Assertion) (idp.User, error) {
	if !c.CreateUsers {
		return idp.User{}, turnedAway(idp.FederationUnknown, "no account has the address")
	}
	now := idp.Now()
	u := idp.User{
		ID: idp.NewID(), PopulationID: c.PopulationID, Email: a.Email, EmailVerified: true,
		Name: a.Name, Department: a.Department, CreatedAt: now, UpdatedAt: now, Profile: people.Fitting(a.Profile),
	}
	if len(a.Locale) <= people.MaxLocale && strings.Trim(a.Locale, people.LocaleChars) == "" {
		u.Locale = a.Locale
	}
	if err := people.CheckUser(u); err != nil {
		return u, turnedAway(idp.FederationToken, "the profile cannot be an account's: %w", err)
	}
	if err := m.Store.CreateUser(ctx, u); err != nil {
		return u, err
	}
	e := idp.AuditEvent{Kind: idp.AuditUserCreated, Detail: map[string]string{"connection": c.ID, "subject": a.Subject}}
	if err := m.Authz.AuditOf(ctx, e, u); err != nil {
		return u, err
	}
	return m.linkAssertion(ctx, c, a, u, "the account was made for them")
}

// linkAssertion links a person with their account from now on.
func (m *Manager) linkAssertion(ctx context.Context, c idp.Connection, a idp.Assertion, user idp.User, why string) (idp.User, error) {
	e := idp.AuditEvent{Kind: idp.AuditIdentityLinked, ActorID: user.ID, Detail: map[string]string{"why": why}}
	err := m.link(ctx, e, user, idp.Identity{ConnectionID: c.ID, Subject: a.Subject, UserID: user.ID, Email: a.Email, LastSeenAt: idp.Now()}, c)
	if err != nil {
		return user, err
	}
	return m.sync(ctx, c, a, user)
}

// Confirmed goes on, in the transaction of ctx, after the person who came has read the
// code that was sent to their address. signIn: the account that has the address has to
// prove by its password, and by what else the policy asks, that it is theirs; LinkProved
// links it afterwards. Otherwise they are signed in as the user.
func (m *Manager) Confirmed(ctx context.Context, c idp.Connection, a idp.Assertion) (user idp.User, signIn bool, err error) {
	user, err = m.Store.UserByEmail(ctx, c.PopulationID, a.Email)
	if errors.Is(err, idp.ErrNotFound) {
		user, err = m.admit(ctx, c, a)
		return user, false, err
	}
	if err != nil {
		return user, false, err
	}
	if err := m.checkLinkable(ctx, c, a, user); err != nil {
		return user, false, err
	}
	if user.PasswordHash != "" {
		return user, true, nil
	}
	// The account was never signed in to by a password. What else protects it cannot be
	// asked for without one.
	permissions, err := m.Authz.PermissionsOf(ctx, user.ID)
	if err != nil {
		return user, false, err
	}
	enrolment, err := m.Store.Enrolment(ctx, user.ID)
	if err != nil {
		return user, false, err
	}
	elsewhere, err := m.signsInElsewhere(ctx, user)
	if err != nil {
		return user, false, err
	}
	if len(permissions) > 0 || len(mfa.Possessions(enrolment.Factors)) > 0 || elsewhere {
		return user, false, turnedAway(idp.FederationProof, "account %s has no password to prove it by", user.ID)
	}
	if user, err = m.reached(ctx, user); err == nil {
		user, err = m.linkAssertion(ctx, c, a, user, "a code that was sent to the address")
	}
	return user, false, err
}

// reached notes that the person has read what was sent to the address of their account.
func (m *Manager) reached(ctx context.Context, user idp.User) (idp.User, error) {
	if user.EmailVerified {
		return user, nil
	}
	user.EmailVerified = true
	return user, m.Store.MarkEmailVerified(ctx, user.ID)
}

// signsInElsewhere tells whether a person has a living connection. A person who left there
// must not come back by a mailbox.
func (m *Manager) signsInElsewhere(ctx context.Context, user idp.User) (bool, error) {
	linked, err := m.Store.IdentitiesOf(ctx, user.ID)
	for i := 0; err == nil && i < len(linked); i++ {
		var c idp.Connection
		if c, err = m.Store.Connection(ctx, linked[i].ConnectionID); err == nil && c.Enabled {
			return true, nil
		}
	}
	return false, err
}

// LinkProved links, in the transaction of ctx, an account that was just signed in to
// with the one elsewhere that the person came from.
func (m *Manager) LinkProved(ctx context.Context, c idp.Connection, a idp.Assertion, user idp.User) error {
	if err := m.checkLinkable(ctx, c, a, user); err != nil {
		return err
	}
	user, err := m.People.ProvedOwn(ctx, user)
	if err == nil {
		user, err = m.reached(ctx, user)
	}
	if err == nil {
		_, err = m.linkAssertion(ctx, c, a, user, "a code that was sent to the address, and the account's own sign-in")
	}
	return err
}

// sync brings up to date what the directory decides.
func (m *Manager) sync(ctx context.Context, c idp.Connection, a idp.Assertion, user idp.User) (idp.User, error) {
	before := user
	if a.Name != "" {
		user.Name = a.Name
	}
	if a.Department != "" {
		user.Department = a.Department
	}
	profile := people.Fitting(a.Profile) // the time zone is the person's choice by now, as the language is
	user.GivenName, user.FamilyName = cmp.Or(profile.GivenName, user.GivenName), cmp.Or(profile.FamilyName, user.FamilyName)
	user.Picture = cmp.Or(profile.Picture, user.Picture)
	if user.Name != before.Name || user.Department != before.Department || user.Profile != before.Profile {
		user.UpdatedAt = idp.Now()
		if err := m.Store.UpdateProfile(ctx, user); err != nil {
			return user, err
		}
		e := idp.AuditEvent{Kind: idp.AuditProfileSynced, Detail: map[string]string{"connection": c.ID}}
		if err := m.Authz.AuditOf(ctx, e, user); err != nil {
			return user, err
		}
	}
	return user, m.syncRoles(ctx, c, a, user)
}

// syncRoles gives and takes the roles that the connection maps, and no others. Where not
// all groups are known, none counts: a role without a group that vouches for it is taken.
func (m *Manager) syncRoles(ctx context.Context, c idp.Connection, a idp.Assertion, user idp.User) error {
	if len(c.Roles) == 0 {
		return nil
	}
	held, err := m.Store.RolesOf(ctx, user.ID)
	if err != nil {
		return err
	}
	now := make([]string, len(held))
	for i, r := range held {
		now[i] = r.ID
	}
	next, err := m.existing(ctx, mappedRoles(c, a, now))
	if err != nil {
		return err
	}
	if next, err = m.People.Withhold(ctx, c, user, now, next); err != nil || slices.Equal(now, next) {
		return err
	}
	detail := map[string]string{"connection": c.ID, "from": strings.Join(now, " "), "to": strings.Join(next, " ")}
	if a.Overage {
		detail["overage"] = "groups" // the token holds none: app roles would
	}
	if slices.Contains(now, idp.RoleAdmin) && !slices.Contains(next, idp.RoleAdmin) {
		switch err := m.People.KeepAnAdmin(ctx, user); {
		case errors.Is(err, idp.ErrLastAdmin):
			next = append(next, idp.RoleAdmin)
			detail["to"], detail["kept"] = strings.Join(next, " "), "last_admin"
		case err != nil:
			return err
		}
	}
	_, version, err := m.Store.VersionedUser(ctx, user.ID)
	if err != nil {
		return err
	}
	if err := m.Store.SaveRoles(ctx, user.ID, version, next); err != nil {
		return err
	}
	return m.Authz.AuditOf(ctx, idp.AuditEvent{Kind: idp.AuditRolesChanged, Detail: detail}, user)
}

// existing leaves out roles that were deleted since they were mapped.
func (m *Manager) existing(ctx context.Context, ids []string) ([]string, error) {
	roles, err := m.Store.RolesByID(ctx, ids...)
	return slices.DeleteFunc(ids, func(id string) bool {
		return !slices.ContainsFunc(roles, func(r idp.Role) bool { return r.ID == id })
	}), err
}

// mappedRoles are the roles that a person holds from now on: those that are not mapped
// stay.
func mappedRoles(c idp.Connection, a idp.Assertion, held []string) []string {
	wanted, mapped := map[string]bool{}, map[string]bool{}
	for _, r := range c.Roles {
		mapped[r.RoleID] = true
		values := a.AppRoles
		if r.Claim == "groups" {
			values = a.Groups
			if a.Overage {
				values = nil
			}
		}
		if slices.Contains(values, r.Value) {
			wanted[r.RoleID] = true
		}
	}
	var next []string
	for _, id := range held {
		if !mapped[id] || wanted[id] {
			next = append(next, id)
		}
		delete(wanted, id)
	}
	for _, r := range c.Roles { // in the connection's order, each once
		if wanted[r.RoleID] {
			next = append(next, r.RoleID)
			delete(wanted, r.RoleID)
		}
	}
	return next
}
