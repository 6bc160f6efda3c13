package store_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/store"
)

func TestOpenRefusesWhatItDoesNotKnow(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"", "mysql://root@localhost/db", "gatehouse.db", "host=localhost", "sqlite3:x.db"} {
		if _, err := store.Open(t.Context(), address); !errors.Is(err, idp.ErrInvalid) {
			t.Errorf("%q: %v", address, err)
		}
	}
	_, err := store.Open(t.Context(), "postgres://gatehouse:hunter2@localhost:port/db")
	if err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("a bad URL gives %v", err)
	}
}

func TestOpenMakesThePrivateFolderOfTheFile(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(t.TempDir(), "a folder?", "50%25 #1")
	s, err := store.Open(t.Context(), store.SQLiteScheme+filepath.Join(folder, "gate house.db"))
	idptest.Must(t, err)
	defer func() { _ = s.Close() }()
	idptest.Must(t, s.Migrate(t.Context()))
	info, err := os.Stat(folder)
	idptest.Must(t, err)
	if info.Mode().Perm() != 0o700 {
		t.Errorf("others may look into the folder: %v", info.Mode())
	}
	if _, err := os.Stat(filepath.Join(folder, "gate house.db")); err != nil {
		t.Error(err)
	}
}

func TestPingFailsOnceTheDatabaseIsClosed(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		other := db.Replica(t)
		if err := other.Ping(t.Context()); err != nil {
			t.Error(err)
		}
		idptest.Must(t, other.Close())
		if other.Ping(t.Context()) == nil {
			t.Error("a closed database answers")
		}
	})
}

// Durable, concurrent and checked: on every connection that the store uses.
func TestSQLiteIsSetUpOnEveryConnection(t *testing.T) {
	t.Parallel()
	s, err := store.Open(t.Context(), idptest.SQLite(t))
	idptest.Must(t, err)
	defer func() { _ = s.Close() }()
	for i, pool := range store.Pools(s) {
		for pragma, want := range map[string]string{
			"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1", "busy_timeout": "10000",
		} {
			// Two connections, where the pool has two, since each is set up alone.
			ctx := t.Context()
			first, err := pool.Conn(ctx)
			idptest.Must(t, err)
			expectPragma(ctx, t, first, i, pragma, want)
			if pool.Stats().MaxOpenConnections > 1 {
				second, err := pool.Conn(ctx)
				idptest.Must(t, err)
				expectPragma(ctx, t, second, i, pragma, want)
				idptest.Must(t, second.Close())
			}
			idptest.Must(t, first.Close())
		}
	}
}

// Times compare as text: each pool writes those of earlier releases, and no driver's default.
func TestSQLiteWritesTimesAsEarlierReleasesDid(t *testing.T) {
	s, err := store.Open(t.Context(), idptest.SQLite(t))
	idptest.Must(t, err)
	defer func() { _ = s.Close() }()
	at := time.Date(2026, 11, 3, 4, 5, 6, 7000, time.UTC)
	for i, pool := range store.Pools(s) {
		var got string
		err := pool.QueryRowContext(t.Context(), "SELECT CAST(? AS TEXT)", at).Scan(&got)
		if want := "2026-11-03 04:05:06.000007+00:00"; err != nil || got != want {
			t.Errorf("pool %d writes %q (%v), want %q", i, got, err, want)
		}
	}
}

func expectPragma(ctx context.Context, t *testing.T, conn rowQuerier, pool int, pragma, want string) {
	t.Helper()
	var got string
	if err := conn.QueryRowContext(ctx, "PRAGMA "+pragma).Scan(&got); err != nil || got != want {
		t.Errorf("pool %d: %s is %s (%v), want %s", pool, pragma, got, err, want)
	}
}

// A program that holds the file, say a backup, delays a write and fails nothing.
func TestWriteWaitsForAnotherProcess(t *testing.T) {
	t.Parallel()
	const inner = "GATEHOUSE_TEST_HOLD"
	if address := os.Getenv(inner); address != "" {
		holdDatabase(t, address)
		return
	}
	s, err := store.Open(t.Context(), idptest.SQLite(t))
	idptest.Must(t, err)
	defer func() { _ = s.Close() }()
	idptest.Must(t, s.Migrate(t.Context()))
	address := sqliteURL(t, s)
	other := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestWriteWaitsForAnotherProcess$")
	other.Env = append(os.Environ(), inner+"="+address)
	release, err := other.StdinPipe()
	idptest.Must(t, err)
	out, err := other.StdoutPipe()
	idptest.Must(t, err)
	idptest.Must(t, other.Start())
	said := make([]byte, len(holding))
	if _, err := out.Read(said); err != nil || string(said) != holding {
		t.Fatalf("the other process says %q (%v)", said, err)
	}

	done := make(chan string)
	go func() {
		value, err := s.CreateSetting(t.Context(), "who", []byte("this"), false)
		done <- fmt.Sprint(string(value), err)
	}()
	select {
	case got := <-done:
		t.Fatalf("the write did not wait: %s", got)
	case <-time.After(100 * time.Millisecond):
	}
	idptest.Must(t, release.Close())
	if got := <-done; got != "other<nil>" {
		t.Errorf("after the wait the setting is %s", got)
	}
	_ = other.Wait()
}

