package idptest

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/manage/people"
	"gatehouse/idp/server"
	"gatehouse/idp/store"
)

// App is a running provider on loopback.
type App struct {
	*server.Server
	// Issuer is its base URL.
	Issuer string
	tb     testing.TB
	cfg    server.Config
}

// Password is that of every user that AddUser makes.
const Password = "correct horse battery"

// Start runs a provider on a database. path is the issuer's, mostly empty.
func Start(tb testing.TB, databaseURL, path string) *App {
	tb.Helper()
	return StartWith(tb, server.Config{DatabaseURL: databaseURL, DataDir: Folder(tb), PrivateNetworks: true}, path)
}

// StartWith runs a provider with a configuration of the test's; the issuer is
// filled in.
func StartWith(tb testing.TB, cfg server.Config, path string) *App {
	tb.Helper()
	return start(tb, cfg, "http://127.0.0.1", path, (*httptest.Server).Start)
}

// StartBehind is StartWith, with something of the test's between the world and the provider.
func StartBehind(tb testing.TB, cfg server.Config, between func(http.Handler) http.Handler) *App {
	tb.Helper()
	return start(tb, cfg, "http://127.0.0.1", "", func(public *httptest.Server) {
		public.Config.Handler = between(public.Config.Handler)
		public.Start()
	})
}

// StartTLS is StartWith on https://localhost, with a certificate for that name.
func StartTLS(tb testing.TB, cfg server.Config, certificate tls.Certificate) *App {
	tb.Helper()
	return start(tb, cfg, "https://localhost", "", func(public *httptest.Server) {
		public.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}
		public.StartTLS()
	})
}

func start(tb testing.TB, cfg server.Config, host, path string, serve func(public *httptest.Server)) *App {
	tb.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatalf("listening: %v", err)
	}
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	within := cfg.Thrift.AnswerWithin
	cfg.Issuer, cfg.Thrift = host+":"+port+path, thrift()
	cfg.Thrift.AnswerWithin = within
	srv, err := server.Open(context.WithoutCancel(tb.Context()), cfg)
	if err != nil {
		tb.Fatalf("opening the provider: %v", err)
	}
	public := httptest.NewUnstartedServer(srv.Handler())
	public.Listener = listener
	serve(public)
	tb.Cleanup(func() {
		public.Close()
		if err := srv.Close(); err != nil {
			tb.Errorf("closing the provider: %v", err)
		}
	})
	return &App{Server: srv, Issuer: cfg.Issuer, tb: tb, cfg: cfg}
}

// Replica runs the provider once more, behind the same issuer, and returns where it is
// reached by itself.
func (a *App) Replica() (address string) {
	a.tb.Helper()
	cfg := a.cfg
	cfg.Thrift = thrift()
	srv, err := server.Open(context.WithoutCancel(a.tb.Context()), cfg)
	if err != nil {
		a.tb.Fatalf("opening a replica: %v", err)
	}
	public := httptest.NewServer(srv.Handler())
	a.tb.Cleanup(func() {
		public.Close()
		Must(a.tb, srv.Close())
	})
	return public.URL
}

// AddUser makes a person with Password.
func (a *App) AddUser(population, email string) idp.User {
	a.tb.Helper()
	u, err := a.Manage.People.CreateUser(a.tb.Context(), people.NewUser{
		Population: population, Email: email, Name: "Somebody", Password: Password,
	})
	if err != nil {
		a.tb.Fatalf("adding a user: %v", err)
	}
	return u
}

// Audited counts the audit events of a kind.
func (a *App) Audited(kind idp.AuditKind) int {
	a.tb.Helper()
	events, err := a.Store.AuditEvents(a.tb.Context(), kind, "", 1000)
	if err != nil {
		a.tb.Fatalf("reading the audit log: %v", err)
	}
	n := 0
	for _, e := range events {
		n += max(1, e.Times)
	}
	return n
}

// AgeProofs makes every session's proofs older: they are JSON, which no statement
// reaches.
func (a *App) AgeProofs(by time.Duration) {
	a.tb.Helper()
	ctx := a.tb.Context()
	populations, err := a.Store.Populations(ctx)
	Must(a.tb, err)
	sessions, err := a.Store.LivingSessions(ctx, idp.Now(), store.SessionQuery{Populations: populations, Limit: 1000})
	Must(a.tb, err)
	for _, s := range sessions {
		for i := range s.Session.Proofs {
			s.Session.Proofs[i].At = s.Session.Proofs[i].At.Add(-by)
		}
		Must(a.tb, a.Store.RenewSession(ctx, s.Session))
	}
}

// Do sends a request as it is, without a browser around it.
func (a *App) Do(req *http.Request) *http.Response {
	a.tb.Helper()
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		a.tb.Fatalf("%s %s: %v", req.Method, req.URL, err)
	}
	a.tb.Cleanup(func() { _ = res.Body.Close() })
	return res
}
