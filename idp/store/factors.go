package store

import (
	"context"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"gatehouse/idp"
	"gatehouse/mfa"
)

type factorRow struct {
	ID         string `gorm:"primaryKey"`
	UserID     string
	Method     string
	Name       string
	Secret     []byte
	LastStep   int64
	CreatedAt  time.Time
	LastUsedAt time.Time
	DisabledAt *time.Time
	SentAt     *time.Time

	Passkey passkeyColumns `gorm:"embedded"`
}

func (factorRow) TableName() string { return "factors" }

func (r factorRow) factor() (idp.Factor, error) {
	key, err := r.Passkey.passkey()
	return idp.Factor{
		ID: r.ID, UserID: r.UserID, Method: idp.Method(r.Method), Name: r.Name, Secret: r.Secret, Passkey: key,
		LastStep: r.LastStep, CreatedAt: r.CreatedAt.UTC(), LastUsedAt: r.LastUsedAt.UTC(),
		DisabledAt: orZero(r.DisabledAt), SentAt: orZero(r.SentAt),
	}, err
}

// Enrolment reads what second factors a user has, in two statements.
func (s *Store) Enrolment(ctx context.Context, userID string) (idp.Enrolment, error) {
	var rows []factorRow
	err := s.reader(ctx).Where("user_id = ?", userID).Order("id").Find(&rows).Error
	if err != nil {
		return idp.Enrolment{}, found(err, "factors")
	}
	var e idp.Enrolment
	for _, r := range rows {
		f, err := r.factor()
		if err != nil {
			return idp.Enrolment{}, err
		}
		e.Factors = append(e.Factors, f)
	}
	mfa.Sort(e.Factors)
	e.Recovery, e.RecoveryLeft, err = s.recoverySet(ctx, userID)
	return e, err
}

// LockUser makes every other transaction that locks the same user wait for the
// end of this one: what it then reads about them stays true until it commits.
func (s *Store) LockUser(ctx context.Context, id string) error {
	return once(s.writer(ctx).Model(&userRow{}).Where("id = ?", id).
		UpdateColumn("updated_at", gorm.Expr("updated_at")), "user", idp.ErrNotFound)
}

// CreateFactor stores a confirmed factor. idp.ErrConflict: there is one of that id, or
// somebody has that passkey.
func (s *Store) CreateFactor(ctx context.Context, f idp.Factor) error {
	row := factorRow{
		ID: f.ID, UserID: f.UserID, Method: string(f.Method), Name: f.Name, Secret: notNil(f.Secret),
		LastStep: f.LastStep, CreatedAt: f.CreatedAt, LastUsedAt: f.LastUsedAt,
		DisabledAt: orNull(f.DisabledAt), SentAt: orNull(f.SentAt), Passkey: ofPasskey(f.Passkey),
	}
	return s.Do(ctx, func(ctx context.Context) error {
		if err := s.writer(ctx).Create(&row).Error; err != nil {
			return written(err, "factor")
		}
		if mfa.Of(f.Method).Kind != mfa.Mailbox { // everybody has a mailbox: its row comes with the first code
			if err := s.ForgetTrustedBrowsers(ctx, f.UserID); err != nil {
				return err
			}
		}
		return s.markSecondStep(ctx, f.UserID, true)
	})
}

// markSecondStep keeps up whether a user has any factor.
func (s *Store) markSecondStep(ctx context.Context, userID string, has bool) error {
	return written(s.writer(ctx).Model(&userRow{}).Where("id = ? AND second_step <> ?", userID, has).
		UpdateColumn("second_step", has).Error, "user")
}

// EnableFactor lets a factor, or a set of recovery codes, be used again.
// idp.ErrNotFound: the user has none of that id that is disabled.
func (s *Store) EnableFactor(ctx context.Context, userID, id string) (idp.Method, error) {
	const where = "id = ? AND user_id = ? AND disabled_at IS NOT NULL"
	var rows []factorRow
	err := s.writer(ctx).Model(&rows).Clauses(clause.Returning{}).Where(where, id, userID).
		UpdateColumn("disabled_at", nil).Error
	if err != nil {
		return "", written(err, "factor")
	}
	if len(rows) == 1 {
		return idp.Method(rows[0].Method), nil
	}
	r := s.writer(ctx).Model(&recoverySetRow{}).Where(where, id, userID).UpdateColumn("disabled_at", nil)
	return idp.MethodRecovery, once(r, "factor that is disabled", idp.ErrNotFound)
}

// AcceptStep records a TOTP time step as used. idp.ErrUsed: it, or a later one,
// was accepted before. Of two requests with the same step, one changes a row and
// the other does not. Whether the factor may be used here is the caller's to know: a
// disabled one works on in a browser with a budget of its own.
func (s *Store) AcceptStep(ctx context.Context, factorID string, step int64, at time.Time) error {
	return once(s.writer(ctx).Model(&factorRow{}).
		Where("id = ? AND last_step < ?", factorID, step).
		UpdateColumns(map[string]any{"last_step": step, "last_used_at": at}), "time step", idp.ErrUsed)
}

