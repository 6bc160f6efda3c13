package web

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"gatehouse/idp"
	"gatehouse/ui"
)

// MaxBody is the largest request body, in bytes.
const MaxBody = 64 << 10

// Config says where we stand in the network.
type Config struct {
	// Issuer is the provider's identifier and base URL; it may have a path.
	Issuer *url.URL
	// TrustedProxies are addresses or networks whose X-Forwarded-For is believed.
	// None by default.
	TrustedProxies []string
	UI             *ui.UI
	// API is a path below the issuer's under which errors are for programs:
	// application/problem+json (RFC 9457), not pages. Optional.
	API string
	// Account is the path below the issuer's of the pages of one's own account, where somebody
	// who opened an address of no use can go. Optional.
	Account string
	// Endpoints are paths below the issuer's, each with what is below it, whose errors are
	// those of OAuth: JSON with error and error_description (RFC 6749 section 5.2).
	Endpoints []string
	// Observe hears of every request that was answered, for metrics. Optional.
	Observe func(ctx context.Context, method, route string, status int, took time.Duration)
	// Trace begins the span of a request, below what a trusted proxy says (traceparent, W3C
	// Trace Context), and returns what ends it. Nil: nothing is traced.
	Trace func(ctx context.Context, traceparent string) (context.Context, func(method, route string, status int))
	// HSTS goes with every answer of an issuer on https.
	HSTS HSTS
	// AccessLog: the log has a line of every request, not only of those that were refused
	// or failed.
	AccessLog bool
	// AnswerWithin is how long the work on a request may take; zero: the constant of that name.
	AnswerWithin time.Duration
}

// HSTS is what Strict-Transport-Security says (RFC 6797 section 6.1).
type HSTS struct {
	// MaxAge is how long browsers reach this host by https only; zero: no header.
	MaxAge time.Duration
	// Subdomains: and all hosts below it, whoever they belong to.
	Subdomains bool
}

func (h HSTS) header() []string {
	if h.MaxAge == 0 {
		return nil
	}
	text := fmt.Sprintf("max-age=%d", h.MaxAge/time.Second)
	if h.Subdomains {
		text += "; includeSubDomains"
	}
	return []string{text}
}

// Web renders pages and errors.
type Web struct {
	cfg     Config
	base    string
	proxies proxies
	hsts    []string
}

// New makes the plumbing.
func New(cfg Config) *Web {
	cfg.AnswerWithin = cmp.Or(cfg.AnswerWithin, AnswerWithin)
	w := &Web{cfg: cfg, base: strings.TrimSuffix(cfg.Issuer.Path, "/")}
	if w.Secure() {
		w.hsts = cfg.HSTS.header()
	}
	return w
}

// Secure tells whether people reach us by https.
func (w *Web) Secure() bool { return w.cfg.Issuer.Scheme == "https" }

// Base is the path of the issuer, without a slash at its end: what every path of
// ours starts with.
func (w *Web) Base() string { return w.base }

// Path is the path of a page of ours.
func (w *Web) Path(format string, args ...any) string { return w.base + fmt.Sprintf(format, args...) }

// Engine is a Gin engine with our middleware and no routes.
func (w *Web) Engine() (*gin.Engine, error) {
	gin.SetMode(gin.ReleaseMode)
	e := gin.New()
	e.HandleMethodNotAllowed = true
	e.RedirectTrailingSlash = false
	var err error
	if w.proxies, err = parseProxies(w.cfg.TrustedProxies); err != nil {
		return nil, fmt.Errorf("trusted proxies: %w", err)
	}
	// Gin's own ideas of who calls, X-Real-IP and the headers of some clouds, count nowhere.
	e.ForwardedByClientIP, e.RemoteIPHeaders, e.TrustedPlatform, e.AppEngine = false, nil, "", false
	e.Use(w.visit, w.hurry, w.survive, w.headers, w.limitBody)
	e.NoRoute(w.Handle(func(*gin.Context) error { return NewProblem(ui.ProblemNotFound, nil) }))
	e.NoMethod(allowHead, w.Handle(func(*gin.Context) error { return NewProblem(ui.ProblemMethod, nil) }))
	return e, nil
}

