package observe

import (
	"cmp"
	"context"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.opentelemetry.io/otel/trace"

	"gatehouse/idp"
	"gatehouse/idp/store"
	"gatehouse/mfa"
)

// Metrics are the numbers to watch (docs/operate.md lists them).
type Metrics struct {
	registry *prometheus.Registry

	requests, attempts *prometheus.HistogramVec
	// done and failed are of statements.
	done, failed prometheus.Observer
	hashWait     prometheus.Histogram

	swept, hashRefused prometheus.Counter
	signIns, steps     *prometheus.CounterVec
	events, throttled  *prometheus.CounterVec
	tokens, jobs       *prometheus.CounterVec
	lastSuccess        *prometheus.GaugeVec
}

// fast are the buckets of what mostly takes a few milliseconds.
var fast = []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10}

// New makes the metrics.
func New() *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry()}
	m.requests = m.histogram("gatehouse_http_request_duration_seconds", "Time to answer, by method, route and status.",
		[]float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5}, "method", "route", "status")
	m.attempts = m.histogram("gatehouse_delivery_attempt_duration_seconds",
		"Time of one attempt to deliver, by kind and outcome; outcome retry: it will be tried again.",
		[]float64{.01, .05, .1, .25, .5, 1, 2.5, 5, 10, 20}, "kind", "outcome")
	statements := m.histogram("gatehouse_database_statement_duration_seconds",
		"Time of a statement, with the wait for a connection, by outcome.", fast, "outcome")
	m.done, m.failed = statements.WithLabelValues("ok"), statements.WithLabelValues("failed")
	m.hashWait = prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "gatehouse_password_hash_wait_seconds", Help: "Time until it was a password's turn to be hashed.", Buckets: fast,
	})
	m.swept = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "gatehouse_swept_rows_total", Help: "Expired rows that were removed.",
	})
	m.hashRefused = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "gatehouse_password_hashes_refused_total", Help: "Passwords that were not looked at: too many waited, or for too long.",
	})
	m.signIns = m.counter("gatehouse_sign_ins_total", "Sign-ins by outcome (ok, refused, throttled), first method and population.",
		"outcome", "method", "population")
	m.steps = m.counter("gatehouse_second_steps_total",
		"Second steps by outcome (ok, once the sign-in is complete; refused, replayed, throttled), method and population.",
		"outcome", "method", "population")
	m.events = m.counter("gatehouse_audit_events_total", "Audit events that were stored, by kind and population.", "kind", "population")
	m.throttled = m.counter("gatehouse_throttle_decisions_total",
		"What counters said of attempts, by kind of counter and outcome (admitted, delayed, blocked).", "kind", "outcome")
	m.tokens = m.counter("gatehouse_token_requests_total", "Token requests by grant type and outcome (ok, or the error's code).",
		"grant_type", "outcome")
	m.jobs = m.counter("gatehouse_job_runs_total", "Runs of periodic work, by task and outcome.", "task", "outcome")
	m.lastSuccess = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "gatehouse_job_last_success_timestamp_seconds", Help: "When a task last succeeded in this process, in Unix time.",
	}, []string{"task"})
	build := prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "gatehouse_build_info", Help: "1, labelled with the version of the program.",
	}, []string{"version"})
	build.WithLabelValues(idp.Release()).Set(1)
	m.registry.MustRegister(m.hashWait, m.swept, m.hashRefused, m.lastSuccess, build,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

func (m *Metrics) histogram(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
	h := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets}, labels)
	m.registry.MustRegister(h)
	return h
}

func (m *Metrics) counter(name, help string, labels ...string) *prometheus.CounterVec {
	c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	m.registry.MustRegister(c)
	return c
}

// gauge registers a number that is asked for when it is read.
func (m *Metrics) gauge(name, help string, value func() float64) {
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value))
}

// Handler answers Prometheus, whatever a part of the numbers has to complain of.
func (m *Metrics) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError, EnableOpenMetrics: true}))
	return mux
}

// Certificate has the metrics say when a certificate of ours ends.
func (m *Metrics) Certificate(expires func() time.Time) {
	m.gauge("gatehouse_certificate_expiry_timestamp_seconds",
		"When the certificate of the issuer's host ends, in Unix time; 0 while there is none.",
		func() float64 { return max(0, float64(expires().Unix())) })
}

// Request records a request. Routes are patterns and methods those we serve, so
// that callers cannot invent series.
//
// One that is traced is an exemplar.
func (m *Metrics) Request(ctx context.Context, method, route string, status int, took time.Duration) {
	method, route = bounded(method, route)
	series := m.requests.WithLabelValues(method, route, strconv.Itoa(status))
	if traced, ok := series.(prometheus.ExemplarObserver); ok {
		if span := trace.SpanContextFromContext(ctx); span.IsSampled() {
			traced.ObserveWithExemplar(took.Seconds(), prometheus.Labels{"trace_id": span.TraceID().String()})
			return
		}
	}
	series.Observe(took.Seconds())
}

// bounded are method and route as we know them, whatever was asked for.
func bounded(method, route string) (string, string) {
	if route == "" {
		return "other", "none"
	}
	return method, route
}

