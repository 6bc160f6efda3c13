package main

import (
	"net/http"

	"gatehouse/admin/apiclient"
)

type roleCommand struct {
	connection

	List   roleList   `cmd:"" help:"List roles."`
	Show   roleShow   `cmd:"" help:"Read a role."`
	Create roleCreate `cmd:"" help:"Add a role."`
	Edit   roleEdit   `cmd:"" help:"Change a role, for everybody who holds it; what is left out stays."`
	Delete roleDelete `cmd:"" help:"Delete a role that nobody holds."`
}

type roleList struct{}

// Run lists roles.
func (roleList) Run(r *remote) error {
	return r.all("/roles", "roles", struct{}{}, "id", "name", "system", "holders", "version", "permissions")
}

// named is the argument of commands that are about one role.
type named struct {
	Role string `arg:"" help:"Id or name of the role." json:"-"`
}

func (n named) at(r *remote) (string, error) {
	ids, err := r.rolesNamed([]string{n.Role})
	if err != nil {
		return "", err
	}
	return apiclient.At("roles", ids[0]), nil
}

type roleShow struct{ named }

// Run shows a role.
func (c roleShow) Run(r *remote) error {
	at, err := c.at(r)
	if err != nil {
		return err
	}
	return r.do(http.MethodGet, at, nil)
}

type roleCreate struct {
	because

	Name       string   `help:"Name." required:"" json:"name"`
	Permission []string `help:"Permissions, such as users.manage." json:"permissions"`
}

// Run adds a role.
func (c roleCreate) Run(r *remote) error {
	c.Permission = append([]string{}, c.Permission...)
	return r.do(http.MethodPost, "/roles", c)
}

type roleEdit struct {
	named
	versioned
	because

	Name       *string  `help:"Name." json:"name,omitempty"`
	Permission []string `help:"All its permissions from now on; empty for none." json:"permissions,omitzero"`
}

// Run changes a role.
func (c roleEdit) Run(r *remote) error {
	at, err := c.at(r)
	if err != nil {
		return err
	}
	return r.change(c.versioned, change{
		read: at, method: http.MethodPut, write: at, body: c,
		whole: true, except: []string{"id", "system", "holders", "version"},
	})
}

type roleDelete struct {
	named
	versioned
	because
}

// Run deletes a role.
func (c roleDelete) Run(r *remote) error {
	at, err := c.at(r)
	if err != nil {
		return err
	}
	return r.change(c.versioned, change{read: at, method: http.MethodDelete, write: at, body: c})
}
