package idptest

import "testing"

// Alone is one migrated SQLite database, for tests of what does not depend on
// the database.
func Alone(tb testing.TB) *Database {
	tb.Helper()
	return open(tb, migratedSQLite(tb))
}
