package self

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/keyring"
	"gatehouse/idp/manage/authz"
	"gatehouse/idp/manage/entry"
	"gatehouse/idp/manage/factors"
	"gatehouse/idp/session"
	"gatehouse/mfa"
	"gatehouse/ui"
)

const (
	maxFactorName = 40 // characters
	// pendingLifetime is how long the set-up of another authenticator may take.
	pendingLifetime = 15 * time.Minute
)

// ErrLastFactor: without this authenticator the person could not sign in as the policy,
// an app or the console asks.
var ErrLastFactor = errors.New("the policy asks for an authenticator")

// PendingAuthenticator is an authenticator whose set-up was begun.
type PendingAuthenticator struct {
	// Issuer is what the app calls the account.
	Issuer, Account string
	Key             []byte
	// Sealed is the key for the form that confirms it: good for this session and a
	// quarter of an hour, and once.
	Sealed []byte
}

// pendingKey is what is sealed. The id is the factor's to be: of two who confirm one
// set-up, one stores it.
type pendingKey struct {
	ID  string    `json:"id"`
	Key []byte    `json:"key"`
	At  time.Time `json:"at"`
}

func pendingAAD(s Self) string { return keyring.AAD("sessions", s.SessionID, "authenticator") }

// BeginAuthenticator makes the key of another authenticator. It stores nothing.
// ErrStepUp: the person has to prove first who they are; for their first one that is
// the password and, where the population has email codes, one of those. ErrForbidden:
// they may not have one, or no more.
func (m *Manager) BeginAuthenticator(ctx context.Context, s Self) (PendingAuthenticator, error) {
	user, population, _, err := m.enrollable(ctx, s, idp.MethodTOTP)
	if err != nil {
		return PendingAuthenticator{}, err
	}
	key := pendingKey{ID: idp.NewID(), Key: mfa.NewTOTPKey(), At: idp.Now()}
	text, err := json.Marshal(key)
	return PendingAuthenticator{
		Issuer: population.FactorLabel(), Account: user.Email, Key: key.Key, Sealed: m.Keyring.Seal(text, pendingAAD(s)),
	}, err
}

// PendingAuthenticator opens what BeginAuthenticator sealed, to show it again.
// idp.ErrExpired: it took too long, or it is another session's.
func (m *Manager) PendingAuthenticator(ctx context.Context, s Self, sealed []byte) (PendingAuthenticator, error) {
	user, population, _, err := m.enrollable(ctx, s, idp.MethodTOTP)
	if err != nil {
		return PendingAuthenticator{}, err
	}
	key, err := m.openPending(s, sealed)
	return PendingAuthenticator{Issuer: population.FactorLabel(), Account: user.Email, Key: key.Key, Sealed: sealed}, err
}

func (m *Manager) openPending(s Self, sealed []byte) (pendingKey, error) {
	return m.openPendingAs(sealed, pendingAAD(s))
}

func (m *Manager) openPendingAs(sealed []byte, aad string) (pendingKey, error) {
	var key pendingKey
	text, err := m.Keyring.Open(sealed, aad)
	if err == nil {
		err = json.Unmarshal(text, &key)
	}
	if err != nil || idp.Now().Sub(key.At) > pendingLifetime {
		return pendingKey{}, fmt.Errorf("set-up of a second step: %w", idp.ErrExpired)
	}
	return key, nil
}

// enrollable reads the person, who must be able to set up a possession of a method now.
func (m *Manager) enrollable(ctx context.Context, s Self, method idp.Method) (idp.User, idp.Population, idp.Enrolment, error) {
	user, population, err := m.local(ctx, s)
	if err != nil {
		return user, population, idp.Enrolment{}, err
	}
	enrolment, err := m.Store.Enrolment(ctx, user.ID)
	if err != nil {
		return user, population, enrolment, err
	}
	switch mfa.MayAdd(population.Policy, mfa.EnrolledOf(enrolment, nil), method, s.Proofs, idp.Now(), authz.FreshSecondStep) {
	case mfa.AddNone:
		err = fmt.Errorf("%w: no more of %s", authz.ErrForbidden, method)
	case mfa.AddAfterProof:
		err = fmt.Errorf("%w: add a second step", authz.ErrStepUp)
	case mfa.AddAnew:
		err = &authz.StepUpError{What: "set up a second step", Anew: true}
	case mfa.AddNow:
	}
	return user, population, enrolment, err
}

