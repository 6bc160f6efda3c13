package main

import (
	"net/http"

	"gatehouse/admin/apiclient"
)

type userInvite struct{ newcomer }

// Run invites a person.
func (c userInvite) Run(r *remote) error {
	var err error
	if c.Role, err = r.rolesGiven(c.Role); err != nil {
		return err
	}
	return r.do(http.MethodPost, "/invitations", c)
}

type userInvitations struct {
	listing

	Population string `help:"Only to this population." json:"population,omitempty"`
}

// Run lists invitations.
func (c userInvitations) Run(r *remote) error {
	return r.list("/invitations", "invitations", c.listing, c, "id", "population", "email", "name", "roles", "sent_at", "expires_at", "expired")
}

type userInvitation struct {
	Show   invitationShow   `cmd:"" help:"Read an invitation."`
	Resend invitationResend `cmd:"" help:"Send it again with a new link; the previous one stops working."`
	Revoke invitationRevoke `cmd:"" help:"Take it back: its link stops working."`
}

// invited is the argument of commands that are about one invitation.
type invited struct {
	Invitation string `arg:"" help:"Id of the invitation." json:"-"`
}

func (i invited) at(below ...string) string {
	return apiclient.At(append([]string{"invitations", i.Invitation}, below...)...)
}

type invitationShow struct{ invited }

// Run shows an invitation.
func (c invitationShow) Run(r *remote) error { return r.do(http.MethodGet, c.at(), nil) }

type invitationResend struct{ invited }

// Run sends an invitation again.
func (c invitationResend) Run(r *remote) error { return r.do(http.MethodPost, c.at("resend"), nil) }

type invitationRevoke struct{ invited }

// Run takes an invitation back.
func (c invitationRevoke) Run(r *remote) error { return r.do(http.MethodDelete, c.at(), nil) }
