package certs

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"
)

// ACME says how to get a certificate from an authority.
type ACME struct {
	// Host is the issuer's.
	Host string
	// Directory is the authority's URL; empty: Let's Encrypt.
	Directory string
	// Email is where the authority writes to; optional.
	Email string
	// Folder keeps account, certificates and keys.
	Folder string
	// Port is where we listen: the authority reaches it as 443 (TLS-ALPN, RFC 8737).
	Port int
	// Roots trusts an authority of one's own, by a file in PEM; empty: the system's.
	Roots string
}

// Managed is a certificate that is got and renewed by itself.
type Managed struct {
	host  string
	cache *certmagic.Cache
	magic *certmagic.Config
}

// Manage starts to get a certificate, and returns at once: the authority asks us back
// before it gives one. By this, the operator agrees to its terms.
func Manage(ctx context.Context, a ACME) (*Managed, error) {
	roots, err := a.roots()
	if err != nil {
		return nil, err
	}
	log := zap.New(toSlog{})
	m := &Managed{host: a.Host}
	m.cache = certmagic.NewCache(certmagic.CacheOptions{
		GetConfigForCert: func(certmagic.Certificate) (*certmagic.Config, error) { return m.magic, nil },
		Logger:           log,
	})
	m.magic = certmagic.New(m.cache, certmagic.Config{
		Storage: &certmagic.FileStorage{Path: a.Folder}, Logger: log,
	})
	template := certmagic.ACMEIssuer{
		CA: a.Directory, Email: a.Email, Agreed: true, TrustedRoots: roots, Logger: log,
		DisableHTTPChallenge: true, AltTLSALPNPort: a.Port,
	}
	if a.Directory == "" {
		template.CA = certmagic.LetsEncryptProductionCA
	}
	m.magic.Issuers = []certmagic.Issuer{certmagic.NewACMEIssuer(m.magic, template)}
	if err := m.magic.ManageAsync(ctx, []string{a.Host}); err != nil {
		m.cache.Stop()
		return nil, fmt.Errorf("get a certificate for %s: %w", a.Host, err)
	}
	return m, nil
}

func (a ACME) roots() (*x509.CertPool, error) {
	if a.Roots == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(a.Roots)
	if err != nil {
		return nil, fmt.Errorf("read the authority's certificates: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, errors.New("read the authority's certificates: there are none in " + a.Roots)
	}
	return pool, nil
}

// TLS serves the certificate, and answers the authority's challenge.
func (m *Managed) TLS() *tls.Config {
	cfg := m.magic.TLSConfig()
	cfg.MinVersion = tls.VersionTLS12
	cfg.NextProtos = append([]string{"h2", "http/1.1"}, slices.DeleteFunc(cfg.NextProtos, func(p string) bool { return p == "h2" || p == "http/1.1" })...)
	return cfg
}

// Expires is when the certificate that is served ends; zero while there is none.
func (m *Managed) Expires() time.Time {
	for _, c := range m.cache.AllMatchingCertificates(m.host) {
		return c.Leaf.NotAfter
	}
	return time.Time{}
}

// Close stops renewing.
func (m *Managed) Close() { m.cache.Stop() }
