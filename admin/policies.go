package admin

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/manage"
	"gatehouse/ui"
)

// population is the one that the address names.
func (v *visit) population() (idp.Population, error) {
	if !v.actor.Can(idp.PermissionAuthentication) {
		return idp.Population{}, manage.ErrForbidden
	}
	return v.console.Store.Population(v.Request.Context(), v.Param("population"))
}

// policy is the page of a population's MFA policy.
func (v *visit) policy() error {
	p, err := v.population()
	if err != nil {
		return err
	}
	return v.renderPolicy(http.StatusOK, p, p.Policy, nil, nil)
}

// renderPolicy shows a policy as it stands, or as somebody wants it with what is
// wrong about that.
func (v *visit) renderPolicy(status int, p idp.Population, policy idp.Policy, field *manage.FieldError, alert *ui.Message) error {
	ctx := v.Request.Context()
	frame, err := v.frame(ctx, "/authentication/"+p.ID)
	if err != nil {
		return err
	}
	frame.Crumbs, frame.Tabs = v.crumbs(), v.tabs(p, "mfa")
	frame.Alert = alert
	page := ui.ConsolePolicy{
		Console: frame, Action: v.path("/authentication/" + p.ID + "/mfa"), PopulationName: populationLabel(p),
		Version: p.Policy.Version, Authenticator: policy.Authenticator, IssuerLabel: policy.IssuerLabel,
		EmailCode: policy.EmailCode, MailWorks: v.console.Manage.Mailer != nil,
	}
	if field != nil {
		text := ui.Key("console.error.field").With(field.Reason)
		switch field.Field {
		case "issuer_label":
			page.IssuerLabelError = text
		case "email_code":
			page.EmailCodeError = text
		default:
			page.Alert = text
		}
	}
	if page.Apps, err = v.ownRules(p); err != nil {
		return err
	}
	return v.render(status, page)
}

func (v *visit) crumbs() []ui.Link {
	return []ui.Link{{Label: v.text("console.nav.settings")}, {Label: v.text("console.nav.security")}}
}

// tabs are the sections of a population's authentication.
func (v *visit) tabs(p idp.Population, current string) []ui.NavItem {
	base := "/authentication/" + p.ID
	return []ui.NavItem{
		{Label: v.text("console.access.tab"), URL: v.path(base + "/access"), Current: current == "access"},
		{Label: v.text("console.policy.tab"), URL: v.path(base + "/mfa"), Current: current == "mfa"},
		{Label: v.text("console.passwords.tab"), URL: v.path(base + "/passwords"), Current: current == "passwords"},
		{Label: v.text("console.sessions.tab"), URL: v.path(base + "/sessions"), Current: current == "sessions"},
		{Label: v.text("console.registration.tab"), URL: v.path(base + "/registration"), Current: current == "registration"},
		{Label: v.text("console.policy.brand_tab"), URL: v.path(base + "/brand"), Current: current == "brand"},
	}
}

// ownRules are the apps of a population that do not follow its policy.
func (v *visit) ownRules(p idp.Population) ([]ui.Link, error) {
	ctx := v.Request.Context()
	clients, err := v.console.Store.Clients(ctx)
	if err != nil {
		return nil, err
	}
	var links []ui.Link
	for _, c := range clients {
		if idp.OwnClient(c.ID) || !slices.Contains(c.Populations, p.ID) {
			continue
		}
		o, err := v.console.Store.Override(ctx, c.ID)
		if err != nil {
			return nil, err
		}
		switch o.Mode {
		case idp.OverrideOff:
			links = append(links, ui.Link{Label: v.text("console.policy.app_off", c.Name), URL: v.path("/apps/" + c.ID)})
		case idp.OverrideRequired:
			links = append(links, ui.Link{Label: v.text("console.policy.app_required", c.Name), URL: v.path("/apps/" + c.ID)})
		case idp.OverrideInherit:
		}
	}
	return links, nil
}

// posted is the policy of a form. A label that was left alone stays.
func (v *visit) posted() idp.Policy {
	version, _ := strconv.ParseInt(v.PostForm("version"), 10, 64) // a broken one is stale
	return idp.Policy{
		Version: version, Authenticator: v.PostForm("authenticator") == "on",
		IssuerLabel: strings.TrimSpace(v.PostForm("issuer_label")), EmailCode: v.PostForm("email_code") == "on",
	}
}

// postPolicy asks when the change applies; nothing is saved yet.
func (v *visit) postPolicy() error {
	p, err := v.population()
	if err != nil {
		return err
	}
	wanted := v.posted()
	if wanted.Version != p.Policy.Version {
		return v.renderPolicy(http.StatusConflict, p, p.Policy, nil, ui.Key("console.error.stale").With())
	}
	var field *manage.FieldError
	if errors.As(v.console.Manage.CheckPolicy(wanted), &field) {
		return v.renderPolicy(http.StatusUnprocessableEntity, p, wanted, field, nil)
	}
	return v.renderApply(http.StatusOK, p, wanted, applyErrors{})
}

// applyErrors are what is wrong about the choice.
type applyErrors struct{ choice, reason, alone *ui.Message }

