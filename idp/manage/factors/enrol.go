package factors

import (
	"cmp"
	"context"
	"errors"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/keyring"
	"gatehouse/ui"
)

// NewFactor is a second factor of a person that was shown to work.
type NewFactor struct {
	ID     string // from idp.NewID
	Method idp.Method
	Name   string // empty: what the population calls it; of a passkey what its maker does
	Secret []byte
	// Passkey is that of a passkey, which has no secret; nil for all others.
	Passkey *idp.Passkey
	// LastStep is the one of the answer that showed it.
	LastStep int64
	At       time.Time
}

// Enrol gives a person a second factor, and recovery codes with their first, in the
// transaction of ctx. It is audited as event says, and the person is told by mail. It asks
// nothing: whether they may have it is for the operation that it is part of.
func (m *Manager) Enrol(ctx context.Context, user idp.User, p idp.Population, f NewFactor, event idp.AuditEvent) error {
	if f.Passkey == nil {
		f.Name = cmp.Or(f.Name, p.FactorLabel())
	}
	made, err := m.KeepFactor(ctx, user.ID, f)
	if err != nil {
		return err
	}
	event.Kind, event.Detail = idp.AuditFactorEnrolled, map[string]string{"method": string(f.Method), "name": f.Name}
	if err := m.Authz.AuditOf(ctx, event, user); err != nil {
		return err
	}
	if made {
		event.Kind, event.Detail = idp.AuditRecoveryGenerated, nil
		if err := m.Authz.AuditOf(ctx, event, user); err != nil {
			return err
		}
	}
	return m.Outbox.Notify(ctx, user, p, ui.Mail{Kind: ui.MailFactorEnrolled, Method: string(f.Method)})
}

// KeepFactor stores a factor, and sees to the recovery codes unless there is a set
// already: a second factor makes no new one. made: it made new codes.
func (m *Manager) KeepFactor(ctx context.Context, userID string, f NewFactor) (made bool, err error) {
	row := idp.Factor{
		ID: f.ID, UserID: userID, Method: f.Method, Name: f.Name, Passkey: f.Passkey, LastStep: f.LastStep, CreatedAt: f.At, LastUsedAt: f.At,
	}
	if f.Passkey == nil {
		row.Secret = m.Keyring.Seal(f.Secret, factorAAD(f.ID))
	}
	err = m.Store.CreateFactor(ctx, row)
	if errors.Is(err, idp.ErrConflict) && f.Passkey != nil {
		return false, ErrPasskeyTaken
	}
	if err != nil {
		return false, err
	}
	if err := m.ForgetGuesses(ctx, userID, f.Method); err != nil {
		return false, err
	}
	enrolment, err := m.Store.Enrolment(ctx, userID)
	if err != nil || enrolment.Recovery != nil {
		return false, err
	}
	return m.RecoveryCodesFor(ctx, userID)
}

func factorAAD(id string) string { return keyring.AAD("factors", id, "secret") }

// OpenFactor decrypts what a factor is checked with. idp.ErrUnreadable: no key that there
// is opens it.
func (m *Manager) OpenFactor(f idp.Factor) ([]byte, error) {
	return m.Keyring.Open(f.Secret, factorAAD(f.ID))
}
