package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/gin-gonic/gin"

	"gatehouse/admin"
	"gatehouse/admin/api"
	"gatehouse/idp"
	"gatehouse/idp/account"
	"gatehouse/idp/federation"
	"gatehouse/idp/fetch"
	"gatehouse/idp/keyring"
	"gatehouse/idp/keys"
	"gatehouse/idp/login"
	"gatehouse/idp/mail"
	"gatehouse/idp/manage"
	"gatehouse/idp/observe"
	"gatehouse/idp/outbox"
	"gatehouse/idp/passkey"
	"gatehouse/idp/password"
	"gatehouse/idp/picture"
	"gatehouse/idp/provider"
	"gatehouse/idp/registration"
	"gatehouse/idp/session"
	"gatehouse/idp/store"
	"gatehouse/idp/throttle"
	"gatehouse/idp/web"
	"gatehouse/ui"
)

// Server is a provider that is ready to serve.
type Server struct {
	Store  *store.Store
	Keys   *keys.Keys
	Manage *manage.Manager
	// Mailer sends mail, nil where no server is configured.
	Mailer *mail.Sender

	cfg    Config
	engine *gin.Engine
	// withoutConsole is for those who are not to reach the console.
	withoutConsole *gin.Engine
	metrics        *observe.Metrics
	tracing        *observe.Tracing // nil: off
	pages          *ui.UI
	sessions       *session.Manager
	outbox         *outbox.Outbox
	register       *registration.Endpoint
	// reap is signalled when something was ended "Immediately".
	reap    chan struct{}
	console *admin.Console
	// draining: the process is about to stop.
	draining atomic.Bool
}

// Open opens the database and everything on top of it. The database must have
// been migrated. Close gives it back.
func Open(ctx context.Context, cfg Config) (*Server, error) {
	if err := cfg.Check(); err != nil {
		return nil, fmt.Errorf("%w: %w", idp.ErrInvalid, err)
	}
	database, err := cfg.Database()
	if err != nil {
		return nil, err
	}
	s := &Server{cfg: cfg, metrics: observe.New(), reap: make(chan struct{}, 1)}
	if err := s.watch(ctx, &database); err != nil {
		return nil, err
	}
	if s.Store, err = store.OpenWith(ctx, database); err != nil {
		return nil, advise(err)
	}
	if err := s.build(ctx); err != nil {
		return nil, fmt.Errorf("start: %w", withClose(err, s.Store))
	}
	return s, nil
}

// watch begins to observe: metrics in any case, traces where they are sent somewhere.
func (s *Server) watch(ctx context.Context, database *store.Options) (err error) {
	database.Heard = store.Heard{Audit: s.metrics.Audited, Statement: s.metrics.Statement}
	system := "postgresql"
	if strings.HasPrefix(database.URL, store.SQLiteScheme) {
		system = "sqlite"
	}
	if s.tracing, err = observe.Trace(ctx, s.cfg.OTLPEndpoint, system); err != nil || s.tracing == nil {
		return err
	}
	database.Heard.Statement = func(ctx context.Context, statement store.Statement) {
		s.metrics.Statement(ctx, statement)
		s.tracing.Statement(ctx, statement)
	}
	return nil
}

func withClose(err error, st *store.Store) error {
	if errClose := st.Close(); errClose != nil {
		return fmt.Errorf("%w (and close the database: %w)", err, errClose)
	}
	return err
}

// build brings the database up to date, makes the rooms and connects them.
func (s *Server) build(ctx context.Context) error {
	if err := s.sound(ctx); err != nil {
		return err
	}
	if err := s.Store.Migrate(ctx); err != nil {
		return err
	}
	ring, err := s.cfg.Keyring(ctx, s.Store)
	if err != nil {
		return err
	}
	// What every installation begins with is made once, by the first of several processes
	// that start at the same time.
	return s.Store.Alone(ctx, func(ctx context.Context) error { return s.connect(ctx, ring) })
}

