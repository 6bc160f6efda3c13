package chromium

import (
	"context"
	"os/exec"
	"path/filepath"
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
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil && path == "" {
			path = found
		}
	}
	if path == "" {
		need.OrSkip(t, "chromium", "none is installed (make test sets one up)")
	}
	flags := []chromedp.ExecAllocatorOption{
		chromedp.ExecPath(path), chromedp.UserDataDir(t.TempDir()), chromedp.WindowSize(1280, 800),
		chromedp.Flag("headless", "new"), chromedp.Flag("lang", "en-GB"),
	}
	for _, name := range []string{
		"no-sandbox", "disable-gpu", "disable-background-networking", "disable-component-update", "disable-sync",
		"no-first-run", "no-default-browser-check", "disable-extensions", "disable-dev-shm-usage", "hide-scrollbars",
		"disable-renderer-backgrounding", "disable-backgrounding-occluded-windows", "disable-background-timer-throttling",
	} {
		flags = append(flags, chromedp.Flag(name, true))
	}
	ctx, stop := chromedp.NewExecAllocator(context.Background(), append(flags, more...)...)
	t.Cleanup(stop)
	ctx, end := chromedp.NewContext(ctx)
	t.Cleanup(end)
	// The first call binds the browser's life to its context, which must not
	// time out; so the whole of it is watched instead.
	watch := time.AfterFunc(starting, stop)
	defer watch.Stop()
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("starting %s: %v", filepath.Base(path), err)
	}
	return ctx
}
