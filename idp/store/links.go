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
	EmailKey     []byte
	Body         []byte
	CreatedAt    time.Time
	ExpiresAt    time.Time
	UsedAt       *time.Time
}

func (linkRow) TableName() string { return "links" }

func (r linkRow) link() idp.Link {
	return idp.Link{
		ID: r.ID, Kind: idp.LinkKind(r.Kind), Hash: r.Hash, PopulationID: r.PopulationID, UserID: r.UserID, Email: r.Email,
		Body: r.Body, CreatedAt: r.CreatedAt.UTC(), ExpiresAt: r.ExpiresAt.UTC(), UsedAt: orZero(r.UsedAt),
	}
}

// CreateLink stores a link. idp.ErrConflict: the address is invited already.
func (s *Store) CreateLink(ctx context.Context, l idp.Link) error {
	return written(s.writer(ctx).Create(&linkRow{
		ID: l.ID, Kind: string(l.Kind), Hash: l.Hash, PopulationID: l.PopulationID, UserID: l.UserID, Email: l.Email,
		EmailKey: notNil(idp.EmailKey(l.Email)), Body: notNil(l.Body),
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

// LinkByID reads a link by its id, used and expired ones too.
func (s *Store) LinkByID(ctx context.Context, kind idp.LinkKind, id string) (idp.Link, error) {
	var r linkRow
	err := s.reader(ctx).Where("id = ? AND kind = ?", id, string(kind)).Take(&r).Error
	return r.link(), found(err, "link")
}

// Invitations reads invitations that were not accepted, expired ones too, the newest
// first. beforeID is the last of the page before; an empty population means all.
func (s *Store) Invitations(ctx context.Context, population, beforeID string, limit int) ([]idp.Link, error) {
	query := s.reader(ctx).Where("kind = ? AND used_at IS NULL", string(idp.InvitationLink))
	if population != "" {
		query = query.Where("population_id = ?", population)
	}
	if beforeID != "" {
		query = query.Where("id < ?", beforeID)
	}
	var rows []linkRow
	err := query.Order("id DESC").Limit(limit).Find(&rows).Error
	list := make([]idp.Link, len(rows))
	for i, r := range rows {
		list[i] = r.link()
	}
	return list, found(err, "invitations")
}

// InvitationOf reads the invitation of an address that was not accepted, expired or
// not.
func (s *Store) InvitationOf(ctx context.Context, population, email string) (idp.Link, error) {
	var r linkRow
	err := s.reader(ctx).Where("kind = 'invitation' AND population_id = ? AND email_key = ? AND used_at IS NULL",
		population, idp.EmailKey(email)).Take(&r).Error
	return r.link(), found(err, "invitation")
}

// KeepNewestLinks removes all but the newest unused links of a kind by which a person with
// an address could come.
func (s *Store) KeepNewestLinks(ctx context.Context, kind idp.LinkKind, population, email string, newest int) error {
	const those = "kind = ? AND population_id = ? AND email_key = ? AND used_at IS NULL"
	args := []any{string(kind), population, notNil(idp.EmailKey(email))}
	kept := s.writer(ctx).Model(&linkRow{}).Select("id").Where(those, args...).Order("id DESC").Limit(newest)
	return written(s.writer(ctx).Where(those, args...).Where("id NOT IN (?)", kept).Delete(&linkRow{}).Error, "link")
}

// RenewLink gives a link that was not used another token, what belongs to it with that, and
// more time. idp.ErrUsed: it was used, or is gone.
func (s *Store) RenewLink(ctx context.Context, id string, hash, body []byte, expires time.Time) error {
	return once(s.writer(ctx).Model(&linkRow{}).Where("id = ? AND used_at IS NULL", id).
		UpdateColumns(map[string]any{"hash": hash, "body": notNil(body), "expires_at": expires}), "link", idp.ErrUsed)
}

// UseLink consumes a link, and erases what belongs to it. Of any number of calls one
// returns nil, the others idp.ErrUsed; so does one that comes too late, or with the
// hash of a token that was replaced.
func (s *Store) UseLink(ctx context.Context, l idp.Link, at time.Time) error {
	return once(s.writer(ctx).Model(&linkRow{}).
		Where("id = ? AND hash = ? AND used_at IS NULL AND expires_at > ?", l.ID, l.Hash, at).
		UpdateColumns(map[string]any{"used_at": at, "body": []byte{}}), "link", idp.ErrUsed)
}

// DropLink removes a link that was not used. idp.ErrUsed: it was, or is gone.
func (s *Store) DropLink(ctx context.Context, id string) error {
	return once(s.writer(ctx).Where("id = ? AND used_at IS NULL", id).Delete(&linkRow{}), "link", idp.ErrUsed)
}

// DropLinks removes the unused links of a kind and user.
func (s *Store) DropLinks(ctx context.Context, kind idp.LinkKind, userID string) error {
	return written(s.writer(ctx).Where("kind = ? AND user_id = ? AND used_at IS NULL", string(kind), userID).
		Delete(&linkRow{}).Error, "link")
}

// DropLinksOf removes every link of a user, used ones too.
func (s *Store) DropLinksOf(ctx context.Context, userID string) error {
	return written(s.writer(ctx).Where("user_id = ?", userID).Delete(&linkRow{}).Error, "link")
}

// DropPending removes the unused links of a kind by which an address could get an
// account.
func (s *Store) DropPending(ctx context.Context, kind idp.LinkKind, population, email string) error {
	return written(s.writer(ctx).Where("kind = ? AND population_id = ? AND email_key = ? AND used_at IS NULL",
		string(kind), population, idp.EmailKey(email)).Delete(&linkRow{}).Error, "link")
}

// DropExpiredInvitation makes room for another invitation of an address.
func (s *Store) DropExpiredInvitation(ctx context.Context, population, email string, now time.Time) error {
	return written(s.writer(ctx).Where("kind = ? AND population_id = ? AND email_key = ? AND used_at IS NULL AND expires_at <= ?",
		string(idp.InvitationLink), population, idp.EmailKey(email), now).Delete(&linkRow{}).Error, "link")
}

// HasHolder tells whether an enabled user holds a role.
func (s *Store) HasHolder(ctx context.Context, roleID string) (bool, error) {
	var n int64
	err := s.reader(ctx).Raw(`SELECT COUNT(*) FROM (SELECT 1 FROM user_roles r JOIN users u ON u.id = r.user_id
		WHERE r.role_id = ? AND NOT u.disabled LIMIT 1) AS holders`, roleID).Scan(&n).Error
	return n > 0, found(err, "holders of a role")
}
