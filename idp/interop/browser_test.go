//go:build interop

package interop_test

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"gatehouse/idp/idptest"
	"gatehouse/idp/idptest/chromium"
)

// patience is how long a page may take to come.
const patience = 30 * time.Second

// window is a browser with scripts.
type window struct {
	t   *testing.T
	ctx context.Context
}

// watchFrames notes that the page opens a frame.
const watchFrames = `(() => {
	window.framed = false
	const note = (changes) => { window.framed ||= changes.some((c) => [...c.addedNodes].some((n) => n.tagName === "IFRAME")) }
	new MutationObserver(note).observe(document, { childList: true, subtree: true })
	return ""
})()`

// actInChromium has a library without a server do all that it does.
func (r *relyingParty) actInChromium(certificate tls.Certificate) {
	r.t.Helper()
	r.serve(certificate)
	ctx, end := chromedp.NewContext(chromium.Start(r.t, chromedp.Flag("ignore-certificate-errors-spki-list", keyHash(r.t, certificate))))
	defer end()
	idptest.Must(r.t, chromedp.Do(ctx)) // the first call binds the page's life to its context
	w := &window{r.t, ctx}
	w.open(r.base + "/")
	w.click("#redirect")
	w.enrol(r.email)
	w.until(`document.querySelector("output").textContent.startsWith("redirect: ")`)
	for _, a := range []act{userinfo, refresh, frame, popup, userinfo} {
		if a, does := r.find(a); does {
			w.ask(watchFrames)
			w.click("#" + a.name)
			w.until(fmt.Sprintf(`document.querySelector("output").textContent.startsWith(%q)`, a.name))
			if said := w.ask(`document.querySelector("output").textContent`); a.name == userinfo.name && said != "userinfo: "+r.email || strings.Contains(said, "failed") {
				r.t.Errorf("the page says %q", said)
			}
			framed := w.ask("String(!!window.framed)") == "true"
			if a.name == frame.name && !framed || a.name == refresh.name && framed {
				r.t.Errorf("%s: frames were opened: %t", a.name, framed)
			}
		}
	}
	if _, does := r.find(signOut); does {
		w.click("#logout")
		w.until(`location.pathname === "/bye"`)
		w.open(r.base + "/")
		w.click("#redirect")
		w.until(`document.querySelector("input[name=password]")`)
	}
}

// serve serves the page at every path, beside the libraries' files and what the developer
// is told.
func (r *relyingParty) serve(certificate tls.Certificate) {
	r.t.Helper()
	home := r.home(r.t)
	routes := http.NewServeMux()
	routes.HandleFunc("/", func(w http.ResponseWriter, q *http.Request) {
		http.ServeFile(w, q, filepath.Join(home, r.program))
	})
	routes.Handle("/node_modules/", http.FileServer(http.Dir(home)))
	routes.HandleFunc("/config.json", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(map[string]string{"issuer": r.issuer, "client_id": r.client.ID})
	})
	pages := httptest.NewUnstartedServer(routes)
	idptest.Must(r.t, pages.Listener.Close())
	pages.Listener = listen(r.t, r.port)
	pages.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}
	pages.StartTLS()
	r.t.Cleanup(pages.Close)
}

// keyHash is how Chromium is told of a certificate that no authority of its own issued.
func keyHash(t *testing.T, certificate tls.Certificate) string {
	t.Helper()
	leaf, err := x509.ParseCertificate(certificate.Certificate[0])
	idptest.Must(t, err)
	sum := sha256.Sum256(leaf.RawSubjectPublicKeyInfo)
	return base64.StdEncoding.EncodeToString(sum[:])
}

// enrol goes through the pages of a first sign-in.
func (w *window) enrol(email string) {
	w.t.Helper()
	w.until(`document.querySelector("input[name=password]")`)
	w.types("input[name=email]", email)
	w.types("input[name=password]", idptest.Password+"\r")
	w.until(`document.querySelector("input[name=code]")`)
	page := &idptest.Page{Body: w.ask(`document.documentElement.outerHTML`)}
	w.types("input[name=code]", idptest.Scan(w.t, page).Code(0)+"\r")
	w.until(`document.querySelector("input[name=saved]")`)
	w.click("input[name=saved]")
	w.click(`form[action$="/saved"] button`)
}

func (w *window) run(steps ...chromedp.Action[chromedp.Void]) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		w.t.Fatal(err)
	}
}

func (w *window) open(address string) {
	w.t.Helper()
	w.run(chromedp.Navigate(address))
}

// ask evaluates a script that is a text.
func (w *window) ask(script string) string {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, patience)
	defer cancel()
	text, err := chromedp.Run(ctx, chromedp.Evaluate[string](script))
	if err != nil {
		w.t.Fatalf("%s: %v", script, err)
	}
	return text
}

// until waits for a script to hold on a page that has loaded and, where it is the library's,
// is ready.
func (w *window) until(script string) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, patience)
	defer cancel()
	for {
		// Between two pages there is nothing to ask: an error means not yet.
		if holds, err := chromedp.Run(ctx, chromedp.Evaluate[bool](`document.readyState === "complete" && !!(`+script+`)`)); err == nil && holds {
			return
		}
		select {
		case <-ctx.Done():
			w.t.Fatalf("waited in vain for %s at %s", script, w.ask(`location.href + "\n" + document.body.innerText`))
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// click presses the mouse in the middle of an element: popups open for people alone.
func (w *window) click(selector string) {
	w.t.Helper()
	w.until(fmt.Sprintf(`document.querySelector(%q) && (!document.querySelector("output") || document.body.dataset.ready)`, selector))
	ctx, cancel := context.WithTimeout(w.ctx, patience)
	defer cancel()
	at, err := chromedp.Run(ctx, chromedp.Evaluate[[]float64](fmt.Sprintf(`(() => {
		const e = document.querySelector(%q)
		e.scrollIntoView({ block: "center", behavior: "instant" })
		const r = e.getBoundingClientRect()
		return [r.left + r.width / 2, r.top + r.height / 2]
	})()`, selector)))
	if err != nil {
		w.t.Fatal(err)
	}
	w.run(chromedp.MouseClickXY(at[0], at[1]))
}

func (w *window) types(selector, text string) {
	w.t.Helper()
	w.click(selector)
	w.run(chromedp.KeyEvent(text))
}
