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

	"gatehouse/idp/idptest/chromium"
	"gatehouse/idp/idptest/need"
	"gatehouse/ui"
	"gatehouse/ui/internal/sample"
)

// axeAll holds a page to WCAG 2.2 AA. The rule about the size of targets is off in axe
// unless it is asked for. axeSizes are the rules that the metrics of a font can break.
const (
	axeAll = `runOnly: {type: "tag", values: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]},
	rules: {"target-size": {enabled: true}}`
	axeSizes = `runOnly: {type: "rule", values: ["target-size", "scrollable-region-focusable"]}`
)

// axeRun dresses the page in a font of ours and holds it to rules.
const axeRun = `document.documentElement.dataset.laid = %q,
document.fonts.load("16px " + %[1]q).then(() => document.fonts.load("700 16px " + %[1]q)).then(() => axe.run(document, {
	%[2]s,
	resultTypes: ["violations"],
})).then((r) => JSON.stringify({
	checked: r.passes.length,
	violations: r.violations.map((v) => ({id: v.id, help: v.help, nodes: v.nodes.map((n) => n.target.join(" ") + ": " + n.failureSummary)})),
}))`

// look is how a page is looked at.
type look struct {
	scheme        string
	width, height int64
	font, rules   string
}

// fonts are laid by the test itself, whatever the machine has: a line of the one is a
// fifth higher than a line of the other. Files of each are below bin/axe.
var fonts = []string{"noto-sans", "arimo"}

// Colours depend neither on the width nor on the font, nor sizes on the theme: two full
// looks and two at sizes see it all.
var looks = []look{
	{"light", 1280, 800, fonts[0], axeAll},
	{"light", 1280, 800, fonts[1], axeSizes},
	{"dark", 360, 740, fonts[0], axeSizes},
	{"dark", 360, 740, fonts[1], axeAll},
}

// modules are what make axe fetches.
var modules = filepath.Join("..", "bin", "axe", "node_modules")

// fontSheet lays the fonts under everything on a page, at the wish of axeRun.
func fontSheet() string {
	var b strings.Builder
	for _, f := range fonts {
		for _, weight := range []string{"400", "700"} {
			fmt.Fprintf(&b, "@font-face { font-family: %s; font-weight: %s; src: url(/fonts/%[1]s/files/%[1]s-latin-%[2]s-normal.woff2); }\n", f, weight)
		}
		fmt.Fprintf(&b, "[data-laid=%[1]s] :is(*, ::before, ::after) { font-family: %[1]s !important; }\n", f)
	}
	return b.String()
}

// TestAxe holds every page and mail that has an example to axe-core's rules, in
// Chromium.
func TestAxe(t *testing.T) {
	script := axeScript(t)
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
				found, err := inspect(ctx, server.URL+path, script)
				if path == bad {
					found = missed(found)
				}
				if len(found) > 0 || err != nil {
					t.Errorf("%s: %v\n%s", path, err, strings.Join(found, "\n"))
				}
			}
		})
	}
	for _, path := range addresses(t) {
		paths <- path
	}
	close(paths)
	workers.Wait()
}

// The audit log is the page with the closest links. Under fonts of different heights
// they stay far enough apart.
func TestLinksStayApartUnderAnyFont(t *testing.T) {
	script := axeScript(t)
	ctx, end := chromedp.NewContext(chromium.Start(t))
	defer end()
	found, err := inspect(ctx, examples(t).URL+"/page/console-audit", script)
	if len(found) > 0 || err != nil {
		t.Errorf("%v\n%s", err, strings.Join(found, "\n"))
	}
}

// axeScript is the script of the rules. The test is skipped where make axe never ran.
func axeScript(t *testing.T) string {
	t.Helper()
	script, err := os.ReadFile(filepath.Join(modules, "axe-core", "axe.min.js"))
	_, errFonts := os.Stat(filepath.Join(modules, "@fontsource", fonts[1]))
	if err != nil || errFonts != nil {
		need.OrSkip(t, "chromium", "axe-core or its fonts are not there (make axe fetches them)")
	}
	return string(script)
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
func addresses(t *testing.T) []string {
	t.Helper()
	list := []string{bad}
	for _, name := range slices.Sorted(maps.Keys(sample.Pages())) {
		list = append(list, "/page/"+name)
	}
	for _, lang := range newUI(t).Languages() {
		list = append(list, "/page/signin?lang="+lang, "/page/account-sessions?lang="+lang)
	}
	list = append(list, "/page/console-audit?lang=de")
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
	mux.Handle("/fonts/", http.StripPrefix("/fonts/", http.FileServer(http.Dir(filepath.Join(modules, "@fontsource")))))
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
		html(w, u.RenderFor(w, sample.Pages()[r.PathValue("name")], ui.Reader{Lang: r.FormValue("lang"), Here: "/here"}))
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

// layFonts gives the page the sheet of the fonts; fontsDiffer sees whether it works.
var (
	layFonts    = fmt.Sprintf(`document.head.append(Object.assign(document.createElement("style"), {textContent: %q}))`, fontSheet())
	fontsDiffer = fmt.Sprintf(`(async () => {
	const probe = document.createElement("span"), heights = [];
	probe.textContent = "Mg";
	probe.style.cssText = "position: absolute; font-size: 100px; line-height: normal";
	document.body.append(probe);
	for (const name of [%q, %q]) {
		await document.fonts.load("100px " + name);
		document.documentElement.dataset.laid = name;
		heights.push(probe.getBoundingClientRect().height);
	}
	probe.remove();
	return heights[0] > 1.1 * heights[1];
})()`, fonts[0], fonts[1])
)

// inspect opens a page and says what axe finds.
func inspect(ctx context.Context, address, script string) (found []string, err error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	res, err := chromedp.Run(ctx, chromedp.NavigateResponse(address))
	if err != nil || res.Status != http.StatusOK {
		return nil, fmt.Errorf("open the page: %v, %w", res, err)
	}
	if _, err := chromedp.Run(ctx, chromedp.Evaluate[bool](script+"; "+layFonts+"; true")); err != nil {
		return nil, fmt.Errorf("load axe: %w", err)
	}
	if differ, err := chromedp.Run(ctx, chromedp.Evaluate[bool](fontsDiffer, chromedp.EvalAwaitPromise)); err != nil || !differ {
		return nil, fmt.Errorf("the fonts are not laid, or lines of both are of one height: %w", err)
	}
	for _, l := range looks {
		if err := chromedp.Do(ctx, l.dress()); err != nil {
			return nil, err
		}
		answer, err := chromedp.Run(ctx, chromedp.Evaluate[string](fmt.Sprintf(axeRun, l.font, l.rules), chromedp.EvalAwaitPromise))
		if err != nil {
			return nil, fmt.Errorf("run axe: %w", err)
		}
		complaints, err := judge(answer, l.rules == axeAll)
		if err != nil {
			return nil, err
		}
		for _, c := range complaints {
			found = append(found, fmt.Sprintf("%s, %d px, %s: %s", l.scheme, l.width, l.font, c))
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

// judge reads an answer of axeRun. Sizes may concern nothing on a page, all rules
// together do not.
func judge(answer string, all bool) (complaints []string, err error) {
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
	if found.Checked == 0 && all {
		return nil, fmt.Errorf("axe looked at nothing: %s", answer)
	}
	for _, v := range found.Violations {
		complaints = append(complaints, v.ID+" ("+v.Help+")\n  "+strings.Join(v.Nodes, "\n  "))
	}
	return complaints, nil
}
