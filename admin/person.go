package admin

import (
	"context"
	"errors"
	"net/http"
	"strconv"

	"gatehouse/idp"
	"gatehouse/idp/manage/authz"
	"gatehouse/idp/manage/factors"
	"gatehouse/idp/manage/people"
	"gatehouse/idp/manage/system"
	"gatehouse/mfa"
	"gatehouse/ui"
)

// historyLength is how many events the page of a person shows.
const historyLength = 50

// personNamed is the one that the address names.
func (v *visit) personNamed() (people.UserDetail, error) {
	return v.console.Manage.People.UserDetail(v.Request.Context(), v.actor, v.Param("id"))
}

// displayName is the person's name, else their address.
func displayName(d people.UserDetail) string {
	if d.Name != "" {
		return d.Name
	}
	return d.Email
}

// canDoTo tells whether the viewer may do an operation to a person.
func (v *visit) canDoTo(op string, d people.UserDetail) bool { return v.actor.CanDoTo(op, d.Person) }

// canRecover tells the same of an operation that concerns the person's second step.
func (v *visit) canRecover(op string, d people.UserDetail) bool {
	return v.canDoTo(op, d) && v.actor.Can(authz.ResetPermission(d.PopulationID))
}

// isViewer tells whether the viewer looks at themselves.
func (v *visit) isViewer(d people.UserDetail) bool { return d.ID == v.actor.UserID }

// The tabs of a person's page, by what their addresses add to the person's. What becomes of
// the account is on the first.
const (
	profileTab  = ""
	signInTab   = "/sign-in"
	sessionsTab = "/sessions"
	historyTab  = "/history"
)

// personTab is a tab of a person's page.
func personTab(tab string) func(v *visit) error {
	return func(v *visit) error {
		d, err := v.personNamed()
		if err != nil {
			return err
		}
		if !v.canOpen(tab) {
			return authz.ErrForbidden
		}
		return v.renderPerson(http.StatusOK, d, tab, nil)
	}
}

// canOpen tells whether a tab is there for the viewer.
func (v *visit) canOpen(tab string) bool {
	switch tab {
	case sessionsTab:
		return v.actor.CanDo("ListSessions")
	case historyTab:
		return v.actor.CanDo("Audit")
	}
	return true
}

func (v *visit) personTabs(d people.UserDetail, current string) (list []ui.NavItem) {
	for _, tab := range []struct {
		path  string
		label ui.Key
	}{
		{profileTab, "console.person.profile_tab"},
		{signInTab, "console.person.sign_in_tab"},
		{sessionsTab, "console.person.sessions_tab"},
		{historyTab, "console.person.history"},
	} {
		if v.canOpen(tab.path) {
			list = append(list, ui.NavItem{Label: v.text(tab.label), URL: v.path("/people/" + d.ID + tab.path), Current: current == tab.path})
		}
	}
	return list
}

// personFrame is the frame of a person's pages: back to the list, and on those below
// the page of the person to that.
func (v *visit) personFrame(d people.UserDetail, below bool) (ui.Console, error) {
	frame, err := v.frame(v.Request.Context(), "/people")
	frame.Crumbs = []ui.Link{{Label: v.text("console.nav.people"), URL: peopleList{population: d.PopulationID}.url(v)}}
	if below {
		frame.Crumbs = append(frame.Crumbs, ui.Link{Label: displayName(d), URL: v.path("/people/" + d.ID)})
	}
	return frame, err
}

// renderPerson shows a tab of a person, with what could not be done.
func (v *visit) renderPerson(status int, d people.UserDetail, tab string, alert *ui.Message) error {
	ctx := v.Request.Context()
	frame, err := v.personFrame(d, false)
	if err != nil {
		return err
	}
	frame.Alert, frame.Tabs = alert, v.personTabs(d, tab)
	page := ui.ConsolePerson{Console: frame, Name: d.Name, Email: d.Email, Disabled: d.Disabled}
	switch tab {
	case signInTab:
		page.Tab = ui.PersonSignIn
		err = v.methodsOf(&page, d)
	case sessionsTab:
		page.Tab = ui.PersonSessions
		err = v.sessionsOf(ctx, &page, d)
	case historyTab:
		page.Tab = ui.PersonHistory
		err = v.historyOf(ctx, &page, d)
	default:
		page.Tab = ui.PersonProfile
		err = v.profileOf(ctx, &page, d)
	}
	if err != nil {
		return err
	}
	return v.render(status, page)
}

