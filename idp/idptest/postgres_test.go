package idptest

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"gatehouse/idp/idptest/need"
)

func connect(t *testing.T, dsn string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

// schemas counts the schemas of this name, seen from another one.
func schemas(t *testing.T, conn *pgx.Conn, name string) int {
	t.Helper()
	var n int
	if err := conn.QueryRow(t.Context(), "SELECT count(*) FROM pg_namespace WHERE nspname = $1", name).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestPostgresSchemaPerTest(t *testing.T) {
	watch := connect(t, Postgres(t))
	var first string
	t.Run("one test", func(t *testing.T) {
		conn := connect(t, Postgres(t))
		if _, err := conn.Exec(t.Context(), "CREATE TABLE thing (id TEXT)"); err != nil {
			t.Fatal(err)
		}
		if err := conn.QueryRow(t.Context(), "SELECT current_schema()").Scan(&first); err != nil {
			t.Fatal(err)
		}
		if got := schemas(t, watch, first); got != 1 {
			t.Errorf("%d schemas named %s during its test, want 1", got, first)
		}
	})
	t.Run("another test", func(t *testing.T) {
		conn := connect(t, Postgres(t))
		var tables int
		err := conn.QueryRow(t.Context(), "SELECT count(*) FROM pg_tables WHERE schemaname = current_schema()").Scan(&tables)
		if err != nil || tables != 0 {
			t.Errorf("a new schema has %d tables (%v), want none", tables, err)
		}
	})
	if got := schemas(t, watch, first); got != 0 {
		t.Errorf("schema %s is still there after its test", first)
	}
}

func TestPostgresDropDoesNotHang(t *testing.T) {
	dsn := Postgres(t)
	conn := connect(t, dsn)
	var schema string
	if err := conn.QueryRow(t.Context(), "SELECT current_schema()").Scan(&schema); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(t.Context(), "BEGIN; CREATE TABLE thing (id TEXT)"); err != nil {
		t.Fatal(err)
	}
	if err := dropSchema(dsn, schema, 100*time.Millisecond); err == nil {
		t.Error("a schema that a transaction works in was dropped")
	}
}

// TestOwnClusterEnds starts this test binary again, has it start a cluster of
// its own and be killed, and waits for the cluster to go.
func TestOwnClusterEnds(t *testing.T) {
	const inner = "GATEHOUSE_IDPTEST_INNER"
	if os.Getenv(inner) != "" {
		_, _ = os.Stdout.WriteString("dsn=" + Postgres(t) + "\n")
		if err := selfKill(); err != nil {
			t.Fatal(err)
		}
		select {}
	}
	Postgres(t) // skips the test where PostgreSQL is not asked for
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestOwnClusterEnds$")
	cmd.Env = append(os.Environ(), inner+"=1", postgresURL+"=", need.Variable+"=postgres")
	out, err := cmd.Output()
	if err == nil {
		t.Fatalf("the inner test was not killed: %s", out)
	}
	_, rest, found := strings.Cut(string(out), "dsn=")
	if !found {
		t.Fatalf("the inner test got no database: %s", out)
	}
	dsn, _, _ := strings.Cut(rest, "\n")
	ctx, cancel := context.WithTimeout(t.Context(), setupTimeout)
	defer cancel()
	for answers(ctx, dsn) {
		select {
		case <-ctx.Done():
			t.Fatal("the cluster outlives the test process that started it")
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func selfKill() error {
	self, err := os.FindProcess(os.Getpid())
	if err != nil {
		return err
	}
	return self.Kill()
}

func answers(ctx context.Context, dsn string) bool {
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return false
	}
	_ = conn.Close(ctx)
	return true
}

func TestWithSearchPath(t *testing.T) {
	tests := []struct{ name, cluster, want string }{
		{"plain", "postgres://u@127.0.0.1:5432/db", "postgres://u@127.0.0.1:5432/db?search_path=s"},
		{"parameters stay", "postgresql://u:p@h/db?sslmode=disable", "postgresql://u:p@h/db?search_path=s&sslmode=disable"},
		{"socket", "postgres://u@/db?host=/tmp/x", "postgres://u@/db?host=%2Ftmp%2Fx&search_path=s"},
		{"another scheme", "mysql://u@h/db", ""},
		{"key and value form", "host=/tmp user=u", ""},
		{"not a URL", "postgres://u:secret@h:port/db", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := withSearchPath(tt.cluster, "s")
			if got != tt.want || (err == nil) != (tt.want != "") {
				t.Errorf("got %q, %v; want %q", got, err, tt.want)
			}
			if err != nil && strings.Contains(err.Error(), "secret") {
				t.Errorf("the error tells the password: %v", err)
			}
		})
	}
}
