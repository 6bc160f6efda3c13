package store

import (
	"context"
	"time"

	"gatehouse/idp"
)

type emailCodeRow struct {
	ID         string `gorm:"primaryKey"`
	FlowID     string
	UserID     string
	MAC        []byte `gorm:"column:mac"`
	Tries      int64
	CreatedAt  time.Time
	ExpiresAt  time.Time
	ReplacedAt *time.Time
	UsedAt     *time.Time
}

func (emailCodeRow) TableName() string { return "email_codes" }

func (r emailCodeRow) code() idp.EmailCode {
	return idp.EmailCode{
		ID: r.ID, FlowID: r.FlowID, UserID: r.UserID, MAC: r.MAC, Tries: int(r.Tries), CreatedAt: r.CreatedAt.UTC(),
		ExpiresAt: r.ExpiresAt.UTC(), ReplacedAt: orZero(r.ReplacedAt), UsedAt: orZero(r.UsedAt),
	}
}

// ReplaceEmailCode stores a new code of a flow; those before it stop working.
func (s *Store) ReplaceEmailCode(ctx context.Context, c idp.EmailCode) error {
	return s.Do(ctx, func(ctx context.Context) error {
		err := s.writer(ctx).Model(&emailCodeRow{}).Where("flow_id = ? AND replaced_at IS NULL", c.FlowID).
			UpdateColumn("replaced_at", c.CreatedAt).Error
		if err != nil {
			return written(err, "email code")
		}
		return written(s.writer(ctx).Create(&emailCodeRow{
			ID: c.ID, FlowID: c.FlowID, UserID: c.UserID, MAC: c.MAC, Tries: int64(c.Tries), CreatedAt: c.CreatedAt,
			ExpiresAt: c.ExpiresAt, ReplacedAt: orNull(c.ReplacedAt), UsedAt: orNull(c.UsedAt),
		}).Error, "email code")
	})
}

// EmailCodes reads the codes that a flow sent to a user, newest first. One flow may
// have had several users, one after the other.
func (s *Store) EmailCodes(ctx context.Context, flowID, userID string) ([]idp.EmailCode, error) {
	var rows []emailCodeRow
	if err := s.reader(ctx).Where("flow_id = ? AND user_id = ?", flowID, userID).Order("created_at DESC, id DESC").Find(&rows).Error; err != nil {
		return nil, found(err, "email codes")
	}
	list := make([]idp.EmailCode, len(rows))
	for i, r := range rows {
		list[i] = r.code()
	}
	return list, nil
}

// TryEmailCode counts one try of a code before it is made, up to most.
// idp.ErrUsed: they are used up, or the code no longer works.
func (s *Store) TryEmailCode(ctx context.Context, id string, most int) error {
	r := s.writer(ctx).Exec(`UPDATE email_codes SET tries = tries + 1
		WHERE id = ? AND tries < ? AND used_at IS NULL AND replaced_at IS NULL`, id, most)
	return once(r, "email code", idp.ErrUsed)
}

// UseEmailCode consumes a code. Of any number of calls one returns nil, the
// others idp.ErrUsed.
func (s *Store) UseEmailCode(ctx context.Context, id string, at time.Time) error {
	return once(s.writer(ctx).Model(&emailCodeRow{}).
		Where("id = ? AND used_at IS NULL AND replaced_at IS NULL AND expires_at > ?", id, at).
		UpdateColumn("used_at", at), "email code", idp.ErrUsed)
}
