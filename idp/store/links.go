package store

import (
	"context"
	"time"

	"gatehouse/idp"
)

type linkRow struct {
	ID           string `gorm:"primaryKey"`
	Kind         string
	Hash         []byte
	PopulationID string
	UserID       string
	Email        string
	CreatedAt    time.Time
	ExpiresAt    time.Time
	UsedAt       *time.Time
}

func (linkRow) TableName() string { return "links" }

func (r linkRow) link() idp.Link {
	return idp.Link{
		ID: r.ID, Kind: idp.LinkKind(r.Kind), Hash: r.Hash, PopulationID: r.PopulationID, UserID: r.UserID, Email: r.Email,
		CreatedAt: r.CreatedAt.UTC(), ExpiresAt: r.ExpiresAt.UTC(), UsedAt: orZero(r.UsedAt),
	}
}

// CreateLink stores a link.
func (s *Store) CreateLink(ctx context.Context, l idp.Link) error {
	return written(s.writer(ctx).Create(&linkRow{
		ID: l.ID, Kind: string(l.Kind), Hash: l.Hash, PopulationID: l.PopulationID, UserID: l.UserID, Email: l.Email,
		CreatedAt: l.CreatedAt, ExpiresAt: l.ExpiresAt, UsedAt: orNull(l.UsedAt),
	}).Error, "link")
}

// Link reads a link by its hash, used and expired ones too.
func (s *Store) Link(ctx context.Context, kind idp.LinkKind, hash []byte) (idp.Link, error) {
	var r linkRow
	err := s.reader(ctx).Where("hash = ? AND kind = ?", hash, string(kind)).Take(&r).Error
	return r.link(), found(err, "link")
}

// NewestLink reads the newest link of a kind and user, used and expired ones too.
func (s *Store) NewestLink(ctx context.Context, kind idp.LinkKind, userID string) (idp.Link, error) {
	var r linkRow
	err := s.reader(ctx).Where("kind = ? AND user_id = ?", string(kind), userID).Order("id DESC").Take(&r).Error
	return r.link(), found(err, "link")
}

// UseLink consumes a link. Of any number of calls one returns nil, the others
// idp.ErrUsed; so does one that comes too late.
func (s *Store) UseLink(ctx context.Context, id string, at time.Time) error {
	return once(s.writer(ctx).Model(&linkRow{}).Where("id = ? AND used_at IS NULL AND expires_at > ?", id, at).
		UpdateColumn("used_at", at), "link", idp.ErrUsed)
}

// DropLinks removes the unused links of a kind and user: the newest one alone shall
// work.
func (s *Store) DropLinks(ctx context.Context, kind idp.LinkKind, userID string) error {
	return written(s.writer(ctx).Where("kind = ? AND user_id = ? AND used_at IS NULL", string(kind), userID).
		Delete(&linkRow{}).Error, "link")
}

// HasHolder tells whether an enabled user holds a role.
func (s *Store) HasHolder(ctx context.Context, roleID string) (bool, error) {
	var n int64
	err := s.reader(ctx).Raw(`SELECT COUNT(*) FROM (SELECT 1 FROM user_roles r JOIN users u ON u.id = r.user_id
		WHERE r.role_id = ? AND NOT u.disabled LIMIT 1) AS holders`, roleID).Scan(&n).Error
	return n > 0, found(err, "holders of a role")
}
