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
	row("account.nav.activity", "/activity", "account.overview.activity")
	row("account.nav.data", "/data", "account.overview.data")
	return v.render(http.StatusOK, page)
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
		Label: *ui.Key("console.person.recovery").With(), Text: *ui.Key("account.overview.codes").With(own.RecoveryLeft), URL: v.path("/codes"),
	}
	switch {
	case own.Codes:
		codes.Hint = ui.Key("account.overview.codes_new").With()
	case own.RecoveryLeft <= mfa.RecoveryLow:
		codes.Hint = ui.Key("account.overview.codes_low").With()
	}
	return append(rows, codes)
}

// profile is the form of name and language.
func (v *visit) profile() error {
	own, err := v.own()
	if err != nil {
		return err
	}
	return v.renderProfile(http.StatusOK, own, own.Name, own.Locale, nil, nil)
}

func (v *visit) renderProfile(status int, own self.Own, name, locale string, nameError, alert *ui.Message) error {
	page := ui.AccountProfile{
		Console: v.frame("/profile"), Action: v.path("/profile"), Version: own.Version, Name: name, NameError: nameError,
		NameFixed: !own.Population.Access.Password,
		Languages: []ui.Choice{{Label: v.text("account.profile.as_browser"), Chosen: locale == ""}},
	}
	page.Alert = alert
	known := v.pages.Web.Languages()
	for _, l := range known {
		page.Languages = append(page.Languages, ui.Choice{Value: l.URL, Label: l.Label, Chosen: l.URL == locale})
	}
	// What an administrator or an import wrote stays what it is until somebody picks
	// another.
	if locale != "" && !slices.ContainsFunc(known, func(l ui.Link) bool { return l.URL == locale }) {
		page.Languages = append(page.Languages, ui.Choice{Value: locale, Label: locale, Chosen: true})
	}
	return v.render(status, page)
}

// postProfile changes name and language.
func (v *visit) postProfile() error {
	own, err := v.own()
	if err != nil {
		return err
	}
	name, locale := v.PostForm("name"), v.PostForm("locale")
	if !own.Population.Access.Password {
		name = own.Name
	}
	seen, _ := strconv.ParseInt(v.PostForm("version"), 10, 64) // a broken one is stale
	err = v.pages.Manage.Self.SaveOwn(v.Request.Context(), v.self, seen, name, locale)
	if err == nil {
		return v.done("/profile", "account.done.saved")
	}
	if errors.Is(err, authz.ErrUnchanged) {
		return v.done("/profile", "account.done.unchanged")
	}
	if errors.Is(err, idp.ErrConflict) {
		return v.renderProfile(http.StatusConflict, own, own.Name, own.Locale, nil, ui.Key("console.error.stale").With())
	}
	field, text := fieldError(err)
	switch field {
	case "":
		return err
	case "name":
		return v.renderProfile(http.StatusUnprocessableEntity, own, name, locale, text, nil)
	}
	return v.renderProfile(http.StatusUnprocessableEntity, own, name, own.Locale, nil, text)
}
