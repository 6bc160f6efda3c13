package factors

import (
	"context"
	"fmt"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/keyring"
	"gatehouse/idp/manage/authz"
	"gatehouse/idp/manage/people"
	"gatehouse/mfa"
	"gatehouse/ui"
)

// TooSoonError says that recovery codes were generated less than two hours ago.
type TooSoonError struct {
	// At is when they can be generated again.
	At time.Time
}

// Error implements error.
func (e *TooSoonError) Error() string {
	return "recovery codes can be generated again from " + e.At.Format(time.RFC3339) + " on"
}

// MakeRecoveryCodes gives a person ten new recovery codes, in the transaction of ctx; the
// previous ones are gone. It checks no permission and sends no mail: the operation that it
// is part of does. The person sees the codes at the next sign-in.
func (m *Manager) MakeRecoveryCodes(ctx context.Context, userID string) error {
	set := idp.RecoverySet{ID: idp.NewID(), UserID: userID, CreatedAt: idp.Now()}
	var codes []idp.RecoveryCode
	for i, text := range mfa.NewRecoveryCodes() {
		plain, err := mfa.NormalizeRecoveryCode(text)
		if err != nil {
			return err
		}
		id := idp.NewID()
		codes = append(codes, idp.RecoveryCode{
			ID: id, SetID: set.ID, UserID: userID, Position: i,
			MAC:    mfa.RecoveryMAC(m.RecoveryKey, userID, plain),
			Sealed: m.Keyring.Seal([]byte(text), recoveryAAD(id)),
		})
	}
	if err := m.Store.ReplaceRecoveryCodes(ctx, set, codes); err != nil {
		return err
	}
	return m.ForgetGuesses(ctx, userID, idp.MethodRecovery)
}

// ForgetGuesses forgets the wrong codes that were counted against methods of a person,
// in the transaction of ctx. The count belongs to the person and the method: it does not
// go with a factor that is removed, but with a right code, a reset, and a new factor or
// set of codes, which took a proof as strong or a reset.
func (m *Manager) ForgetGuesses(ctx context.Context, userID string, methods ...idp.Method) error {
	if m.Throttles == nil {
		return nil
	}
	for _, method := range methods {
		if err := m.Throttles.ClearFactor(ctx, userID, method); err != nil {
			return err
		}
	}
	return nil
}

// RecoveryCodesFor gives a person who has none and sets up an authenticator recovery
// codes, in the transaction of ctx. Those that went with their last authenticator come
// back as they were as long as there may be no others: taking an authenticator away and
// adding it again is no way around the two hours. made: they are new.
func (m *Manager) RecoveryCodesFor(ctx context.Context, userID string) (made bool, err error) {
	revived, err := m.Store.ReviveRecoveryCodes(ctx, userID, idp.Now().Add(-mfa.RegenerateAfter))
	if err != nil || revived {
		return false, err
	}
	return true, m.MakeRecoveryCodes(ctx, userID)
}

func recoveryAAD(id string) string { return keyring.AAD("recovery_codes", id, "sealed") }

// OpenRecoveryCodes decrypts the codes of a set that were not used, at the moment
// they are needed.
func (m *Manager) OpenRecoveryCodes(ctx context.Context, setID string) ([]string, error) {
	rows, err := m.Store.RecoveryCodes(ctx, setID)
	if err != nil {
		return nil, err
	}
	var codes []string
	for _, row := range rows {
		if !row.UsedAt.IsZero() {
			continue
		}
		plain, err := m.Keyring.Open(row.Sealed, recoveryAAD(row.ID))
		if err != nil {
			return nil, fmt.Errorf("open a recovery code: %w", err)
		}
		codes = append(codes, string(plain))
	}
	return codes, nil
}

// RegenerateRecoveryCodes replaces the recovery codes of another person, who sees them at
// the next sign-in; the actor does not. Errors are those of RegenerateOwn, and those of
// every sensitive operation.
func (m *Manager) RegenerateRecoveryCodes(ctx context.Context, a authz.Actor, userID, reason string) error {
	user, err := m.People.Target(ctx, a, "RegenerateRecoveryCodes", userID, reason)
	if err != nil {
		return err
	}
	return m.Regenerate(ctx, user, a.Audit(idp.AuditRecoveryGenerated, reason, nil), true)
}

