package store

import (
	"context"
	"time"

	"gorm.io/gorm/clause"

	"gatehouse/idp"
)

type trustedBrowserRow struct {
	ID            string `gorm:"primaryKey"`
	UserID        string
	BrowserHash   []byte
	ACR           string `gorm:"column:acr"`
	PolicyVersion int64
	UserAgent     string
	Address       string
	CreatedAt     time.Time
	ExpiresAt     time.Time
	LastUsedAt    *time.Time
}

func (trustedBrowserRow) TableName() string { return "trusted_browsers" }

// trustedJoin is one with the fewest days that its population's policy has had since.
type trustedJoin struct {
	Trusted   trustedBrowserRow `gorm:"embedded;embeddedPrefix:t_"`
	LeastDays int64             `gorm:"column:t_least_days"`
}

// trustedColumns need a trusted browser as t and its population as p.
var trustedColumns = columns(trustedBrowserRow{}, "t") + `, COALESCE((SELECT MIN(d.trust_days) FROM policies d
	WHERE d.population_id = p.id AND d.version > t.policy_version), -1) AS t_least_days`

func (r trustedJoin) trusted() idp.TrustedBrowser {
	t := r.Trusted
	if t.ID == "" {
		return idp.TrustedBrowser{} // an outer join without a match
	}
	return idp.TrustedBrowser{
		ID: t.ID, UserID: t.UserID, BrowserHash: t.BrowserHash, ACR: idp.ACR(t.ACR), PolicyVersion: t.PolicyVersion,
		UserAgent: t.UserAgent, Address: t.Address, CreatedAt: t.CreatedAt.UTC(), ExpiresAt: t.ExpiresAt.UTC(),
		LastUsedAt: orZero(t.LastUsedAt), LeastDays: int(r.LeastDays),
	}
}

// TrustBrowser stores a browser that a person trusts, in the place of what it was trusted
// with before.
func (s *Store) TrustBrowser(ctx context.Context, b idp.TrustedBrowser) error {
	return written(s.writer(ctx).Clauses(clause.OnConflict{
		Columns:   []clause.Column{{Name: "user_id"}, {Name: "browser_hash"}},
		UpdateAll: true,
	}).Create(&trustedBrowserRow{
		ID: b.ID, UserID: b.UserID, BrowserHash: b.BrowserHash, ACR: string(b.ACR), PolicyVersion: b.PolicyVersion,
		UserAgent: b.UserAgent, Address: b.Address, CreatedAt: b.CreatedAt, ExpiresAt: b.ExpiresAt, LastUsedAt: orNull(b.LastUsedAt),
	}).Error, "trusted browser")
}

// UseTrustedBrowser records that a sign-in rests on one. idp.ErrConflict: it was forgotten
// meanwhile, and nothing may rest on it.
func (s *Store) UseTrustedBrowser(ctx context.Context, id string, at time.Time) error {
	return once(s.writer(ctx).Model(&trustedBrowserRow{}).Where("id = ?", id).
		UpdateColumn("last_used_at", at), "trusted browser", idp.ErrConflict)
}

// TrustedBrowsers reads those of a person, the newest first.
func (s *Store) TrustedBrowsers(ctx context.Context, userID string) ([]idp.TrustedBrowser, error) {
	var rows []trustedJoin
	err := s.reader(ctx).Raw("SELECT "+trustedColumns+` FROM trusted_browsers t
		JOIN users u ON u.id = t.user_id JOIN populations p ON p.id = u.population_id
		WHERE t.user_id = ? ORDER BY t.created_at DESC, t.id DESC`, userID).Scan(&rows).Error
	list := make([]idp.TrustedBrowser, len(rows))
	for i, r := range rows {
		list[i] = r.trusted()
	}
	return list, found(err, "trusted browsers")
}

// ForgetTrustedBrowser ends the trust in one. idp.ErrNotFound: the person has none of that id,
// any more.
func (s *Store) ForgetTrustedBrowser(ctx context.Context, userID, id string) error {
	return once(s.writer(ctx).Where("id = ? AND user_id = ?", id, userID).Delete(&trustedBrowserRow{}), "trusted browser", idp.ErrNotFound)
}

// ForgetTrustedBrowsers ends the trust in all of a person. Whatever changes their password or
// factors does so by itself.
func (s *Store) ForgetTrustedBrowsers(ctx context.Context, userID string) error {
	return written(s.writer(ctx).Where("user_id = ?", userID).Delete(&trustedBrowserRow{}).Error, "trusted browsers")
}
