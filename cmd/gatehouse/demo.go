package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"

	"gatehouse/cmd/gatehouse/internal/demo"
	"gatehouse/cmd/gatehouse/internal/demo/portal"
)

type demoCommand struct {
	Data        string `help:"Folder to keep the demo's data in; a temporary one otherwise." type:"path"`
	DatabaseURL string `help:"PostgreSQL to use instead of SQLite." env:"GATEHOUSE_DATABASE_URL"`
	PortBase    int    `help:"First port: provider, then +1 and +2 portals, +3 Entra, +4 mailbox page, +5 SMTP." default:"8080"`
	JSON        bool   `help:"Print one line of JSON once everything answers."`
}

// Run starts everything and serves until the process is told to stop.
func (c *demoCommand) Run(ctx context.Context) error {
	d, err := demo.Open(ctx, demo.Options{Data: c.Data, DatabaseURL: c.DatabaseURL, PortBase: c.PortBase})
	if err != nil {
		return err
	}
	return closing(d.Run(ctx, func(about demo.About) error {
		if c.JSON {
			return json.NewEncoder(os.Stdout).Encode(about)
		}
		_, err := fmt.Fprint(os.Stdout, about.Text())
		return err
	}), d)
}

type portalCommand struct {
	Issuer       string `help:"The provider." required:"" placeholder:"URL"`
	ClientID     string `help:"client_id at the provider." required:"" name:"client-id"`
	ClientSecret string `help:"client_secret." env:"GATEHOUSE_PORTAL_CLIENT_SECRET"`
	Listen       string `help:"Address to serve on." default:"localhost:8081"`
	BaseURL      string `help:"URL under which browsers reach the portal; http://LISTEN when empty." name:"base-url"`
	Kind         string `help:"agent or support." enum:"agent,support" default:"agent"`
	Name         string `help:"Name of the portal."`
}

// Run serves one portal.
func (c *portalCommand) Run(ctx context.Context) error {
	base := c.BaseURL
	if base == "" {
		base = "http://" + c.Listen
	}
	p, err := portal.New(ctx, portal.Config{
		Kind: portal.Kind(c.Kind), Name: c.Name, Issuer: c.Issuer, ClientID: c.ClientID, ClientSecret: c.ClientSecret, BaseURL: base,
		Scopes: []string{"openid", "profile", "email"},
	})
	if err != nil {
		return err
	}
	fmt.Fprintln(os.Stderr, "portal on", base)
	return demo.Serve(ctx, c.Listen, p.Handler())
}
