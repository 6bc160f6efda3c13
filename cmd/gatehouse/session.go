package main

import (
	"net/http"

	"gatehouse/admin/apiclient"
)

type sessionCommand struct {
	connection

	List sessionList `cmd:"" help:"List who is signed in, newest first."`
	End  sessionEnd  `cmd:"" help:"End a session."`
}

// sessionColumns are those of a table of sessions.
var sessionColumns = []string{"id", "email", "population", "methods", "address", "clients", "created_at", "last_seen_at"}

type sessionList struct {
	listing

	Population string `help:"Only of this population." json:"population,omitempty"`
	User       string `help:"Only of the person with this id." json:"user_id,omitempty"`
}

// Run lists living sessions.
func (c sessionList) Run(r *remote) error {
	return r.list("/sessions", "sessions", c.listing, c, sessionColumns...)
}

type sessionEnd struct {
	because

	Session string `arg:"" help:"Id of the session." json:"-"`
}

// Run ends a session.
func (c sessionEnd) Run(r *remote) error {
	return r.do(http.MethodDelete, apiclient.At("sessions", c.Session), c)
}
