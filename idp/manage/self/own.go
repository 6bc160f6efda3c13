package self

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/manage/authz"
	"gatehouse/idp/manage/entry"
	"gatehouse/idp/manage/people"
	"gatehouse/idp/manage/system"
	"gatehouse/idp/password"
	"gatehouse/idp/store"
	"gatehouse/mfa"
)

// Self is a person who looks after their own account, in a session of theirs.
type Self struct {
	UserID, SessionID string
	// Proofs are the session's.
	Proofs []idp.Proof
}

// actor is the person as the audit log knows them. No permission is needed for what
// is one's own.
func (s Self) actor() authz.Actor { return authz.Actor{UserID: s.UserID} }

func (s Self) federated() bool {
	for _, p := range s.Proofs {
		if p.Method == idp.MethodFederated && !p.LocalStep {
			return true
		}
	}
	return false
}

// Own is what a person sees of their account.
type Own struct {
	people.UserDetail
	Population idp.Population
	// Local: password and second step are here, and not where the person came from.
	Local bool
	// CanAdd: another authenticator app may be set up, and CanAddPasskey: another passkey.
	CanAdd, CanAddPasskey bool
	// PendingEmail is the address that waits to be confirmed, empty for none.
	PendingEmail string
	// Codes: there are recovery codes that were not shown yet, or not said to be saved.
	Codes bool
}

// Own reads a person's account, with what they may change of it.
func (m *Manager) Own(ctx context.Context, s Self) (Own, error) {
	user, version, err := m.Store.VersionedUser(ctx, s.UserID)
	if err != nil {
		return Own{}, err
	}
	detail, err := m.People.Detail(ctx, s.actor(), user, version)
	if err != nil {
		return Own{}, err
	}
	population, err := m.Store.Population(ctx, user.PopulationID)
	if err != nil {
		return Own{}, err
	}
	own := Own{UserDetail: detail, Population: population, Local: population.Access.Password && !s.federated()}
	have := mfa.EnrolledOf(idp.Enrolment{Factors: detail.Factors}, nil)
	own.CanAdd = own.Local && mfa.CanHave(population.Policy, have, idp.MethodTOTP)
	own.CanAddPasskey = own.Local && mfa.CanHave(population.Policy, have, idp.MethodPasskey)
	own.Codes = own.Local && detail.Recovery != nil && detail.Recovery.SavedAt.IsZero()
	link, err := m.Store.NewestLink(ctx, idp.EmailLink, user.ID)
	switch {
	case errors.Is(err, idp.ErrNotFound):
		err = nil
	case err == nil && link.Works(idp.Now()):
		own.PendingEmail = link.Email
	}
	return own, err
}

// ErrElsewhere: that part of the account lives where the person signs in, and not
// here.
var ErrElsewhere = errors.New("that is not kept here")

// local reads a person whose password and second step are kept here.
func (m *Manager) local(ctx context.Context, s Self) (idp.User, idp.Population, error) {
	user, err := m.Store.User(ctx, s.UserID)
	if err != nil {
		return user, idp.Population{}, err
	}
	population, err := m.Store.Population(ctx, user.PopulationID)
	if err == nil && (!population.Access.Password || s.federated()) {
		err = ErrElsewhere
	}
	return user, population, err
}

// StepUp says whether the person has proved lately who they are, and what to ask a
// sign-in for if not.
func (m *Manager) StepUp(ctx context.Context, s Self) (acr idp.ACR, proved bool, err error) {
	user, err := m.Store.User(ctx, s.UserID)
	if err != nil {
		return "", false, err
	}
	population, err := m.Store.Population(ctx, user.PopulationID)
	if err != nil {
		return "", false, err
	}
	enrolment, err := m.Store.Enrolment(ctx, user.ID)
	acr, proved = mfa.ProveAgain(population.Policy, mfa.EnrolledOf(enrolment, nil), s.Proofs, idp.Now(), authz.FreshSecondStep)
	return acr, proved, err
}

