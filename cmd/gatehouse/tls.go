package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"time"

	"gatehouse/idp/certs"
)

// tlsFlags are for a provider without a proxy in front of it.
type tlsFlags struct {
	TLSCert       string `help:"Certificate chain in PEM: serve https with it. A renewed file is served from the next connection on." name:"tls-cert" type:"path" placeholder:"FILE" env:"GATEHOUSE_TLS_CERT"`
	TLSKey        string `help:"Key of the certificate, in PEM." name:"tls-key" type:"path" placeholder:"FILE" env:"GATEHOUSE_TLS_KEY"`
	ACME          bool   `help:"Serve https with a certificate for the issuer's host that is got and renewed by ACME: from Let's Encrypt, unless told otherwise, whose terms you agree to. Port 443 of the host has to lead here." name:"acme" env:"GATEHOUSE_ACME"`
	ACMEEmail     string `help:"Where the authority writes to." name:"acme-email" placeholder:"ADDRESS" env:"GATEHOUSE_ACME_EMAIL"`
	ACMEDirectory string `help:"Another authority's directory." name:"acme-directory" placeholder:"URL" env:"GATEHOUSE_ACME_DIRECTORY"`
	ACMERoots     string `help:"Certificates in PEM by which to trust that authority." name:"acme-roots" type:"path" placeholder:"FILE" env:"GATEHOUSE_ACME_ROOTS"`
}

// check says what is wrong with the flags, without reaching anybody.
func (f tlsFlags) check(issuer string) error {
	var errs []error
	if (f.TLSCert == "") != (f.TLSKey == "") {
		errs = append(errs, errors.New("tls-cert, tls-key: both or neither"))
	} else if f.TLSCert != "" {
		if _, err := certs.ReadFiles(f.TLSCert, f.TLSKey); err != nil {
			errs = append(errs, fmt.Errorf("tls-cert: %w", err))
		}
	}
	if f.ACME && f.TLSCert != "" {
		errs = append(errs, errors.New("acme: leave it out where tls-cert names a certificate"))
	}
	if f.ACME || f.TLSCert != "" {
		if u, err := url.Parse(issuer); err == nil && u.Scheme != "https" {
			errs = append(errs, fmt.Errorf("issuer: %q must be https: this process serves https", issuer))
		}
	}
	if !f.ACME && (f.ACMEEmail != "" || f.ACMEDirectory != "" || f.ACMERoots != "") {
		errs = append(errs, errors.New("acme: is missing, and acme-… would do nothing without it"))
	}
	return errors.Join(errs...)
}

// served is a listener as the flags want it.
type served struct {
	net.Listener
	// expires is when the certificate ends; nil without one.
	expires func() time.Time
	stop    func()
	tls     *tls.Config // nil without one
}

// too has another listener speak as this one does.
func (s served) too(plain net.Listener) net.Listener {
	if s.tls == nil {
		return plain
	}
	return tls.NewListener(plain, s.tls)
}

// Close stops listening and renewing.
func (s served) Close() error {
	if s.stop != nil {
		s.stop()
	}
	return s.Listener.Close()
}

// wrap speaks TLS on a listener, if the flags say so.
func (f tlsFlags) wrap(ctx context.Context, plain net.Listener, issuer, data string) (served, error) {
	switch {
	case f.TLSCert != "":
		files, err := certs.ReadFiles(f.TLSCert, f.TLSKey)
		if err != nil {
			return served{}, err
		}
		speaks := files.TLS()
		return served{Listener: tls.NewListener(plain, speaks), tls: speaks, expires: files.Expires}, nil
	case f.ACME:
		u, err := url.Parse(issuer)
		if err != nil {
			return served{}, fmt.Errorf("read the issuer: %w", err)
		}
		a := certs.ACME{
			Host: u.Hostname(), Directory: f.ACMEDirectory, Email: f.ACMEEmail, Roots: f.ACMERoots,
			Folder: filepath.Join(data, "acme"),
		}
		if at, ok := plain.Addr().(*net.TCPAddr); ok {
			a.Port = at.Port
		}
		managed, err := certs.Manage(ctx, a)
		if err != nil {
			return served{}, err
		}
		speaks := managed.TLS()
		return served{Listener: tls.NewListener(plain, speaks), tls: speaks, expires: managed.Expires, stop: managed.Close}, nil
	}
	return served{Listener: plain}, nil
}
