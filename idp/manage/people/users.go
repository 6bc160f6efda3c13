package people

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	_ "time/tzdata" // a container may have no list of time zones

	"gatehouse/idp"
	"gatehouse/idp/manage/authz"
	"gatehouse/idp/manage/entry"
	"gatehouse/idp/password"
	"gatehouse/idp/settings"
	"gatehouse/ui"
)

// AddUser adds a person as CreateUser does. A role without permissions may be given
// with it; any other needs what SetRoles needs but a reason.
func (m *Manager) AddUser(ctx context.Context, a authz.Actor, n NewUser) (idp.User, error) {
	if err := m.Authz.Authorize(ctx, a, authz.Request{Op: "AddUser"}); err != nil {
		return idp.User{}, err
	}
	given, err := m.Authz.RolesByID(ctx, n.Roles)
	if err != nil {
		return idp.User{}, err
	}
	if permissions := authz.PermissionsIn(given); len(permissions) > 0 {
		if err := m.Authz.Authorize(ctx, a, authz.Request{Op: "SetRoles", Holds: permissions, Part: true}); err != nil {
			return idp.User{}, err
		}
	}
	u, err := m.createUser(ctx, a, a.Audit(idp.AuditUserCreated, "", nil), n)
	u.PasswordHash = ""
	return u, err
}

// UserChange is a change of a person; nil leaves a field as it is.
type UserChange struct {
	// Version is the one that the actor saw.
	Version             int64
	Name, Email, Locale *string
	// Those of idp.Profile.
	GivenName, FamilyName, Zoneinfo, Picture *string
	Disabled                                 *bool
	// Reason is why Disabled changes; nothing else needs one.
	Reason string
}

// UpdateUser changes a person. idp.ErrConflict: they were changed since the actor saw
// them. A disabled person is signed out everywhere, and apps lose what they hold of them.
// Actors cannot disable themselves (ErrForbidden), nor the last admin (idp.ErrLastAdmin).
// To disable and to enable needs a fresh second step and a reason; another address needs
// the former, since sign-in codes go there. The person is told by mail, of another address
// at both.
func (m *Manager) UpdateUser(ctx context.Context, a authz.Actor, id string, c UserChange) (UserDetail, error) {
	before, version, err := m.Store.VersionedUser(ctx, id)
	if err != nil {
		return UserDetail{}, err
	}
	after, changed := c.Apply(before)
	r := authz.Request{
		Op: "UpdateUser", Target: &before, Reason: c.Reason,
		Fresh: after.Email != before.Email, Sensitive: after.Disabled != before.Disabled,
	}
	if after.Email != before.Email && !idp.SameMailbox(after.Email, before.Email) {
		r.Way = authz.MoveEmail
	}
	disables := after.Disabled && !before.Disabled
	if disables && a.UserID == id && !a.System {
		return UserDetail{}, m.Authz.Forbid(ctx, a, r, "nobody disables themselves")
	}
	if err := m.Authz.Authorize(ctx, a, r); err != nil {
		return UserDetail{}, err
	}
	same := len(changed) == 0 && after.Disabled == before.Disabled
	if version != c.Version && (!same || !a.Repeats) {
		return UserDetail{}, fmt.Errorf("user: %w", idp.ErrConflict)
	}
	if err := CheckChange(before, after); err != nil {
		return UserDetail{}, err
	}
	if same {
		return m.Detail(ctx, a, before, version)
	}
	err = m.Store.Do(ctx, func(ctx context.Context) error {
		if disables {
			if err := m.KeepAnAdmin(ctx, before); err != nil {
				return err
			}
		}
		return m.SaveUser(ctx, a, c, before, after, changed)
	})
	if err != nil {
		return UserDetail{}, err
	}
	after, version, err = m.Store.VersionedUser(ctx, id)
	if err != nil {
		return UserDetail{}, err
	}
	return m.Detail(ctx, a, after, version)
}

