package observe

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"gatehouse/idp"
	"gatehouse/idp/store"
)

// Tracing makes the spans of requests, statements, deliveries and jobs, and sends them by OTLP
// over HTTP. Spans name routes, statements without their values and kinds of deliveries, and
// no person.
type Tracing struct {
	provider *sdktrace.TracerProvider
	tracer   trace.Tracer
	database string
}

// tracesPath is below the endpoint (OpenTelemetry Protocol Exporter, "Endpoint URLs for
// OTLP/HTTP").
const tracesPath = "v1/traces"

// CheckEndpoint tells whether spans can be sent to a URL.
func CheckEndpoint(endpoint string) error {
	u, err := url.Parse(endpoint)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return fmt.Errorf("%w: the endpoint is a URL such as http://localhost:4318", idp.ErrInvalid)
	}
	return nil
}

// Trace begins tracing. The endpoint may be empty: then the standard variables say where
// spans go, such as OTEL_EXPORTER_OTLP_ENDPOINT; and where none does, there is no tracing and
// the result is nil. The other variables of the standard, for headers and sampling, count
// in any case.
func Trace(ctx context.Context, endpoint, database string) (*Tracing, error) {
	var options []otlptracehttp.Option
	switch {
	case strings.EqualFold(os.Getenv("OTEL_SDK_DISABLED"), "true"):
		return nil, nil
	case endpoint != "":
		options = append(options, otlptracehttp.WithEndpointURL(strings.TrimSuffix(endpoint, "/")+"/"+tracesPath))
	case os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT") == "" && os.Getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") == "":
		return nil, nil
	}
	exporter, err := otlptracehttp.New(ctx, options...)
	if err != nil {
		return nil, fmt.Errorf("trace: %w", err)
	}
	about, err := resource.New(ctx, resource.WithAttributes(
		attribute.String("service.name", "gatehouse"), attribute.String("service.version", idp.Release()),
	), resource.WithFromEnv())
	if err != nil {
		return nil, fmt.Errorf("trace: %w", errors.Join(err, exporter.Shutdown(ctx)))
	}
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { slog.Warn("trace", "cause", err) }))
	provider := sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter), sdktrace.WithResource(about))
	return &Tracing{provider: provider, tracer: provider.Tracer("gatehouse"), database: database}, nil
}

// Close sends what is left. It waits for three seconds at most: spans that are lost then are
// no reason to fail.
func (t *Tracing) Close() {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	if err := t.provider.Shutdown(ctx); err != nil {
		slog.Warn("send the last spans", "cause", err)
	}
}

// parent is the header of W3C Trace Context that says what a span belongs to.
const parent = "traceparent"

// under is ctx in the trace that a traceparent names; as it is for one that names none.
func under(ctx context.Context, traceparent string) context.Context {
	return propagation.TraceContext{}.Extract(ctx, propagation.MapCarrier{parent: traceparent})
}

// Parent is the traceparent of what is done under ctx; empty where nothing is traced.
func (t *Tracing) Parent(ctx context.Context) string {
	carrier := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(ctx, carrier)
	return carrier[parent]
}

// Request begins the span of a request, and returns what ends it.
func (t *Tracing) Request(ctx context.Context, traceparent string) (context.Context, func(method, route string, status int)) {
	ctx, span := t.tracer.Start(under(ctx, traceparent), "request", trace.WithSpanKind(trace.SpanKindServer))
	return ctx, func(method, route string, status int) {
		method, route = bounded(method, route)
		span.SetName(method + " " + route)
		span.SetAttributes(attribute.String("http.request.method", method), attribute.String("http.route", route),
			attribute.Int("http.response.status_code", status), attribute.String("gatehouse.request_id", idp.VisitFrom(ctx).RequestID))
		if status >= http.StatusInternalServerError {
			span.SetStatus(codes.Error, "")
		}
		span.End()
	}
}

// Statement makes the span of a statement that was run, where it belongs to a trace.
func (t *Tracing) Statement(ctx context.Context, s store.Statement) {
	// The span may be one of a library's that records nothing and stands for ours.
	if !trace.SpanContextFromContext(ctx).IsSampled() {
		return
	}
	text := s.SQL()
	operation, _, _ := strings.Cut(text, " ")
	_, span := t.tracer.Start(ctx, operation, trace.WithTimestamp(s.Begin), trace.WithSpanKind(trace.SpanKindClient),
		trace.WithAttributes(attribute.String("db.system.name", t.database), attribute.String("db.query.text", text)))
	if s.Failed() {
		span.SetStatus(codes.Error, "")
	}
	span.End(trace.WithTimestamp(s.Begin.Add(s.Took)))
}

// Delivery begins the span of an attempt to deliver what a request stored, and returns what
// ends it.
func (t *Tracing) Delivery(ctx context.Context, d store.Delivery) (context.Context, func(store.Outcome)) {
	ctx, span := t.tracer.Start(under(ctx, d.Trace), "deliver "+d.Kind, trace.WithSpanKind(trace.SpanKindConsumer),
		trace.WithAttributes(attribute.String("gatehouse.delivery.kind", d.Kind), attribute.Int("gatehouse.delivery.attempt", d.Attempts)))
	return ctx, func(outcome store.Outcome) {
		span.SetAttributes(attribute.String("gatehouse.delivery.outcome", outcomeOf(outcome)))
		if outcome != store.Delivered {
			span.SetStatus(codes.Error, "")
		}
		span.End()
	}
}

// Job begins the span of a run of periodic work, and returns what ends it.
func (t *Tracing) Job(ctx context.Context, name string) (context.Context, func(error)) {
	ctx, span := t.tracer.Start(ctx, "job "+name)
	return ctx, func(err error) {
		if err != nil {
			span.SetStatus(codes.Error, "")
		}
		span.End()
	}
}

// Client is a client whose requests say what trace they belong to.
func (t *Tracing) Client(c *http.Client) *http.Client {
	traced := *c
	traced.Transport = telling{t, c.Transport}
	return &traced
}

type telling struct {
	tracing *Tracing
	next    http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (t telling) RoundTrip(req *http.Request) (*http.Response, error) {
	if tp := t.tracing.Parent(req.Context()); tp != "" {
		req = req.Clone(req.Context())
		req.Header.Set(parent, tp)
	}
	return t.next.RoundTrip(req)
}
