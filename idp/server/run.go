package server

import (
	"context"
	"errors"
	"fmt"
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

// Run serves on both listeners and does the background work until ctx ends; then
// it takes no new requests and finishes those under way. metrics may be nil.
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
