package idptest

import (
	"fmt"
	"html"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

// Want ends the test unless a page has a status and a heading, and fails it for each
// text that the page does not say.
func Want(tb testing.TB, p *Page, status int, heading string, texts ...string) {
	tb.Helper()
	if p.Status != status || p.Heading() != heading {
		tb.Fatalf("%s: status %d, heading %q; want %d %q\n%s", p.URL, p.Status, p.Heading(), status, heading, p.Body)
	}
	for _, text := range texts {
		if !strings.Contains(p.Body, text) {
			tb.Errorf("%s does not say %q:\n%s", p.URL, text, p.Body)
		}
	}
}

// WantText ends the test unless a page has a status and says a text.
func WantText(tb testing.TB, p *Page, status int, text string) {
	tb.Helper()
	if p.Status != status || !strings.Contains(p.Body, html.EscapeString(text)) && !strings.Contains(p.Body, text) {
		tb.Fatalf("%s: status %d, heading %q; want %d and %q in\n%s", p.URL, p.Status, p.Heading(), status, text, p.Body)
	}
}

// WantLeft ends the test unless a page left for the app, with a code.
func WantLeft(tb testing.TB, p *Page) {
	tb.Helper()
	if p.Left == nil || p.Left.Query().Get("code") == "" {
		tb.Fatalf("%s: status %d, heading %q; want the app with a code\n%s", p.URL, p.Status, p.Heading(), p.Body)
	}
}

// Follow is where a link of a page leads.
func Follow(tb testing.TB, p *Page, label string) string {
	tb.Helper()
	m := regexp.MustCompile(`<a [^>]*href="([^"]*)"[^>]*>` + regexp.QuoteMeta(html.EscapeString(label)) + `</a>`).FindStringSubmatch(p.Body)
	if m == nil {
		tb.Fatalf("%s (%q) has no link %q:\n%s", p.URL, p.Heading(), label, p.Body)
	}
	u, err := p.URL.Parse(html.UnescapeString(m[1]))
	Must(tb, err)
	return u.String()
}

// Wrong is a code that the app shows at no time near.
func (a Authenticator) Wrong() string {
	for i := 0; ; i++ {
		code := fmt.Sprintf("%06d", i)
		if !slices.ContainsFunc([]int{-2, -1, 0, 1, 2, 3}, func(step int) bool { return a.Code(step) == code }) {
			return code
		}
	}
}

// Together runs something n times at once.
func Together(n int, try func(i int)) {
	var ready, done sync.WaitGroup
	ready.Add(n)
	for i := range n {
		done.Go(func() {
			ready.Done()
			ready.Wait()
			try(i)
		})
	}
	done.Wait()
}

// Exec runs a statement beside the program, to let time pass or to begin near a limit.
func (d *Database) Exec(tb testing.TB, statement string) {
	tb.Helper()
	if _, err := d.SQL().ExecContext(tb.Context(), statement); err != nil {
		tb.Fatalf("%s: %v", statement, err)
	}
}

// Count counts the rows of a table, or of what stands behind FROM.
func (d *Database) Count(tb testing.TB, from string) (n int) {
	tb.Helper()
	if err := d.SQL().QueryRowContext(tb.Context(), "SELECT COUNT(*) FROM "+from).Scan(&n); err != nil {
		tb.Fatalf("%s: %v", from, err)
	}
	return n
}

// Rows are all that stands in tables, in an order of its own.
func (d *Database) Rows(tb testing.TB, tables ...string) []string {
	tb.Helper()
	var list []string
	for _, table := range tables {
		list = append(list, d.rowsOf(tb, table)...)
	}
	slices.Sort(list)
	return list
}

func (d *Database) rowsOf(tb testing.TB, table string) (list []string) {
	tb.Helper()
	found, err := d.SQL().QueryContext(tb.Context(), "SELECT * FROM "+table)
	Must(tb, err)
	defer func() { _ = found.Close() }()
	columns, err := found.Columns()
	Must(tb, err)
	for found.Next() {
		values, targets := make([]any, len(columns)), make([]any, len(columns))
		for i := range values {
			targets[i] = &values[i]
		}
		Must(tb, found.Scan(targets...))
		list = append(list, fmt.Sprint(table, values))
	}
	Must(tb, found.Err())
	return list
}