// Group is where our routes live: the issuer's path.
func (w *Web) Group(e *gin.Engine) *gin.RouterGroup { return e.Group(w.base) }

var requestIDForm = regexp.MustCompile(`^[A-Za-z0-9_.-]{8,64}$`)

// visit names the request, tells handlers and the audit log who called, and
// writes the line of the access log.
func (w *Web) visit(c *gin.Context) {
	begin := idp.Now()
	id, address := c.GetHeader("X-Request-Id"), w.proxies.caller(c.Request)
	proxied := func() bool { return address != remote(c.Request) } // asked when it matters: it takes allocations
	if id == "" || !requestIDForm.MatchString(id) || !proxied() {
		id = idp.NewID() // only a proxy that we trust names requests
	}
	c.Header("X-Request-Id", id)
	visit := &idp.Visit{RequestID: id, Address: address, UserAgent: cut(c.Request.UserAgent(), 256)}
	ctx := idp.WithVisit(c.Request.Context(), visit)
	ended := func(string, string, int) {}
	if w.cfg.Trace != nil {
		var parent string
		if proxied() {
			parent = c.GetHeader("Traceparent")
		}
		ctx, ended = w.cfg.Trace(ctx, parent)
	}
	c.Request = c.Request.WithContext(ctx)
	c.Next()
	ended(c.Request.Method, c.FullPath(), c.Writer.Status())
	took := idp.Now().Sub(begin)
	if w.cfg.Observe != nil {
		w.cfg.Observe(ctx, c.Request.Method, c.FullPath(), c.Writer.Status(), took)
	}
	w.logRequest(c, address, took)
}

// logRequest writes the line of a request: of each with Config.AccessLog, else of those
// that were refused or failed. A path may carry a secret, a route does not.
func (w *Web) logRequest(c *gin.Context, address string, took time.Duration) {
	status := c.Writer.Status()
	at := level(status)
	if w.cfg.AccessLog {
		at = max(at, slog.LevelInfo)
	}
	slog.LogAttrs(c.Request.Context(), at, "request",
		slog.String("method", c.Request.Method), slog.String("route", c.FullPath()), slog.Int("status", status),
		slog.Float64("seconds", took.Seconds()), slog.String("address", address), slog.Int("bytes", max(0, c.Writer.Size())))
}

func level(status int) slog.Level {
	switch {
	case status >= 500:
		return slog.LevelError
	case status >= 400:
		return slog.LevelInfo
	}
	return slog.LevelDebug
}

func cut(s string, most int) string {
	s = strings.ToValidUTF8(s, "")
	if len(s) > most {
		return strings.ToValidUTF8(s[:most], "")
	}
	return s
}

// survive answers a panic with the page of an internal error.
func (w *Web) survive(c *gin.Context) {
	defer func() {
		cause := recover()
		if cause == nil {
			return
		}
		if err, ok := cause.(error); ok && errors.Is(err, http.ErrAbortHandler) {
			panic(cause) // net/http's own way to drop a connection
		}
		w.fail(c, fmt.Errorf("panic: %v", cause))
	}()
	c.Next()
}

// The values of headers that go with every answer: all answers share them, so
// nothing changes one in place.
var (
	noSniff     = []string{"nosniff"}
	noReferrer  = []string{"no-referrer"}
	noFrame     = []string{"DENY"}
	closePolicy = []string{"default-src 'none'; frame-ancestors 'none'"}
	sameOrigin  = []string{"same-origin"}
)

// headers go with every answer; pages add their own policy.
func (w *Web) headers(c *gin.Context) {
	h := c.Writer.Header()
	h["X-Content-Type-Options"] = noSniff
	h["Referrer-Policy"] = noReferrer
	h["X-Frame-Options"] = noFrame
	h["Content-Security-Policy"] = closePolicy
	if w.hsts != nil {
		h["Strict-Transport-Security"] = w.hsts
	}
	c.Next()
}

