package store

import (
	"context"
	"time"

	"gorm.io/gorm/clause"

	"gatehouse/idp"
)

type usedIDRow struct {
	Hash      []byte `gorm:"primaryKey"`
	ExpiresAt time.Time
}

func (usedIDRow) TableName() string { return "used_ids" }

// UseID takes what may come once, until it is too old to be taken anyway. idp.ErrUsed: it
// came before, here or at another replica.
func (s *Store) UseID(ctx context.Context, hash []byte, until time.Time) error {
	return once(s.writer(ctx).Clauses(clause.OnConflict{DoNothing: true}).Create(&usedIDRow{hash, until}), "id", idp.ErrUsed)
}
