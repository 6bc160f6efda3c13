package login_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
)

const (
	email = "maya@rtx.example"
	home  = "https://portal.example/"
)

var (
	want     = idptest.Want
	wantText = idptest.WantText
	wantLeft = idptest.WantLeft
	together = idptest.Together
)

func wrong(phone idptest.Authenticator) string { return phone.Wrong() }

// house is a provider with one app and one person.
type house struct {
	*idptest.App
	t     *testing.T
	db    *idptest.Database
	party *idptest.Party
	user  idp.User
	box   *idptest.Mailbox // nil where no mail is sent
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
func (h *house) exec(statement string) { h.t.Helper(); h.db.Exec(h.t, statement) }

func (h *house) count(query string) int { h.t.Helper(); return h.db.Count(h.t, query) }

// snapshot is all that a sign-in may write, row by row.
func (h *house) snapshot() []string {
	h.t.Helper()
	return h.rows("requests", "flows", "sessions", "grants", "tokens", "factors", "recovery_sets", "recovery_codes",
		"known_browsers", "throttles", "audit_events", "outbox")
}

func (h *house) rows(tables ...string) []string { h.t.Helper(); return h.db.Rows(h.t, tables...) }

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
