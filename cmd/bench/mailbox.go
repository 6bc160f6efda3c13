package main

import (
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"sync"
	"time"

	"github.com/emersion/go-smtp"

	"gatehouse/idp"
)

// mailbox is a mail server that notes when a mail to whom had come in whole.
type mailbox struct {
	address string
	server  *smtp.Server

	mu      sync.Mutex
	waiting map[string]chan time.Time
}

func newMailbox() (*mailbox, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for mail: %w", err)
	}
	m := &mailbox{address: listener.Addr().String(), waiting: map[string]chan time.Time{}}
	m.server = smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &mailSession{box: m}, nil }))
	m.server.Domain, m.server.ErrorLog = "mailbox.example", log.New(io.Discard, "", 0) // the provider stops in between
	go func() { _ = m.server.Serve(listener) }()                                       // a mail that does not come says enough
	return m, nil
}

func (m *mailbox) close() error { return m.server.Close() }

// expect returns what will hear of the next mail to an address.
func (m *mailbox) expect(to string) <-chan time.Time {
	arrived := make(chan time.Time, 1)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.waiting[to] = arrived
	return arrived
}

func (m *mailbox) arrived(to string, at time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	waiting, ok := m.waiting[to]
	if !ok {
		return errors.New("nobody waits for this mail")
	}
	delete(m.waiting, to)
	waiting <- at
	return nil
}

type mailSession struct {
	box *mailbox
	to  string
}

func (s *mailSession) Reset()                             { s.to = "" }
func (*mailSession) Logout() error                        { return nil }
func (*mailSession) Mail(string, *smtp.MailOptions) error { return nil }

func (s *mailSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.to = to
	return nil
}

func (s *mailSession) Data(r io.Reader) error {
	if _, err := io.Copy(io.Discard, r); err != nil {
		return err
	}
	return s.box.arrived(s.to, idp.Now())
}
