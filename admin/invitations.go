package admin

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"gatehouse/idp"
	"gatehouse/idp/manage/authz"
	"gatehouse/idp/manage/entry"
	"gatehouse/idp/manage/links"
	"gatehouse/idp/manage/roles"
	"gatehouse/idp/web"
	"gatehouse/ui"
)

// invitationsDone is what the pages of invitations may say was done.
func invitationsDone() []ui.Key {
	return []ui.Key{"console.done.invited", "console.done.invitation_resent", "console.done.invitation_revoked"}
}

// canInvite tells whether the viewer can invite anybody now.
func (v *visit) canInvite() bool { return v.actor.CanDo("Invite") && v.console.Manage.Mailer != nil }

func (v *visit) inviteURL(population string) string {
	if !v.canInvite() {
		return ""
	}
	return v.path("/people/invite?population=" + url.QueryEscape(population))
}

func (v *visit) invitationsURL(population string, after entry.Cursor) string {
	q := url.Values{"population": {population}}
	if after != "" {
		q.Set("after", string(after))
	}
	return v.path("/people/invitations?" + q.Encode())
}

// toInvitations goes to the list, and says there what was done.
func (v *visit) toInvitations(population string, what ui.Key) error {
	return web.Redirect(v.Context, v.invitationsURL(population, "")+"&done="+strings.TrimPrefix(string(what), "console.done."))
}

// invitations lists those of a population that were not accepted yet.
func (v *visit) invitations() error { return v.renderInvitations(http.StatusOK, nil) }

func (v *visit) renderInvitations(status int, alert *ui.Message) error {
	if err := v.authorize("Invitations"); err != nil {
		return err
	}
	ctx := v.Request.Context()
	populations, current, err := v.shown()
	if err != nil {
		return err
	}
	query := links.InvitationQuery{Population: current.ID, After: entry.Cursor(v.Query("after"))}
	list, next, err := v.console.Manage.Links.Invitations(ctx, v.actor, query)
	if err != nil {
		return badPage(err)
	}
	frame, err := v.frame(ctx, "/people")
	if err != nil {
		return err
	}
	frame.Alert = alert
	for _, p := range populations {
		frame.Tabs = append(frame.Tabs, ui.NavItem{Label: v.populationName(p), URL: v.invitationsURL(p.ID, ""), Current: p.ID == current.ID})
	}
	page := ui.ConsoleInvitations{Console: frame, Filters: v.filters(peopleList{population: current.ID}, current, true), InviteURL: v.inviteURL(current.ID)}
	if query.After != "" {
		page.StartURL = v.invitationsURL(current.ID, "")
	}
	if next != "" {
		page.NextURL = v.invitationsURL(current.ID, next)
	}
	if page.Invitations, err = v.invitationRows(list); err != nil {
		return err
	}
	return v.render(status, page)
}

func (v *visit) invitationRows(list []links.InvitationEntry) ([]ui.InvitationRow, error) {
	all, err := v.console.Manage.Roles.Roles(v.Request.Context(), v.actor)
	if err != nil {
		return nil, err
	}
	known := map[string]roles.RoleEntry{}
	for _, r := range all {
		known[r.ID] = r
	}
	rows := make([]ui.InvitationRow, len(list))
	for i, e := range list {
		row := ui.InvitationRow{Name: e.Name, Email: e.Email, SentAt: e.SentAt, ExpiresAt: e.ExpiresAt, Expired: e.Expired(idp.Now()), Lost: e.Lost}
		var permissions []string
		for _, id := range e.Roles {
			if r, there := known[id]; there {
				row.Roles = append(row.Roles, r.Name)
				permissions = append(permissions, r.Permissions...)
			}
		}
		if len(permissions) == 0 || v.actor.CanDo("SetRoles") && v.actor.CanAll(permissions) {
			row.RevokeForm = v.path("/people/invitations/" + e.ID + "/revoke")
			if v.canInvite() && !e.Lost {
				row.ResendAction = v.path("/people/invitations/" + e.ID + "/resend")
			}
		}
		rows[i] = row
	}
	return rows, nil
}

// postResend sends an invitation again.
func (v *visit) postResend() error {
	e, err := v.console.Manage.Links.ResendInvitation(v.Request.Context(), v.actor, v.Param("id"))
	return v.invitationDone(e.PopulationID, "console.done.invitation_resent", err)
}

// postRevoke takes an invitation back.
func (v *visit) postRevoke() error {
	// For the page to return to, if it is the viewer's to see.
	e, err := v.console.Manage.Links.Invitation(v.Request.Context(), v.actor, v.Param("id"))
	if err == nil || errors.Is(err, authz.ErrForbidden) {
		err = v.console.Manage.Links.RevokeInvitation(v.Request.Context(), v.actor, v.Param("id"))
	}
	return v.invitationDone(e.PopulationID, "console.done.invitation_revoked", err)
}

func (v *visit) invitationDone(population string, what ui.Key, err error) error {
	switch {
	case errors.Is(err, idp.ErrNotFound):
		return v.renderInvitations(http.StatusConflict, ui.Key("console.invitations.gone").With())
	case errors.Is(err, idp.ErrInvalid):
		return v.renderInvitations(http.StatusConflict, web.Said(web.Wrong(err)[0]))
	case errors.Is(err, authz.ErrStepUp):
		return v.askFresh("/people/invitations")
	case err != nil:
		return err
	}
	return v.toInvitations(population, what)
}
