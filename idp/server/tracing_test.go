package server_test

import (
	"context"
	"encoding/hex"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracing "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/mail"
	"gatehouse/idp/observe"
	"gatehouse/idp/server"
	"gatehouse/idp/web"
)

// receiver takes spans by OTLP over HTTP.
type receiver struct {
	*httptest.Server
	t     *testing.T
	mu    sync.Mutex
	spans []*tracing.Span
	about string
	came  chan struct{}
}

func receive(t *testing.T) *receiver {
	t.Helper()
	t.Setenv("OTEL_BSP_SCHEDULE_DELAY", "5") // ms
	r := &receiver{t: t, came: make(chan struct{}, 1)}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		var sent collector.ExportTraceServiceRequest
		if err != nil || req.URL.Path != "/v1/traces" || proto.Unmarshal(body, &sent) != nil {
			t.Errorf("%s %s: no spans: %v", req.Method, req.URL, err)
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		for _, resource := range sent.GetResourceSpans() {
			r.about = resource.GetResource().String()
			for _, scope := range resource.GetScopeSpans() {
				r.spans = append(r.spans, scope.GetSpans()...)
			}
		}
		select {
		case r.came <- struct{}{}:
		default:
		}
		w.Header().Set("Content-Type", "application/x-protobuf")
	}))
	t.Cleanup(r.Close)
	return r
}

// find waits for a span.
func (r *receiver) find(what string, is func(*tracing.Span) bool) *tracing.Span {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), 20*time.Second)
	defer cancel()
	for {
		r.mu.Lock()
		spans := slices.Clone(r.spans)
		r.mu.Unlock()
		if at := slices.IndexFunc(spans, is); at >= 0 {
			return spans[at]
		}
		select {
		case <-r.came:
		case <-ctx.Done():
			r.t.Fatalf("no span of %s in\n%s", what, r.text())
		}
	}
}

func (r *receiver) named(name string) *tracing.Span {
	r.t.Helper()
	return r.find(name, func(s *tracing.Span) bool { return s.GetName() == name })
}

// below finds a span that came of another.
func (r *receiver) below(parent *tracing.Span, prefix string) *tracing.Span {
	r.t.Helper()
	return r.find(prefix+" below "+parent.GetName(), func(s *tracing.Span) bool {
		return string(s.GetParentSpanId()) == string(parent.GetSpanId()) && string(s.GetTraceId()) == string(parent.GetTraceId()) &&
			strings.HasPrefix(s.GetName(), prefix)
	})
}

func (r *receiver) text() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	text := r.about
	for _, s := range r.spans {
		text += s.String() + "\n"
	}
	return text
}

// From a request through its statements to the app that is told of the sign-out.
func TestTracesLeadFromRequestsToDeliveries(t *testing.T) {
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		spans, told := receive(t), make(chan string, 1)
		log := idptest.Log(t, func(h slog.Handler) slog.Handler { return web.RequestLog{Handler: observe.Log{Handler: h}} })
		listener := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { told <- r.Header.Get("Traceparent") }))
		t.Cleanup(listener.Close)
		box := idptest.NewMailbox(t)
		app := idptest.StartWith(t, server.Config{
			DatabaseURL: db.URL, DataDir: t.TempDir(), PrivateNetworks: true, OTLPEndpoint: spans.URL + "/",
			Mail: mail.Config{Server: box.Address, Security: mail.Plain, From: "RTX <no-reply@rtx.example>"},
		}, "")
		app.StartWork()
		user := app.AddUser(idp.Agents, "maya@rtx.example")
		party, browser := app.AddParty(idp.Client{BackchannelLogoutURI: listener.URL}), idptest.NewBrowser(t)
		attempt := party.Begin()
		page, _, _ := idptest.Enrol(browser, party, attempt, "maya@rtx.example")
		tokens := party.Exchange(attempt, page.Left)

		token := spans.named("POST /token")
		if len(token.GetParentSpanId()) != 0 {
			t.Error("a request from anywhere has a parent")
		}
		if s := spans.below(token, "SELECT"); !strings.Contains(s.String(), "db.query.text") {
			t.Errorf("the statement is not told: %s", s)
		}
		spans.find("a mail below the request that caused it", func(s *tracing.Span) bool {
			if !strings.HasPrefix(s.GetName(), "deliver ") || s.GetName() == "deliver logout" {
				return false
			}
			parent := spans.find("its request", func(p *tracing.Span) bool { return string(p.GetSpanId()) == string(s.GetParentSpanId()) })
			return strings.HasPrefix(parent.GetName(), "POST /login/:flow/")
		})

		browser.Submit(browser.Get(app.Issuer+"/end_session"), "/end_session/confirm")
		request := spans.named("POST /end_session/confirm")
		delivery := spans.below(request, "deliver logout")
		header := <-told
		if want := "00-" + hex.EncodeToString(request.GetTraceId()) + "-" + hex.EncodeToString(delivery.GetSpanId()) + "-01"; header != want {
			t.Errorf("the app heard %q, want %q", header, want)
		}

		res, err := http.Get(app.Issuer + "/nothing")
		idptest.Must(t, err)
		idptest.Must(t, res.Body.Close())
		if id := hex.EncodeToString(spans.named("other none").GetTraceId()); !strings.Contains(log.String(), "trace_id="+id) {
			t.Errorf("no line of the log names the trace %s of a request that was refused", id)
		}
		if db.Dialect() == "sqlite" { // once is enough: it takes seconds until one runs
			spans.find("a run of a job", func(s *tracing.Span) bool { return strings.HasPrefix(s.GetName(), "job ") })
		}

		text := spans.text()
		for _, private := range []string{"maya", user.ID, idptest.Password, "127.0.0.1", tokens.AccessToken, tokens.RefreshToken, "code=", party.OAuth.ClientSecret} {
			if private != "" && strings.Contains(text, private) {
				t.Errorf("the spans hold %q", private)
			}
		}
		if !strings.Contains(text, "gatehouse") {
			t.Error("the service has no name")
		}
		wantExemplar(t, app)
	})
}

