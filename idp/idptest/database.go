package idptest

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite" // the driver "sqlite"

	"gatehouse/idp/store"
)

// Database is a migrated database that one test has for itself.
type Database struct {
	*store.Store
	// URL opens it once more, as another replica does.
	URL string

	outside func() *sql.DB
}

// all names the environment variable that runs every test on both databases, as
// make test-all does.
const all = "GATEHOUSE_TEST_ALL"

// OnBoth tells whether tests that do not depend on the database run on both.
func OnBoth() bool { return os.Getenv(all) != "" }

// OverHTTP runs a test of pages and endpoints on SQLite, and on PostgreSQL too where
// OnBoth says so. The store's own tests hold that both databases behave alike. What
// differs on them all the same takes Databases: races, locks, transactions that fail
// halfway, what one of them cannot store, order, search, numbers of statements.
func OverHTTP(t *testing.T, run func(t *testing.T, db *Database)) {
	t.Helper()
	if OnBoth() {
		Databases(t, run)
		return
	}
	t.Run("sqlite", func(t *testing.T) { run(t, open(t, migratedSQLite(t))) })
}

// Databases runs a test on SQLite and on PostgreSQL, each time with an empty
// database of its own, migrated. Where there is no PostgreSQL, Postgres says what happens.
func Databases(t *testing.T, run func(t *testing.T, db *Database)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) { run(t, open(t, migratedSQLite(t))) })
	t.Run("postgres", func(t *testing.T) { run(t, open(t, migratedPostgres(t))) })
}

// EmptyDatabases is Databases without any table.
func EmptyDatabases(t *testing.T, run func(t *testing.T, db *Database)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) { run(t, open(t, SQLite(t))) })
	t.Run("postgres", func(t *testing.T) { run(t, open(t, Postgres(t))) })
}

// SQLite returns the address of an SQLite database that does not exist yet. It
// goes when the test ends.
func SQLite(tb testing.TB) string {
	tb.Helper()
	return store.SQLiteScheme + filepath.Join(Folder(tb), "gatehouse.db")
}

func open(tb testing.TB, databaseURL string) *Database {
	tb.Helper()
	s, err := store.Open(tb.Context(), databaseURL)
	if err != nil {
		tb.Fatalf("opening the test's database: %v", err)
	}
	tb.Cleanup(func() {
		if err := s.Close(); err != nil {
			tb.Errorf("closing the test's database: %v", err)
		}
	})
	d := &Database{Store: s, URL: databaseURL}
	d.outside = sync.OnceValue(func() *sql.DB { return Outside(tb, d.URL) })
	return d
}

// Replica opens the database once more, with nothing shared but the rows.
func (d *Database) Replica(tb testing.TB) *store.Store {
	tb.Helper()
	return open(tb, d.URL).Store
}

// SQL is the database without the store, to look at it from outside and to do
// what the program never does.
func (d *Database) SQL() *sql.DB {
	return d.outside()
}

// Outside is what SQL is, of a database by its URL, as long as the test runs.
func Outside(tb testing.TB, databaseURL string) *sql.DB {
	tb.Helper()
	driver, dsn := "pgx", databaseURL
	if path, ok := strings.CutPrefix(databaseURL, store.SQLiteScheme); ok {
		driver, dsn = "sqlite", (&url.URL{
			Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath(),
			RawQuery: url.Values{"_txlock": {"immediate"}, "_time_format": {"sqlite"}, "_pragma": {"busy_timeout(10000)"}}.Encode(),
		}).String()
	}
	db, err := sql.Open(driver, dsn)
	if err != nil {
		tb.Fatalf("opening the test's database from outside: %v", err)
	}
	tb.Cleanup(func() { _ = db.Close() })
	return db
}

// Column is a column of a table as the database describes it.
type Column struct {
	Name string
	// Type is TEXT, BIGINT, BYTEA, BOOLEAN or timestamp, as in the migrations.
	Type string
	Null bool
}

