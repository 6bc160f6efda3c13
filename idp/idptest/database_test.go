package idptest

import (
	"testing"
	"time"
)

func TestAgeMovesTheGivenTimesToTheMicrosecond(t *testing.T) {
	Databases(t, func(t *testing.T, db *Database) {
		w := db.World(t)
		const by = 90*time.Minute + 7*time.Microsecond
		db.Age(t, "sessions", by, "created_at", "expires_at")
		got, err := db.Session(t.Context(), w.Session.ID)
		Must(t, err)
		if !got.CreatedAt.Equal(w.Session.CreatedAt.Add(-by)) || !got.ExpiresAt.Equal(w.Session.ExpiresAt.Add(-by)) {
			t.Errorf("the times are now %v and %v", got.CreatedAt, got.ExpiresAt)
		}
		if !got.LastSeenAt.Equal(w.Session.LastSeenAt) || !got.EndedAt.IsZero() {
			t.Errorf("other times moved too: %v, %v", got.LastSeenAt, got.EndedAt)
		}
		db.Age(t, "sessions", by)
		if got, _ := db.Session(t.Context(), w.Session.ID); !got.LastSeenAt.Equal(w.Session.LastSeenAt.Add(-by)) {
			t.Errorf("without columns, last_seen_at is %v", got.LastSeenAt)
		}
	})
}

func TestReplicasShareRows(t *testing.T) {
	Databases(t, func(t *testing.T, db *Database) {
		w := db.World(t)
		if _, err := db.Replica(t).User(t.Context(), w.User.ID); err != nil {
			t.Error(err)
		}
	})
}

func TestRaceRunsEveryCall(t *testing.T) {
	for i, got := range Race(50, func(i int) int { return i + 1 }) {
		if got != i+1 {
			t.Errorf("call %d gave %d", i, got)
		}
	}
}
