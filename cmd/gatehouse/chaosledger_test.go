//go:build unix

package main_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"
)

// ledger is what was acknowledged, what was raced, and what came of it.
type ledger struct {
	mu            sync.Mutex
	entries       []entry
	once          []entry // what a race may have made one of
	acknowledged  map[string]int
	races         map[string]int
	counts        map[string]int // what was done to replicas and database
	requests      map[string]int // by outcome
	notes         map[string]int // why steps were given up
	lost, doubled []string
	lostInAll     int
	doubledInAll  int
}

// entry is an acknowledged write: a query that finds it, of one argument.
type entry struct {
	what, query string
	argument    any
}

func newLedger() *ledger {
	return &ledger{
		acknowledged: map[string]int{}, races: map[string]int{}, counts: map[string]int{}, requests: map[string]int{}, notes: map[string]int{},
	}
}

// enter puts down what the provider has said that it has done.
func (l *ledger) enter(what, query string, argument any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.acknowledged[what]++
	l.entries = append(l.entries, entry{what, query, argument})
}

// later puts down a race whose winners are counted at the end.
func (l *ledger) later(what, query string, argument any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.once = append(l.once, entry{what, query, argument})
}

// missing puts down an acknowledged write that is not there.
func (l *ledger) missing(what string, seen any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lostInAll++; len(l.lost) < 20 {
		l.lost = append(l.lost, fmt.Sprintf("lost: %s: %v", what, seen))
	}
}

// raced puts down a race of which one may win, and how many did.
func (l *ledger) raced(what string, won int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.races[what]++
	if won <= 1 {
		return
	}
	l.doubledInAll += won - 1
	if len(l.doubled) < 20 {
		l.doubled = append(l.doubled, fmt.Sprintf("doubled: %s: %d won", what, won))
	}
}

func (l *ledger) count(what string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.counts[what]++
}

// anID is what is another one each time in an error's text.
var anID = regexp.MustCompile(`[0-9a-f-]{36}|http://\S*|request .*`)

func (l *ledger) note(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	text, _, _ := strings.Cut(anID.ReplaceAllString(err.Error(), "…"), "\n")
	l.notes[text[:min(len(text), 60)]]++
}

func (l *ledger) outcome(res *http.Response, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case err != nil:
		l.requests["no answer"]++
	case res.StatusCode < 500:
		l.requests[fmt.Sprintf("%dxx", res.StatusCode/100)]++
	default:
		l.requests[fmt.Sprint(res.StatusCode)]++
	}
}

// lookUp asks the database for all that was acknowledged.
func (c *chaos) lookUp() {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), 10*time.Minute)
	defer cancel()
	for _, e := range c.entries {
		if c.found(ctx, e) == 0 {
			c.missing(e.what, fmt.Sprintf("no row of %s, %x", e.query, e.argument))
		}
	}
	for _, e := range c.once {
		c.raced(e.what, c.found(ctx, e))
	}
}

func (c *chaos) found(ctx context.Context, e entry) (n int) {
	c.t.Helper()
	if err := c.db.QueryRowContext(ctx, "SELECT count(*) FROM "+e.query, e.argument).Scan(&n); err != nil {
		c.t.Fatalf("looking for %s: %v", e.what, err)
	}
	return n
}

// sums is the result of a run.
type sums struct {
	Kills             int            `json:"kills"`
	RacesInAll        int            `json:"races"`
	AcknowledgedInAll int            `json:"acknowledged"`
	Lost              int            `json:"lost"`
	Doubled           int            `json:"doubled"`
	Done              map[string]int `json:"done"`
	Races             map[string]int `json:"races_by_kind"`
	Acknowledged      map[string]int `json:"acknowledged_by_kind"`
	Requests          map[string]int `json:"requests"`
	GivenUp           map[string]int `json:"given_up"`
}

func (l *ledger) sum() sums {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := sums{
		Lost: l.lostInAll, Doubled: l.doubledInAll, Done: l.counts, Races: l.races, Acknowledged: l.acknowledged, Requests: l.requests, GivenUp: l.notes,
		Kills: l.counts[replicasKilled] + l.counts[postgresKilled],
	}
	for _, n := range l.races {
		s.RacesInAll += n
	}
	for _, n := range l.acknowledged {
		s.AcknowledgedInAll += n
	}
	return s
}

func (s sums) table() string {
	var out strings.Builder
	w := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	for _, row := range []struct {
		name string
		n    int
		of   map[string]int
	}{
		{"kills", s.Kills, s.Done},
		{"races", s.RacesInAll, s.Races},
		{"acknowledged writes", s.AcknowledgedInAll, s.Acknowledged},
		{"lost", s.Lost, nil},
		{"doubled", s.Doubled, nil},
	} {
		_, _ = fmt.Fprintf(w, "%s\t%d\n", row.name, row.n)
		details(w, row.of)
	}
	_, _ = fmt.Fprintln(w, "requests by outcome")
	details(w, s.Requests)
	_, _ = fmt.Fprintln(w, "given up, and begun anew")
	details(w, s.GivenUp)
	_ = w.Flush()
	return out.String()
}

func details(w *tabwriter.Writer, of map[string]int) {
	for _, name := range slices.Sorted(maps.Keys(of)) {
		_, _ = fmt.Fprintf(w, "  %s\t%d\n", name, of[name])
	}
}

// givenUp is the panic by which a step of the load ends.
type givenUp struct{ error }

// patient is a test that goes on after a step that failed. The failure is an error of the step.
type patient struct {
	testing.TB
	ctx context.Context // of the load
}

func (p *patient) Context() context.Context        { return p.ctx }
func (*patient) Logf(string, ...any)               {}
func (*patient) Fatalf(format string, args ...any) { panic(givenUp{fmt.Errorf(format, args...)}) }
func (*patient) Fatal(args ...any)                 { panic(givenUp{errors.New(fmt.Sprint(args...))}) }

// attempt takes a step with browsers and helpers that end a test, and returns why it was
// given up.
func (p *patient) attempt(step func(tb testing.TB)) (err error) {
	defer func() {
		switch failed := recover().(type) {
		case nil:
		case givenUp:
			err = failed.error
		default:
			panic(failed)
		}
	}()
	step(p)
	return nil
}
