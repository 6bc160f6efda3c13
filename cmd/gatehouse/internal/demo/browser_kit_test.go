package demo_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/pquerna/otp/totp"

	"gatehouse/cmd/gatehouse/internal/demo"
	"gatehouse/idp"
	"gatehouse/idp/idptest"
)

const (
	// patience is how long a page may take to come: a password is hashed on the
	// way, under the race detector, beside other packages' tests.
	patience = 20 * time.Second
	// glance is how often a page is looked at while it is waited for.
	glance = 20 * time.Millisecond
)

// house is a demo that runs, and the browser that visits it.
type house struct {
	demo.About
	data    string
	browser context.Context
	// database is that of PostgreSQL, empty for SQLite in data.
	database string
}

// startHouse runs a demo until the test ends. SQLite where database is empty.
func startHouse(t *testing.T, browser context.Context, database string) *house {
	t.Helper()
	data := idptest.Folder(t)
	d, err := demo.Open(t.Context(), demo.Options{Data: data, DatabaseURL: database, PortBase: freePorts(t)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ready, over := make(chan struct{}), make(chan error, 1)
	go func() {
		over <- d.Run(ctx, func(demo.About) error { close(ready); return nil })
	}()
	t.Cleanup(func() {
		stop()
		if err := errors.Join(<-over, d.Close()); err != nil {
			t.Errorf("the demo ended with: %v", err)
		}
	})
	select {
	case <-ready:
	case err := <-over:
		over <- nil
		t.Fatalf("the demo does not run: %v", err)
	}
	return &house{About: d.About(), data: data, browser: browser, database: database}
}

// freePorts finds a base with room for all ports of a demo, below those that
// the system gives to outgoing connections.
func freePorts(t *testing.T) int {
	t.Helper()
	const first, room, span = 20000, 8, 1500
	for i := range span {
		base := first + room*((os.Getpid()+i)%span)
		if portsAreFree(base, room) {
			return base
		}
	}
	t.Fatal("no free ports")
	return 0
}

func portsAreFree(base, count int) bool {
	for port := base; port < base+count; port++ {
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil {
			return false
		}
		if err := l.Close(); err != nil {
			return false
		}
	}
	return true
}

// person is who signs in, and what they keep beside their browser.
type person struct {
	demo.Person
	key   string
	codes []string
}

func (h *house) person(t *testing.T, email string) *person {
	t.Helper()
	for _, p := range h.People {
		if p.Email == email {
			return &person{Person: p}
		}
	}
	t.Fatalf("nobody is called %s", email)
	return nil
}

// code is what the person's app shows, or will show after some time.
func (p *person) code(t *testing.T, later time.Duration) string {
	t.Helper()
	code, err := totp.GenerateCode(strings.ReplaceAll(p.key, " ", ""), idp.Now().Add(later))
	if err != nil {
		t.Fatalf("a code of the key %q: %v", p.key, err)
	}
	return code
}

// tab is a page of the browser, with the eyes and hands of a person.
type tab struct {
	t   *testing.T
	ctx context.Context
}

// window opens a browser of its own: no cookies, no history.
func (h *house) window(t *testing.T) *tab {
	t.Helper()
	return open(t, h.browser, chromedp.WithNewBrowserContext())
}

// another opens a second tab beside this one, with the same cookies.
func (b *tab) another() *tab { return open(b.t, b.ctx) }

func open(t *testing.T, parent context.Context, options ...chromedp.ContextOption) *tab {
	t.Helper()
	w := &witness{}
	ctx, end := chromedp.NewContext(parent, append(options, chromedp.WithListener(w.see))...)
	t.Cleanup(func() {
		end()
		for _, complaint := range w.complaints() {
			t.Error(complaint)
		}
	})
	watch := time.AfterFunc(patience, end)
	defer watch.Stop()
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("opening a tab: %v", err)
	}
	return &tab{t, ctx}
}

// do runs steps, with a time limit.
func (b *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		b.t.Fatalf("%v\n%s", err, b.looks())
	}
}

// ask evaluates a script in a page, with a time limit; a promise is awaited.
func ask[T any](b *tab, script string) (T, error) {
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	return chromedp.Run(ctx, chromedp.Evaluate[T](script, chromedp.EvalAwaitPromise))
}

// mustAsk is ask for a page that stands still.
func mustAsk[T any](b *tab, script string) T {
	b.t.Helper()
	v, err := ask[T](b, script)
	if err != nil {
		b.t.Fatalf("%s: %v\n%s", script, err, b.looks())
	}
	return v
}

