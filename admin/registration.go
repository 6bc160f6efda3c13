package admin

import (
	"errors"
	"net/http"
	"strings"

	"gatehouse/idp"
	"gatehouse/idp/manage"
	"gatehouse/ui"
)

// registration is the page of who may make themselves an account.
func (v *visit) registration() error {
	now, err := v.registered()
	if err != nil {
		return err
	}
	return v.renderRegistration(http.StatusOK, now, now, nil, nil)
}

// registered is the population that the address names.
func (v *visit) registered() (manage.PopulationEntry, error) {
	if err := v.need("SaveRegistration"); err != nil {
		return manage.PopulationEntry{}, err
	}
	id := v.Param("population")
	if !identifier.MatchString(id) {
		return manage.PopulationEntry{}, idp.ErrNotFound
	}
	return v.console.Manage.Population(v.Request.Context(), v.actor, id)
}

// renderRegistration shows the rules as they stand, or as somebody wants them.
func (v *visit) renderRegistration(status int, now, wanted manage.PopulationEntry, wrong error, alert *ui.Message) error {
	frame, err := v.frame(v.Request.Context(), "/authentication/"+now.ID)
	if err != nil {
		return err
	}
	frame.Crumbs, frame.Tabs, frame.Alert = v.crumbs(), v.tabs(now.Population, "registration"), alert
	r := wanted.Registration
	page := ui.ConsoleRegistration{
		Console: frame, Action: v.path("/authentication/" + now.ID + "/registration"), PopulationName: populationLabel(now.Population),
		Version: now.Version, Open: r.Open, Allowed: strings.Join(r.Allowed, "\n"), Denied: strings.Join(r.Denied, "\n"),
		MailWorks: v.console.Manage.Mailer != nil, PasswordsWork: now.Access.Password,
	}
	placeError(wrong, map[string]**ui.Message{"open": &page.OpenError, "allowed": &page.AllowedError, "denied": &page.DeniedError}, &page.Alert)
	return v.render(status, page)
}

// postRegistration saves the rules.
func (v *visit) postRegistration() error {
	now, err := v.registered()
	if err != nil {
		return err
	}
	page := "/authentication/" + now.ID + "/registration"
	wanted := now
	wanted.Registration = idp.Registration{
		Open: v.PostForm("open") == "on", Allowed: lines(v.PostForm("allowed")), Denied: lines(v.PostForm("denied")),
	}
	saved, err := v.console.Manage.SaveRegistration(v.Request.Context(), v.actor, now.ID, manage.RegistrationChange{
		Version: v.seenVersion(), Registration: wanted.Registration,
	})
	switch {
	case errors.Is(err, manage.ErrStepUp):
		return v.askFresh(page)
	case errors.Is(err, idp.ErrInvalid):
		return v.renderRegistration(http.StatusUnprocessableEntity, now, wanted, err, nil)
	case errors.Is(err, idp.ErrConflict):
		if now, err = v.registered(); err != nil {
			return err
		}
		return v.renderRegistration(http.StatusConflict, now, now, nil, ui.Key("console.error.stale").With())
	case err != nil:
		return err
	}
	return v.saved(page, v.seenVersion(), saved.Version, "console.done.saved")
}
