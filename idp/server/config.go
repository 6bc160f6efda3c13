package server

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/keyring"
	"gatehouse/idp/mail"
	"gatehouse/idp/observe"
	"gatehouse/idp/passkey"
	"gatehouse/idp/password"
	"gatehouse/idp/store"
	"gatehouse/idp/web"
)

// Config is what an operator decides.
type Config struct {
	// Issuer is the provider's identifier and base URL. It may have a path.
	Issuer string
	// DataDir holds the SQLite database and the generated key file.
	DataDir string
	// DatabaseURL is postgres://…; empty: SQLite in DataDir.
	DatabaseURL string
	// DirectURL reaches PostgreSQL where DatabaseURL names a pooler: for migrations.
	DirectURL string
	// TransactionPooling is for PgBouncer's pool_mode "transaction" and its like.
	TransactionPooling bool
	// MasterKeys encrypt secrets at rest: base64, comma-separated, the first
	// encrypts. Empty: a key file in DataDir.
	MasterKeys string
	// TrustedProxies are addresses or networks (CIDR) whose X-Forwarded-For is
	// believed.
	TrustedProxies []string
	// Mail is the server that sends our mail; without one there are no email codes
	// and no notices.
	Mail mail.Config
	// PasskeyDomain is what passkeys belong to: the issuer's host, or a domain above it; empty
	// for the host. PasskeyOrigins are pages elsewhere that may use them too.
	PasskeyDomain  string
	PasskeyOrigins []string
	// PrivateNetworks lets requests of ours, such as back-channel logout, reach
	// private and loopback addresses, by http too.
	PrivateNetworks bool
	// Registration lets apps register themselves by initial access tokens (RFC 7591).
	Registration bool
	// ConsoleApart: console and admin API are reached on Listeners.Console alone.
	ConsoleApart bool
	// AuditRetention is how long audit events are kept; zero: for ever, else leastRetention
	// or more. Nil: what the
	// database says, which is 400 days of one that was made by this release or a later one.
	AuditRetention *time.Duration
	// Drain is how long all is still answered after the word to stop, while /readyz says
	// that this process is about to: longer than a proxy takes to notice.
	Drain time.Duration
	// HSTS is how long browsers reach this host by https only.
	HSTS web.HSTS
	// AccessLog: the log has a line of every request, not only of those that were refused
	// or failed.
	AccessLog bool
	// OTLPEndpoint is where spans are sent (OTLP over HTTP); empty: where the variables of
	// OpenTelemetry say, and nowhere without them.
	OTLPEndpoint string
	// Thrift is what tests save. No flag, variable or file of an operator sets it.
	Thrift Thrift
}

// Thrift makes what is costly cheap: most tests are not about it.
type Thrift struct {
	// Passwords are the costs of new hashes; zero: password.DefaultParams.
	Passwords password.Params
	// NewKey makes signing keys; nil: fresh ones.
	NewKey func(idp.Algorithm) (crypto.Signer, error)
	// AnswerWithin is how long the work on a request may take; zero: web.AnswerWithin.
	AnswerWithin time.Duration
}

// leastRetention is the floor of AuditRetention. What is deleted a month later was
// kept for a while; less is a wrong unit.
const leastRetention = 30 * 24 * time.Hour

// mostDrain is the most that Drain may be.
const mostDrain = 10 * time.Minute