const holding = "holding\n"

// holdDatabase keeps a transaction open until standard input ends.
func holdDatabase(t *testing.T, address string) {
	s, err := store.Open(t.Context(), address)
	idptest.Must(t, err)
	defer func() { _ = s.Close() }()
	idptest.Must(t, s.Do(t.Context(), func(ctx context.Context) error {
		if _, err := s.CreateSetting(ctx, "who", []byte("other"), false); err != nil {
			return err
		}
		fmt.Print(holding)
		_, _ = os.Stdin.Read(make([]byte, 1))
		return nil
	}))
}

func sqliteURL(t *testing.T, s *store.Store) string {
	t.Helper()
	var seq int
	var name, file string
	idptest.Must(t, store.Pools(s)[0].QueryRowContext(t.Context(), "PRAGMA database_list").Scan(&seq, &name, &file))
	return store.SQLiteScheme + file
}

func TestStatementsAreCounted(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		w := db.World(t)
		ctx, n := store.CountStatements(t.Context())
		for want, step := range []func(context.Context) error{
			func(context.Context) error { return nil },
			func(ctx context.Context) error { _, err := db.User(ctx, w.User.ID); return err },
			func(ctx context.Context) error { return db.UseCode(ctx, w.Grant.ID, idp.Now()) },
			func(ctx context.Context) error {
				return db.Do(ctx, func(ctx context.Context) error {
					return db.UpgradePasswordHash(ctx, w.User.ID, w.User.PasswordHash, "new")
				})
			},
			func(ctx context.Context) error {
				_, err := db.GrantState(ctx, w.Grant.ID)
				return err
			},
		} {
			idptest.Must(t, step(ctx))
			if n.Load() != int64(want) {
				t.Errorf("after step %d: %d statements", want, n.Load())
			}
		}
		_, err := db.User(t.Context(), w.User.ID)
		idptest.Must(t, err)
		if n.Load() != 4 {
			t.Error("a statement under another context was counted")
		}
	})
}

func TestSlowStatementsAreLoggedWithoutValues(t *testing.T) {
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		log := idptest.Log(t)

		locked := make(chan struct{})
		other := db.Replica(t)
		held := make(chan error, 1)
		go func() {
			held <- other.Do(t.Context(), func(ctx context.Context) error {
				_, err := other.CreateSetting(ctx, "maya@rtx.example", []byte("x"), false)
				close(locked)
				<-time.After(store.SlowStatement + 100*time.Millisecond)
				return err
			})
		}()
		<-locked
		_, err := db.CreateSetting(t.Context(), "maya@rtx.example", []byte("x"), false)
		idptest.Must(t, err)
		idptest.Must(t, <-held)
		if said := log.String(); !strings.Contains(said, "slow statement") || strings.Contains(said, "maya") {
			t.Errorf("the log says: %s", said)
		}
	})
}

// GORM records what is scanned by itself, before the log hears of it.
func TestSlowScansAreLoggedWithoutValues(t *testing.T) {
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		if db.Dialect() != "postgres" {
			return // nobody waits for a reader of SQLite
		}
		log := idptest.Log(t)

		lock, err := db.SQL().BeginTx(t.Context(), nil)
		idptest.Must(t, err)
		_, err = lock.ExecContext(t.Context(), "LOCK TABLE clients IN ACCESS EXCLUSIVE MODE")
		idptest.Must(t, err)
		time.AfterFunc(store.SlowStatement+100*time.Millisecond, func() { _ = lock.Rollback() })
		if _, err := db.VersionedClient(t.Context(), "maya"); !errors.Is(err, idp.ErrNotFound) {
			t.Errorf("got %v", err)
		}
		if said := log.String(); !strings.Contains(said, "slow statement") || strings.Contains(said, "maya") {
			t.Errorf("the log says: %s", said)
		}
	})
}