// DisableFactor stops a factor, or a set of recovery codes, from being used; it still
// counts as enrolled. It returns false when it was disabled before.
func (s *Store) DisableFactor(ctx context.Context, id string, at time.Time) (bool, error) {
	for _, row := range []any{&factorRow{}, &recoverySetRow{}} {
		r := s.writer(ctx).Model(row).Where("id = ? AND disabled_at IS NULL", id).UpdateColumn("disabled_at", at)
		if r.Error != nil {
			return false, written(r.Error, "factor")
		}
		if r.RowsAffected == 1 {
			of := s.reader(ctx).Model(row).Select("user_id").Where("id = ?", id)
			return true, written(s.writer(ctx).Where("user_id = (?)", of).Delete(&trustedBrowserRow{}).Error, "trusted browsers")
		}
	}
	return false, nil
}

// MarkEmailSent records that an email code goes out now. idp.ErrUsed: another one
// did later than notSince, from whichever flow.
func (s *Store) MarkEmailSent(ctx context.Context, factorID string, notSince, at time.Time) error {
	return once(s.writer(ctx).Model(&factorRow{}).
		Where("id = ? AND (sent_at IS NULL OR sent_at <= ?)", factorID, notSince).
		UpdateColumn("sent_at", at), "email code", idp.ErrUsed)
}

// MarkFactorUsed records when a factor was last used.
func (s *Store) MarkFactorUsed(ctx context.Context, id string, at time.Time) error {
	return written(s.writer(ctx).Model(&factorRow{}).Where("id = ?", id).UpdateColumn("last_used_at", at).Error, "factor")
}

// RenameFactor gives a factor of a user another name. idp.ErrNotFound: the user has
// none of that id.
func (s *Store) RenameFactor(ctx context.Context, userID, id, name string) error {
	return once(s.writer(ctx).Model(&factorRow{}).Where("id = ? AND user_id = ?", id, userID).
		UpdateColumn("name", name), "factor", idp.ErrNotFound)
}

// RemoveFactor takes one second factor from a user. idp.ErrNotFound: the user has
// none of that id, any more.
func (s *Store) RemoveFactor(ctx context.Context, userID, id string) error {
	return s.Do(ctx, func(ctx context.Context) error {
		err := once(s.writer(ctx).Where("id = ? AND user_id = ?", id, userID).Delete(&factorRow{}), "factor", idp.ErrNotFound)
		if err != nil {
			return err
		}
		if err := s.ForgetTrustedBrowsers(ctx, userID); err != nil {
			return err
		}
		var left int64
		if err := s.reader(ctx).Model(&factorRow{}).Where("user_id = ?", userID).Count(&left).Error; err != nil {
			return found(err, "factors")
		}
		return s.markSecondStep(ctx, userID, left > 0)
	})
}

// RetireRecoveryCodes puts the recovery codes of a user aside who has no authenticator
// any more that they could stand in for: Enrolment does not know them until
// ReviveRecoveryCodes.
func (s *Store) RetireRecoveryCodes(ctx context.Context, userID string, at time.Time) error {
	return written(s.writer(ctx).Model(&recoverySetRow{}).Where("user_id = ? AND retired_at IS NULL", userID).
		UpdateColumn("retired_at", at).Error, "recovery codes")
}

// ReviveRecoveryCodes takes back the retired codes of a user that were made after a
// moment, as they were, and tells whether there were any.
func (s *Store) ReviveRecoveryCodes(ctx context.Context, userID string, madeAfter time.Time) (bool, error) {
	r := s.writer(ctx).Model(&recoverySetRow{}).
		Where("user_id = ? AND retired_at IS NOT NULL AND created_at > ?", userID, madeAfter).UpdateColumn("retired_at", nil)
	return r.RowsAffected == 1, written(r.Error, "recovery codes")
}

// RemoveFactors takes all second factors from a user, recovery codes included.
func (s *Store) RemoveFactors(ctx context.Context, userID string) error {
	return s.Do(ctx, func(ctx context.Context) error {
		if err := s.writer(ctx).Where("user_id = ?", userID).Delete(&factorRow{}).Error; err != nil {
			return written(err, "factors")
		}
		if err := s.ForgetTrustedBrowsers(ctx, userID); err != nil {
			return err
		}
		if err := s.markSecondStep(ctx, userID, false); err != nil {
			return err
		}
		return written(s.writer(ctx).Where("user_id = ?", userID).Delete(&recoverySetRow{}).Error, "recovery codes")
	})
}

type recoverySetRow struct {
	ID         string `gorm:"primaryKey"`
	UserID     string
	CreatedAt  time.Time
	SavedAt    *time.Time
	DisabledAt *time.Time
	RetiredAt  *time.Time
}

