package main

import "net/http"

type userIdentities struct{ person }

// Run lists who a person is elsewhere.
func (c userIdentities) Run(r *remote) error {
	path, err := c.at(r, "identities")
	if err != nil {
		return err
	}
	return r.all(path, "identities", struct{}{}, "connection_id", "connection", "subject", "email", "created_at", "last_seen_at")
}

type userLink struct {
	reasonedAction

	Connection string `arg:"" help:"Id of the connection." json:"connection_id"`
	TenantID   string `help:"At Entra: the id of their organisation." name:"tenant-id" json:"tenant_id,omitempty"`
	ObjectID   string `help:"At Entra: their object id there." name:"object-id" json:"object_id,omitempty"`
	Subject    string `help:"At any other provider: their sub." json:"subject,omitempty"`
}

// Run links a person.
func (c userLink) Run(r *remote) error { return c.do(r, http.MethodPost, c, "identities") }

type userUnlink struct {
	reasonedAction

	Connection string `arg:"" help:"Id of the connection." json:"-"`
}

// Run unlinks a person.
func (c userUnlink) Run(r *remote) error {
	return c.do(r, http.MethodDelete, c, "identities", c.Connection)
}
