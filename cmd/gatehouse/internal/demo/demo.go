package demo

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"gatehouse/cmd/gatehouse/internal/demo/mailbox"
	"gatehouse/cmd/gatehouse/internal/demo/portal"
	"gatehouse/idp"
	"gatehouse/idp/idptest/entra"
	"gatehouse/idp/mail"
	"gatehouse/idp/server"
	"gatehouse/idp/store"
)

// Options say where the demo lives.
type Options struct {
	Data        string // folder that is kept; a temporary one when empty
	DatabaseURL string // PostgreSQL instead of SQLite
	PortBase    int    // 8080: provider there, the others above it
}

// Demo is a whole installation, listening but not serving yet.
type Demo struct {
	server    *server.Server
	mailbox   *mailbox.Mailbox
	entra     *entra.Tenant
	portals   []portalSetup
	data      string
	temporary bool
	base      int
	listeners []net.Listener
}

// portalSetup is one of the two portals.
type portalSetup struct {
	kind       portal.Kind
	id, name   string
	population string
	url        string
	secret     string
}

func (p portalSetup) client() idp.Client {
	return idp.Client{
		ID: p.id, Name: p.name, Kind: idp.WebClient, HomeURL: p.url + "/",
		SecretHashes: [][]byte{idp.HashSecret(p.secret)},
		RedirectURIs: []string{p.url + "/callback"}, PostLogoutRedirectURIs: []string{p.url + "/"},
		BackchannelLogoutURI: p.url + "/backchannel-logout", Populations: []string{p.population},
		Claims: idp.PortalClaims(),
	}
}

const defaultPortBase = 8080

// Open prepares the database and its people, and takes the ports.
func Open(ctx context.Context, o Options) (*Demo, error) {
	d := &Demo{data: o.Data, base: o.PortBase}
	if d.base == 0 {
		d.base = defaultPortBase
	}
	if d.data == "" {
		var err error
		if d.data, err = os.MkdirTemp("", "gatehouse-demo-"); err != nil {
			return nil, fmt.Errorf("make a folder for the demo: %w", err)
		}
		d.temporary = true
	}
	d.portals = []portalSetup{
		{portal.Agent, "agent-portal", "Agent portal", idp.Agents, d.url(1), "demo-secret-of-the-agent-portal"},
		{portal.Support, "support-portal", "Support portal", idp.Contacts, d.url(2), "demo-secret-of-the-support-portal"},
	}
	if err := d.open(ctx, o.DatabaseURL); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}

func (d *Demo) open(ctx context.Context, databaseURL string) (err error) {
	cfg := server.Config{
		Issuer: d.url(0), DataDir: d.data, DatabaseURL: databaseURL, PrivateNetworks: true,
		Mail: mail.Config{Server: d.address(5), Security: mail.Plain, From: "RTX Solutions <no-reply@rtx.example>"},
	}
	if err := d.prepare(ctx, cfg); err != nil {
		return err
	}
	if d.server, err = server.Open(ctx, cfg); err != nil {
		return err
	}
	if err := seed(ctx, d.server.Manage, d.portals); err != nil {
		return err
	}
	if err := seedConnections(ctx, d.server.Manage, EntraConnections(d.url(3))); err != nil {
		return err
	}
	if d.mailbox, err = mailbox.New(mailbox.Options{}); err != nil {
		return err
	}
	if d.entra, err = newEntra(d.url(3), d.url(0)); err != nil {
		return err
	}
	for offset := range 6 {
		l, err := net.Listen("tcp", d.address(offset))
		if err != nil {
			return fmt.Errorf("take port %d (another --port-base moves all ports): %w", d.base+offset, err)
		}
		d.listeners = append(d.listeners, l)
	}
	return nil
}

// prepare makes the demo's populations before the server makes the default ones.
func (d *Demo) prepare(ctx context.Context, cfg server.Config) error {
	database, err := cfg.Database()
	if err != nil {
		return err
	}
	s, err := store.OpenWith(ctx, database)
	if err != nil {
		return err
	}
	err = s.Migrate(ctx)
	if err == nil {
		err = seedPopulations(ctx, s)
	}
	return errors.Join(err, s.Close())
}

func (d *Demo) address(offset int) string {
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(d.base+offset))
}

func (d *Demo) url(offset int) string { return "http://localhost:" + strconv.Itoa(d.base+offset) }

