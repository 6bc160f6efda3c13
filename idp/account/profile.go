package account

import (
	"errors"
	"net/http"
	"slices"
	"strconv"

	"gatehouse/idp"
	"gatehouse/idp/manage/authz"
	"gatehouse/idp/manage/self"
	"gatehouse/mfa"
	"gatehouse/ui"
)

// overview is where people begin.
func (v *visit) overview() error {
	own, err := v.own()
	if err != nil {
		return err
	}
	sessions, err := v.pages.Manage.Self.OwnSessions(v.Request.Context(), v.self)
	if err != nil {
		return err
	}
	page := ui.AccountOverview{Console: v.frame(""), Elsewhere: v.elsewhere()}
	row := func(label ui.Key, at string, text ui.Key, args ...any) {
		page.Rows = append(page.Rows, ui.AccountRow{Label: *label.With(), Text: *text.With(args...), URL: v.path(at)})
	}
	if own.Name == "" {
		row("account.nav.profile", "/profile", "account.overview.no_name")
	} else {
		row("account.nav.profile", "/profile", "account.overview.value", own.Name)
	}
	if own.PendingEmail == "" {
		row("account.nav.email", "/email", "account.overview.value", own.Email)
	} else {
		row("account.nav.email", "/email", "account.overview.pending", own.Email)
	}
	if own.Local {
		page.Rows = append(page.Rows, v.protection(own)...)
	}
	row("account.nav.sessions", "/sessions", "account.overview.sessions", len(sessions))
	if v.signsInElsewhere() {
		list, err := v.pages.Identities.Of(v.Request.Context(), own.ID)
		if err != nil {
			return err
		}
		row("account.nav.microsoft", "/microsoft", "account.overview.microsoft", len(list))
	}
	if page.Apps, err = v.apps(); err != nil {
		return err
	}
	row("account.nav.activity", "/activity", "account.overview.activity")
	row("account.nav.data", "/data", "account.overview.data")
	return v.render(http.StatusOK, page)
}

// apps are those that the person can open.
func (v *visit) apps() (list []ui.Link, err error) {
	own, err := v.pages.Manage.Self.OwnApps(v.Request.Context(), v.viewer.Population.ID)
	for _, app := range own {
		list = append(list, ui.Link{Label: app.Name, URL: app.URL})
	}
	return list, err
}

// elsewhere says where password and second step live, where that is not here.
func (v *visit) elsewhere() *ui.Message {
	switch {
	case v.local():
		return nil
	case v.viewer.Population.Access.Password:
		return ui.Key("account.elsewhere_now").With()
	}
	return ui.Key("account.elsewhere").With()
}

// protection are the rows of password and second step.
func (v *visit) protection(own self.Own) []ui.AccountRow {
	password := ui.AccountRow{Label: *ui.Key("account.nav.password").With(), Text: *ui.Key("account.overview.password_set").With(), URL: v.path("/password")}
	if !own.PasswordChangedAt.IsZero() {
		password.Text = *ui.Key("account.overview.password").With(own.PasswordChangedAt)
	}
	apps := mfa.Possessions(own.Factors)
	rows := []ui.AccountRow{password, {
		Label: *ui.Key("account.nav.second").With(), Text: *ui.Key("account.overview.second").With(len(apps)), URL: v.path("/second-step"),
	}}
	if own.Recovery == nil {
		return rows
	}
	codes := ui.AccountRow{
		Label: *ui.Key("held.recovery").With(), Text: *ui.Key("account.overview.codes").With(own.RecoveryLeft), URL: v.path("/codes"),
	}
	switch {
	case own.Codes:
		codes.Hint = ui.Key("account.overview.codes_new").With()
	case own.RecoveryLeft <= mfa.RecoveryLow:
		codes.Hint = ui.Key("account.overview.codes_low").With()
	}
	return append(rows, codes)
}

// profile is the form of names, time zone and language.
func (v *visit) profile() error {
	own, err := v.own()
	if err != nil {
		return err
	}
	return v.renderProfile(http.StatusOK, own, profileOf(own), "", nil)
}

// profileOf is what the form shows at first.
func profileOf(own self.Own) self.OwnProfile {
	return self.OwnProfile{Name: own.Name, GivenName: own.GivenName, FamilyName: own.FamilyName, Zoneinfo: own.Zoneinfo, Locale: own.Locale}
}

// renderProfile shows the form with a message: at a field, or where that has no name above
// it.
func (v *visit) renderProfile(status int, own self.Own, p self.OwnProfile, field string, wrong *ui.Message) error {
	page := ui.AccountProfile{
		Console: v.frame("/profile"), Action: v.path("/profile"), Version: own.Version, Name: p.Name,
		NameFixed: !own.Population.Access.Password, GivenName: p.GivenName, FamilyName: p.FamilyName, Zoneinfo: p.Zoneinfo,
		Languages: []ui.Choice{{Label: v.text("account.profile.as_browser"), Chosen: p.Locale == ""}},
	}
	switch field {
	case "name":
		page.NameError = wrong
	case "given_name":
		page.GivenNameError = wrong
	case "family_name":
		page.FamilyNameError = wrong
	case "zoneinfo":
		page.ZoneinfoError = wrong
	default:
		page.Alert = wrong
	}
	known := v.pages.Web.Languages()
	for _, l := range known {
		page.Languages = append(page.Languages, ui.Choice{Value: l.URL, Label: l.Label, Chosen: l.URL == p.Locale})
	}
	// What an administrator or an import wrote stays what it is until the person picks
	// another.
	if p.Locale != "" && !slices.ContainsFunc(known, func(l ui.Link) bool { return l.URL == p.Locale }) {
		page.Languages = append(page.Languages, ui.Choice{Value: p.Locale, Label: p.Locale, Chosen: true})
	}
	return v.render(status, page)
}

// postProfile changes names, time zone and language.
func (v *visit) postProfile() error {
	own, err := v.own()
	if err != nil {
		return err
	}
	p := self.OwnProfile{
		Name: v.PostForm("name"), GivenName: v.PostForm("given_name"), FamilyName: v.PostForm("family_name"),
		Zoneinfo: v.PostForm("zoneinfo"), Locale: v.PostForm("locale"),
	}
	if !own.Population.Access.Password {
		p.Name, p.GivenName, p.FamilyName = own.Name, own.GivenName, own.FamilyName
	}
	seen, _ := strconv.ParseInt(v.PostForm("version"), 10, 64) // a broken one is stale
	err = v.pages.Manage.Self.SaveOwn(v.Request.Context(), v.self, seen, p)
	if err == nil {
		v.pages.Web.ForgetLanguage(v.Context)
		return v.done("/profile", "account.done.saved")
	}
	if errors.Is(err, authz.ErrUnchanged) {
		return v.done("/profile", "account.done.unchanged")
	}
	if errors.Is(err, idp.ErrConflict) {
		return v.renderProfile(http.StatusConflict, own, profileOf(own), "", ui.Key("error.stale").With())
	}
	field, text := fieldError(err)
	switch field {
	case "":
		return err
	case "locale":
		p.Locale = own.Locale
	}
	return v.renderProfile(http.StatusUnprocessableEntity, own, p, field, text)
}
