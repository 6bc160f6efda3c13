package store

import (
	"context"
	"fmt"
	"time"

	"gatehouse/idp"
)

type passwordHistoryRow struct {
	ID         string `gorm:"primaryKey"`
	UserID     string
	Hash       string
	ReplacedAt time.Time
}

func (passwordHistoryRow) TableName() string { return "password_history" }

// UpgradePasswordHash replaces a hash by one of the same password with today's
// parameters, unless the password was changed in the meantime.
func (s *Store) UpgradePasswordHash(ctx context.Context, userID, old, upgraded string) error {
	return written(s.writer(ctx).Model(&userRow{}).
		Where("id = ? AND password_hash = ?", userID, old).
		UpdateColumn("password_hash", upgraded).Error, "password hash")
}

// PasswordHash reads a user's hash as it stands and keeps it until the transaction of
// ctx ends: a sign-in that rests on it is stored before anybody changes it, or not at
// all.
func (s *Store) PasswordHash(ctx context.Context, userID string) (string, error) {
	query := "SELECT password_hash FROM users WHERE id = ?"
	if s.dialect == "postgres" {
		query += " FOR SHARE"
	}
	var hash string
	err := s.writer(ctx).Raw(query, userID).Take(&hash).Error
	return hash, found(err, "password hash")
}

// SetPasswordHash gives a user another password. The previous one is kept as long as
// the population refuses to have it again. Whether a mail set that one is not
// forgotten: that takes a second step (ForgetPasswordByMail). idp.ErrNotFound: there is
// no such user.
func (s *Store) SetPasswordHash(ctx context.Context, userID, hash string, at time.Time) error {
	return s.Do(ctx, func(ctx context.Context) error {
		query := "SELECT u.password_hash AS hash, p.passwords AS rules FROM users u JOIN populations p ON p.id = u.population_id WHERE u.id = ?"
		if s.dialect == "postgres" {
			query += " FOR NO KEY UPDATE OF u" // rows that refer to the user may come meanwhile
		}
		var before struct {
			Hash  string
			Rules passwordRules `gorm:"serializer:json"`
		}
		if err := s.writer(ctx).Raw(query, userID).Take(&before).Error; err != nil {
			return found(err, "user")
		}
		err := once(s.writer(ctx).Model(&userRow{}).Where("id = ?", userID).
			UpdateColumns(map[string]any{"password_hash": hash, "password_changed_at": at, "updated_at": at}), "user", idp.ErrNotFound)
		if err != nil {
			return err
		}
		if err := s.ForgetTrustedBrowsers(ctx, userID); err != nil {
			return err
		}
		return s.keepPassword(ctx, passwordHistoryRow{ID: idp.NewID(), UserID: userID, Hash: before.Hash, ReplacedAt: at}, before.Rules.NoReuse-1)
	})
}

// keepPassword keeps an earlier hash, and the newest of those before it: most in all.
func (s *Store) keepPassword(ctx context.Context, row passwordHistoryRow, most int) error {
	if row.Hash != "" && most > 0 {
		if err := s.writer(ctx).Create(&row).Error; err != nil {
			return written(err, "password history")
		}
	}
	kept := s.writer(ctx).Model(&passwordHistoryRow{}).Select("id").Where("user_id = ?", row.UserID).Order("id DESC").Limit(max(most, 0))
	return written(s.writer(ctx).Where("user_id = ? AND id NOT IN (?)", row.UserID, kept).
		Delete(&passwordHistoryRow{}).Error, "password history")
}

// FormerPasswords reads the hashes that a user had before, newest first, at most so
// many.
func (s *Store) FormerPasswords(ctx context.Context, userID string, most int) ([]string, error) {
	var list []string
	err := s.reader(ctx).Model(&passwordHistoryRow{}).Where("user_id = ?", userID).
		Order("id DESC").Limit(most).Pluck("hash", &list).Error
	return list, found(err, "password history")
}

// sweepPasswords removes what populations that allow passwords again have kept.
func (s *Store) sweepPasswords(ctx context.Context) (int64, error) {
	populations, err := s.Populations(ctx)
	var removed int64
	for _, p := range populations {
		for err == nil && p.Passwords.NoReuse <= 1 {
			r := s.writer(ctx).Exec(fmt.Sprintf(`DELETE FROM password_history WHERE id IN (SELECT h.id FROM password_history h
				JOIN users u ON u.id = h.user_id WHERE u.population_id = ? LIMIT %d)`, sweepBatch), p.ID)
			removed, err = removed+max(0, r.RowsAffected), r.Error
			if r.RowsAffected < sweepBatch {
				break
			}
		}
	}
	return removed, err
}
