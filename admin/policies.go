package admin

import (
	"slices"
	"strings"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/manage/apps"
	"gatehouse/idp/manage/populations"
	"gatehouse/idp/passkey"
	"gatehouse/idp/settings"
	"gatehouse/mfa"
	"gatehouse/ui"
)

func (v *visit) crumbs() []ui.Link {
	return []ui.Link{{Label: v.text("console.nav.settings")}, {Label: v.text("console.nav.security")}}
}

// tabs are the sections of a population's authentication.
func (v *visit) tabs(p idp.Population, current string) (list []ui.NavItem) {
	for _, tab := range []struct {
		path  string
		label ui.Key
	}{
		{"access", "console.access.tab"},
		{"mfa", "console.policy.tab"},
		{"passwords", "console.passwords.tab"},
		{"sessions", "console.sessions.tab"},
		{"registration", "console.registration.tab"},
		{"brand", "console.policy.brand_tab"},
	} {
		list = append(list, ui.NavItem{Label: v.text(tab.label), URL: v.path("/authentication/" + p.ID + "/" + tab.path), Current: current == tab.path})
	}
	return list
}

// policy is the MFA policy of a population.
func policy() section[populations.PopulationEntry, idp.Policy] {
	type entry = populations.PopulationEntry
	x := populationSection("mfa", "SavePolicy", populations.PolicyFields(), func(p idp.Population) idp.Policy { return p.Policy })
	x.thing = "policy"
	x.seen = func(e entry) (idp.Policy, int64) { return e.Policy, e.Policy.Version }
	x.confirmAt = func(e entry) string { return "/authentication/" + e.ID + "/apply" }
	x.check = func(v *visit, _ entry, p *idp.Policy) settings.Errors {
		return v.console.Manage.Populations.CheckPolicy(p)
	}
	x.more = func(v *visit, e entry, p idp.Policy, page *ui.ConsoleForm) (err error) {
		nameKeys(p, page.Inputs)
		if v.console.Manage.Mailer == nil {
			i := slices.IndexFunc(page.Inputs, func(in ui.Input) bool { return in.Name == "email_code" })
			page.Inputs[i].After = append(page.Inputs[i].After, note("warning", "console.policy.no_mail"))
		}
		page.LinksTitle = "console.policy.apps"
		page.Links, err = v.ownRules(e.Population)
		return err
	}
	x.when = []populations.Apply{populations.OnNextLogin, populations.Immediately}
	x.ask = (*visit).askPolicy
	x.save = func(v *visit, e entry, p idp.Policy) (int64, ui.Key, error) {
		c := change(v, e.ID, p)
		c.To.Version = c.Version
		saved, err := v.console.Manage.Populations.SavePolicy(v.Request.Context(), v.actor, c)
		return saved.Version, appliedAs(c.Apply, "console.done.applied_now"), err
	}
	return x
}

