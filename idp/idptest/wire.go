package idptest

import (
	"io"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
)

// Wire stands between a provider and its PostgreSQL. It can be cut, and it can swallow what is
// sent, as a network does that answers nothing.
type Wire struct {
	// URL is the database's address on this side.
	URL string
	far string

	listener   net.Listener
	mu         sync.Mutex
	joints     map[*joint]struct{}
	swallowing bool
	closed     bool
}

// joint is a connection on both sides of a wire.
type joint struct {
	near, far net.Conn
	// dead: what is sent is swallowed for as long as it lives.
	dead atomic.Bool
}

// NewWire puts a wire before a database.
func NewWire(tb testing.TB, databaseURL string) *Wire {
	tb.Helper()
	u, err := url.Parse(databaseURL)
	Must(tb, err)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	Must(tb, err)
	w := &Wire{far: u.Host, listener: listener, joints: map[*joint]struct{}{}}
	u.Host = listener.Addr().String()
	w.URL = u.String()
	go func() {
		for {
			near, err := listener.Accept()
			if err != nil {
				return
			}
			go w.join(near)
		}
	}()
	tb.Cleanup(w.Close)
	return w
}

func (w *Wire) join(near net.Conn) {
	far, err := net.Dial("tcp", w.far)
	if err != nil {
		_ = near.Close()
		return
	}
	j := &joint{near: near, far: far}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		j.close()
		return
	}
	j.dead.Store(w.swallowing)
	w.joints[j] = struct{}{}
	for _, way := range [][2]net.Conn{{near, far}, {far, near}} {
		go func() {
			_, _ = io.Copy(passing{way[0], &j.dead}, way[1])
			j.close()
			w.mu.Lock()
			defer w.mu.Unlock()
			delete(w.joints, j)
		}()
	}
}

func (j *joint) close() {
	_ = j.near.Close()
	_ = j.far.Close()
}

// passing writes what comes, or nothing of it.
type passing struct {
	to   io.Writer
	dead *atomic.Bool
}

func (p passing) Write(b []byte) (int, error) {
	if p.dead.Load() {
		return len(b), nil
	}
	return p.to.Write(b)
}

// Cut ends the connections that there are.
func (w *Wire) Cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for j := range w.joints {
		j.close()
	}
}

// Swallow has the wire take connections and all that is sent, and pass nothing on, until it is
// told otherwise. The connections that it swallowed something of are never heard of again.
func (w *Wire) Swallow(on bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.swallowing = on
	for j := range w.joints {
		if on {
			j.dead.Store(true)
		}
	}
}

// Close ends all connections, and refuses more.
func (w *Wire) Close() {
	w.mu.Lock()
	w.closed = true
	w.mu.Unlock()
	_ = w.listener.Close()
	w.Cut()
}