// Apart cuts pages off from the window that opened them. It is for pages that no app
// opens: an app that signs people in by a popup waits for the popup to answer, and a
// single answer with this header on the way there, a redirect too, cuts that wire.
func (w *Web) Apart() gin.HandlerFunc {
	return func(c *gin.Context) {
		c.Writer.Header()["Cross-Origin-Opener-Policy"] = sameOrigin
		c.Next()
	}
}

func (w *Web) limitBody(c *gin.Context) {
	if c.Request.ContentLength > MaxBody {
		w.fail(c, NewProblem(ui.ProblemTooLarge, nil))
		return
	}
	if c.Request.Body != nil && c.Request.Body != http.NoBody {
		c.Request.Body = http.MaxBytesReader(c.Writer, c.Request.Body, MaxBody)
	}
	c.Next()
}

// SameOrigin refuses posts that another site made (CSRF). It goes in front of
// pages; protocol endpoints are called by other sites on purpose.
func (w *Web) SameOrigin() gin.HandlerFunc {
	protection := http.NewCrossOriginProtection()
	return func(c *gin.Context) {
		if err := protection.Check(c.Request); err != nil {
			w.fail(c, NewProblem(ui.ProblemForbidden, err))
			return
		}
		c.Next()
	}
}

// Handler handles a request or says why it cannot.
type Handler func(c *gin.Context) error

// Handle adapts a handler to Gin: its error becomes a page.
func (w *Web) Handle(h Handler) gin.HandlerFunc {
	return func(c *gin.Context) {
		if err := h(c); err != nil {
			w.fail(c, err)
		}
	}
}

// fail answers with the page of an error, once, and logs its cause.
func (w *Web) fail(c *gin.Context, err error) {
	c.Abort()
	ctx := c.Request.Context()
	p := asProblem(err)
	slog.LogAttrs(ctx, level(p.Kind.Page(ui.Frame{}).Status), "request failed",
		slog.String("problem", string(p.Kind)), slog.String("route", c.FullPath()), slog.Any("cause", err))
	if c.Writer.Written() {
		return
	}
	if w.isEndpoint(strings.TrimPrefix(c.Request.URL.Path, w.base)) {
		writeError(c, p.Kind)
		return
	}
	if w.cfg.API != "" && strings.HasPrefix(c.Request.URL.Path, w.base+w.cfg.API+"/") {
		writeProblem(c, p.Kind)
		return
	}
	frame := p.Frame
	if frame.Lang == "" {
		frame.Lang = w.Language(c.Request, ui.Wish{})
	}
	page := p.Kind.Page(frame)
	page.RequestID = idp.VisitFrom(ctx).RequestID
	page.BackURL, page.BackLabel = p.BackURL, p.BackLabel
	if page.BackURL == "" && w.cfg.Account != "" && p.Kind.LeadsNowhere() {
		page.BackURL, page.BackLabel = w.base+w.cfg.Account, *ui.MsgToAccount.With()
	}
	if page.Status == http.StatusServiceUnavailable && c.Request.Method == http.MethodGet {
		// Spread out: all who wait would else come back in the same second.
		c.Header("Refresh", strconv.Itoa(int((idp.BusyWait+rand.N(idp.BusyWait))/time.Second))) // #nosec G404 -- guards nothing
		page.What = *ui.MsgTriesAgain.With()
	}
	if err := w.Render(c, page.Status, page); err != nil {
		slog.ErrorContext(ctx, "render the error page", "cause", err)
		c.AbortWithStatus(http.StatusInternalServerError)
	}
}

func (w *Web) isEndpoint(path string) bool {
	return slices.ContainsFunc(w.cfg.Endpoints, func(endpoint string) bool {
		return path == endpoint || strings.HasPrefix(path, endpoint+"/")
	})
}

