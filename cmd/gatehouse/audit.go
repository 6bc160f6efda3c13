package main

import (
	"net/http"

	"gatehouse/admin/apiclient"
)

type auditCommand struct {
	connection

	List   auditList   `cmd:"" help:"Read the audit log, newest first."`
	Export auditExport `cmd:"" help:"Write the audit log as JSON lines, whatever the output is."`
}

// concerning says which events.
type concerning struct {
	Kind       string `help:"Only events of this kind, such as policy.changed." json:"kind,omitempty"`
	User       string `help:"Only what concerns the person with this id." json:"user_id,omitempty"`
	Actor      string `help:"Only what the person or service with this id did." json:"actor_id,omitempty"`
	Client     string `help:"Only what concerns this client." json:"client_id,omitempty"`
	Population string `help:"Only what concerns this population." json:"population,omitempty"`
	From       string `help:"From this time on (RFC 3339)." placeholder:"TIME" json:"from,omitempty"`
	To         string `help:"Before this time (RFC 3339)." placeholder:"TIME" json:"to,omitempty"`
}

type auditList struct {
	listing
	concerning
}

// Run lists audit events.
func (c auditList) Run(r *remote) error {
	return r.list("/audit-events", "events", c.listing, c.concerning, "at", "kind", "actor_id", "detail.service", "user_id", "client_id", "population", "address", "detail.reason")
}

type auditExport struct{ concerning }

// Run exports audit events as they come.
func (c auditExport) Run(r *remote) error {
	q, err := queryOf(c.concerning)
	if err != nil {
		return err
	}
	return r.api.Copy(r.ctx, r.out, apiclient.Request{Method: http.MethodGet, Path: "/audit-events/export", Query: q})
}
