package admin

import (
	"strings"

	"gatehouse/idp"
	"gatehouse/idp/manage/populations"
	"gatehouse/idp/settings"
	"gatehouse/ui"
)

// passwords are the password requirements of a population.
func passwords() section[populations.PopulationEntry, idp.PasswordRules] {
	type entry = populations.PopulationEntry
	x := populationSection("passwords", "Requirements", populations.PasswordFields(), func(p idp.Population) idp.PasswordRules { return p.Passwords })
	x.more = notePasswords
	x.when = []populations.Apply{populations.OnNextLogin, populations.OnlyNew, populations.Immediately}
	x.ask = (*visit).askPasswords
	x.save = func(v *visit, e entry, r idp.PasswordRules) (int64, ui.Key, error) {
		c := change(v, e.ID, r)
		saved, err := v.console.Manage.Populations.SavePasswordRules(v.Request.Context(), v.actor, c)
		return saved.Version, appliedAs(c.Apply, "console.done.applied_now"), err
	}
	return x
}

// appliedAs is what to say after a change, by the choice when it applies.
func appliedAs(a populations.Apply, immediately ui.Key) ui.Key {
	switch a {
	case populations.Immediately:
		return immediately
	case populations.OnlyNew:
		return "console.done.passwords_new"
	case populations.OnNextLogin:
	}
	return "console.done.applied_later"
}

// notePasswords says what the rules are for, and what passwords in use must be.
func notePasswords(v *visit, e populations.PopulationEntry, _ idp.PasswordRules, page *ui.ConsoleForm) error {
	if e.Access.Federated { // people sign in elsewhere, where none of this applies
		page.Notes = append(page.Notes, note("hint", "console.passwords.elsewhere"))
	}
	rules, err := v.console.Manage.People.NewPasswordRules(v.Request.Context(), e.Population, idp.User{})
	if err != nil {
		return err
	}
	for i := range page.Inputs {
		input := &page.Inputs[i]
		switch input.Name {
		case "min_length":
			if rules.MinLength > e.Passwords.MinLength {
				input.After = append(input.After, note("hint", "console.passwords.alone", rules.MinLength))
			}
			input.After = append(input.After, note("hint", "console.passwords.always"))
			if e.PasswordsAtSignIn == (idp.PasswordRules{}) {
				input.After = append(input.After, note("notice", "console.passwords.not_judged"))
			} else if e.PasswordsAtSignIn != e.Passwords {
				less := note("notice", "console.passwords.at_sign_in")
				less.List = ruleList(e.PasswordsAtSignIn)
				input.After = append(input.After, less)
			}
		case "upper":
			input.Heading, input.Before = "console.passwords.legacy", []ui.Note{note("hint", "console.passwords.legacy_why")}
			fallthrough
		case "lower", "digit", "special":
			input.Hint = *ui.Key("console.passwords.composition_why").With()
		}
	}
	return nil
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

// askPasswords is the choice when rules apply, with the numbers.
func (v *visit) askPasswords(e populations.PopulationEntry, r idp.PasswordRules) (ui.ConsoleConfirm, error) {
	preview, err := v.console.Manage.Populations.PreviewPasswordRules(v.Request.Context(), v.actor, e.ID, r)
	now := v.text("console.apply.passwords_now", preview.Sessions) + v.untilJWTsEnd(preview.JWTFor)
	page := ui.ConsoleConfirm{
		Heading: *ui.Key("console.apply.heading").With(), Button: *ui.Key("console.apply.submit").With(),
		Changes: []ui.Message{*ui.Key("console.passwords.rules").With(v.inWords(r))}, Consequences: v.includesMe(e),
		Figures: []ui.Figure{
			{Number: preview.People, Label: *ui.Key("console.passwords.people").With(int(preview.People))},
			{Number: preview.Elsewhere, Label: *ui.Key("console.passwords.not_here").With()},
			{Number: preview.Sessions, Label: *ui.Key("console.apply.sessions").With()},
		},
		Apply: v.applyChoices(now, v.text("console.apply.passwords_next"), ui.Choice{
			Value: string(populations.OnlyNew), Label: v.text("console.apply.passwords_new"), Hint: v.text("console.apply.passwords_new_hint"),
		}),
	}
	if r.ExpiryDays > 0 {
		page.Figures = append(page.Figures, ui.Figure{Number: preview.Expired, Label: *ui.Key("console.passwords.expired").With()})
	}
	if r == e.Passwords {
		page.Changes = append(page.Changes, *ui.Key("console.passwords.same").With())
	}
	return page, err
}

// inWords is ruleList in one line, in the viewer's language.
func (v *visit) inWords(r idp.PasswordRules) string {
	list := ruleList(r)
	words := make([]string, len(list))
	for i, m := range list {
		words[i] = v.written(m)
	}
	return strings.Join(words, ", ")
}

// sessions is the session configuration of a population.
func sessions() section[populations.PopulationEntry, populations.SessionRules] {
	type entry = populations.PopulationEntry
	x := populationSection("sessions", "Requirements", populations.SessionFields(), populations.SessionRulesOf)
	x.check = func(_ *visit, _ entry, r *populations.SessionRules) settings.Errors {
		return populations.CheckSessionRules(r)
	}
	x.ask = func(v *visit, e entry, r populations.SessionRules) (ui.ConsoleConfirm, error) {
		preview, err := v.console.Manage.Populations.PreviewSessionRules(v.Request.Context(), v.actor, e.ID, r)
		return ui.ConsoleConfirm{
			Heading: *ui.Key("console.sessions.confirm").With(), Button: *ui.Key("console.sessions.submit").With(), Danger: preview.Ending > 0,
			Consequences: []ui.Message{
				*ui.Key("console.sessions.living").With(int(preview.Sessions)), *ui.Key("console.sessions.ending").With(int(preview.Ending)),
			},
		}, err
	}
	x.save = func(v *visit, e entry, r populations.SessionRules) (int64, ui.Key, error) {
		saved, err := v.console.Manage.Populations.SaveSessionRules(v.Request.Context(), v.actor, change(v, e.ID, r))
		return saved.Version, "console.done.saved", err
	}
	return x
}
