//go:build unix

package server_test

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/server"
	"gatehouse/idp/store"
)

// lockedWhat names what the other process locks, and in which file.
const lockedWhat = "GATEHOUSE_TEST_LOCK"

// The bytes of the index of a write-ahead log that stand for its locks
// (sqlite.org/walformat.html, section 2.3.1).
var walLocks = map[string]syscall.Flock_t{
	"writers":  {Type: syscall.F_WRLCK, Start: 120, Len: 1},
	"everyone": {Type: syscall.F_WRLCK, Start: 120, Len: 8},
}

// A SQLite file that another process holds is nobody's fault at our doors. Each says when
// to try again, in words, and before the time of the request is over.
func TestASQLiteFileThatAnotherProcessHoldsIsAnsweredWith503Everywhere(t *testing.T) {
	if lock := os.Getenv(lockedWhat); lock != "" {
		what, file, _ := strings.Cut(lock, " ")
		holdLock(t, walLocks[what], file)
		return
	}
	for what := range walLocks {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			db := idptest.Alone(t)
			app := idptest.StartWith(t, server.Config{
				DatabaseURL: db.URL, DataDir: t.TempDir(), Thrift: server.Thrift{AnswerWithin: 3 * time.Second},
			}, "")
			app.AddUser(idp.Agents, "maya@rtx.example")
			party, browser := app.AddParty(idp.Client{}), idptest.NewBrowser(t)
			attempt := party.Begin()
			page, _, _ := idptest.Enrol(browser, party, attempt, "maya@rtx.example")
			tokens := party.Exchange(attempt, page.Left)
			open := idptest.NewBrowser(t).Get(party.Begin().URL)
			lockFromOutside(t, what, strings.TrimPrefix(db.URL, store.SQLiteScheme)+"-shm")
			l := lockedDoors{doors{t: t, app: app, browser: browser}, what == "everyone"}
			l.askAll(party, tokens, open)
		})
	}
}

// holdLock locks a part of a file until standard input ends.
func holdLock(t *testing.T, lock syscall.Flock_t, file string) {
	f, err := os.OpenFile(file, os.O_RDWR, 0)
	idptest.Must(t, err)
	defer func() { _ = f.Close() }()
	idptest.Must(t, syscall.FcntlFlock(f.Fd(), syscall.F_SETLKW, &lock))
	fmt.Println("locked")
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// lockFromOutside has another process hold a lock until the test ends.
func lockFromOutside(t *testing.T, what, file string) {
	t.Helper()
	other := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestASQLiteFileThatAnotherProcessHolds")
	other.Env = append(os.Environ(), lockedWhat+"="+what+" "+file)
	release, err := other.StdinPipe()
	idptest.Must(t, err)
	out, err := other.StdoutPipe()
	idptest.Must(t, err)
	idptest.Must(t, other.Start())
	t.Cleanup(func() {
		_ = release.Close()
		_ = other.Wait()
	})
	if said, err := bufio.NewReader(out).ReadString('\n'); err != nil || said != "locked\n" {
		t.Fatalf("the other process says %q (%v)", said, err)
	}
}

type lockedDoors struct {
	doors
	// forReaders: nothing can be read either.
	forReaders bool
}

// question is a request, and whether it cannot be answered without a database that
// takes writes.
type question struct {
	method, target, token string
	form                  url.Values
	writes                bool
}

// askAll asks all at once, and every route among them: each waits for as long as it may.
func (d lockedDoors) askAll(p *idptest.Party, tokens idptest.Tokens, open *idptest.Page) {
	app := url.Values{"client_id": {p.OAuth.ClientID}, "client_secret": {p.OAuth.ClientSecret}}
	with := func(more url.Values) url.Values {
		for name, v := range app {
			more[name] = v
		}
		return more
	}
	questions := []question{
		{"POST", "/token", "", with(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {tokens.RefreshToken}}), true},
		{"POST", "/token", "", with(url.Values{"grant_type": {"authorization_code"}, "code": {strings.Repeat("a", 43)}, "redirect_uri": {p.OAuth.RedirectURL}}), false},
		{"POST", "/revoke", "", with(url.Values{"token": {tokens.RefreshToken}}), true},
		{"POST", "/introspect", "", with(url.Values{"token": {tokens.AccessToken}}), false},
		{"GET", "/userinfo", "Bearer " + tokens.AccessToken, nil, false},
		{"GET", p.Begin().URL, "", nil, true},
		{"GET", open.URL.String(), "", nil, false},
		{"POST", open.URL.String() + "/password", "", url.Values{"email": {"maya@rtx.example"}, "password": {idptest.Password}}, true},
	}
	bearer := "Bearer " + strings.Repeat("a", 43)
	for _, route := range d.app.RouteTable() {
		questions = append(questions, question{method: route[0], target: routeParameter.ReplaceAllString(route[1], strings.Repeat("a", 36)), token: bearer})
	}
	var asking sync.WaitGroup
	for _, q := range questions {
		asking.Go(func() { d.question(q) })
	}
	asking.Wait()
}

func (d lockedDoors) question(q question) {
	res := d.ask(q.method, q.target, q.token, q.form)
	body, err := io.ReadAll(res.Body)
	idptest.Must(d.t, err)
	what := q.method + " " + q.target
	if strings.Contains(res.Header.Get("Location"), "error=temporarily_unavailable") {
		return
	}
	if res.StatusCode < 500 && res.StatusCode != http.StatusMethodNotAllowed && (q.writes || d.forReaders && needsTheDatabase(q)) {
		d.t.Errorf("%s: %d", what, res.StatusCode)
	}
	if res.StatusCode < 500 || strings.HasSuffix(q.target, "/readyz") {
		return
	}
	want503(d.t, what, res)
	if text := string(body); q.method != http.MethodHead && !strings.Contains(text, `"error":"temporarily_unavailable"`) &&
		!strings.Contains(text, `"status":503`) && !strings.Contains(text, "We will be right back") {
		d.t.Errorf("%s says %.300s", what, text)
	}
}

// needsTheDatabase tells what looks for its caller before all else: the API, but for the
// document of it.
func needsTheDatabase(q question) bool {
	_, operation, ok := strings.Cut(q.target, "/admin/api/v1/")
	return ok && operation != "" && operation != "page.css" && !strings.HasPrefix(operation, "openapi")
}
