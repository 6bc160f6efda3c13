package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/libtnb/sqlite"
	"gorm.io/driver/postgres"
	"gorm.io/gorm"

	"gatehouse/idp"
)

// SQLiteScheme starts the URL of an SQLite database: "sqlite:" and a path.
const SQLiteScheme = "sqlite:"

// CheckURL tells whether Open knows this kind of database.
func CheckURL(databaseURL string) error {
	for _, scheme := range []string{"postgres://", "postgresql://", SQLiteScheme} {
		if strings.HasPrefix(databaseURL, scheme) {
			return nil
		}
	}
	return fmt.Errorf("%w: a database URL starts with postgres:// or %s", idp.ErrInvalid, SQLiteScheme)
}

// Options say how to reach a database.
type Options struct {
	// URL is "postgres://…" or "sqlite:PATH".
	URL string
	// DirectURL reaches PostgreSQL where URL names a pooler: for migrations and the lock
	// around them, which need a session of their own. Empty: URL does.
	DirectURL string
	// TransactionPooling is for a pooler that gives each transaction another connection of
	// its own, such as PgBouncer's pool_mode "transaction": nothing is prepared, and
	// time-outs are those of the role (ALTER ROLE … SET).
	TransactionPooling bool
	// Heard are told what happens, for metrics and traces.
	Heard Heard
}

// Heard are functions that watch a database. Each is optional, and none may block.
type Heard struct {
	// Audit hears of events once they are committed.
	Audit func(idp.AuditEvent)
	// Statement hears of every statement except BEGIN and COMMIT.
	Statement func(context.Context, Statement)
}

// Open connects to a database: "postgres://…" or "sqlite:PATH". It does not
// migrate it.
func Open(ctx context.Context, databaseURL string) (*Store, error) {
	return OpenWith(ctx, Options{URL: databaseURL})
}

// OpenWith is Open with all options.
func OpenWith(ctx context.Context, o Options) (*Store, error) {
	if err := CheckURL(o.URL); err != nil {
		return nil, err
	}
	hideScanned()
	if path, ok := strings.CutPrefix(o.URL, SQLiteScheme); ok {
		return openSQLite(path, o.Heard)
	}
	return openPostgres(ctx, o)
}

// Exists tells whether there is a database at an address: on SQLite a file that is
// not empty. It makes none. A PostgreSQL that answers is one.
func Exists(databaseURL string) (bool, error) {
	path, ok := strings.CutPrefix(databaseURL, SQLiteScheme)
	if !ok {
		return true, nil
	}
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look for the database file: %w", err)
	}
	return info.Size() > 0, nil
}

func openSQLite(path string, heard Heard) (*Store, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("make the database's folder: %w", err)
	}
	// Ours alone, whatever the folder allows; SQLite gives its journals the same
	// mode.
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600) // #nosec G304 -- the operator's own path
	if err != nil {
		return nil, fmt.Errorf("open the database file: %w", err)
	}
	if err := file.Close(); err != nil {
		return nil, fmt.Errorf("open the database file: %w", err)
	}
	// One connection writes, so that writers queue here, in lanes, and not in SQLite's busy
	// loop; BEGIN IMMEDIATE so that none finds out at COMMIT that it lost.
	log := statementLog{&health{}, heard.Statement}
	write, writePool, err := openSQLitePool(path, "immediate", 1, log)
	if err != nil {
		return nil, err
	}
	read, readPool, err := openSQLitePool(path, "deferred", max(4, runtime.NumCPU()), log)
	if err != nil {
		return nil, err
	}
	// Readers wait for no writer here: they serve what a transaction waits for, too.
	s := newStore("sqlite", log, write, read, read, nil, writePool, readPool)
	s.address, s.heard = path, heard.Audit
	s.stats = func() []Pool {
		writer := poolOf("write", writePool.Stats())
		writer.Waits, writer.Waited = s.lanes.waited()
		return []Pool{writer, poolOf("read", readPool.Stats())}
	}
	if writer, ok := write.Statement.ConnPool.(*lanedPool); ok {
		s.lanes, log.health.reconnect = writer.lanes, func() { writer.stale.Store(true) }
	}
	return s, nil
}

func openSQLitePool(path, txlock string, conns int, log statementLog) (*gorm.DB, *sql.DB, error) {
	pool, err := sql.Open(sqlite.DriverName, sqliteDSN(path, txlock,
		"busy_timeout(10000)", "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(1)"))
	if err != nil {
		return nil, nil, fmt.Errorf("open SQLite: %w", err)
	}
	pool.SetMaxOpenConns(conns)
	pool.SetMaxIdleConns(conns)
	var conn gorm.ConnPool = &readPool{DB: pool, prepared: map[string]*statement{}}
	if conns == 1 {
		conn = &lanedPool{pool: pool, lanes: &lanes{}}
	}
	db, err := gorm.Open(&sqlite.Dialector{Conn: conn}, config(log))
	if err != nil {
		if isDamage(err) {
			err = fmt.Errorf("%w: %w", ErrDamaged, err)
		}
		return nil, nil, fmt.Errorf("open SQLite database %s: %w", path, err)
	}
	return db, pool, nil
}

