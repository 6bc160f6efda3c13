package certs_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/letsencrypt/pebble/v2/ca"
	"github.com/letsencrypt/pebble/v2/db"
	"github.com/letsencrypt/pebble/v2/va"
	"github.com/letsencrypt/pebble/v2/wfe"

	"gatehouse/idp"
	"gatehouse/idp/certs"
	"gatehouse/idp/idptest"
)

// issue writes a self-signed certificate of a serial number and its key to two files.
func issue(t *testing.T, certificate, key string, serial int64) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	idptest.Must(t, err)
	now := idp.Now()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Duration(serial) * 24 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	idptest.Must(t, err)
	text, err := x509.MarshalPKCS8PrivateKey(private)
	idptest.Must(t, err)
	if certificate != "" {
		idptest.Must(t, os.WriteFile(certificate, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	}
	if key != "" {
		idptest.Must(t, os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: text}), 0o600))
	}
}

// serving answers by TLS, and says which serial number its certificate has.
func serving(t *testing.T, cfg *tls.Config) (address string, serial func() int64) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	idptest.Must(t, err)
	srv := &http.Server{Handler: http.NotFoundHandler(), ErrorLog: log.New(io.Discard, "", 0), ReadHeaderTimeout: time.Minute}
	go func() { _ = srv.Serve(tls.NewListener(l, cfg)) }()
	t.Cleanup(func() { _ = srv.Close() })
	return l.Addr().String(), func() int64 {
		t.Helper()
		conn, err := tls.Dial("tcp", l.Addr().String(), &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}}) // #nosec G402 -- self-signed: the test compares its serial number
		idptest.Must(t, err)
		defer func() { _ = conn.Close() }()
		if got := conn.ConnectionState().NegotiatedProtocol; got != "h2" {
			t.Errorf("the protocol is %q", got)
		}
		return conn.ConnectionState().PeerCertificates[0].SerialNumber.Int64()
	}
}

// A renewal writes two files, one after the other, and may be cut off between them.
func TestARenewedCertificateIsServedOnceItsKeyIsThere(t *testing.T) {
	folder := t.TempDir()
	certificate, key := filepath.Join(folder, "tls.crt"), filepath.Join(folder, "tls.key")
	issue(t, certificate, key, 1)
	f, err := certs.ReadFiles(certificate, key)
	idptest.Must(t, err)
	_, serial := serving(t, f.TLS())
	want := func(when string, n int64) {
		t.Helper()
		if got := serial(); got != n {
			t.Errorf("%s the certificate is %d", when, got)
		}
	}
	want("at first", 1)
	next := filepath.Join(folder, "next.key")
	issue(t, certificate, next, 2)
	want("with the key of the one before", 1)
	idptest.Must(t, os.Rename(next, key))
	want("with its key", 2)
	if days := f.Expires().Sub(idp.Now()).Hours() / 24; days < 1.9 || days > 2 {
		t.Errorf("it ends in %.1f days", days)
	}
	idptest.Must(t, os.Remove(certificate))
	want("without a file", 2)
	issue(t, certificate, key, 3)
	want("made anew", 3)
}

func TestFilesThatDoNotBelongTogetherAreRefusedAtTheStart(t *testing.T) {
	folder := t.TempDir()
	certificate, key := filepath.Join(folder, "tls.crt"), filepath.Join(folder, "tls.key")
	issue(t, certificate, "", 1)
	if _, err := certs.ReadFiles(certificate, key); err == nil {
		t.Error("no key is no error")
	}
	issue(t, "", key, 2)
	if _, err := certs.ReadFiles(certificate, key); err == nil {
		t.Error("another's key is no error")
	}
}

// The authority is Pebble, in this process: it reaches us at the port of TLS and asks for
// its challenge as Let's Encrypt does.
func TestACertificateIsGotByACME(t *testing.T) {
	t.Setenv("PEBBLE_VA_NOSLEEP", "1")
	t.Setenv("PEBBLE_WFE_NONCEREJECT", "0")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	idptest.Must(t, err)
	port := l.Addr().(*net.TCPAddr).Port
	directory, roots := authority(t, port)
	m, err := certs.Manage(t.Context(), certs.ACME{
		Host: "localhost", Directory: directory, Folder: idptest.Folder(t), Port: port, Roots: roots,
	})
	idptest.Must(t, err)
	t.Cleanup(m.Close)
	srv := &http.Server{Handler: http.NotFoundHandler(), ErrorLog: log.New(io.Discard, "", 0), ReadHeaderTimeout: time.Minute}
	go func() { _ = srv.Serve(tls.NewListener(l, m.TLS())) }()
	t.Cleanup(func() { _ = srv.Close() })
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	patience := time.After(time.Minute)
	for m.Expires().IsZero() {
		select {
		case <-tick.C:
		case <-patience:
			t.Fatal("there is no certificate after a minute")
		}
	}
	conn, err := tls.Dial("tcp", l.Addr().String(), &tls.Config{ServerName: "localhost", InsecureSkipVerify: true}) // #nosec G402 -- Pebble keeps its root to itself: the test compares name and end
	idptest.Must(t, err)
	defer func() { _ = conn.Close() }()
	if leaf := conn.ConnectionState().PeerCertificates[0]; len(leaf.DNSNames) != 1 || leaf.DNSNames[0] != "localhost" || !leaf.NotAfter.Equal(m.Expires()) {
		t.Errorf("the certificate is of %v", leaf.DNSNames)
	}
}

// authority starts Pebble, which reaches who asks at a port, and returns its directory and
// a file with the certificate of its API.
func authority(t *testing.T, port int) (directory, roots string) {
	t.Helper()
	quiet := log.New(io.Discard, "", 0)
	store := db.NewMemoryStore()
	issuer := ca.New(quiet, store, "", "ecdsa", 0, 1, map[string]ca.Profile{"default": {ValidityPeriod: 86400}})
	api := wfe.New(quiet, store, va.New(quiet, 1, port, false, "", store), issuer, []string{"authority.example"}, false, false, 1, 1)
	srv := httptest.NewTLSServer(api.Handler())
	t.Cleanup(srv.Close)
	roots = filepath.Join(t.TempDir(), "roots.pem")
	idptest.Must(t, os.WriteFile(roots, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw}), 0o600))
	return srv.URL + wfe.DirectoryPath, roots
}
