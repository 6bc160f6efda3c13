package portal

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
)

// Kind tells the two portals apart.
type Kind string

// The two portals of a helpdesk.
const (
	Agent   Kind = "agent"   // for the staff
	Support Kind = "support" // for the customers
)

const (
	maxBody         = 64 << 10
	outgoingTimeout = 10 * time.Second
	sessionLifetime = 12 * time.Hour
	loginLifetime   = time.Hour // a first sign-in may include setting up an authenticator

	maxSessions     = 10_000
	maxLogins       = 10_000
	maxLogoutTokens = 10_000
)

// Config says which portal this is and which issuer it trusts.
type Config struct {
	Kind         Kind         // Agent or Support
	Name         string       // shown on every page; a plain default when empty
	Issuer       string       // the provider's issuer, exactly as its tokens say it
	ClientID     string       // client_id at the provider
	ClientSecret string       // client_secret; empty for a public client
	BaseURL      string       // origin the browser sees, such as http://localhost:8081
	Scopes       []string     // openid profile email when empty; openid is always asked for
	HTTPClient   *http.Client // for calls to the provider; one with a timeout when nil
	Logger       *slog.Logger // slog.Default when nil
}

// Portal is a relying party: its sessions and pending sign-ins live in memory.
type Portal struct {
	cfg      Config
	origin   *url.URL
	log      *slog.Logger
	provider *discovery
	pages    *pages
	onClose  func(func()) (stop func() bool)

	sessions     *memory[session]
	logins       *memory[pendingLogin]
	logoutTokens *memory[struct{}] // by jti
}

// now is the package's only reading of the clock, in UTC.
func now() time.Time { return time.Now().UTC() }

// New checks the configuration. It does not call the issuer, which may start
// later. Once ctx is done, calls to the provider are cut short.
func New(ctx context.Context, cfg Config) (*Portal, error) {
	origin, err := cfg.complete()
	if err != nil {
		return nil, fmt.Errorf("configuring the portal: %w", err)
	}
	pages, err := loadPages(cfg)
	if err != nil {
		return nil, fmt.Errorf("loading the portal's pages: %w", err)
	}
	return &Portal{
		cfg:          cfg,
		origin:       origin,
		log:          cfg.Logger.With("portal", string(cfg.Kind)),
		provider:     &discovery{cfg: cfg},
		pages:        pages,
		onClose:      func(f func()) func() bool { return context.AfterFunc(ctx, f) },
		sessions:     newMemory[session](maxSessions),
		logins:       newMemory[pendingLogin](maxLogins),
		logoutTokens: newMemory[struct{}](maxLogoutTokens),
	}, nil
}

// complete fills in the defaults and answers the portal's own origin.
func (c *Config) complete() (*url.URL, error) {
	if _, known := voices[c.Kind]; !known {
		return nil, fmt.Errorf("kind %q is neither %q nor %q", c.Kind, Agent, Support)
	}
	if c.ClientID == "" {
		return nil, errors.New("the client id is missing")
	}
	if _, err := webURL(c.Issuer); err != nil {
		return nil, fmt.Errorf("issuer: %w", err)
	}
	origin, err := webURL(c.BaseURL)
	if err != nil {
		return nil, fmt.Errorf("base URL: %w", err)
	}
	if strings.Trim(origin.Path, "/") != "" {
		return nil, fmt.Errorf("base URL %q has a path; the portal stands at the root", c.BaseURL)
	}
	origin.Path = ""
	c.BaseURL = origin.String()
	c.Name = cmp.Or(c.Name, voices[c.Kind].name)
	c.Logger = cmp.Or(c.Logger, slog.Default())
	c.HTTPClient = cmp.Or(c.HTTPClient, &http.Client{Timeout: outgoingTimeout})
	c.Scopes = completeScopes(c.Scopes)
	return origin, nil
}

