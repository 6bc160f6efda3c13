package store_test

import (
	"errors"
	"strings"
	"testing"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/store"
)

// A program older than what the schema needs touches nothing and names both.
func TestAnOlderProgramRefusesASchemaThatLostSomething(t *testing.T) {
	t.Parallel()
	idptest.EmptyDatabases(t, func(t *testing.T, db *idptest.Database) {
		ctx := t.Context()
		idptest.Must(t, db.Migrate(ctx))
		var release string
		idptest.Must(t, db.SQL().QueryRowContext(ctx, "SELECT release FROM schema_needs").Scan(&release))
		if release != idp.Release() {
			t.Errorf("the schema was made by %q, not %q", release, idp.Release())
		}
		_, err := db.SQL().ExecContext(ctx, "INSERT INTO schema_needs (version, release) VALUES (9999, 'v99.1')")
		idptest.Must(t, err)

		_, pending := db.Pending(ctx)
		for name, err := range map[string]error{
			"compatible": db.Compatible(ctx), "up": db.Migrate(ctx), "down": db.MigrateDown(ctx), "pending": pending,
		} {
			var tooOld *store.TooOldError
			if !errors.As(err, &tooOld) {
				t.Errorf("%s: %v", name, err)
				continue
			}
			for _, named := range []string{"v99.1", "9999", idp.Release()} {
				if !strings.Contains(err.Error(), named) {
					t.Errorf("%s does not name %s: %v", name, named, err)
				}
			}
		}
		if n := count(t, db.SQL(), "schema_needs"); n != 2 {
			t.Errorf("%d rows are left", n)
		}
	})
}

// What a newer program only added is no hindrance.
func TestAProgramThatIsAReleaseBehindRuns(t *testing.T) {
	t.Parallel()
	idptest.EmptyDatabases(t, func(t *testing.T, db *idptest.Database) {
		ctx := t.Context()
		idptest.Must(t, db.Migrate(ctx))
		for _, statement := range []string{
			"INSERT INTO goose_db_version (version_id, is_applied, tstamp) VALUES (9999, TRUE, CURRENT_TIMESTAMP)",
			"CREATE TABLE later (id TEXT NOT NULL PRIMARY KEY)",
		} {
			_, err := db.SQL().ExecContext(ctx, statement)
			idptest.Must(t, err)
		}
		pending, err := db.Pending(ctx)
		if err != nil || pending {
			t.Errorf("pending: %t, %v", pending, err)
		}
		idptest.Must(t, db.Migrate(ctx))
		db.World(t)
	})
}
