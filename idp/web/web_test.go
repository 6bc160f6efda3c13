package web_test

import (
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gin-gonic/gin"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/web"
	"gatehouse/ui"
)

// serve builds an engine with some routes that go wrong in every way.
func serve(t *testing.T, issuer string, proxies ...string) http.Handler {
	t.Helper()
	return serveWith(t, web.Config{TrustedProxies: proxies}, issuer)
}

func serveWith(t *testing.T, cfg web.Config, issuer string) http.Handler {
	t.Helper()
	u, err := url.Parse(issuer)
	if err != nil {
		t.Fatal(err)
	}
	pages, err := ui.New(ui.Options{BasePath: u.Path})
	if err != nil {
		t.Fatal(err)
	}
	cfg.Issuer, cfg.UI, cfg.API = u, pages, "/api"
	w := web.New(cfg)
	engine, err := w.Engine()
	if err != nil {
		t.Fatal(err)
	}
	g := w.Group(engine)
	g.GET("/panic", func(*gin.Context) { panic("the secret cause") })
	g.GET("/error", w.Handle(func(*gin.Context) error { return errors.New("pq: password is hunter2") }))
	g.GET("/visit", func(c *gin.Context) {
		v := idp.VisitFrom(c.Request.Context())
		c.String(http.StatusOK, "%s %s", v.Address, v.RequestID)
	})
	g.GET("/page", w.Handle(func(c *gin.Context) error {
		return w.Render(c, http.StatusOK, ui.SignedOut{Frame: ui.Frame{Lang: w.Language(c.Request, ui.Wish{})}})
	}))
	g.GET("/branded", w.Handle(func(c *gin.Context) error {
		return w.Render(c, http.StatusOK, ui.SignedOut{Frame: ui.Frame{Brand: ui.Brand{LogoURL: c.Query("logo")}}})
	}))
	w.LanguageRoutes(g)
	g.POST("/form", w.SameOrigin(), w.Handle(func(c *gin.Context) error { return c.Request.ParseForm() }))
	return engine
}

func ask(h http.Handler, req *http.Request) *httptest.ResponseRecorder {
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, req)
	return rec
}

func get(path string) *http.Request { return httptest.NewRequest(http.MethodGet, path, http.NoBody) }

// A population's logo may live elsewhere: the page lets it be shown, and nothing
// else from there.
func TestALogoMayComeFromElsewhere(t *testing.T) {
	h := serve(t, "https://id.example")
	for logo, want := range map[string]string{
		"":                               "img-src 'self' data:;",
		"/assets/logo.svg":               "img-src 'self' data:;",
		"http://cdn.example/logo.svg":    "img-src 'self' data:;",
		"https://cdn.example/logo.svg":   "img-src 'self' data: https://cdn.example;",
		"https://x.example;script-src *": "img-src 'self' data:;",
	} {
		rec := ask(h, get("/branded?logo="+url.QueryEscape(logo)))
		if policy := rec.Header().Get("Content-Security-Policy"); !strings.Contains(policy, want) {
			t.Errorf("logo %q: %s", logo, policy)
		}
	}
}

// A line says who called and how long it took, and no path: that may hold a secret.
func TestALineOfARequestSaysWhoCalledWhenAsked(t *testing.T) {
	for _, all := range []bool{false, true} {
		log := idptest.Log(t, func(h slog.Handler) slog.Handler { return web.RequestLog{Handler: h} })
		h := serveWith(t, web.Config{AccessLog: all}, "https://id.example/sso")
		ask(h, get("/sso/visit"))
		ask(h, get("/sso/nothing"))
		for what, want := range map[string]bool{
			"route=/sso/visit status=200 seconds=": all, "status=404 seconds=": true, "address=192.0.2.1": true, "/sso/nothing": false,
		} {
			if strings.Contains(log.String(), what) != want {
				t.Errorf("with all lines %t: %s is there: %t\n%s", all, what, !want, log)
			}
		}
	}
}

func TestWhatGoesWrongIsAPageWithoutItsCause(t *testing.T) {
	log := idptest.Log(t, func(h slog.Handler) slog.Handler { return web.RequestLog{Handler: h} })
	h := serve(t, "https://id.example/sso")
	for path, status := range map[string]int{
		"/sso/panic": http.StatusInternalServerError, "/sso/error": http.StatusInternalServerError,
		"/sso/nothing": http.StatusNotFound, "/elsewhere": http.StatusNotFound,
	} {
		rec := ask(h, get(path))
		id := rec.Header().Get("X-Request-Id")
		if rec.Code != status || !strings.Contains(rec.Body.String(), id) {
			t.Errorf("%s: status %d (want %d), page must show the reference %s", path, rec.Code, status, id)
		}
		if strings.Contains(rec.Body.String(), "hunter2") || strings.Contains(rec.Body.String(), "secret cause") {
			t.Errorf("%s: the page shows the cause", path)
		}
		if !strings.Contains(log.String(), "request_id="+id) {
			t.Errorf("%s: no log line with request_id %s", path, id)
		}
	}
	if rec := ask(h, httptest.NewRequest(http.MethodPut, "/sso/visit", http.NoBody)); rec.Code != http.StatusMethodNotAllowed {
		t.Errorf("PUT: status %d", rec.Code)
	}
}