func (recoverySetRow) TableName() string { return "recovery_sets" }

type recoveryCodeRow struct {
	ID       string `gorm:"primaryKey"`
	SetID    string
	UserID   string
	Position int64
	MAC      []byte `gorm:"column:mac"`
	Sealed   []byte
	UsedAt   *time.Time
}

func (recoveryCodeRow) TableName() string { return "recovery_codes" }

func (s *Store) recoverySet(ctx context.Context, userID string) (*idp.RecoverySet, int, error) {
	var rows []struct {
		Set       recoverySetRow `gorm:"embedded"`
		Remaining int64
	}
	err := s.reader(ctx).Raw(`SELECT s.*, (SELECT COUNT(*) FROM recovery_codes c
		WHERE c.set_id = s.id AND c.used_at IS NULL) AS remaining
		FROM recovery_sets s WHERE s.user_id = ? AND s.retired_at IS NULL`, userID).Scan(&rows).Error
	if err != nil || len(rows) == 0 {
		return nil, 0, found(err, "recovery codes")
	}
	set := rows[0].Set
	return &idp.RecoverySet{
		ID: set.ID, UserID: set.UserID, CreatedAt: set.CreatedAt.UTC(),
		SavedAt: orZero(set.SavedAt), DisabledAt: orZero(set.DisabledAt),
	}, int(rows[0].Remaining), nil
}

// ReplaceRecoveryCodes gives a user a new set of codes; the old set is gone.
func (s *Store) ReplaceRecoveryCodes(ctx context.Context, set idp.RecoverySet, codes []idp.RecoveryCode) error {
	rows := make([]recoveryCodeRow, len(codes))
	for i, c := range codes {
		rows[i] = recoveryCodeRow{
			ID: c.ID, SetID: set.ID, UserID: set.UserID, Position: int64(c.Position),
			MAC: c.MAC, Sealed: c.Sealed, UsedAt: orNull(c.UsedAt),
		}
	}
	return s.Do(ctx, func(ctx context.Context) error {
		if err := s.ForgetTrustedBrowsers(ctx, set.UserID); err != nil {
			return err
		}
		err := s.writer(ctx).Where("user_id = ?", set.UserID).Delete(&recoverySetRow{}).Error
		if err != nil {
			return written(err, "recovery codes")
		}
		err = s.writer(ctx).Create(&recoverySetRow{
			ID: set.ID, UserID: set.UserID, CreatedAt: set.CreatedAt,
			SavedAt: orNull(set.SavedAt), DisabledAt: orNull(set.DisabledAt),
		}).Error
		if err != nil {
			return written(err, "recovery codes")
		}
		return written(s.writer(ctx).Create(&rows).Error, "recovery codes")
	})
}

// RecoveryCodes reads the codes of a set in their order, used ones too.
func (s *Store) RecoveryCodes(ctx context.Context, setID string) ([]idp.RecoveryCode, error) {
	var rows []recoveryCodeRow
	if err := s.reader(ctx).Where("set_id = ?", setID).Order("position").Find(&rows).Error; err != nil {
		return nil, found(err, "recovery codes")
	}
	codes := make([]idp.RecoveryCode, len(rows))
	for i, r := range rows {
		codes[i] = idp.RecoveryCode{
			ID: r.ID, SetID: r.SetID, UserID: r.UserID, Position: int(r.Position),
			MAC: r.MAC, Sealed: r.Sealed, UsedAt: orZero(r.UsedAt),
		}
	}
	return codes, nil
}

// RecoveryCodeByMAC finds a code of a user, used or not.
func (s *Store) RecoveryCodeByMAC(ctx context.Context, userID string, mac []byte) (idp.RecoveryCode, error) {
	var r recoveryCodeRow
	err := s.reader(ctx).Where("user_id = ? AND mac = ?", userID, mac).Take(&r).Error
	return idp.RecoveryCode{
		ID: r.ID, SetID: r.SetID, UserID: r.UserID, Position: int(r.Position), UsedAt: orZero(r.UsedAt),
	}, found(err, "recovery code")
}

// UseRecoveryCode consumes a code. Of any number of calls one returns nil, the
// others idp.ErrUsed.
func (s *Store) UseRecoveryCode(ctx context.Context, id string, at time.Time) error {
	return once(s.writer(ctx).Model(&recoveryCodeRow{}).
		Where("id = ? AND used_at IS NULL", id).
		UpdateColumn("used_at", at), "recovery code", idp.ErrUsed)
}

// MarkRecoverySaved records that the person has kept the codes of a set.
func (s *Store) MarkRecoverySaved(ctx context.Context, setID string, at time.Time) error {
	return written(s.writer(ctx).Model(&recoverySetRow{}).
		Where("id = ? AND saved_at IS NULL", setID).
		UpdateColumn("saved_at", at).Error, "recovery codes")
}
