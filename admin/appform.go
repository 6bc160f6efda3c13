package admin

import (
	"errors"
	"slices"
	"strconv"

	"gatehouse/idp"
	"gatehouse/idp/manage/apps"
	"gatehouse/idp/settings"
	"gatehouse/ui"
)

// appFields are what the console asks of an app: all that its kind has, and of a new one
// what it cannot do without.
func (v *visit) appFields(c apps.ClientEntry) settings.Fields[idp.Client] {
	return settings.Client().Only(func(s settings.Spec) bool {
		return asksOf(c.Kind, s.Name, c.ID == "") && (s.Operation == "" || v.actor.CanDo(s.Operation))
	})
}

type kinds []idp.ClientKind

// Kinds of apps that settings are for.
var (
	signIn       = kinds{idp.WebClient, idp.SPAClient, idp.NativeClient}
	confidential = kinds{idp.WebClient, idp.ServiceClient, idp.APIClient}
	allKinds     = append(signIn, idp.ServiceClient, idp.APIClient)
)

// kindsAsked are the kinds of apps that the form asks for a setting, and those that it asks
// for it already when they are new; else it has its default. What is not listed is about how
// people sign in. The kind stays, and populations are asked for in their own way.
var kindsAsked = map[string]struct{ of, atFirst kinds }{
	"kind": {}, "populations": {},
	"name":                      {allKinds, allKinds},
	"redirect_uris":             {signIn, signIn},
	"post_logout_redirect_uris": {signIn, signIn},
	"home_url":                  {signIn, kinds{idp.WebClient, idp.SPAClient}},
	"logo_uri":                  {signIn, signIn},
	"backchannel_logout_uri":    {signIn, kinds{idp.WebClient}},
	"auth_method":               {of: confidential},
	"jwks":                      {of: confidential},
	"jwks_uri":                  {of: confidential},
	"secret_lifetime":           {of: confidential},
	"fapi":                      {of: kinds{idp.WebClient, idp.ServiceClient}},
	"require_pkce":              {kinds{idp.WebClient}, kinds{idp.WebClient}},
	"dpop_bound_access_tokens":  {of: append(signIn, idp.ServiceClient)},
	"grant_types":               {of: append(signIn, idp.APIClient)},
	"scopes":                    {allKinds, kinds{idp.APIClient}},
	"identifier":                {kinds{idp.APIClient}, kinds{idp.APIClient}},
	"resources":                 {of: allKinds},
	"default_resource":          {of: append(signIn, idp.ServiceClient)},
	"roles":                     {kinds{idp.ServiceClient}, kinds{idp.ServiceClient}},
	"token_format":              {allKinds, kinds{idp.APIClient}},
	"signing_alg":               {of: allKinds},
	"access_ttl":                {of: allKinds},
}

// asksOf tells whether the form of an app asks for a setting.
func asksOf(kind idp.ClientKind, name string, isNew bool) bool {
	asked, listed := kindsAsked[name]
	if !listed {
		asked.of = signIn
	}
	return slices.Contains(asked.of, kind) && (!isNew || slices.Contains(asked.atFirst, kind))
}

// appForm is the form of an app, with what new and existing ones have in common.
func appForm() section[apps.ClientEntry, idp.Client] {
	type entry = apps.ClientEntry
	return section[entry, idp.Client]{
		thing: "app", pick: (*visit).appFields,
		seen:  func(c entry) (idp.Client, int64) { return c.Client, c.Version },
		kept:  func(c entry) idp.Client { return c.Client },
		check: (*visit).checkApp,
		more:  (*visit).askMoreOfApp,
	}
}

// appSettings are those of an app that exists.
func appSettings() section[apps.ClientEntry, idp.Client] {
	type entry = apps.ClientEntry
	x := appForm()
	x.load = func(v *visit) (entry, error) { return v.app("UpdateClient") }
	x.home = func(c entry) string { return "/apps/" + c.ID }
	x.frame = func(v *visit, c entry) (page ui.ConsoleForm, err error) {
		page.Console, err = v.appFrame(c, "")
		page.Heading = ui.Plain(c.Name)
		if v.actor.CanDo("DeleteClient") {
			page.DeleteURL, page.DeleteTexts = v.path("/apps/"+c.ID+"/delete"), "console.app.delete"
		}
		return page, err
	}
	x.save = func(v *visit, _ entry, c idp.Client) (int64, ui.Key, error) {
		saved, err := v.console.Manage.Apps.UpdateClient(v.Request.Context(), v.actor, apps.ClientEntry{Client: c, Version: v.seenVersion()})
		return saved.Version, "console.done.saved", err
	}
	return x
}

