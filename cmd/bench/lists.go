package main

import (
	"context"
	"encoding/base64"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"gatehouse/idp"
	"gatehouse/idp/manage"
	"gatehouse/idp/manage/authz"
	"gatehouse/idp/manage/entry"
	"gatehouse/idp/manage/people"
	"gatehouse/idp/manage/system"
	"gatehouse/idp/store"
)

const (
	// listGoal is how long a page may take at the server, 95 of 100 times.
	listGoal = 50 * time.Millisecond
	// listLimit ends the run with a failure. It is far above the goal, since the
	// neighbours of a shared machine are in it: what is slower lost its index.
	listLimit = 3 * listGoal
	listTimes = 200
	listWarm  = 12 // PostgreSQL settles on a plan after five
	// exportRows is how much of an export is timed.
	exportRows = 50_000
)

// listBench is the operations of the console on a large database, as an admin who may see
// all.
type listBench struct {
	*manage.Manager
	actor  authz.Actor
	people []samplePerson // as many as listTimes
	events []idp.AuditEvent
	apps   []string // in the order of lists.sql: the first ten are the agents'
	admins []string // who did what was done to others
	// sessions are one in a hundred, agentSessions one in ten of the agents'.
	sessions, agentSessions []string
	tooSlow                 []string
}

type samplePerson struct {
	ID, Email, First, Last, Population string
}

// listRow is one kind of page, asked for with another argument each time; it
// returns how many rows came.
type listRow struct {
	name string
	page func(ctx context.Context, i int) (int, error)
	// beyond: the goal is not meant for it.
	beyond bool
}

// measureLists prints how long the pages of the console take with many people and
// events. Any that is far too slow is an error.
func measureLists(ctx context.Context, o options, data string) (err error) {
	if !strings.Contains("lists", o.only) {
		return nil
	}
	database, drop, err := newSchema(ctx, o.postgres)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, drop()) }()
	begin := idp.Now()
	w := world{Data: filepath.Join(data, "lists"), Database: database}
	if err := fillLists(ctx, w, o.users, o.events); err != nil {
		return fmt.Errorf("prepare the lists: %w", err)
	}
	fmt.Printf("\nLists: %d people and %d audit events, made in %.0f s.\n\n", o.users, o.events, idp.Now().Sub(begin).Seconds())
	s, err := store.Open(ctx, database)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	b := &listBench{Manager: manage.New(manage.Parts{Store: s}), actor: authz.System()}
	if err := b.sample(ctx, database, o); err != nil {
		return fmt.Errorf("prepare the lists: %w", err)
	}
	fmt.Println("| Page of 50, PostgreSQL | rows (median) | median | 95 of 100 | goal |")
	fmt.Println("|---|---:|---:|---:|---:|")
	for _, row := range slices.Concat(b.peopleRows(), b.searchRows(), b.otherRows(), b.auditRows(), b.narrowRows()) {
		if err := b.measure(ctx, row); err != nil {
			return fmt.Errorf("%s: %w", row.name, err)
		}
	}
	if err := b.exports(ctx); err != nil {
		return err
	}
	if len(b.tooSlow) > 0 {
		return fmt.Errorf("slower than %v, 95 of 100 times: %s", listLimit, strings.Join(b.tooSlow, "; "))
	}
	return nil
}

func (b *listBench) measure(ctx context.Context, row listRow) error {
	var f figures
	var found []int
	for i := range listWarm + listTimes {
		begin := idp.Now()
		n, err := row.page(ctx, i%listTimes)
		if err != nil {
			return err
		}
		if i >= listWarm {
			f.took, found = append(f.took, idp.Now().Sub(begin)), append(found, n)
		}
	}
	slices.Sort(f.took)
	slices.Sort(found)
	p95, goal := f.percentile(0.95), "–"
	if !row.beyond {
		goal = fmt.Sprintf("%d ms", listGoal/time.Millisecond)
		if p95 > listLimit {
			b.tooSlow = append(b.tooSlow, row.name)
		}
	}
	fmt.Printf("| %s | %d | %s | **%s** | %s |\n", row.name, found[listTimes/2], milliseconds(f.percentile(0.5)), milliseconds(p95), goal)
	return nil
}

