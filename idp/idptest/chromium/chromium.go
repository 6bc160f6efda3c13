package chromium

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"gatehouse/idp/idptest/need"
)

// starting is how long the browser may take to come up.
const starting = 40 * time.Second

// Start starts one headless browser without a page; every story opens
// windows of its own in it. more are flags that its tests need beside ours. The test is
// skipped where there is no Chromium.
func Start(t *testing.T, more ...chromedp.ExecAllocatorOption) context.Context {
	t.Helper()
	ctx, end, err := start(installed(t), t.TempDir(), more...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(end)
	return ctx
}

// shared is the browser of all tests of a process.
var shared struct {
	start sync.Once
	ctx   context.Context
	end   func()
	err   error
}

// Shared is Start of one browser for all tests of a package, whose TestMain calls End.
func Shared(t *testing.T) context.Context {
	t.Helper()
	path := installed(t)
	shared.start.Do(func() {
		var folder string
		if folder, shared.err = os.MkdirTemp("", "chromium"); shared.err != nil {
			return
		}
		var end func()
		shared.ctx, end, shared.err = start(path, folder)
		shared.end = func() { end(); _ = os.RemoveAll(folder) }
	})
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return shared.ctx
}

// End ends the browser that tests shared, if there was one.
func End() {
	if shared.end != nil {
		shared.end()
	}
}

// installed is the path of Chromium.
func installed(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			return found
		}
	}
	need.OrSkip(t, "chromium", "none is installed (make test sets one up)")
	return ""
}

func start(path, folder string, more ...chromedp.ExecAllocatorOption) (context.Context, func(), error) {
	flags := []chromedp.ExecAllocatorOption{
		chromedp.ExecPath(path), chromedp.UserDataDir(folder), chromedp.WindowSize(1280, 800),
		chromedp.Flag("headless", "new"), chromedp.Flag("lang", "en-GB"),
	}
	for _, name := range []string{
		"no-sandbox", "disable-gpu", "disable-background-networking", "disable-component-update", "disable-sync",
		"no-first-run", "no-default-browser-check", "disable-extensions", "disable-dev-shm-usage", "hide-scrollbars",
		"disable-renderer-backgrounding", "disable-backgrounding-occluded-windows", "disable-background-timer-throttling",
	} {
		flags = append(flags, chromedp.Flag(name, true))
	}
	allocated, stop := chromedp.NewExecAllocator(context.Background(), append(flags, more...)...)
	ctx, leave := chromedp.NewContext(allocated)
	end := func() { leave(); stop() }
	// The first call binds the browser's life to its context, which must not
	// time out; so the whole of it is watched instead.
	watch := time.AfterFunc(starting, stop)
	defer watch.Stop()
	if err := chromedp.Do(ctx); err != nil {
		end()
		return nil, nil, fmt.Errorf("start %s: %w", filepath.Base(path), err)
	}
	return ctx, end, nil
}