// writeError answers a client at an endpoint of the protocol.
func writeError(c *gin.Context, kind ui.ProblemKind) {
	status, code := kind.Page(ui.Frame{}).Status, "invalid_request"
	switch {
	case status == http.StatusServiceUnavailable:
		code = "temporarily_unavailable"
	case status >= http.StatusInternalServerError:
		code = "server_error"
	}
	c.Header("Cache-Control", "no-store")
	c.JSON(status, map[string]string{"error": code, "error_description": http.StatusText(status)})
}

// writeProblem answers a program, with the members that the admin API has.
func writeProblem(c *gin.Context, kind ui.ProblemKind) {
	status := kind.Page(ui.Frame{}).Status
	code := kind
	if status >= http.StatusInternalServerError {
		code = "fault"
	}
	body, _ := json.Marshal(map[string]any{ // strings and numbers always marshal
		"type": "about:blank", "title": http.StatusText(status), "status": status, "code": code,
		"request_id": idp.VisitFrom(c.Request.Context()).RequestID,
	})
	c.Header("Cache-Control", "no-store")
	c.Data(status, "application/problem+json", body)
}

// Frame is that of a page of a population.
func (w *Web) Frame(lang string, b idp.Brand) ui.Frame {
	f := ui.Frame{Lang: lang, Brand: ui.Brand{Name: b.Name, LogoURL: b.LogoURL, Color: b.BrandColor}}
	for _, l := range b.Links() {
		f.Links = append(f.Links, ui.FooterLink{Label: ui.Key(l.Text), URL: l.URL})
	}
	return f
}

// Text is a text of the catalogue, for what pages put together.
func (w *Web) Text(lang string, m ui.Message) string { return w.cfg.UI.Text(lang, m) }

// pagePolicy allows what our pages consist of, and forms to go to us alone. Chromium
// applies form-action to every redirect that follows, at other sites too: no form of
// ours is answered by a redirect that leads away (see LeadOn).
const pagePolicy = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; " +
	"font-src 'self'; connect-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'"

// awayPolicy is that of a page that posts to an app: wherever the app leads on from there,
// and in the frame of one that asks silently (prompt=none). It shows nothing of a person's.
var awayPolicy = strings.NewReplacer("form-action 'self'", "form-action https: http:",
	"frame-ancestors 'none'", "frame-ancestors https: http:").Replace(pagePolicy)

// policyOf is the policy of a page.
func policyOf(page ui.Page) string {
	policy := pagePolicy
	if ui.PostsAway(page) {
		policy = awayPolicy
	}
	if frames := ui.LogoutURLs(page); len(frames) > 0 {
		policy += "; frame-src " + strings.Join(sourcesOf(frames), " ")
	}
	return strings.Replace(policy, "img-src 'self' data:", "img-src 'self' data:"+logoSource(ui.Logo(page)), 1)
}

// sourcesOf are addresses as sources of a policy. What would end the directive is left out.
func sourcesOf(uris []string) (list []string) {
	for _, uri := range uris {
		u, err := url.Parse(uri)
		if err == nil && !strings.ContainsAny(u.Host, " ;,'\"\r\n") {
			list = append(list, u.Scheme+"://"+u.Host)
		}
	}
	return list
}

// Render answers with a page.
func (w *Web) Render(c *gin.Context, status int, page ui.Page) error {
	var out bytes.Buffer
	reader := ui.Reader{}
	if c.Request.Method == http.MethodGet && status != http.StatusNotFound {
		reader.Here = c.Request.URL.RequestURI()
	}
	if err := w.cfg.UI.RenderFor(&out, page, reader); err != nil {
		return fmt.Errorf("render the page: %w", err)
	}
	body, err := refilled(c, out.Bytes())
	if err != nil {
		return fmt.Errorf("fill in the page: %w", err)
	}
	h := c.Writer.Header()
	h.Set("Content-Security-Policy", policyOf(page))
	if ui.PostsAway(page) {
		h.Del("X-Frame-Options")
	}
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Language", w.cfg.UI.LangOf(page))
	h.Set("Vary", "Accept-Language, Cookie")
	c.Data(status, "text/html; charset=utf-8", body)
	return nil
}

