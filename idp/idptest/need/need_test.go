package need_test

import (
	"runtime"
	"sync"
	"testing"

	"gatehouse/idp/idptest/need"
)

// ending notes how a helper ended the test that called it.
type ending struct {
	testing.TB
	how string
}

func (*ending) Helper()                 {}
func (e *ending) Skipf(string, ...any)  { e.how = "skip"; runtime.Goexit() }
func (e *ending) Fatalf(string, ...any) { e.how = "fail"; runtime.Goexit() }

func TestOrSkip(t *testing.T) {
	tests := []struct{ required, what, want string }{
		{"", "chromium", "skip"},
		{"postgres", "chromium", "skip"},
		{"chromium", "chromium", "fail"},
		{"postgres, chromium", "chromium", "fail"},
		{"chromium-next", "chromium", "skip"},
	}
	for _, tt := range tests {
		t.Run(tt.required+"/"+tt.what, func(t *testing.T) {
			t.Setenv(need.Variable, tt.required)
			got := &ending{TB: t}
			var done sync.WaitGroup
			done.Go(func() { need.OrSkip(got, tt.what, "for the test") })
			done.Wait()
			if got.how != tt.want {
				t.Errorf("the test ended with %q, want %q", got.how, tt.want)
			}
		})
	}
}