// CheckChange is checkUser without names that stay: rules that came later, and time zones
// that a newer list lacks, do not stop an admin from disabling an account.
func CheckChange(before, after idp.User) error {
	for _, kept := range []struct {
		before string
		after  *string
	}{
		{before.Name, &after.Name},
		{before.GivenName, &after.GivenName},
		{before.FamilyName, &after.FamilyName},
		{before.Zoneinfo, &after.Zoneinfo},
		{before.Picture, &after.Picture},
	} {
		if *kept.after == kept.before {
			*kept.after = ""
		}
	}
	return CheckUser(after)
}

// Apply returns the changed user, and which fields differ but for Disabled.
func (c UserChange) Apply(u idp.User) (after idp.User, changed []string) {
	set := func(field string, to *string, value *string, kept func(string) string) {
		if value != nil && kept(*value) != *to {
			*to = kept(*value)
			changed = append(changed, field)
		}
	}
	set("name", &u.Name, c.Name, strings.TrimSpace)
	set("email", &u.Email, c.Email, entry.KeptEmail)
	u.EmailVerified = u.EmailVerified && !slices.Contains(changed, "email")
	set("locale", &u.Locale, c.Locale, strings.TrimSpace)
	set("given_name", &u.GivenName, c.GivenName, strings.TrimSpace)
	set("family_name", &u.FamilyName, c.FamilyName, strings.TrimSpace)
	set("zoneinfo", &u.Zoneinfo, c.Zoneinfo, strings.TrimSpace)
	set("picture", &u.Picture, c.Picture, strings.TrimSpace)
	if c.Disabled != nil {
		u.Disabled = *c.Disabled
	}
	return u, changed
}

