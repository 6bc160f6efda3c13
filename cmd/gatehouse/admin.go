package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/keyring"
	"gatehouse/idp/keys"
	"gatehouse/idp/manage"
	"gatehouse/idp/server"
	"gatehouse/idp/store"
)

// open opens the database of a command, migrated to this version.
func (s storage) open(ctx context.Context) (*store.Store, *keyring.Keyring, error) {
	st, err := s.openAsIs(ctx)
	if err != nil {
		return nil, nil, err
	}
	pending, err := st.Pending(ctx)
	if err == nil && pending {
		err = errors.New("the database is of an older version: run gatehouse migrate up, or gatehouse serve")
	}
	if err != nil {
		return nil, nil, closing(err, st)
	}
	ring, err := s.config().Keyring()
	if err != nil {
		return nil, nil, closing(err, st)
	}
	return st, ring, nil
}

func (s storage) openAsIs(ctx context.Context) (*store.Store, error) {
	database, err := s.config().Database()
	if err != nil {
		return nil, err
	}
	return store.Open(ctx, database)
}

type migrateCommand struct {
	Up     migrateUp     `cmd:"" help:"Apply all migrations that are missing."`
	Down   migrateDown   `cmd:"" help:"Take back the newest migration, with the data that it holds."`
	Status migrateStatus `cmd:"" help:"List the migrations."`
}

type migrateUp struct{ storage }

// Run applies what is missing.
func (c migrateUp) Run(ctx context.Context) error {
	st, err := c.openAsIs(ctx)
	if err != nil {
		return err
	}
	return closing(st.Migrate(ctx), st)
}

type migrateDown struct {
	storage

	Yes bool `help:"Do it: data of that migration is lost."`
}

// Run takes back one migration.
func (c migrateDown) Run(ctx context.Context) error {
	if !c.Yes {
		return errors.New("this deletes data; make a backup, then say --yes")
	}
	st, err := c.openAsIs(ctx)
	if err != nil {
		return err
	}
	return closing(st.MigrateDown(ctx), st)
}

type migrateStatus struct{ storage }

// Run lists the migrations.
func (c migrateStatus) Run(ctx context.Context) error {
	st, err := c.openAsIs(ctx)
	if err != nil {
		return err
	}
	states, err := st.MigrationStatus(ctx)
	if err != nil {
		return closing(err, st)
	}
	return closing(table(os.Stdout, "VERSION\tNAME\tAPPLIED", func(w io.Writer) {
		for _, s := range states {
			fmt.Fprintf(w, "%d\t%s\t%t\n", s.Version, s.Name, s.Applied)
		}
	}), st)
}

func table(out io.Writer, head string, rows func(io.Writer)) error {
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, head)
	rows(w)
	return w.Flush()
}

type keysCommand struct {
	List      keysList      `cmd:"" help:"List the signing keys."`
	Rotate    keysRotate    `cmd:"" help:"Publish a successor of every signing key now; it signs a day later."`
	Reencrypt keysReencrypt `cmd:"" help:"Encrypt all secrets at rest under the first master key."`
}

type keysList struct{ storage }

// Run lists the signing keys.
func (c keysList) Run(ctx context.Context) error {
	st, _, err := c.open(ctx)
	if err != nil {
		return err
	}
	list, err := st.SigningKeys(ctx)
	if err != nil {
		return closing(err, st)
	}
	return closing(table(os.Stdout, "KID\tALGORITHM\tSIGNS FROM\tUNTIL\tPUBLISHED UNTIL", func(w io.Writer) {
		for _, k := range list {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", k.ID, k.Algorithm, moment(k.SignsFrom), moment(k.SignsUntil), moment(k.ExpiresAt))
		}
	}), st)
}

func moment(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Format(time.RFC3339)
}

type keysRotate struct{ storage }

// Run rotates all signing keys.
func (c keysRotate) Run(ctx context.Context) error {
	st, ring, err := c.open(ctx)
	if err != nil {
		return err
	}
	signing, err := keys.Open(ctx, st, ring)
	if err != nil {
		return closing(err, st)
	}
	n, err := signing.Rotate(ctx, true)
	if err == nil {
		_, err = fmt.Printf("%d keys have a successor; it signs from %s on\n", n, moment(idp.Now().Add(keys.PublishAhead)))
	}
	return closing(err, st)
}

type keysReencrypt struct{ storage }

// Run encrypts everything under the first master key.
func (c keysReencrypt) Run(ctx context.Context) error {
	st, ring, err := c.open(ctx)
	if err != nil {
		return err
	}
	n, err := keys.Reencrypt(ctx, st, ring)
	if err == nil {
		_, err = fmt.Printf("%d values are encrypted anew; retire the old keys in %s, when flows under way are over\n", n, idp.FlowLifetime)
	}
	return closing(err, st)
}

