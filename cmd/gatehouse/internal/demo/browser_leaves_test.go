package demo_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"gatehouse/idp"
	"gatehouse/idp/idptest/chromium"
	"gatehouse/idp/manage"
	"gatehouse/idp/manage/populations"
)

// broker is an app whose own addresses send people on to another site, as brokers and
// split front ends do. Its page opens popups.
type broker struct {
	client idp.Client
	// url is the app's, elsewhere the other site's.
	url, elsewhere string
}

const brokerPage = `<!doctype html><html lang="en"><title>App</title><body><h1>App</h1>
<button>Sign in</button><p></p><script>
const say = (text) => { document.querySelector("p").textContent = text; };
addEventListener("message", (e) => say("answered " + e.data));
document.querySelector("button").addEventListener("click", () => {
  const w = open(new URLSearchParams(location.search).get("to"), "", "width=500,height=600");
  const timer = setInterval(() => {
    let there = w.closed;
    try { w.location.href; } catch { there = true; }
    if (!there) return;
    clearInterval(timer);
    setTimeout(() => document.querySelector("p").textContent || say(w.closed ? "cut off" : "still mine"), 700);
  }, 20);
});
</script>`

// startBroker registers the app.
func startBroker(t *testing.T, m *manage.Manager) *broker {
	t.Helper()
	page := func(w http.ResponseWriter, format string, args ...any) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprintf(w, format, args...)
	}
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		page(w, "<!doctype html><title>Other</title><h1>Elsewhere %s</h1><p>%d, %q</p>", r.URL.Path, len(r.URL.Query().Get("code")), r.Referer())
	}))
	t.Cleanup(other.Close)
	mux := http.NewServeMux()
	app := httptest.NewServer(mux)
	t.Cleanup(app.Close)
	b := &broker{url: app.URL, elsewhere: strings.Replace(other.URL, "127.0.0.1", "localhost", 1)}
	mux.HandleFunc("/callback", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, b.elsewhere+"/in?code="+r.URL.Query().Get("code"), http.StatusFound)
	})
	mux.HandleFunc("/bye", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, b.elsewhere+"/out", http.StatusFound)
	})
	mux.HandleFunc("/popup", func(w http.ResponseWriter, _ *http.Request) {
		page(w, `<!doctype html><title>Popup</title><script>opener.postMessage("with a code", "*")</script>`)
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { page(w, "%s", brokerPage) })
	var err error
	b.client, _, err = m.Apps.CreateClient(t.Context(), idp.Client{
		Name: "Broker", Populations: []string{idp.Agents}, AuthMethod: idp.NoClientAuth, Kind: idp.SPAClient,
		RedirectURIs: []string{b.url + "/callback", b.url + "/popup"}, PostLogoutRedirectURIs: []string{b.url + "/bye"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// authorize is a request of the app.
func (b *broker) authorize(issuer, callback string, pairs ...string) string {
	q := url.Values{
		"client_id": {b.client.ID}, "redirect_uri": {b.url + callback}, "response_type": {"code"}, "scope": {"openid"}, "state": {"s"},
		"code_challenge": {strings.Repeat("a", 43)}, "code_challenge_method": {"S256"},
	}
	for i := 0; i < len(pairs); i += 2 {
		q.Set(pairs[i], pairs[i+1])
	}
	return issuer + "/authorize?" + q.Encode()
}

// TestBrowserLeaves: forms lead to apps that send people on, and popups stay their
// opener's.
func TestBrowserLeaves(t *testing.T) {
	h := startHouse(t, chromium.Shared(t), "")
	m := h.manager(t)
	policy(t, m, idp.Agents, idp.Policy{}, populations.OnNextLogin)
	app, p, b := startBroker(t, m), h.person(t, "agent@rtx.example"), h.window(t)

	b.visit(app.authorize(h.Issuer, "/callback"))
	b.page("signin")
	b.givesPassword(p)
	b.reads("Elsewhere /in")
	b.reads(`43, ""`) // the code came along, and no address of ours

	// The page that led on is not in the history: back is the form, which is over.
	b.do(chromedp.NavigateBack())
	b.reads("You have finished this sign-in")

	popups(t, h, app, b)

	b.visit(h.Issuer + "/end_session?" + url.Values{
		"client_id": {app.client.ID}, "post_logout_redirect_uri": {app.url + "/bye"},
	}.Encode())
	b.page("sign-out")
	b.submits()
	b.reads("Elsewhere /out")
}

// TestBrowserTabs: a tab that waits goes on when another one signed in, and a sign-in page
// that was left open past its time starts again.
func TestBrowserTabs(t *testing.T) {
	h := startHouse(t, chromium.Shared(t), "")
	m := h.manager(t)
	policy(t, m, idp.Agents, idp.Policy{}, populations.OnNextLogin)
	app, p, first := startBroker(t, m), h.person(t, "agent@rtx.example"), h.window(t)
	first.visit(app.authorize(h.Issuer, "/callback"))
	second := first.another()
	second.visit(app.authorize(h.Issuer, "/callback"))
	second.page("signin")
	asks := first.another()
	asks.visit(app.authorize(h.Issuer, "/callback", "prompt", "login"))
	asks.page("signin")
	first.givesPassword(p)
	first.reads("Elsewhere /in")
	second.reads("Elsewhere /in") // nobody touched it

	// As after half an hour: the script's clock is all that knows.
	before := mustAsk[string](asks, "location.href")
	asks.types("#email", "typed@rtx.example")
	mustAsk[chromedp.Void](asks, `{ const now = Date.now; Date.now = () => now() + 31 * 60 * 1000; }`)
	asks.until(`location.href !== ` + strconv.Quote(before) + ` && document.querySelector("#email")?.value === "typed@rtx.example"`)
	asks.page("signin")
}

func popups(t *testing.T, h *house, app *broker, b *tab) {
	t.Helper()
	for to, want := range map[string]string{
		app.authorize(h.Issuer, "/popup"):                    "answered with a code",
		app.authorize(h.Issuer, "/popup", "prompt", "login"): "still mine",
		h.Issuer + "/end_session":                            "still mine",
		h.Issuer + "/account":                                "cut off",
	} {
		b.visit(app.url + "/?to=" + url.QueryEscape(to))
		b.clicks("button")
		b.reads(want)
	}
}
