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

// Run serves on both listeners and does the background work until ctx ends. It then says
// so at /readyz and with each answer (Connection: close) for as long as Config.Drain says,
// so that a proxy turns to others while all is still answered; then it takes no new
// requests and finishes those under way. metrics may be nil.
func (s *Server) Run(ctx context.Context, public, metrics net.Listener) error {
	work, stopWork := context.WithCancel(context.WithoutCancel(ctx))
	defer stopWork()
	var working sync.WaitGroup
	working.Go(func() { s.Work(work) })

	servers := []*http.Server{newHTTPServer(s.Handler())}
	listeners := []net.Listener{public}
	if metrics != nil {
		servers, listeners = append(servers, newHTTPServer(s.Metrics())), append(listeners, metrics)
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
