package server_test

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/idptest/need"
)

// scrape is what Prometheus is told: the series, and all of the text.
func scrape(t *testing.T, app *idptest.App) (map[string]float64, string) {
	t.Helper()
	res := httptest.NewRecorder()
	app.Metrics().ServeHTTP(res, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if res.Code != http.StatusOK {
		t.Fatalf("/metrics: %d %s", res.Code, res.Body)
	}
	series := map[string]float64{}
	for line := range strings.Lines(res.Body.String()) {
		at := strings.LastIndexByte(line, ' ')
		if strings.HasPrefix(line, "#") || at < 0 {
			continue
		}
		value, err := strconv.ParseFloat(strings.TrimSpace(line[at:]), 64)
		idptest.Must(t, err)
		series[line[:at]] = value
	}
	return series, res.Body.String()
}

func wantSeries(t *testing.T, got map[string]float64, want map[string]float64) {
	t.Helper()
	for name, value := range want {
		if got[name] != value {
			t.Errorf("%s is %v, want %v", name, got[name], value)
		}
	}
}

func TestNumbersSayHowPeopleSignIn(t *testing.T) {
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		app := idptest.Start(t, db.URL, "")
		app.AddUser(idp.Agents, "maya@rtx.example")
		party, browser := app.AddParty(idp.Client{}), idptest.NewBrowser(t)
		attempt := party.Begin()
		page := browser.Submit(browser.Get(attempt.URL), "/password", "email", "maya@rtx.example", "password", "a mistake")
		page = browser.Submit(page, "/password", "email", "maya@rtx.example", "password", idptest.Password)
		phone := idptest.Scan(t, page)
		setUp := phone.Code(0)
		page = browser.Submit(browser.Submit(page, "/enrol", "code", setUp), "/saved", "saved", "yes")
		tokens := party.Exchange(attempt, page.Left)
		_, err := party.Refresh(tokens.RefreshToken)
		idptest.Must(t, err)
		// Elsewhere: the code that was used, a wrong one, and the next.
		browser, attempt = idptest.NewBrowser(t), party.Begin()
		page = browser.Submit(browser.Get(attempt.URL), "/password", "email", "maya@rtx.example", "password", idptest.Password)
		for _, code := range []string{setUp, phone.Code(700), phone.Code(1)} {
			page = browser.Submit(page, "/totp", "code", code)
		}
		party.Exchange(attempt, page.Left)
		// What callers make up is "other".
		for _, form := range []url.Values{{"grant_type": {"made-up"}}, {}, {"grant_type": {"refresh_token"}, "client_id": {"nobody"}, "refresh_token": {"x"}}} {
			res, err := http.PostForm(app.Issuer+"/token", form)
			idptest.Must(t, err)
			idptest.Must(t, res.Body.Close())
		}

		series, text := scrape(t, app)
		wantSeries(t, series, map[string]float64{
			`gatehouse_sign_ins_total{method="password",outcome="ok",population="agents"}`:             2,
			`gatehouse_sign_ins_total{method="password",outcome="refused",population="agents"}`:        1,
			`gatehouse_second_steps_total{method="totp",outcome="ok",population="agents"}`:             2,
			`gatehouse_second_steps_total{method="totp",outcome="replayed",population="agents"}`:       1,
			`gatehouse_second_steps_total{method="totp",outcome="refused",population="agents"}`:        1,
			`gatehouse_audit_events_total{kind="session.created",population="agents"}`:                 2,
			`gatehouse_token_requests_total{grant_type="authorization_code",outcome="ok"}`:             2,
			`gatehouse_token_requests_total{grant_type="refresh_token",outcome="ok"}`:                  1,
			`gatehouse_token_requests_total{grant_type="refresh_token",outcome="invalid_client"}`:      1,
			`gatehouse_token_requests_total{grant_type="other",outcome="unsupported_grant_type"}`:      1,
			`gatehouse_token_requests_total{grant_type="other",outcome="invalid_request"}`:             1,
			`gatehouse_throttle_decisions_total{kind="password",outcome="admitted"}`:                   3,
			`gatehouse_sessions{population="agents"}`:                                                  2,
			`gatehouse_outbox_deliveries{kind="new_browser"}`:                                          1,
			`gatehouse_database_readings_total{outcome="ok"}`:                                          1,
			`gatehouse_password_hashes_waiting`:                                                        0,
			`gatehouse_http_request_duration_seconds_count{method="POST",route="/token",status="200"}`: 3,
		})
		for _, name := range []string{
			`gatehouse_outbox_oldest_timestamp_seconds{kind="new_browser"}`, `gatehouse_signing_key_rotation_timestamp_seconds{algorithm="RS256"}`,
			`gatehouse_database_statement_duration_seconds_count{outcome="ok"}`, `gatehouse_password_hash_wait_seconds_count`,
		} {
			if series[name] <= 0 {
				t.Errorf("%s is %v", name, series[name])
			}
		}
		for _, private := range []string{"maya", "127.0.0.1", "made-up", "nobody", tokens.ID.Subject} {
			if strings.Contains(text, private) {
				t.Errorf("the numbers name %q", private)
			}
		}
	})
}

