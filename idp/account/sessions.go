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

// eventTexts are what of the audit log concerns a person, in plain words. What is
// missing is how the rest works, and says nothing to them.
var eventTexts = map[idp.AuditKind]ui.Key{
	idp.AuditSignedIn: "account.event.signed_in", idp.AuditSignedOut: "account.event.signed_out", idp.AuditSteppedUp: "account.event.stepped_up",
	idp.AuditPasswordRefused: "account.event.password_refused", idp.AuditPasswordThrottled: "account.event.password_throttled",
	idp.AuditCodeRefused: "account.event.code_refused", idp.AuditCodeReplayed: "account.event.code_replayed",
	idp.AuditCodeThrottled: "account.event.code_throttled", idp.AuditRecoveryThrottled: "account.event.code_throttled",
	idp.AuditEmailThrottled: "account.event.code_throttled", idp.AuditFactorEnrolled: "account.event.factor_enrolled",
	idp.AuditFactorDisabled: "account.event.factor_disabled", idp.AuditFactorEnabled: "account.event.factor_enabled",
	idp.AuditFactorRemoved: "account.event.factor_removed", idp.AuditFactorRenamed: "account.event.factor_renamed",
	idp.AuditRecoveryGenerated: "account.event.recovery_generated", idp.AuditRecoverySaved: "account.event.recovery_saved",
	idp.AuditRecoveryUsed: "account.event.recovery_used", idp.AuditRecoveryRefused: "account.event.recovery_refused",
	idp.AuditRecoveryViewed: "account.event.recovery_viewed", idp.AuditEmailSent: "account.event.email_sent",
	idp.AuditEmailRefused: "account.event.email_refused", idp.AuditMFAReset: "account.event.mfa_reset",
	idp.AuditPasswordChanged: "account.event.password_changed", idp.AuditNewBrowser: "account.event.new_browser",
	idp.AuditEmailAsked: "account.event.email_asked", idp.AuditEmailDropped: "account.event.email_dropped",
	idp.AuditDataTaken: "account.event.data_taken", idp.AuditUserCreated: "account.event.user_created",
	idp.AuditUserChanged: "account.event.user_changed", idp.AuditUserDisabled: "account.event.user_disabled",
	idp.AuditGrantEnded: "account.event.grant_ended", idp.AuditUserEnabled: "account.event.user_enabled", idp.AuditRolesChanged: "account.event.roles_changed",
}

// activity lists what happened to the account.
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
		what, ok := eventTexts[e.Kind]
		if !ok {
			continue
		}
		if e.Kind == idp.AuditUserChanged && slices.Contains(strings.Fields(e.Detail["changed"]), "email") {
			what = "account.event.email_changed"
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
