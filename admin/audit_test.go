package admin_test

import (
	"bufio"
	"encoding/json"
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
)

// eventsOn counts the events on a page of the log.
func eventsOn(p *idptest.Page) int {
	return strings.Count(p.Body, `<td class="nowrap"><time datetime=`)
}

func TestTheAuditLogIsFilteredByLinks(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		h := open(t, db)
		b := h.admin()
		maya := h.AddUser(idp.Agents, "maya@rtx.example")
		app := h.AddParty(idp.Client{Name: "Wall & board"}).Client
		idptest.Must(t, h.Store.Audit(t.Context(),
			idp.AuditEvent{Kind: idp.AuditMFAReset, UserID: maya.ID, ActorID: "boss", PopulationID: idp.Agents, Detail: map[string]string{"reason": "<b>lost</b>"}},
			idp.AuditEvent{Kind: idp.AuditClientAuthorized, UserID: maya.ID, ClientID: app.ID, PopulationID: idp.Agents},
			idp.AuditEvent{Kind: "thing.unknown", PopulationID: idp.Contacts},
		))
		page := h.page(b, "/audit")
		want(t, page, http.StatusOK, "Audit log", "MFA reset", "mfa.reset", "maya@rtx.example", "Wall &amp; board", "&lt;b&gt;lost&lt;/b&gt;", "thing.unknown", "data-live")
		if strings.Index(page.Body, "thing.unknown") > strings.Index(page.Body, ">mfa.reset<") {
			t.Error("the newest is not first")
		}
		for _, c := range []struct {
			query string
			n     int
		}{
			{"kind=mfa.reset", 1},
			{"person=maya%40rtx.example&kind=mfa.reset", 1},
			{"person=" + maya.ID, 3}, // with her creation
			{"by=boss", 1},
			{"app=" + app.ID + "&kind=client.authorized", 1},
			{"population=contacts", 1},
			{"kind=no.such", 0},
			{"from=2000-01-01&to=2000-01-02", 0},
			{"to=2000-01-02T00:00:00Z", 0},
			{"kind=mfa.reset&from=2000-01-01&to=9000-01-01", 1},
		} {
			if p := h.page(b, "/audit?"+c.query); p.Status != http.StatusOK || eventsOn(p) != c.n {
				t.Errorf("%s: status %d with %d events, want %d", c.query, p.Status, eventsOn(p), c.n)
			}
		}
		// Each value is a link that narrows what is shown, and each filter one that ends it.
		link := regexp.MustCompile(`href="([^"]*/audit\?[^"]*)">maya@rtx.example<`).FindStringSubmatch(h.page(b, "/audit?kind=mfa.reset").Body)
		narrowed := b.Get(h.Issuer + html.UnescapeString(link[1]))
		want(t, narrowed, http.StatusOK, "Audit log", "What happened: MFA reset", "Person: maya@rtx.example")
		if q := narrowed.URL.Query(); q.Get("kind") != "mfa.reset" || q.Get("person") != maya.ID || eventsOn(narrowed) != 1 {
			t.Errorf("the link led to %s with %d events", narrowed.URL, eventsOn(narrowed))
		}
	})
}

func TestTheAuditLogGoesOnWithOlderEvents(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		h := open(t, db)
		b := h.admin()
		for range 120 {
			idptest.Must(t, h.Store.Audit(t.Context(), idp.AuditEvent{Kind: "test.event"}))
		}
		page, total, older := h.page(b, "/audit?kind=test.event"), 0, regexp.MustCompile(`href="([^"]*after=[^"]*)" rel="next"`)
		for range 3 {
			total += eventsOn(page)
			next := older.FindStringSubmatch(page.Body)
			if next == nil {
				break
			}
			page = b.Get(h.Issuer + html.UnescapeString(next[1]))
			if strings.Contains(page.Body, "data-live") {
				t.Error("an older page is live")
			}
		}
		if total != 120 || older.MatchString(page.Body) {
			t.Errorf("%d events on all pages", total)
		}
	})
}

// An export may take longer than any other page.
func TestExportsOutliveTheLimitOfAnAnswer(t *testing.T) {
	t.Parallel()
	h := open(t, idptest.Alone(t))
	b := h.admin()
	hasty := httptest.NewUnstartedServer(h.Handler())
	hasty.Config.WriteTimeout = time.Nanosecond
	hasty.Start()
	defer hasty.Close()
	for path, want := range map[string]bool{"/audit": false, "/audit/export": true, "/people/export?population=contacts": true} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, hasty.URL+"/admin"+path, http.NoBody)
		idptest.Must(t, err)
		for _, c := range b.Jar.Cookies(req.URL) {
			req.AddCookie(c)
		}
		res, err := http.DefaultTransport.RoundTrip(req)
		if err == nil {
			_ = res.Body.Close()
		}
		if got := err == nil && res.StatusCode == http.StatusOK; got != want {
			t.Errorf("%s comes: %t (%v), want %t", path, got, err, want)
		}
	}
}

