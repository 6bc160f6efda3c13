package idptest

import (
	"bytes"
	"log/slog"
	"sync"
	"testing"
)

// Log sends what the whole process logs into a text until the test ends, through
// wrap where it is given. The logger belongs to all tests of a package, so a test
// that calls Log may not run beside others: with t.Parallel it panics.
func Log(t *testing.T, wrap ...func(slog.Handler) slog.Handler) *LogText {
	t.Helper()
	t.Setenv("GATEHOUSE_TEST_LOG", "1") // panics where the test or one around it is parallel
	text := &LogText{}
	var h slog.Handler = slog.NewTextHandler(text, nil)
	for _, w := range wrap {
		h = w(h)
	}
	before := slog.Default()
	slog.SetDefault(slog.New(h))
	t.Cleanup(func() { slog.SetDefault(before) })
	return text
}

// LogText is what was logged. It may be read while others log.
type LogText struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write implements io.Writer.
func (l *LogText) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

// String returns all that was logged so far.
func (l *LogText) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