// Strength is what a person who uses their permissions has proved.
type Strength struct {
	// At is when they last proved a second step as strong as their strongest, zero for
	// never: what counts as fresh for acts on others. ACR is what to ask a sign-in for to
	// get there, empty for what any second step reaches.
	At  time.Time
	ACR idp.ACR
	// Missing is what to ask a sign-in for before they use their permissions at all, empty
	// where they proved enough for that.
	Missing idp.ACR
}

// StrongStep is the strength of what a person proved.
func (m *Manager) StrongStep(ctx context.Context, userID string, proofs []idp.Proof) (Strength, error) {
	user, err := m.Store.User(ctx, userID)
	if err != nil {
		return Strength{}, err
	}
	population, err := m.Store.Population(ctx, user.PopulationID)
	if err != nil {
		return Strength{}, err
	}
	enrolment, err := m.Store.Enrolment(ctx, user.ID)
	enrolled := mfa.EnrolledOf(enrolment, nil)
	s := Strength{
		At:      mfa.StrongStepAt(population.Policy, enrolled, proofs, false),
		Missing: mfa.MissingForRoles(population.Policy, proofs, idp.Now()),
	}
	s.ACR, _ = mfa.ProveAgain(population.Policy, enrolled, proofs, idp.Now(), authz.FreshSecondStep)
	return s, err
}

// fresh refuses, with ErrStepUp, a person who has not proved lately who they are, by a
// step as strong as their strongest. All that one changes of one's own factors
// and ways in asks it.
func (m *Manager) fresh(ctx context.Context, s Self, what string) error {
	_, proved, err := m.StepUp(ctx, s)
	if err == nil && !proved {
		err = fmt.Errorf("%w: %s", authz.ErrStepUp, what)
	}
	return err
}

// OwnProfile is what people change of themselves without proving more.
type OwnProfile struct{ Name, GivenName, FamilyName, Zoneinfo, Locale string }

// SaveOwn changes a person's own names, time zone and language. idp.ErrConflict: the
// version is not the one of now; ErrUnchanged: nothing differs. ErrElsewhere: the names are
// those of the provider through which all of the population sign in.
func (m *Manager) SaveOwn(ctx context.Context, s Self, version int64, p OwnProfile) error {
	before, now, err := m.Store.VersionedUser(ctx, s.UserID)
	if err != nil {
		return err
	}
	population, err := m.Store.Population(ctx, before.PopulationID)
	if err != nil {
		return err
	}
	change := people.UserChange{
		Version: version, Name: &p.Name, GivenName: &p.GivenName, FamilyName: &p.FamilyName, Zoneinfo: &p.Zoneinfo, Locale: &p.Locale,
	}
	after, changed := change.Apply(before)
	switch {
	case now != version:
		return fmt.Errorf("user: %w", idp.ErrConflict)
	case named(after) != named(before) && !population.Access.Password:
		return fmt.Errorf("%w: the name", ErrElsewhere)
	}
	if err := people.CheckChange(before, after); err != nil {
		return err
	}
	if len(changed) == 0 {
		return authz.ErrUnchanged
	}
	return m.Store.Do(ctx, func(ctx context.Context) error {
		return m.People.SaveUser(ctx, s.actor(), change, before, after, changed)
	})
}

// named is what a person is called.
func named(u idp.User) [3]string { return [3]string{u.Name, u.GivenName, u.FamilyName} }

// ErrWrongPassword: that is not the person's password.
var ErrWrongPassword = errors.New("the password is wrong")

// ChangePassword gives a person another password, for the one they have. What apps hold
// beyond a sign-out ends, and so do the other sessions where the population says so; the
// person is told by mail. settings.Errors say what is wrong with the new one. ErrStepUp:
// they have a second step, and have to prove it first; the present password does where
// they have none. The caller counts the tries.
func (m *Manager) ChangePassword(ctx context.Context, s Self, current, plain string) error {
	user, population, err := m.local(ctx, s)
	if err != nil {
		return err
	}
	if acr, proved, err := m.StepUp(ctx, s); err != nil || acr != "" && !proved {
		return errors.Join(err, fmt.Errorf("%w: change the password", authz.ErrStepUp))
	}
	ctx = password.ForKnown(ctx)
	ok, _, err := m.Hasher.Verify(ctx, user.PasswordHash, current)
	switch {
	case err != nil && !errors.Is(err, password.ErrTooLong): // no password is so long
		return err
	case !ok:
		return ErrWrongPassword
	}
	hash, err := m.People.HashReplacement(ctx, population, user, plain)
	if err != nil {
		return err
	}
	return m.Store.Do(ctx, func(ctx context.Context) error {
		if err := m.Store.LockUser(ctx, user.ID); err != nil {
			return err
		}
		now, err := m.Store.PasswordHash(ctx, user.ID)
		if err != nil {
			return err
		}
		if now != user.PasswordHash {
			return fmt.Errorf("%w: it was changed meanwhile", ErrWrongPassword)
		}
		return m.People.ReplacePassword(ctx, population, user, hash, people.Spared{Session: s.SessionID}, idp.AuditEvent{SessionID: s.SessionID})
	})
}

