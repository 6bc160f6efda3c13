package idptest

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"gatehouse/idp/store"
	"gatehouse/migrations"
)

// Migrating a database takes longer than most tests. So each kind of database is
// migrated once, and tests get copies.

// Migrated is the address of a migrated SQLite database, for a provider alone: nothing
// else looks into it.
func Migrated(tb testing.TB) string {
	tb.Helper()
	return migratedSQLite(tb)
}

// migratedSQLite is the address of a copy of a migrated SQLite database.
func migratedSQLite(tb testing.TB) string {
	tb.Helper()
	template, err := sqliteTemplate()
	if err != nil {
		tb.Fatalf("making the SQLite template: %v", err)
	}
	path := filepath.Join(Folder(tb), "gatehouse.db")
	if err := os.WriteFile(path, template, 0o600); err != nil {
		tb.Fatalf("copying the SQLite template: %v", err)
	}
	return store.SQLiteScheme + path
}

// sqliteTemplate is the file of a migrated database, made once per process.
var sqliteTemplate = sync.OnceValues(func() (file []byte, err error) {
	dir, err := os.MkdirTemp("", "gatehouse-template-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	path := filepath.Join(dir, "gatehouse.db")
	if err := migrate(store.SQLiteScheme + path); err != nil {
		return nil, err
	}
	// The last connection that closes writes everything into the one file.
	return os.ReadFile(path) // #nosec G304 -- a path of our own
})

func migrate(databaseURL string) error {
	ctx, cancel := context.WithTimeout(context.Background(), setupTimeout)
	defer cancel()
	s, err := store.Open(ctx, databaseURL)
	if err != nil {
		return err
	}
	return errors.Join(s.Migrate(ctx), s.Close())
}

// migratedPostgres is the address of a database of its own, a copy of a migrated
// one. It goes when the test ends.
func migratedPostgres(tb testing.TB) string {
	tb.Helper()
	cluster := clusterURL(tb)
	template, err := postgresTemplate(cluster)
	if err != nil {
		tb.Fatalf("making the PostgreSQL template: %v", err)
	}
	name := "test_" + strings.ToLower(rand.Text())
	if err := execOn(cluster, fmt.Sprintf("CREATE DATABASE %s TEMPLATE %s", name, template)); err != nil {
		tb.Fatalf("copying the PostgreSQL template: %v", err)
	}
	tb.Cleanup(func() {
		if err := execOn(cluster, "DROP DATABASE "+name+" WITH (FORCE)"); err != nil {
			tb.Errorf("dropping the test's database: %v", err)
		}
	})
	u, err := url.Parse(cluster)
	if err != nil {
		tb.Fatalf("%s is no URL", postgresURL)
	}
	u.Path = "/" + name
	return u.String()
}

// templateNames remembers that a cluster has the template.
var templateNames sync.Map

// postgresTemplate makes the template in a cluster where it is missing, whichever
// test process comes first, and returns its name. The name is that of the
// migrations: other ones make another.
func postgresTemplate(cluster string) (string, error) {
	if name, ok := templateNames.Load(cluster); ok {
		return name.(string), nil
	}
	name, err := templateName()
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*setupTimeout)
	defer cancel()
	conn, err := pgx.Connect(ctx, cluster)
	if err != nil {
		return "", err
	}
	defer func() { _ = conn.Close(ctx) }() // which gives the lock back
	const lock = 0x74656d706c617465        // "template"
	if _, err := conn.Exec(ctx, "SELECT pg_advisory_lock($1)", lock); err != nil {
		return "", err
	}
	var exists bool
	if err := conn.QueryRow(ctx, "SELECT EXISTS (SELECT 1 FROM pg_database WHERE datname = $1)", name).Scan(&exists); err != nil {
		return "", err
	}
	if !exists {
		if err := makeTemplate(ctx, conn, cluster, name); err != nil {
			return "", err
		}
	}
	templateNames.Store(cluster, name)
	return name, nil
}

// makeTemplate migrates a database under another name first: one that a process was
// killed over is never taken for the template.
func makeTemplate(ctx context.Context, conn *pgx.Conn, cluster, name string) error {
	draft := "draft_" + strings.ToLower(rand.Text())
	if _, err := conn.Exec(ctx, "CREATE DATABASE "+draft); err != nil {
		return err
	}
	u, err := url.Parse(cluster)
	if err != nil {
		return errors.New("not a URL")
	}
	u.Path = "/" + draft
	if err := migrate(u.String()); err != nil {
		return err
	}
	_, err = conn.Exec(ctx, fmt.Sprintf("ALTER DATABASE %s RENAME TO %s", draft, name))
	return err
}

func templateName() (string, error) {
	sum := sha256.New()
	files, err := fs.Glob(migrations.Files, "*.sql")
	if err != nil {
		return "", err
	}
	for _, file := range files {
		data, err := fs.ReadFile(migrations.Files, file)
		if err != nil {
			return "", err
		}
		_, _ = sum.Write(data) // a hash takes everything
	}
	return "template_" + hex.EncodeToString(sum.Sum(nil)[:8]), nil
}