func TestHostileFiltersOfTheAuditLog(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		h := open(t, db)
		b := h.admin()
		for _, name := range []string{"kind", "person", "by", "app", "population", "from", "to"} {
			for _, value := range []string{"'; DROP TABLE audit_events; --", "\x00", "\xff", `"><script>alert(1)</script>`, "%", strings.Repeat("x", 5000), "nobody@rtx.example\x00", "0000-00-00", "99999-01-01"} {
				for _, path := range []string{"/audit", "/audit/export"} {
					p := h.page(b, path+"?"+url.Values{name: {value}}.Encode())
					if p.Status != http.StatusUnprocessableEntity && p.Status != http.StatusBadRequest && p.Status != http.StatusOK || strings.Contains(p.Body, "<script>") {
						t.Errorf("%s %s=%q answers %d", path, name, value, p.Status)
					}
					if p.Status == http.StatusOK && eventsOn(p) > 0 {
						t.Errorf("%s %s=%q found something", path, name, value)
					}
				}
			}
		}
		for _, after := range []string{"x", "\x00", "e30", strings.Repeat("A", 5000)} {
			if p := h.page(b, "/audit?"+url.Values{"after": {after}}.Encode()); p.Status != http.StatusBadRequest {
				t.Errorf("after=%q answers %d", after, p.Status)
			}
		}
		want(t, h.page(b, "/audit?from=yesterday"), http.StatusUnprocessableEntity, "Audit log", `id="from-error"`)
		want(t, h.page(b, "/audit?person=nobody%40rtx.example"), http.StatusUnprocessableEntity, "Audit log", `id="person-error"`)
	})
}

func TestTheAuditLogIsExportedAsLines(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		h := open(t, db)
		b := h.admin()
		const many = 1203
		for i := range many {
			idptest.Must(t, h.Store.Audit(t.Context(), idp.AuditEvent{Kind: "test.event", UserID: "u", Detail: map[string]string{"line": "a\nb", "n": string(rune('a' + i%26))}}))
		}
		page := h.page(b, "/audit/export?kind=test.event")
		if page.Status != http.StatusOK || page.Header.Get("Content-Type") != "application/x-ndjson" ||
			!regexp.MustCompile(`^attachment; filename="audit-[0-9-]+\.jsonl"$`).MatchString(page.Header.Get("Content-Disposition")) {
			t.Errorf("status %d, headers %v", page.Status, page.Header)
		}
		lines, last := 0, time.Time{}
		for s := bufio.NewScanner(strings.NewReader(page.Body)); s.Scan(); lines++ {
			var e struct {
				At     time.Time
				Kind   string
				UserID string `json:"user_id"`
				Detail map[string]string
			}
			if err := json.Unmarshal(s.Bytes(), &e); err != nil || e.Kind != "test.event" || e.UserID != "u" || e.Detail["line"] != "a\nb" {
				t.Fatalf("line %d is %s, %v", lines, s.Text(), err)
			}
			if lines > 0 && e.At.After(last) {
				t.Fatalf("line %d is newer than the one before", lines)
			}
			last = e.At
		}
		if lines != many {
			t.Errorf("%d lines, want %d", lines, many)
		}
		if empty := h.page(b, "/audit/export?kind=no.such"); empty.Status != http.StatusOK || empty.Body != "" {
			t.Errorf("an export of nothing: status %d, %q", empty.Status, empty.Body)
		}
	})
}

// Addresses are for who may see people.
func TestTheAuditLogNamesPeopleByIDToOthers(t *testing.T) {
	t.Parallel()
	h := open(t, idptest.Alone(t))
	maya, kim := h.AddUser(idp.Agents, "maya@rtx.example"), h.AddUser(idp.Contacts, "kim@customer.example")
	h.person("auditor@rtx.example", h.role(idp.PermissionAudit))
	h.person("recovery@rtx.example", h.role(idp.PermissionAudit, idp.PermissionAgentRecovery))
	h.person("apps@rtx.example", h.role(idp.PermissionClients))
	for email, sees := range map[string]map[string]bool{
		"auditor@rtx.example": {}, "recovery@rtx.example": {"maya@rtx.example": true},
	} {
		b, home := h.enters(email)
		if !strings.Contains(home.Body, `/admin/audit"`) || strings.Contains(home.Body, `/admin/system"`) {
			t.Errorf("%s does not see the log, or sees the system", email)
		}
		page := h.page(b, "/audit?kind=user.created")
		for id, address := range map[string]string{maya.ID: "maya@rtx.example", kim.ID: "kim@customer.example"} {
			if shown := strings.Contains(page.Body, ">"+address+"<"); shown != sees[address] || !shown && !strings.Contains(page.Body, ">"+id+"<") {
				t.Errorf("%s sees %s: %t", email, address, shown)
			}
			// An address that is not to be seen cannot be tried out either.
			if found := h.page(b, "/audit?person="+url.QueryEscape(address)).Status == http.StatusOK; found != sees[address] {
				t.Errorf("%s finds %s: %t", email, address, found)
			}
		}
	}
	b, home := h.enters("apps@rtx.example")
	if strings.Contains(home.Body, "/admin/audit") {
		t.Error("the log is in the navigation of who may not read it")
	}
	for _, path := range []string{"/audit", "/audit/export", "/system"} {
		want(t, h.page(b, path), http.StatusForbidden, "This account cannot open this page")
	}
}
