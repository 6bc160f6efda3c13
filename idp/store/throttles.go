package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"gatehouse/idp"
	"gatehouse/mfa"
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
	LastAt   time.Time
	NextAt   time.Time // no attempt before this moment
}

// Budget is one counter, and by which rule it admits an attempt.
type Budget struct {
	Key  []byte
	Kind string
	// Free is from which failure on the next attempt waits: Waits[0] after that one,
	// Waits[1] after the next, the last of Waits after all others.
	Free  int
	Waits []time.Duration
	// Cap is at how many failures it admits none, zero for never.
	Cap int
	// Memory is after how long a quiet counter begins anew, zero for never.
	Memory time.Duration
}

// Throttles reads the counters of the keys that have one.
func (s *Store) Throttles(ctx context.Context, keys [][]byte) ([]Throttle, error) {
	var rows []throttleRow
	if err := s.reader(ctx).Where("key IN ?", keys).Find(&rows).Error; err != nil {
		return nil, found(err, "throttles")
	}
	list := make([]Throttle, len(rows))
	for i, r := range rows {
		list[i] = Throttle{Key: r.Key, Kind: r.Kind, Failures: int(r.Failures), LastAt: r.LastAt.UTC(), NextAt: r.NextAt.UTC()}
	}
	return list, nil
}

// CountAttempt counts an attempt in each budget, or in none where one of them does
// not admit it now: then it fails with idp.ErrConflict. The statement that counts is
// the one that admits, so that attempts at once cannot share what is left. It returns
// the failures that each budget has if this attempt fails too. In a transaction of the
// caller, that one has to be given up where an attempt is not admitted.
//
// All attempts take their budgets in the order given; callers give those of many
// people last, which are then held for the shortest time.
func (s *Store) CountAttempt(ctx context.Context, now time.Time, budgets []Budget) ([]int, error) {
	failures := make([]int, len(budgets))
	err := s.Do(ctx, func(ctx context.Context) error {
		for i, b := range budgets {
			text, args := b.count(now)
			err := s.writer(ctx).Raw(text, args...).Take(&failures[i]).Error
			if errors.Is(err, gorm.ErrRecordNotFound) {
				return fmt.Errorf("throttle: %w", idp.ErrConflict)
			}
			if err != nil {
				return written(err, "throttle")
			}
		}
		return nil
	})
	return failures, err
}

// count is the statement that admits an attempt and counts it. What is free does not
// ask for the time: of attempts at once, one may have read the clock before another
// that was counted first. The key does not stand
// right after a parenthesis, where GORM takes bytes for a list.
func (b Budget) count(now time.Time) (string, []any) {
	failures, failuresArgs := "throttles.failures + 1", []any(nil)
	if b.Memory > 0 {
		failures, failuresArgs = "CASE WHEN throttles.last_at < ? THEN 1 ELSE throttles.failures + 1 END", []any{now.Add(-b.Memory)}
	}
	next, nextArgs := b.next(failures, failuresArgs, now)
	text := "INSERT INTO throttles (kind, key, failures, last_at, next_at) VALUES (?, ?, 1, ?, ?) " +
		"ON CONFLICT (key) DO UPDATE SET failures = " + failures + ", last_at = excluded.last_at, next_at = " + next +
		" WHERE (throttles.failures < ? OR throttles.next_at <= excluded.last_at)"
	args := slices.Concat([]any{b.Kind, b.Key, now, now.Add(b.wait(1))}, failuresArgs, nextArgs, []any{b.Free})
	if b.Cap > 0 {
		text, args = text+" AND throttles.failures < ?", append(args, b.Cap)
	}
	return text + " RETURNING failures", args
}

// next computes when the next attempt is admitted, after so many failures. The first
// branch has the type of a time, which PostgreSQL gives to all the others.
func (b Budget) next(failures string, failuresArgs []any, now time.Time) (string, []any) {
	text, args := "CASE WHEN "+failures+" < ? THEN excluded.last_at", append(slices.Clone(failuresArgs), b.Free)
	for i, wait := range b.Waits[:len(b.Waits)-1] {
		text += " WHEN " + failures + " = ? THEN ?"
		args = append(append(args, failuresArgs...), b.Free+i, now.Add(wait))
	}
	return text + " ELSE ? END", append(args, now.Add(b.Waits[len(b.Waits)-1]))
}

// wait is how long the next attempt waits after so many failures.
func (b Budget) wait(failures int) time.Duration {
	if failures < b.Free {
		return 0
	}
	return b.Waits[min(failures-b.Free, len(b.Waits)-1)]
}

// ForgiveAttempt takes back one counted failure of each key: the attempt was
// right, but other people share the key (an address); or it was not made.
func (s *Store) ForgiveAttempt(ctx context.Context, keys [][]byte) error {
	for _, key := range keys { // each alone: they are taken in the order given
		r := s.writer(ctx).Model(&throttleRow{}).Where("key = ? AND failures > 0", key).
			UpdateColumns(map[string]any{"failures": gorm.Expr("failures - 1"), "next_at": gorm.Expr("last_at")})
		if r.Error != nil {
			return written(r.Error, "throttle")
		}
	}
	return nil
}

// ClearThrottles forgets the failures of keys.
func (s *Store) ClearThrottles(ctx context.Context, keys [][]byte) error {
	return written(s.writer(ctx).Where("key IN ?", keys).Delete(&throttleRow{}).Error, "throttle")
}

type knownBrowserRow struct {
	UserID      string `gorm:"primaryKey"`
	BrowserHash []byte `gorm:"primaryKey"`
	LastSeenAt  time.Time
	// SecondStep: any second step was proved there. Authenticator: the authenticator, or
	// a recovery code in its place.
	SecondStep, Authenticator bool
}

func (knownBrowserRow) TableName() string { return "known_browsers" }

// KnowsBrowser tells whether a user finished a sign-in in a browser before.
func (s *Store) KnowsBrowser(ctx context.Context, userID string, browserHash []byte) (bool, error) {
	var n int64
	err := s.reader(ctx).Model(&knownBrowserRow{}).
		Where("user_id = ? AND browser_hash = ?", userID, browserHash).Count(&n).Error
	return n > 0, found(err, "known browser")
}

// RememberBrowser records that a user finished a sign-in in a browser, by which second
// steps. What was ever proved there stays recorded.
func (s *Store) RememberBrowser(ctx context.Context, userID string, browserHash []byte, at time.Time, steps ...idp.Method) error {
	row := knownBrowserRow{
		UserID: userID, BrowserHash: browserHash, LastSeenAt: at, SecondStep: len(steps) > 0,
		Authenticator: slices.ContainsFunc(steps, mfa.IsStrong),
	}
	update := []string{"last_seen_at"}
	if row.SecondStep {
		update = append(update, "second_step")
	}
	if row.Authenticator {
		update = append(update, "authenticator")
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