func (s *Server) connect(ctx context.Context, ring *keyring.Keyring) error {
	secrets, err := readSecrets(ctx, s.Store, ring)
	if err != nil {
		return err
	}
	if s.Keys, err = keys.OpenWith(ctx, s.Store, ring, s.cfg.Thrift.NewKey); err != nil {
		return err
	}
	plumbing, err := s.plumbing()
	if err != nil {
		return err
	}
	limiter := s.limiter(secrets)
	relying, err := passkey.New(s.cfg.passkeys(), secrets[keys.ForPasskey])
	if err != nil {
		return err
	}
	if err := s.manage(ctx, ring, limiter, relying); err != nil {
		return err
	}
	s.sessions.Key = secrets[keys.ForSession]
	protocol, err := provider.New(provider.Config{
		Issuer: s.cfg.Issuer, Store: s.Store, Web: plumbing, Sessions: s.sessions, Signer: s.Keys, Limiter: limiter, RefreshKey: secrets[keys.ForRefresh], NonceKey: secrets[keys.ForNonce],
		Fetch: fetch.NewClient(s.cfg.PrivateNetworks), RegistrationEndpoint: s.registrationEndpoint(),
		Observe: s.metrics.Token,
	})
	if err != nil {
		return err
	}
	signIn := &login.Login{
		Store: s.Store, Web: plumbing, Sessions: s.sessions, Hasher: s.Manage.Hasher,
		Limiter: limiter, Keyring: ring, Manage: s.Manage,
		Outbox: s.outbox, EmailKey: secrets[keys.ForEmail], Requests: protocol,
		Pictures: picture.New(fetch.NewClient(s.cfg.PrivateNetworks)),
	}
	upstreams := federation.New(federation.Config{
		Client: fetch.NewClient(s.cfg.PrivateNetworks), Insecure: s.cfg.PrivateNetworks, Keyring: ring,
		Store: s.Store, Sessions: s.sessions, Web: plumbing, Issuer: s.cfg.Issuer, Key: secrets[keys.ForFederation],
	})
	signIn.Upstreams, signIn.UpstreamKey = upstreams, secrets[keys.ForFederation]
	protocol.Upstreams = upstreams
	s.console = &admin.Console{
		Store: s.Store, Web: plumbing, Sessions: s.sessions, Manage: s.Manage, Callback: s.cfg.Issuer + "/admin/callback", Keyring: ring,
		AuditRetention: s.auditRetention, Registration: s.registrationEndpoint(),
	}
	if err := s.Manage.Apps.EnsureConsole(ctx, s.console.Callback); err != nil {
		return err
	}
	self := &account.Pages{
		Store: s.Store, Web: plumbing, Sessions: s.sessions, Manage: s.Manage, Limiter: limiter, Identities: identities{s.Manage}, Callback: s.cfg.Issuer + "/account/callback", Keyring: ring,
	}
	if err := s.Manage.Apps.EnsureAccount(ctx, self.Callback); err != nil {
		return err
	}
	rest := api.New(api.Config{Manage: s.Manage, Tokens: protocol, Issuer: s.cfg.Issuer, Text: s.english})
	s.register = &registration.Endpoint{Apps: s.Manage.Apps, Limiter: limiter, Issuer: s.cfg.Issuer, Text: s.english}
	return s.route(plumbing, protocol, signIn, upstreams, s.console, self, rest)
}

// limiter counts guesses, for the metrics too.
func (s *Server) limiter(secrets map[keys.Purpose][]byte) *throttle.Limiter {
	l := throttle.New(s.Store, secrets[keys.ForThrottle])
	l.Observe = func(kind throttle.Kind, d throttle.Decision) { s.metrics.Throttle(string(kind), string(d)) }
	return l
}

// english is a text for programs.
func (s *Server) english(key string, args ...any) string {
	return s.pages.Text("en", *ui.Key(key).With(args...))
}

// registrationEndpoint is where apps register themselves, empty where they cannot.
func (s *Server) registrationEndpoint() string {
	if !s.cfg.Registration {
		return ""
	}
	return s.cfg.Issuer + registration.Path
}

// checkTime is how long the check of the database file may take at the start.
const checkTime = 20 * time.Second