// sample reads people and events to ask for, evenly over all.
func (b *listBench) sample(ctx context.Context, database string, o options) error {
	c, err := connect(ctx, database)
	if err != nil {
		return err
	}
	rows, err := c.Query(ctx, `SELECT u.id, u.email, lower(split_part(u.name, ' ', 1)), lower(split_part(split_part(u.name, ' ', 2), '-', 1)), u.population_id
		FROM generate_series(1, $1) AS i JOIN users u ON u.id = user_id(1 + i * $2) ORDER BY dice(i, 31)`, listTimes, (o.users-1)/listTimes)
	if err == nil {
		b.people, err = pgx.CollectRows(rows, pgx.RowToStructByPos[samplePerson])
	}
	if err == nil {
		rows, err = c.Query(ctx, `SELECT e.id, e.at FROM generate_series(1, $1) AS i JOIN audit_events e ON e.id = event_id(1 + i * $2) ORDER BY dice(i, 32)`,
			listTimes, (o.events-1)/listTimes)
	}
	if err == nil {
		b.events, err = pgx.CollectRows(rows, func(r pgx.CollectableRow) (e idp.AuditEvent, err error) {
			return e, r.Scan(&e.ID, &e.At)
		})
	}
	for query, list := range map[string]*[]string{
		"SELECT id FROM apps ORDER BY k":                                                                                          &b.apps,
		"SELECT user_id(i) FROM generate_series(1, 200) AS i ORDER BY i":                                                          &b.admins,
		"SELECT id FROM sessions WHERE dice(hashtext(id), 33) < 0.01 ORDER BY dice(hashtext(id), 34)":                             &b.sessions,
		"SELECT id FROM sessions WHERE dice(hashtext(id), 35) < 0.1 AND population_id = 'agents' ORDER BY dice(hashtext(id), 36)": &b.agentSessions,
	} {
		if err == nil {
			rows, err = c.Query(ctx, query)
		}
		if err == nil {
			*list, err = pgx.CollectRows(rows, pgx.RowTo[string])
		}
	}
	if err == nil && (len(b.people) != listTimes || len(b.events) != listTimes) {
		err = fmt.Errorf("%d people and %d events in the sample", len(b.people), len(b.events))
	}
	return errors.Join(err, c.Close(ctx))
}

// after is a cursor into the middle of a list, as the operation would give one if
// the pages before were read. The form is manage's own affair: one that has changed
// ends the run.
func after(list, id string, key []byte, at time.Time) entry.Cursor {
	text, _ := json.Marshal(struct { // strings, bytes and a time always marshal
		List string    `json:"l"`
		ID   string    `json:"i"`
		Key  []byte    `json:"k,omitempty"`
		At   time.Time `json:"t,omitzero"`
	}{list, id, key, at})
	return entry.Cursor(base64.RawURLEncoding.EncodeToString(text))
}

// exports prints how fast the two exports go, each with its page of the newest.
func (b *listBench) exports(ctx context.Context) error {
	fmt.Println("\n| Export, PostgreSQL | rows | rows/s |")
	fmt.Println("|---|---:|---:|")
	begin := idp.Now()
	n, err := b.exportPeople(ctx)
	if err != nil {
		return fmt.Errorf("export people: %w", err)
	}
	fmt.Printf("| people without a second step, CSV | %d | **%.0f** |\n", n, float64(n)/idp.Now().Sub(begin).Seconds())
	begin, n = idp.Now(), 0
	out, enough := json.NewEncoder(io.Discard), errors.New("enough")
	err = b.System.ExportAudit(ctx, b.actor, system.AuditQuery{}, func(e idp.AuditEvent) error {
		if n++; n > exportRows {
			return enough
		}
		return out.Encode(e)
	})
	if err != nil && !errors.Is(err, enough) {
		return fmt.Errorf("export the audit log: %w", err)
	}
	fmt.Printf("| audit log, JSON lines | %d | **%.0f** |\n", min(n, exportRows), float64(n)/idp.Now().Sub(begin).Seconds())
	return nil
}

// exportPeople does what the console's download does.
func (b *listBench) exportPeople(ctx context.Context) (n int, err error) {
	w := csv.NewWriter(io.Discard)
	q := people.UserQuery{WithoutSecondStep: true, Limit: 200}
	for n < exportRows {
		list, next, err := b.People.Users(ctx, b.actor, q)
		if err != nil {
			return n, err
		}
		for _, e := range list {
			if err := w.Write([]string{e.Email, e.Name, e.PopulationID, e.CreatedAt.Format(time.RFC3339), e.LastSignInAt.Format(time.RFC3339)}); err != nil {
				return n, err
			}
		}
		n += len(list)
		if q.After = next; next == "" {
			break
		}
	}
	w.Flush()
	return n, w.Error()
}
