// Command bench puts load on a provider and, in turns, on a floor: a bare HTTP
// handler that does only what cannot be avoided. It prints what each operation
// costs and how near it comes to its floor (docs/performance.md). It is not part
// of the shipped binary, and no test looks at its figures.
//
// Provider and floor run in processes of their own, started from this program,
// so that their processor time can be told from that of the load. Both work on
// the same rows.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// options are the flags.
type options struct {
	postgres string
	binary   string
	profiles string
	only     string
	round    time.Duration
	rounds   int
	workers  int
	lists    bool
	users    int
	events   int
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	if role := os.Getenv(roleVariable); role != "" {
		return serveRole(ctx, role)
	}
	quiet()
	var o options
	flag.StringVar(&o.postgres, "postgres", os.Getenv("GATEHOUSE_TEST_POSTGRES_URL"), "URL of a PostgreSQL database to make a schema in")
	flag.StringVar(&o.binary, "binary", "bin/gatehouse", "the built program, for memory and start")
	flag.StringVar(&o.profiles, "profiles", "", "folder to write a CPU profile of the provider into, one for each operation")
	flag.StringVar(&o.only, "only", "", "measure only operations whose name contains this")
	flag.DurationVar(&o.round, "round", 400*time.Millisecond, "length of a round")
	flag.IntVar(&o.rounds, "rounds", 6, "rounds for each side, which take turns")
	flag.IntVar(&o.workers, "workers", 8, "connections that ask at the same time")
	flag.BoolVar(&o.lists, "lists", false, "measure the console's lists alone")
	flag.IntVar(&o.users, "users", 100_000, "people that lists are measured with")
	flag.IntVar(&o.events, "events", 1_000_000, "audit events that lists are measured with")
	flag.Parse()
	if o.postgres == "" {
		return errors.New("no PostgreSQL: run under .ci/postgres, or give -postgres")
	}
	data, err := os.MkdirTemp("", "gatehouse-bench-")
	if err != nil {
		return fmt.Errorf("make a folder: %w", err)
	}
	measure := runIn
	if o.lists {
		measure = measureLists
	}
	return errors.Join(measure(ctx, o, data), os.RemoveAll(data))
}

func runIn(ctx context.Context, o options, data string) error {
	printHeader(o)
	onPostgres := func() error {
		database, drop, err := newSchema(ctx, o.postgres)
		if err != nil {
			return err
		}
		return errors.Join(measureDatabase(ctx, o, "PostgreSQL", filepath.Join(data, "postgres"), database), drop())
	}
	onSQLite := func() error {
		return measureDatabase(ctx, o, "SQLite", filepath.Join(data, "sqlite"), "")
	}
	onMail := func() error { return measureMail(ctx, o, data) }
	onStrangers := func() error { return measureStrangers(ctx, o, data) }
	onStart := func() error { return measureStart(ctx, o, data) }
	onLists := func() error { return measureLists(ctx, o, data) }
	for _, step := range []func() error{onPostgres, onSQLite, onMail, onStrangers, onStart, onLists} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// measureDatabase makes a world in a database and measures everything there is to
// measure on it.
func measureDatabase(ctx context.Context, o options, dialect, data, database string) error {
	w, err := newWorld(ctx, data, database, o)
	if err != nil {
		return fmt.Errorf("prepare %s: %w", dialect, err)
	}
	b, err := newBench(ctx, o, w)
	if err != nil {
		return fmt.Errorf("prepare %s: %w", dialect, err)
	}
	defer b.close()
	for _, op := range b.operations(dialect) {
		if !strings.Contains(op.name, o.only) {
			continue
		}
		if err := b.measure(ctx, op); err != nil {
			return fmt.Errorf("%s: %w", op.name, err)
		}
	}
	return nil
}
