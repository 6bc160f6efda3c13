package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"gatehouse/idp"
	"gatehouse/idp/mail"
	"gatehouse/idp/manage"
	"gatehouse/idp/store"
	"gatehouse/ui"
)

type policyCommand struct {
	Show   policyShow   `cmd:"" help:"List the policies of all populations and apps."`
	Set    policySet    `cmd:"" help:"Change the policy of a population."`
	Client policyClient `cmd:"" help:"Change what one app does with the policies of its populations."`
}

type policyShow struct{ storage }

// Run lists all policies.
func (c policyShow) Run(ctx context.Context) error {
	m, st, err := c.manager(ctx)
	if err != nil {
		return err
	}
	populations, err := st.Populations(ctx)
	if err != nil {
		return closing(err, st)
	}
	clients, err := st.Clients(ctx)
	if err != nil {
		return closing(err, st)
	}
	overrides := make([]idp.Override, len(clients))
	for i, client := range clients {
		if overrides[i], err = m.Store.Override(ctx, client.ID); err != nil {
			return closing(err, st)
		}
	}
	return closing(printPolicies(populations, clients, overrides), st)
}

func printPolicies(populations []idp.Population, clients []idp.Client, overrides []idp.Override) error {
	err := table(os.Stdout, "POPULATION\tVERSION\tAUTHENTICATOR\tEMAIL CODE\tISSUER LABEL", func(w io.Writer) {
		for _, p := range populations {
			fmt.Fprintf(w, "%s\t%d\t%t\t%t\t%s\n", p.ID, p.Policy.Version, p.Policy.Authenticator, p.Policy.EmailCode, p.Policy.IssuerLabel)
		}
	})
	if err != nil {
		return err
	}
	fmt.Println()
	return table(os.Stdout, "APP\tVERSION\tMODE\tLEAST ACR\tALSO FEDERATED", func(w io.Writer) {
		for i, client := range clients {
			o := overrides[i]
			fmt.Fprintf(w, "%s\t%d\t%s\t%s\t%t\n", client.ID, o.Version, o.Mode, o.MinACR, o.Federated)
		}
	})
}

// applying are the flags of every change of a policy.
type applying struct {
	Apply  string `help:"When it applies: immediately signs everybody concerned out, next_login leaves sessions as they are." enum:"immediately,next_login" required:""`
	Yes    bool   `help:"Do it; without it only the numbers are shown."`
	Reason string `help:"Why; it goes to the audit log."`
}

type policySet struct {
	storage
	applying

	Population    string `arg:"" help:"Population, such as agents."`
	Authenticator bool   `help:"Enable the authenticator app." negatable:""`
	EmailCode     bool   `help:"Enable the email code; the provider needs a mail server." negatable:"" name:"email-code"`
	IssuerLabel   string `help:"What authenticator apps call the account; as before when empty." name:"issuer-label"`
	PasswordAlone bool   `help:"Confirm that the password alone shall do, when no method is enabled." name:"password-alone"`
}

// Run shows whom the change concerns and, with --yes, makes it.
func (c policySet) Run(ctx context.Context) error {
	m, st, err := c.manager(ctx)
	if err != nil {
		return err
	}
	return closing(c.run(ctx, m), st)
}

func (c policySet) run(ctx context.Context, m *manage.Manager) error {
	m.Mailer = operatorsMail{} // whether the providers have a server is not known here
	p, err := m.Store.Population(ctx, c.Population)
	if err != nil {
		return err
	}
	policy := idp.Policy{
		Version: p.Policy.Version, Authenticator: c.Authenticator, EmailCode: c.EmailCode, IssuerLabel: p.Policy.IssuerLabel,
	}
	if c.IssuerLabel != "" {
		policy.IssuerLabel = c.IssuerLabel
	}
	preview, err := m.PreviewPolicy(ctx, manage.System(), c.Population, policy)
	if err != nil {
		return err
	}
	if done := c.announce(preview); !done {
		return nil
	}
	saved, err := m.SavePolicy(ctx, manage.System(), manage.PolicyChange{
		Population: c.Population, Policy: policy, Apply: manage.Apply(c.Apply), PasswordAlone: c.PasswordAlone, Reason: c.Reason,
	})
	if err == nil {
		_, err = fmt.Printf("saved as version %d\n", saved.Version)
	}
	return err
}

// announce says whom a change concerns, and whether to go on.
func (a applying) announce(p manage.Preview) bool {
	fmt.Printf("%d people, %d of them have to set up an authenticator, %d sessions, %d apps\n",
		p.People, p.WithoutFactor, p.Sessions, len(p.Clients))
	if a.Apply == string(manage.Immediately) && p.JWTFor > 0 {
		fmt.Printf("other servers may accept JWT access tokens for up to %s more\n", p.JWTFor)
	}
	if !a.Yes {
		fmt.Println("nothing was changed; say --yes to do it")
	}
	return a.Yes
}

// operatorsMail stands for the mail server of the providers.
type operatorsMail struct{}

// Send implements manage.Mailer. Nothing sends from here.
func (operatorsMail) Send(context.Context, mail.Message) error { return manage.ErrNoMail }

type policyClient struct {
	storage
	applying

	ID        string `arg:"" help:"client_id."`
	Mode      string `help:"inherit, off or required." enum:"inherit,off,required" required:""`
	MinACR    string `help:"With required: the least acr." name:"min-acr" enum:",urn:gatehouse:acr:two-step,urn:gatehouse:acr:mfa" default:""`
	Federated bool   `help:"With required: ask it of federated sign-ins too." name:"also-federated"`
}

// Run shows whom the change concerns and, with --yes, makes it.
func (c policyClient) Run(ctx context.Context) error {
	m, st, err := c.manager(ctx)
	if err != nil {
		return err
	}
	return closing(c.run(ctx, m, st), st)
}

func (c policyClient) run(ctx context.Context, m *manage.Manager, st *store.Store) error {
	before, err := st.Override(ctx, c.ID)
	if err != nil {
		return err
	}
	override := idp.Override{Version: before.Version, Mode: idp.OverrideMode(c.Mode), MinACR: idp.ACR(c.MinACR), Federated: c.Federated}
	preview, err := m.PreviewOverride(ctx, manage.System(), c.ID, override)
	if err != nil {
		return err
	}
	if done := c.announce(preview); !done {
		return nil
	}
	saved, err := m.SaveOverride(ctx, manage.System(), manage.OverrideChange{
		ClientID: c.ID, Override: override, Apply: manage.Apply(c.Apply), Reason: c.Reason,
	})
	if err == nil {
		_, err = fmt.Printf("saved as version %d\n", saved.Version)
	}
	return err
}

type adminCommand struct {
	Create adminCreate `cmd:"" help:"Print a link, good once and for an hour, to create an admin."`
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
	token, err := m.SetupLink(ctx, manage.SetupLifetime)
	if err == nil {
		_, err = fmt.Printf("%s/admin/setup/%s\n", c.Issuer, token)
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
	m, st, err := c.manager(ctx)
	if err != nil {
		return err
	}
	sender, err := mail.New(c.mailFlags.config())
	if err != nil {
		return closing(err, st)
	}
	pages, err := ui.New(ui.Options{})
	if err != nil {
		return closing(err, st)
	}
	m.Mailer, m.Write = sender, pages.WriteMail
	err = m.TestMail(ctx, manage.System(), c.To)
	if err == nil {
		_, err = fmt.Println("sent")
	}
	return closing(closing(err, sender), st)
}