// wantExemplar expects that the histogram of requests names traces.
func wantExemplar(t *testing.T, app *idptest.App) {
	t.Helper()
	req := httptest.NewRequest(http.MethodGet, "/metrics", nil)
	req.Header.Set("Accept", "application/openmetrics-text; version=1.0.0")
	res := httptest.NewRecorder()
	app.Metrics().ServeHTTP(res, req)
	if !regexp.MustCompile(`gatehouse_http_request_duration_seconds_bucket\{[^}]*\} \d+ # \{trace_id="[0-9a-f]{32}"\}`).MatchString(res.Body.String()) {
		t.Error("no request is an exemplar")
	}
}

// A traceparent is a trusted proxy's to set: whose it is of other callers nobody knows.
func TestOnlyTrustedProxiesNameTraces(t *testing.T) {
	const theirs = "4bf92f3577b34da6a3ce929d0e0e4736"
	for name, tt := range map[string]struct {
		proxies     []string
		traceparent string
		want        bool
	}{
		"from a proxy":               {[]string{"127.0.0.1"}, "00-" + theirs + "-00f067aa0ba902b7-01", true},
		"from anywhere":              {nil, "00-" + theirs + "-00f067aa0ba902b7-01", false},
		"that is none, from a proxy": {[]string{"127.0.0.1"}, "00-" + theirs + "-zz-01", false},
	} {
		t.Run(name, func(t *testing.T) {
			spans := receive(t)
			app := idptest.StartWith(t, server.Config{DatabaseURL: idptest.SQLite(t), DataDir: t.TempDir(), TrustedProxies: tt.proxies, OTLPEndpoint: spans.URL}, "")
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, app.Issuer+"/keys", http.NoBody)
			idptest.Must(t, err)
			req.Header.Set("Traceparent", tt.traceparent)
			req.Header.Set("X-Forwarded-For", "203.0.113.9")
			app.Do(req)
			got := hex.EncodeToString(spans.named("GET /keys").GetTraceId())
			if (got == theirs) != tt.want {
				t.Errorf("the trace is %s", got)
			}
			if strings.Contains(spans.text(), "203.0.113") {
				t.Error("the span holds the address")
			}
		})
	}
}

// Endpoints may stand where all programs look for them, and be taken back there.
func TestStandardVariablesTurnTracingOnAndOff(t *testing.T) {
	spans := receive(t)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", spans.URL)
	app := idptest.Start(t, idptest.SQLite(t), "")
	idptest.NewBrowser(t).Get(app.Issuer + "/livez")
	spans.named("GET /livez")

	t.Setenv("OTEL_SDK_DISABLED", "true")
	off := idptest.Start(t, idptest.SQLite(t), "")
	idptest.NewBrowser(t).Get(off.Issuer + "/keys")
	idptest.NewBrowser(t).Get(app.Issuer + "/readyz")
	spans.named("GET /readyz")
	if strings.Contains(spans.text(), "/keys") {
		t.Error("it traces though it is disabled")
	}
}

// A collector that is away costs spans, and no request or stop.
func TestCollectorThatIsAwayHoldsUpNobody(t *testing.T) {
	idptest.Log(t)
	app := idptest.StartWith(t, server.Config{DatabaseURL: idptest.SQLite(t), DataDir: t.TempDir(), OTLPEndpoint: "http://127.0.0.1:1"}, "")
	if page := idptest.NewBrowser(t).Get(app.Issuer + "/keys"); page.Status != http.StatusOK {
		t.Errorf("/keys: %d", page.Status)
	}
	if err := (server.Config{Issuer: "https://id.rtx.example", DataDir: "x", OTLPEndpoint: "localhost:4318"}).Check(); err == nil {
		t.Error("an endpoint without a scheme is taken")
	}
}
