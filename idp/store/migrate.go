package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

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
		p, err := s.migrator()
		if err != nil {
			return err
		}
		if _, err := p.Up(ctx); err != nil {
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
		p, err := s.migrator()
		if err != nil {
			return err
		}
		if _, err := p.Down(ctx); err != nil && !errors.Is(err, goose.ErrNoNextVersion) {
			return fmt.Errorf("migrate down: %w", err)
		}
		return nil
	})
}

// MigrationStatus lists all migrations, oldest first.
func (s *Store) MigrationStatus(ctx context.Context) ([]MigrationState, error) {
	p, err := s.migrator()
	if err != nil {
		return nil, err
	}
	rows, err := p.Status(ctx)
	if err != nil {
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
	p, err := s.migrator()
	if err != nil {
		return false, err
	}
	pending, err := p.HasPending(ctx)
	if err != nil {
		return false, fmt.Errorf("read migration status: %w", err)
	}
	return pending, nil
}

func (s *Store) migrator() (*goose.Provider, error) {
	dialect := goose.DialectSQLite3
	if s.dialect == "postgres" {
		dialect = goose.DialectPostgres
	}
	p, err := goose.NewProvider(dialect, s.pools[0], fs.FS(migrations.Files), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return nil, fmt.Errorf("read the migrations: %w", err)
	}
	return p, nil
}
