package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"

	"gatehouse/admin/apiclient"
)

// secretVariable holds the secret of a service client. It is no flag: everybody on a
// machine can read the arguments of its programs.
const secretVariable = "GATEHOUSE_CLIENT_SECRET"

// connection are the flags of the nouns that go over the admin API.
type connection struct {
	Issuer           string `help:"The provider: https, or http on loopback." placeholder:"URL" env:"GATEHOUSE_ISSUER"`
	ClientID         string `help:"client_id of a service client (gatehouse admin service-client)." name:"client-id" placeholder:"ID" env:"GATEHOUSE_CLIENT_ID"`
	ClientSecretFile string `help:"File with its secret; else it is in GATEHOUSE_CLIENT_SECRET." name:"client-secret-file" placeholder:"FILE" env:"GATEHOUSE_CLIENT_SECRET_FILE"`
	CAFile           string `help:"PEM certificates to trust beside the system's." name:"ca-file" placeholder:"FILE" env:"GATEHOUSE_CA_FILE"`
	Output           string `help:"table to read, json as the API answered; a list is one array." enum:"table,json" default:"table" env:"GATEHOUSE_OUTPUT"`
}

// ProvideRemote makes what the commands of a noun call. Kong finds it by its name.
func (c connection) ProvideRemote(ctx context.Context, t terminal) (*remote, error) {
	secret, err := c.secret()
	if err != nil {
		return nil, err
	}
	api, err := apiclient.New(ctx, apiclient.Config{
		Issuer: c.Issuer, ClientID: c.ClientID, ClientSecret: secret, CAFile: c.CAFile,
	})
	if err != nil {
		return nil, err
	}
	return &remote{terminal: t, ctx: ctx, api: api, json: c.Output == "json"}, nil
}

// usageError is what a command was not told, found out after its line was parsed.
type usageError string

// Error implements error.
func (e usageError) Error() string { return string(e) }

// secret says all at once what is missing.
func (c connection) secret() (string, error) {
	secret, err := os.Getenv(secretVariable), error(nil)
	if c.ClientSecretFile != "" {
		secret, err = secretIn(c.ClientSecretFile)
	} else if secret == "" {
		err = usageError("the client secret is missing: --client-secret-file or " + secretVariable)
	}
	if c.ClientID == "" {
		err = errors.Join(usageError("the client is missing: --client-id or GATEHOUSE_CLIENT_ID"), err)
	}
	if c.Issuer == "" {
		err = errors.Join(usageError("the provider is missing: --issuer or GATEHOUSE_ISSUER"), err)
	}
	return secret, err
}

// secretIn reads a secret that is all there is in a file.
func secretIn(file string) (string, error) {
	content, err := os.ReadFile(file) // #nosec G304 -- who runs this names the file
	if err != nil {
		return "", fmt.Errorf("read the client secret: %w", err)
	}
	return strings.TrimRight(string(content), "\r\n"), nil
}

// remote is a provider that runs, and the output for its answers.
type remote struct {
	terminal

	ctx  context.Context
	api  *apiclient.Client
	json bool
}

// do calls an operation and shows what it answers.
func (r *remote) do(method, path string, body any) error {
	a, err := r.api.Do(r.ctx, apiclient.Request{Method: method, Path: path, Body: body})
	if err != nil {
		return err
	}
	return r.show(a.Body)
}

// because is the body of operations that want a reason.
type because struct {
	Reason string `json:"reason" help:"Why; it goes to the audit log." required:""`
}

// versioned is for changes that another change may forestall.
type versioned struct {
	IfVersion *int64 `help:"Change it only if this is still its version; else, what was read a moment before." name:"if-version" placeholder:"N" json:"-"`
}

// change is a write that holds only for the version that was read.
type change struct {
	read string // path of what has the version
	// part names what is read within that, such as settings.access; empty for all.
	part          []string
	method, write string
	body          any
	// whole completes the body with what was read, apart from these fields of it.
	whole  bool
	except []string
	// check may refuse it for what was read. Nil for none.
	check func(current json.RawMessage) error
}

