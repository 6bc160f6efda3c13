package idptest

import "testing"

// Alone is one migrated SQLite database, for tests of what does not depend on
// the database.
func Alone(tb testing.TB) *Database {
	tb.Helper()
	db := open(tb, SQLite(tb))
	if err := db.Migrate(tb.Context()); err != nil {
		tb.Fatalf("migrating the test's database: %v", err)
	}
	return db
}