// Check says everything that is wrong with a configuration, one error a field.
func (c Config) Check() error {
	var errs []error
	if err := checkIssuer(c.Issuer); err != nil {
		errs = append(errs, err)
	}
	if err := c.passkeys().Check(); err != nil {
		errs = append(errs, err)
	}
	if c.DatabaseURL == "" && c.DataDir == "" {
		errs = append(errs, errors.New("data: a folder is needed where no database URL is given"))
	}
	if c.MasterKeys == "" && c.DataDir == "" {
		errs = append(errs, errors.New("data: a folder is needed for the key file where no master keys are given"))
	}
	if c.DatabaseURL != "" {
		if err := store.CheckURL(c.DatabaseURL); err != nil {
			errs = append(errs, fmt.Errorf("database-url: %w", err))
		}
	}
	if c.DirectURL != "" && !strings.HasPrefix(c.DirectURL, "postgres") {
		errs = append(errs, errors.New("database-direct-url: starts with postgres://"))
	}
	if c.TransactionPooling && c.DirectURL == "" {
		errs = append(errs, errors.New("database-direct-url: is missing: with transaction pooling, migrations need PostgreSQL itself"))
	}
	if c.MasterKeys != "" {
		if _, err := keyring.Parse(c.MasterKeys); err != nil {
			errs = append(errs, fmt.Errorf("master-keys: %w", err))
		}
	}
	for _, p := range c.TrustedProxies {
		if !isNetwork(p) {
			errs = append(errs, fmt.Errorf("trusted-proxies: %q is neither an address nor a network such as 10.0.0.0/8", p))
		}
	}
	if c.OTLPEndpoint != "" {
		if err := observe.CheckEndpoint(c.OTLPEndpoint); err != nil {
			errs = append(errs, fmt.Errorf("otlp-endpoint: %w", err))
		}
	}
	if c.Mail != (mail.Config{}) {
		if err := c.Mail.Check(); err != nil {
			errs = append(errs, err)
		}
	}
	if r := c.AuditRetention; r != nil && *r != 0 && *r < leastRetention {
		errs = append(errs, fmt.Errorf("audit-retention: %s is too short: 30 days (30d) at least, or 0 for ever", *r))
	}
	if c.HSTS.MaxAge < 0 {
		errs = append(errs, fmt.Errorf("hsts-max-age: %s is less than nothing", c.HSTS.MaxAge))
	}
	if c.Drain < 0 || c.Drain > mostDrain {
		errs = append(errs, fmt.Errorf("drain: %s is not between 0 and %s", c.Drain, mostDrain))
	}
	return errors.Join(errs...)
}

func (c Config) passkeys() passkey.Site {
	return passkey.Site{Issuer: c.Issuer, Domain: c.PasskeyDomain, Origins: c.PasskeyOrigins}
}

func checkIssuer(issuer string) error {
	u, err := url.Parse(issuer)
	switch {
	case issuer == "":
		return errors.New("issuer: is missing: the https URL under which people and apps reach this server")
	case err != nil || u.Host == "" || u.User != nil || strings.ContainsAny(issuer, "?# "):
		return fmt.Errorf("issuer: %q is not a plain URL such as https://id.example or https://example.org/sso", issuer)
	case strings.HasSuffix(issuer, "/"):
		return fmt.Errorf("issuer: %q must not end with a slash: apps compare it character by character", issuer)
	case u.Scheme == "https":
		return nil
	case u.Scheme == "http" && isLocal(u.Hostname()):
		return nil
	}
	return fmt.Errorf("issuer: %q must be https (http works on localhost only)", issuer)
}

func isLocal(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

func isNetwork(s string) bool {
	if _, err := netip.ParsePrefix(s); err == nil {
		return true
	}
	_, err := netip.ParseAddr(s)
	return err == nil
}

// Keyring opens the keyring that the configuration names. A key file that is missing
// is made, unless something in the database is sealed already: under a key that is
// elsewhere.
func (c Config) Keyring(ctx context.Context, st *store.Store) (*keyring.Keyring, error) {
	if c.MasterKeys != "" {
		return keyring.Parse(c.MasterKeys)
	}
	path := filepath.Join(c.DataDir, "master.key")
	// In this order: the first process of several makes the file before it seals.
	sealed, err := st.HasSealedSettings(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(path); sealed && errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("the key file %s is missing, and the database holds secrets that are sealed under its key: put it back; %s", path, keysLost)
	}
	return c.NewKeyring()
}

// NewKeyring opens the keyring, and makes a key file that is missing, whatever the
// database holds: for an operator who has lost the previous one.
func (c Config) NewKeyring() (*keyring.Keyring, error) {
	if c.MasterKeys != "" {
		return keyring.Parse(c.MasterKeys)
	}
	if err := os.MkdirAll(c.DataDir, 0o700); err != nil {
		return nil, fmt.Errorf("make the data folder: %w", err)
	}
	return keyring.LoadFile(filepath.Join(c.DataDir, "master.key"))
}

// keysLost is the way out of a lost master key.
const keysLost = "if it is lost for good, gatehouse keys forget says and does what is left"

// Database is how to reach the database that the configuration names.
func (c Config) Database() (store.Options, error) {
	if c.DatabaseURL != "" {
		return store.Options{URL: c.DatabaseURL, DirectURL: c.DirectURL, TransactionPooling: c.TransactionPooling}, nil
	}
	if c.DataDir == "" {
		return store.Options{}, fmt.Errorf("%w: neither a database URL nor a data folder is given", idp.ErrInvalid)
	}
	return store.Options{URL: store.SQLiteScheme + filepath.Join(c.DataDir, "gatehouse.db")}, nil
}
