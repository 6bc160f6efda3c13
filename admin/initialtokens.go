package admin

import (
	"errors"
	"net/http"

	"gatehouse/idp"
	"gatehouse/idp/manage/entry"
	"gatehouse/idp/settings"
	"gatehouse/ui"
)

// initialTokens lists the tokens by which apps register themselves.
func (v *visit) initialTokens() error {
	list, next, err := v.console.Manage.Apps.InitialTokens(v.Request.Context(), v.actor, entry.Cursor(v.Query("after")), 0)
	if err != nil {
		return badPage(err)
	}
	page, err := v.registrationPage()
	if err != nil {
		return err
	}
	if next != "" {
		page.OlderURL = v.path("/apps/registration?after=" + string(next))
	}
	for _, t := range list {
		page.Tokens = append(page.Tokens, v.tokenRow(t))
	}
	return v.render(http.StatusOK, page)
}

func (v *visit) registrationPage() (ui.ConsoleRegistration, error) {
	frame, err := v.frame(v.Request.Context(), "/apps")
	frame.Crumbs = v.appCrumbs()
	return ui.ConsoleRegistration{Console: frame, Endpoint: v.console.Registration, NewURL: v.pathFor("AddInitialToken", "/apps/registration/new")}, err
}

func (v *visit) tokenRow(t idp.InitialToken) ui.TokenRow {
	row := ui.TokenRow{
		Name: t.Name, Hosts: t.Policy.Hosts, MadeAt: t.CreatedAt, ExpiresAt: t.ExpiresAt,
		Apps: *ui.Key("console.initial_tokens.apps_of").With(t.Uses, t.Policy.MaxApps),
	}
	switch {
	case !t.WithdrawnAt.IsZero():
		row.State = *ui.Key("console.initial_tokens.withdrawn").With()
		return row
	case !idp.Now().Before(t.ExpiresAt):
		row.State = *ui.Key("console.initial_tokens.expired").With()
	case t.Uses >= t.Policy.MaxApps:
		row.State = *ui.Key("console.initial_tokens.used_up").With()
	}
	row.WithdrawURL = v.pathFor("WithdrawInitialToken", "/apps/registration/"+t.ID+"/withdraw")
	return row
}

// newInitialToken is the form of a token to make.
func newInitialToken() section[idp.InitialToken, idp.InitialToken] {
	type token = idp.InitialToken
	fields := settings.InitialToken().Only(func(s settings.Spec) bool { return s.Name != "populations" })
	return section[token, token]{
		thing: "initial_token", fields: fields,
		load: func(v *visit) (token, error) {
			t := token{}
			settings.InitialToken().Defaults(&t)
			return t, v.authorize("AddInitialToken")
		},
		at:   func(*visit) string { return "/apps/registration/new" },
		seen: func(t token) (token, int64) { return t, 0 },
		check: func(v *visit, _ token, t *token) (wrong settings.Errors) {
			t.Policy.Populations = v.postedPopulations()
			errors.As(v.console.Manage.Apps.CheckInitialToken(v.Request.Context(), t), &wrong)
			return wrong
		},
		early: true,
		frame: func(v *visit, _ token) (page ui.ConsoleForm, err error) {
			page.Console, err = v.frame(v.Request.Context(), "/apps")
			page.Crumbs = append(v.appCrumbs(), ui.Link{Label: v.text("console.initial_tokens.heading"), URL: v.path("/apps/registration")})
			page.CancelURL, page.Heading = v.path("/apps/registration"), *ui.Key("console.initial_tokens.new").With()
			return page, err
		},
		more: func(v *visit, _, t token, page *ui.ConsoleForm) (err error) {
			page.Submit = *ui.Key("console.initial_tokens.new").With()
			for i := range page.Inputs {
				if page.Inputs[i].Name == "scopes" {
					page.Inputs[i].Kind = ui.LinesInput
				}
			}
			people := ui.Input{Kind: ui.GroupInput, Name: "populations", Label: *ui.Key("console.initial_token.populations").With()}
			people.Inputs, err = v.populationSelects(t.Policy.Populations, false)
			page.Inputs = append(page.Inputs[:1:1], append([]ui.Input{people}, page.Inputs[1:]...)...)
			return err
		},
		add: func(v *visit, _, t token) error {
			_, secret, err := v.console.Manage.Apps.AddInitialToken(v.Request.Context(), v.actor, t)
			if err != nil {
				return err
			}
			page, err := v.registrationPage()
			page.Token, page.NextURL = secret, v.path("/apps/registration")
			if err != nil {
				return err
			}
			return v.render(http.StatusOK, page) // the only page with the token
		},
	}
}

// withdrawInitialToken is the question before a token ends.
func withdrawInitialToken() question[idp.InitialToken] {
	type token = idp.InitialToken
	return question[token]{
		load: func(v *visit) (token, error) {
			if err := v.authorize("WithdrawInitialToken"); err != nil {
				return token{}, err
			}
			t, err := v.console.Manage.Apps.InitialToken(v.Request.Context(), v.actor, v.Param("id"))
			if err == nil && !t.WithdrawnAt.IsZero() {
				err = idp.ErrNotFound
			}
			return t, err
		},
		at:   func(t token) string { return "/apps/registration/" + t.ID + "/withdraw" },
		home: func(token) string { return "/apps/registration" },
		page: func(v *visit, t token) (page ui.ConsoleConfirm, err error) {
			page.Console, err = v.frame(v.Request.Context(), "/apps")
			page.Crumbs = append(v.appCrumbs(), ui.Link{Label: v.text("console.initial_tokens.heading"), URL: v.path("/apps/registration")})
			page.Heading, page.Button, page.Danger = *ui.Key("console.initial_tokens.withdraw_heading").With(t.Name), *ui.Key("console.initial_tokens.withdraw").With(), true
			page.Consequences = says("console.initial_tokens.withdraw_new", "console.initial_tokens.withdraw_apps", "console.action.final")
			return page, err
		},
		carry: func(v *visit, t token, reason string) (func() error, error) {
			err := v.console.Manage.Apps.WithdrawInitialToken(v.Request.Context(), v.actor, t.ID, reason)
			if errors.Is(err, idp.ErrUsed) { // by another admin at the same time
				err = nil
			}
			return v.saying("/apps/registration", "console.done.token_withdrawn"), err
		},
	}
}

// registeredNote says that an app registered itself.
func (v *visit) registeredNote(id string) ([]ui.Note, error) {
	r, t, err := v.console.Manage.Apps.ClientRegistration(v.Request.Context(), v.actor, id)
	if errors.Is(err, idp.ErrNotFound) {
		return nil, nil
	}
	return []ui.Note{note("hint", "console.app.registered", r.CreatedAt, t.Name)}, err
}
