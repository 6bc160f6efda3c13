package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

// HTTP's limits: slow or endless requests hold nothing for long.
const (
	headerTimeout = 5 * time.Second
	readTimeout   = 15 * time.Second
	writeTimeout  = 30 * time.Second // more than web.AnswerWithin
	idleTimeout   = 2 * time.Minute
	maxHeader     = 32 << 10
	// StopTimeout is how long a stop waits for requests under way.
	StopTimeout = 20 * time.Second
)

// Listeners are where a server is reached. Each but the first may be nil.
type Listeners struct {
	Public net.Listener
	// Console answers for the console and the admin API as well: for all that Public does, so
	// that people sign in to the console where they reach it.
	Console net.Listener
	Metrics net.Listener
}

// Close stops listening where nobody serves.
func (l Listeners) Close() {
	for _, on := range []net.Listener{l.Public, l.Console, l.Metrics} {
		if on != nil {
			_ = on.Close()
		}
	}
}

// Run serves on the listeners and does the background work until ctx ends. It then says
// so at /readyz and with each answer (Connection: close) for as long as Config.Drain says,
// so that a proxy turns to others while all is still answered; then it takes no new
// requests and finishes those under way.
func (s *Server) Run(ctx context.Context, on Listeners) error {
	work, stopWork := context.WithCancel(context.WithoutCancel(ctx))
	defer stopWork()
	var working sync.WaitGroup
	working.Go(func() { s.Work(work) })

	var servers []*http.Server
	var listeners []net.Listener
	for _, l := range []struct {
		on      net.Listener
		handler http.Handler
	}{{on.Public, s.Public()}, {on.Console, s.Handler()}, {on.Metrics, s.Metrics()}} {
		if l.on != nil {
			servers, listeners = append(servers, newHTTPServer(l.handler)), append(listeners, l.on)
		}
	}
	failed := make(chan error, len(servers))
	for i, srv := range servers {
		go func() { failed <- srv.Serve(listeners[i]) }()
	}
	var err error
	select {
	case <-ctx.Done():
		s.drain()
	case err = <-failed:
		err = fmt.Errorf("serve: %w", err)
	}
	err = errors.Join(err, stop(servers))
	stopWork()
	working.Wait()
	if s.Mailer != nil {
		err = errors.Join(err, s.Mailer.Close()) // nothing is sent any more
	}
	return err
}

// drain lets those who send requests here notice that they should send them elsewhere.
func (s *Server) drain() {
	s.draining.Store(true)
	if s.cfg.Drain > 0 {
		slog.Info("about to stop", "drain", s.cfg.Drain)
		<-time.After(s.cfg.Drain)
	}
}

// partWhileDraining asks for each connection to be closed once it has its answer. Those
// that are idle stay open: a request may be on its way.
func (s *Server) partWhileDraining(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.draining.Load() {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}

func newHTTPServer(h http.Handler) *http.Server {
	return &http.Server{
		Handler: h, ReadHeaderTimeout: headerTimeout, ReadTimeout: readTimeout,
		WriteTimeout: writeTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeader,
	}
}

func stop(servers []*http.Server) error {
	ctx, cancel := context.WithTimeout(context.Background(), StopTimeout)
	defer cancel()
	var errs []error
	for _, srv := range servers {
		if err := srv.Shutdown(ctx); err != nil {
			errs = append(errs, fmt.Errorf("finish requests under way: %w", err))
		}
	}
	return errors.Join(errs...)
}