func (m *Manager) Regenerate(ctx context.Context, user idp.User, e idp.AuditEvent, byAdmin bool) error {
	return m.Store.Do(ctx, func(ctx context.Context) error {
		// Two at once would both see the old set.
		if err := m.Store.LockUser(ctx, user.ID); err != nil {
			return err
		}
		enrolment, err := m.Store.Enrolment(ctx, user.ID)
		if err != nil {
			return err
		}
		if len(mfa.Possessions(enrolment.Factors)) == 0 {
			return fmt.Errorf("recovery codes without an authenticator: %w", idp.ErrNotFound)
		}
		if set := enrolment.Recovery; set != nil {
			if ok, at := mfa.CanRegenerate(set.CreatedAt, idp.Now()); !ok {
				return &TooSoonError{At: at}
			}
		}
		if err := m.MakeRecoveryCodes(ctx, user.ID); err != nil {
			return err
		}
		e.UserID, e.PopulationID = user.ID, user.PopulationID
		if err := m.Store.Audit(ctx, e); err != nil {
			return err
		}
		return m.People.Notify(ctx, user, ui.Mail{Kind: ui.MailRecoveryGenerated, ByAdmin: byAdmin})
	})
}

// ViewRecoveryCodes returns an agent's recovery codes that were not used. It needs the
// permission "Access to Agent Recovery Code and Reset MFA", is audited with its reason,
// and the agent gets a mail. A contact's codes are never shown.
func (m *Manager) ViewRecoveryCodes(ctx context.Context, a authz.Actor, userID, reason string) ([]string, error) {
	user, err := m.Store.User(ctx, userID)
	if err != nil {
		return nil, err
	}
	r := authz.Request{Op: "ViewRecoveryCodes", Target: &user, Reason: reason}
	if user.PopulationID != idp.Agents {
		return nil, m.Authz.Forbid(ctx, a, r, "recovery codes are viewable for agents only")
	}
	if err := m.Authz.Authorize(ctx, a, r); err != nil {
		return nil, err
	}
	var codes []string
	err = m.Store.Do(ctx, func(ctx context.Context) error {
		enrolment, err := m.Store.Enrolment(ctx, userID)
		if err != nil {
			return err
		}
		if enrolment.Recovery == nil {
			return fmt.Errorf("recovery codes: %w", idp.ErrNotFound)
		}
		if codes, err = m.OpenRecoveryCodes(ctx, enrolment.Recovery.ID); err != nil {
			return err
		}
		e := a.Audit(idp.AuditRecoveryViewed, reason, nil)
		e.UserID, e.PopulationID = user.ID, user.PopulationID
		if err := m.Store.Audit(ctx, e); err != nil {
			return err
		}
		return m.People.Notify(ctx, user, ui.Mail{Kind: ui.MailRecoveryViewed, ByAdmin: true})
	})
	if err != nil {
		return nil, err
	}
	return codes, nil
}

// ResetMFA takes all second factors from a person and signs them out everywhere;
// the next sign-in with their password leads through set-up. It needs the
// permission for the person's population, and tells them by mail.
func (m *Manager) ResetMFA(ctx context.Context, a authz.Actor, userID, reason string) error {
	user, err := m.People.Target(ctx, a, "ResetMFA", userID, reason)
	if err != nil {
		return err
	}
	return m.Store.Do(ctx, func(ctx context.Context) error {
		if err := m.Store.LockUser(ctx, userID); err != nil {
			return err
		}
		if err := m.Store.RemoveFactors(ctx, userID); err != nil {
			return err
		}
		if err := m.ForgetGuesses(ctx, userID, mfa.SecondSteps()...); err != nil {
			return err
		}
		e := a.Audit(idp.AuditMFAReset, reason, nil)
		e.UserID, e.PopulationID = user.ID, user.PopulationID
		if err := m.Store.Audit(ctx, e); err != nil {
			return err
		}
		if err := m.People.SignOutEverywhere(ctx, user, a.AuditSignOut(idp.AuditMFAReset), ""); err != nil {
			return err
		}
		return m.People.Notify(ctx, user, ui.Mail{Kind: ui.MailMFAReset, ByAdmin: true})
	})
}

// EnableFactor lets a person use a factor again that was disabled at the cap of
// failures, forgets those, and tells the person by mail. factorID may be that of a
// set of recovery codes. idp.ErrNotFound: the person has no such factor that is disabled.
func (m *Manager) EnableFactor(ctx context.Context, a authz.Actor, id, factorID, reason string) error {
	user, err := m.People.Target(ctx, a, "EnableFactor", id, reason)
	if err != nil {
		return err
	}
	if m.Throttles == nil {
		return people.ErrNoThrottles
	}
	return m.Store.Do(ctx, func(ctx context.Context) error {
		method, err := m.Store.EnableFactor(ctx, id, factorID)
		if err != nil {
			return err
		}
		if err := m.Throttles.ClearFactor(ctx, id, method); err != nil {
			return err
		}
		e := a.Audit(idp.AuditFactorEnabled, reason, map[string]string{"method": string(method)})
		if err := m.Authz.AuditOf(ctx, e, user); err != nil {
			return err
		}
		return m.People.Notify(ctx, user, ui.Mail{Kind: ui.MailFactorEnabled, ByAdmin: true, Method: string(method)})
	})
}