// SaveUser writes a changed user with its audit events and mails, in the transaction
// of ctx.
func (m *Manager) SaveUser(ctx context.Context, a authz.Actor, c UserChange, before, after idp.User, changed []string) error {
	if slices.Contains(changed, "email") {
		other, err := m.Store.UserByEmail(ctx, after.PopulationID, after.Email)
		if err == nil && other.ID != after.ID {
			return entry.Invalid("email", "settings.user.email_taken")
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
		e := a.Audit(idp.AuditUserChanged, "", authz.Differing(map[string]string{"changed": strings.Join(changed, " ")}, addressFacts(before), addressFacts(after)))
		if err := m.Authz.AuditOf(ctx, e, after); err != nil {
			return err
		}
	}
	if slices.Contains(changed, "email") {
		if a.UserID != after.ID { // who moves their own has read a mail there
			if err := m.Authz.Mailing(ctx, a, after.Email); err != nil {
				return err
			}
		}
		if err := m.movedBy(ctx, a, before, after); err != nil {
			return err
		}
		if err := m.Store.DropFlows(ctx, after.ID); err != nil { // their codes went to the old address
			return err
		}
		if err := m.Store.ForgetTrustedBrowsers(ctx, after.ID); err != nil { // as did those of the second steps there
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
	return m.noteSwitched(ctx, a, after, c.Reason)
}

// movedBy notes that another person gave an account with ways in to another address's
// owner.
func (m *Manager) movedBy(ctx context.Context, a authz.Actor, before, after idp.User) error {
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
func (m *Manager) notifyMoved(ctx context.Context, a authz.Actor, before, after idp.User) error {
	byAdmin := a.UserID != after.ID
	if err := m.Notify(ctx, before, ui.Mail{Kind: ui.MailEmailChanged, ByAdmin: byAdmin, Former: true}); err != nil {
		return err
	}
	return m.Notify(ctx, after, ui.Mail{Kind: ui.MailEmailChanged, ByAdmin: byAdmin})
}

// noteSwitched ends the sessions of a disabled account, and audits and mails the change.
func (m *Manager) noteSwitched(ctx context.Context, a authz.Actor, u idp.User, reason string) error {
	kind, mail := idp.AuditUserEnabled, ui.MailAccountEnabled
	if u.Disabled {
		kind, mail = idp.AuditUserDisabled, ui.MailAccountDisabled
		if err := m.SignOutEverywhere(ctx, u, a.AuditSignOut(idp.AuditUserDisabled), ""); err != nil {
			return err
		}
	}
	if err := m.Authz.AuditOf(ctx, a.Audit(kind, reason, nil), u); err != nil {
		return err
	}
	return m.Notify(ctx, u, ui.Mail{Kind: mail, ByAdmin: true})
}

// KeepAnAdmin refuses, with idp.ErrLastAdmin, a change after which no person who holds the
// role Admin could sign in. Two admins who take it from each other at once wait for each
// other here. It belongs to the transaction of ctx, as its first statement.
func (m *Manager) KeepAnAdmin(ctx context.Context, u idp.User) error {
	if err := m.Authz.OneAtATime(ctx); err != nil {
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

// DeleteUser removes a person, whatever their version where that is 0, and everything that
// is theirs; their sessions end and apps are told. The audit log keeps their id and nothing
// else that says who they are. Actors cannot delete themselves (ErrForbidden), nor the last
// admin (idp.ErrLastAdmin). idp.ErrConflict: the version is not that of now.
func (m *Manager) DeleteUser(ctx context.Context, a authz.Actor, id string, version int64, reason string) error {
	return m.removeUser(ctx, a, authz.Request{Op: "DeleteUser", Reason: reason}, id, idp.AuditUserDeleted, func(ctx context.Context) error {
		return m.Store.DeleteUser(ctx, id, version)
	})
}

// AnonymiseUser takes from a person whatever says who they are: address, name,
// password, factors and roles. The account is disabled; its id and history stay, as
// do the network addresses of past events in the audit log until they are swept.
// Errors are those of DeleteUser.
func (m *Manager) AnonymiseUser(ctx context.Context, a authz.Actor, id, reason string) error {
	return m.removeUser(ctx, a, authz.Request{Op: "AnonymiseUser", Reason: reason}, id, idp.AuditUserAnonymised, func(ctx context.Context) error {
		// RFC 2606 section 2: mail to such an address is never delivered.
		return m.Store.AnonymiseUser(ctx, id, id+"@anonymous.invalid", idp.Now())
	})
}

func (m *Manager) removeUser(ctx context.Context, a authz.Actor, r authz.Request, id string, kind idp.AuditKind, remove func(context.Context) error) error {
	user, err := m.Store.User(ctx, id)
	if err != nil {
		return err
	}
	r.Target = &user
	if err := m.Authz.Authorize(ctx, a, r); err != nil {
		return err
	}
	if a.UserID == id && !a.System {
		return m.Authz.Forbid(ctx, a, r, "nobody removes themselves")
	}
	return m.Store.Do(ctx, func(ctx context.Context) error {
		if err := m.KeepAnAdmin(ctx, user); err != nil {
			return err
		}
		if err := m.Store.LockUser(ctx, id); err != nil {
			return err
		}
		if err := m.SignOutEverywhere(ctx, user, a.AuditSignOut(kind), ""); err != nil {
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
		return m.Authz.AuditOf(ctx, a.Audit(kind, r.Reason, nil), user)
	})
}

// SetRoles gives a person these roles and no others. The actor must hold every permission
// of the roles that are given, and of those that are taken. version is the one that the
// actor saw: idp.ErrConflict when the person was changed since. idp.ErrLastAdmin: no other
// person holds Admin; ErrUnchanged: the person holds just these. The person is told by
// mail which roles they hold now.
func (m *Manager) SetRoles(ctx context.Context, a authz.Actor, id string, version int64, roles []string, reason string) error {
	user, current, err := m.Store.VersionedUser(ctx, id)
	if err != nil {
		return err
	}
	r := authz.Request{Op: "SetRoles", Target: &user, Reason: reason}
	if err := m.Authz.Authorize(ctx, a, r); err != nil {
		return err
	}
	given, err := m.Authz.RolesByID(ctx, roles)
	if err != nil {
		return err
	}
	r.Holds = authz.PermissionsIn(given)
	if err := m.Authz.Authorize(ctx, a, r); err != nil {
		return err
	}
	if version != current && !a.Repeats {
		return fmt.Errorf("user: %w", idp.ErrConflict)
	}
	return m.Store.Do(ctx, func(ctx context.Context) error {
		if !slices.Contains(roles, idp.RoleAdmin) {
			if err := m.KeepAnAdmin(ctx, user); err != nil {
				return err
			}
		}
		before, err := m.Store.RolesOf(ctx, id)
		if err != nil {
			return err
		}
		// Read after the roles: they are those of this version.
		if _, now, err := m.Store.VersionedUser(ctx, id); err != nil || (now == version || a.Repeats) && authz.SameSet(authz.RoleIDs(before), roles) {
			return cmp.Or(err, error(&authz.UnchangedError{Version: now}))
		}
		if err := m.Store.SaveRoles(ctx, id, version, roles); err != nil {
			return err
		}
		if err := m.Store.ForgetTrustedBrowsers(ctx, id); err != nil { // who may more may be asked for more
			return err
		}
		from, to := authz.RoleNames(before), authz.RoleNames(given)
		err = m.Authz.AuditOf(ctx, a.Audit(idp.AuditRolesChanged, reason, map[string]string{"from": from, "to": to}), user)
		if err != nil || from == to {
			return err
		}
		return m.Notify(ctx, user, ui.Mail{Kind: ui.MailRolesChanged, ByAdmin: true, Roles: to})
	})
}

// errNoThrottles: the manager was put together without counters.
var ErrNoThrottles = errors.New("no throttles are configured")

// ClearThrottle forgets the wrong passwords that were counted against a person from
// browsers that they are not known in.
func (m *Manager) ClearThrottle(ctx context.Context, a authz.Actor, id, reason string) error {
	user, err := m.Store.User(ctx, id)
	if err != nil {
		return err
	}
	if err := m.Authz.Authorize(ctx, a, authz.Request{Op: "ClearThrottle", Target: &user, Reason: reason}); err != nil {
		return err
	}
	if m.Throttles == nil {
		return ErrNoThrottles
	}
	return m.Store.Do(ctx, func(ctx context.Context) error {
		if err := m.Throttles.ClearAccount(ctx, user.PopulationID, user.Email); err != nil {
			return err
		}
		return m.Authz.AuditOf(ctx, a.Audit(idp.AuditThrottleCleared, reason, nil), user)
	})
}

// NewUser is what a user is created from.
type NewUser struct {
	Population, Email, Name, Locale string
	idp.Profile
	// Password may be empty: then there is no sign-in by password.
	Password string
	Roles    []string
}

// CreateUser adds a person. settings.Errors say what cannot be saved;
// idp.ErrConflict that the population has that address.
func (m *Manager) CreateUser(ctx context.Context, n NewUser) (idp.User, error) {
	return m.createUser(ctx, authz.System(), idp.AuditEvent{Kind: idp.AuditUserCreated}, n)
}

func (m *Manager) createUser(ctx context.Context, a authz.Actor, e idp.AuditEvent, n NewUser) (idp.User, error) {
	p, err := m.PrepareUser(ctx, n)
	if err != nil {
		return p.User, err
	}
	p.User.UnprovedAt = a.MadeFor(idp.User{}, p.User.PasswordChangedAt) // zero without a password
	return p.User, m.Store.Do(ctx, func(ctx context.Context) error { return m.InsertUser(ctx, e, p) })
}

// preparedUser is a person who can be added, with the ids of their roles.
type preparedUser struct {
	User  idp.User
	roles []string
}

// PrepareUser checks who is to be added and hashes their password, which takes too
// long for a transaction.
func (m *Manager) PrepareUser(ctx context.Context, n NewUser) (p preparedUser, err error) {
	population, err := m.Store.Population(ctx, n.Population)
	var wrong settings.Errors
	switch {
	case errors.Is(err, idp.ErrNotFound):
		wrong = entry.Said(entry.Invalid("population", "settings.no_population", n.Population))
	case err != nil:
		return p, err
	}
	now := idp.Now()
	p.roles = n.Roles
	p.User = idp.User{
		ID: idp.NewID(), PopulationID: n.Population, Email: n.Email, Name: n.Name, Locale: n.Locale, CreatedAt: now, UpdatedAt: now,
		Profile: n.Profile,
	}
	if wrong = PersonFields().Check(&p.User).And(wrong...); len(wrong) > 0 {
		rules, err := m.NewPasswordRules(ctx, population, p.User)
		if err != nil {
			return p, err
		}
		if reasons := password.Judge(n.Password, rules); n.Password != "" && len(reasons) > 0 {
			wrong = wrong.And(entry.Said(&PasswordError{reasons})...)
		}
		return p, wrong
	}
	if p.User.PasswordHash, err = m.Hash(password.ForKnown(ctx), population, p.User, n.Password); p.User.PasswordHash != "" {
		p.User.PasswordChangedAt = now
	}
	return p, err
}

// InsertUser adds a person in the transaction of ctx. Other links by which the address
// could get an account stop working.
func (m *Manager) InsertUser(ctx context.Context, e idp.AuditEvent, p preparedUser) error {
	if err := m.Store.CreateUser(ctx, p.User); err != nil {
		return err
	}
	for _, kind := range []idp.LinkKind{idp.InvitationLink, idp.RegistrationLink} {
		if err := m.Store.DropPending(ctx, kind, p.User.PopulationID, p.User.Email); err != nil {
			return err
		}
	}
	if err := m.GiveRoles(ctx, p.User.ID, p.roles); err != nil {
		return err
	}
	return m.Authz.AuditOf(ctx, e, p.User)
}

// GiveRoles gives a new person roles, in the transaction of ctx.
func (m *Manager) GiveRoles(ctx context.Context, userID string, roles []string) error {
	for _, role := range roles {
		if role == idp.RoleAdmin { // the link to set up is not needed any more
			if err := m.Store.DropLinks(ctx, idp.SetupLink, ""); err != nil {
				return err
			}
		}
		err := m.Store.GiveRole(ctx, userID, role)
		if errors.Is(err, idp.ErrNotFound) {
			return entry.Invalid("roles", "settings.no_role", role)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

const maxName = 200

// PersonFields describe who a person is.
func PersonFields() settings.Fields[idp.User] {
	type user = idp.User
	return settings.Fields[user]{
		settings.Line("email", func(u *user) *string { return &u.Email }).Must("settings.user.need_email").Each(idp.MaxEmail).As(entry.KeptEmail).Rule(email),
		settings.Line("name", func(u *user) *string { return &u.Name }).Max(maxName).Rule(settings.ShowsName),
		settings.Line("locale", func(u *user) *string { return &u.Locale }).Each(MaxLocale).Rule(locale),
		settings.Line("given_name", func(u *user) *string { return &u.GivenName }).Max(maxName).Rule(settings.ShowsName),
		settings.Line("family_name", func(u *user) *string { return &u.FamilyName }).Max(maxName).Rule(settings.ShowsName),
		settings.Line("zoneinfo", func(u *user) *string { return &u.Zoneinfo }).Each(maxZone).Rule(zone),
		settings.Line("picture", func(u *user) *string { return &u.Picture }).Each(settings.MaxURL).Rule(settings.WebURL),
	}
}

func email(text string) *settings.Error {
	if kept, err := idp.ParseEmail(text); err != nil || kept != text {
		return &settings.Error{Key: "settings.user.email", Args: []any{settings.Cut(text)}}
	}
	return nil
}

func locale(tag string) *settings.Error {
	if strings.Trim(tag, LocaleChars) != "" {
		return &settings.Error{Key: "settings.user.locale", Args: []any{settings.Cut(tag)}}
	}
	return nil
}

// maxZone is how long the name of a time zone may be.
const maxZone = 64

// zone is a time zone that everybody has: none of this machine's own, such as Local.
func zone(name string) *settings.Error {
	if _, err := time.LoadLocation(name); err != nil || name == "Local" {
		return &settings.Error{Key: "settings.user.zoneinfo", Args: []any{settings.Cut(name)}}
	}
	return nil
}

// Fitting is what of a profile can be an account's: the rest of what another provider says
// is left out.
func Fitting(p idp.Profile) idp.Profile {
	wrong := PersonFields().Check(&idp.User{Profile: p})
	for field, at := range map[string]*string{
		"given_name": &p.GivenName, "family_name": &p.FamilyName, "zoneinfo": &p.Zoneinfo, "picture": &p.Picture,
	} {
		if *at = strings.TrimSpace(*at); wrong.Of(field) != nil {
			*at = ""
		}
	}
	return p
}

// CheckUser says what is wrong about who a person is.
func CheckUser(u idp.User) error { return PersonFields().Check(&u).Err() }

// What a language tag may look like (RFC 5646 section 4.4.1).
const (
	MaxLocale   = 35
	LocaleChars = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-"
)
