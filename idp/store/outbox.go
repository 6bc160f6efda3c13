package store

import (
	"context"
	"time"

	"gatehouse/idp"
)

type outboxRow struct {
	ID          string `gorm:"primaryKey"`
	Kind        string
	Body        []byte
	Attempts    int64
	LastError   string
	CreatedAt   time.Time
	NextAt      time.Time
	ExpiresAt   time.Time
	DeliveredAt *time.Time
}

func (outboxRow) TableName() string { return "outbox" }

// Delivery is something that has to reach somebody outside: a mail, a logout
// token. Its body is sealed, and erased once it was delivered.
type Delivery struct {
	ID        string
	Kind      string
	Body      []byte
	Attempts  int
	CreatedAt time.Time
	NextAt    time.Time
	ExpiresAt time.Time
}

// Enqueue stores a delivery in the transaction of what it tells about.
func (s *Store) Enqueue(ctx context.Context, d Delivery) error {
	return written(s.writer(ctx).Create(&outboxRow{
		ID: d.ID, Kind: d.Kind, Body: d.Body, Attempts: int64(d.Attempts),
		CreatedAt: d.CreatedAt, NextAt: d.NextAt, ExpiresAt: d.ExpiresAt,
	}).Error, "delivery")
}

// FinishDelivery marks a delivery as done and erases its body. idp.ErrUsed:
// another replica has finished it.
func (s *Store) FinishDelivery(ctx context.Context, id string, at time.Time) error {
	return once(s.writer(ctx).Model(&outboxRow{}).
		Where("id = ? AND delivered_at IS NULL", id).
		UpdateColumns(map[string]any{"delivered_at": at, "body": []byte{}}), "delivery", idp.ErrUsed)
}
