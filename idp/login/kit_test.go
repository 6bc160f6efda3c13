package login_test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
)

const (
	email = "maya@rtx.example"
	home  = "https://portal.example/"
)

// house is a provider with one app and one person.
type house struct {
	*idptest.App
	t     *testing.T
	db    *idptest.Database
	party *idptest.Party
	user  idp.User
}

func open(t *testing.T, db *idptest.Database) *house {
	t.Helper()
	app := idptest.Start(t, db.URL, "")
	h := &house{App: app, t: t, db: db, user: app.AddUser(idp.Agents, email)}
	h.party = app.AddParty(idp.Client{HomeURL: home})
	return h
}

// alone is a house on SQLite, for what does not depend on the database.
func alone(t *testing.T) *house {
	t.Helper()
	return open(t, idptest.Alone(t))
}

// exec runs a statement beside the program, to let time pass or to begin near a
// limit.
func (h *house) exec(statement string) {
	h.t.Helper()
	if _, err := h.db.SQL().ExecContext(h.t.Context(), statement); err != nil {
		h.t.Fatalf("%s: %v", statement, err)
	}
}

func (h *house) count(query string) (n int) {
	h.t.Helper()
	if err := h.db.SQL().QueryRowContext(h.t.Context(), "SELECT COUNT(*) FROM "+query).Scan(&n); err != nil {
		h.t.Fatalf("%s: %v", query, err)
	}
	return n
}

// snapshot is all that a sign-in may write, row by row.
func (h *house) snapshot() []string {
	h.t.Helper()
	var rows []string
	for _, table := range []string{
		"requests", "flows", "sessions", "grants", "tokens", "factors", "recovery_sets", "recovery_codes",
		"known_browsers", "throttles", "audit_events", "outbox",
	} {
		rows = append(rows, h.rows(table)...)
	}
	slices.Sort(rows)
	return rows
}

func (h *house) rows(table string) []string {
	h.t.Helper()
	found, err := h.db.SQL().QueryContext(h.t.Context(), "SELECT * FROM "+table)
	if err != nil {
		h.t.Fatal(err)
	}
	defer func() { _ = found.Close() }()
	columns, err := found.Columns()
	if err != nil {
		h.t.Fatal(err)
	}
	var list []string
	for found.Next() {
		values, targets := make([]any, len(columns)), make([]any, len(columns))
		for i := range values {
			targets[i] = &values[i]
		}
		if err := found.Scan(targets...); err != nil {
			h.t.Fatal(err)
		}
		list = append(list, fmt.Sprint(table, values))
	}
	if err := found.Err(); err != nil {
		h.t.Fatal(err)
	}
	return list
}

// calm forgets all failures.
func (h *house) calm() { h.t.Helper(); h.exec("DELETE FROM throttles") }

// forget makes the present code good again.
func (h *house) forget() { h.t.Helper(); h.exec("UPDATE factors SET last_step = 0") }

func (h *house) enrol(b *idptest.Browser) (idptest.Authenticator, []string) {
	h.t.Helper()
	page, phone, codes := idptest.Enrol(b, h.party, h.party.Begin(), email)
	wantLeft(h.t, page)
	return phone, codes
}

func (h *house) atPassword(b *idptest.Browser) *idptest.Page {
	h.t.Helper()
	page := b.Get(h.party.Begin().URL)
	want(h.t, page, http.StatusOK, "Sign in to Test app")
	return page
}

// accepted is the page after the right password.
func (h *house) accepted(b *idptest.Browser) *idptest.Page {
	h.t.Helper()
	return b.Submit(h.atPassword(b), "/password", "email", email, "password", idptest.Password)
}

func (h *house) atCode(b *idptest.Browser) *idptest.Page {
	h.t.Helper()
	page := h.accepted(b)
	want(h.t, page, http.StatusOK, "Enter the code from your app")
	return page
}

func (h *house) atRecovery(b *idptest.Browser) *idptest.Page {
	h.t.Helper()
	page := b.Submit(h.atCode(b), "/method")
	want(h.t, page, http.StatusOK, "Enter a recovery code")
	return page
}

// signIn is a sign-in of somebody who has an authenticator.
func (h *house) signIn(b *idptest.Browser, phone idptest.Authenticator) *idptest.Page {
	h.t.Helper()
	h.forget()
	page := b.Submit(h.atCode(b), "/totp", "code", phone.Code(0))
	wantLeft(h.t, page)
	return page
}

func (h *house) site() *url.URL {
	h.t.Helper()
	u, err := url.Parse(h.Issuer)
	if err != nil {
		h.t.Fatal(err)
	}
	return u
}

// cookie is the value of one of a browser's cookies.
func (h *house) cookie(b *idptest.Browser, name string) string {
	h.t.Helper()
	for _, c := range b.Jar.Cookies(h.site()) {
		if c.Name == name {
			return c.Value
		}
	}
	return ""
}

// flowOf is the URL of a page's flow.
func flowOf(p *idptest.Page) string {
	parts := strings.SplitAfterN(p.URL.Path, "/", 4) // "/", "login/", id, and the step
	u := *p.URL
	u.Path, u.RawQuery = "/login/"+strings.TrimSuffix(parts[2], "/"), ""
	return u.String()
}

// raw sends a request of any kind; pairs are headers.
func raw(t *testing.T, b *idptest.Browser, method, target, body string, pairs ...string) *idptest.Page {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, target, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for i := 0; i < len(pairs); i += 2 {
		req.Header.Set(pairs[i], pairs[i+1])
	}
	return b.Do(req)
}

func want(t *testing.T, p *idptest.Page, status int, heading string) {
	t.Helper()
	if p.Status != status || p.Heading() != heading {
		t.Fatalf("%s: status %d, heading %q; want %d %q\n%s", p.URL, p.Status, p.Heading(), status, heading, p.Body)
	}
}

func wantText(t *testing.T, p *idptest.Page, status int, text string) {
	t.Helper()
	if p.Status != status || !strings.Contains(p.Body, text) {
		t.Fatalf("%s: status %d, heading %q; want %d and %q in\n%s", p.URL, p.Status, p.Heading(), status, text, p.Body)
	}
}

func wantLeft(t *testing.T, p *idptest.Page) {
	t.Helper()
	if p.Left == nil || p.Left.Query().Get("code") == "" {
		t.Fatalf("%s: status %d, heading %q; want the app with a code\n%s", p.URL, p.Status, p.Heading(), p.Body)
	}
}

// wrong is a code that the authenticator shows at no time near.
func wrong(phone idptest.Authenticator) string {
	for i := 0; ; i++ {
		code := fmt.Sprintf("%06d", i)
		if !slices.ContainsFunc([]int{-2, -1, 0, 1, 2, 3}, func(step int) bool { return phone.Code(step) == code }) {
			return code
		}
	}
}

// together runs something n times at once.
func together(n int, try func(i int)) {
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
