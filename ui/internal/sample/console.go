package sample

import "gatehouse/ui"

// console are pages of the console.
func console() map[string]ui.Page {
	policy := section("policy", "MFA",
		ui.Input{Kind: ui.SwitchInput, Name: "authenticator", On: true},
		ui.Input{Kind: ui.TextInput, Name: "issuer_label", Value: "RTX Solutions – Agent App"},
		ui.Input{Kind: ui.SwitchInput, Name: "passkey", On: true},
		ui.Input{Kind: ui.SwitchInput, Name: "email_code", After: []ui.Note{{Class: "warning", Text: *ui.Key("console.policy.no_mail").With()}}},
		ui.Input{Kind: ui.SwitchInput, Name: "passkey_for_roles"},
		ui.Input{Kind: ui.LinesInput, Name: "security_keys", Value: "ee882879-721c-4913-9775-3dfcce97072a", After: []ui.Note{{
			Class: "hint", Text: *ui.Key("console.policy.security_keys_named").With(),
			List: []ui.Message{*ui.Key("console.policy.security_key").With("YubiKey 5", "ee882879-721c-4913-9775-3dfcce97072a")},
		}}},
		ui.Input{Kind: ui.LinesInput, Name: "security_key_roots", Error: ui.Key("settings.mfa.need_roots").With()},
		ui.Input{Kind: ui.SwitchInput, Name: "only_security_keys"})
	policy.Inputs = append(policy.Inputs, ui.Input{Kind: ui.TextInput, Name: "reason", Label: *ui.Key("console.reason").With(), Hint: *ui.Key("console.reason_hint").With(), Required: true})
	policy.Sends, policy.Submit = ui.Field{Name: "apply", Value: "next_login"}, *ui.Key("console.save.next_login").With()
	policy.More = []ui.Button{{Field: ui.Field{Name: "apply", Value: "immediately"}, Label: *ui.Key("console.save.immediately").With()}}
	policy.LinksTitle, policy.Links = "console.policy.apps", []ui.Link{{Label: "Wallboard: no second step", URL: "/admin/apps/wallboard"}}
	apply := ui.ConsoleConfirm{
		Console: consoleFrame("/authentication/agents"), Action: "/admin/x", CancelURL: "/admin",
		Heading: *ui.Key("console.apply.heading").With(), Button: *ui.Key("console.apply.submit").With(),
		Changes: []ui.Message{*ui.Key("console.apply.turn_on.email").With()},
		Figures: []ui.Figure{
			{Number: 1284, Label: *ui.Key("console.apply.people").With(1284)},
			{Number: 312, Label: *ui.Key("console.apply.without").With()},
			{Number: 946, Label: *ui.Key("console.apply.sessions").With()},
		},
		Apps: []string{"Agent portal", "Wallboard"}, Extra: &ui.Extra{
			Name: "password_alone", Label: *ui.Key("console.apply.alone_confirm").With(), Warning: ui.Key("console.apply.alone").With(),
		},
		Apply: ui.Input{Name: "apply", Label: *ui.Key("console.apply.heading").With(), Choices: []ui.Choice{
			{Value: "immediately", Label: "Immediately (all users will be logged out)", Hint: "946 sessions end."},
			{Value: "next_login", Label: "On next login", Hint: "Sessions go on."},
		}},
	}
	confirm := ui.ConsoleConfirm{
		Console: consoleFrame("/people"), Action: "/admin/x", CancelURL: "/admin", Danger: true,
		Heading: *ui.Key("console.apply.heading").With(), Consequences: apply.Changes,
		Button: *ui.Key("button.save").With(), ReasonError: ui.Key("settings.reason").With(),
	}
	done := policy
	done.Done = ui.Key("console.done.applied_now").With()
	return map[string]ui.Page{
		"console-policy": policy, "console-policy-done": done, "console-apply": apply,
		"console-confirm": confirm,
	}
}