func TestProgramsGetProblemsTheyCanRead(t *testing.T) {
	rec := ask(serve(t, "https://id.example/sso"), get("/sso/api/nothing"))
	var p struct {
		Status    int
		Code      string
		RequestID string `json:"request_id"`
	}
	if err := json.Unmarshal(rec.Body.Bytes(), &p); err != nil || rec.Header().Get("Content-Type") != "application/problem+json" ||
		rec.Code != http.StatusNotFound || p.Status != rec.Code || p.Code != "not_found" || p.RequestID != rec.Header().Get("X-Request-Id") {
		t.Errorf("%d %v %s", rec.Code, rec.Header(), rec.Body)
	}
}

func TestHeadersOfEveryAnswer(t *testing.T) {
	year := web.Config{HSTS: web.HSTS{MaxAge: 365 * 24 * time.Hour}}
	rec := ask(serveWith(t, year, "https://id.example"), get("/page"))
	for name, want := range map[string]string{
		"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cache-Control": "no-store",
		"Strict-Transport-Security": "max-age=31536000",
	} {
		if got := rec.Header().Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	policy := rec.Header().Get("Content-Security-Policy")
	if !strings.HasSuffix(policy, "form-action 'self'") {
		t.Errorf("policy %q: forms go to us and nowhere else", policy)
	}
	if !strings.Contains(policy, "frame-ancestors 'none'") || strings.Contains(policy, "unsafe") {
		t.Errorf("policy %q", policy)
	}
	if ask(serveWith(t, year, "http://localhost:8080"), get("/page")).Header().Get("Strict-Transport-Security") != "" {
		t.Error("HSTS over http")
	}
	year.HSTS.Subdomains = true
	if got := ask(serveWith(t, year, "https://id.example"), get("/page")).Header().Get("Strict-Transport-Security"); got != "max-age=31536000; includeSubDomains" {
		t.Errorf("with all hosts below: %q", got)
	}
	if got, there := ask(serve(t, "https://id.example"), get("/page")).Header()["Strict-Transport-Security"]; there {
		t.Errorf("without a time: %q", got)
	}
}

func TestOnlyTrustedProxiesSayWhoCalls(t *testing.T) {
	req := get("/visit")
	req.RemoteAddr = "10.1.2.3:4444"
	req.Header.Set("X-Forwarded-For", "203.0.113.7")
	req.Header.Set("X-Request-Id", "from-the-proxy")
	if got := ask(serve(t, "https://id.example"), req).Body.String(); !strings.HasPrefix(got, "10.1.2.3 ") || strings.Contains(got, "from-the-proxy") {
		t.Errorf("nobody is trusted, but the visit is %q", got)
	}
	if got := ask(serve(t, "https://id.example", "10.0.0.0/8"), req).Body.String(); got != "203.0.113.7 from-the-proxy" {
		t.Errorf("the proxy is trusted, but the visit is %q", got)
	}
	req.Header.Set("X-Request-Id", "a\tb; DROP")
	if got := ask(serve(t, "https://id.example", "10.0.0.0/8"), req).Body.String(); strings.Contains(got, "DROP") {
		t.Errorf("a request id that is none was taken: %q", got)
	}
}

func TestOtherSitesCannotPost(t *testing.T) {
	h := serve(t, "https://id.example")
	for _, header := range []string{"Sec-Fetch-Site: cross-site", "Sec-Fetch-Site: same-site", "Origin: https://evil.example"} {
		req := httptest.NewRequest(http.MethodPost, "/form", strings.NewReader("a=b"))
		name, value, _ := strings.Cut(header, ": ")
		req.Header.Set(name, value)
		if rec := ask(h, req); rec.Code != http.StatusForbidden {
			t.Errorf("%s: status %d, want 403", header, rec.Code)
		}
	}
}

func TestLargeBodiesAreRefused(t *testing.T) {
	h := serve(t, "https://id.example")
	for _, known := range []bool{true, false} {
		req := httptest.NewRequest(http.MethodPost, "/form", strings.NewReader("a="+strings.Repeat("b", web.MaxBody)))
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if !known {
			req.ContentLength = -1
		}
		if rec := ask(h, req); rec.Code != http.StatusRequestEntityTooLarge {
			t.Errorf("length known %t: status %d, want 413", known, rec.Code)
		}
	}
}
