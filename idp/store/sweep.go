package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gatehouse/idp"
)

// Retention is how long what no longer works is kept for those who ask what
// happened.
type Retention struct {
	Audit time.Duration // zero: for ever
}

// The sweeper's bounds: small batches, so that it never holds a lock that a
// sign-in would notice, and a pause of ours between them.
const (
	sweepBatch      = 500
	endedSessions   = 24 * time.Hour       // sessions stay this long after their end
	doneDeliveries  = 7 * 24 * time.Hour   // deliveries stay this long, to be looked at
	unredeemed      = 2 * time.Minute      // codes that were not redeemed, for late clients
	unpolled        = 5 * time.Minute      // devices, so that their next polls hear that they expired
	addressCounters = 24 * time.Hour       // failures of an address
	accountCounters = 365 * 24 * time.Hour // failures of an account or factor
	knownBrowsers   = 400 * 24 * time.Hour // as long as the cookie lasts
	countedHours    = 400 * 24 * time.Hour // what was counted of the audit log
	invitations     = 30 * 24 * time.Hour  // that were not accepted stay this long, to be sent again
)

// Sweep removes what has expired: flows, requests, tokens, the tombstones of
// codes and grants, sessions, counters, keys, deliveries and audit events beyond
// their retention. It returns how many rows it removed, and may be run by all
// replicas at once.
func (s *Store) Sweep(ctx context.Context, now time.Time, keep Retention) (int64, error) {
	rules := []struct {
		table, key, where string
		before            time.Time
	}{
		{"flows", "id", "expires_at < ?", now},
		{"requests", "id", "expires_at < ?", now},
		// It was not gone on with in time, and its flow is gone with the first rule.
		{
			"requests", "id", "expires_at < ? AND done_at IS NULL AND NOT EXISTS (SELECT 1 FROM flows f WHERE f.request_id = requests.id)",
			now.Add(idp.FlowLifetime - idp.OpenLifetime),
		},
		{"device_authorizations", "code_hash", "expires_at < ?", now.Add(-unpolled)},
		{"dpop_proofs", "id", "expires_at < ?", now},
		{"tokens", "id", "expires_at < ?", now},
		{"service_tokens", "id", "expires_at < ?", now},
		{"grants", "id", "expires_at < ?", now},
		{"grants", "id", "code_expires_at < ? AND code_used_at IS NULL", now.Add(-unredeemed)},
		{"sessions", "id", "expires_at < ?", now.Add(-endedSessions)},
		{"sessions", "id", "ended_at < ?", now.Add(-endedSessions)},
		{"throttles", "key", "last_at < ? AND kind IN ('address', 'mail', 'mail-address', 'confirm', 'confirm-mail', 'device')", now.Add(-addressCounters)},
		{"throttles", "key", "last_at < ?", now.Add(-accountCounters)},
		{"signing_keys", "id", "expires_at < ?", now},
		{"outbox", "id", "expires_at < ?", now.Add(-doneDeliveries)},
		{"outbox", "id", "done_at < ?", now.Add(-doneDeliveries)},
		{"links", "id", "expires_at < ? AND (kind <> 'invitation' OR used_at IS NOT NULL)", now},
		{"links", "id", "expires_at < ?", now.Add(-invitations)},
		{"pushed_requests", "hash", "kept_until < ?", now},
		{"used_ids", "hash", "expires_at < ?", now},
		{"upstream_logouts", "hash", "expires_at < ?", now},
		{"trusted_browsers", "id", "expires_at < ?", now},
		{"activity", "hour", "hour < ?", now.Add(-countedHours)},
		{"audit_events", "id", "at < ?", now.Add(-keep.Audit)},
	}
	var removed int64
	for _, r := range rules {
		if r.table == "audit_events" && keep.Audit == 0 {
			continue
		}
		n, err := s.sweep(ctx, fmt.Sprintf("DELETE FROM %s WHERE %s IN (SELECT %s FROM %s WHERE %s LIMIT %d)",
			r.table, r.key, r.key, r.table, r.where, sweepBatch), r.before)
		removed += n
		if err != nil {
			return removed, fmt.Errorf("sweep %s: %w", r.table, err)
		}
	}
	n, err := s.sweepPasswords(ctx)
	removed += n
	if err != nil {
		return removed, fmt.Errorf("sweep passwords: %w", err)
	}
	n, err = s.sweep(ctx, "DELETE FROM known_browsers WHERE last_seen_at < ?", now.Add(-knownBrowsers))
	return removed + n, err
}

func (s *Store) sweep(ctx context.Context, statement string, before time.Time) (int64, error) {
	var removed int64
	for {
		r := s.writer(ctx).Exec(statement, before)
		removed += max(0, r.RowsAffected)
		if r.Error != nil || r.RowsAffected < sweepBatch {
			return removed, r.Error
		}
	}
}

// auditRetention is the setting that says how long a database keeps audit events.
const auditRetention = "audit.retention"

// KeepAudit has the database say how long it keeps audit events, where it does not yet.
func (s *Store) KeepAudit(ctx context.Context, d time.Duration) error {
	_, err := s.CreateSetting(ctx, auditRetention, []byte(d.String()), false)
	return err
}

// AuditRetention is how long the database says that it keeps audit events, zero for
// ever.
func (s *Store) AuditRetention(ctx context.Context) (time.Duration, error) {
	value, err := s.Setting(ctx, auditRetention)
	if errors.Is(err, idp.ErrNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	d, err := time.ParseDuration(string(value))
	if err != nil {
		return 0, fmt.Errorf("read setting %s: %w", auditRetention, err)
	}
	return d, nil
}
