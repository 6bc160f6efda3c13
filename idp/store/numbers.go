package store

import (
	"context"
	"database/sql"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// Pool is how a pool of connections is doing. Waits and Waited grow for as long as the
// process lives.
type Pool struct {
	Name             string
	Max, InUse, Idle int
	Waits            int64
	Waited           time.Duration
}

// Pools reads the numbers of all pools. It asks nothing of the database.
func (s *Store) Pools() []Pool { return s.stats() }

func poolOf(name string, s sql.DBStats) Pool {
	return Pool{name, s.MaxOpenConnections, s.InUse, s.Idle, s.WaitCount, s.WaitDuration}
}

func pgPoolOf(name string, s *pgxpool.Stat) Pool {
	return Pool{name, int(s.MaxConns()), int(s.AcquiredConns()), int(s.IdleConns()), s.EmptyAcquireCount(), s.EmptyAcquireWaitTime()}
}

// Backlog is what waits in the outbox of one kind.
type Backlog struct {
	Kind     string
	Waiting  int64
	OldestAt time.Time
}

// Backlogs reads what waits in the outbox.
func (s *Store) Backlogs(ctx context.Context) ([]Backlog, error) {
	var list []Backlog
	err := s.reader(ctx).Raw(`SELECT k.*,
		(SELECT o.created_at FROM outbox o WHERE o.kind = k.kind AND o.done_at IS NULL ORDER BY o.created_at LIMIT 1) AS oldest_at
		FROM (SELECT kind, COUNT(*) AS waiting FROM outbox WHERE done_at IS NULL GROUP BY kind) AS k ORDER BY k.kind`).Scan(&list).Error
	return list, found(err, "deliveries")
}

// SessionCounts counts the sessions of each population that have not ended. Those that
// expired are among them until the next run of the job that ends them.
func (s *Store) SessionCounts(ctx context.Context) (map[string]int64, error) {
	var rows []struct {
		PopulationID string
		N            int64
	}
	err := s.reader(ctx).Raw("SELECT population_id, COUNT(*) AS n FROM sessions WHERE ended_at IS NULL GROUP BY population_id").Scan(&rows).Error
	counts := map[string]int64{}
	for _, r := range rows {
		counts[r.PopulationID] = r.N
	}
	return counts, found(err, "sessions")
}
