package store

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	"gatehouse/idp"
)

// SlowStatement is how long a statement may take before the log mentions it.
const SlowStatement = 200 * time.Millisecond

// statementLog hears of every statement. It logs slow ones without their
// values, and counts for CountStatements. Errors are the caller's to log; what they say of
// the database is remembered.
type statementLog struct {
	health *health
	heard  func(context.Context, Statement)
}

// Statement is one that was run.
type Statement struct {
	// Begin is when it was asked for: Took holds the wait for a connection too.
	Begin time.Time
	Took  time.Duration
	Err   error
	text  func() (string, int64)
}

// SQL is the statement without its values. It costs as much as a short statement.
func (s Statement) SQL() string {
	text, _ := s.text()
	return text
}

// Failed tells whether it did not do what was asked. That it found nothing is no failure.
func (s Statement) Failed() bool { return s.Err != nil && !errors.Is(s.Err, gorm.ErrRecordNotFound) }

func (l statementLog) LogMode(logger.LogLevel) logger.Interface    { return l }
func (statementLog) Info(context.Context, string, ...interface{})  {}
func (statementLog) Warn(context.Context, string, ...interface{})  {}
func (statementLog) Error(context.Context, string, ...interface{}) {}

func (l statementLog) Trace(ctx context.Context, begin time.Time, fc func() (string, int64), err error) {
	l.health.saw(err)
	if n, ok := ctx.Value(counterKey{}).(*atomic.Int64); ok {
		n.Add(1)
	}
	took := idp.Now().Sub(begin)
	if l.heard != nil {
		l.heard(ctx, Statement{begin, took, err, fc})
	}
	if took > SlowStatement {
		text, rows := fc()
		slog.WarnContext(ctx, "slow statement", "sql", text, "rows", rows, "seconds", took.Seconds())
	}
}

// ParamsFilter keeps the values of statements out of logs.
func (statementLog) ParamsFilter(_ context.Context, sql string, _ ...interface{}) (string, []interface{}) {
	return sql, nil
}

// hideScanned keeps the values of what is scanned out of logs too. GORM records a Scan by
// itself before it tells the log, with a filter that is the whole program's.
var hideScanned = sync.OnceFunc(func() { logger.RecorderParamsFilter = statementLog{}.ParamsFilter })

type counterKey struct{}

// CountStatements returns a context under which n counts every statement except
// BEGIN and COMMIT: what the tests of our costs hold on to.
func CountStatements(ctx context.Context) (_ context.Context, n *atomic.Int64) {
	n = new(atomic.Int64)
	return context.WithValue(ctx, counterKey{}, n), n
}