// consoleRequirements are the pages of password requirements and session configuration.
func consoleRequirements() map[string]ui.Page {
	apply, _ := console()["console-apply"].(ui.ConsoleConfirm)
	passwords := section("passwords", "Password requirements",
		ui.Input{
			Kind: ui.TextInput, Name: "min_length", Value: "70", Required: true, Error: ui.Key("settings.between").With(8, 64),
			After: []ui.Note{
				{Class: "hint", Text: *ui.Key("console.passwords.alone").With(15)},
				{Class: "notice", Text: *ui.Key("console.passwords.at_sign_in").With(), List: []ui.Message{*ui.Key("console.passwords.min_length_is").With(8)}},
			},
		},
		ui.Input{Kind: ui.SwitchInput, Name: "digit", On: true, Hint: *ui.Key("console.passwords.composition_why").With(), Heading: "console.passwords.legacy", Before: []ui.Note{{Class: "hint", Text: *ui.Key("console.passwords.legacy_why").With()}}},
		ui.Input{Kind: ui.TextInput, Name: "expiry_days", Value: "90"})
	passwords.Notes = []ui.Note{{Class: "hint", Text: *ui.Key("console.passwords.elsewhere").With()}}
	limit := func(name, number, unit string) ui.Input {
		i := ui.Input{Kind: ui.LimitInput, Name: name, Value: number}
		for _, u := range []string{"minutes", "hours", "days"} {
			i.Units = append(i.Units, ui.Unit{Value: u, Label: *ui.Key("console.unit." + u).With(), Chosen: u == unit})
		}
		return i
	}
	kept := limit("kept_idle", "100", "days")
	kept.Error = ui.Key("settings.sessions.idle_beyond").With()
	sessions := section("sessions", "Session configuration", limit("session_idle", "1", "hours"), limit("session_lifetime", "24", "hours"),
		ui.Input{Kind: ui.SwitchInput, Name: "end_others", On: true}, ui.Input{Kind: ui.SwitchInput, Name: "keep_signed_in"}, kept, limit("kept_lifetime", "90", "days"))
	newRules := apply
	newRules.Extra = nil
	newRules.Changes = []ui.Message{*ui.Key("console.passwords.rules").With("at least 12 characters, a digit")}
	newRules.Figures = []ui.Figure{
		{Number: 1284, Label: *ui.Key("console.passwords.people").With(1284)},
		{Number: 17, Label: *ui.Key("console.passwords.expired").With()},
		{Number: 95, Label: *ui.Key("console.passwords.not_here").With()},
		{Number: 946, Label: *ui.Key("console.apply.sessions").With()},
	}
	return map[string]ui.Page{
		"console-passwords": passwords, "console-sessions": sessions, "console-passwords-apply": newRules,
	}
}

// section is a section of a population's authentication.
func section(thing, tab string, inputs ...ui.Input) ui.ConsoleForm {
	page := ui.ConsoleForm{Console: consoleFrame("/authentication/agents"), Heading: *ui.Key("console.policy.heading").With("Agent")}
	page.Crumbs, page.Tabs = []ui.Link{{Label: "Settings"}, {Label: "Security and Compliance"}}, tabs(tab)
	page.Action, page.Lead, page.Submit = "/admin/x", *ui.Key("console." + ui.Key(thing) + ".lead").With(), *ui.Key("button.save").With()
	for _, i := range inputs {
		i.Label = *ui.Key("console." + thing + "." + i.Name).With()
		if i.Hint.Key == "" {
			i.Hint = *(i.Label.Key + "_hint").With()
		}
		page.Inputs = append(page.Inputs, i)
	}
	return page
}

// tabs are the sections of a population's authentication.
func tabs(current string) []ui.NavItem {
	var list []ui.NavItem
	for _, label := range []string{"MFA", "Password requirements", "Session configuration", "Name and logo"} {
		list = append(list, ui.NavItem{Label: label, URL: "#", Current: label == current})
	}
	return list
}

func consoleFrame(current string) ui.Console {
	item := func(label, page string) ui.NavItem {
		return ui.NavItem{Label: label, URL: "/admin" + page, Current: page == current}
	}
	own := frame()
	own.Brand = ui.Brand{}
	return ui.Console{
		Frame: own, HomeURL: "/admin", FindURL: "/admin/people", SignOutAction: "/end_session",
		Nav: []ui.NavGroup{
			{Items: []ui.NavItem{item("Overview", ""), item("People", "/people"), item("Apps", "/apps"), item("Roles", "/roles")}},
			{Label: "console.nav.security", Items: []ui.NavItem{
				item("Agent Authentication", "/authentication/agents"), item("Contact Authentication", "/authentication/contacts"),
			}},
			{Label: "console.nav.records", Items: []ui.NavItem{item("Audit log", "/audit"), item("System", "/system")}},
		},
	}
}
