package store

import (
	"context"
	"database/sql"
	"sync"
)

// mostPrepared is how many statements stay prepared. Others run as they are.
const mostPrepared = 256

// readPool keeps the statements of a pool prepared. Each caller prepares what is missing
// within their own time and waits for no other who does the same. With GORM's, one that
// gives up makes all fail that wait for the same statement.
type readPool struct {
	*sql.DB
	mu       sync.RWMutex
	prepared map[string]*statement
}

// GetDBConn implements gorm.GetDBConnector.
func (p *readPool) GetDBConn() (*sql.DB, error) { return p.DB, nil }

// statement stays open for as long as its pool does.
type statement struct{ *sql.Stmt }

// statement is nil for one that runs as it is.
func (p *readPool) statement(ctx context.Context, query string) (*statement, error) {
	p.mu.RLock()
	s, full := p.prepared[query], len(p.prepared) >= mostPrepared
	p.mu.RUnlock()
	if s != nil || full {
		return s, nil
	}
	mine, err := p.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if first := p.prepared[query]; first != nil {
		defer func() { _ = mine.Close() }()
		return first, nil
	}
	s = &statement{mine}
	p.prepared[query] = s
	return s, nil
}

// QueryContext implements gorm.ConnPool.
func (p *readPool) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	s, err := p.statement(ctx, query)
	switch {
	case err != nil:
		return nil, err
	case s == nil:
		return p.DB.QueryContext(ctx, query, args...)
	}
	return s.QueryContext(ctx, args...)
}

// QueryRowContext implements gorm.ConnPool. The row says what is wrong.
func (p *readPool) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	s, err := p.statement(ctx, query)
	if err != nil || s == nil {
		return p.DB.QueryRowContext(ctx, query, args...)
	}
	return s.QueryRowContext(ctx, args...)
}
