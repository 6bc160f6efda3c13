package store

import (
	"context"
	"time"

	"gatehouse/idp"
)

// OfflineGrant is access that an app keeps while the person is signed out.
type OfflineGrant struct {
	idp.GrantState
	// LastUsedAt is when the app last asked for a token.
	LastUsedAt time.Time
}

// OfflineOf reads the grants with offline access of a user that count at this moment, the
// newest first.
func (s *Store) OfflineOf(ctx context.Context, userID string, now time.Time) ([]OfflineGrant, error) {
	var rows []grantStateJoin
	err := s.reader(ctx).Raw(selectGrantState+` WHERE g.user_id = ? AND g.offline AND g.code_used_at IS NOT NULL
		AND g.revoked_at IS NULL AND g.expires_at > ? ORDER BY g.id DESC`, userID, now).Scan(&rows).Error
	if err != nil {
		return nil, found(err, "grants")
	}
	var list []OfflineGrant
	var ids []string
	for _, r := range rows {
		state, err := r.state()
		if err != nil {
			return nil, err
		}
		if state = state.Judged(); state.Grant.Offline && state.Live(now) {
			list = append(list, OfflineGrant{GrantState: state})
			ids = append(ids, state.Grant.ID)
		}
	}
	living, err := s.refreshedAt(ctx, ids, now)
	kept := list[:0]
	for _, g := range list {
		if at, ok := living[g.Grant.ID]; ok { // else its refresh token has expired unused
			g.LastUsedAt = at
			kept = append(kept, g)
		}
	}
	return kept, err
}

// refreshedAt reads when the newest refresh token of each grant was made, if it lives.
func (s *Store) refreshedAt(ctx context.Context, grants []string, now time.Time) (map[string]time.Time, error) {
	if len(grants) == 0 {
		return nil, nil
	}
	var rows []tokenRow
	err := s.reader(ctx).Raw(`SELECT t.* FROM tokens t WHERE t.grant_id IN ? AND t.kind = 'refresh' AND t.expires_at > ?
		AND t.revoked_at IS NULL AND NOT EXISTS (SELECT 1 FROM tokens n WHERE n.previous_id = t.id)`, grants, now).Scan(&rows).Error
	at := map[string]time.Time{}
	for _, r := range rows {
		at[r.GrantID] = r.CreatedAt.UTC()
	}
	return at, found(err, "refresh tokens")
}
