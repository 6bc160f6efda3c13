package observe

import (
	"context"
	"log/slog"

	"go.opentelemetry.io/otel/trace"
)

// Log is a slog handler that adds the trace to lines that were logged under a span.
type Log struct{ slog.Handler }

// Handle implements slog.Handler.
func (h Log) Handle(ctx context.Context, r slog.Record) error {
	if span := trace.SpanContextFromContext(ctx); span.IsSampled() {
		r.AddAttrs(slog.String("trace_id", span.TraceID().String()))
	}
	return h.Handler.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (h Log) WithAttrs(attrs []slog.Attr) slog.Handler { return Log{h.Handler.WithAttrs(attrs)} }

// WithGroup implements slog.Handler.
func (h Log) WithGroup(name string) slog.Handler { return Log{h.Handler.WithGroup(name)} }
