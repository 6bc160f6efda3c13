package mail_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/mail"
)

// pipes is a network in memory, which lives in fake time.
type pipes struct {
	conns chan net.Conn
	once  sync.Once
	done  chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.done) })
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

func (p *pipes) dial(ctx context.Context, _ string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case p.conns <- theirs:
		return ours, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func inFakeTime(t *testing.T, test func(t *testing.T, s *server, p *pipes, sending *mail.Sender)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := newServer()
		p := &pipes{conns: make(chan net.Conn), done: make(chan struct{})}
		sending := sender(t, mail.Config{Server: "localhost", Security: mail.Plain, From: "help@rtx.example"})
		sending.DialWith(p.dial)
		test(t, s, p, sending)
	})
}

func TestIdleConnectionIsClosed(t *testing.T) {
	inFakeTime(t, func(t *testing.T, s *server, p *pipes, sending *mail.Sender) {
		serve(t, s, &listener{Listener: p, server: s})
		for range 3 {
			must(t, sending.Send(t.Context(), message()))
			<-time.After(29 * time.Second)
		}
		synctest.Wait()
		if conns, open, _ := s.counts(); conns != 1 || open != 1 {
			t.Errorf("%d connections, %d open, before the limit", conns, open)
		}
		<-time.After(2 * time.Second)
		synctest.Wait()
		if _, open, _ := s.counts(); open != 0 || !strings.HasSuffix(s.heard(), "QUIT\r\n") {
			t.Errorf("%d connections are open after the limit", open)
		}
		must(t, sending.Send(t.Context(), message()))
	})
}

// took fails unless f ends with a deadline's error after exactly that long.
func took(t *testing.T, want time.Duration, f func() error) {
	t.Helper()
	begin := idp.Now()
	err := f()
	if got := idp.Now().Sub(begin); got != want || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v after %v, want a deadline after %v", err, got, want)
	}
	wantTemporary(t, err, "")
}

func TestLimits(t *testing.T) {
	inFakeTime(t, func(t *testing.T, _ *server, p *pipes, sending *mail.Sender) {
		// Nobody accepts.
		took(t, 5*time.Second, func() error { return sending.Send(t.Context(), message()) })
		// Somebody accepts and is silent.
		go func() {
			for {
				c, err := p.Accept()
				if err != nil {
					return
				}
				t.Cleanup(func() { _ = c.Close() })
			}
		}()
		t.Cleanup(func() { _ = p.Close() })
		took(t, 20*time.Second, func() error { return sending.Send(t.Context(), message()) })
		// The fifth waits for a connection, and no longer than the others.
		var all sync.WaitGroup
		for range 5 {
			all.Go(func() { took(t, 20*time.Second, func() error { return sending.Send(t.Context(), message()) }) })
		}
		all.Wait()
	})
}