// sqliteDSN is the address of a SQLite database file for database/sql: how its
// transactions begin, and what each connection is told first. Times are written in
// SQLite's own format ("2006-01-02 15:04:05.999999999-07:00"), in which they sort.
func sqliteDSN(path, txlock string, pragmas ...string) string {
	q := url.Values{"_txlock": {txlock}, "_time_format": {"sqlite"}, "_pragma": pragmas}
	return (&url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath(), RawQuery: q.Encode()}).String()
}

func openPostgres(ctx context.Context, o Options) (*Store, error) {
	cfg, err := pgxpool.ParseConfig(o.URL)
	if err != nil {
		// pgx's text leaves the password out of what it quotes.
		return nil, fmt.Errorf("read the database URL: %w", err)
	}
	if !strings.Contains(o.URL, "pool_max_conns") {
		cfg.MaxConns = 32
	}
	// Connections that stay open: reconnecting costs more than any statement.
	cfg.MinIdleConns = min(4, cfg.MaxConns)
	cfg.ConnConfig.RuntimeParams["timezone"] = "UTC"
	cfg.ConnConfig.RuntimeParams["application_name"] = "gatehouse"
	if o.TransactionPooling {
		cfg.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe
	} else {
		limitStatements(cfg.ConnConfig.RuntimeParams)
	}
	findBroken(cfg)
	log := statementLog{&health{}, o.Heard.Statement}
	db, conn, pool, err := openPostgresPool(ctx, cfg, log)
	if err != nil {
		return nil, err
	}
	few := cfg.Copy()
	few.MaxConns, few.MinConns, few.MinIdleConns = outsideConns, 0, 0
	outside, outsideConn, outsidePool, err := openPostgresPool(ctx, few, log)
	if err != nil {
		pool.Close()
		return nil, err
	}
	log.health.reconnect = func() { pool.Reset(); outsidePool.Reset() }
	s := newStore("postgres", log, db, db, outside, func() { pool.Close(); outsidePool.Close() }, conn, outsideConn)
	s.address, s.heard = cmp.Or(o.DirectURL, o.URL), o.Heard.Audit
	s.stats = func() []Pool { return []Pool{pgPoolOf("main", pool.Stat()), pgPoolOf("outside", outsidePool.Stat())} }
	return s, nil
}

// The server ends a statement that waits longer for a lock, or runs longer, than a request
// may take: whatever becomes of us, a lock that another program holds takes our connections
// for that long and no longer. The URL may say otherwise.
const (
	lockTimeout      = 10 * time.Second
	statementTimeout = 30 * time.Second
	// idleTimeout ends a transaction of ours whose end we cannot tell the server any more: it
	// holds locks.
	idleTimeout = 30 * time.Second
)

func limitStatements(params map[string]string) {
	for name, limit := range map[string]time.Duration{
		"lock_timeout": lockTimeout, "statement_timeout": statementTimeout, "idle_in_transaction_session_timeout": idleTimeout,
	} {
		if _, given := params[name]; !given {
			params[name] = strconv.FormatInt(limit.Milliseconds(), 10)
		}
	}
}

// outsideConns are the connections for what transactions wait for before they are
// committed: plain reads of a row or two, which do not wait.
const outsideConns = 2

func openPostgresPool(ctx context.Context, cfg *pgxpool.Config, log statementLog) (*gorm.DB, *sql.DB, *pgxpool.Pool, error) {
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, nil, nil, fmt.Errorf("open PostgreSQL: %w", err)
	}
	conn := stdlib.OpenDBFromPool(pool)
	db, err := gorm.Open(postgres.New(postgres.Config{Conn: conn}), config(log))
	if err != nil {
		pool.Close()
		return nil, nil, nil, fmt.Errorf("open PostgreSQL: %w", err)
	}
	return db, conn, pool, nil
}

// config is GORM's, which prepares nothing. pgx prepares and keeps each statement by
// itself, and readPool does for SQLite's driver. On the pool with one connection nothing
// may be prepared: a write outside of a transaction would wait for the connection with its
// statement announced as "being prepared", and a transaction that holds the connection and
// runs the same statement would wait for that. Single writes need no transaction of
// GORM's.
func config(log statementLog) *gorm.Config {
	return &gorm.Config{
		SkipDefaultTransaction: true,
		DisableAutomaticPing:   true,
		NowFunc:                idp.Now,
		Logger:                 log,
		TranslateError:         true,
	}
}

func newStore(dialect string, log statementLog, write, read, outside *gorm.DB, closePool func(), pools ...*sql.DB) *Store {
	return &Store{
		dialect: dialect, write: write, read: read, outside: outside, pools: pools, closePool: closePool,
		clients: newClientCache(), apis: newClientCache(), health: log.health,
	}
}
