package admin

import (
	"gatehouse/idp"
	"gatehouse/idp/manage/populations"
	"gatehouse/idp/settings"
	"gatehouse/ui"
)

// registration is who may make themselves an account.
func registration() section[populations.PopulationEntry, idp.Registration] {
	type entry = populations.PopulationEntry
	x := populationSection("registration", "SaveRegistration", populations.RegistrationFields(),
		func(p idp.Population) idp.Registration { return p.Registration })
	x.check = func(v *visit, e entry, r *idp.Registration) settings.Errors {
		return v.console.Manage.Populations.CheckRegistration(e.Population, r)
	}
	x.more = func(v *visit, e entry, _ idp.Registration, page *ui.ConsoleForm) error {
		switch open := &page.Inputs[0]; {
		case !e.Access.Password:
			open.After = append(open.After, note("warning", "console.registration.no_passwords"))
		case v.console.Manage.Mailer == nil:
			open.After = append(open.After, note("warning", "console.registration.no_mail"))
		}
		return nil
	}
	x.save = func(v *visit, e entry, r idp.Registration) (int64, ui.Key, error) {
		saved, err := v.console.Manage.Populations.SaveRegistration(v.Request.Context(), v.actor, change(v, e.ID, r))
		return saved.Version, "console.done.saved", err
	}
	return x
}
