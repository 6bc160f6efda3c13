package server

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/gin-gonic/gin"

	"gatehouse/idp"
	"gatehouse/idp/jobs"
	"gatehouse/idp/keyring"
	"gatehouse/idp/keys"
	"gatehouse/idp/login"
	"gatehouse/idp/manage"
	"gatehouse/idp/password"
	"gatehouse/idp/provider"
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

	cfg     Config
	engine  *gin.Engine
	metrics *metrics
}

// Open opens the database and everything on top of it. The database must have
// been migrated. Close gives it back.
func Open(ctx context.Context, cfg Config) (*Server, error) {
	if err := cfg.Check(); err != nil {
		return nil, fmt.Errorf("%w: %w", idp.ErrInvalid, err)
	}
	ring, err := cfg.Keyring()
	if err != nil {
		return nil, err
	}
	database, err := cfg.Database()
	if err != nil {
		return nil, err
	}
	s := &Server{cfg: cfg, metrics: newMetrics()}
	if s.Store, err = store.Open(ctx, database); err != nil {
		return nil, err
	}
	if err := s.build(ctx, ring); err != nil {
		return nil, fmt.Errorf("start: %w", withClose(err, s.Store))
	}
	return s, nil
}

func withClose(err error, st *store.Store) error {
	if errClose := st.Close(); errClose != nil {
		return fmt.Errorf("%w (and close the database: %w)", err, errClose)
	}
	return err
}

// build makes the rooms and connects them.
func (s *Server) build(ctx context.Context, ring *keyring.Keyring) error {
	if err := s.Store.Migrate(ctx); err != nil {
		return err
	}
	secrets, err := readSecrets(ctx, s.Store, ring)
	if err != nil {
		return err
	}
	if s.Keys, err = keys.Open(ctx, s.Store, ring); err != nil {
		return err
	}
	hasher := password.New(password.DefaultParams())
	s.Manage = &manage.Manager{Store: s.Store, Hasher: hasher}
	if err := s.Manage.EnsureDefaults(ctx); err != nil {
		return err
	}
	plumbing, pages, err := s.plumbing()
	if err != nil {
		return err
	}
	sessions := &session.Manager{Store: s.Store, Cookies: session.Cookies{Secure: plumbing.Secure()}}
	protocol, err := provider.New(provider.Config{
		Issuer: s.cfg.Issuer, Store: s.Store, Web: plumbing, Sessions: sessions, Signer: s.Keys, RefreshKey: secrets[keys.ForRefresh],
	})
	if err != nil {
		return err
	}
	signIn := &login.Login{
		Store: s.Store, Web: plumbing, Sessions: sessions, Hasher: hasher,
		Limiter: throttle.New(s.Store, secrets[keys.ForThrottle]), Keyring: ring,
		RecoveryKey: secrets[keys.ForRecovery], Requests: protocol,
	}
	return s.route(plumbing, pages, protocol, signIn)
}

func readSecrets(ctx context.Context, st *store.Store, ring *keyring.Keyring) (map[keys.Purpose][]byte, error) {
	secrets := map[keys.Purpose][]byte{}
	for _, purpose := range []keys.Purpose{keys.ForThrottle, keys.ForRefresh, keys.ForRecovery} {
		secret, err := keys.Secret(ctx, st, ring, purpose)
		if err != nil {
			return nil, err
		}
		secrets[purpose] = secret
	}
	return secrets, nil
}

func (s *Server) plumbing() (*web.Web, *ui.UI, error) {
	issuer, err := url.Parse(s.cfg.Issuer)
	if err != nil {
		return nil, nil, fmt.Errorf("read the issuer: %w", err)
	}
	pages, err := ui.New(ui.Options{BasePath: issuer.Path})
	if err != nil {
		return nil, nil, err
	}
	return web.New(web.Config{
		Issuer: issuer, TrustedProxies: s.cfg.TrustedProxies, UI: pages, Observe: s.metrics.observe,
	}), pages, nil
}

// route is the table of everything that is reachable.
func (s *Server) route(w *web.Web, pages *ui.UI, protocol *provider.Provider, signIn *login.Login) error {
	engine, err := w.Engine()
	if err != nil {
		return err
	}
	// Health is asked of the process itself, without the issuer's path.
	engine.GET("/livez", func(c *gin.Context) { c.String(http.StatusOK, "ok\n") })
	engine.GET("/readyz", s.ready)

	root := w.Group(engine)
	protocol.Routes(root)
	signIn.Routes(root)
	assets := gin.WrapH(pages.Assets())
	root.GET("/assets/*file", assets)
	root.HEAD("/assets/*file", assets)
	root.GET("/", w.Handle(func(*gin.Context) error { return web.NewProblem(ui.ProblemOpenedDirectly, nil) }))
	s.engine = engine
	return nil
}

// ready tells a load balancer whether to send people here.
func (s *Server) ready(c *gin.Context) {
	ctx, cancel := context.WithTimeout(c.Request.Context(), 2*time.Second)
	defer cancel()
	if err := s.Store.Ping(ctx); err != nil {
		c.String(http.StatusServiceUnavailable, "the database does not answer\n")
		return
	}
	c.String(http.StatusOK, "ok\n")
}

// Handler serves people and apps.
func (s *Server) Handler() http.Handler { return s.engine }

// Metrics serves Prometheus. It belongs on a listener of its own.
func (s *Server) Metrics() http.Handler { return s.metrics.handler() }

// Work runs the background jobs until ctx ends.
func (s *Server) Work(ctx context.Context) {
	jobs.Run(ctx,
		jobs.Job{Name: "sweep", Every: time.Minute, Run: s.sweep},
		jobs.Job{Name: "rotate signing keys", Every: time.Hour, Run: func(ctx context.Context) error {
			_, err := s.Keys.Rotate(ctx, false)
			return err
		}},
		jobs.Job{Name: "reload signing keys", Every: keys.Staleness, Run: s.Keys.Reload},
	)
}

func (s *Server) sweep(ctx context.Context) error {
	n, err := s.Store.Sweep(ctx, idp.Now(), store.Retention{Audit: s.cfg.AuditRetention})
	s.metrics.swept.Add(float64(n))
	return err
}

// Close gives the database back.
func (s *Server) Close() error { return s.Store.Close() }
