package store

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

const (
	// connectWithin is how long making a connection to PostgreSQL may take: where nothing
	// answers, it holds a place in the pool for that long. The URL's connect_timeout may say
	// otherwise.
	connectWithin = 5 * time.Second
	// pongWithin is how long a connection that was idle has to show that it lives.
	pongWithin = 2 * time.Second
	// idleLong is after how long an idle connection is asked before it is used.
	idleLong = time.Second
)

// findBroken has the pool find out that a connection is broken before a statement is sent on
// it: after that nobody knows whether the statement ran, and it is not repeated.
func findBroken(cfg *pgxpool.Config) {
	if cfg.ConnConfig.ConnectTimeout == 0 {
		cfg.ConnConfig.ConnectTimeout = connectWithin
	}
	cfg.PingTimeout = pongWithin
	cfg.ShouldPing = func(_ context.Context, p pgxpool.ShouldPingParams) bool {
		return p.IdleDuration > idleLong || hasNews(p.Conn.PgConn().Conn())
	}
}
