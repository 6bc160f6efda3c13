package idptest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"regexp"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-message/mail"
	"github.com/emersion/go-smtp"

	"gatehouse/idp"
	mailer "gatehouse/idp/mail"
	"gatehouse/idp/server"
)

// Letter is a mail that arrived.
type Letter struct {
	To, Subject, Text, HTML string
	From                    string // the display name
	At                      time.Time
}

// Mailbox is an SMTP server that keeps what it gets.
type Mailbox struct {
	Address string
	tb      testing.TB
	server  *smtp.Server

	mu      sync.Mutex
	letters []Letter
	read    map[string]int // letters that a test has taken, by address
	arrived chan struct{}
}

// NewMailbox starts one on loopback.
func NewMailbox(tb testing.TB) *Mailbox {
	tb.Helper()
	m := &Mailbox{Address: "127.0.0.1:0", tb: tb, read: map[string]int{}, arrived: make(chan struct{}, 1024)}
	m.Up()
	tb.Cleanup(m.Down)
	return m
}

// Up starts the server, at the same address as before.
func (m *Mailbox) Up() {
	m.tb.Helper()
	listener, err := net.Listen("tcp", m.Address)
	if err != nil {
		m.tb.Fatalf("starting the mailbox: %v", err)
	}
	m.Address = listener.Addr().String()
	srv := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &mailSession{box: m}, nil }))
	srv.ErrorLog = log.New(io.Discard, "", 0) // programs are killed while they send
	srv.Domain, srv.EnableSMTPUTF8 = "mailbox.example", true
	m.server = srv
	go func() { _ = srv.Serve(listener) }()
	// Serving has begun once a client was greeted; closing before that closes nothing.
	conn, err := net.Dial("tcp", m.Address)
	if err != nil {
		m.tb.Fatalf("reaching the mailbox: %v", err)
	}
	if _, err := conn.Read(make([]byte, 1)); err != nil {
		m.tb.Fatalf("reaching the mailbox: %v", err)
	}
	_ = conn.Close()
}

// Down stops the server and drops its connections.
func (m *Mailbox) Down() {
	if err := m.server.Close(); err != nil && !errors.Is(err, smtp.ErrServerClosed) {
		m.tb.Errorf("stopping the mailbox: %v", err)
	}
}

type mailSession struct {
	box *Mailbox
	to  []string
}

func (s *mailSession) Reset()                             { s.to = nil }
func (*mailSession) Logout() error                        { return nil }
func (*mailSession) Mail(string, *smtp.MailOptions) error { return nil }

func (s *mailSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.to = append(s.to, to)
	return nil
}

func (s *mailSession) Data(r io.Reader) error {
	raw, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	letter, err := parseLetter(raw)
	if err != nil {
		return err
	}
	letter.At = idp.Now()
	s.box.mu.Lock()
	defer s.box.mu.Unlock()
	for _, to := range s.to {
		letter.To = to
		s.box.letters = append(s.box.letters, letter)
		select {
		case s.box.arrived <- struct{}{}:
		default: // so many are unread that nobody waits
		}
	}
	return nil
}

func parseLetter(raw []byte) (Letter, error) {
	r, err := mail.CreateReader(bytes.NewReader(raw))
	if err != nil {
		return Letter{}, err
	}
	var l Letter
	if l.Subject, err = r.Header.Subject(); err != nil {
		return l, err
	}
	from, err := r.Header.AddressList("From")
	if err != nil || len(from) != 1 {
		return l, fmt.Errorf("from %v: %w", from, err)
	}
	l.From = from[0].Name
	for {
		part, err := r.NextPart()
		if errors.Is(err, io.EOF) {
			return l, nil
		}
		if err != nil {
			return l, err
		}
		body, err := io.ReadAll(part.Body)
		if err != nil {
			return l, err
		}
		if part.Header.Get("Content-Type") == "" || bytes.HasPrefix([]byte(part.Header.Get("Content-Type")), []byte("text/plain")) {
			l.Text = string(body)
		} else {
			l.HTML = string(body)
		}
	}
}

// Next waits for the next letter to an address that no call has returned yet.
func (m *Mailbox) Next(to string) Letter {
	m.tb.Helper()
	ctx, cancel := context.WithTimeout(m.tb.Context(), 20*time.Second)
	defer cancel()
	for {
		if l, ok := m.take(to); ok {
			return l
		}
		select {
		case <-m.arrived:
		case <-ctx.Done():
			m.tb.Fatalf("no mail came to %s; %d came in all", to, len(m.All("")))
		}
	}
}

func (m *Mailbox) take(to string) (Letter, bool) {
	list := m.All(to)
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.read[to] >= len(list) {
		return Letter{}, false
	}
	m.read[to]++
	return list[m.read[to]-1], true
}

// All lists what has come to an address so far, or at all.
func (m *Mailbox) All(to string) []Letter {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(m.letters), func(l Letter) bool { return to != "" && l.To != to })
}

var codeInSubject = regexp.MustCompile(`^[0-9]{6}`)

// Code waits for the next letter with an email code to an address, passing over
// others, and returns the code.
func (m *Mailbox) Code(to string) string {
	m.tb.Helper()
	for {
		if code := codeInSubject.FindString(m.Next(to).Subject); code != "" {
			return code
		}
	}
}

// StartWithMail runs a provider that sends mail to a mailbox and does its background
// work, as in production.
func StartWithMail(tb testing.TB, databaseURL string) (*App, *Mailbox) {
	tb.Helper()
	box := NewMailbox(tb)
	a := StartWith(tb, server.Config{
		DatabaseURL: databaseURL, DataDir: tb.TempDir(), PrivateNetworks: true,
		Mail: mailer.Config{Server: box.Address, Security: mailer.Plain, From: "RTX Solutions <no-reply@rtx.example>"},
	}, "")
	a.StartWork()
	return a, box
}

// StartWork runs the provider's background work until the test ends.
func (a *App) StartWork() {
	a.tb.Helper()
	ctx, stop := context.WithCancel(context.WithoutCancel(a.tb.Context()))
	done := make(chan struct{})
	go func() {
		a.Work(ctx)
		close(done)
	}()
	a.tb.Cleanup(func() {
		stop()
		<-done
	})
}
