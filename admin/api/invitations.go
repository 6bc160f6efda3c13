package api

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"gatehouse/idp"
	"gatehouse/idp/manage"
)

func invitationOf(e manage.InvitationEntry) Invitation {
	return Invitation{
		ID: e.ID, Population: e.PopulationID, Email: e.Email, Name: e.Name, Locale: e.Locale, Roles: full(e.Roles),
		SentAt: e.SentAt, ExpiresAt: e.ExpiresAt, Expired: e.Expired(idp.Now()),
	}
}

// ListInvitations implements ServerInterface.
func (h handlers) ListInvitations(c *gin.Context, params ListInvitationsParams) {
	h.do(c, func(v *call) error {
		list, next, err := v.manage.Invitations(v.ctx, v.actor, manage.InvitationQuery{
			Population: or(params.Population), After: manage.Cursor(or(params.After)), Limit: or(params.Limit),
		})
		if err != nil {
			return err
		}
		return v.json(http.StatusOK, InvitationList{Invitations: each(list, invitationOf), Next: nextOf(next)})
	})
}

// CreateInvitation implements ServerInterface.
func (h handlers) CreateInvitation(c *gin.Context) {
	h.do(c, func(v *call) error {
		n, err := read[NewInvitation](v)
		if err != nil {
			return err
		}
		e, err := v.manage.Invite(v.ctx, v.actor, manage.Invitation{
			Population: n.Population, Email: n.Email, Name: or(n.Name), Locale: or(n.Locale), Roles: or(n.Roles),
		})
		if err != nil {
			return err
		}
		v.Header("Location", v.Request.URL.Path+"/"+e.ID)
		return v.json(http.StatusCreated, invitationOf(e))
	})
}

// GetInvitation implements ServerInterface.
func (h handlers) GetInvitation(c *gin.Context, id InvitationID) {
	h.do(c, func(v *call) error {
		e, err := v.manage.Invitation(v.ctx, v.actor, id)
		if err != nil {
			return err
		}
		return v.json(http.StatusOK, invitationOf(e))
	})
}

// ResendInvitation implements ServerInterface.
func (h handlers) ResendInvitation(c *gin.Context, id InvitationID) {
	h.do(c, func(v *call) error {
		e, err := v.manage.ResendInvitation(v.ctx, v.actor, id)
		if err != nil {
			return err
		}
		return v.json(http.StatusOK, invitationOf(e))
	})
}

// RevokeInvitation implements ServerInterface.
func (h handlers) RevokeInvitation(c *gin.Context, id InvitationID) {
	h.do(c, func(v *call) error {
		if err := v.manage.RevokeInvitation(v.ctx, v.actor, id); err != nil {
			return err
		}
		return v.done()
	})
}

// SaveRegistration implements ServerInterface.
func (h handlers) SaveRegistration(c *gin.Context, id PopulationID, params SaveRegistrationParams) {
	h.do(c, func(v *call) error {
		change, err := changeOf(v, id, params.IfMatch, manage.RegistrationFields())
		if err != nil {
			return err
		}
		e, err := v.manage.SaveRegistration(v.ctx, v.actor, change)
		if err != nil {
			return stale(err)
		}
		return v.versioned(http.StatusOK, e.Version, populationOf(e))
	})
}
