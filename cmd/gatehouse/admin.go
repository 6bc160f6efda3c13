package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"text/tabwriter"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/keyring"
	"gatehouse/idp/keys"
	"gatehouse/idp/mail"
	"gatehouse/idp/manage"
	"gatehouse/idp/manage/authz"
	"gatehouse/idp/manage/links"
	"gatehouse/idp/manage/system"
	"gatehouse/idp/server"
	"gatehouse/idp/store"
	"gatehouse/ui"
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
	ring, err := s.config().Keyring(ctx, st)
	if err != nil {
		return nil, nil, closing(err, st)
	}
	return st, ring, nil
}

// openAsIs opens a database that is there. Only serve and migrate up make one: any
// other command that finds none was pointed at the wrong place.
func (s storage) openAsIs(ctx context.Context) (*store.Store, error) {
	database, err := s.config().Database()
	if err != nil {
		return nil, err
	}
	exists, err := store.Exists(database.URL)
	if err != nil {
		return nil, err
	}
	if !exists {
		return nil, fmt.Errorf("there is no database in %s: check --data or --database-url; gatehouse serve and gatehouse migrate up make one", s.Data)
	}
	st, err := store.OpenWith(ctx, database)
	if err != nil {
		return nil, err
	}
	if err := st.Ping(ctx); err != nil {
		return nil, closing(err, st)
	}
	if !st.Migrated(ctx) {
		return nil, closing(errors.New("the database holds no tables of gatehouse: check --data or --database-url; gatehouse serve and gatehouse migrate up make them"), st)
	}
	return st, nil
}

type migrateCommand struct {
	Up     migrateUp     `cmd:"" help:"Apply all migrations that are missing."`
	Down   migrateDown   `cmd:"" help:"Take back the newest migration, with the data that it holds."`
	Status migrateStatus `cmd:"" help:"List the migrations."`
}

type migrateUp struct{ storage }

// Run applies what is missing, and makes a database where there is none.
func (c migrateUp) Run(ctx context.Context) error {
	database, err := c.config().Database()
	if err != nil {
		return err
	}
	st, err := store.OpenWith(ctx, database)
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
	w := columned(out)
	fmt.Fprintln(w, head)
	rows(w)
	return w.Flush()
}

// columned aligns what is between tabs.
func columned(out io.Writer) *tabwriter.Writer { return tabwriter.NewWriter(out, 0, 8, 2, ' ', 0) }

