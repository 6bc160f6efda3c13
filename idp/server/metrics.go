package server

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"gatehouse/idp"
	"gatehouse/idp/store"
)

// metrics are the numbers to watch (docs/operate.md lists them).
type metrics struct {
	registry *prometheus.Registry
	requests *prometheus.HistogramVec
	swept    prometheus.Counter
	attempts *prometheus.HistogramVec
}

func newMetrics() *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "gatehouse_http_request_duration_seconds",
			Help:    "Time to answer, by method, route and status.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5},
		}, []string{"method", "route", "status"}),
		swept: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "gatehouse_swept_rows_total", Help: "Expired rows that were removed.",
		}),
	}
	m.attempts = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "gatehouse_delivery_attempt_duration_seconds",
		Help:    "Time of one attempt to deliver, by kind and outcome; outcome retry: it will be tried again.",
		Buckets: []float64{.01, .05, .1, .25, .5, 1, 2.5, 5, 10, 20},
	}, []string{"kind", "outcome"})
	build := prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "gatehouse_build_info", Help: "1, labelled with the version of the program.",
	}, []string{"version"})
	build.WithLabelValues(idp.Release()).Set(1)
	m.registry.MustRegister(m.requests, m.swept, m.attempts, build,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// ObserveCertificate has the metrics say when a certificate of ours ends.
func (s *Server) ObserveCertificate(expires func() time.Time) {
	s.metrics.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "gatehouse_certificate_expiry_timestamp_seconds",
		Help: "When the certificate of the issuer's host ends, in Unix time; 0 while there is none.",
	}, func() float64 { return max(0, float64(expires().Unix())) }))
}

// observe records a request. Routes are patterns and methods those we serve, so
// that callers cannot invent series.
func (m *metrics) observe(method, route string, status int, took time.Duration) {
	if route == "" {
		method, route = "other", "none"
	}
	m.requests.WithLabelValues(method, route, strconv.Itoa(status)).Observe(took.Seconds())
}

// observeDelivery records an attempt to deliver.
func (m *metrics) observeDelivery(kind string, outcome store.Outcome, took time.Duration) {
	if outcome == "" {
		outcome = "retry"
	}
	m.attempts.WithLabelValues(kind, string(outcome)).Observe(took.Seconds())
}

func (m *metrics) handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{}))
	return mux
}
