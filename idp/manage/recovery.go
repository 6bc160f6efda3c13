package manage

import (
	"context"
	"fmt"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/keyring"
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

// MakeRecoveryCodes gives a person ten new recovery codes, in the transaction of
// ctx; those of before are gone. It asks nothing and tells nobody: that is for the
// operation it is part of. The person sees the codes at the next sign-in.
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

// RegenerateOwnCodes is RegenerateOwn for somebody who looks after their account.
func (m *Manager) RegenerateOwnCodes(ctx context.Context, s Self) error {
	user, _, err := m.local(ctx, s)
	if err != nil {
		return err
	}
	_, at, err := m.StrongStep(ctx, user.ID, s.Proofs)
	if err != nil {
		return err
	}
	return m.RegenerateOwn(ctx, user.ID, at)
}

// RegenerateOwn replaces a person's own recovery codes. secondStepAt is when they
// last proved a second step as strong as the codes: ErrStepUp asks for a newer one. A *TooSoonError says
// from when on it is possible, idp.ErrNotFound that they have no authenticator that
// the codes could stand in for.
func (m *Manager) RegenerateOwn(ctx context.Context, userID string, secondStepAt time.Time) error {
	if secondStepAt.IsZero() || idp.Now().Sub(secondStepAt) > FreshSecondStep {
		return fmt.Errorf("%w: generate recovery codes", ErrStepUp)
	}
	user, err := m.Store.User(ctx, userID)
	if err != nil {
		return err
	}
	return m.regenerate(ctx, user, idp.AuditEvent{Kind: idp.AuditRecoveryGenerated, ActorID: userID}, false)
}

// RegenerateRecoveryCodes replaces the recovery codes of somebody else, who sees
// them at the next sign-in; the actor does not. Errors are those of RegenerateOwn,
// and those of every sensitive operation.
func (m *Manager) RegenerateRecoveryCodes(ctx context.Context, a Actor, userID, reason string) error {
	user, err := m.target(ctx, a, "RegenerateRecoveryCodes", userID, reason)
	if err != nil {
		return err
	}
	return m.regenerate(ctx, user, a.audit(idp.AuditRecoveryGenerated, reason, nil), true)
}

func (m *Manager) regenerate(ctx context.Context, user idp.User, e idp.AuditEvent, byAdmin bool) error {
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
			if ok, at := mfa.MayRegenerate(set.CreatedAt, idp.Now()); !ok {
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
		return m.notify(ctx, user, ui.Mail{Kind: ui.MailRecoveryGenerated, ByAdmin: byAdmin})
	})
}

// ViewRecoveryCodes returns an agent's recovery codes that were not used. It needs
// the permission "Access to Agent Recovery Code and Reset MFA", is audited with its
// reason, and the agent gets a mail. Nobody sees a contact's codes.
func (m *Manager) ViewRecoveryCodes(ctx context.Context, a Actor, userID, reason string) ([]string, error) {
	user, err := m.Store.User(ctx, userID)
	if err != nil {
		return nil, err
	}
	r := request{op: "ViewRecoveryCodes", target: &user, reason: reason}
	if user.PopulationID != idp.Agents {
		return nil, m.forbid(ctx, a, r, "recovery codes are viewable for agents only")
	}
	if err := m.allow(ctx, a, r); err != nil {
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
		e := a.audit(idp.AuditRecoveryViewed, reason, nil)
		e.UserID, e.PopulationID = user.ID, user.PopulationID
		if err := m.Store.Audit(ctx, e); err != nil {
			return err
		}
		return m.notify(ctx, user, ui.Mail{Kind: ui.MailRecoveryViewed, ByAdmin: true})
	})
	if err != nil {
		return nil, err
	}
	return codes, nil
}

// ResetMFA takes all second factors from a person and signs them out everywhere;
// the next sign-in with their password leads through set-up. It needs the
// permission for the person's population, and tells them by mail.
func (m *Manager) ResetMFA(ctx context.Context, a Actor, userID, reason string) error {
	user, err := m.target(ctx, a, "ResetMFA", userID, reason)
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
		e := a.audit(idp.AuditMFAReset, reason, nil)
		e.UserID, e.PopulationID = user.ID, user.PopulationID
		if err := m.Store.Audit(ctx, e); err != nil {
			return err
		}
		if err := m.signOutEverywhere(ctx, user, a.audit(idp.AuditSignedOut, "MFA was reset", nil), ""); err != nil {
			return err
		}
		return m.notify(ctx, user, ui.Mail{Kind: ui.MailMFAReset, ByAdmin: true})
	})
}

// signOutEverywhere ends a person's sessions but one, and all that apps have of
// them, offline access included. Sign-ins under way go first: they rest on what was
// just changed, and one that finishes meanwhile leaves a session to be ended.
func (m *Manager) signOutEverywhere(ctx context.Context, user idp.User, e idp.AuditEvent, except string) error {
	if err := m.Store.DropFlows(ctx, user.ID); err != nil {
		return err
	}
	// Whoever asked for another address may be why this happens.
	if err := m.Store.DropLinks(ctx, idp.EmailLink, user.ID); err != nil {
		return err
	}
	if _, err := m.Sessions.EndAllOf(ctx, e, user.ID, except); err != nil {
		return err
	}
	return m.Store.RevokeGrantsOf(ctx, user.ID, idp.Now())
}

// target checks an operation on somebody's second factors.
func (m *Manager) target(ctx context.Context, a Actor, op, userID, reason string) (idp.User, error) {
	user, err := m.Store.User(ctx, userID)
	if err != nil {
		return user, err
	}
	return user, m.allow(ctx, a, request{op: op, permission: secondStepPermission(user), target: &user, reason: reason})
}

// secondStepPermission is what it takes to touch somebody's second step.
func secondStepPermission(user idp.User) string { return resetPermission(user.PopulationID) }

// resetPermission is what it takes to reset the MFA of people of a population.
func resetPermission(population string) string {
	if population == idp.Agents {
		return idp.PermissionAgentRecovery
	}
	return idp.PermissionContactReset
}

// notify mails a person what happened to their account.
func (m *Manager) notify(ctx context.Context, user idp.User, mail ui.Mail) error {
	population, err := m.Store.Population(ctx, user.PopulationID)
	if err != nil {
		return err
	}
	return m.Outbox.Notify(ctx, user, population, mail)
}