// Delivery records an attempt to deliver.
func (m *Metrics) Delivery(kind string, outcome store.Outcome, took time.Duration) {
	m.attempts.WithLabelValues(kind, outcomeOf(outcome)).Observe(took.Seconds())
}

// outcomeOf names that of an attempt, which has none yet when it will be repeated.
func outcomeOf(o store.Outcome) string { return cmp.Or(string(o), "retry") }

// Statement records a statement.
func (m *Metrics) Statement(_ context.Context, s store.Statement) {
	if s.Failed() {
		m.failed.Observe(s.Took.Seconds())
		return
	}
	m.done.Observe(s.Took.Seconds())
}

// Swept records how many expired rows were removed.
func (m *Metrics) Swept(rows int64) { m.swept.Add(float64(rows)) }

// Token records a token request.
func (m *Metrics) Token(grantType, outcome string) {
	m.tokens.WithLabelValues(grantType, outcome).Inc()
}

// Throttle records what a counter said.
func (m *Metrics) Throttle(kind, outcome string) { m.throttled.WithLabelValues(kind, outcome).Inc() }

// HashWait records a turn that was waited for, or did not come.
func (m *Metrics) HashWait(waited time.Duration, err error) {
	if err != nil {
		m.hashRefused.Inc()
		return
	}
	m.hashWait.Observe(waited.Seconds())
}

// Hashing has the metrics say how many passwords are hashed now, and how many wait.
func (m *Metrics) Hashing(running, waiting func() int) {
	m.gauge("gatehouse_password_hashes_running", "Passwords that are hashed now.", func() float64 { return float64(running()) })
	m.gauge("gatehouse_password_hashes_waiting", "Passwords that wait to be hashed.", func() float64 { return float64(waiting()) })
}

// Job records a run of periodic work.
func (m *Metrics) Job(name string, err error) {
	if err != nil {
		m.jobs.WithLabelValues(name, "failed").Inc()
		return
	}
	m.jobs.WithLabelValues(name, "ok").Inc()
	m.lastSuccess.WithLabelValues(name).Set(float64(idp.Now().UnixMilli()) / 1000)
}

// refusals are the events of sign-ins that did not go on: the method, and why.
var refusals = map[idp.AuditKind]struct {
	method  idp.Method
	outcome string
}{
	idp.AuditPasswordRefused:   {idp.MethodPassword, "refused"},
	idp.AuditPasswordThrottled: {idp.MethodPassword, "throttled"},
	idp.AuditFederatedRefused:  {idp.MethodFederated, "refused"},
	idp.AuditCodeRefused:       {idp.MethodTOTP, "refused"},
	idp.AuditCodeReplayed:      {idp.MethodTOTP, "replayed"},
	idp.AuditCodeThrottled:     {idp.MethodTOTP, "throttled"},
	idp.AuditPasskeyRefused:    {idp.MethodPasskey, "refused"},
	idp.AuditPasskeyThrottled:  {idp.MethodPasskey, "throttled"},
	idp.AuditEmailRefused:      {idp.MethodEmail, "refused"},
	idp.AuditEmailThrottled:    {idp.MethodEmail, "throttled"},
	idp.AuditRecoveryRefused:   {idp.MethodRecovery, "refused"},
	idp.AuditRecoveryThrottled: {idp.MethodRecovery, "throttled"},
}

// Audited records an event that was committed. That of a sign-in has an app: what a person
// does to their account is none.
func (m *Metrics) Audited(e idp.AuditEvent) {
	m.events.WithLabelValues(string(e.Kind), e.PopulationID).Inc()
	if no, ok := refusals[e.Kind]; ok && e.ClientID != "" {
		m.proof(no.method).WithLabelValues(no.outcome, string(no.method), e.PopulationID).Inc()
	}
	if e.Kind != idp.AuditSignedIn && e.Kind != idp.AuditSteppedUp {
		return
	}
	methods := strings.Fields(e.Detail["methods"])
	if e.Kind == idp.AuditSignedIn {
		first := slices.Concat(slices.DeleteFunc(slices.Clone(methods), isSecond), methods, []string{"other"})[0]
		m.signIns.WithLabelValues("ok", first, e.PopulationID).Inc()
	}
	for _, method := range slices.DeleteFunc(methods, func(method string) bool { return !isSecond(method) }) {
		m.steps.WithLabelValues("ok", method, e.PopulationID).Inc()
	}
}

// proof is where a method is counted.
func (m *Metrics) proof(method idp.Method) *prometheus.CounterVec {
	if isSecond(string(method)) {
		return m.steps
	}
	return m.signIns
}

func isSecond(method string) bool { return slices.Contains(mfa.SecondSteps(), idp.Method(method)) }

// named finds the name in what a description says of itself, which has no other way.
var named = regexp.MustCompile(`fqName: "([^"]+)"`)

// Names are those of all metrics that are registered, with series or without.
func (m *Metrics) Names() (names []string) {
	all := make(chan *prometheus.Desc)
	go func() { m.registry.Describe(all); close(all) }()
	for d := range all {
		names = append(names, named.FindStringSubmatch(d.String())[1])
	}
	slices.Sort(names)
	return slices.Compact(names)
}
