package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"gatehouse/idp"
	"gatehouse/idp/server"
	"gatehouse/idp/store"
)

type configCommand struct {
	Check configCheck `cmd:"" help:"Say whether serve could start with its configuration, and start nothing."`
	Show  configShow  `cmd:"" help:"List what serve is configured with and where each value comes from, without secrets."`
}

type configCheck struct {
	serveFlags
	Connect bool `help:"Reach the database as well."`
}

// Run says everything that is wrong with the configuration of serve, one line a setting.
func (c *configCheck) Run(ctx context.Context, t terminal) error {
	cfg := c.config()
	err := errors.Join(cfg.Check(), c.tlsFlags.check(c.Issuer), checkAddress("listen", c.Listen), checkAddress("console-listen", c.ConsoleListen), checkAddress("metrics-listen", c.MetricsListen))
	if err == nil && c.Connect {
		err = reach(ctx, cfg)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", idp.ErrInvalid, err)
	}
	_, err = fmt.Fprintln(t.out, "the configuration is sound")
	return err
}

func checkAddress(name, address string) error {
	if address == "" && name != "listen" {
		return nil
	}
	if _, err := net.ResolveTCPAddr("tcp", address); err != nil {
		return fmt.Errorf("%s: %q is no address such as :8080 or 127.0.0.1:8080: %w", name, address, err)
	}
	return nil
}

// reach opens the database and makes none.
func reach(ctx context.Context, cfg server.Config) error {
	database, err := cfg.Database()
	if err != nil {
		return err
	}
	if exists, err := store.Exists(database.URL); err != nil || !exists {
		return err // serve makes it
	}
	st, err := store.OpenWith(ctx, database)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if err := st.Ping(ctx); err != nil {
		return closing(fmt.Errorf("database-url: %w", err), st)
	}
	return closing(st.Compatible(ctx), st)
}

type configShow struct {
	serveFlags
	Output string `help:"table to read, or json." enum:"table,json" default:"table" env:"GATEHOUSE_OUTPUT"`
}

// shown is one setting.
type shown struct {
	Name  string `json:"name"`
	Value string `json:"value"`
	From  string `json:"from"`
}

// Run prints each setting of serve, its value and where that comes from: the last of
// default, file, variable and flag that names it.
func (c *configShow) Run(k *kong.Context, from sources, t terminal) error {
	given := map[*kong.Flag]bool{}
	for _, p := range k.Path {
		given[p.Flag] = given[p.Flag] || !p.Resolved
	}
	var all []shown
	for _, f := range k.Selected().Flags {
		if f.Name == "output" || f.Name == "help" {
			continue
		}
		s := shown{f.Name, visible(f), "default"}
		if at, ok := from[f.Name]; ok {
			s.From = at
		} else if name := inEnvironment(f); name != "" {
			s.From = name
		}
		if given[f] {
			s.From = "flag"
		}
		all = append(all, s)
	}
	if c.Output == "json" {
		return json.NewEncoder(t.out).Encode(all)
	}
	return table(t.out, "SETTING\tVALUE\tFROM", func(w io.Writer) {
		for _, s := range all {
			fmt.Fprintf(w, "%s\t%s\t%s\n", s.Name, s.Value, s.From)
		}
	})
}

// visible is the value of a flag as others may see it.
func visible(f *kong.Flag) string {
	value := fmt.Sprint(f.Target.Interface())
	switch {
	case f.Target.IsZero() && f.Target.Kind().String() != "bool" && !f.HasDefault:
		return ""
	case f.Tag.Get("secret") == "whole":
		return "(hidden)"
	case f.Tag.Get("secret") == "url":
		u, err := url.Parse(value)
		if err != nil {
			return "(hidden)"
		}
		return u.Redacted()
	}
	if list, ok := f.Target.Interface().([]string); ok {
		return strings.Join(list, ",")
	}
	return value
}

// inEnvironment is the variable that sets a flag.
func inEnvironment(f *kong.Flag) string {
	for _, name := range f.Envs {
		if _, set := os.LookupEnv(name); set {
			return name
		}
	}
	return ""
}

// sources say of settings that stand neither in an argument nor in a variable of their
// own where they stand.
type sources map[string]string

// fileOf is where a secret may stand instead: a file that the variable or setting of the
// same name with "file" behind it names, as secrets are given to containers.
const fileOf = "file"

// fromFile reads the value of a setting out of a file of its own, for instance that which
// GATEHOUSE_MASTER_KEYS_FILE names. What ends the last line is no part of it.
func fromFile(name, path string) (string, error) {
	content, err := os.ReadFile(path) // #nosec G304 G703 -- the operator names it
	if err != nil {
		return "", fmt.Errorf("%s: %w", name, err)
	}
	value := strings.TrimRight(string(content), "\r\n")
	if value == "" {
		return "", fmt.Errorf("%s: %s is empty", name, path)
	}
	return value, nil
}

// secretFiles finds secrets in files.
type secretFiles struct{ from sources }

// Validate implements kong.Resolver.
func (secretFiles) Validate(*kong.Application) error { return nil }

// Resolve implements kong.Resolver.
func (s secretFiles) Resolve(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	if flag.Tag.Get("secret") == "" {
		return nil, nil
	}
	for _, name := range flag.Envs {
		variable := name + "_" + strings.ToUpper(fileOf)
		path := os.Getenv(variable)
		if path == "" {
			continue
		}
		if inEnvironment(flag) != "" {
			return nil, fmt.Errorf("%s and %s are both set: leave one out", name, variable)
		}
		value, err := fromFile(variable, path)
		if err != nil {
			return nil, err
		}
		s.from[flag.Name] = variable
		return value, nil
	}
	return nil, nil
}
