package account

import (
	"net/http"
	"slices"
	"strings"

	"gatehouse/idp"
	"gatehouse/idp/manage/entry"
	"gatehouse/idp/web"
	"gatehouse/ui"
)

// sessions lists where the viewer is signed in.
func (v *visit) sessions() error {
	list, err := v.pages.Manage.Self.OwnSessions(v.Request.Context(), v.self)
	if err != nil {
		return err
	}
	apps, err := v.appNames()
	if err != nil {
		return err
	}
	page := ui.AccountSessions{Console: v.frame("/sessions"), EndAction: v.path("/sessions/end")}
	for _, s := range list {
		row := ui.AccountSession{
			ID: s.ID, UserAgent: s.UserAgent, Address: s.Address, Since: s.CreatedAt, LastSeenAt: s.LastSeenAt, Present: s.ID == v.self.SessionID,
		}
		for _, id := range s.Clients {
			row.Apps = append(row.Apps, apps[id])
		}
		page.Sessions = append(page.Sessions, row)
	}
	if len(list) > 1 {
		page.OthersAction = v.path("/sessions/end-others")
	}
	if err := v.trusted(&page); err != nil {
		return err
	}
	kept, err := v.pages.Manage.Self.OwnGrants(v.Request.Context(), v.self)
	if err != nil {
		return err
	}
	page.EndAccessAction = v.path("/sessions/end-access")
	for _, k := range kept {
		page.Kept = append(page.Kept, ui.KeptRow{
			ID: k.ID, App: apps[k.ClientID], Scopes: k.Scopes, UserAgent: k.UserAgent, Address: k.Address, Since: k.CreatedAt, LastUsedAt: k.LastUsedAt,
		})
	}
	return v.render(http.StatusOK, page)
}

// appNames are the names of all apps by their ids.
func (v *visit) appNames() (map[string]string, error) {
	clients, err := v.pages.Store.Clients(v.Request.Context())
	names := map[string]string{}
	for _, c := range clients {
		names[c.ID] = c.Name
	}
	return names, err
}

// postEnd ends one session of the viewer.
func (v *visit) postEnd() error {
	if err := v.pages.Manage.Self.EndOwnSession(v.Request.Context(), v.self, v.PostForm("session")); err != nil {
		return err
	}
	return v.done("/sessions", "account.done.session_ended")
}

// postEndOthers ends all sessions of the viewer but this one.
func (v *visit) postEndOthers() error {
	if err := v.pages.Manage.Self.EndOtherSessions(v.Request.Context(), v.self, v.PostForm("offline") == "on"); err != nil {
		return err
	}
	return v.done("/sessions", "account.done.others_ended")
}

// postEndAccess ends the access that an app keeps of the viewer.
func (v *visit) postEndAccess() error {
	if err := v.pages.Manage.Self.EndOwnGrant(v.Request.Context(), v.self, v.PostForm("access")); err != nil {
		return err
	}
	return v.done("/sessions", "account.done.access_ended")
}

// activity lists what happened to the account. A kind of event that the catalogue lacks is
// how the rest works, and says nothing to its owner.
func (v *visit) activity() error {
	events, next, err := v.pages.Manage.Self.OwnActivity(v.Request.Context(), v.self, entry.Cursor(v.Query("after")))
	if field, _ := fieldError(err); field != "" {
		return web.BadForm(err)
	}
	if err != nil {
		return err
	}
	apps, err := v.appNames()
	if err != nil {
		return err
	}
	page := ui.AccountActivity{Console: v.frame("/activity")}
	for _, e := range events {
		what := ui.Key("account.event." + e.Kind)
		if v.text(what) == string(what) {
			continue
		}
		if e.Kind == idp.AuditUserChanged && slices.Contains(strings.Fields(e.Detail["changed"]), "email") {
			what = "account.event.user.email_changed"
		}
		row := ui.AccountEvent{At: e.At, What: *what.With(), Times: e.Times, LastAt: e.LastAt}
		if e.ActorID != "" && e.ActorID != e.UserID || e.Detail["by"] != "" && e.ActorID == "" || e.Detail["service"] != "" {
			row.ByAdmin = true // whose browser and address are not the person's to see
		} else {
			row.UserAgent, row.Address = e.UserAgent, e.Address
		}
		if !idp.OwnClient(e.ClientID) {
			row.App = apps[e.ClientID]
		}
		page.Events = append(page.Events, row)
	}
	if next != "" {
		page.NextURL = v.path("/activity") + "?after=" + string(next)
	}
	return v.render(http.StatusOK, page)
}
