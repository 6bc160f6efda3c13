package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"

	"gatehouse/migrations"
)

// MigrationState is one migration and whether it was applied.
type MigrationState struct {
	Version int64
	Name    string
	Applied bool
}

// Migrate applies all migrations that are missing. Processes that start together do so
// one after the other. A program that is too old for the schema is refused.
func (s *Store) Migrate(ctx context.Context) error {
	return s.Alone(ctx, func(ctx context.Context) error {
		if err := s.Compatible(ctx); err != nil {
			return err
		}
		if err := s.migrating(func(p *goose.Provider) error {
			_, err := p.Up(ctx)
			return err
		}); err != nil {
			return fmt.Errorf("migrate up: %w", err)
		}
		return s.signMigrations(ctx)
	})
}

// MigrateDown takes back the newest migration, and with it the data it holds.
func (s *Store) MigrateDown(ctx context.Context) error {
	return s.Alone(ctx, func(ctx context.Context) error {
		if err := s.Compatible(ctx); err != nil {
			return err
		}
		if err := s.migrating(func(p *goose.Provider) error {
			_, err := p.Down(ctx)
			return err
		}); err != nil && !errors.Is(err, goose.ErrNoNextVersion) {
			return fmt.Errorf("migrate down: %w", err)
		}
		return nil
	})
}

// MigrationStatus lists all migrations, oldest first.
func (s *Store) MigrationStatus(ctx context.Context) ([]MigrationState, error) {
	var rows []*goose.MigrationStatus
	if err := s.migrating(func(p *goose.Provider) (err error) {
		rows, err = p.Status(ctx)
		return err
	}); err != nil {
		return nil, fmt.Errorf("read migration status: %w", err)
	}
	states := make([]MigrationState, 0, len(rows))
	for _, r := range rows {
		states = append(states, MigrationState{
			Version: r.Source.Version, Name: r.Source.Path, Applied: r.State == goose.StateApplied,
		})
	}
	return states, nil
}

// Pending tells whether a migration is missing. It fails for a program that is too
// old for the schema.
func (s *Store) Pending(ctx context.Context) (bool, error) {
	if err := s.Compatible(ctx); err != nil {
		return false, err
	}
	var pending bool
	if err := s.migrating(func(p *goose.Provider) (err error) {
		pending, err = p.HasPending(ctx)
		return err
	}); err != nil {
		return false, fmt.Errorf("read migration status: %w", err)
	}
	return pending, nil
}

// migrating runs fn with the migrations. On PostgreSQL they have a connection of their own:
// past any pooler, and without the limits for statements of requests.
func (s *Store) migrating(fn func(*goose.Provider) error) error {
	dialect, pool, done := goose.DialectSQLite3, s.pools[0], func() error { return nil }
	if s.dialect == "postgres" {
		cfg, err := pgx.ParseConfig(s.address)
		if err != nil {
			return fmt.Errorf("read the database URL: %w", err)
		}
		cfg.RuntimeParams["timezone"] = "UTC"
		dialect, pool = goose.DialectPostgres, stdlib.OpenDB(*cfg)
		done = pool.Close
	}
	p, err := goose.NewProvider(dialect, pool, fs.FS(migrations.Files), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return errors.Join(fmt.Errorf("read the migrations: %w", err), done())
	}
	return errors.Join(fn(p), done())
}
