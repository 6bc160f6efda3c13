package store

import (
	"context"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"gatehouse/idp"
)

type throttleRow struct {
	Key      []byte `gorm:"primaryKey"`
	Kind     string
	Failures int64
	LastAt   time.Time
	NextAt   time.Time
}

func (throttleRow) TableName() string { return "throttles" }

// Throttle counts the consecutive failures of one key.
type Throttle struct {
	Key      []byte
	Kind     string
	Failures int
	Was      int // what Failures was when it was read
	LastAt   time.Time
	NextAt   time.Time // no attempt before this moment
	// Shared: many people count here at once (an address). Counting then adds to
	// whatever stands, and nobody loses to the others.
	Shared bool
}

// Throttles reads the counters of the keys that have one.
func (s *Store) Throttles(ctx context.Context, keys [][]byte) ([]Throttle, error) {
	var rows []throttleRow
	if err := s.reader(ctx).Where("key IN ?", keys).Find(&rows).Error; err != nil {
		return nil, found(err, "throttles")
	}
	list := make([]Throttle, len(rows))
	for i, r := range rows {
		list[i] = Throttle{Key: r.Key, Kind: r.Kind, Failures: int(r.Failures), Was: int(r.Failures), LastAt: r.LastAt.UTC(), NextAt: r.NextAt.UTC()}
	}
	return list, nil
}

// CountAttempt writes each counter as given, provided that it still stands where
// it was read: an attempt is counted before it is made, so that parallel guesses
// cannot share one. idp.ErrConflict: another attempt came in between.
func (s *Store) CountAttempt(ctx context.Context, counters []Throttle) error {
	return s.Do(ctx, func(ctx context.Context) error {
		for _, t := range counters {
			row := throttleRow{Key: t.Key, Kind: t.Kind, Failures: int64(t.Failures), LastAt: t.LastAt, NextAt: t.NextAt}
			r := s.writer(ctx).Clauses(t.onConflict()).Create(&row)
			if err := once(r, "throttle", idp.ErrConflict); err != nil {
				return err
			}
		}
		return nil
	})
}

// onConflict is what counting does where the key has a counter already.
func (t Throttle) onConflict() clause.OnConflict {
	c := clause.OnConflict{
		Columns:   []clause.Column{{Name: "key"}},
		DoUpdates: clause.AssignmentColumns([]string{"failures", "last_at", "next_at"}),
	}
	if t.Shared {
		if t.Failures > t.Was { // else it was forgotten, and begins anew
			c.DoUpdates[0].Value = gorm.Expr("throttles.failures + ?", t.Failures-t.Was)
		}
		return c
	}
	c.Where = clause.Where{Exprs: []clause.Expression{
		clause.Eq{Column: clause.Column{Table: "throttles", Name: "failures"}, Value: t.Was},
	}}
	return c
}

// ForgiveAttempt takes back one counted failure of each key: the attempt was
// right, but other people share the key (an address).
func (s *Store) ForgiveAttempt(ctx context.Context, keys [][]byte) error {
	return written(s.writer(ctx).Model(&throttleRow{}).Where("key IN ? AND failures > 0", keys).
		UpdateColumns(map[string]any{"failures": gorm.Expr("failures - 1"), "next_at": gorm.Expr("last_at")}).Error, "throttle")
}

// ClearThrottles forgets the failures of keys.
func (s *Store) ClearThrottles(ctx context.Context, keys [][]byte) error {
	return written(s.writer(ctx).Where("key IN ?", keys).Delete(&throttleRow{}).Error, "throttle")
}

type knownBrowserRow struct {
	UserID      string `gorm:"primaryKey"`
	BrowserHash []byte `gorm:"primaryKey"`
	LastSeenAt  time.Time
	SecondStep  bool
}

func (knownBrowserRow) TableName() string { return "known_browsers" }

// KnowsBrowser tells whether a user finished a sign-in in a browser before.
func (s *Store) KnowsBrowser(ctx context.Context, userID string, browserHash []byte) (bool, error) {
	var n int64
	err := s.reader(ctx).Model(&knownBrowserRow{}).
		Where("user_id = ? AND browser_hash = ?", userID, browserHash).Count(&n).Error
	return n > 0, found(err, "known browser")
}

// RememberBrowser records that a user finished a sign-in in a browser, and whether
// they ever proved a second step there.
func (s *Store) RememberBrowser(ctx context.Context, userID string, browserHash []byte, secondStep bool, at time.Time) error {
	row := knownBrowserRow{UserID: userID, BrowserHash: browserHash, LastSeenAt: at, SecondStep: secondStep}
	update := []string{"last_seen_at"}
	if secondStep {
		update = append(update, "second_step")
	}
	return written(s.writer(ctx).Clauses(clause.OnConflict{
		Columns:   []clause.Column{{Name: "user_id"}, {Name: "browser_hash"}},
		DoUpdates: clause.AssignmentColumns(update),
	}).Create(&row).Error, "known browser")
}

// KnowsAnyBrowser tells whether a user finished a sign-in in any browser before.
func (s *Store) KnowsAnyBrowser(ctx context.Context, userID string) (bool, error) {
	var n int64
	err := s.reader(ctx).Model(&knownBrowserRow{}).Where("user_id = ?", userID).Limit(1).Count(&n).Error
	return n > 0, found(err, "known browser")
}

// KnownBrowsers lists the browsers in which a user finished a sign-in before, the
// newest thousand.
func (s *Store) KnownBrowsers(ctx context.Context, userID string) ([][]byte, error) {
	var rows []knownBrowserRow
	err := s.reader(ctx).Where("user_id = ?", userID).Order("last_seen_at DESC").Limit(1000).Find(&rows).Error
	hashes := make([][]byte, len(rows))
	for i, r := range rows {
		hashes[i] = r.BrowserHash
	}
	return hashes, found(err, "known browsers")
}