// actionOn adds to a person's page what can be done on a page of its own.
func (v *visit) actionOn(page *ui.ConsolePerson, d people.UserDetail, may bool, name, path string, danger bool) {
	if may {
		label, hint := ui.Key("console.action."+name), ui.Key("console.action."+name+"_hint")
		page.Actions = append(page.Actions, ui.PersonAction{
			Label: *label.With(), Hint: *hint.With(), URL: v.path("/people/" + d.ID + path), Danger: danger,
		})
	}
}

// profileOf fills in who a person is, what they may, and what can become of the account.
func (v *visit) profileOf(ctx context.Context, page *ui.ConsolePerson, d people.UserDetail) error {
	population, err := v.console.Store.Population(ctx, d.PopulationID)
	if err != nil {
		return err
	}
	page.PopulationName, page.Language, page.CreatedAt = v.populationName(population), d.Locale, d.CreatedAt
	for _, r := range d.Roles {
		page.Roles = append(page.Roles, r.Name)
	}
	changes := v.canDoTo("UpdateUser", d)
	if changes {
		page.EditURL = v.path("/people/" + d.ID + "/edit")
	}
	if v.canDoTo("SetRoles", d) {
		page.RolesURL = v.path("/people/" + d.ID + "/roles")
	}
	others := !v.isViewer(d)
	v.actionOn(page, d, others && d.Disabled && changes, "enable", "/state", false)
	v.actionOn(page, d, others && !d.Disabled && changes, "disable", "/state", true)
	v.actionOn(page, d, others && v.canDoTo("AnonymiseUser", d), "anonymise", "/anonymise", true)
	v.actionOn(page, d, others && v.canDoTo("DeleteUser", d), "delete", "/delete", true)
	return nil
}

// methodsOf fills in how a person signs in.
func (v *visit) methodsOf(page *ui.ConsolePerson, d people.UserDetail) error {
	page.PasswordSet, page.PasswordSetAt, page.Unproved, page.Recovery = d.PasswordSet, d.PasswordChangedAt, !d.UnprovedAt.IsZero(), v.recoveryFacts(d)
	for _, f := range d.Factors {
		page.Factors = append(page.Factors, v.factorRow(d, f))
	}
	if v.canRecover("ResetMFA", d) && (len(d.Factors) > 0 || d.Recovery != nil) {
		page.ResetURL = v.path("/people/" + d.ID + "/reset-mfa")
	}
	v.actionOn(page, d, v.canDoTo("SetPassword", d), "password", "/password", false)
	v.actionOn(page, d, v.canDoTo("ClearThrottle", d), "throttle", "/end-pause", false)
	return v.accountsOf(page, d)
}

func (v *visit) factorRow(d people.UserDetail, f idp.Factor) ui.FactorRow {
	row := ui.FactorRow{Label: factorLabel(f), CreatedAt: f.CreatedAt, LastUsedAt: f.LastUsedAt, DisabledAt: f.DisabledAt}
	if !f.DisabledAt.IsZero() && v.canRecover("EnableFactor", d) {
		row.EnableURL = v.path("/people/" + d.ID + "/enable-factor/" + f.ID)
	}
	return row
}

func factorLabel(f idp.Factor) ui.Message {
	if f.Name != "" {
		return *ui.MethodKey("console.person.factor_named.", string(f.Method)).With(f.Name)
	}
	return *ui.MethodKey("console.person.factor.", string(f.Method)).With()
}

func (v *visit) recoveryFacts(d people.UserDetail) *ui.RecoveryFacts {
	if d.Recovery == nil {
		return nil
	}
	facts := &ui.RecoveryFacts{
		GeneratedAt: d.Recovery.CreatedAt, SavedAt: d.Recovery.SavedAt, DisabledAt: d.Recovery.DisabledAt,
		Left: d.RecoveryLeft, AgainAt: d.RegenerateAt,
	}
	at := v.path("/people/" + d.ID)
	if v.canViewCodes(d) {
		facts.ViewURL = at + "/recovery-codes"
	}
	if v.canRecover("RegenerateRecoveryCodes", d) && d.RegenerateAt.IsZero() && len(mfa.Possessions(d.Factors)) > 0 {
		facts.RegenerateURL = at + "/new-codes"
	}
	if !facts.DisabledAt.IsZero() && v.canRecover("EnableFactor", d) {
		facts.EnableURL = at + "/enable-factor/" + d.Recovery.ID
	}
	return facts
}

// canViewCodes tells whether the viewer may see a person's recovery codes: an agent's only.
func (v *visit) canViewCodes(d people.UserDetail) bool {
	return d.PopulationID == idp.Agents && v.canRecover("ViewRecoveryCodes", d)
}

