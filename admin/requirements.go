package admin

import (
	"errors"
	"net/http"
	"strconv"
	"strings"

	"gatehouse/idp"
	"gatehouse/idp/manage"
	"gatehouse/ui"
)

// required is the population that the address names, with its requirements.
func (v *visit) required() (manage.PopulationEntry, error) {
	if err := v.need("Requirements"); err != nil {
		return manage.PopulationEntry{}, err
	}
	id := v.Param("population")
	if !identifier.MatchString(id) {
		return manage.PopulationEntry{}, idp.ErrNotFound
	}
	return v.console.Manage.Requirements(v.Request.Context(), v.actor, id)
}

// rulesForm is the form of password requirements, as it was typed.
type rulesForm struct {
	rules                          idp.PasswordRules
	minLength, expiryDays, noReuse string
}

func formOf(r idp.PasswordRules) rulesForm {
	return rulesForm{
		rules: r, minLength: strconv.Itoa(r.MinLength), expiryDays: strconv.Itoa(r.ExpiryDays), noReuse: strconv.Itoa(r.NoReuse),
	}
}

// postedRules reads the form. A *manage.FieldError says which field is no number.
func (v *visit) postedRules() (rulesForm, error) {
	on := func(name string) bool { return v.PostForm(name) == "on" }
	f := rulesForm{
		rules:     idp.PasswordRules{Upper: on("upper"), Lower: on("lower"), Digit: on("digit"), Special: on("special")},
		minLength: strings.TrimSpace(v.PostForm("min_length")), expiryDays: strings.TrimSpace(v.PostForm("expiry_days")),
		noReuse: strings.TrimSpace(v.PostForm("no_reuse")),
	}
	var err error
	number := func(field, text, empty string, into *int) {
		if text == "" {
			text = empty
		}
		n, bad := strconv.Atoi(text)
		if bad != nil && err == nil {
			err = &manage.FieldError{Field: field, Reason: v.text("console.passwords.number")}
		}
		*into = n
	}
	number("min_length", f.minLength, "", &f.rules.MinLength)
	number("expiry_days", f.expiryDays, "0", &f.rules.ExpiryDays)
	number("no_reuse", f.noReuse, "0", &f.rules.NoReuse)
	if err == nil {
		err = manage.CheckPasswordRules(f.rules)
	}
	return f, err
}

// passwords is the page of a population's password requirements.
func (v *visit) passwords() error {
	e, err := v.required()
	if err != nil {
		return err
	}
	return v.renderPasswords(http.StatusOK, e, formOf(e.Passwords), nil, nil)
}

// renderPasswords shows the rules as they stand, or as somebody wants them with what is
// wrong about that.
func (v *visit) renderPasswords(status int, e manage.PopulationEntry, f rulesForm, wrong error, alert *ui.Message) error {
	frame, err := v.frame(v.Request.Context(), "/authentication/"+e.ID)
	if err != nil {
		return err
	}
	frame.Crumbs, frame.Tabs, frame.Alert = v.crumbs(), v.tabs(e.Population, "passwords"), alert
	page := ui.ConsolePasswords{
		Console: frame, Action: v.path("/authentication/" + e.ID + "/passwords"), PopulationName: populationLabel(e.Population),
		Version: e.Version, MinLength: f.minLength, ExpiryDays: f.expiryDays, NoReuse: f.noReuse,
		Upper: f.rules.Upper, Lower: f.rules.Lower, Digit: f.rules.Digit, Special: f.rules.Special, Elsewhere: e.Access.Federated,
	}
	if least := manage.NewPasswordRules(e.Population, idp.User{}).MinLength; !e.Policy.SecondStep() && least > e.Passwords.MinLength {
		page.Alone = least
	}
	page.NotJudged = e.PasswordsAtSignIn == (idp.PasswordRules{})
	if e.PasswordsAtSignIn != e.Passwords && !page.NotJudged {
		page.AtSignIn = ruleList(e.PasswordsAtSignIn)
	}
	placeError(wrong, map[string]**ui.Message{
		"min_length": &page.MinLengthError, "expiry_days": &page.ExpiryDaysError, "no_reuse": &page.NoReuseError,
	}, &page.Alert)
	return v.render(status, page)
}

// ruleList says what rules ask for.
func ruleList(r idp.PasswordRules) []ui.Message {
	list := []ui.Message{*ui.Key("console.passwords.min_length_is").With(r.MinLength)}
	for _, rule := range []struct {
		on  bool
		key ui.Key
	}{
		{r.Upper, "console.passwords.upper"},
		{r.Lower, "console.passwords.lower"},
		{r.Digit, "console.passwords.digit"},
		{r.Special, "console.passwords.special"},
	} {
		if rule.on {
			list = append(list, *rule.key.With())
		}
	}
	if r.ExpiryDays > 0 {
		list = append(list, *ui.Key("console.passwords.expiry_is").With(r.ExpiryDays))
	}
	if r.NoReuse > 0 {
		list = append(list, *ui.Key("console.passwords.no_reuse_is").With(r.NoReuse))
	}
	return list
}