// AddAuthenticator stores an authenticator that was begun, once a code of it is right,
// and tells the person by mail; recovery codes come with the first. Errors are those
// of BeginAuthenticator and of mfa.MatchTOTP, idp.ErrExpired for a set-up that took too
// long, and settings.Errors for the name. A set-up that was confirmed before is
// idp.ErrUsed.
func (m *Manager) AddAuthenticator(ctx context.Context, s Self, sealed []byte, name, code string) error {
	pending, err := m.openPending(s, sealed)
	if err != nil {
		return err
	}
	name, err = factorName(name)
	if err != nil {
		return err
	}
	step, err := mfa.MatchTOTP(pending.Key, code, idp.Now(), 0)
	if err != nil {
		return err
	}
	err = m.Store.Do(ctx, func(ctx context.Context) error {
		// Two at once would both see that there is room for one more.
		if err := m.Store.LockUser(ctx, s.UserID); err != nil {
			return err
		}
		user, population, _, err := m.enrollable(ctx, s, idp.MethodTOTP)
		if err != nil {
			return err
		}
		return m.Factors.Enrol(ctx, user, population, factors.NewFactor{
			ID: pending.ID, Method: idp.MethodTOTP, Name: name, Secret: pending.Key, LastStep: step, At: idp.Now(),
		}, s.actor().Audit("", "", nil))
	})
	if errors.Is(err, idp.ErrConflict) {
		return fmt.Errorf("set-up of an authenticator: %w", idp.ErrUsed)
	}
	return err
}

// JustAdded tells whether a set-up was confirmed so short a time ago that the browser may
// have lost the answer, and the code is of that authenticator: sending it again proves
// what it proved then. It writes nothing.
func (m *Manager) JustAdded(ctx context.Context, s Self, sealed []byte, code string) (bool, error) {
	pending, err := m.openPending(s, sealed)
	if err != nil {
		return false, nil // no answer of ours
	}
	if _, err := mfa.MatchTOTP(pending.Key, code, idp.Now(), 0); err != nil {
		return false, nil
	}
	enrolment, err := m.Store.Enrolment(ctx, s.UserID)
	since := idp.Now().Add(-session.LostAnswer)
	return slices.ContainsFunc(enrolment.Factors, func(f idp.Factor) bool {
		return f.ID == pending.ID && f.CreatedAt.After(since)
	}), err
}

func factorName(name string) (string, error) {
	name = strings.Join(strings.Fields(name), " ")
	return name, entry.CheckName("name", name, maxFactorName)
}

// RenameAuthenticator gives an authenticator of the person another name, after a fresh
// second step (ErrStepUp): under a false one they would remove the wrong one. A
// settings.Errors say what is wrong with it; idp.ErrNotFound that the person has none
// of that id, ErrUnchanged that it has that name.
func (m *Manager) RenameAuthenticator(ctx context.Context, s Self, id, name string) error {
	user, _, err := m.local(ctx, s)
	if err != nil {
		return err
	}
	if err := m.fresh(ctx, s, "rename an authenticator"); err != nil {
		return err
	}
	if name, err = factorName(name); err != nil {
		return err
	}
	if name == "" {
		return entry.Invalid("name", "settings.need_name")
	}
	enrolment, err := m.Store.Enrolment(ctx, user.ID)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(enrolment.Factors, func(f idp.Factor) bool { return f.ID == id && f.Name == name }) {
		return authz.ErrUnchanged
	}
	return m.Store.Do(ctx, func(ctx context.Context) error {
		if err := m.Store.RenameFactor(ctx, user.ID, id, name); err != nil {
			return err
		}
		return m.Authz.AuditOf(ctx, s.actor().Audit(idp.AuditFactorRenamed, "", map[string]string{"name": name}), user)
	})
}

// RemoveAuthenticator takes an authenticator from the person, after a fresh second
// step (ErrStepUp), and tells them by mail; the recovery codes go with the last one.
// ErrLastFactor: the policy asks for it. idp.ErrNotFound: the person has none of that
// id.
func (m *Manager) RemoveAuthenticator(ctx context.Context, s Self, id string) error {
	user, population, err := m.local(ctx, s)
	if err != nil {
		return err
	}
	if err := m.fresh(ctx, s, "remove an authenticator"); err != nil {
		return err
	}
	return m.Store.Do(ctx, func(ctx context.Context) error {
		// Two at once would each see the other's authenticator left.
		if err := m.Store.LockUser(ctx, user.ID); err != nil {
			return err
		}
		removed, left, err := m.without(ctx, user.ID, id)
		if err != nil {
			return err
		}
		if may, err := m.canDoWithout(ctx, population, user, left); err != nil || !may {
			return errors.Join(err, ErrLastFactor)
		}
		if err := m.Store.RemoveFactor(ctx, user.ID, id); err != nil {
			return err
		}
		if len(mfa.Possessions(left.Factors)) == 0 {
			if err := m.Store.RetireRecoveryCodes(ctx, user.ID, idp.Now()); err != nil {
				return err
			}
		}
		// What opens an account by itself may have opened it for a thief.
		if mfa.Of(removed.Method).Alone {
			if err := m.endOtherSessions(ctx, s, ""); err != nil {
				return err
			}
		}
		e := s.actor().Audit(idp.AuditFactorRemoved, "", map[string]string{"method": string(removed.Method), "name": removed.Name})
		if err := m.Authz.AuditOf(ctx, e, user); err != nil {
			return err
		}
		return m.Outbox.Notify(ctx, user, population, ui.Mail{Kind: ui.MailFactorRemoved, Method: string(removed.Method)})
	})
}