// renderApply is the choice, with the numbers.
func (v *visit) renderApply(status int, p idp.Population, wanted idp.Policy, wrong applyErrors) error {
	ctx := v.Request.Context()
	if !v.fresh() { // better now than after the choice
		return v.proveAgain(v.path("/authentication/" + p.ID + "/mfa"))
	}
	preview, err := v.console.Manage.PreviewPolicy(ctx, v.actor, p.ID, wanted)
	if err != nil {
		return err
	}
	frame, err := v.frame(ctx, "/authentication/"+p.ID)
	if err != nil {
		return err
	}
	frame.Crumbs = append(v.crumbs(), ui.Link{Label: v.text("console.nav.authentication", populationLabel(p)), URL: v.path("/authentication/" + p.ID)})
	frame.FormFields = policyFields(wanted)
	page := ui.ConsoleApply{
		Console: frame, Action: v.path("/authentication/" + p.ID + "/apply"), CancelURL: v.path("/authentication/" + p.ID),
		Changes: policyChanges(p.Policy, wanted), Figures: figuresOf(preview), Sessions: preview.Sessions,
		JWTMinutes: minutes(preview.JWTFor), PasswordAlone: !wanted.SecondStep(), Reason: v.PostForm("reason"),
		ChoiceError: wrong.choice, ReasonError: wrong.reason, AloneError: wrong.alone,
	}
	for _, c := range preview.Clients {
		if !idp.OwnClient(c.ID) {
			page.Apps = append(page.Apps, c.Name)
		}
	}
	return v.render(status, page)
}

func minutes(d time.Duration) int { return int((d + time.Minute - 1) / time.Minute) }

func policyFields(p idp.Policy) []ui.Field {
	fields := []ui.Field{{Name: "version", Value: strconv.FormatInt(p.Version, 10)}, {Name: "issuer_label", Value: p.IssuerLabel}}
	if p.Authenticator {
		fields = append(fields, ui.Field{Name: "authenticator", Value: "on"})
	}
	if p.EmailCode {
		fields = append(fields, ui.Field{Name: "email_code", Value: "on"})
	}
	return fields
}

// policyChanges says in sentences what a change does.
func policyChanges(before, after idp.Policy) []ui.Message {
	var list []ui.Message
	turn := func(was, is bool, on, off ui.Key) {
		switch {
		case !was && is:
			list = append(list, *on.With())
		case was && !is:
			list = append(list, *off.With())
		}
	}
	turn(before.Authenticator, after.Authenticator, "console.apply.turn_on_app", "console.apply.turn_off_app")
	turn(before.EmailCode, after.EmailCode, "console.apply.turn_on_email", "console.apply.turn_off_email")
	if before.IssuerLabel != after.IssuerLabel {
		list = append(list, *ui.Key("console.apply.label").With(after.IssuerLabel))
	}
	if len(list) == 0 {
		list = append(list, *ui.Key("console.apply.nothing").With())
	}
	return list
}

// figuresOf are the numbers before the consequences.
func figuresOf(p manage.Preview) []ui.Figure {
	return []ui.Figure{
		{Number: p.People, Label: *ui.Key("console.apply.people").With(int(p.People))},
		{Number: p.WithoutFactor, Label: *ui.Key("console.apply.without").With()},
		{Number: p.Sessions, Label: *ui.Key("console.apply.sessions").With()},
	}
}

// postApply saves the change as it was chosen.
func (v *visit) postApply() error {
	p, err := v.population()
	if err != nil {
		return err
	}
	wanted := v.posted()
	apply := manage.Apply(v.PostForm("apply"))
	saved, err := v.console.Manage.SavePolicy(v.Request.Context(), v.actor, manage.PolicyChange{
		Population: p.ID, Policy: wanted, Apply: apply, PasswordAlone: v.PostForm("password_alone") == "yes",
		Reason: v.PostForm("reason"),
	})
	var field *manage.FieldError
	switch {
	case errors.As(err, &field):
		return v.renderApply(http.StatusUnprocessableEntity, p, wanted, applyProblem(field))
	case errors.Is(err, idp.ErrConflict):
		return v.renderPolicy(http.StatusConflict, p, p.Policy, nil, ui.Key("console.error.stale").With())
	case err != nil:
		return err
	case apply == manage.Immediately:
		return v.saved("/authentication/"+p.ID+"/mfa", wanted.Version, saved.Version, "console.done.applied_now")
	}
	return v.saved("/authentication/"+p.ID+"/mfa", wanted.Version, saved.Version, "console.done.applied_later")
}

// applyProblem puts what an operation refuses beside its field.
func applyProblem(field *manage.FieldError) applyErrors {
	switch field.Field {
	case "apply":
		return applyErrors{choice: ui.Key("console.error.choice").With()}
	case "password_alone":
		return applyErrors{alone: ui.Key("console.error.alone").With()}
	case "reason":
		return applyErrors{reason: ui.Key("console.error.reason").With()}
	}
	return applyErrors{choice: ui.Key("console.error.field").With(field.Reason)}
}
