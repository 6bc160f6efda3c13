package api

import (
	"time"

	"gatehouse/idp"
	"gatehouse/idp/manage/links"
)

func invitationOperations() []operation {
	const of = "/invitations/{invitation_id}"
	return []operation{
		{ID: "listInvitations", Route: "GET /invitations", Manage: "Invitations", Query: "population after limit", Answer: list{"invitations", Invitation{}}, run: listInvitations},
		{ID: "createInvitation", Route: "POST /invitations", Manage: "Invite", Body: NewInvitation{}, Answer: Invitation{}, Created: true, Taken: "email", Waits: true, run: with(createInvitation)},
		{ID: "getInvitation", Route: "GET " + of, Manage: "Invitation", Answer: Invitation{}, run: getInvitation},
		{ID: "revokeInvitation", Route: "DELETE " + of, Manage: "RevokeInvitation", run: revokeInvitation},
		{ID: "resendInvitation", Route: "POST " + of + "/resend", Manage: "ResendInvitation", Answer: Invitation{}, Waits: true, run: resendInvitation},
	}
}

// NewInvitation is who is invited.
type NewInvitation struct {
	Population string   `json:"population" is:"ID"`
	Email      string   `json:"email" is:"Email"`
	Name       string   `json:"name,omitempty" is:"Line"`
	Locale     string   `json:"locale,omitempty" is:"Locale"`
	Roles      []string `json:"roles,omitempty" is:"IDs"`
}

// Invitation is one that was not accepted yet.
type Invitation struct {
	ID         string    `json:"id"`
	Population string    `json:"population"`
	Email      string    `json:"email"`
	Name       string    `json:"name"`
	Locale     string    `json:"locale"`
	Roles      []string  `json:"roles"`
	SentAt     time.Time `json:"sent_at"`
	ExpiresAt  time.Time `json:"expires_at"`
	Expired    bool      `json:"expired"`
	Lost       bool      `json:"lost"`
}

func invitationOf(e links.InvitationEntry) Invitation {
	return Invitation{
		ID: e.ID, Population: e.PopulationID, Email: e.Email, Name: e.Name, Locale: e.Locale, Roles: full(e.Roles),
		SentAt: e.SentAt, ExpiresAt: e.ExpiresAt, Expired: e.Expired(idp.Now()), Lost: e.Lost,
	}
}

func listInvitations(v *call) (any, error) {
	after, limit := v.page()
	all, next, err := v.manage.Links.Invitations(v.ctx, v.actor, links.InvitationQuery{Population: v.Query("population"), After: after, Limit: limit})
	if err != nil {
		return nil, err
	}
	return rows(v, all, next, invitationOf), nil
}

func createInvitation(v *call, n NewInvitation) (any, error) {
	e, err := v.manage.Links.Invite(v.ctx, v.actor, links.Invitation{
		Population: n.Population, Email: n.Email, Name: n.Name, Locale: n.Locale, Roles: n.Roles,
	})
	if err != nil {
		return nil, err
	}
	return v.made(e.ID, 0, invitationOf(e)), nil
}

func getInvitation(v *call) (any, error) {
	e, err := v.manage.Links.Invitation(v.ctx, v.actor, v.Param("invitation_id"))
	return invitationOf(e), err
}

func resendInvitation(v *call) (any, error) {
	e, err := v.manage.Links.ResendInvitation(v.ctx, v.actor, v.Param("invitation_id"))
	return invitationOf(e), err
}

func revokeInvitation(v *call) (any, error) {
	return nil, v.manage.Links.RevokeInvitation(v.ctx, v.actor, v.Param("invitation_id"))
}
