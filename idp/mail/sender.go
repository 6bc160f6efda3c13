package mail

import (
	"context"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"
)

// The limits of a sender.
const (
	maxConns     = 12               // connections at once
	connectLimit = 5 * time.Second  // until the server takes the connection
	aliveLimit   = 3 * time.Second  // until an idle connection answers
	sendLimit    = 20 * time.Second // a whole Send, with waiting for a connection
	idleLimit    = 30 * time.Second // until an idle connection is closed
)

// Sender sends mails. It holds at most 12 connections to the server and keeps
// idle ones for 30 seconds. It may be used by many goroutines at once.
type Sender struct {
	set   settings
	dial  func(ctx context.Context, address string) (net.Conn, error)
	slots chan struct{} // one for each Send that holds a connection

	mu     sync.Mutex
	closed bool
	idle   []*conn // the last one was used last
}

// New makes a sender; it does not connect yet. The error is that of
// Config.Check.
func New(cfg Config) (*Sender, error) {
	set, err := cfg.complete()
	if err != nil {
		return nil, err
	}
	dial := func(ctx context.Context, address string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", address)
	}
	return &Sender{set: set, dial: dial, slots: make(chan struct{}, maxConns)}, nil
}

// Send sends the mail and returns nil once the server has taken it. It gives up
// when ctx ends and after 20 seconds, 5 of them for connecting. A
// *PermanentError says that trying again is pointless. After another error the
// server may still have got the mail, if its answer was lost.
func (s *Sender) Send(ctx context.Context, m Message) error {
	l, err := s.compose(m)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, sendLimit)
	defer cancel()
	if err := s.deliver(ctx, l); err != nil {
		return fmt.Errorf("mail to %s: %w", l.masked, err)
	}
	return nil
}

// deliver sends the mail over an idle connection or a fresh one.
func (s *Sender) deliver(ctx context.Context, l *letter) error {
	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
	case <-ctx.Done():
		return fmt.Errorf("waiting for a connection: %w", ctx.Err())
	}
	c, err := s.take(ctx)
	if err != nil {
		return err
	}
	again, err := c.send(ctx, l)
	if again {
		c.quit()
		if c, err = s.open(ctx); err != nil {
			return err
		}
		_, err = c.send(ctx, l)
	}
	s.put(c)
	return err
}

// take returns an idle connection that is alive, or a fresh one.
func (s *Sender) take(ctx context.Context) (*conn, error) {
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		c, err := s.pop()
		if err != nil {
			return nil, err
		}
		if c == nil {
			return s.open(ctx)
		}
		if c.alive(ctx) {
			return c, nil
		}
		_ = c.raw.Close()
	}
}

// pop returns the idle connection that was used last; nil if there is none.
func (s *Sender) pop() (*conn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, errClosed
	}
	if len(s.idle) == 0 {
		return nil, nil
	}
	c := s.idle[len(s.idle)-1]
	s.idle = s.idle[:len(s.idle)-1]
	c.expiry.Stop()
	c.reused = true
	return c, nil
}

// put keeps a connection for the next mail, or closes it.
func (s *Sender) put(c *conn) {
	s.mu.Lock()
	keep := !c.broken && !s.closed
	if keep {
		c.expiry = time.AfterFunc(idleLimit, func() { s.expire(c) })
		s.idle = append(s.idle, c)
	}
	s.mu.Unlock()
	if !keep {
		c.quit()
	}
}

// expire closes a connection if it is still idle.
func (s *Sender) expire(c *conn) {
	s.mu.Lock()
	i := slices.Index(s.idle, c)
	if i >= 0 {
		s.idle = slices.Delete(s.idle, i, i+1)
	}
	s.mu.Unlock()
	if i >= 0 {
		c.quit()
	}
}

// Close closes idle connections, and those in use once their mail is through.
// Send fails from now on. It returns nil always.
func (s *Sender) Close() error {
	s.mu.Lock()
	idle := s.idle
	s.closed, s.idle = true, nil
	for _, c := range idle {
		c.expiry.Stop()
	}
	s.mu.Unlock()
	var all sync.WaitGroup
	for _, c := range idle {
		all.Go(c.quit)
	}
	all.Wait()
	return nil
}