func note(class string, key ui.Key, args ...any) ui.Note {
	return ui.Note{Class: class, Text: *key.With(args...)}
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

// askPolicy is the choice when a policy applies, with the numbers.
func (v *visit) askPolicy(e populations.PopulationEntry, wanted idp.Policy) (ui.ConsoleConfirm, error) {
	preview, err := v.console.Manage.Populations.PreviewPolicy(v.Request.Context(), v.actor, e.ID, wanted)
	page := v.applying(preview, "console.apply.immediately_hint")
	page.Changes, page.Consequences = policyChanges(e.Policy, wanted), v.includesMe(e)
	if wanted.AttestsKeys() {
		page.Figures = append(page.Figures, ui.Figure{Number: preview.OtherPasskeys, Label: *ui.Key("console.apply.other_passkeys").With()})
	}
	if !wanted.SecondStep() {
		page.Extra = &ui.Extra{
			Name: "password_alone", Label: *ui.Key("console.apply.alone_confirm").With(), Warning: ui.Key("console.apply.alone").With(),
		}
	}
	for _, c := range preview.Clients {
		if !idp.OwnClient(c.ID) {
			page.Apps = append(page.Apps, c.Name)
		}
	}
	return page, err
}

// includesMe says that whoever is asked is signed out too.
func (v *visit) includesMe(e populations.PopulationEntry) []ui.Message {
	if e.ID != v.viewer.Population.ID {
		return nil
	}
	return []ui.Message{*ui.Key("console.apply.you").With()}
}

// applying is a choice when a change of MFA applies, with the numbers.
func (v *visit) applying(p populations.Preview, immediately ui.Key) ui.ConsoleConfirm {
	return ui.ConsoleConfirm{
		Heading: *ui.Key("console.apply.heading").With(), Button: *ui.Key("console.apply.submit").With(),
		Apply: v.applyChoices(v.text(immediately, p.Sessions)+v.untilJWTsEnd(p.JWTFor), v.text("console.apply.next_login_hint")),
		Figures: []ui.Figure{
			{Number: p.People, Label: *ui.Key("console.apply.people").With(int(p.People))},
			{Number: p.WithoutFactor, Label: *ui.Key("console.apply.without").With()},
			{Number: p.Sessions, Label: *ui.Key("console.apply.sessions").With()},
		},
	}
}

// untilJWTsEnd says how long other servers go on accepting JWTs, nothing for none.
func (v *visit) untilJWTsEnd(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return " " + v.text("console.apply.jwt", int((d+time.Minute-1)/time.Minute))
}

// policyChanges says in sentences what a change does.
func policyChanges(before, after idp.Policy) []ui.Message {
	var list []ui.Message
	for _, id := range mfa.SecondSteps() {
		m := mfa.Of(id)
		switch was, is := m.On(before), m.On(after); {
		case !was && is:
			list = append(list, *ui.MethodKey("console.apply.turn_on.", string(id)).With())
		case was && !is:
			list = append(list, *ui.MethodKey("console.apply.turn_off.", string(id)).With())
		}
	}
	switch {
	case !before.PasskeyForRoles && after.PasskeyForRoles:
		list = append(list, *ui.Key("console.apply.roles_on").With())
	case before.PasskeyForRoles && !after.PasskeyForRoles:
		list = append(list, *ui.Key("console.apply.roles_off").With())
	}
	if before.IssuerLabel != after.IssuerLabel {
		list = append(list, *ui.Key("console.apply.label").With(after.IssuerLabel))
	}
	list = append(list, keyChanges(before, after)...)
	switch {
	case before.TrustDays == after.TrustDays:
	case after.TrustDays == 0:
		list = append(list, *ui.Key("console.apply.trust_off").With())
	default:
		list = append(list, *ui.Key("console.apply.trust").With(after.TrustDays))
	}
	if len(list) == 0 {
		list = append(list, *ui.Key("console.apply.nothing").With())
	}
	return list
}

// keyChanges are those of policyChanges about security keys.
func keyChanges(before, after idp.Policy) (list []ui.Message) {
	switch {
	case before.SecurityKeys == after.SecurityKeys:
	case after.SecurityKeys == "":
		list = append(list, *ui.Key("console.apply.keys_off").With())
	default:
		list = append(list, *ui.Key("console.apply.keys").With(len(strings.Fields(after.SecurityKeys))))
	}
	if before.SecurityKeyRoots != after.SecurityKeyRoots && after.SecurityKeyRoots != "" {
		list = append(list, *ui.Key("console.apply.keys_roots").With())
	}
	switch {
	case !before.OnlySecurityKeys && after.OnlySecurityKeys:
		list = append(list, *ui.Key("console.apply.keys_only_on").With())
	case before.OnlySecurityKeys && !after.OnlySecurityKeys:
		list = append(list, *ui.Key("console.apply.keys_only_off").With())
	}
	return list
}

// nameKeys says which models and makers a policy has, and which models there are.
func nameKeys(p idp.Policy, inputs []ui.Input) {
	models := ui.Note{Class: "hint", Text: *ui.Key("console.policy.security_keys_named").With()}
	for id := range strings.FieldsSeq(p.SecurityKeys) {
		text := ui.Key("console.policy.security_key_unknown").With(id)
		if name := passkey.ModelName(id); name != "" {
			text = ui.Key("console.policy.security_key").With(name, id)
		}
		models.List = append(models.List, *text)
	}
	if len(models.List) == 0 {
		models.Text = *ui.Key("console.policy.security_keys_known").With()
		for _, m := range passkey.KeyModels() {
			models.List = append(models.List, *ui.Key("console.policy.security_key").With(m.Name, m.ID))
		}
	}
	makers := ui.Note{Class: "hint", Text: *ui.Key("console.policy.security_key_roots_read").With()}
	roots, _ := passkey.Roots(p.SecurityKeyRoots, time.Time{}) // what is wrong stands at the field
	for _, c := range roots {
		makers.List = append(makers.List, *ui.Key("console.policy.security_key_root").With(c.Subject.String(), ui.Day(c.NotAfter)))
	}
	for _, n := range []struct {
		field string
		note  ui.Note
	}{{"security_keys", models}, {"security_key_roots", makers}} {
		if i := inputNamed(inputs, n.field); len(n.note.List) > 0 && i != nil {
			i.After = append(i.After, n.note)
		}
	}
}

// override is an app's own MFA rule.
func override() section[apps.ClientEntry, idp.Override] {
	type entry = apps.ClientEntry
	home := func(c entry) string { return "/apps/" + c.ID + "/mfa" }
	return section[entry, idp.Override]{
		thing: "override", fields: populations.OverrideFields(), load: (*visit).ruledApp, home: home,
		confirmAt: func(c entry) string { return "/apps/" + c.ID + "/apply" },
		frame: func(v *visit, c entry) (page ui.ConsoleForm, err error) {
			page.Console, err = v.appFrame(c, "/mfa")
			page.Heading = ui.Plain(c.Name)
			return page, err
		},
		behind: func(v *visit, c entry) (ui.Console, error) {
			frame, err := v.frame(v.Request.Context(), "/apps")
			frame.Crumbs = append(v.appCrumbs(), ui.Link{Label: c.Name, URL: v.path(home(c))})
			return frame, err
		},
		seen: func(c entry) (idp.Override, int64) {
			o := c.Override
			populations.OverrideFields().Defaults(&o)
			return o, o.Version
		},
		check: func(_ *visit, _ entry, o *idp.Override) settings.Errors {
			if o.Mode != idp.OverrideRequired { // without scripts a form sends it all the same
				o.MinACR, o.Federated = "", false
			}
			return populations.CheckOverride(o)
		},
		more: (*visit).groupOverride,
		when: []populations.Apply{populations.OnNextLogin, populations.Immediately},
		ask: func(v *visit, c entry, o idp.Override) (ui.ConsoleConfirm, error) {
			preview, err := v.console.Manage.Populations.PreviewOverride(v.Request.Context(), v.actor, c.ID, o)
			page := v.applying(preview, "console.apply.immediately_app")
			page.Changes = overrideChanges(c.Name, o)
			return page, err
		},
		save: func(v *visit, c entry, o idp.Override) (int64, ui.Key, error) {
			wanted := change(v, c.ID, o)
			wanted.To.Version = wanted.Version
			saved, err := v.console.Manage.Populations.SaveOverride(v.Request.Context(), v.actor, wanted)
			return saved.Version, appliedAs(wanted.Apply, "console.done.rule_now"), err
		},
	}
}

// ruledApp is an app that people sign in to.
func (v *visit) ruledApp() (apps.ClientEntry, error) {
	c, err := v.app("SaveOverride")
	if err == nil && !c.Kind.SignsIn() {
		err = idp.ErrNotFound
	}
	return c, err
}

// groupOverride puts what goes with required only together, and names the rules that the
// app follows otherwise.
func (v *visit) groupOverride(c apps.ClientEntry, o idp.Override, page *ui.ConsoleForm) error {
	least, federated := page.Inputs[1], page.Inputs[2]
	least.Kind, federated.Kind = ui.SelectInput, ui.CheckInput
	least.Choices = []ui.Choice{
		{Value: "", Label: v.text("console.override.acr_any"), Chosen: o.MinACR.Rank() < idp.ACRMFA.Rank()},
		{Value: string(idp.ACRMFA), Label: v.text("console.override.acr_mfa"), Chosen: o.MinACR.Rank() == idp.ACRMFA.Rank()},
		{Value: string(idp.ACRPasskey), Label: v.text("console.override.acr_phr"), Chosen: o.MinACR == idp.ACRPasskey},
	}
	reachable, err := v.reach(c.Populations, idp.ACRHardware)
	if err != nil {
		return err
	}
	if reachable || o.MinACR == idp.ACRHardware {
		least.Choices = append(least.Choices, ui.Choice{
			Value: string(idp.ACRHardware), Label: v.text("console.override.acr_phrh"), Chosen: o.MinACR == idp.ACRHardware,
		})
	}
	page.Inputs = []ui.Input{page.Inputs[0], {
		Kind: ui.GroupInput, Label: *ui.Key("console.override.required_only").With(), Inputs: []ui.Input{least, federated},
	}}
	names, err := v.populationNames()
	follows := ui.Note{Class: "hint", Text: *ui.Key("console.override.of").With()}
	for _, id := range c.Populations {
		follows.Links = append(follows.Links, ui.Link{Label: names[id], URL: v.path("/authentication/" + id + "/mfa")})
	}
	if len(follows.Links) > 0 {
		page.Notes = append(page.Notes, follows)
	}
	return err
}

// reach tells whether people of one of some populations can come to prove a class.
func (v *visit) reach(populations []string, acr idp.ACR) (bool, error) {
	all, err := v.console.Store.Populations(v.Request.Context())
	return slices.ContainsFunc(all, func(p idp.Population) bool {
		return slices.Contains(populations, p.ID) && mfa.Reaches(p.Policy, acr)
	}), err
}

// overrideChanges says in sentences what a rule does.
func overrideChanges(name string, o idp.Override) []ui.Message {
	switch {
	case o.Mode == idp.OverrideOff:
		return []ui.Message{*ui.Key("console.apply.app_off").With(name)}
	case o.Mode != idp.OverrideRequired:
		return []ui.Message{*ui.Key("console.apply.app_inherit").With(name)}
	}
	list := []ui.Message{*ui.Key("console.apply.app_required").With(name)}
	switch o.MinACR {
	case idp.ACRMFA:
		list[0] = *ui.Key("console.apply.app_required_mfa").With(name)
	case idp.ACRHardware:
		list[0] = *ui.Key("console.apply.app_required_phrh").With(name)
	case idp.ACRPasskey:
		list[0] = *ui.Key("console.apply.app_required_phr").With(name)
	default: // any second step will do
	}
	if o.Federated {
		list = append(list, *ui.Key("console.override.change_federated").With())
	}
	return list
}