// postPasswords asks when the change applies; nothing is saved yet.
func (v *visit) postPasswords() error {
	e, err := v.required()
	if err != nil {
		return err
	}
	if v.seenVersion() != e.Version {
		return v.renderPasswords(http.StatusConflict, e, formOf(e.Passwords), nil, ui.Key("console.error.stale").With())
	}
	f, err := v.postedRules()
	if err != nil {
		return v.renderPasswords(http.StatusUnprocessableEntity, e, f, err, nil)
	}
	return v.renderPasswordsApply(http.StatusOK, e, f.rules, applyErrors{})
}

// renderPasswordsApply is the choice, with the numbers.
func (v *visit) renderPasswordsApply(status int, e manage.PopulationEntry, r idp.PasswordRules, wrong applyErrors) error {
	ctx, home := v.Request.Context(), "/authentication/"+e.ID+"/passwords"
	if !v.fresh() { // better now than after the choice
		return v.askFresh(home)
	}
	preview, err := v.console.Manage.PreviewPasswordRules(ctx, v.actor, e.ID, r)
	if err != nil {
		return err
	}
	frame, err := v.frame(ctx, "/authentication/"+e.ID)
	if err != nil {
		return err
	}
	frame.Crumbs = append(v.crumbs(), ui.Link{Label: v.text("console.nav.authentication", populationLabel(e.Population)), URL: v.path(home)})
	frame.FormFields = rulesFields(e.Version, r)
	page := ui.ConsoleApply{
		Console: frame, Action: v.path(home + "/apply"), CancelURL: v.path(home), ForPasswords: true,
		Changes: []ui.Message{*ui.Key("console.passwords.rules").With(v.inWords(r))}, Sessions: preview.Sessions,
		JWTMinutes: minutes(preview.JWTFor), Reason: v.PostForm("reason"), ChoiceError: wrong.choice, ReasonError: wrong.reason,
		Figures: []ui.Figure{
			{Number: preview.People, Label: *ui.Key("console.passwords.people").With(int(preview.People))},
			{Number: preview.Elsewhere, Label: *ui.Key("console.passwords.not_here").With()},
			{Number: preview.Sessions, Label: *ui.Key("console.apply.sessions").With()},
		},
	}
	if r.ExpiryDays > 0 {
		page.Figures = append(page.Figures, ui.Figure{Number: preview.Expired, Label: *ui.Key("console.passwords.expired").With()})
	}
	if r == e.Passwords {
		page.Changes = append(page.Changes, *ui.Key("console.passwords.same").With())
	}
	return v.render(status, page)
}

// inWords is ruleList in one line, in the viewer's language.
func (v *visit) inWords(r idp.PasswordRules) string {
	list := ruleList(r)
	words := make([]string, len(list))
	for i, m := range list {
		words[i] = v.text(m.Key, m.Args...)
	}
	return strings.Join(words, ", ")
}

func rulesFields(version int64, r idp.PasswordRules) []ui.Field {
	fields := []ui.Field{
		{Name: "version", Value: strconv.FormatInt(version, 10)},
		{Name: "min_length", Value: strconv.Itoa(r.MinLength)},
		{Name: "expiry_days", Value: strconv.Itoa(r.ExpiryDays)},
		{Name: "no_reuse", Value: strconv.Itoa(r.NoReuse)},
	}
	for name, on := range map[string]bool{"upper": r.Upper, "lower": r.Lower, "digit": r.Digit, "special": r.Special} {
		if on {
			fields = append(fields, ui.Field{Name: name, Value: "on"})
		}
	}
	return fields
}

// postPasswordsApply saves the change as it was chosen.
func (v *visit) postPasswordsApply() error {
	e, err := v.required()
	if err != nil {
		return err
	}
	f, err := v.postedRules()
	if err != nil {
		return v.renderPasswords(http.StatusUnprocessableEntity, e, f, err, nil)
	}
	apply := manage.Apply(v.PostForm("apply"))
	saved, err := v.console.Manage.SavePasswordRules(v.Request.Context(), v.actor, manage.PasswordRulesChange{
		Population: e.ID, Version: v.seenVersion(), Rules: f.rules, Apply: apply, Reason: v.PostForm("reason"),
	})
	home := "/authentication/" + e.ID + "/passwords"
	var field *manage.FieldError
	switch {
	case errors.Is(err, manage.ErrStepUp):
		return v.askFresh(home)
	case errors.As(err, &field):
		return v.renderPasswordsApply(http.StatusUnprocessableEntity, e, f.rules, applyProblem(field))
	case errors.Is(err, idp.ErrConflict):
		return v.renderPasswords(http.StatusConflict, e, formOf(e.Passwords), nil, ui.Key("console.error.stale").With())
	case err != nil:
		return err
	case apply == manage.Immediately:
		return v.saved(home, v.seenVersion(), saved.Version, "console.done.applied_now")
	case apply == manage.OnlyNew:
		return v.saved(home, v.seenVersion(), saved.Version, "console.done.passwords_new")
	}
	return v.saved(home, v.seenVersion(), saved.Version, "console.done.applied_later")
}