// Run serves everything until ctx ends. ready is called once all parts answer.
func (d *Demo) Run(ctx context.Context, ready func(About) error) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	parts, err := d.parts(ctx)
	if err != nil {
		return err
	}
	failed := make(chan error, len(parts)+1)
	var serving sync.WaitGroup
	for _, serve := range parts {
		serving.Go(func() {
			failed <- serve()
			stop()
		})
	}
	if err := d.wait(ctx); err == nil {
		failed <- ready(d.About())
	}
	serving.Wait()
	close(failed)
	var errs []error
	for err := range failed {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// parts are the servers, in the order of the listeners.
func (d *Demo) parts(ctx context.Context) ([]func() error, error) {
	handlers := make([]http.Handler, len(d.portals))
	for i, p := range d.portals {
		made, err := portal.New(ctx, portal.Config{
			Kind: p.kind, Name: p.name, Issuer: d.url(0), ClientID: p.id, ClientSecret: p.secret, BaseURL: p.url,
			Scopes: []string{"openid", "profile", "email"},
		})
		if err != nil {
			return nil, err
		}
		handlers[i] = made.Handler()
	}
	return []func() error{
		func() error { return d.server.Run(ctx, server.Listeners{Public: d.listeners[0]}) },
		func() error { return serveHTTP(ctx, d.listeners[1], handlers[0]) },
		func() error { return serveHTTP(ctx, d.listeners[2], handlers[1]) },
		func() error { return serveHTTP(ctx, d.listeners[3], d.entra) },
		func() error { return serveHTTP(ctx, d.listeners[4], d.mailbox.Handler()) },
		func() error { return d.serveMail(ctx, d.listeners[5]) },
	}, nil
}

func (d *Demo) serveMail(ctx context.Context, l net.Listener) error {
	done := make(chan error, 1)
	go func() { done <- d.mailbox.ServeSMTP(l) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		return errors.Join(d.mailbox.Close(stop), <-done)
	}
}

// wait returns once the provider answers.
func (d *Demo) wait(ctx context.Context) error {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, d.url(0)+"/readyz", http.NoBody)
		if err != nil {
			return fmt.Errorf("wait for the provider: %w", err)
		}
		res, err := http.DefaultClient.Do(req)
		if err == nil {
			err = res.Body.Close()
			if err == nil && res.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// Close gives back what Open took; a temporary folder is removed.
func (d *Demo) Close() error {
	var errs []error
	for _, l := range d.listeners {
		if err := l.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	if d.server != nil {
		errs = append(errs, d.server.Close())
	}
	if d.temporary {
		errs = append(errs, os.RemoveAll(d.data))
	}
	return errors.Join(errs...)
}

// Serve serves one handler on an address until ctx ends.
func Serve(ctx context.Context, address string, h http.Handler) error {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	return serveHTTP(ctx, l, h)
}

func serveHTTP(ctx context.Context, l net.Listener, h http.Handler) error {
	srv := &http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second, IdleTimeout: time.Minute}
	done := make(chan error, 1)
	go func() { done <- srv.Serve(l) }()
	select {
	case err := <-done:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
		stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		return srv.Shutdown(stop)
	}
}

// About is where everything is and who may sign in.
type About struct {
	Issuer  string        `json:"issuer"`
	Console string        `json:"console"`
	Mailbox string        `json:"mailbox"`
	Entra   string        `json:"entra"`
	Portals []AboutPortal `json:"portals"`
	People  []Person      `json:"people"`
}

// AboutPortal is one portal.
type AboutPortal struct {
	Kind string `json:"kind"`
	URL  string `json:"url"`
}

// About describes the demo.
func (d *Demo) About() About {
	a := About{
		Issuer: d.url(0), Console: d.url(0) + "/admin", Mailbox: d.url(4), Entra: d.url(3), People: append(seeded(), entraPeople()...),
	}
	for _, p := range d.portals {
		a.Portals = append(a.Portals, AboutPortal{Kind: string(p.kind), URL: p.url})
	}
	return a
}

// Text is About for people.
func (a About) Text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "\nGatehouse demo\n\n  %-16s %s\n", "provider", a.Issuer)
	for _, p := range a.Portals {
		fmt.Fprintf(&b, "  %-16s %s\n", p.Kind+" portal", p.URL)
	}
	fmt.Fprintf(&b, "  %-16s %s\n  %-16s %s\n", "Microsoft Entra", a.Entra+" (simulated)", "mailbox", a.Mailbox)
	b.WriteString("\nPeople (nobody has a second step yet: the first sign-in sets it up)\n\n")
	for _, p := range a.People {
		where := ""
		if p.Entra {
			where = "(signs in with Microsoft)"
		}
		line := fmt.Sprintf("  %-31s %-22s %s %s %s", p.Email, p.Password, p.Population, strings.Join(p.Roles, ", "), where)
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	b.WriteString("\nStart at a portal. Stop with Ctrl-C.\n")
	return b.String()
}
