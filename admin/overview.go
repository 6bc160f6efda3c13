package admin

import (
	"net/http"

	"gatehouse/idp"
	"gatehouse/ui"
)

// overview is where the console begins: numbers, and the first steps.
func (v *visit) overview() error {
	ctx := v.Request.Context()
	frame, err := v.frame(ctx, "")
	if err != nil {
		return err
	}
	page := ui.ConsoleOverview{Console: frame}
	if v.actor.Can(idp.PermissionAuthentication) {
		if page.Figures, page.Checks, err = v.firstSteps(); err != nil {
			return err
		}
	}
	return v.render(http.StatusOK, page)
}

// firstSteps is what a new installation needs, and what of it is done.
func (v *visit) firstSteps() ([]ui.Figure, []ui.Check, error) {
	ctx := v.Request.Context()
	ids, err := v.console.populations(ctx)
	if err != nil {
		return nil, nil, err
	}
	affected, err := v.console.Store.AffectedByPopulation(ctx, idp.Now(), ids...)
	if err != nil {
		return nil, nil, err
	}
	clients, err := v.console.Store.Clients(ctx)
	if err != nil {
		return nil, nil, err
	}
	apps := 0
	for _, c := range clients {
		if c.ID != idp.ConsoleClient {
			apps++
		}
	}
	figures := []ui.Figure{
		{Number: affected.People, Label: *ui.Key("console.overview.people").With(int(affected.People)), URL: v.path("/people")},
		{Number: affected.Sessions, Label: *ui.Key("console.overview.sessions").With()},
		{Number: int64(apps), Label: *ui.Key("console.overview.apps").With(apps), URL: v.path("/apps")},
	}
	check := func(label, hint ui.Key, url string, done bool) ui.Check {
		return ui.Check{Label: *label.With(), Hint: *hint.With(), URL: url, Done: done}
	}
	return figures, []ui.Check{
		check("console.check.mail", "console.check.mail_hint", v.path("/system"), v.console.Manage.Mailer != nil),
		check("console.check.policy", "console.check.policy_hint", v.path("/authentication/"+idp.Agents), false),
		check("console.check.app", "console.check.app_hint", v.path("/apps/new"), apps > 0),
		check("console.check.people", "console.check.people_hint", v.path("/people"), affected.People > 1),
	}, nil
}
