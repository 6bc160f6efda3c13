package mail_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"math/big"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"gatehouse/idp"
	"gatehouse/idp/mail"
)

const (
	userName = "gatehouse"
	password = "correct-horse-9731"
	maya     = "maya.okafor@rtx.example"
	code     = "492817"
)

func message() mail.Message {
	return mail.Message{
		To: maya, Subject: "Your code", ID: "01J8-x.y_z",
		Text: "Your code is " + code + ".\n", HTML: "<p>Your code is <b>" + code + "</b>.</p>\n",
	}
}

// certificate is one for 127.0.0.1, with the pool that trusts it.
func certificate(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: idp.Now().Add(-time.Hour), NotAfter: idp.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	must(t, err)
	parsed, err := x509.ParseCertificate(der)
	must(t, err)
	pool := x509.NewCertPool()
	pool.AddCert(parsed)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// received is a mail that the server took.
type received struct {
	from, to string
	utf8     bool
	raw      []byte
}

// server is a real SMTP server that remembers what it saw.
type server struct {
	*smtp.Server
	cfg  mail.Config // that reaches it
	mech []string
	rcpt func() error
	data func() error

	mu         sync.Mutex
	conns      []net.Conn
	open, peak int
	wire       bytes.Buffer // what clients sent, as the network saw it
	mails      []received
	users      []string // who proved it, one for each session
}

// start serves with a protection. Settings are changed by prepare, before the
// first client comes.
func start(t *testing.T, security mail.Security, prepare func(s *server)) *server {
	t.Helper()
	s := newServer()
	inner, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	must(t, err)
	s.cfg = mail.Config{Server: inner.Addr().String(), Security: security, From: "RTX Help <help@rtx.example>"}
	l := net.Listener(&listener{Listener: inner, server: s})
	if security != mail.Plain {
		cert, pool := certificate(t)
		s.TLSConfig = &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}
		s.cfg.RootCAs = pool
		if security == mail.TLS {
			l = tls.NewListener(l, s.TLSConfig)
		}
	}
	if prepare != nil {
		prepare(s)
	}
	serve(t, s, l)
	return s
}

func newServer() *server {
	s := &server{}
	s.Server = smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &session{server: s}, nil }))
	s.Domain, s.EnableSMTPUTF8 = "mail.rtx.example", true
	s.ErrorLog = log.New(io.Discard, "", 0)
	return s
}

func serve(t *testing.T, s *server, l net.Listener) {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	t.Cleanup(func() {
		_ = s.Close()
		<-done
	})
}

// sender is one for the server, closed with the test.
func (s *server) sender(t *testing.T) *mail.Sender { return sender(t, s.cfg) }

func sender(t *testing.T, cfg mail.Config) *mail.Sender {
	t.Helper()
	made, err := mail.New(cfg)
	must(t, err)
	t.Cleanup(func() { must(t, made.Close()) })
	return made
}

func (s *server) taken() []received {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mails
}

func (s *server) counts() (conns, open, peak int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns), s.open, s.peak
}

func (s *server) heard() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.wire.String()
}

// drop closes all connections from the server's side.
func (s *server) drop() {
	s.mu.Lock()
	conns := s.conns
	s.mu.Unlock()
	for _, c := range conns {
		_ = c.Close()
	}
}

type listener struct {
	net.Listener
	server *server
}

// Accept counts and taps connections.
func (l *listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	s := l.server
	tapped := &tap{Conn: c, server: s}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open++
	s.peak = max(s.peak, s.open)
	s.conns = append(s.conns, tapped)
	return tapped, nil
}

type tap struct {
	net.Conn
	server *server
	once   sync.Once
}

func (c *tap) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.server.mu.Lock()
	defer c.server.mu.Unlock()
	c.server.wire.Write(p[:n])
	return n, err
}

func (c *tap) Close() error {
	c.once.Do(func() {
		c.server.mu.Lock()
		defer c.server.mu.Unlock()
		c.server.open--
	})
	return c.Conn.Close()
}

// session is one conversation with a client.
type session struct {
	server *server
	mail   received
}

func (s *session) AuthMechanisms() []string { return s.server.mech }

func (s *session) Auth(mech string) (sasl.Server, error) {
	check := func(user, pass string) error {
		if user != userName || pass != password {
			return smtp.ErrAuthFailed
		}
		s.server.mu.Lock()
		defer s.server.mu.Unlock()
		s.server.users = append(s.server.users, mech+" "+user)
		return nil
	}
	if mech == sasl.Plain {
		return sasl.NewPlainServer(func(_, user, pass string) error { return check(user, pass) }), nil
	}
	return &loginServer{check: check}, nil
}

// loginServer is the server's side of AUTH LOGIN, which go-sasl lacks.
type loginServer struct {
	check func(user, pass string) error
	said  []string
}

func (l *loginServer) Next(response []byte) (challenge []byte, done bool, err error) {
	if response != nil {
		l.said = append(l.said, string(response))
	}
	switch len(l.said) {
	case 0:
		return []byte("Username:"), false, nil
	case 1:
		return []byte("Password:"), false, nil
	}
	return nil, true, l.check(l.said[0], l.said[1])
}

func (s *session) Mail(from string, opts *smtp.MailOptions) error {
	s.mail = received{from: from, utf8: opts.UTF8}
	return nil
}

func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.mail.to = to
	if s.server.rcpt != nil {
		return s.server.rcpt()
	}
	return nil
}

func (s *session) Data(r io.Reader) error {
	raw, err := io.ReadAll(r)
	if err != nil {
		return errors.New("reading")
	}
	if s.server.data != nil {
		if err := s.server.data(); err != nil {
			return err
		}
	}
	s.mail.raw = raw
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	s.server.mails = append(s.server.mails, s.mail)
	return nil
}

func (s *session) Reset()        { s.mail = received{} }
func (s *session) Logout() error { return nil }

// wantOne fails unless the server took exactly one mail, and returns it.
func (s *server) wantOne(t *testing.T) received {
	t.Helper()
	mails := s.taken()
	if len(mails) != 1 {
		t.Fatalf("the server took %d mails, want 1", len(mails))
	}
	return mails[0]
}

// wantTemporary fails unless err is one that is worth another try and says what.
func wantTemporary(t *testing.T, err error, what string) {
	t.Helper()
	var final *mail.PermanentError
	if err == nil || errors.As(err, &final) || !strings.Contains(err.Error(), what) {
		t.Errorf("got %v, want a temporary error with %q", err, what)
	}
}

// wantPermanent fails unless err is final and says what.
func wantPermanent(t *testing.T, err error, what string) {
	t.Helper()
	var final *mail.PermanentError
	if !errors.As(err, &final) || !strings.Contains(err.Error(), what) {
		t.Errorf("got %v, want a permanent error with %q", err, what)
	}
}
