package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5"

	"gatehouse/idp"
	"gatehouse/idp/server"
)

//go:embed lists.sql
var listsSQL string

// The size of what is around the people.
const (
	listNames = 20_000 // family names; a tenth as many first names
	listApps  = 40
	// listPartners is a population of one person in a thousand.
	listPartners = "partners"
)

// bulkTables are filled without their indexes, which are built afterwards.
var bulkTables = []string{"users", "user_words", "factors", "user_roles", "recovery_sets", "recovery_codes", "sessions", "grants", "audit_events"}

// unloggedTables need no protection from a crash: nothing refers to them, and who
// reads them does not see a difference.
var unloggedTables = []string{"user_words", "factors", "recovery_codes", "audit_events"}

// fillLists makes people and events in an empty database, by statements of its own.
func fillLists(ctx context.Context, w world, users, events int) error {
	if err := os.MkdirAll(w.Data, 0o700); err != nil {
		return fmt.Errorf("make a folder: %w", err)
	}
	srv, err := server.Open(ctx, w.config())
	if err != nil {
		return err
	}
	if err := errors.Join(listWorld(ctx, srv), srv.Close()); err != nil {
		return err
	}
	setup, err := connect(ctx, w.Database)
	if err != nil {
		return err
	}
	indexes, err := dropIndexes(ctx, setup)
	if err == nil {
		_, err = setup.Exec(ctx, listsPart("functions", users, events, 0, 0))
	}
	if err := errors.Join(err, setup.Close(ctx)); err != nil {
		return err
	}
	const slices = 16
	load := []string{listsPart("people", users, events, 0, 0)}
	for i := range slices {
		load = append(load, listsPart("events", users, events, 1+i*events/slices, (i+1)*events/slices))
	}
	var vacuum []string
	for _, table := range bulkTables {
		vacuum = append(vacuum, "VACUUM (ANALYZE) "+table)
	}
	if err := inParallel(ctx, w.Database, load); err != nil {
		return err
	}
	if err := fillWords(ctx, w.Database); err != nil {
		return err
	}
	return errors.Join(inParallel(ctx, w.Database, indexes), inParallel(ctx, w.Database, vacuum))
}

// listWorld makes apps and a small population.
func listWorld(ctx context.Context, srv *server.Server) error {
	for i := range listApps {
		_, _, err := srv.Manage.Apps.CreateClient(ctx, idp.Client{
			Name: "App " + strconv.Itoa(i), Populations: []string{idp.Agents}, RedirectURIs: []string{redirectURI}, HomeURL: "https://app.example/",
		})
		if err != nil {
			return err
		}
	}
	p, err := srv.Store.Population(ctx, idp.Contacts)
	if err != nil {
		return err
	}
	p.ID, p.Name, p.Policy.Version = listPartners, "Partners", 1
	_, err = srv.Store.CreatePopulation(ctx, p, idp.Now())
	return err
}

// listsStart is when what happened ends.
var listsStart = idp.Now().Format("2006-01-02 15:04:05")

// listsPart is a part of lists.sql for some people and events.
func listsPart(part string, users, events, from, to int) string {
	_, text, _ := strings.Cut(listsSQL, "-- part "+part+"\n")
	text, _, _ = strings.Cut(text, "-- part ")
	return strings.NewReplacer("{now}", listsStart, "{users}", strconv.Itoa(users), "{events}", strconv.Itoa(events),
		"{words}", strconv.Itoa(listNames), "{from}", strconv.Itoa(from), "{to}", strconv.Itoa(to)).Replace(text)
}

// connect opens a connection for statements that take long. The owner of the cluster goes
// without looking up foreign keys.
func connect(ctx context.Context, database string) (*pgx.Conn, error) {
	cfg, err := pgx.ParseConfig(database)
	if err != nil {
		return nil, fmt.Errorf("read the database URL: %w", err)
	}
	cfg.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol
	cfg.RuntimeParams["maintenance_work_mem"] = "1GB"
	cfg.RuntimeParams["work_mem"] = "256MB"
	cfg.RuntimeParams["synchronous_commit"] = "off"
	c, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("reach PostgreSQL: %w", err)
	}
	_, err = c.Exec(ctx, "SELECT set_config('session_replication_role', 'replica', FALSE) FROM pg_roles WHERE rolname = current_user AND rolsuper")
	return c, err
}