// sound refuses to start on a database file that is damaged. One that is too large to
// be read in checkTime is trusted.
func (s *Server) sound(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	err := s.Store.CheckIntegrity(ctx)
	if err != nil && ctx.Err() != nil {
		slog.WarnContext(ctx, "the database file is too large to be checked at the start")
		return nil
	}
	return advise(err)
}

// advise says what to do about a damaged database file.
func advise(err error) error {
	if errors.Is(err, store.ErrDamaged) {
		return fmt.Errorf("%w; gatehouse restore puts a backup in its place", err)
	}
	return err
}

// manage makes the operations, and what every installation begins with.
func (s *Server) manage(ctx context.Context, ring *keyring.Keyring, limiter *throttle.Limiter, relying *passkey.Relying) (err error) {
	if s.cfg.Mail.Enabled() {
		if s.Mailer, err = mail.New(s.cfg.Mail); err != nil {
			return err
		}
	}
	s.Manage, err = NewManager(ctx, s.cfg, s.Store, ring, func(p *manage.Parts) {
		p.Throttles, p.Rotation, p.Write, p.Reap, p.Logout = limiter, s.Keys, s.pages.WriteMail, s.reapSoon, s.backchannel().Test
		p.Passkeys = relying
		if s.Mailer != nil {
			p.Mailer = s.Mailer
		}
	})
	if err != nil {
		return err
	}
	s.outbox, s.sessions = s.Manage.Outbox, s.Manage.Sessions
	if s.tracing != nil {
		s.outbox.Trace = s.tracing.Parent
	}
	s.Manage.Hasher.Observe = s.metrics.HashWait
	s.metrics.Hashing(s.Manage.Hasher.Running, s.Manage.Hasher.Waiting)
	s.metrics.Database(s.Store)
	s.metrics.SigningKeys(s.Keys.NextRotations)
	return s.Manage.EnsureDefaults(ctx)
}

// NewManager makes the operations on a database without a provider around them, as
// commands use them. It sends no mail; what it stores for others to be told is
// delivered by the providers that run. more adds parts that only some have.
func NewManager(ctx context.Context, cfg Config, st *store.Store, ring *keyring.Keyring, more ...func(*manage.Parts)) (*manage.Manager, error) {
	recovery, err := keys.Secret(ctx, st, ring, keys.ForRecovery)
	if err != nil {
		return nil, err
	}
	box := outbox.New(st, ring)
	box.Issuer = strings.TrimSuffix(cfg.Issuer, "/")
	secure := strings.HasPrefix(cfg.Issuer, "https:")
	parts := manage.Parts{
		Store: st, Hasher: password.New(cfg.Thrift.Passwords), Keyring: ring, Outbox: box, RecoveryKey: recovery,
		Sessions: &session.Manager{Store: st, Cookies: session.Cookies{Secure: secure}, Outbox: box},
		Issuer:   strings.TrimSuffix(cfg.Issuer, "/"), PrivateNetworks: cfg.PrivateNetworks, AccountURL: cfg.Issuer + "/account",
		Fetch: fetch.NewClient(cfg.PrivateNetworks),
	}
	for _, add := range more {
		add(&parts)
	}
	return manage.New(parts), nil
}

func readSecrets(ctx context.Context, st *store.Store, ring *keyring.Keyring) (map[keys.Purpose][]byte, error) {
	secrets := map[keys.Purpose][]byte{}
	for _, purpose := range []keys.Purpose{keys.ForThrottle, keys.ForRefresh, keys.ForEmail, keys.ForSession, keys.ForNonce, keys.ForFederation, keys.ForPasskey} {
		secret, err := keys.Secret(ctx, st, ring, purpose)
		if err != nil {
			return nil, err
		}
		secrets[purpose] = secret
	}
	return secrets, nil
}

