package store

import (
	"bytes"
	"context"

	"gorm.io/gorm/clause"

	"gatehouse/idp"
)

type userWordRow struct {
	UserID       string `gorm:"primaryKey"`
	Word         []byte `gorm:"primaryKey"`
	PopulationID string
}

func (userWordRow) TableName() string { return "user_words" }

// wordsForm is the form in which idp.SearchWords is stored now; users_words is an index of
// who has an older one.
const wordsForm = 2

// addWords stores what users are found by.
func (s *Store) addWords(ctx context.Context, users ...userRow) error {
	var rows []userWordRow
	for _, u := range users {
		for _, word := range idp.SearchWords(u.Email, u.Name) {
			rows = append(rows, userWordRow{UserID: u.ID, Word: word, PopulationID: u.PopulationID})
		}
	}
	if len(rows) == 0 {
		return nil
	}
	err := s.writer(ctx).Clauses(clause.OnConflict{DoNothing: true}).CreateInBatches(&rows, 1000).Error
	return written(err, "words of users")
}

// replaceWords stores what a user is found by from now on.
func (s *Store) replaceWords(ctx context.Context, u userRow) error {
	if err := s.writer(ctx).Where("user_id = ?", u.ID).Delete(&userWordRow{}).Error; err != nil {
		return written(err, "words of users")
	}
	return s.addWords(ctx, u)
}

// IndexUsers stores what up to limit people are found by whose words are of an older form,
// or whom another program added, and returns how many there were.
// Replicas may do it at once.
func (s *Store) IndexUsers(ctx context.Context, limit int) (int, error) {
	var rows []userRow
	err := s.Do(ctx, func(ctx context.Context) error {
		rows = nil
		some := s.writer(ctx).Model(&userRow{}).Select("id").Where("words < 2").Order("id").Limit(limit)
		err := s.writer(ctx).Model(&rows).Clauses(clause.Returning{}).
			Where("id IN (?) AND words < 2", some).UpdateColumns(map[string]any{"indexed": true, "words": wordsForm}).Error
		if err != nil {
			return written(err, "words of users")
		}
		for _, r := range rows {
			if err := s.foldAgain(ctx, r); err != nil {
				return err
			}
		}
		return s.addWords(ctx, rows...)
	})
	return len(rows), err
}

// foldAgain writes the address of a user as it is compared now, unless another person of
// the population has that one. Two people with one address in two spellings cannot both
// sign in by it: the first keeps it, and the second needs another from an admin, whom the
// audit log tells. Nothing of the second is lost: sessions, factors and what they are at
// other providers stay.
func (s *Store) foldAgain(ctx context.Context, r userRow) error {
	key := idp.EmailKey(r.Email)
	if bytes.Equal(key, r.EmailKey) {
		return nil
	}
	result := s.writer(ctx).Exec(`UPDATE users SET email_key = ? WHERE id = ? AND NOT EXISTS
		(SELECT 1 FROM users o WHERE o.population_id = ? AND o.email_key = ?)`, key, r.ID, r.PopulationID, key)
	if result.Error != nil || result.RowsAffected > 0 {
		return written(result.Error, "user")
	}
	return s.Audit(ctx, idp.AuditEvent{
		Kind: idp.AuditAddressShared, UserID: r.ID, PopulationID: r.PopulationID,
		Detail: map[string]string{"email": idp.MaskEmail(r.Email)},
	})
}
