package manage

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gatehouse/idp"
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
func (s Self) actor() Actor { return Actor{UserID: s.UserID} }

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
	UserDetail
	Population idp.Population
	// Local: password and second step are here, and not where the person came from.
	Local bool
	// MayAdd: another authenticator may be set up.
	MayAdd bool
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
	detail, err := m.detail(ctx, s.actor(), user, version)
	if err != nil {
		return Own{}, err
	}
	population, err := m.Store.Population(ctx, user.PopulationID)
	if err != nil {
		return Own{}, err
	}
	own := Own{UserDetail: detail, Population: population, Local: population.Access.Password && !s.federated()}
	own.MayAdd = own.Local && mayAdd(population, len(mfa.Possessions(detail.Factors)))
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
	acr, proved = mfa.ProveAgain(population.Policy, mfa.EnrolledOf(enrolment, nil), s.Proofs, idp.Now(), FreshSecondStep)
	return acr, proved, err
}

// StrongStep is when a person last proved a second step as strong as their strongest,
// zero for never: what counts as fresh for acts on others, too. acr is
// what to ask for to get there, empty for what any second step reaches.
func (m *Manager) StrongStep(ctx context.Context, userID string, proofs []idp.Proof) (acr idp.ACR, at time.Time, err error) {
	user, err := m.Store.User(ctx, userID)
	if err != nil {
		return "", time.Time{}, err
	}
	population, err := m.Store.Population(ctx, user.PopulationID)
	if err != nil {
		return "", time.Time{}, err
	}
	enrolment, err := m.Store.Enrolment(ctx, user.ID)
	enrolled := mfa.EnrolledOf(enrolment, nil)
	acr, _ = mfa.ProveAgain(population.Policy, enrolled, proofs, idp.Now(), FreshSecondStep)
	return acr, mfa.StrongStepAt(population.Policy, enrolled, proofs), err
}

// fresh refuses, with ErrStepUp, a person who has not proved lately who they are, by a
// step as strong as their strongest. All that one changes of one's own factors
// and ways in asks it.
func (m *Manager) fresh(ctx context.Context, s Self, what string) error {
	_, proved, err := m.StepUp(ctx, s)
	if err == nil && !proved {
		err = fmt.Errorf("%w: %s", ErrStepUp, what)
	}
	return err
}

// SaveOwn changes a person's own name and language. idp.ErrConflict: the version is
// not the one of now; ErrUnchanged: nothing differs. ErrElsewhere: the name is that of the provider through which
// all of the population sign in.
func (m *Manager) SaveOwn(ctx context.Context, s Self, version int64, name, locale string) error {
	before, now, err := m.Store.VersionedUser(ctx, s.UserID)
	if err != nil {
		return err
	}
	population, err := m.Store.Population(ctx, before.PopulationID)
	if err != nil {
		return err
	}
	change := UserChange{Version: version, Name: &name, Locale: &locale}
	after, changed := change.apply(before)
	switch {
	case now != version:
		return fmt.Errorf("user: %w", idp.ErrConflict)
	case after.Name != before.Name && !population.Access.Password:
		return fmt.Errorf("%w: the name", ErrElsewhere)
	}
	if err := checkChange(before, after); err != nil {
		return err
	}
	if len(changed) == 0 {
		return ErrUnchanged
	}
	return m.Store.Do(ctx, func(ctx context.Context) error {
		return m.saveUser(ctx, s.actor(), change, before, after, changed)
	})
}

// ErrWrongPassword: that is not the person's password.
var ErrWrongPassword = errors.New("the password is wrong")

// ChangePassword gives a person another password, for the one they have. What apps
// hold beyond a sign-out ends, and so do the other sessions where the population says
// so; the person is told by mail. settings.Errors say what is wrong with the new one.
// ErrStepUp: they have a second step, and have to prove it first; the present password
// does where they have none. Whoever calls counts the tries.
func (m *Manager) ChangePassword(ctx context.Context, s Self, current, plain string) error {
	user, population, err := m.local(ctx, s)
	if err != nil {
		return err
	}
	if acr, proved, err := m.StepUp(ctx, s); err != nil || acr != "" && !proved {
		return errors.Join(err, fmt.Errorf("%w: change the password", ErrStepUp))
	}
	ctx = password.ForKnown(ctx)
	ok, _, err := m.Hasher.Verify(ctx, user.PasswordHash, current)
	switch {
	case err != nil && !errors.Is(err, password.ErrTooLong): // nobody has such a one
		return err
	case !ok:
		return ErrWrongPassword
	}
	hash, err := m.HashReplacement(ctx, population, user, plain)
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
		return m.ReplacePassword(ctx, population, user, hash, Spared{Session: s.SessionID}, idp.AuditEvent{SessionID: s.SessionID})
	})
}

// endOtherSessions ends every session but the person's present one, and sign-ins under way.
func (m *Manager) endOtherSessions(ctx context.Context, s Self, why string) error {
	if err := m.Store.DropFlows(ctx, s.UserID); err != nil {
		return err
	}
	_, err := m.Sessions.EndAllOf(ctx, s.actor().audit(idp.AuditSignedOut, why, nil), s.UserID, s.SessionID)
	return err
}

// OwnSessions reads where a person is signed in, the newest 200.
func (m *Manager) OwnSessions(ctx context.Context, s Self) ([]SessionEntry, error) {
	user, err := m.Store.User(ctx, s.UserID)
	if err != nil {
		return nil, err
	}
	rows, err := m.living(ctx, store.SessionQuery{UserID: user.ID, Limit: maxLimit}, user.PopulationID)
	list := make([]SessionEntry, len(rows))
	for i, r := range rows {
		list[i] = SessionEntry{Session: r.Session, Email: r.Email, Clients: r.Clients}
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
	_, err = m.Sessions.End(ctx, s.actor().audit(idp.AuditSignedOut, "", nil), id)
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
		return m.endOffline(ctx, s.actor().audit(idp.AuditGrantEnded, "", nil), user)
	})
}

// OwnActivity reads a page of what happened to a person, newest first, and where the
// next begins, empty at the end.
func (m *Manager) OwnActivity(ctx context.Context, s Self, after Cursor) ([]idp.AuditEvent, Cursor, error) {
	query, err := AuditQuery{UserID: s.UserID, After: after}.query()
	if err != nil {
		return nil, "", err
	}
	query.Limit = defaultLimit + 1
	events, err := m.Store.AuditPage(ctx, query)
	if err != nil {
		return nil, "", err
	}
	events, next := page(events, defaultLimit, func(e idp.AuditEvent) position { return position{List: "audit", ID: e.ID, At: e.At} })
	return events, next, nil
}