func completeScopes(scopes []string) []string {
	if len(scopes) == 0 {
		return []string{oidc.ScopeOpenID, oidc.ScopeProfile, oidc.ScopeEmail}
	}
	if slices.Contains(scopes, oidc.ScopeOpenID) {
		return slices.Clone(scopes)
	}
	return append([]string{oidc.ScopeOpenID}, scopes...)
}

func webURL(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	if err != nil {
		return nil, err
	}
	if (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return nil, fmt.Errorf("%q is not a plain http or https URL", s)
	}
	return u, nil
}

// Handler serves the portal. The server around it owns the timeouts.
func (p *Portal) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /{$}", p.page(p.home))
	mux.Handle("GET /login", p.page(p.login))
	mux.Handle("GET /callback", p.page(p.callback))
	mux.Handle("POST /refresh", p.page(p.refresh))
	mux.Handle("POST /logout", p.page(p.logoutEverywhere))
	mux.Handle("POST /logout/local", p.page(p.logoutHere))
	mux.HandleFunc("GET /me", p.me)
	if p.cfg.Kind == Agent {
		mux.Handle("GET "+exportsPath, p.page(p.exports))
		mux.HandleFunc("GET /api/exports", p.exportsAPI)
	}
	mux.HandleFunc("POST /backchannel-logout", p.backchannelLogout)
	mux.HandleFunc("GET /healthz", healthz)
	mux.HandleFunc("GET /assets/{file}", p.pages.asset)
	// Browsers ask for it beside documents that name no icon, such as /me.
	mux.Handle("GET /favicon.ico", http.RedirectHandler(p.pages.layout.Icon, http.StatusFound))
	mux.Handle("/", p.page(notFound))
	return http.MaxBytesHandler(p.securityHeaders(p.crossOrigin(mux)), maxBody)
}

// crossOrigin refuses forms that another site submits. Back-channel logout comes
// from the provider's server, carries no cookie and proves itself by a signature.
func (p *Portal) crossOrigin(next http.Handler) http.Handler {
	guard := http.NewCrossOriginProtection()
	guard.AddInsecureBypassPattern("POST /backchannel-logout")
	if err := guard.AddTrustedOrigin(p.cfg.BaseURL); err != nil {
		p.log.Error("trusting the portal's own origin", "error", err)
	}
	guard.SetDenyHandler(p.page(func(http.ResponseWriter, *http.Request) error {
		return &problem{
			status: http.StatusForbidden,
			title:  "That came from another site",
			text:   "For your safety nothing was done. Open the portal and try again there.",
		}
	}))
	return guard.Handler(next)
}

// securityHeaders lets the pages load the portal's own stylesheet and nothing
// else. Forms may lead to the issuer, because browsers apply form-action to the
// redirect that ends the provider's session too. The referrer stays on the
// origin: without one, browsers would send "Origin: null" with our own forms.
func (p *Portal) securityHeaders(next http.Handler) http.Handler {
	issuer, _ := url.Parse(p.cfg.Issuer) // checked by New
	csp := "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'; " +
		"form-action 'self' " + issuer.Scheme + "://" + issuer.Host
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", csp)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
		h.Set("Cache-Control", "no-store")
		if p.secure() {
			h.Set("Strict-Transport-Security", "max-age=31536000")
		}
		next.ServeHTTP(w, r)
	})
}

func (p *Portal) secure() bool { return p.origin.Scheme == "https" }

// outgoing is the context of a call to the provider. It outlives a browser that goes away:
// a rotated refresh token that is not stored would be lost.
func (p *Portal) outgoing(r *http.Request) (context.Context, context.CancelFunc) {
	ctx := oidc.ClientContext(context.WithoutCancel(r.Context()), p.cfg.HTTPClient)
	ctx, cancel := context.WithTimeout(ctx, outgoingTimeout)
	stop := p.onClose(cancel)
	return ctx, func() { stop(); cancel() }
}

func healthz(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write([]byte("ok\n"))
}

func notFound(http.ResponseWriter, *http.Request) error {
	return &problem{
		status: http.StatusNotFound,
		title:  "There is no such page",
		text:   "The address may be mistyped, or the page has moved.",
	}
}