// newAppForm is the form of an app to connect, by the template of the URL.
func newAppForm() section[apps.ClientEntry, idp.Client] {
	type entry = apps.ClientEntry
	x := appForm()
	x.load = func(v *visit) (entry, error) {
		t, err := v.template()
		c := idp.Client{Kind: t.kind}
		if t.portal {
			c.Claims = idp.PortalClaims()
		}
		return entry{Client: c}, err
	}
	x.frame = func(v *visit, _ entry) (page ui.ConsoleForm, err error) {
		t, err := v.template()
		if err != nil {
			return page, err
		}
		page.Console, err = v.frame(v.Request.Context(), "/apps")
		page.Crumbs = append(v.appCrumbs(), ui.Link{Label: v.text("console.apps.connect"), URL: v.path("/apps/new")})
		page.CancelURL, page.Heading = v.path("/apps/new"), *t.label.With()
		return page, err
	}
	x.at = func(v *visit) string { return "/apps/new/" + v.Param("template") }
	x.add = func(v *visit, _ entry, c idp.Client) error {
		if c.Kind == idp.ServiceClient {
			c.Scopes = []string{idp.AdminScope}
		}
		made, secret, err := v.console.Manage.Apps.AddClient(v.Request.Context(), v.actor, c)
		switch {
		case err != nil:
			return err
		case secret == "":
			return v.done("/apps/"+made.ID+"/connect", "console.done.connected")
		}
		return v.renderConnect(made, secret) // the only page with the secret
	}
	return x
}

// newApp shows the form of a new app. Giving roles to a service asks for a fresh second
// step: better now than after the form.
func (v *visit) newAppForm() error {
	x := newAppForm()
	if c, err := x.load(v); err == nil && c.Kind == idp.ServiceClient && v.actor.CanDo("SetRoles") && !v.fresh() {
		return v.askFresh(x.at(v))
	}
	return x.get(v)
}

// appSettings shows an app. Who may change its MFA rule alone finds that, and who may
// change nothing how it is connected.
func (v *visit) appSettings() error {
	if !v.actor.CanDo("UpdateClient") && v.actor.CanDo("SaveOverride") {
		return override().get(v)
	}
	if c, err := v.app("UpdateClient"); err != nil || !v.actor.CanChange(c.Client) {
		if err != nil {
			return err
		}
		return v.renderConnect(c, "")
	}
	return appSettings().get(v)
}

// checkApp reads what the description does not say, and says what is wrong about an app,
// also what the operation could do without.
func (v *visit) checkApp(now apps.ClientEntry, c *idp.Client) (wrong settings.Errors) {
	if c.Kind.SignsIn() {
		c.Populations = v.postedPopulations()
		if len(c.RedirectURIs) == 0 {
			wrong = settings.Invalid("redirect_uris", "console.app.need_redirect")
		}
	}
	if v.Param("template") == "portal" && c.BackchannelLogoutURI == "" {
		wrong = wrong.And(settings.Error{Field: "backchannel_logout_uri", Key: "console.app.need_logout"})
	}
	if now.ID != "" && c.TokenFormat != now.TokenFormat && c.AccessTTL == now.AccessTTL {
		apps.MatchLifetime(c)
	}
	var more settings.Errors
	errors.As(v.console.Manage.Apps.CheckClient(v.Request.Context(), c), &more)
	return wrong.And(more...)
}

// maxPopulations is how many a form can order.
const maxPopulations = 50

func (v *visit) postedPopulations() (list []string) {
	for i := 1; i <= maxPopulations; i++ {
		if id := v.PostForm("population_" + strconv.Itoa(i)); id != "" && !slices.Contains(list, id) {
			list = append(list, id)
		}
	}
	if v.Param("template") == "portal" {
		return list[:min(len(list), 1)]
	}
	return list
}

