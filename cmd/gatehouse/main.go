// Command gatehouse is the provider: one binary to run, try, migrate and operate
// it. Each file is one command; what they do lives below idp.
package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"

	"gatehouse/idp"
	"gatehouse/idp/manage/populations"
	"gatehouse/idp/observe"
	"gatehouse/idp/settings"
	"gatehouse/idp/web"
	"gatehouse/ui"
)

type commands struct {
	Config    kong.ConfigFlag `help:"YAML file with the same names as the flags." type:"path" placeholder:"FILE"`
	LogFormat string          `help:"Log lines as text or json." enum:"text,json" default:"text" env:"GATEHOUSE_LOG_FORMAT"`
	LogLevel  slog.Level      `help:"Least level of the log: debug, info, warn, error." default:"info" env:"GATEHOUSE_LOG_LEVEL"`

	ShowVersion kong.VersionFlag `name:"version" help:"Print the version."`

	Serve        serveCommand        `cmd:"" help:"Run the provider."`
	Configure    configCommand       `cmd:"" name:"config" help:"Look at the configuration of serve."`
	Demo         demoCommand         `cmd:"" help:"Run the provider with two portals and a mailbox on this machine, to try it."`
	Portal       portalCommand       `cmd:"" help:"Run one of the demo's portals against any OpenID provider."`
	Migrate      migrateCommand      `cmd:"" help:"Change the database's schema."`
	Backup       backupCommand       `cmd:"" help:"Copy an SQLite database to a file, while it is in use."`
	Restore      restoreCommand      `cmd:"" help:"Put a backup in the place of an SQLite database, which is moved aside."`
	Admin        adminCommand        `cmd:"" help:"Who administers the installation; on the server itself."`
	Keys         keysCommand         `cmd:"" help:"Signing keys and encryption at rest."`
	Import       importCommand       `cmd:"" help:"People whom another system knew."`
	Mail         mailCommand         `cmd:"" help:"Outgoing mail."`
	Client       clientCommand       `cmd:"" help:"Apps and services, over the admin API."`
	InitialToken initialTokenCommand `cmd:"" help:"Initial access tokens, by which apps register themselves, over the admin API."`
	User         userCommand         `cmd:"" help:"People, over the admin API."`
	Session      sessionCommand      `cmd:"" help:"Who is signed in, over the admin API."`
	Role         roleCommand         `cmd:"" help:"Named sets of permissions, over the admin API."`
	Population   populationCommand   `cmd:"" help:"User groups: their settings, over the admin API."`
	Policy       policyCommand       `cmd:"" help:"How people sign in and which second steps they are asked for, over the admin API."`
	Connection   connectionCommand   `cmd:"" help:"Other providers that vouch for people, over the admin API."`
	Audit        auditCommand        `cmd:"" help:"Who did what to whom, over the admin API."`
	Healthcheck  healthcheckCommand  `cmd:"" help:"Exit 0 when a provider on this machine is ready."`
	Completion   completionCommand   `cmd:"" help:"Have your shell complete commands and flags."`
	Version      versionCommand      `cmd:"" help:"Print the version."`
}

// newCommands are the commands with the flags of what settings describe.
func newCommands() *commands {
	texts, c := ui.Texts(), &commands{}
	c.Client.Create.described = flagsOf(texts, "app", settings.Client(), "name", "kind")
	c.Client.Edit.described = flagsOf(texts, "app", settings.Client(), "kind")
	c.InitialToken.Create.described = flagsOf(texts, "initial_token", settings.InitialToken())
	set := &c.Population.Set
	set.Brand.described = flagsOf(texts, "brand", settings.Brand())
	set.Registration.described = flagsOf(texts, "registration", populations.RegistrationFields())
	set.Passwords.described = flagsOf(texts, "passwords", populations.PasswordFields())
	set.Sessions.described = flagsOf(texts, "sessions", populations.SessionFields())
	set.MFA.described = flagsOf(texts, "policy", populations.PolicyFields())
	set.Access.described = flagsOf(texts, "access.access", populations.AccessFields())
	return c
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // the second time, the process ends at once
	code := run(ctx, terminal{os.Stdin, os.Stdout, os.Stderr}, os.Args[1:])
	stop()
	os.Exit(code)
}

// run is the program without the process around it.
func run(ctx context.Context, t terminal, args []string) int {
	c := newCommands()
	parser, err := kong.New(c, append(withSettings(os.Environ()),
		kong.Name("gatehouse"),
		kong.Description("An OpenID Connect provider with multi-factor authentication for a helpdesk's portals."),
		kong.UsageOnError(),
		kong.ValueFormatter(marked),
		kong.Vars{"version": "gatehouse " + idp.Release()},
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(t, c),
		kong.Writers(t.out, t.err),
	)...)
	if err != nil {
		fmt.Fprintln(t.err, "gatehouse:", err)
		return 1
	}
	parsed, err := parser.Parse(args)
	if err != nil {
		return t.tell(failure{Code: "usage", Message: err.Error() + "\nTry: gatehouse --help", exit: exitUsage}, wantsJSON(args))
	}
	c.startLog(t.err)
	if err := parsed.Run(); err != nil {
		return t.tell(failureOf(err, sendersOf(parsed)), outputOf(parsed) == "json")
	}
	return 0
}

// startLog sends the log to standard error: standard output is for answers.
func (c *commands) startLog(out io.Writer) {
	opts := &slog.HandlerOptions{Level: c.LogLevel}
	var h slog.Handler = slog.NewTextHandler(out, opts)
	if c.LogFormat == "json" {
		h = slog.NewJSONHandler(out, opts)
	}
	slog.SetDefault(slog.New(web.RequestLog{Handler: observe.Log{Handler: h}}))
}
