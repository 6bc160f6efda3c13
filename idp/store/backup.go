package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/libtnb/sqlite"

	"gatehouse/idp"
)

// ErrDamaged: the database file is not what SQLite wrote.
var ErrDamaged = errors.New("the database file is damaged")

// ErrRunning: something has the database open.
var ErrRunning = errors.New("the database is in use: stop what runs on it first")

// isDamage tells whether SQLite found a file that is none of its own (SQLITE_CORRUPT,
// SQLITE_NOTADB).
func isDamage(err error) bool {
	code, ok := sqliteCode(err)
	return ok && (code == 11 || code == 26)
}

// CheckIntegrity reads a whole SQLite database and fails with ErrDamaged where it is
// not sound. PostgreSQL looks after its own files.
func (s *Store) CheckIntegrity(ctx context.Context) error {
	if s.dialect != "sqlite" {
		return nil
	}
	var said []string
	err := s.reader(ctx).Raw("PRAGMA quick_check(3)").Scan(&said).Error
	switch {
	case isDamage(err):
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	case err != nil:
		return found(err, "the database's integrity")
	case len(said) != 1 || said[0] != "ok":
		return fmt.Errorf("%w: %s", ErrDamaged, strings.Join(said, "; "))
	}
	return nil
}

// Backup writes a copy of an SQLite database to a new file, while it is in use.
func (s *Store) Backup(ctx context.Context, path string) error {
	if s.dialect != "sqlite" {
		return fmt.Errorf("%w: PostgreSQL is backed up with its own tools, such as pg_dump", idp.ErrInvalid)
	}
	if err := newFile(path); err != nil {
		return err
	}
	if err := s.writer(ctx).Exec("VACUUM INTO ?", path).Error; err != nil {
		return errors.Join(fmt.Errorf("write the backup: %w", err), os.Remove(path))
	}
	return nil
}

// newFile makes an empty file that no other user may read.
func newFile(path string) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600) // #nosec G304 -- the operator's own path
	if err != nil {
		return fmt.Errorf("make the file: %w", err)
	}
	return file.Close()
}

// parts are the files of an SQLite database beside its own.
var parts = []string{"", "-wal", "-shm", "-journal"}

// Restore puts a backup in the place of an SQLite database. First it makes a copy of
// the backup and checks that: its integrity, its schema, and whatever else check wants
// to. What stood there is moved aside with its journals, and never deleted; a journal of
// another database beside the restored one would destroy it. It returns where the old
// one is now, empty where there was none.
func Restore(ctx context.Context, backup, path string, check func(context.Context, *Store) error) (aside string, err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return "", fmt.Errorf("make the database's folder: %w", err)
	}
	fresh := path + ".restoring"
	if err := errors.Join(remove(fresh), copyParts(backup, fresh)); err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, remove(fresh)) }()
	if err := settle(ctx, fresh); err != nil {
		return "", err
	}
	if err := checkCopy(ctx, fresh, check); err != nil {
		return "", err
	}
	if err := unused(ctx, path); err != nil {
		return "", err
	}
	if aside, err = moveAside(path); err != nil {
		return "", err
	}
	if err := os.Rename(fresh, path); err != nil {
		return aside, fmt.Errorf("put the backup in place: %w", err)
	}
	return aside, nil
}

// copyParts copies a database and the journal beside it.
func copyParts(from, to string) error {
	for _, part := range []string{"", "-wal"} {
		if err := copyFile(from+part, to+part); err != nil && (part == "" || !errors.Is(err, fs.ErrNotExist)) {
			return fmt.Errorf("read the backup: %w", err)
		}
	}
	return nil
}

func copyFile(from, to string) (err error) {
	in, err := os.Open(from) // #nosec G304 -- the operator's own path
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	if err := newFile(to); err != nil {
		return err
	}
	out, err := os.OpenFile(to, os.O_WRONLY, 0) // #nosec G304 -- beside the operator's own path
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Sync(), out.Close())
}

// remove deletes a copy of ours.
func remove(path string) error {
	var errs []error
	for _, part := range parts {
		if err := os.Remove(path + part); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// settle puts what is in the journal into the database, so that it is one file.
func settle(ctx context.Context, path string) error {
	return alone(path, func(db *sql.Conn) error {
		var mode string
		if err := db.QueryRowContext(ctx, "PRAGMA journal_mode = DELETE").Scan(&mode); err != nil {
			return damage(err)
		}
		var said string
		if err := db.QueryRowContext(ctx, "PRAGMA integrity_check(1)").Scan(&said); err != nil {
			return damage(err)
		}
		if said != "ok" {
			return fmt.Errorf("%w: %s", ErrDamaged, said)
		}
		return nil
	})
}

func damage(err error) error {
	if isDamage(err) {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return fmt.Errorf("read the database file: %w", err)
}

// alone runs fn on a connection of its own that does not wait for others.
func alone(path string, fn func(*sql.Conn) error) (err error) {
	pool, err := sql.Open(sqlite.DriverName, sqliteDSN(path, "deferred", "busy_timeout(0)", "locking_mode(EXCLUSIVE)"))
	if err != nil {
		return fmt.Errorf("open SQLite: %w", err)
	}
	defer func() { err = errors.Join(err, pool.Close()) }()
	conn, err := pool.Conn(context.Background())
	if err != nil {
		return damage(err)
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	return fn(conn)
}

// checkCopy looks at a copy with the eyes of the program.
func checkCopy(ctx context.Context, path string, check func(context.Context, *Store) error) (err error) {
	s, err := openSQLite(path, Heard{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if !s.Migrated(ctx) {
		return fmt.Errorf("%w: the backup holds no tables of gatehouse", idp.ErrInvalid)
	}
	if err := s.Compatible(ctx); err != nil {
		return err
	}
	return check(ctx, s)
}

// unused fails with ErrRunning where a process has the database open. A database that
// cannot be read is used by none.
func unused(ctx context.Context, path string) error {
	if exists, err := Exists(SQLiteScheme + path); err != nil || !exists {
		return err
	}
	err := alone(path, func(db *sql.Conn) error {
		_, err := db.ExecContext(ctx, "BEGIN EXCLUSIVE; COMMIT")
		return err
	})
	code, ok := errors.AsType[interface {
		error
		Code() int
	}](err)
	if ok && code.Code()&0xff == 5 { // SQLITE_BUSY
		return ErrRunning
	}
	return nil
}

// moveAside renames a database with its journals.
func moveAside(path string) (string, error) {
	aside := path + ".before-" + idp.Now().Format("20060102-150405.000000")
	moved := ""
	for _, part := range parts {
		switch err := os.Rename(path+part, aside+part); {
		case err == nil:
			moved = aside
		case !errors.Is(err, fs.ErrNotExist):
			return moved, fmt.Errorf("move the old database aside: %w", err)
		}
	}
	return moved, nil
}