// looks describes the page for a failure.
func (b *tab) looks() string {
	text, err := ask[string](b, `location.href + "\n" + document.body.innerText`)
	if err != nil {
		return "(the page cannot be read: " + err.Error() + ")"
	}
	return "the page is " + text
}

// until waits for a script to hold on a page that has loaded.
func (b *tab) until(script string) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	tick := time.NewTicker(glance)
	defer tick.Stop()
	whole := `document.readyState === "complete" && !!(` + script + `)`
	for {
		// Between two pages there is nothing to ask: an error means not yet.
		if ok, err := chromedp.Run(ctx, chromedp.Evaluate[bool](whole)); err == nil && ok {
			return
		}
		select {
		case <-ctx.Done():
			b.t.Fatalf("waited in vain for %s\n%s", script, b.looks())
		case <-tick.C:
		}
	}
}

// sees waits for an element.
func (b *tab) sees(selector string) {
	b.t.Helper()
	b.until(fmt.Sprintf("document.querySelector(%q)", selector))
}

// reads waits for a text on the page.
func (b *tab) reads(text string) {
	b.t.Helper()
	b.until(fmt.Sprintf("document.body?.innerText.includes(%q)", text))
}

// page waits for a sign-in page by its name, and takes its picture.
func (b *tab) page(name string) {
	b.t.Helper()
	b.sees("main.page-" + name)
	b.picture(name)
}

// text is what an element says.
func (b *tab) text(selector string) string {
	b.t.Helper()
	return mustAsk[string](b, fmt.Sprintf("document.querySelector(%q).textContent.trim()", selector))
}

// visit opens an address and returns the status.
func (b *tab) visit(address string) int64 {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	res, err := chromedp.Run(ctx, chromedp.NavigateResponse(address))
	if err != nil {
		b.t.Fatalf("opening %s: %v", address, err)
	}
	return res.Status
}

// clicks presses the mouse in the middle of an element.
func (b *tab) clicks(selector string) {
	b.t.Helper()
	b.sees(selector)
	at := mustAsk[[]float64](b, fmt.Sprintf(`(() => {
		const e = document.querySelector(%q);
		e.scrollIntoView({block: "center", behavior: "instant"});
		const r = e.getBoundingClientRect();
		return [r.left + r.width / 2, r.top + r.height / 2];
	})()`, selector))
	b.do(chromedp.MouseClickXY(at[0], at[1]))
}

// types puts a text into a field, key by key.
func (b *tab) types(selector, text string) {
	b.t.Helper()
	b.clicks(selector)
	mustAsk[chromedp.Void](b, fmt.Sprintf("document.querySelector(%q).select()", selector))
	b.do(chromedp.KeyEvent(text))
}

// claims reads /me of a portal in the browser.
func (b *tab) claims(portal string) map[string]any {
	b.t.Helper()
	if status := b.visit(portal + "/me"); status != 200 {
		b.t.Fatalf("/me answers %d\n%s", status, b.looks())
	}
	claims := map[string]any{}
	if err := json.Unmarshal([]byte(b.text("pre")), &claims); err != nil {
		b.t.Fatal(err)
	}
	return claims
}

// witness notes what no page of ours may do.
type witness struct {
	mu    sync.Mutex
	found []string
}

// see takes an event of the browser. Pages that answer with a status such as
// 422 are on purpose, and the log says so each time: responses are judged by
// themselves, and the log's lines about the network left out. What the policy of
// a page forbids is an error of the log.
func (w *witness) see(event any) {
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		w.note("exception: %s", &chromedp.ExceptionError{ExceptionDetails: e.ExceptionDetails})
	case *runtime.EventConsoleAPICalled:
		w.note("console.%s was called", e.Type)
	case *log.EventEntryAdded:
		grave := e.Entry.Level == log.EntryLevelError || e.Entry.Level == log.EntryLevelWarning
		if grave && e.Entry.Source != log.EntrySourceNetwork {
			w.note("log (%s, %s): %s %s", e.Entry.Source, e.Entry.Level, e.Entry.Text, e.Entry.URL)
		}
	case *network.EventResponseReceived:
		page := e.Type == network.ResourceTypeDocument
		if e.Response.Status >= 500 || !page && e.Response.Status >= 400 {
			w.note("%d for %s", e.Response.Status, e.Response.URL)
		}
	case *network.EventLoadingFailed:
		if e.BlockedReason != "" {
			w.note("blocked (%s): %s", e.BlockedReason, e.ErrorText)
		}
	}
}

func (w *witness) note(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.found = append(w.found, fmt.Sprintf(format, args...))
}

func (w *witness) complaints() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]string(nil), w.found...)
}
