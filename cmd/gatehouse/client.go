package main

import (
	"encoding/json"
	"net/http"

	"gatehouse/admin/apiclient"
)

type clientCommand struct {
	connection

	List         clientList         `cmd:"" help:"List apps and services."`
	Show         clientShow         `cmd:"" help:"Read a client."`
	Create       clientCreate       `cmd:"" help:"Add a client. Its secret is printed this once."`
	Edit         clientEdit         `cmd:"" help:"Change a client; what is left out stays."`
	Delete       clientDelete       `cmd:"" help:"Delete a client."`
	Secret       clientSecret       `cmd:"" help:"A client's secrets: two at most, to replace one without an outage."`
	Registration clientRegistration `cmd:"" help:"Read by which initial access token an app registered itself."`
	Override     clientOverride     `cmd:"" help:"A client's own MFA policy."`
}

type clientList struct{ listing }

// Run lists clients.
func (c clientList) Run(r *remote) error {
	return r.list("/clients", "clients", c.listing, struct{}{}, "id", "name", "kind", "populations", "roles", "scopes", "secrets", "version")
}

// app is the argument of commands that are about one client. A flag --client-id is
// who asks.
type app struct {
	Client string `arg:"" help:"client_id." json:"-"`
}

func (a app) at(below ...string) string {
	return apiclient.At(append([]string{"clients", a.Client}, below...)...)
}

type clientShow struct{ app }

// Run shows a client.
func (c clientShow) Run(r *remote) error { return r.do(http.MethodGet, c.at(), nil) }

type clientCreate struct {
	described

	Name string `help:"Name that people read." required:"" json:"name"`
	Kind string `help:"web, spa, native, service or api." enum:"web,spa,native,service,api" default:"web" json:"kind"`
	ID   string `help:"client_id to give it, such as that of an older provider; else one is made." placeholder:"ID" json:"id,omitempty"`

	SecretFile string `help:"File with a secret to give it: at least 256 random bits as base64url; else one is made." name:"secret-file" placeholder:"FILE" json:"-"`
}

// Run adds a client.
func (c clientCreate) Run(r *remote) error {
	body, err := c.onto(c)
	if err == nil && c.SecretFile != "" {
		var secret string
		secret, err = secretIn(c.SecretFile)
		body["secret"], _ = json.Marshal(secret) // a text always marshals
	}
	if err != nil {
		return err
	}
	return r.do(http.MethodPost, "/clients", body)
}

type clientEdit struct {
	app
	versioned
	described
}

// Run changes a client.
func (c clientEdit) Run(r *remote) error {
	body, err := c.onto(c)
	if err != nil {
		return err
	}
	return r.change(c.versioned, change{
		read: c.at(), method: http.MethodPut, write: c.at(), body: body,
		whole: true, except: []string{"id", "kind", "secrets", "created_at", "version"},
	})
}

type clientDelete struct {
	app
	versioned
	because
}

// Run deletes a client.
func (c clientDelete) Run(r *remote) error {
	return r.change(c.versioned, change{read: c.at(), method: http.MethodDelete, write: c.at(), body: c})
}

type clientSecret struct {
	List   clientSecretList   `cmd:"" help:"See when each was made, last used and ends, the oldest first."`
	Add    clientSecretAdd    `cmd:"" help:"Add a second secret. It is printed this once."`
	Remove clientSecretRemove `cmd:"" help:"Remove a secret; the last one stays."`
}

type clientSecretList struct{ app }

// Run lists what is known of a client's secrets.
func (c clientSecretList) Run(r *remote) error { return r.do(http.MethodGet, c.at("secrets"), nil) }

type clientSecretAdd struct{ app }

// Run adds a secret.
func (c clientSecretAdd) Run(r *remote) error { return r.do(http.MethodPost, c.at("secrets"), nil) }

type clientSecretRemove struct {
	app

	Index string `arg:"" help:"0 for the older secret, 1 for the newer."`
}

// Run removes a secret.
func (c clientSecretRemove) Run(r *remote) error {
	return r.do(http.MethodDelete, c.at("secrets", c.Index), nil)
}

type clientOverride struct {
	Show    overrideShow    `cmd:"" help:"Read a client's own MFA policy."`
	Preview overridePreview `cmd:"" help:"Count whom a change of it would concern; changes nothing."`
	Set     overrideSet     `cmd:"" help:"Change a client's own MFA policy."`
}

type overrideShow struct{ app }

// Run shows an override.
func (c overrideShow) Run(r *remote) error { return r.do(http.MethodGet, c.at("mfa-override"), nil) }

// overrideSettings are the whole of an override.
type overrideSettings struct {
	Mode      string `help:"inherit, off or required." enum:"inherit,off,required" required:"" json:"mode"`
	MinACR    string `help:"With required: the least acr." name:"min-acr" json:"min_acr,omitempty"`
	Federated bool   `help:"With required: ask it of federated sign-ins too." name:"also-federated" json:"federated,omitempty"`
}

type overridePreview struct {
	app
	overrideSettings
}

// Run previews an override.
func (c overridePreview) Run(r *remote) error {
	return r.do(http.MethodPost, c.at("mfa-override", "preview"), c)
}

type overrideSet struct {
	app
	versioned
	overrideSettings
	applying
}

// Run changes an override.
func (c overrideSet) Run(r *remote) error {
	at := c.at("mfa-override")
	return r.change(c.versioned, change{read: at, method: http.MethodPut, write: at, body: c})
}