// askMoreOfApp adds to the form what the description does not say.
func (v *visit) askMoreOfApp(now apps.ClientEntry, c idp.Client, page *ui.ConsoleForm) (err error) {
	page.Name = "console-app-form"
	if t, found := v.template(); found == nil && now.ID == "" {
		page.Lead, page.Submit = *t.lead.With(), *ui.Key("console.apps.connect").With()
	}
	if now.ID != "" {
		if page.Notes, err = v.registeredNote(now.ID); err != nil {
			return err
		}
	}
	for i := range page.Inputs {
		if err := v.dressApp(&page.Inputs[i], now, c); err != nil {
			return err
		}
	}
	if !c.Kind.SignsIn() {
		return nil
	}
	people := ui.Input{Kind: ui.GroupInput, Name: "populations", Label: *ui.Key("console.app.populations").With()}
	people.Inputs, err = v.populationSelects(c.Populations, v.Param("template") == "portal")
	page.Inputs = slices.Insert(page.Inputs, 1, people)
	return err
}

// dressApp makes an input of an app what this form has.
func (v *visit) dressApp(i *ui.Input, now apps.ClientEntry, c idp.Client) (err error) {
	switch i.Name {
	case "auth_method":
		i.Kind, i.Heading = ui.SelectInput, "console.app.access"
		i.Choices = slices.DeleteFunc(i.Choices, func(c ui.Choice) bool { return c.Value == string(idp.NoClientAuth) })
	case "jwks":
		i.Kind = ui.LinesInput
	case "require_pkce":
		if now.ID == "" {
			i.Heading = "console.app.access"
		}
	case "grant_types": // the others are a service's
		i.Ticks = slices.DeleteFunc(i.Ticks, func(t ui.Tick) bool {
			return t.Value == "client_credentials" || c.Kind == idp.APIClient && t.Value != idp.ExchangeGrant
		})
	case "scopes":
		i.Kind = ui.LinesInput
		if c.Kind == idp.APIClient {
			i.Hint = *ui.Key("console.app.scopes_api").With()
		}
	case "identifier":
		i.Required = true
	case "redirect_uris":
		i.Required = true
		if c.Kind == idp.NativeClient {
			i.Hint = *ui.Key("console.app.redirect_native").With()
		}
	case "backchannel_logout_uri":
		i.Required = v.Param("template") == "portal"
	case "roles_claim":
		i.Kind, i.Heading = ui.SelectInput, "console.app.claims"
	case "token_format":
		i.Kind, i.Heading = ui.SelectInput, "console.app.tokens"
	case "signing_alg":
		i.Kind = ui.SelectInput
		for n := range i.Choices {
			i.Choices[n].Label = i.Choices[n].Value
		}
	case "roles":
		i.Kind = ui.GroupInput
		i.Inputs, err = v.roleBoxes(c.Roles)
	}
	return err
}

// populationSelects ask for populations in their order: one field each, and one or
// two more.
func (v *visit) populationSelects(chosen []string, one bool) (list []ui.Input, err error) {
	all, err := v.console.Manage.Populations.Populations(v.Request.Context(), v.actor)
	if err != nil {
		return nil, err
	}
	if len(chosen) == 0 {
		chosen = []string{idp.Agents}
	}
	n := min(len(all), max(2, len(chosen)+1), maxPopulations)
	if one {
		n = 1
	}
	for i := range n {
		s := ui.Input{Kind: ui.SelectInput, Name: "population_" + strconv.Itoa(i+1), Label: *ui.Key("console.app.population_first").With()}
		if i > 0 {
			s.Label = *ui.Key("console.app.population_then").With(i + 1)
			s.Choices = []ui.Choice{{Label: v.text("console.app.population_none")}}
		}
		for _, p := range all {
			s.Choices = append(s.Choices, ui.Choice{Value: p.ID, Label: v.populationName(p.Population), Chosen: i < len(chosen) && chosen[i] == p.ID})
		}
		list = append(list, s)
	}
	return list, nil
}

// roleBoxes are the roles that the viewer may give to a service.
func (v *visit) roleBoxes(chosen []string) (list []ui.Input, err error) {
	roles, err := v.console.Manage.Roles.Roles(v.Request.Context(), v.actor)
	for _, r := range roles {
		if has := slices.Contains(chosen, r.ID); has || v.actor.CanAll(r.Permissions) {
			list = append(list, ui.Input{Kind: ui.CheckInput, Name: "roles", Label: ui.Plain(r.Name), Value: r.ID, On: has})
		}
	}
	return list, err
}
