package store

import (
	"context"
	"time"

	"gorm.io/gorm/clause"

	"gatehouse/idp"
)

type dpopProofRow struct {
	ID        []byte `gorm:"primaryKey"`
	ExpiresAt time.Time
}

func (dpopProofRow) TableName() string { return "dpop_proofs" }

// UseProof takes a proof of possession, whose id is kept until it would not be taken any
// more. Of any number of calls one returns nil, the others idp.ErrUsed.
func (s *Store) UseProof(ctx context.Context, id []byte, expires time.Time) error {
	return once(s.writer(ctx).Clauses(clause.OnConflict{DoNothing: true}).Create(&dpopProofRow{ID: id, ExpiresAt: expires}),
		"proof", idp.ErrUsed)
}