// sessionsOf fills in where a person is signed in.
func (v *visit) sessionsOf(ctx context.Context, page *ui.ConsolePerson, d people.UserDetail) error {
	if v.canDoTo("SignOut", d) && len(d.Sessions)+len(d.Kept) > 0 {
		page.SignOutURL = v.path("/people/" + d.ID + "/sign-out")
	}
	list, next, err := v.console.Manage.People.ListSessions(ctx, v.actor, people.SessionQuery{UserID: d.ID})
	if err != nil {
		return err
	}
	apps, err := v.clientNames()
	page.MoreSessions = next != ""
	for _, s := range list {
		row := ui.SessionRow{UserAgent: s.UserAgent, Address: s.Address, Since: s.CreatedAt, LastSeenAt: s.LastSeenAt}
		for _, id := range s.Clients {
			row.Apps = append(row.Apps, apps[id])
		}
		if v.canDoTo("EndSession", d) {
			row.EndURL = v.path("/people/" + d.ID + "/end-session/" + s.ID)
		}
		page.Sessions = append(page.Sessions, row)
	}
	for _, k := range d.Kept {
		row := ui.KeptRow{
			App: apps[k.ClientID], Scopes: k.Scopes, UserAgent: k.UserAgent, Address: k.Address, Since: k.CreatedAt, LastUsedAt: k.LastUsedAt,
		}
		if v.canDoTo("EndGrant", d) {
			row.EndURL = v.path("/people/" + d.ID + "/end-access/" + k.ID)
		}
		page.Kept = append(page.Kept, row)
	}
	for _, b := range d.Trusted {
		row := ui.TrustedRow{ID: b.ID, UserAgent: b.UserAgent, Address: b.Address, Since: b.CreatedAt, Until: b.Until(), LastUsedAt: b.LastUsedAt}
		if v.canDoTo("ForgetTrustedBrowser", d) {
			row.ForgetURL = v.path("/people/" + d.ID + "/forget-browser/" + b.ID)
		}
		page.Trusted = append(page.Trusted, row)
	}
	for _, c := range d.Consents {
		row := ui.ConsentRow{ID: c.ID, App: c.App.Name, Terms: c.Groups, Since: c.CreatedAt, ChangedAt: c.ChangedAt}
		if v.canDoTo("WithdrawConsent", d) {
			row.WithdrawURL = v.path("/people/" + d.ID + "/withdraw-consent/" + c.ID)
		}
		page.Consents = append(page.Consents, row)
	}
	return err
}

// historyOf fills in what happened to a person last.
func (v *visit) historyOf(ctx context.Context, page *ui.ConsolePerson, d people.UserDetail) error {
	events, _, err := v.console.Manage.System.Audit(ctx, v.actor, system.AuditQuery{UserID: d.ID, Limit: historyLength})
	if err != nil {
		return err
	}
	known := map[string]string{}
	for _, e := range events {
		by := ""
		if e.ActorID != d.ID && e.ActorID != "" {
			if by, err = v.personLabel(known, e.ActorID); err != nil {
				return err
			}
		}
		page.History = append(page.History, ui.HistoryRow{
			At: e.At, Kind: v.kindText(e.Kind), By: by, Reason: v.reasonText(e), UserAgent: e.UserAgent, Address: e.Address,
		})
	}
	return nil
}

// editable is the person that the address names, for a page that an operation is
// asked for on.
func (v *visit) editable(op string) (people.UserDetail, error) {
	d, err := v.personNamed()
	if err == nil && !v.canDoTo(op, d) {
		err = authz.ErrForbidden
	}
	return d, err
}

// personRoles is the form of a person's roles.
func (v *visit) personRoles() error {
	d, err := v.editable("SetRoles")
	if err != nil {
		return err
	}
	if !v.fresh() {
		return v.askFresh("/people/" + d.ID + "/roles")
	}
	return v.renderPersonRoles(http.StatusOK, d, roleIDs(d), ui.ConsolePersonRoles{})
}

func roleIDs(d people.UserDetail) (ids []string) {
	for _, r := range d.Roles {
		ids = append(ids, r.ID)
	}
	return ids
}

// renderPersonRoles shows a page that says what is wrong, with these roles ticked.
func (v *visit) renderPersonRoles(status int, d people.UserDetail, ticked []string, page ui.ConsolePersonRoles) error {
	frame, err := v.personFrame(d, true)
	if err != nil {
		return err
	}
	at := v.path("/people/" + d.ID)
	frame.Alert = page.Alert
	page.Console, page.Action, page.CancelURL, page.Version = frame, at+"/roles", at, d.Version
	page.PersonName, page.Reason, page.Told = displayName(d), v.PostForm("reason"), v.console.Manage.Mailer != nil
	if page.Roles, err = v.givable(ticked); err != nil {
		return err
	}
	return v.render(status, page)
}

