package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"gatehouse/idp"
)

// unavailable marks an error that says that the database does not serve us now, whatever
// the statement was, as idp.ErrUnavailable. All errors of statements pass it on their way
// out (found, written), and those of BEGIN and COMMIT (Do).
func unavailable(err error) error {
	if err == nil || errors.Is(err, idp.ErrUnavailable) || !connectionLost(err) && !sqliteAway(err) && !postgresAway(err) {
		return err
	}
	return fmt.Errorf("%w: %w", idp.ErrUnavailable, err)
}

// connectionLost tells whether the database did not answer, or not in time. A context that
// was cancelled says nothing of the database.
func connectionLost(err error) bool {
	if errors.Is(err, context.Canceled) {
		return false
	}
	for _, lost := range []error{
		context.DeadlineExceeded, driver.ErrBadConn, sql.ErrConnDone, io.EOF, io.ErrUnexpectedEOF, net.ErrClosed,
	} {
		if errors.Is(err, lost) {
			return true
		}
	}
	var network net.Error
	return errors.As(err, &network)
}

// sqliteAway knows SQLite's result codes for a file that cannot be used now: BUSY, LOCKED,
// NOMEM, READONLY, IOERR, CORRUPT, FULL, CANTOPEN, PROTOCOL, PERM, NOTADB.
func sqliteAway(err error) bool {
	switch code, _ := sqliteCode(err); code {
	case 3, 5, 6, 7, 8, 10, 11, 13, 14, 15, 26:
		return true
	}
	return false
}

// sqliteCode is the primary result code of an error of SQLite (sqlite.org/rescode.html).
func sqliteCode(err error) (int, bool) {
	code, ok := errors.AsType[interface {
		error
		Code() int
	}](err)
	if !ok {
		return 0, false
	}
	return code.Code() & 0xff, true
}

// postgresAway knows PostgreSQL's classes and codes for a server that does not serve us
// now, and the driver's errors before a statement reached one.
func postgresAway(err error) bool {
	if connect, ok := errors.AsType[*pgconn.ConnectError](err); ok && connect != nil {
		return true
	}
	pg, ok := errors.AsType[*pgconn.PgError](err)
	if !ok {
		return pgconn.SafeToRetry(err) || pgconn.Timeout(err)
	}
	for _, prefix := range []string{
		"08",    // connection exception
		"28",    // the server does not let us in
		"3D000", // the database is not there
		"25006", // read-only: a standby, or a disk that is nearly full
		"25P03", // idle too long in a transaction
		"40001", // serialization failure, after our own attempts
		"40P01", // deadlock, after our own attempts
		"53",    // insufficient resources: connections, memory, disk
		"55P03", // a lock was not given in time
		"57",    // operator intervention: shutdown, starting up, cancelled
		"58",    // system error: the disk
	} {
		if strings.HasPrefix(pg.Code, prefix) {
			return true
		}
	}
	return false
}