// without is a person's enrolment as it would be without one of their authenticators.
func (m *Manager) without(ctx context.Context, userID, id string) (removed idp.Factor, left idp.Enrolment, err error) {
	left, err = m.Store.Enrolment(ctx, userID)
	if err != nil {
		return removed, left, err
	}
	i := slices.IndexFunc(left.Factors, func(f idp.Factor) bool { return f.ID == id && mfa.Of(f.Method).Kind == mfa.Possession })
	if i < 0 {
		return removed, left, fmt.Errorf("authenticator: %w", idp.ErrNotFound)
	}
	removed, left.Factors = left.Factors[i], slices.Delete(slices.Clone(left.Factors), i, i+1)
	return removed, left, nil
}

// CanRemove tells whether the person may remove an authenticator, so that a page can say
// so first. idp.ErrNotFound: they have none of that id.
func (m *Manager) CanRemove(ctx context.Context, s Self, id string) (idp.Factor, bool, error) {
	user, population, err := m.local(ctx, s)
	if err != nil {
		return idp.Factor{}, false, err
	}
	removed, left, err := m.without(ctx, user.ID, id)
	if err != nil {
		return idp.Factor{}, false, err
	}
	removed.Secret = nil
	may, err := m.canDoWithout(ctx, population, user, left)
	return removed, may, err
}

// canDoWithout tells whether a person could go on everywhere with what would be left of
// their second steps: by the policy, at each app with rules of its own, and at the
// console, which asks each person with a permission for a second step. Otherwise the next
// sign-in there would set up another authenticator by the password alone.
func (m *Manager) canDoWithout(ctx context.Context, p idp.Population, u idp.User, left idp.Enrolment) (bool, error) {
	asked, err := m.Store.OverridesFor(ctx, p.ID, idp.ConsoleClient)
	if err != nil {
		return false, err
	}
	holds, err := m.Authz.PermissionsOf(ctx, u.ID)
	if err != nil {
		return false, err
	}
	if len(holds) > 0 {
		asked = append(asked, idp.Override{Mode: idp.OverrideRequired})
	}
	for _, o := range append(asked, idp.Override{}) {
		if !mfa.CanDoWithout(p.Policy, o, len(holds) > 0, mfa.EnrolledOf(left, nil), idp.Now()) {
			return false, nil
		}
	}
	return true, nil
}

// OwnCodes are the person's new recovery codes, until they say that they have saved
// them (SaveOwnCodes), after a fresh second step (ErrStepUp). idp.ErrNotFound: there are
// none to show.
func (m *Manager) OwnCodes(ctx context.Context, s Self) ([]string, error) {
	set, _, err := m.unsaved(ctx, s)
	if err != nil {
		return nil, err
	}
	if err := m.fresh(ctx, s, "see new recovery codes"); err != nil {
		return nil, err
	}
	return m.Factors.OpenRecoveryCodes(ctx, set)
}

func (m *Manager) unsaved(ctx context.Context, s Self) (setID string, user idp.User, err error) {
	user, _, err = m.local(ctx, s)
	if err != nil {
		return "", user, err
	}
	enrolment, err := m.Store.Enrolment(ctx, user.ID)
	switch {
	case err != nil:
		return "", user, err
	case enrolment.Recovery == nil || !enrolment.Recovery.SavedAt.IsZero():
		return "", user, fmt.Errorf("recovery codes to show: %w", idp.ErrNotFound)
	}
	return enrolment.Recovery.ID, user, nil
}

// SaveOwnCodes notes that the person has saved their recovery codes: they are not shown
// again, and so it takes what to see them takes (ErrStepUp). idp.ErrNotFound: there are
// none to save.
func (m *Manager) SaveOwnCodes(ctx context.Context, s Self) error {
	set, user, err := m.unsaved(ctx, s)
	if err != nil {
		return err
	}
	if err := m.fresh(ctx, s, "put recovery codes away"); err != nil {
		return err
	}
	return m.Store.Do(ctx, func(ctx context.Context) error {
		if err := m.Store.MarkRecoverySaved(ctx, set, idp.Now()); err != nil {
			return err
		}
		return m.Authz.AuditOf(ctx, s.actor().Audit(idp.AuditRecoverySaved, "", nil), user)
	})
}
