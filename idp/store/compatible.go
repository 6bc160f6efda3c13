package store

import (
	"context"
	"fmt"

	"github.com/pressly/goose/v3"

	"gatehouse/idp"
)

type schemaNeedRow struct {
	Version int64 `gorm:"primaryKey"`
	Release string
}

func (schemaNeedRow) TableName() string { return "schema_needs" }

// TooOldError says that the schema has lost something that this program relies on.
type TooOldError struct {
	// Needs is the newest migration that a program must know to run here, and
	// NeedsRelease the release that applied it.
	Needs        int64
	NeedsRelease string
	// Knows and Release are those of this program.
	Knows   int64
	Release string
}

// Error implements error.
func (e *TooOldError) Error() string {
	return fmt.Sprintf("this database needs gatehouse %s or newer (schema %d); this is gatehouse %s (schema %d): run the newer one, or restore the backup from before the upgrade",
		e.NeedsRelease, e.Needs, e.Release, e.Knows)
}

// Compatible fails with a *TooOldError where a newer program has taken something
// away that this one relies on. What a newer program has only added is no hindrance.
func (s *Store) Compatible(ctx context.Context) error {
	if !s.reader(ctx).Migrator().HasTable(schemaNeedRow{}.TableName()) {
		return nil // from before there was such a table, or empty
	}
	var rows []schemaNeedRow
	if err := s.reader(ctx).Order("version DESC").Limit(1).Find(&rows).Error; err != nil {
		return found(err, "what the schema needs")
	}
	var knows int64
	if err := s.migrating(func(p *goose.Provider) error {
		sources := p.ListSources()
		knows = sources[len(sources)-1].Version
		return nil
	}); err != nil {
		return err
	}
	if len(rows) == 0 || rows[0].Version <= knows {
		return nil
	}
	return &TooOldError{Needs: rows[0].Version, NeedsRelease: rows[0].Release, Knows: knows, Release: idp.Release()}
}

// signMigrations writes down which release applied what the schema needs.
func (s *Store) signMigrations(ctx context.Context) error {
	return written(s.writer(ctx).Model(&schemaNeedRow{}).Where("release = ''").
		UpdateColumn("release", idp.Release()).Error, "what the schema needs")
}

// Migrated tells whether any migration was ever applied.
func (s *Store) Migrated(ctx context.Context) bool {
	return s.reader(ctx).Migrator().HasTable(settingRow{}.TableName())
}