func (s *Server) plumbing() (*web.Web, error) {
	issuer, err := url.Parse(s.cfg.Issuer)
	if err != nil {
		return nil, fmt.Errorf("read the issuer: %w", err)
	}
	if s.pages, err = ui.New(ui.Options{BasePath: issuer.Path}); err != nil {
		return nil, err
	}
	cfg := web.Config{
		Issuer: issuer, TrustedProxies: s.cfg.TrustedProxies, UI: s.pages, API: api.Base, Endpoints: append(provider.Endpoints(), registration.Path), Account: account.Home,
		Observe:   s.metrics.Request,
		AccessLog: s.cfg.AccessLog, HSTS: s.cfg.HSTS, AnswerWithin: s.cfg.Thrift.AnswerWithin,
	}
	if s.tracing != nil {
		cfg.Trace = s.tracing.Request
	}
	return web.New(cfg), nil
}

// route is the table of everything that is reachable.
func (s *Server) route(
	w *web.Web, protocol *provider.Provider, signIn *login.Login, upstreams *federation.Federation,
	console *admin.Console, self *account.Pages, rest *api.API,
) error {
	all := func(engine *gin.Engine, root *gin.RouterGroup) {
		protocol.Routes(&engine.RouterGroup, root)
		signIn.Routes(root)
		upstreams.Routes(root)
		self.Routes(root)
		if s.cfg.Registration {
			s.register.Routes(root)
		}
	}
	var err error
	if s.withoutConsole, err = s.engineWith(w, all); err != nil {
		return err
	}
	s.engine, err = s.engineWith(w, func(engine *gin.Engine, root *gin.RouterGroup) {
		all(engine, root)
		console.Routes(root)
		rest.Routes(root)
	})
	return err
}

// engineWith is one with routes, beside those that every one has.
func (s *Server) engineWith(w *web.Web, routes func(*gin.Engine, *gin.RouterGroup)) (*gin.Engine, error) {
	engine, err := w.Engine()
	if err != nil {
		return nil, err
	}
	// Health is asked of the process itself, without the issuer's path.
	engine.GET("/livez", func(c *gin.Context) { c.String(http.StatusOK, "ok\n") })
	engine.GET("/readyz", s.ready)

	root := w.Group(engine)
	routes(engine, root)
	w.LanguageRoutes(root)
	root.GET("/assets/*file", gin.WrapH(s.pages.Assets()))
	root.GET("/", w.Handle(func(c *gin.Context) error { return web.Redirect(c, w.Path("%s", account.Home)) }))
	return engine, nil
}

// ready tells a load balancer whether to send people here.
func (s *Server) ready(c *gin.Context) {
	if s.draining.Load() {
		c.String(http.StatusServiceUnavailable, "stopping\n")
		return
	}
	ctx, cancel := context.WithTimeout(c.Request.Context(), 2*time.Second)
	defer cancel()
	err := s.Store.Ready(ctx)
	text := "the database does not answer\n"
	switch {
	case err == nil:
		c.String(http.StatusOK, "ok\n")
		return
	case errors.Is(err, store.ErrDamaged):
		text = "the database file is damaged\n"
	case errors.Is(err, store.ErrNoWrites):
		text = "the database takes no writes\n"
	}
	slog.WarnContext(ctx, "not ready", "cause", err)
	c.String(http.StatusServiceUnavailable, text)
}

// Handler serves everybody.
func (s *Server) Handler() http.Handler { return s.partWhileDraining(web.HeadAsGet(s.engine)) }

// Public serves people and apps, and admins unless Config.ConsoleApart sends them elsewhere.
func (s *Server) Public() http.Handler {
	if !s.cfg.ConsoleApart {
		return s.Handler()
	}
	return s.partWhileDraining(web.HeadAsGet(s.withoutConsole))
}

// Metrics serves Prometheus. It belongs on a listener of its own.
func (s *Server) Metrics() http.Handler { return s.metrics.Handler() }

// ObserveCertificate has the metrics and the console say when a certificate of ours ends.
// It belongs before Serve.
func (s *Server) ObserveCertificate(expires func() time.Time) {
	s.console.Certificate = expires
	s.metrics.Certificate(expires)
}

// Close gives back the database and the connections to the mail server.
func (s *Server) Close() error {
	var errs []error
	if s.Mailer != nil {
		errs = append(errs, s.Mailer.Close())
	}
	errs = append(errs, s.Store.Close())
	if s.tracing != nil {
		s.tracing.Close()
	}
	return errors.Join(errs...)
}
