package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"runtime/debug"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/mail"
	"gatehouse/idp/manage"
	"gatehouse/idp/server"
	"gatehouse/idp/web"
)

// storage are the flags of every command that opens the database.
type storage struct {
	Data        string `help:"Folder of the SQLite database and the key file." type:"path" default:"gatehouse-data" env:"GATEHOUSE_DATA"`
	DatabaseURL string `help:"PostgreSQL to use instead of SQLite: postgres://…" placeholder:"URL" env:"GATEHOUSE_DATABASE_URL" secret:"url"`
	DirectURL   string `help:"PostgreSQL itself, where the database URL names a pooler: for migrations." name:"database-direct-url" placeholder:"URL" env:"GATEHOUSE_DATABASE_DIRECT_URL" secret:"url"`
	Pooling     bool   `help:"The database URL names a pooler that gives each transaction another connection, such as PgBouncer's pool_mode transaction." name:"transaction-pooling" env:"GATEHOUSE_TRANSACTION_POOLING"`
	MasterKeys  string `help:"Keys that encrypt secrets at rest, instead of a key file: base64 of 32 bytes each, comma-separated; the first encrypts, all decrypt." placeholder:"KEYS" env:"GATEHOUSE_MASTER_KEYS" secret:"whole"`
}

func (s storage) config() server.Config {
	return server.Config{
		DataDir: s.Data, DatabaseURL: s.DatabaseURL, DirectURL: s.DirectURL, TransactionPooling: s.Pooling, MasterKeys: s.MasterKeys,
	}
}

// mailFlags say which server sends our mail.
type mailFlags struct {
	SMTPServer   string `help:"Mail server: host or host:port. Without one there are no email codes and no notices." name:"smtp-server" placeholder:"HOST" env:"GATEHOUSE_SMTP_SERVER"`
	SMTPSecurity string `help:"How the connection is protected: starttls, tls or none." name:"smtp-security" enum:"starttls,tls,none" default:"starttls" env:"GATEHOUSE_SMTP_SECURITY"`
	SMTPUsername string `help:"User at the mail server." name:"smtp-username" env:"GATEHOUSE_SMTP_USERNAME"`
	SMTPPassword string `help:"Password at the mail server." name:"smtp-password" env:"GATEHOUSE_SMTP_PASSWORD" secret:"whole"`
	MailFrom     string `help:"Sender of all mail, such as 'RTX Help <help@rtx.example>'." name:"mail-from" env:"GATEHOUSE_MAIL_FROM"`
}

// config is what the flags say; nothing where no server is named.
func (f mailFlags) config() mail.Config {
	if f.SMTPServer == "" && f.MailFrom == "" && f.SMTPUsername == "" && f.SMTPPassword == "" {
		return mail.Config{}
	}
	return mail.Config{
		Server: f.SMTPServer, Security: mail.Security(f.SMTPSecurity), Username: f.SMTPUsername, Password: f.SMTPPassword,
		From: f.MailFrom,
	}
}

// serveFlags are the configuration of a provider.
type serveFlags struct {
	storage
	mailFlags
	tlsFlags

	Issuer          string         `help:"URL under which people and apps reach the provider; it may have a path." placeholder:"URL" env:"GATEHOUSE_ISSUER"`
	Listen          string         `help:"Address to serve on." default:":8080" env:"GATEHOUSE_LISTEN"`
	ConsoleListen   string         `help:"Address that alone answers for the console and the admin API (/admin), beside all else, under the issuer's URL; --listen then says 404 to them. Not given: --listen answers for all." placeholder:"ADDRESS" env:"GATEHOUSE_CONSOLE_LISTEN"`
	MetricsListen   string         `help:"Address for Prometheus metrics; empty for none." default:"127.0.0.1:9464" env:"GATEHOUSE_METRICS_LISTEN"`
	Drain           time.Duration  `help:"How long to go on answering after the word to stop (SIGTERM), with 503 at /readyz: longer than the proxy takes to notice." default:"5s" env:"GATEHOUSE_DRAIN"`
	TrustedProxies  []string       `help:"Addresses or networks whose X-Forwarded-For is believed." placeholder:"CIDR" env:"GATEHOUSE_TRUSTED_PROXIES"`
	PasskeyDomain   string         `help:"Domain that passkeys belong to: the issuer's host, or one above it. Not given: the host. With another domain nobody can use the passkeys that they have." placeholder:"DOMAIN" env:"GATEHOUSE_PASSKEY_DOMAIN"`
	PasskeyOrigins  []string       `help:"Origins elsewhere whose pages may use the same passkeys, such as https://id.example.net." placeholder:"ORIGIN" env:"GATEHOUSE_PASSKEY_ORIGINS"`
	PrivateNetworks bool           `help:"Let back-channel logout reach private and loopback addresses, by http too." name:"allow-private-networks" env:"GATEHOUSE_ALLOW_PRIVATE_NETWORKS"`
	Registration    bool           `help:"Let apps register themselves by initial access tokens, which admins make." name:"dynamic-registration" env:"GATEHOUSE_DYNAMIC_REGISTRATION"`
	HSTS            time.Duration  `help:"How long browsers reach this host by https only (Strict-Transport-Security); 0 for not at all." name:"hsts-max-age" default:"365d" env:"GATEHOUSE_HSTS_MAX_AGE"`
	HSTSBelow       bool           `help:"The same for all hosts below this one." name:"hsts-include-subdomains" env:"GATEHOUSE_HSTS_INCLUDE_SUBDOMAINS"`
	AccessLog       bool           `help:"Log a line of every request, not only of those that were refused or failed." env:"GATEHOUSE_ACCESS_LOG"`
	OTLPEndpoint    string         `help:"Where to send traces (OpenTelemetry, OTLP over HTTP), such as http://localhost:4318. Not given: where OTEL_EXPORTER_OTLP_ENDPOINT says, and nowhere without it." name:"otlp-endpoint" placeholder:"URL" env:"GATEHOUSE_OTLP_ENDPOINT"`
	AuditRetention  *time.Duration `help:"How long audit events are kept: 30d at least, or 0 for ever. Not given: 400 days in a new database, for ever in an older one." env:"GATEHOUSE_AUDIT_RETENTION"`
}

