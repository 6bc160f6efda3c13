package admin

import (
	"net/http"
	"strings"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/store"
	"gatehouse/ui"
)

// overview is where the console begins: numbers, what needs a look, and the first steps. What it
// counts was counted by jobs: it costs the same however much happened.
func (v *visit) overview() error {
	ctx := v.Request.Context()
	frame, err := v.frame(ctx, "")
	if err != nil {
		return err
	}
	tallies, err := v.console.Store.Tallies(ctx)
	if err != nil {
		return err
	}
	page := ui.ConsoleOverview{Console: frame}
	if v.actor.Can(idp.PermissionAuthentication) {
		if page.Figures, page.Checks, err = v.firstSteps(tallies); err != nil {
			return err
		}
		if err = v.rules(ctx, &page); err != nil {
			return err
		}
	}
	if page.Coverage, err = v.coverage(tallies.Coverage); err != nil {
		return err
	}
	if len(page.Figures)+len(page.Coverage) > 0 {
		page.CountedAt = tallies.At
	}
	if err := v.happened(&page, tallies); err != nil {
		return err
	}
	return v.render(http.StatusOK, page)
}

// firstSteps is what a new installation needs, and what of it is done.
func (v *visit) firstSteps(counted store.Tallies) ([]ui.Figure, []ui.Check, error) {
	ctx := v.Request.Context()
	clients, err := v.console.Store.Clients(ctx)
	if err != nil {
		return nil, nil, err
	}
	apps := 0
	for _, c := range clients {
		if !idp.OwnClient(c.ID) {
			apps++
		}
	}
	decided, err := v.console.Store.AuditEvents(ctx, idp.AuditPolicyChanged, "", 1)
	if err != nil {
		return nil, nil, err
	}
	audit, err := v.auditStep()
	if err != nil {
		return nil, nil, err
	}
	figures := []ui.Figure{{Number: int64(apps), Label: *ui.Key("console.overview.apps").With(apps), URL: v.open("/apps")}}
	present, people := counted.Present(), counted.People()
	if !counted.At.IsZero() {
		figures = append([]ui.Figure{
			{Number: present, Label: *ui.Key("console.overview.signed_in").With(int(present))},
			{Number: people, Label: *ui.Key("console.overview.people").With(int(people)), URL: v.open("/people")},
		}, figures...)
	}
	check := func(label, hint ui.Key, url string, done bool) ui.Check {
		return ui.Check{Label: *label.With(), Hint: *hint.With(), URL: v.open(url), Done: done}
	}
	return figures, []ui.Check{
		check("console.check.mail", "console.check.mail_hint", "/system", v.console.Manage.Mailer != nil),
		check("console.check.policy", "console.check.policy_hint", "/authentication/"+idp.Agents, len(decided) > 0),
		check("console.check.app", "console.check.app_hint", "/apps/new", apps > 0),
		check("console.check.people", "console.check.people_hint", "/people", people > 1),
		audit,
	}, nil
}

// auditStep says how long the audit log is kept. It is done where there is an end to it.
func (v *visit) auditStep() (ui.Check, error) {
	keep, err := v.console.AuditRetention(v.Request.Context())
	step := ui.Check{
		Label: *ui.Key("console.check.audit").With(), Hint: *ui.Key("console.check.audit_ever").With(),
		URL: v.open("/audit"), Done: keep > 0,
	}
	if step.Done {
		step.Hint = *ui.Key("console.check.audit_days").With(int(keep / (24 * time.Hour)))
	}
	return step, err
}

// open is a page of the console where the viewer may see it, and empty where not.
func (v *visit) open(page string) string {
	may := true
	switch {
	case strings.HasPrefix(page, "/people"):
		may = v.actor.CanDo("Users")
	case strings.HasPrefix(page, "/apps"):
		may = v.actor.CanDo("Clients")
	case strings.HasPrefix(page, "/audit"):
		may = v.actor.CanDo("Audit")
	case strings.HasPrefix(page, "/system"):
		may = v.canSeeSystem()
	}
	if !may {
		return ""
	}
	return v.path(page)
}