type keysCommand struct {
	List      keysList      `cmd:"" help:"List the signing keys."`
	Revoke    keysRevoke    `cmd:"" help:"Withdraw a signing key at once, such as one that leaked. Says what ends, and does it with --yes."`
	Rotate    keysRotate    `cmd:"" help:"Publish a successor of every signing key now; it signs a day later."`
	Reencrypt keysReencrypt `cmd:"" help:"Encrypt all secrets at rest under the first master key."`
	Forget    keysForget    `cmd:"" help:"After a master key was lost: remove what nothing opens any more, and reset the people whose second steps that were."`
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

type keysRevoke struct {
	storage
	KID string `arg:"" name:"kid" help:"The key, as keys list has it."`
	Yes bool   `help:"Do it."`
}

// revokeEnds is what ends when a signing key is revoked.
const revokeEnds = `This ends at once, on every replica:
- JWT access tokens that the key signed; people and services get new ones at their next refresh.
- ID tokens that it signed: sign-out by their hint asks the person, and portals that check them again refuse them.
- Logout tokens under way that it signed.
A successor signs at once. Portals refuse its tokens until they fetch the keys again (most do when they meet a new kid,
all after 15 minutes where they heed Cache-Control). Sessions, opaque access tokens and refresh tokens go on.
Tokens that are still valid cannot be counted: the provider does not store what it signs.
`

// Run revokes one signing key.
func (c keysRevoke) Run(ctx context.Context, t terminal) error {
	st, ring, err := c.open(ctx)
	if err != nil {
		return err
	}
	if !c.Yes {
		return closing(c.say(ctx, t, st), st)
	}
	signing, err := keys.Open(ctx, st, ring)
	if err != nil {
		return closing(err, st)
	}
	if err = signing.Revoke(ctx, c.KID); err == nil {
		_, err = fmt.Fprintf(t.out, "key %s is revoked; its successor signs\n", c.KID)
	}
	return closing(err, st)
}

// say says what ends with the key, as far as it can be counted.
func (c keysRevoke) say(ctx context.Context, t terminal, st *store.Store) error {
	rows, err := st.SigningKeys(ctx)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(rows, func(r store.SigningKey) bool { return r.ID == c.KID })
	if i < 0 {
		return fmt.Errorf("there is no signing key %s: see gatehouse keys list", c.KID)
	}
	use, err := system.UseOf(ctx, st, rows[i].Algorithm)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(t.out, "%s signs the ID tokens of %d apps, and the access tokens of %d of them.\n%s", rows[i].Algorithm, use.Apps, use.JWTApps, revokeEnds); err != nil {
		return err
	}
	return errors.New("nothing was done: add --yes to revoke the key")
}

type keysReencrypt struct{ storage }

// Run encrypts everything under the first master key.
func (c keysReencrypt) Run(ctx context.Context, t terminal) error {
	st, ring, err := c.open(ctx)
	if err != nil {
		return err
	}
	sum, err := keys.Reencrypt(ctx, st, ring)
	switch {
	case err != nil:
		err = fmt.Errorf("%d values are encrypted anew, run it again for the rest: %w", sum.Values, err)
	case !sum.Whole():
		err = fmt.Errorf("%d values are encrypted anew; some cannot be opened and stay as they are: %s", sum.Values, sum)
	default:
		_, err = fmt.Fprintf(t.out, "%d values are encrypted anew; retire the old keys in %s, when flows under way are over\n", sum.Values, idp.FlowLifetime)
	}
	return closing(err, st)
}

func (s storage) manager(ctx context.Context, more ...func(*manage.Parts)) (*manage.Manager, *store.Store, error) {
	st, ring, err := s.open(ctx)
	if err != nil {
		return nil, nil, err
	}
	m, err := server.NewManager(ctx, s.config(), st, ring, more...)
	if err == nil {
		err = m.EnsureDefaults(ctx)
	}
	if err != nil {
		return nil, nil, closing(err, st)
	}
	return m, st, nil
}

type adminCommand struct {
	Create          adminCreate          `cmd:"" help:"Print a link, good once and for an hour, to create an admin."`
	BreakGlass      adminBreakGlass      `cmd:"" help:"Print a link, good once and for an hour, to sign in to the console with password and authenticator where portal access allows no passwords."`
	SignOutEveryone adminSignOutEveryone `cmd:"" name:"sign-out-everyone" help:"Sign everybody out, and end the access that apps keep: after a restore, or when the database got into wrong hands."`
	ServiceClient   adminServiceClient   `cmd:"" help:"Add a service for the admin API, for the first one or after a mishap. Its secret is printed once."`
}

type adminCreate struct {
	storage

	Issuer string `help:"URL under which people reach the provider." required:"" env:"GATEHOUSE_ISSUER"`
}

// Run prints a link that creates an admin.
func (c adminCreate) Run(ctx context.Context) error {
	m, st, err := c.manager(ctx)
	if err != nil {
		return err
	}
	token, err := m.Links.SetupLink(ctx, links.SetupLifetime)
	if err == nil {
		_, err = fmt.Printf("%s/admin/setup/%s\n", c.Issuer, token)
	}
	return closing(err, st)
}

type adminBreakGlass struct {
	storage

	Issuer string `help:"URL under which people reach the provider." required:"" env:"GATEHOUSE_ISSUER"`
}

// Run prints a link that lets an admin in when the other provider does not.
func (c adminBreakGlass) Run(ctx context.Context) error {
	m, st, err := c.manager(ctx)
	if err != nil {
		return err
	}
	token, err := m.Links.BreakGlass(ctx)
	if err == nil {
		_, err = fmt.Printf("%s/login/break-glass/%s\n", c.Issuer, token)
	}
	return closing(err, st)
}

type adminServiceClient struct {
	storage

	Name string   `help:"Name that admins read." required:""`
	Role []string `help:"Ids of its roles: admin, manager, or one of your own." required:""`
}

// Run adds a service that may ask for the scope of the admin API.
func (c adminServiceClient) Run(ctx context.Context, t terminal) error {
	m, st, err := c.manager(ctx)
	if err != nil {
		return err
	}
	client, secret, err := m.Apps.CreateClient(ctx, idp.Client{
		Name: c.Name, Kind: idp.ServiceClient, Roles: c.Role, Scopes: []string{idp.AdminScope},
	})
	if err == nil {
		err = json.NewEncoder(t.out).Encode(map[string]string{"client_id": client.ID, "client_secret": secret})
	}
	return closing(err, st)
}

type mailCommand struct {
	Test mailTest `cmd:"" help:"Send a test mail."`
}

type mailTest struct {
	storage
	mailFlags

	To string `help:"Who gets it." required:""`
}

// Run sends one mail and says what the server answered.
func (c mailTest) Run(ctx context.Context) error {
	sender, err := mail.New(c.mailFlags.config())
	if err != nil {
		return err
	}
	pages, err := ui.New(ui.Options{})
	if err != nil {
		return closing(err, sender)
	}
	m, st, err := c.manager(ctx, func(p *manage.Parts) { p.Mailer, p.Write = sender, pages.WriteMail })
	if err != nil {
		return closing(err, sender)
	}
	err = m.System.TestMail(ctx, authz.System(), c.To)
	if err == nil {
		_, err = fmt.Println("sent")
	}
	return closing(closing(err, sender), st)
}