func (c *serveFlags) config() server.Config {
	cfg := c.storage.config()
	cfg.Issuer, cfg.TrustedProxies, cfg.AuditRetention = c.Issuer, c.TrustedProxies, c.AuditRetention
	cfg.Mail, cfg.PrivateNetworks, cfg.Drain = c.mailFlags.config(), c.PrivateNetworks, c.Drain
	cfg.PasskeyDomain, cfg.PasskeyOrigins = c.PasskeyDomain, c.PasskeyOrigins
	cfg.OTLPEndpoint = c.OTLPEndpoint
	cfg.AccessLog, cfg.HSTS = c.AccessLog, web.HSTS{MaxAge: c.HSTS, Subdomains: c.HSTSBelow}
	cfg.Registration, cfg.ConsoleApart = c.Registration, c.ConsoleListen != ""
	return cfg
}

type serveCommand struct{ serveFlags }

// Run serves until the process is told to stop.
func (c *serveCommand) Run(ctx context.Context, all *commands) error {
	if err := c.tlsFlags.check(c.Issuer); err != nil {
		return fmt.Errorf("%w: %w", idp.ErrInvalid, errors.Join(c.config().Check(), err))
	}
	srv, err := server.Open(ctx, c.config())
	if err != nil {
		return err
	}
	public, on, err := c.listen(ctx)
	if err != nil {
		return closing(err, srv)
	}
	if public.expires != nil {
		srv.ObserveCertificate(public.expires)
	}
	if err := offerSetup(ctx, srv.Manage, c.Issuer, all.LogFormat == "json"); err != nil {
		return closing(err, srv)
	}
	debug.FreeOSMemory() // what the start took
	slog.InfoContext(ctx, "serving", "issuer", c.Issuer, "address", public.Addr().String(),
		"database", srv.Store.Dialect(), "version", idp.Release())
	return closing(srv.Run(ctx, on), srv)
}

// offerSetup prints a link to create the first admin, as long as there is none; among lines
// of JSON as one of them.
func offerSetup(ctx context.Context, m *manage.Manager, issuer string, asJSON bool) error {
	has, err := m.Links.HasAdmin(ctx)
	if err != nil || has {
		return err
	}
	token, err := m.Links.FirstSetupLink(ctx)
	if err != nil {
		return err
	}
	link := issuer + "/admin/setup/" + token
	if asJSON {
		slog.WarnContext(ctx, "there is no admin yet: setup_url creates one; it works once, for a day", "setup_url", link)
		return nil
	}
	fmt.Fprintf(os.Stderr, "\nThere is no admin yet. This link creates one; it works once, for a day:\n\n  %s\n\n", link)
	return nil
}

// listen opens the addresses. Those that were opened before one that cannot be are closed.
func (c *serveFlags) listen(ctx context.Context) (public served, on server.Listeners, err error) {
	defer func() {
		if err != nil {
			on.Close()
		}
	}()
	plain, err := net.Listen("tcp", c.Listen)
	if err != nil {
		return served{}, on, fmt.Errorf("listen: %w", err)
	}
	on.Public = plain
	if public, err = c.tlsFlags.wrap(ctx, plain, c.Issuer, c.Data); err != nil {
		return served{}, on, err
	}
	on.Public = public
	if c.ConsoleListen != "" {
		if plain, err = net.Listen("tcp", c.ConsoleListen); err != nil {
			return served{}, on, fmt.Errorf("listen for the console: %w", err)
		}
		on.Console = public.too(plain)
	}
	if c.MetricsListen != "" {
		if on.Metrics, err = net.Listen("tcp", c.MetricsListen); err != nil {
			return served{}, on, fmt.Errorf("listen for metrics: %w", err)
		}
	}
	return public, on, nil
}

// closing closes something at the end and keeps the first error.
func closing(err error, c interface{ Close() error }) error {
	if errClose := c.Close(); err == nil {
		return errClose
	}
	return err
}

type healthcheckCommand struct {
	URL string `help:"What to ask: http, or https on loopback, where no certificate is looked at." default:"http://127.0.0.1:8080/readyz" env:"GATEHOUSE_HEALTHCHECK_URL"`
}

// Run asks a provider on this machine whether it is ready.
func (c *healthcheckCommand) Run(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.URL, http.NoBody)
	if err != nil {
		return fmt.Errorf("ask for health: %w", err)
	}
	client := &http.Client{}
	if host := req.URL.Hostname(); host == "localhost" || net.ParseIP(host).IsLoopback() {
		// The certificate is for the issuer's host, and nothing but "ready" is read: what
		// answers on this machine's own addresses is what was started here.
		client.Transport = &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}} // #nosec G402 -- on this machine
	}
	res, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("ask for health: %w", err)
	}
	if err := res.Body.Close(); err != nil {
		return fmt.Errorf("ask for health: %w", err)
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("not ready: %s", res.Status)
	}
	return nil
}

type versionCommand struct{}

// Run prints the version.
func (versionCommand) Run() error {
	_, err := fmt.Fprintln(os.Stdout, "gatehouse", idp.Release())
	return err
}
