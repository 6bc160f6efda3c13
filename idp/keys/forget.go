package keys

import (
	"context"

	"gatehouse/idp"
	"gatehouse/idp/keyring"
	"gatehouse/idp/store"
)

// Forget removes what the keyring does not open and never will: its master key is lost.
// It returns the people whose authenticators or recovery codes are among it; they have
// to be reset. It may be run again.
func Forget(ctx context.Context, s *store.Store, ring *keyring.Keyring) (users []string, err error) {
	err = s.Do(ctx, func(ctx context.Context) error {
		var lost []store.Sealed
		err := s.EachSealed(ctx, func(v store.Sealed) error {
			if _, err := ring.Open(v.Value, v.AAD()); err != nil {
				lost = append(lost, v)
			}
			return nil
		})
		if err != nil || len(lost) == 0 {
			return err
		}
		if users, err = s.ForgetSealed(ctx, lost, idp.Now()); err != nil {
			return err
		}
		return s.Audit(ctx, idp.AuditEvent{Kind: idp.AuditSecretsForgotten})
	})
	return users, err
}
