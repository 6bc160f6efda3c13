package self

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"gatehouse/idp"
	"gatehouse/idp/keyring"
	"gatehouse/idp/manage/factors"
	"gatehouse/idp/passkey"
)

// PendingPasskey is a passkey whose set-up was begun. Options are what the browser is asked
// for, Sealed is for the form that brings its answer: good for this session and a quarter of
// an hour, and once.
type PendingPasskey struct {
	Options string
	Sealed  []byte
}

func pendingPasskeyAAD(s Self) string { return keyring.AAD("sessions", s.SessionID, "passkey") }

// BeginPasskey asks for another passkey. It stores nothing. Errors are those of
// BeginAuthenticator.
func (m *Manager) BeginPasskey(ctx context.Context, s Self) (PendingPasskey, error) {
	user, population, enrolment, err := m.enrollable(ctx, s, idp.MethodPasskey)
	if err != nil {
		return PendingPasskey{}, err
	}
	pending := pendingKey{ID: idp.NewID(), At: idp.Now()}
	pending.Key = m.Factors.Passkeys.Challenge(passkey.ToCreate, s.SessionID, pending.ID)
	text, err := json.Marshal(pending)
	person := passkey.Person{ID: user.ID, Name: user.Email, DisplayName: user.Name}
	return PendingPasskey{
		Options: m.Factors.AskForPasskey(population.Policy, false, pending.Key, person, enrolment), Sealed: m.Keyring.Seal(text, pendingPasskeyAAD(s)),
	}, err
}

// AddPasskey stores the passkey that a browser made, and tells the person by mail; recovery
// codes come with their first possession. Errors are those of BeginPasskey,
// *passkey.RefusedError, factors.ErrPasskeyTaken, and idp.ErrExpired for a set-up that took
// too long. A set-up that was confirmed before is idp.ErrUsed.
func (m *Manager) AddPasskey(ctx context.Context, s Self, sealed []byte, answer string) (idp.Passkey, bool, error) {
	pending, err := m.openPendingAs(sealed, pendingPasskeyAAD(s))
	if err != nil {
		return idp.Passkey{}, false, err
	}
	var key idp.Passkey
	var verified bool
	err = m.Store.Do(ctx, func(ctx context.Context) error {
		if err := m.Store.LockUser(ctx, s.UserID); err != nil {
			return err
		}
		user, population, enrolment, err := m.enrollable(ctx, s, idp.MethodPasskey)
		if slices.ContainsFunc(enrolment.Factors, func(f idp.Factor) bool { return f.ID == pending.ID }) {
			return fmt.Errorf("set-up of a passkey: %w", idp.ErrUsed)
		}
		if err != nil {
			return err
		}
		if key, verified, err = m.Factors.NewPasskey(population.Policy, false, answer, pending.Key); err != nil {
			return err
		}
		return m.Factors.Enrol(ctx, user, population, factors.NewFactor{
			ID: pending.ID, Method: idp.MethodPasskey, Passkey: &key, At: idp.Now(),
		}, s.actor().Audit("", "", nil))
	})
	return key, verified, err
}
