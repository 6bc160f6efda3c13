package store_test

import (
	"database/sql"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gatehouse/idp/idptest"
	"gatehouse/idp/store"
)

// Every column has a field and every field a column, of the same type.
func TestRowsMirrorTheSchema(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		rows := store.RowColumns(t)
		for _, table := range tables(t, db) {
			fields := rows[table]
			slices.SortFunc(fields, func(a, b store.RowColumn) int { return strings.Compare(a.Name, b.Name) })
			columns := []store.RowColumn{}
			for _, c := range db.Columns(t, table) {
				columns = append(columns, store.RowColumn(c))
			}
			if diff := cmp.Diff(columns, fields); diff != "" {
				t.Errorf("table %s: columns (-) and fields (+) differ: %s", table, diff)
			}
			delete(rows, table)
		}
		for table := range rows {
			t.Errorf("rows of %s have no table", table)
		}
	})
}

// tables lists the tables of ours.
func tables(t *testing.T, db *idptest.Database) []string {
	t.Helper()
	query := `SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%' AND name NOT LIKE 'goose%' ORDER BY name`
	if db.Dialect() == "postgres" {
		query = `SELECT tablename FROM pg_tables WHERE schemaname = current_schema() AND tablename NOT LIKE 'goose%' ORDER BY tablename`
	}
	rows, err := db.SQL().QueryContext(t.Context(), query)
	idptest.Must(t, err)
	defer func() { _ = rows.Close() }()
	var names []string
	for rows.Next() {
		var name string
		idptest.Must(t, rows.Scan(&name))
		names = append(names, name)
	}
	idptest.Must(t, rows.Err())
	return names
}

func TestMigrationsGoUpAndDownAndUpAgain(t *testing.T) {
	t.Parallel()
	idptest.EmptyDatabases(t, func(t *testing.T, db *idptest.Database) {
		expectMigrated(t, db.Store, false)
		idptest.Must(t, db.Migrate(t.Context()))
		expectMigrated(t, db.Store, true)
		idptest.Must(t, db.Migrate(t.Context())) // nothing left to do
		db.World(t)

		for range migrations(t, db.Store) {
			idptest.Must(t, db.MigrateDown(t.Context()))
		}
		expectMigrated(t, db.Store, false)
		if left := tables(t, db); len(left) != 0 {
			t.Errorf("going down leaves %v", left)
		}
		idptest.Must(t, db.MigrateDown(t.Context())) // nothing left to take back

		idptest.Must(t, db.Migrate(t.Context()))
		expectMigrated(t, db.Store, true)
		db.World(t)
	})
}

func migrations(t *testing.T, s *store.Store) []store.MigrationState {
	t.Helper()
	states, err := s.MigrationStatus(t.Context())
	idptest.Must(t, err)
	return states
}

func expectMigrated(t *testing.T, s *store.Store, want bool) {
	t.Helper()
	states := migrations(t, s)
	if len(states) == 0 || states[0].Version != 1 || states[0].Name != "00001_init.sql" {
		t.Errorf("the migrations are %+v", states)
	}
	for _, m := range states {
		if m.Applied != want {
			t.Errorf("migration %s applied: %t, want %t", m.Name, m.Applied, want)
		}
	}
	if pending, err := s.Pending(t.Context()); err != nil || pending == want {
		t.Errorf("pending: %t, %v; want %t", pending, err, !want)
	}
}

func TestReplicasThatStartTogetherMigrateOnce(t *testing.T) {
	t.Parallel()
	idptest.EmptyDatabases(t, func(t *testing.T, db *idptest.Database) {
		const replicas = 4
		var stores [replicas]*store.Store
		for i := range stores {
			stores[i] = db.Replica(t)
		}
		errs := idptest.Race(replicas, func(i int) error { return stores[i].Migrate(t.Context()) })
		if err := errors.Join(errs...); err != nil {
			t.Fatal(err)
		}
		expectMigrated(t, db.Store, true)
		var applied int
		err := db.SQL().QueryRowContext(t.Context(), "SELECT count(*) FROM goose_db_version WHERE version_id > 0").Scan(&applied)
		if err != nil || applied != len(migrations(t, db.Store)) {
			t.Errorf("%d migrations were recorded (%v)", applied, err)
		}
		db.World(t)
	})
}

func TestForeignKeysHold(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		w := db.World(t)
		s := w.Session
		s.ID, s.TokenHash, s.UserID = "other", []byte("other"), "nobody"
		if err := db.CreateSession(t.Context(), s); err == nil {
			t.Error("a session of nobody was stored")
		}
		if _, err := db.SQL().ExecContext(t.Context(), onForeignKeys(db)+"DELETE FROM users"); err != nil {
			t.Fatal(err)
		}
		for _, table := range []string{"sessions", "grants"} {
			if n := count(t, db.SQL(), table); n != 0 {
				t.Errorf("%d %s outlive their user", n, table)
			}
		}
	})
}

// onForeignKeys is what SQLite needs to hear on a connection of the test's own.
func onForeignKeys(db *idptest.Database) string {
	if db.Dialect() == "sqlite" {
		return "PRAGMA foreign_keys = 1; "
	}
	return ""
}

func count(t *testing.T, db *sql.DB, table string) int {
	t.Helper()
	var n int
	idptest.Must(t, db.QueryRowContext(t.Context(), "SELECT count(*) FROM "+table).Scan(&n))
	return n
}
