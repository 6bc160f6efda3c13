package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/mail"
	"gatehouse/idp/manage"
	"gatehouse/idp/server"
)

// storage are the flags of every command that opens the database.
type storage struct {
	Data        string `help:"Folder of the SQLite database and the key file." type:"path" default:"gatehouse-data" env:"GATEHOUSE_DATA"`
	DatabaseURL string `help:"PostgreSQL to use instead of SQLite: postgres://…" placeholder:"URL" env:"GATEHOUSE_DATABASE_URL"`
	MasterKeys  string `help:"Keys that encrypt secrets at rest, instead of a key file: base64 of 32 bytes each, comma-separated; the first encrypts, all decrypt." placeholder:"KEYS" env:"GATEHOUSE_MASTER_KEYS"`
}

func (s storage) config() server.Config {
	return server.Config{DataDir: s.Data, DatabaseURL: s.DatabaseURL, MasterKeys: s.MasterKeys}
}

// mailFlags say which server sends our mail.
type mailFlags struct {
	SMTPServer   string `help:"Mail server: host or host:port. Without one there are no email codes and no notices." name:"smtp-server" placeholder:"HOST" env:"GATEHOUSE_SMTP_SERVER"`
	SMTPSecurity string `help:"How the connection is protected: starttls, tls or none." name:"smtp-security" enum:"starttls,tls,none" default:"starttls" env:"GATEHOUSE_SMTP_SECURITY"`
	SMTPUsername string `help:"User at the mail server." name:"smtp-username" env:"GATEHOUSE_SMTP_USERNAME"`
	SMTPPassword string `help:"Password at the mail server." name:"smtp-password" env:"GATEHOUSE_SMTP_PASSWORD"`
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

type serveCommand struct {
	storage
	mailFlags

	Issuer          string         `help:"URL under which people and apps reach the provider; it may have a path." placeholder:"URL" env:"GATEHOUSE_ISSUER"`
	Listen          string         `help:"Address to serve on." default:":8080" env:"GATEHOUSE_LISTEN"`
	MetricsListen   string         `help:"Address for Prometheus metrics; empty for none." default:"127.0.0.1:9090" env:"GATEHOUSE_METRICS_LISTEN"`
	TrustedProxies  []string       `help:"Addresses or networks whose X-Forwarded-For is believed." placeholder:"CIDR" env:"GATEHOUSE_TRUSTED_PROXIES"`
	PrivateNetworks bool           `help:"Let back-channel logout reach private and loopback addresses, by http too." name:"allow-private-networks" env:"GATEHOUSE_ALLOW_PRIVATE_NETWORKS"`
	Registration    bool           `help:"Let apps register themselves by initial access tokens, which admins make." name:"dynamic-registration" env:"GATEHOUSE_DYNAMIC_REGISTRATION"`
	AuditRetention  *time.Duration `help:"How long audit events are kept: 30d at least, or 0 for ever. Not given: 400 days in a new database, for ever in an older one." env:"GATEHOUSE_AUDIT_RETENTION"`
}

// Run serves until the process is told to stop.
func (c *serveCommand) Run(ctx context.Context) error {
	cfg := c.storage.config()
	cfg.Issuer, cfg.TrustedProxies, cfg.AuditRetention = c.Issuer, c.TrustedProxies, c.AuditRetention
	cfg.Mail, cfg.PrivateNetworks = c.mailFlags.config(), c.PrivateNetworks
	cfg.Registration = c.Registration
	srv, err := server.Open(ctx, cfg)
	if err != nil {
		return err
	}
	public, metrics, err := c.listen()
	if err != nil {
		return closing(err, srv)
	}
	if err := offerSetup(ctx, srv.Manage, c.Issuer); err != nil {
		return closing(err, srv)
	}
	slog.InfoContext(ctx, "serving", "issuer", c.Issuer, "address", public.Addr().String(),
		"database", srv.Store.Dialect(), "version", idp.Release())
	return closing(srv.Run(ctx, public, metrics), srv)
}

// offerSetup prints a link to create the first admin, as long as there is none.
func offerSetup(ctx context.Context, m *manage.Manager, issuer string) error {
	has, err := m.Links.HasAdmin(ctx)
	if err != nil || has {
		return err
	}
	token, err := m.Links.FirstSetupLink(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "\nThere is no admin yet. This link creates one; it works once, for a day:\n\n  %s/admin/setup/%s\n\n", issuer, token)
	return nil
}

func (c *serveCommand) listen() (public, metrics net.Listener, err error) {
	if public, err = net.Listen("tcp", c.Listen); err != nil {
		return nil, nil, fmt.Errorf("listen: %w", err)
	}
	if c.MetricsListen == "" {
		return public, nil, nil
	}
	if metrics, err = net.Listen("tcp", c.MetricsListen); err != nil {
		return nil, nil, closing(fmt.Errorf("listen for metrics: %w", err), public)
	}
	return public, metrics, nil
}

// closing closes something at the end and keeps the first error.
func closing(err error, c interface{ Close() error }) error {
	if errClose := c.Close(); err == nil {
		return errClose
	}
	return err
}

type healthcheckCommand struct {
	URL string `help:"What to ask." default:"http://127.0.0.1:8080/readyz" env:"GATEHOUSE_HEALTHCHECK_URL"`
}

// Run asks a provider on this machine whether it is ready.
func (c *healthcheckCommand) Run(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.URL, http.NoBody)
	if err != nil {
		return fmt.Errorf("ask for health: %w", err)
	}
	res, err := http.DefaultClient.Do(req)
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