// A change of the password is no sign-in, and a limit says which counter set it.
func TestNumbersTellThrottledFromRefused(t *testing.T) {
	app := idptest.Start(t, idptest.SQLite(t), "")
	party, browser := app.AddParty(idp.Client{}), idptest.NewBrowser(t)
	app.AddUser(idp.Agents, "maya@rtx.example")
	page := browser.Get(party.Begin().URL)
	for page.Status != http.StatusTooManyRequests {
		page = browser.Submit(page, "/password", "email", "maya@rtx.example", "password", "a mistake")
	}
	series, _ := scrape(t, app)
	refused := series[`gatehouse_sign_ins_total{method="password",outcome="refused",population="agents"}`]
	if refused < 5 {
		t.Errorf("%v refusals", refused)
	}
	wantSeries(t, series, map[string]float64{
		`gatehouse_sign_ins_total{method="password",outcome="throttled",population="agents"}`: 1,
		`gatehouse_throttle_decisions_total{kind="password",outcome="admitted"}`:              refused,
		`gatehouse_throttle_decisions_total{kind="password",outcome="delayed"}`:               1,
	})
}

func TestNumbersOfTheHashingQueue(t *testing.T) {
	app := idptest.Start(t, idptest.SQLite(t), "")
	hasher := app.Manage.Hasher
	resume := hasher.Suspend()
	ctx, cancel := context.WithCancel(t.Context())
	for range hasher.Room() {
		go func() { _, _, _ = hasher.Verify(ctx, "", "a guess") }()
	}
	for hasher.Waiting() < hasher.Room() {
		if t.Context().Err() != nil {
			t.Fatal("they do not wait")
		}
	}
	before, _ := scrape(t, app)
	if _, _, err := hasher.Verify(ctx, "", "one too many"); err == nil {
		t.Error("it was hashed")
	}
	after, _ := scrape(t, app)
	if n := after["gatehouse_password_hashes_waiting"]; n != float64(hasher.Room()) {
		t.Errorf("%v wait", n)
	}
	if n := after["gatehouse_password_hashes_running"]; n == 0 {
		t.Error("no slot is taken")
	}
	if n := after["gatehouse_password_hashes_refused_total"] - before["gatehouse_password_hashes_refused_total"]; n != 1 {
		t.Errorf("%v refused", n)
	}
	cancel()
	resume()
}

// A database that is gone fails no scrape: what it would have said is missing.
func TestScrapeWithoutADatabase(t *testing.T) {
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		app := idptest.Start(t, db.URL, "")
		idptest.Must(t, app.Store.Close())
		series, text := scrape(t, app)
		wantSeries(t, series, map[string]float64{`gatehouse_database_readings_total{outcome="failed"}`: 1})
		if strings.Contains(text, "gatehouse_sessions") || series["gatehouse_password_hashes_running"] != 0 {
			t.Errorf("it says %s", text)
		}
	})
}

func TestNumbersOfJobs(t *testing.T) {
	app := idptest.Start(t, idptest.SQLite(t), "")
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { app.Work(ctx); close(done) }()
	const runs, last = `gatehouse_job_runs_total{outcome="ok",task="reload signing keys"}`, `gatehouse_job_last_success_timestamp_seconds{task="reload signing keys"}`
	var series map[string]float64
	for limit := idp.Now().Add(30 * time.Second); series[runs] == 0; { // it runs each second
		if idp.Now().After(limit) {
			t.Fatal("no run is counted")
		}
		runtime.Gosched()
		series, _ = scrape(t, app)
	}
	cancel()
	<-done
	if at := series[last]; at < 1e9 {
		t.Errorf("it succeeded at %v", at)
	}
}

// Names in docs/operate.md are those of the registry, and the reverse.
func TestManualListsEachMetric(t *testing.T) {
	app := idptest.Start(t, idptest.SQLite(t), "")
	app.ObserveCertificate(idp.Now)
	manual, err := os.ReadFile("../../docs/operate.md")
	idptest.Must(t, err)
	var listed []string
	for _, row := range regexp.MustCompile("(?m)^\\| `(gatehouse_[a-z_]+)` \\|").FindAllSubmatch(manual, -1) {
		listed = append(listed, string(row[1]))
	}
	names := app.MetricNames()
	for _, name := range names {
		if strings.HasPrefix(name, "gatehouse_") && !slices.Contains(listed, name) {
			t.Errorf("docs/operate.md does not list %s", name)
		}
	}
	for _, name := range listed {
		if !slices.Contains(names, name) {
			t.Errorf("docs/operate.md lists %s, which does not exist", name)
		}
	}
}

// promtool runs Prometheus's own checks.
func promtool(t *testing.T, input string, args ...string) {
	t.Helper()
	program, err := exec.LookPath("promtool")
	if err != nil {
		need.OrSkip(t, "promtool", err.Error())
	}
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Stdin = strings.NewReader(input)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out.String())
	}
}

func TestPrometheusHasNothingToSayAgainstTheNumbers(t *testing.T) {
	app := idptest.Start(t, idptest.SQLite(t), "")
	app.ObserveCertificate(idp.Now)
	_, text := scrape(t, app)
	promtool(t, text, "check", "metrics")
}
