package main_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"gatehouse/idp/idptest"
)

// balancer is a proxy that asks each process every 100 ms whether it is ready, sends
// requests in turn to those that were, and sends none twice.
type balancer struct {
	*httptest.Server
	proxy httputil.ReverseProxy
	mu    sync.Mutex
	ready []*process
	next  int
	// failed are requests to which no process gave an answer.
	failed atomic.Int64
}

func newBalancer(t testing.TB) *balancer {
	b := &balancer{}
	b.proxy = httputil.ReverseProxy{
		Transport: &http.Transport{MaxIdleConnsPerHost: 16},
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host = "http", b.pick()
			r.Out.Host = r.In.Host
			r.Out.Header["X-Forwarded-For"] = r.In.Header["X-Forwarded-For"]
		},
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			b.failed.Add(1)
			t.Logf("%s %s: %v", r.Method, r.URL.Path, err)
			w.WriteHeader(http.StatusBadGateway)
		},
	}
	b.Server = httptest.NewServer(&b.proxy)
	t.Cleanup(b.Close)
	return b
}

func (b *balancer) pick() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.ready) == 0 {
		return "127.0.0.1:1"
	}
	b.next++
	return b.ready[b.next%len(b.ready)].address
}

// watch asks a process until ctx ends.
func (b *balancer) watch(ctx context.Context, p *process) {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		b.set(p, isReady(ctx, p.address))
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// isReady asks once, and takes no answer within a second for a no.
func isReady(ctx context.Context, address string) bool {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/readyz", http.NoBody)
	if err != nil {
		return false
	}
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		return false
	}
	_ = res.Body.Close()
	return res.StatusCode == http.StatusOK
}

func (b *balancer) set(p *process, ready bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i, r := range b.ready {
		if r != p {
			continue
		}
		if !ready {
			b.ready = append(b.ready[:i:i], b.ready[i+1:]...)
		}
		return
	}
	if ready {
		b.ready = append(b.ready, p)
	}
}

// signInOnce is a person's and an app's whole way: page, password, code, tokens, userinfo.
func signInOnce(ctx context.Context, b *idptest.Browser, app oauth2.Config) error {
	verifier := oauth2.GenerateVerifier()
	page := b.Submit(b.Get(app.AuthCodeURL("state", oauth2.S256ChallengeOption(verifier))), "/password", "email", "maya@rtx.example", "password", idptest.Password)
	if page.Left == nil || page.Left.Query().Get("code") == "" {
		return fmt.Errorf("the page says %q (%d)", page.Heading(), page.Status)
	}
	token, err := app.Exchange(ctx, page.Left.Query().Get("code"), oauth2.VerifierOption(verifier))
	if err != nil {
		return fmt.Errorf("the code: %w", err)
	}
	if token, err = app.TokenSource(ctx, &oauth2.Token{RefreshToken: token.RefreshToken}).Token(); err != nil {
		return fmt.Errorf("the refresh token: %w", err)
	}
	res, err := oauth2.NewClient(ctx, oauth2.StaticTokenSource(token)).Get(strings.TrimSuffix(app.Endpoint.TokenURL, "/token") + "/userinfo")
	if err != nil {
		return fmt.Errorf("userinfo: %w", err)
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("userinfo: %s", res.Status)
	}
	return nil
}

// previous names a program that the first process runs in place of this one: make upgrade
// builds it from an earlier commit.
const previous = "GATEHOUSE_TEST_PREVIOUS"

// Every process is exchanged for another, one by one, while people sign in through a proxy:
// nobody and no app notices. From a previous release on, old and new run side by side on
// the schema of the new one, and the way back works too.
func TestARollingRestartFailsNoRequest(t *testing.T) {
	t.Parallel()
	idptest.EmptyDatabases(t, func(t *testing.T, db *idptest.Database) {
		proxy := newBalancer(t)
		first := installed(t, db.URL, func(p *process) {
			p.served, p.drain = proxy.URL, "1s"
			if old := os.Getenv(previous); old != "" {
				p.binary = old
			}
		})
		first.call("", "policy", "set", "agents", "--no-authenticator", "--password-alone", "--apply", "next_login", "--reason", "a test")
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		go proxy.watch(ctx, first)
		proxy.set(first, true)

		app, over := first.oauth, make(chan struct{})
		var working sync.WaitGroup
		var signIns atomic.Int64
		for range 3 {
			working.Go(func() {
				for !closed(over) {
					if err := signInOnce(ctx, idptest.NewBrowser(t), app); err != nil {
						t.Errorf("after %d sign-ins: %v", signIns.Load(), err)
						return
					}
					signIns.Add(1)
				}
			})
		}
		working.Go(func() { // requests that cost little, so that there is always one under way
			for !closed(over) {
				if res, err := http.Get(proxy.URL + "/keys"); err == nil {
					_, _ = io.Copy(io.Discard, res.Body)
					_ = res.Body.Close()
				}
			}
		})
		binary, err := program()
		idptest.Must(t, err)
		for _, release := range []string{binary, first.binary, binary} {
			first.binary = release
			next := first.second()
			go proxy.watch(ctx, next)
			proxy.set(next, true)
			first.stop()
			first = next
		}
		close(over)
		working.Wait()
		if n := proxy.failed.Load(); n > 0 || signIns.Load() < 5 {
			t.Errorf("%d requests of %d sign-ins got no answer", n, signIns.Load())
		}
	})
}

// stop tells the process to stop, and waits until it has.
func (p *process) stop() {
	p.t.Helper()
	idptest.Must(p.t, p.cmd.Process.Signal(syscall.SIGTERM))
	if err := p.cmd.Wait(); err != nil {
		p.t.Errorf("stopping by SIGTERM: %v", err)
	}
	p.cmd = nil
}

func closed(over <-chan struct{}) bool {
	select {
	case <-over:
		return true
	default:
		return false
	}
}
