package observe

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"testing"
	"time"

	"gatehouse/idp/store"
)

// Without tracing, a request and a statement allocate what counting them takes.
func TestNumbersCostNoMoreWithoutTraces(t *testing.T) {
	m, ctx, status := New(), context.Background(), http.StatusOK
	counted := testing.AllocsPerRun(100, func() {
		m.requests.WithLabelValues(http.MethodGet, "/keys", strconv.Itoa(status)).Observe(.001)
	})
	if n := testing.AllocsPerRun(100, func() { m.Request(ctx, http.MethodGet, "/keys", status, time.Millisecond) }); n > counted {
		t.Errorf("a request takes %v allocations, want %v", n, counted)
	}
	if n := testing.AllocsPerRun(100, func() { m.Statement(ctx, store.Statement{Took: time.Millisecond}) }); n != 0 {
		t.Errorf("a statement takes %v allocations", n)
	}
	plain := slog.New(slog.NewTextHandler(io.Discard, nil))
	line := func(l *slog.Logger) func() { return func() { l.InfoContext(ctx, "request") } }
	want := testing.AllocsPerRun(100, line(plain))
	if n := testing.AllocsPerRun(100, line(slog.New(Log{plain.Handler()}))); n > want {
		t.Errorf("a line of the log takes %v allocations, want %v", n, want)
	}
}