// dropIndexes takes the indexes from what is about to be filled, but for those of
// constraints, and returns the statements that make them again.
func dropIndexes(ctx context.Context, c *pgx.Conn) ([]string, error) {
	for _, table := range bulkTables {
		statement := "ALTER TABLE " + table + " SET (autovacuum_enabled = FALSE)"
		if slices.Contains(unloggedTables, table) {
			statement += "; ALTER TABLE " + table + " SET UNLOGGED"
		}
		if _, err := c.Exec(ctx, statement); err != nil {
			return nil, fmt.Errorf("prepare %s: %w", table, err)
		}
	}
	rows, err := c.Query(ctx, `SELECT i.indexrelid::regclass::text, pg_get_indexdef(i.indexrelid) FROM pg_index i JOIN pg_class t ON t.oid = i.indrelid
		WHERE t.relnamespace = current_schema()::regnamespace AND t.relname = ANY ($1)
		AND NOT EXISTS (SELECT 1 FROM pg_constraint c WHERE c.conindid = i.indexrelid) ORDER BY t.relname <> 'audit_events'`, bulkTables)
	if err != nil {
		return nil, fmt.Errorf("read the indexes: %w", err)
	}
	var name, definition string
	var drop, create []string
	_, err = pgx.ForEachRow(rows, []any{&name, &definition}, func() error {
		drop, create = append(drop, name), append(create, definition)
		return nil
	})
	if err == nil {
		_, err = c.Exec(ctx, "DROP INDEX "+strings.Join(drop, ", "))
	}
	return create, err
}

// inParallel runs statements over two connections, in their order.
func inParallel(ctx context.Context, database string, jobs []string) error {
	const connections = 2
	queue := make(chan string, len(jobs))
	for _, job := range jobs {
		queue <- job
	}
	close(queue)
	errs := make([]error, connections)
	var working sync.WaitGroup
	for i := range connections {
		working.Go(func() {
			c, err := connect(ctx, database)
			if err != nil {
				errs[i] = err
				return
			}
			for job := range queue {
				if _, err = c.Exec(ctx, job); err != nil {
					err = fmt.Errorf("%.60s…: %w", job, err)
					break
				}
			}
			errs[i] = errors.Join(err, c.Close(ctx))
		})
	}
	working.Wait()
	return errors.Join(errs...)
}

// fillWords stores what people are found by, by the program's own rule.
func fillWords(ctx context.Context, database string) error {
	read, err := connect(ctx, database)
	if err != nil {
		return err
	}
	write, err := connect(ctx, database)
	if err != nil {
		return errors.Join(err, read.Close(ctx))
	}
	err = copyWords(ctx, read, write)
	return errors.Join(err, read.Close(ctx), write.Close(ctx))
}

func copyWords(ctx context.Context, read, write *pgx.Conn) error {
	rows, err := read.Query(ctx, "SELECT id, population_id, email, name FROM users")
	if err != nil {
		return fmt.Errorf("read people: %w", err)
	}
	defer rows.Close()
	var id, population, email, name string
	var words [][]byte
	source := pgx.CopyFromFunc(func() ([]any, error) {
		for len(words) == 0 {
			if !rows.Next() {
				return nil, rows.Err()
			}
			if err := rows.Scan(&id, &population, &email, &name); err != nil {
				return nil, err
			}
			words = idp.SearchWords(email, name)
		}
		row := []any{id, words[0], population}
		words = words[1:]
		return row, nil
	})
	_, err = write.CopyFrom(ctx, pgx.Identifier{"user_words"}, []string{"user_id", "word", "population_id"}, source)
	if err != nil {
		return fmt.Errorf("store the words of people: %w", err)
	}
	return nil
}
