package certs

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// Files are a certificate chain and its key, each in PEM, which others may renew at any
// time.
type Files struct {
	certificate, key string

	mu     sync.Mutex
	loaded *tls.Certificate
	// seen are the two files as they were when loaded, or when that failed.
	seen [2]state
}

// state tells a file from a later one of the same name.
type state struct {
	written time.Time
	size    int64
}

// ReadFiles reads a certificate and its key. It fails where they do not belong together.
func ReadFiles(certificate, key string) (*Files, error) {
	f := &Files{certificate: certificate, key: key}
	f.seen = f.look()
	pair, err := tls.LoadX509KeyPair(certificate, key)
	if err != nil {
		return nil, fmt.Errorf("read the certificate: %w", err)
	}
	f.loaded = &pair
	return f, nil
}

func (f *Files) look() (seen [2]state) {
	for i, name := range []string{f.certificate, f.key} {
		if info, err := os.Stat(name); err == nil {
			seen[i] = state{info.ModTime(), info.Size()}
		}
	}
	return seen
}

// TLS serves the certificate, and the next one from the handshake after the files changed.
// While the new files do not belong together, or are not there, the one before stays.
func (f *Files) TLS() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return f.current(), nil },
	}
}

func (f *Files) current() *tls.Certificate {
	f.mu.Lock()
	defer f.mu.Unlock()
	seen := f.look()
	if seen == f.seen {
		return f.loaded
	}
	f.seen = seen
	pair, err := tls.LoadX509KeyPair(f.certificate, f.key)
	if err != nil {
		slog.Error("the new certificate cannot be used, the one before stays", "cause", err)
		return f.loaded
	}
	slog.Info("the certificate was renewed", "until", pair.Leaf.NotAfter)
	f.loaded = &pair
	return f.loaded
}

// Expires is when the certificate that is served ends.
func (f *Files) Expires() time.Time {
	return f.current().Leaf.NotAfter
}