func (s storage) manager(ctx context.Context) (*manage.Manager, *store.Store, error) {
	st, ring, err := s.open(ctx)
	if err != nil {
		return nil, nil, err
	}
	m, err := server.NewManager(ctx, s.config(), st, ring)
	if err == nil {
		err = m.EnsureDefaults(ctx)
	}
	if err != nil {
		return nil, nil, closing(err, st)
	}
	return m, st, nil
}

type userCommand struct {
	Create   userCreate   `cmd:"" help:"Add a person."`
	ResetMFA userResetMFA `cmd:"" name:"reset-mfa" help:"Take all second factors from a person and sign them out."`
}

type userResetMFA struct {
	storage

	Population string `help:"Population." default:"agents"`
	Email      string `help:"Email address." required:""`
	Reason     string `help:"Why; it goes to the audit log." required:""`
}

// Run resets the second factors of one person.
func (c userResetMFA) Run(ctx context.Context) error {
	m, st, err := c.manager(ctx)
	if err != nil {
		return err
	}
	u, err := st.UserByEmail(ctx, c.Population, c.Email)
	if err == nil {
		err = m.ResetMFA(ctx, manage.System(), u.ID, c.Reason)
	}
	return closing(err, st)
}

type userCreate struct {
	storage

	Population string   `help:"Population." default:"agents"`
	Email      string   `help:"Email address." required:""`
	Name       string   `help:"Name."`
	Role       []string `help:"Roles: admin, manager, agent."`
}

// Run adds a person. The password comes from standard input: an argument would
// be in the shell's history.
func (c userCreate) Run(ctx context.Context) error {
	plain, err := io.ReadAll(io.LimitReader(os.Stdin, 8192))
	if err != nil {
		return fmt.Errorf("read the password from standard input: %w", err)
	}
	m, st, err := c.manager(ctx)
	if err != nil {
		return err
	}
	u, err := m.CreateUser(ctx, manage.NewUser{
		Population: c.Population, Email: c.Email, Name: c.Name, Roles: c.Role,
		Password: strings.TrimRight(string(plain), "\r\n"),
	})
	if err == nil {
		_, err = fmt.Println(u.ID)
	}
	return closing(err, st)
}

type clientCommand struct {
	Create clientCreate `cmd:"" help:"Add an app. Its secret is printed once."`
}

type clientCreate struct {
	storage

	ID              string   `help:"client_id; made up when empty."`
	Name            string   `help:"Name that people read." required:""`
	Kind            string   `help:"web, spa, native or service." enum:"web,spa,native,service" default:"web"`
	Population      []string `help:"Populations that may sign in, the default first." default:"agents"`
	RedirectURI     []string `help:"Redirect URIs; a service has none." name:"redirect-uri"`
	Role            []string `help:"Roles of a service."`
	Scope           []string `help:"Scopes that it may ask for; the usual ones when empty, and none for a service."`
	PostLogoutURI   []string `help:"Where to go after signing out." name:"post-logout-uri"`
	HomeURL         string   `help:"Where the app begins." name:"home-url"`
	LogoutURI       string   `help:"Where the app is told that a session is over (back-channel logout)." name:"backchannel-logout-uri"`
	PrivateNetworks bool     `help:"That address may be private or local, and http." name:"allow-private-networks" env:"GATEHOUSE_ALLOW_PRIVATE_NETWORKS"`
	Format          string   `help:"Access tokens: opaque or jwt." enum:"opaque,jwt" default:"opaque"`
	Alg             string   `help:"Signing algorithm." enum:"RS256,ES256,EdDSA" default:"RS256"`
}

// Run adds an app.
func (c clientCreate) Run(ctx context.Context) error {
	m, st, err := c.manager(ctx)
	if err != nil {
		return err
	}
	if c.Kind != string(idp.ServiceClient) && len(c.RedirectURI) == 0 {
		return closing(errors.New("--redirect-uri: where people are sent back to is missing"), st)
	}
	if c.Kind == string(idp.ServiceClient) {
		c.Population = nil
	}
	m.PrivateNetworks = c.PrivateNetworks
	client, secret, err := m.CreateClient(ctx, idp.Client{
		ID: c.ID, Name: c.Name, Kind: idp.ClientKind(c.Kind), Populations: c.Population,
		RedirectURIs: c.RedirectURI, PostLogoutRedirectURIs: c.PostLogoutURI, HomeURL: c.HomeURL,
		BackchannelLogoutURI: c.LogoutURI, Roles: c.Role, Scopes: c.Scope,
		TokenFormat: idp.TokenFormat(c.Format), SigningAlg: idp.Algorithm(c.Alg),
	})
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(map[string]string{"client_id": client.ID, "client_secret": secret})
	}
	return closing(err, st)
}