// endOtherSessions ends every session but the person's present one, sign-ins under way, and
// the trust in browsers.
func (m *Manager) endOtherSessions(ctx context.Context, s Self, why string) error {
	if err := m.Store.DropFlows(ctx, s.UserID); err != nil {
		return err
	}
	if err := m.Store.ForgetTrustedBrowsers(ctx, s.UserID); err != nil {
		return err
	}
	_, err := m.Sessions.EndAllOf(ctx, s.actor().Audit(idp.AuditSignedOut, why, nil), s.UserID, s.SessionID)
	return err
}

// OwnSessions reads where a person is signed in, the newest 200.
func (m *Manager) OwnSessions(ctx context.Context, s Self) ([]people.SessionEntry, error) {
	user, err := m.Store.User(ctx, s.UserID)
	if err != nil {
		return nil, err
	}
	rows, err := m.People.Living(ctx, store.SessionQuery{UserID: user.ID, Limit: entry.MaxLimit}, user.PopulationID)
	list := make([]people.SessionEntry, len(rows))
	for i, r := range rows {
		list[i] = people.SessionEntry{Session: r.Session, Email: r.Email, Clients: r.Clients}
	}
	return list, err
}

// EndOwnSession ends a session of the person, after a fresh proof of who they are
// (ErrStepUp). idp.ErrNotFound: it is not theirs.
func (m *Manager) EndOwnSession(ctx context.Context, s Self, id string) error {
	if err := m.fresh(ctx, s, "end a session"); err != nil {
		return err
	}
	session, err := m.Store.Session(ctx, id)
	if err == nil && session.UserID != s.UserID {
		err = fmt.Errorf("session: %w", idp.ErrNotFound)
	}
	if err != nil {
		return err
	}
	_, err = m.Sessions.End(ctx, s.actor().Audit(idp.AuditSignedOut, "", nil), id)
	return err
}

// EndOtherSessions ends every session of the person but this one, after a fresh proof of
// who they are (ErrStepUp), and where offline is set, the access that apps keep.
func (m *Manager) EndOtherSessions(ctx context.Context, s Self, offline bool) error {
	if err := m.fresh(ctx, s, "end sessions"); err != nil {
		return err
	}
	user, err := m.Store.User(ctx, s.UserID)
	if err != nil {
		return err
	}
	return m.Store.Do(ctx, func(ctx context.Context) error {
		if err := m.endOtherSessions(ctx, s, ""); err != nil || !offline {
			return err
		}
		return m.People.EndOffline(ctx, s.actor().Audit(idp.AuditGrantEnded, "", nil), user)
	})
}

// OwnActivity reads a page of what happened to a person, newest first, and where the
// next begins, empty at the end.
func (m *Manager) OwnActivity(ctx context.Context, s Self, after entry.Cursor) ([]idp.AuditEvent, entry.Cursor, error) {
	query, err := system.AuditQuery{UserID: s.UserID, After: after}.Query()
	if err != nil {
		return nil, "", err
	}
	query.Limit = entry.DefaultLimit + 1
	events, err := m.Store.AuditPage(ctx, query)
	if err != nil {
		return nil, "", err
	}
	events, next := entry.Page(events, entry.DefaultLimit, func(e idp.AuditEvent) entry.Position { return entry.Position{List: "audit", ID: e.ID, At: e.At} })
	return events, next, nil
}