// change carries out a change and shows what comes of it.
func (r *remote) change(v versioned, c change) error {
	current, err := r.api.Do(r.ctx, apiclient.Request{Method: http.MethodGet, Path: c.read})
	if err != nil {
		return err
	}
	if c.check != nil {
		if err := c.check(current.Body); err != nil {
			return err
		}
	}
	if v.IfVersion != nil {
		current.ETag = fmt.Sprintf("%q", fmt.Sprint(*v.IfVersion))
	}
	if c.whole {
		whole, err := within(current.Body, c.part)
		if err != nil {
			return err
		}
		if c.body, err = complete(whole, c.except, c.body); err != nil {
			return err
		}
	}
	a, err := r.api.Do(r.ctx, apiclient.Request{Method: c.method, Path: c.write, IfMatch: current.ETag, Body: c.body})
	if err != nil {
		return err
	}
	if a.ETag != "" && a.ETag == current.ETag {
		fmt.Fprintln(r.err, "unchanged: it was so before")
	}
	return r.show(a.Body)
}

// within is a part of an object.
func within(object json.RawMessage, part []string) (json.RawMessage, error) {
	for _, name := range part {
		var fields map[string]json.RawMessage
		if err := json.Unmarshal(object, &fields); err != nil {
			return nil, fmt.Errorf("read what there is: %w", err)
		}
		object = fields[name]
	}
	return object, nil
}

// advice says what to do about a refusal, where the refusal itself does not. Empty for
// none.
func advice(err error) string {
	var refused *apiclient.Problem
	var noToken *apiclient.TokenError
	switch {
	case errors.As(err, &noToken) && noToken.Code == apiclient.InvalidClient:
		return "Check --client-id and the secret. A new one: gatehouse client secret add, or admin service-client on the server."
	case !errors.As(err, &refused):
		return ""
	}
	switch refused.Code {
	case apiclient.Stale:
		return "Look at it again with show, and repeat the change with the version that it has now."
	case apiclient.Forbidden:
		return "It is the service client that needs a role for this: in the console, Apps, or gatehouse client edit ID --role."
	case apiclient.NotFound:
		return "The ids of what there is are in list."
	}
	return ""
}

// complete returns an object with the fields that are given, and those of the current
// one, apart from some, where they are not.
func complete(current json.RawMessage, except []string, given any) (map[string]json.RawMessage, error) {
	var all map[string]json.RawMessage
	if err := json.Unmarshal(current, &all); err != nil {
		return nil, fmt.Errorf("read what there is: %w", err)
	}
	maps.DeleteFunc(all, func(name string, _ json.RawMessage) bool {
		return slices.Contains(except, name)
	})
	b, err := json.Marshal(given)
	if err == nil {
		err = json.Unmarshal(b, &all)
	}
	return all, err
}

// pageSize is what a page has at most.
const pageSize = 200

// listing are the flags of every list.
type listing struct {
	Limit int `help:"At most so many; all without it." placeholder:"N" json:"-"`
}

// Validate refuses what would otherwise mean all.
func (l listing) Validate() error {
	if l.Limit < 0 {
		return errors.New("--limit: is less than nothing")
	}
	return nil
}

// list shows a list to its end. query is a struct of parameters; columns are those of
// a table.
func (r *remote) list(path, field string, l listing, query any, columns ...string) error {
	q, err := queryOf(query)
	if err != nil {
		return err
	}
	size := pageSize
	if l.Limit > 0 {
		size = min(size, l.Limit)
	}
	q.Set("limit", fmt.Sprint(size))
	return r.rows(r.api.List(r.ctx, apiclient.Request{Method: http.MethodGet, Path: path, Query: q}, field), l.Limit, columns)
}

// all shows a list that has no pages. query is as that of list.
func (r *remote) all(path, field string, query any, columns ...string) error {
	q, err := queryOf(query)
	if err != nil {
		return err
	}
	return r.rows(r.api.List(r.ctx, apiclient.Request{Method: http.MethodGet, Path: path, Query: q}, field), 0, columns)
}

// queryOf makes parameters of a struct's JSON.
func queryOf(parameters any) (url.Values, error) {
	q := url.Values{}
	b, err := json.Marshal(parameters)
	if err != nil {
		return nil, err
	}
	var fields map[string]any
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	if err := d.Decode(&fields); err != nil {
		return nil, err
	}
	for name, value := range fields {
		q.Set(name, fmt.Sprint(value))
	}
	return q, nil
}
