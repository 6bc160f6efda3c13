package idptest

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"gatehouse/idp/idptest/need"
)

// postgresURL names the environment variable with the address of the
// cluster in which tests make their schemas.
const postgresURL = "GATEHOUSE_TEST_POSTGRES_URL"

// setupTimeout bounds what the database does before and after a test. A
// cluster that several test processes share answers in milliseconds.
const setupTimeout = 30 * time.Second

// dropPatience is how long a schema that still has work going on in it may keep
// its test from ending.
const dropPatience = 5 * time.Second

// Postgres returns the address, in URL form, of an empty schema of its own in
// a PostgreSQL cluster. The schema goes when the test ends, so whatever the test
// opened on it must be closed by then.
//
// The cluster is the one that GATEHOUSE_TEST_POSTGRES_URL names. Without it the
// test is skipped, so that `go test ./...` needs no set-up, unless
// GATEHOUSE_TEST_REQUIRE lists "postgres": then the test process starts a
// cluster of its own, and a PostgreSQL that is not there fails the test.
func Postgres(tb testing.TB) string {
	tb.Helper()
	cluster := clusterURL(tb)
	schema := "test_" + strings.ToLower(rand.Text())
	if err := execOn(cluster, "CREATE SCHEMA "+schema); err != nil {
		tb.Fatalf("creating the test's schema: %v", err)
	}
	tb.Cleanup(func() {
		if err := dropSchema(cluster, schema, dropPatience); err != nil {
			tb.Errorf("dropping the test's schema (is a connection of the test still in a transaction?): %v", err)
		}
	})
	dsn, err := withSearchPath(cluster, schema)
	if err != nil {
		tb.Fatalf("%s: %v", postgresURL, err)
	}
	return dsn
}

// clusterURL is the cluster that tests use.
func clusterURL(tb testing.TB) string {
	tb.Helper()
	if cluster := os.Getenv(postgresURL); cluster != "" {
		return cluster
	}
	if !need.Asked("postgres") {
		need.OrSkip(tb, "postgres", postgresURL+" is not set, and nothing asks for a cluster (make test does)")
	}
	cluster, err := ownCluster()
	if err != nil {
		need.OrSkip(tb, "postgres", err.Error())
	}
	return cluster
}

// withSearchPath returns the address of cluster with schema as the only one
// that names without a schema are looked up and created in.
func withSearchPath(cluster, schema string) (string, error) {
	u, err := url.Parse(cluster)
	if err != nil {
		// url.Error quotes the whole address, password included.
		return "", errors.New("not a URL")
	}
	if u.Scheme != "postgres" && u.Scheme != "postgresql" {
		return "", fmt.Errorf("scheme %q is not postgres", u.Scheme)
	}
	query := u.Query()
	query.Set("search_path", schema)
	u.RawQuery = query.Encode()
	return u.String(), nil
}

// dropSchema removes schema. It waits for locks up to patience: a test that left
// a transaction open should hear so, and not hang.
func dropSchema(cluster, schema string, patience time.Duration) error {
	return execOn(cluster, fmt.Sprintf("SET lock_timeout = %d; DROP SCHEMA %s CASCADE", patience.Milliseconds(), schema))
}

// execOn runs statements over a connection of their own. A test has few of
// them, and no connection outlives it this way.
func execOn(cluster, statements string) (err error) {
	ctx, cancel := context.WithTimeout(context.Background(), setupTimeout)
	defer cancel()
	conn, err := pgx.Connect(ctx, cluster)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close(ctx)) }()
	_, err = conn.Exec(ctx, statements, pgx.QueryExecModeSimpleProtocol)
	return err
}

// ownCluster starts a cluster for this test process, once, and returns its
// address.
//
// The script .ci/postgres keeps the cluster for as long as the command under it
// runs. That command is a shell that says the address and then reads a pipe of
// which this process holds the other end and never writes to: however this
// process ends, the pipe closes, and the cluster goes.
var ownCluster = sync.OnceValues(func() (string, error) {
	root, err := moduleRoot()
	if err != nil {
		return "", err
	}
	cmd := exec.Command(filepath.Join(root, ".ci", "postgres"),
		"sh", "-c", `echo "$`+postgresURL+`"; exec cat >/dev/null`)
	hold, err := cmd.StdinPipe()
	if err != nil {
		return "", err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return "", err
	}
	// A file and not this process's standard error, which `go test` would wait
	// for after this process has ended.
	complaints, err := os.CreateTemp("", "gatehouse-postgres-*.log")
	if err != nil {
		return "", err
	}
	defer func() {
		_ = complaints.Close()
		_ = os.Remove(complaints.Name())
	}()
	cmd.Stderr = complaints
	if err := cmd.Start(); err != nil {
		return "", err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		said, _ := os.ReadFile(complaints.Name())
		return "", errors.Join(errors.New(strings.TrimSpace(string(said))), cmd.Wait())
	}
	held.Store(&hold)
	return strings.TrimSpace(line), nil
})

// held keeps the pipe of ownCluster open: unreachable, it would be closed by the
// garbage collector.
var held atomic.Pointer[io.WriteCloser]

// moduleRoot returns the folder of go.mod, above the one a test runs in.
func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("no go.mod above the test's folder")
		}
		dir = parent
	}
}

// PostgresDatabase returns the address of an empty database of the test's own, where
// Postgres gives it a schema: for settings of a database, and for poolers.
func PostgresDatabase(tb testing.TB) string {
	tb.Helper()
	cluster, name := clusterURL(tb), "test_"+strings.ToLower(rand.Text())
	if err := execOn(cluster, "CREATE DATABASE "+name); err != nil {
		tb.Fatalf("creating the test's database: %v", err)
	}
	tb.Cleanup(func() {
		if err := execOn(cluster, "DROP DATABASE "+name+" WITH (FORCE)"); err != nil {
			tb.Errorf("dropping the test's database: %v", err)
		}
	})
	u, err := url.Parse(cluster)
	if err != nil {
		tb.Fatalf("%s is not a URL", postgresURL)
	}
	u.Path = "/" + name
	return u.String()
}
