package ui_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"gatehouse/idp/idptest"
	"gatehouse/idp/idptest/chromium"
	"gatehouse/ui"
	"gatehouse/ui/internal/sample"
)

// axeRun holds a page to WCAG 2.2 AA. The rule about the size of targets is off in axe
// unless it is asked for.
const axeRun = `axe.run(document, {
	runOnly: {type: "tag", values: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]},
	rules: {"target-size": {enabled: true}},
	resultTypes: ["violations"],
}).then((r) => JSON.stringify({
	checked: r.passes.length,
	violations: r.violations.map((v) => ({id: v.id, help: v.help, nodes: v.nodes.map((n) => n.target.join(" ") + ": " + n.failureSummary)})),
}))`

// look is how a page is looked at.
type look struct {
	scheme        string
	width, height int64
}

// Colours do not depend on the width, nor sizes on the theme: two looks see it all.
var looks = []look{{"light", 1280, 800}, {"dark", 360, 740}}

// TestAxe holds every page and mail that has an example to axe-core's rules, in
// Chromium.
func TestAxe(t *testing.T) {
	script, err := os.ReadFile(filepath.Join("..", "bin", "axe", "node_modules", "axe-core", "axe.min.js"))
	if err != nil {
		idptest.RequireOrSkip(t, "chromium", "axe-core is not there (make axe fetches it)")
	}
	browser := chromium.Start(t)
	server := examples(t)
	paths := make(chan string)
	var workers sync.WaitGroup
	for range 3 {
		workers.Go(func() {
			ctx, end := chromedp.NewContext(browser)
			defer end()
			if err := chromedp.Do(ctx); err != nil { // binds the tab's life to ctx, which has no end of its own
				t.Errorf("opening a tab: %v", err)
			}
			for path := range paths {
				found, err := inspect(ctx, server.URL+path, string(script))
				if path == bad {
					found = missed(found)
				}
				if len(found) > 0 || err != nil {
					t.Errorf("%s: %v\n%s", path, err, strings.Join(found, "\n"))
				}
			}
		})
	}
	for _, path := range addresses() {
		paths <- path
	}
	close(paths)
	workers.Wait()
}

// bad is the address of a page that axe has to complain about, or it sees nothing.
const bad = "/bad"

// missed are the rules that the bad page breaks, and that axe did not complain about.
func missed(found []string) (rules []string) {
	all := strings.Join(found, "\n")
	for _, rule := range []string{"label", "color-contrast", "target-size"} {
		if !strings.Contains(all, ": "+rule+" (") {
			rules = append(rules, "axe does not see what is wrong: "+rule)
		}
	}
	return rules
}

// addresses are those of all examples, and of the bad one.
func addresses() []string {
	list := []string{bad}
	for _, name := range slices.Sorted(maps.Keys(sample.Pages())) {
		list = append(list, "/page/"+name)
	}
	for _, name := range slices.Sorted(maps.Keys(sample.Mails())) {
		list = append(list, "/mail/"+name)
	}
	return list
}

// examples serves them.
func examples(t *testing.T) *httptest.Server {
	t.Helper()
	u, err := ui.New(ui.Options{})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/assets/", u.Assets())
	mux.HandleFunc(bad, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprint(w, `<!doctype html><html lang="en"><title>Bad</title><body><main><h1>Bad</h1><input><p style="color:#999">Pale</p><p>`+
			strings.Repeat(`<button style="width:10px;height:10px;padding:0;border:0">x</button>`, 2)+`</p></main></body></html>`)
	})
	html := func(w http.ResponseWriter, err error) {
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	}
	mux.HandleFunc("/page/{name}", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		html(w, u.Render(w, sample.Pages()[r.PathValue("name")]))
	})
	mux.HandleFunc("/mail/{name}", func(w http.ResponseWriter, r *http.Request) {
		letter, err := u.WriteMail(sample.Mails()[r.PathValue("name")])
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		html(w, err)
		_, err = w.Write([]byte(letter.HTML))
		html(w, err)
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server
}

// inspect opens a page and says what axe finds.
func inspect(ctx context.Context, address, script string) (found []string, err error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	res, err := chromedp.Run(ctx, chromedp.NavigateResponse(address))
	if err != nil || res.Status != http.StatusOK {
		return nil, fmt.Errorf("open the page: %v, %w", res, err)
	}
	if _, err := chromedp.Run(ctx, chromedp.Evaluate[bool](script+"; true")); err != nil {
		return nil, fmt.Errorf("load axe: %w", err)
	}
	for _, l := range looks {
		if err := chromedp.Do(ctx, l.dress()); err != nil {
			return nil, err
		}
		answer, err := chromedp.Run(ctx, chromedp.Evaluate[string](axeRun, chromedp.EvalAwaitPromise))
		if err != nil {
			return nil, fmt.Errorf("run axe: %w", err)
		}
		complaints, err := judge(answer)
		if err != nil {
			return nil, err
		}
		for _, c := range complaints {
			found = append(found, fmt.Sprintf("%s, %d px: %s", l.scheme, l.width, c))
		}
	}
	return found, nil
}

// dress gives the page a screen and a theme. Nothing moves: colours that are on their way
// to others would be judged.
func (l look) dress() chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{
				{Name: "prefers-color-scheme", Value: l.scheme}, {Name: "prefers-reduced-motion", Value: "reduce"},
			},
		})
		if err != nil {
			return err
		}
		_, err = cdp.Call(ctx, t, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{
			Width: l.width, Height: l.height, DeviceScaleFactor: 1, Mobile: l.width < 500,
		})
		return err
	})
}

// judge reads an answer of axeRun.
func judge(answer string) (complaints []string, err error) {
	var found struct {
		Checked    int
		Violations []struct {
			ID, Help string
			Nodes    []string
		}
	}
	if err := json.Unmarshal([]byte(answer), &found); err != nil {
		return nil, err
	}
	if found.Checked == 0 {
		return nil, fmt.Errorf("axe looked at nothing: %s", answer)
	}
	for _, v := range found.Violations {
		complaints = append(complaints, v.ID+" ("+v.Help+")\n  "+strings.Join(v.Nodes, "\n  "))
	}
	return complaints, nil
}