// typedKey is where a request carries what its page is to be filled with.
const typedKey = "gatehouse.typed"

// Refill fills the page that answers a request with what was typed there before.
func (w *Web) Refill(c *gin.Context, t ui.Typed) { c.Set(typedKey, t) }

// refilled is a page with what was typed, if anything was.
func refilled(c *gin.Context, page []byte) ([]byte, error) {
	typed, ok := c.Get(typedKey)
	t, isTyped := typed.(ui.Typed)
	if !ok || !isTyped {
		return page, nil
	}
	return ui.Refill(page, t)
}

// LeadOn answers with a page of ours that leads on by itself, and by its link: to an
// app, or to another provider. It stands at the end of every form, in place of a
// redirect. The location comes from what is stored, never from the request.
func (w *Web) LeadOn(c *gin.Context, f ui.Frame, location string) error {
	return w.Render(c, http.StatusOK, ui.LeadOn{Frame: w.inALanguage(c, f), URL: template.URL(location)})
}

// inALanguage is a frame in its language, else in the browser's.
func (w *Web) inALanguage(c *gin.Context, f ui.Frame) ui.Frame {
	if f.Lang == "" {
		f.Lang = w.Language(c.Request, ui.Wish{})
	}
	return f
}

// An Answer is what a browser carries to an app.
type Answer struct {
	URL string
	// Form is posted there; nil where the URL holds everything.
	Form url.Values
}

// Answer sends the browser to an app from the end of a form, as LeadOn does, and by a form
// of its own where the answer is one.
func (w *Web) Answer(c *gin.Context, f ui.Frame, a Answer) error {
	if a.Form == nil {
		return w.LeadOn(c, f, a.URL)
	}
	page := ui.FormPost{Frame: w.inALanguage(c, f), URL: a.URL}
	for _, name := range slices.Sorted(maps.Keys(a.Form)) {
		page.Fields = append(page.Fields, ui.Field{Name: name, Value: a.Form.Get(name)})
	}
	return w.Render(c, http.StatusOK, page)
}

// logoSource is the CSP source of a population's logo, which may live elsewhere. What
// would end the directive is left out.
func logoSource(logo string) string {
	u, err := url.Parse(logo)
	if err != nil || u.Scheme != "https" || strings.ContainsAny(u.Host, " ;,'\"\r\n") {
		return ""
	}
	return " https://" + u.Host
}

// Redirect answers a form with another page of ours (RFC 9110 section 15.4.4: the next
// request is a GET), or a GET with any. Where a form leads away, LeadOn answers it.
func Redirect(c *gin.Context, location string) error {
	c.Header("Cache-Control", "no-store")
	c.Header("Location", location)
	c.Status(http.StatusSeeOther)
	c.Writer.WriteHeaderNow()
	return nil
}

// RequestLog is a slog handler that adds the request id to every line that was
// logged under a request. It leaves out what the protocol library tells its developers.
type RequestLog struct{ slog.Handler }

// Handle implements slog.Handler.
func (h RequestLog) Handle(ctx context.Context, r slog.Record) error {
	if id := idp.VisitFrom(ctx).RequestID; id != "" {
		r.AddAttrs(slog.String("request_id", id))
	} else if r.Level <= slog.LevelInfo && strings.HasPrefix(caller(r), "github.com/zitadel/oidc/") {
		return nil
	}
	return h.Handler.Handle(ctx, r)
}

// caller is the function that logged a line, with its package.
func caller(r slog.Record) string {
	frame, _ := runtime.CallersFrames([]uintptr{r.PC}).Next()
	return frame.Function
}

// WithAttrs implements slog.Handler.
func (h RequestLog) WithAttrs(attrs []slog.Attr) slog.Handler {
	return RequestLog{h.Handler.WithAttrs(attrs)}
}

// WithGroup implements slog.Handler.
func (h RequestLog) WithGroup(name string) slog.Handler { return RequestLog{h.Handler.WithGroup(name)} }