// OwnIdentities lists who a person is elsewhere, for themselves.
func (m *Manager) OwnIdentities(ctx context.Context, userID string) ([]people.IdentityEntry, error) {
	return people.IdentitiesOf(ctx, m.Store, userID)
}

// UnlinkOwn unlinks a person from a connection at their own wish, after a fresh second
// step (ErrStepUp); the session that they sit in goes on. ErrForbidden: they could not
// sign in without it.
func (m *Manager) UnlinkOwn(ctx context.Context, s Self, connectionID string) error {
	if err := m.fresh(ctx, s, "disconnect an account"); err != nil {
		return err
	}
	user, err := m.Store.User(ctx, s.UserID)
	if err != nil {
		return err
	}
	return m.Connections.Unlink(ctx, s.actor(), user, connectionID, "", s.SessionID, func(ctx context.Context) error {
		p, err := m.Store.Population(ctx, user.PopulationID)
		if err != nil || p.Access.Password && user.PasswordHash != "" {
			return err
		}
		left, err := m.Store.IdentitiesOf(ctx, user.ID)
		if err == nil && len(left) == 0 {
			err = fmt.Errorf("%w: it is the only way in", authz.ErrForbidden)
		}
		return err
	})
}

// OwnGrants reads the access that apps keep of a person, for themselves.
func (m *Manager) OwnGrants(ctx context.Context, s Self) ([]people.KeptAccess, error) {
	return m.People.Kept(ctx, s.UserID)
}

// EndOwnGrant ends the access that an app keeps, at the person's own wish and after a
// fresh proof of who they are (ErrStepUp).
func (m *Manager) EndOwnGrant(ctx context.Context, s Self, id string) error {
	if err := m.fresh(ctx, s, "end the access of an app"); err != nil {
		return err
	}
	user, err := m.Store.User(ctx, s.UserID)
	if err != nil {
		return err
	}
	return m.People.EndKept(ctx, s.actor().Audit(idp.AuditGrantEnded, "", nil), user, id)
}

// RegenerateOwnCodes is RegenerateOwn for a person who looks after their account.
func (m *Manager) RegenerateOwnCodes(ctx context.Context, s Self) error {
	user, population, err := m.local(ctx, s)
	if err != nil {
		return err
	}
	enrolment, err := m.Store.Enrolment(ctx, user.ID)
	if err != nil {
		return err
	}
	return m.RegenerateOwn(ctx, user.ID, mfa.StrongStepAt(population.Policy, mfa.EnrolledOf(enrolment, nil), s.Proofs, true))
}

// RegenerateOwn replaces a person's own recovery codes. secondStepAt is when they
// last proved a second step as strong as the codes: ErrStepUp asks for a newer one. A *TooSoonError says
// from when on it is possible, idp.ErrNotFound that they have no authenticator that
// the codes could stand in for.
func (m *Manager) RegenerateOwn(ctx context.Context, userID string, secondStepAt time.Time) error {
	if secondStepAt.IsZero() || idp.Now().Sub(secondStepAt) > authz.FreshSecondStep {
		return fmt.Errorf("%w: generate recovery codes", authz.ErrStepUp)
	}
	user, err := m.Store.User(ctx, userID)
	if err != nil {
		return err
	}
	return m.Factors.Regenerate(ctx, user, idp.AuditEvent{Kind: idp.AuditRecoveryGenerated, ActorID: userID}, false)
}

// OwnApp is an app that the person can open.
type OwnApp struct{ Name, URL string }

// OwnApps lists the apps that start a sign-in when they are opened here, by their names
// (OpenID Connect Core 1.0 section 4).
func (m *Manager) OwnApps(ctx context.Context, population string) ([]OwnApp, error) {
	clients, err := m.Store.Clients(ctx)
	var list []OwnApp
	for _, c := range clients {
		if c.InitiateLoginURI != "" && c.Takes(population) {
			list = append(list, OwnApp{Name: c.Name, URL: idp.WithQuery(c.InitiateLoginURI, url.Values{"iss": {m.Issuer}})})
		}
	}
	slices.SortStableFunc(list, func(a, b OwnApp) int { return strings.Compare(a.Name, b.Name) })
	return list, err
}
