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
	counted := allocations(func() {
		m.requests.WithLabelValues(http.MethodGet, "/keys", strconv.Itoa(status)).Observe(.001)
	})
	if n := allocations(func() { m.Request(ctx, http.MethodGet, "/keys", status, time.Millisecond) }); n > counted {
		t.Errorf("a request takes %v allocations, want %v", n, counted)
	}
	if n := allocations(func() { m.Statement(ctx, store.Statement{Took: time.Millisecond}) }); n != 0 {
		t.Errorf("a statement takes %v allocations", n)
	}
	plain := slog.New(slog.NewTextHandler(io.Discard, nil))
	line := func(l *slog.Logger) func() { return func() { l.InfoContext(ctx, "request") } }
	want := allocations(line(plain))
	if n := allocations(line(slog.New(Log{plain.Handler()}))); n > want {
		t.Errorf("a line of the log takes %v allocations, want %v", n, want)
	}
}

// allocations is the fewest that f takes a run, of several measurements: under the race detector a
// sync.Pool drops some of what is put back, and f then makes it anew.
func allocations(f func()) float64 {
	fewest := testing.AllocsPerRun(100, f)
	for range 20 {
		fewest = min(fewest, testing.AllocsPerRun(100, f))
	}
	return fewest
}
