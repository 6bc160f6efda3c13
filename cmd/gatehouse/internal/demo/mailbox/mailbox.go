package mailbox

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/emersion/go-smtp"
)

const (
	maxMessages     = 1000
	maxMessageBytes = 1 << 20
	maxStoredBytes  = 128 << 20 // of all messages together
	maxRecipients   = 100
	readTimeout     = time.Minute
	writeTimeout    = 10 * time.Second
)

// Options are all optional.
type Options struct {
	TLSConfig *tls.Config  // offers STARTTLS when set
	Logger    *slog.Logger // slog.Default when nil
}

// Mailbox receives mail and shows it. It keeps the newest 1,000 messages.
type Mailbox struct {
	log   *slog.Logger
	mail  *storage
	pages *pages
	smtp  *smtp.Server

	mu        sync.Mutex
	closed    bool
	listeners []*trackedListener
}

// now is the package's only reading of the clock, in UTC.
func now() time.Time { return time.Now().UTC() }

// New makes an empty mailbox.
func New(opts Options) (*Mailbox, error) {
	pages, err := loadPages()
	if err != nil {
		return nil, fmt.Errorf("loading the mailbox's pages: %w", err)
	}
	m := &Mailbox{
		log:   cmp.Or(opts.Logger, slog.Default()),
		mail:  &storage{},
		pages: pages,
	}
	m.smtp = m.newSMTPServer(opts.TLSConfig)
	return m, nil
}

// ServeSMTP receives mail until Close, and then answers nil.
func (m *Mailbox) ServeSMTP(l net.Listener) error {
	tracked := &trackedListener{Listener: l, conns: map[net.Conn]struct{}{}}
	if !m.track(tracked) {
		return l.Close()
	}
	err := m.smtp.Serve(tracked)
	if err == nil || m.isClosed() {
		return nil
	}
	return fmt.Errorf("serving SMTP: %w", err)
}

func (m *Mailbox) track(l *trackedListener) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return false
	}
	m.listeners = append(m.listeners, l)
	return true
}

func (m *Mailbox) isClosed() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.closed
}

// Close stops accepting mail and lets conversations finish until ctx is done;
// then it cuts them.
func (m *Mailbox) Close(ctx context.Context) error {
	m.mu.Lock()
	m.closed = true
	listeners := m.listeners
	m.mu.Unlock()

	for _, l := range listeners {
		_ = l.Close() // again by Shutdown, whose answer counts
	}
	err := m.smtp.Shutdown(ctx)
	for _, l := range listeners {
		l.cut()
	}
	if errors.Is(err, net.ErrClosed) || errors.Is(err, smtp.ErrServerClosed) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("closing the mailbox: %w", err)
	}
	return nil
}

// trackedListener knows its open connections. The SMTP library can wait for them
// or cut them, but not one after the other.
type trackedListener struct {
	net.Listener

	mu    sync.Mutex
	conns map[net.Conn]struct{}
}

// Accept implements net.Listener.
func (l *trackedListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.conns[conn] = struct{}{}
	return &trackedConn{conn, l}, nil
}

func (l *trackedListener) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for conn := range l.conns {
		_ = conn.Close()
	}
}

type trackedConn struct {
	net.Conn
	listener *trackedListener
}

// Close implements net.Conn.
func (c *trackedConn) Close() error {
	c.listener.mu.Lock()
	delete(c.listener.conns, c.Conn)
	c.listener.mu.Unlock()
	return c.Conn.Close()
}