// postPersonRoles gives a person the roles that are ticked, and no others.
func (v *visit) postPersonRoles() error {
	id, wanted := v.Param("id"), v.PostFormArray("roles")
	err := v.console.Manage.People.SetRoles(v.Request.Context(), v.actor, id, v.seenVersion(), wanted, v.PostForm("reason"))
	if err == nil {
		return v.done("/people/"+id, "console.done.roles_saved")
	}
	invalid, stale, last := errors.Is(err, idp.ErrInvalid), errors.Is(err, idp.ErrConflict), errors.Is(err, idp.ErrLastAdmin)
	switch {
	case errors.Is(err, authz.ErrUnchanged):
		return v.done("/people/"+id, "console.done.unchanged")
	case errors.Is(err, authz.ErrStepUp):
		return v.askFresh("/people/" + id + "/roles")
	case !invalid && !stale && !last:
		return err
	}
	wrong := err
	d, err := v.editable("SetRoles")
	if err != nil {
		return err
	}
	var page ui.ConsolePersonRoles
	switch {
	case stale:
		page.Alert = ui.Key("error.stale").With()
		return v.renderPersonRoles(http.StatusConflict, d, roleIDs(d), page)
	case last:
		page.RolesError = ui.Key("console.person.last_admin").With()
		return v.renderPersonRoles(http.StatusConflict, d, roleIDs(d), page)
	default:
		placeError(wrong, map[string]**ui.Message{"reason": &page.ReasonError}, &page.RolesError)
	}
	d.Version = v.seenVersion() // the one that was seen
	return v.renderPersonRoles(http.StatusUnprocessableEntity, d, wanted, page)
}

// askPassword is the form of a new password for a person.
func (v *visit) askPassword() error {
	d, err := v.editable("SetPassword")
	if err != nil {
		return err
	}
	if !v.fresh() {
		return v.askFresh("/people/" + d.ID + "/password")
	}
	return v.renderPassword(http.StatusOK, d, nil)
}

func (v *visit) renderPassword(status int, d people.UserDetail, wrong error) error {
	frame, err := v.personFrame(d, true)
	if err != nil {
		return err
	}
	at := v.path("/people/" + d.ID)
	page := ui.ConsolePersonPassword{
		Console: frame, Action: at + "/password", CancelURL: at + signInTab, PersonName: displayName(d), Reason: v.PostForm("reason"),
		Consequences: v.andTold(v.sessionsEnd(d)),
	}
	placeError(wrong, map[string]**ui.Message{"password": &page.PasswordError, "reason": &page.ReasonError}, &page.Alert)
	return v.render(status, page)
}

// postPassword sets a person's password.
func (v *visit) postPassword() error {
	id := v.Param("id")
	err := v.console.Manage.People.SetPassword(v.Request.Context(), v.actor, id, v.PostForm("password"), v.PostForm("reason"))
	switch {
	case err == nil:
		return v.done("/people/"+id+signInTab, "console.done.password_set")
	case errors.Is(err, authz.ErrStepUp):
		return v.askFresh("/people/" + id + "/password")
	case !errors.Is(err, idp.ErrInvalid):
		return err
	}
	d, found := v.editable("SetPassword")
	if found != nil {
		return found
	}
	return v.renderPassword(http.StatusUnprocessableEntity, d, err)
}

// versionField tells a form which version was seen.
func versionField(version int64) ui.Field {
	return ui.Field{Name: "version", Value: strconv.FormatInt(version, 10)}
}

// refusedFor shows a tab of the person as they are, with why an operation was not carried
// out; what has no such words is returned.
func (v *visit) refusedFor(tab string, err error) error {
	var soon *factors.TooSoonError
	var alert *ui.Message
	switch {
	case errors.As(err, &soon):
		alert = ui.Key("console.person.too_soon").With(soon.At)
	case errors.Is(err, idp.ErrLastAdmin):
		alert = ui.Key("console.person.last_admin").With()
	case errors.Is(err, idp.ErrConflict):
		alert = ui.Key("error.stale").With()
	default:
		return err
	}
	d, found := v.personNamed()
	if found != nil {
		return found
	}
	return v.renderPerson(http.StatusConflict, d, tab, alert)
}