// Columns lists the columns of a table in the order of their names, none where
// there is no such table.
func (d *Database) Columns(tb testing.TB, table string) []Column {
	tb.Helper()
	// #nosec G201 -- the table is the test's own word
	query := fmt.Sprintf(`SELECT name, type, "notnull" = 0 FROM pragma_table_info('%s') ORDER BY name`, table)
	if d.Dialect() == "postgres" {
		query = fmt.Sprintf(`SELECT column_name, data_type, is_nullable = 'YES' FROM information_schema.columns
			WHERE table_schema = current_schema() AND table_name = '%s' ORDER BY column_name`, table)
	}
	rows, err := d.SQL().QueryContext(tb.Context(), query)
	if err != nil {
		tb.Fatalf("reading the columns of %s: %v", table, err)
	}
	defer func() { _ = rows.Close() }()
	var columns []Column
	for rows.Next() {
		var c Column
		if err := rows.Scan(&c.Name, &c.Type, &c.Null); err != nil {
			tb.Fatalf("reading the columns of %s: %v", table, err)
		}
		c.Type = portableType(c.Type)
		columns = append(columns, c)
	}
	if err := rows.Err(); err != nil {
		tb.Fatalf("reading the columns of %s: %v", table, err)
	}
	return columns
}

// portableType turns PostgreSQL's name of a type into that of the migrations.
func portableType(name string) string {
	switch name {
	case "text", "bigint", "bytea", "boolean":
		return strings.ToUpper(name)
	case "timestamp without time zone":
		return "timestamp"
	}
	return name
}

// Age moves the times of all rows of a table into the past, to the microsecond:
// those in the given columns, or all where none is given. It is how tests over
// real sockets and databases let time pass.
func (d *Database) Age(tb testing.TB, table string, by time.Duration, columns ...string) {
	tb.Helper()
	var times []string
	for _, c := range d.Columns(tb, table) {
		if c.Type == "timestamp" && (len(columns) == 0 || slices.Contains(columns, c.Name)) {
			times = append(times, c.Name)
		}
	}
	if len(times) == 0 || len(columns) > len(times) {
		tb.Fatalf("table %s has no times %q", table, columns)
	}
	age := agePostgres
	if d.Dialect() == "sqlite" {
		age = ageSQLite
	}
	db := d.SQL()
	for _, column := range times {
		if err := age(tb.Context(), db, table, column, by); err != nil {
			tb.Fatalf("aging %s of %s: %v", column, table, err)
		}
	}
}

func agePostgres(ctx context.Context, db *sql.DB, table, column string, by time.Duration) error {
	_, err := db.ExecContext(ctx, fmt.Sprintf("UPDATE %s SET %s = %s - $1::bigint * interval '1 microsecond'",
		table, column, column), by.Microseconds())
	return err
}

// ageSQLite computes here, since SQLite's own arithmetic drops microseconds.
func ageSQLite(ctx context.Context, db *sql.DB, table, column string, by time.Duration) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // does nothing after a commit
	times, err := timesByRow(ctx, tx, table, column)
	if err != nil {
		return err
	}
	for row, at := range times {
		_, err := tx.ExecContext(ctx, fmt.Sprintf("UPDATE %s SET %s = ? WHERE rowid = ?", table, column), at.Add(-by), row)
		if err != nil {
			return err
		}
	}
	return tx.Commit()
}

func timesByRow(ctx context.Context, tx *sql.Tx, table, column string) (map[int64]time.Time, error) {
	rows, err := tx.QueryContext(ctx, fmt.Sprintf("SELECT rowid, %s FROM %s WHERE %s IS NOT NULL", column, table, column))
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	times := map[int64]time.Time{}
	for rows.Next() {
		var row int64
		var at time.Time
		if err := rows.Scan(&row, &at); err != nil {
			return nil, err
		}
		times[row] = at.UTC()
	}
	return times, rows.Err()
}
