package server_test

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
)

// rows counts the rows of every table.
func rows(t *testing.T, db *sql.DB) map[string]int {
	t.Helper()
	tables, err := db.QueryContext(t.Context(), "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
	idptest.Must(t, err)
	defer func() { _ = tables.Close() }()
	counts := map[string]int{}
	for tables.Next() {
		var name string
		idptest.Must(t, tables.Scan(&name))
		counts[name] = 0
	}
	idptest.Must(t, tables.Err())
	for name := range counts {
		var n int
		idptest.Must(t, db.QueryRowContext(t.Context(), fmt.Sprintf("SELECT count(*) FROM %q", name)).Scan(&n))
		counts[name] = n
	}
	return counts
}

// grown is by how much tables grew.
func grown(before, after map[string]int) map[string]int {
	diff := map[string]int{}
	for name, n := range after {
		if n != before[name] {
			diff[name] = n - before[name]
		}
	}
	return diff
}

var segment = regexp.MustCompile(`[:*][a-z_]+`)

// HEAD answers what GET answers, on every route, and does no more than GET does: on
// pages nothing.
func TestHeadAnswersWhereGetDoes(t *testing.T) {
	db := idptest.Alone(t)
	app := idptest.Start(t, db.URL, "")
	token := serviceToken(t, app)
	gets := 0
	for _, route := range app.RouteTable() {
		if route[0] == http.MethodHead {
			t.Errorf("HEAD %s has a route of its own", route[1])
		}
		if route[0] != http.MethodGet {
			continue
		}
		gets++
		path := segment.ReplaceAllString(route[1], idp.Agents)
		header := http.Header{}
		if strings.HasPrefix(path, "/admin/api/") {
			header.Set("Authorization", "Bearer "+token)
		}
		before := rows(t, db.SQL())
		get := ask(t, app, http.MethodGet, path, header)
		between := rows(t, db.SQL())
		head := ask(t, app, http.MethodHead, path, header)
		did, does := grown(before, between), grown(between, rows(t, db.SQL()))
		if path == "/readyz" { // it tries a write every few seconds
			delete(did, "used_ids")
			delete(does, "used_ids")
		}
		if head.status != get.status {
			t.Errorf("%s: HEAD %d, GET %d", path, head.status, get.status)
		}
		if head.body != "" {
			t.Errorf("%s: HEAD has a body: %s", path, head.body)
		}
		if head.header != get.header {
			t.Errorf("%s: headers of HEAD\n%s\nand of GET\n%s", path, head.header, get.header)
		}
		if !maps.Equal(did, does) {
			t.Errorf("%s: GET wrote %v, HEAD %v", path, did, does)
		}
	}
	if gets < 100 {
		t.Errorf("%d routes", gets)
	}
}

// serviceToken opens the admin API.
func serviceToken(t *testing.T, app *idptest.App) string {
	t.Helper()
	p := app.AddParty(idp.Client{Kind: idp.ServiceClient, Scopes: []string{idp.AdminScope}, Roles: []string{idp.RoleAdmin}})
	form := url.Values{"grant_type": {"client_credentials"}}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, app.Issuer+"/token", strings.NewReader(form.Encode()))
	idptest.Must(t, err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.SetBasicAuth(p.Client.ID, p.Secret)
	var out struct {
		Token string `json:"access_token"`
	}
	if err := json.NewDecoder(app.Do(req).Body).Decode(&out); err != nil || out.Token == "" {
		t.Fatalf("no token: %v", err)
	}
	return out.Token
}

type seen struct {
	status       int
	header, body string
}

// ask reads an answer; what differs from answer to answer is left out of its headers.
func ask(t *testing.T, app *idptest.App, method, path string, header http.Header) seen {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, app.Issuer+path, http.NoBody)
	idptest.Must(t, err)
	req.Header = header
	res := app.Do(req)
	body, err := io.ReadAll(res.Body)
	idptest.Must(t, err)
	var lines []string
	for name, values := range res.Header {
		switch name {
		case "Content-Length": // net/http leaves it out where nothing was written
			continue
		case "Date", "X-Request-Id", "Set-Cookie", "Location": // random
			values = []string{fmt.Sprint(len(values))}
		}
		lines = append(lines, name+": "+strings.Join(values, ", "))
	}
	slices.Sort(lines)
	return seen{res.StatusCode, strings.Join(lines, "\n"), string(body)}
}

func TestMethodsOfAPageSayHead(t *testing.T) {
	app := idptest.Start(t, idptest.Alone(t).URL, "")
	req, err := http.NewRequestWithContext(t.Context(), http.MethodDelete, app.Issuer+"/livez", http.NoBody)
	idptest.Must(t, err)
	if res := app.Do(req); res.StatusCode != http.StatusMethodNotAllowed || res.Header.Get("Allow") != "GET, HEAD" {
		t.Errorf("%d, Allow %q", res.StatusCode, res.Header.Get("Allow"))
	}
}
