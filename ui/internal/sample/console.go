package sample

import "gatehouse/ui"

// console are pages of the console.
func console() map[string]ui.Page {
	policy := ui.ConsolePolicy{
		Console: consoleFrame("/authentication/agents"), Action: "/admin/x", PopulationName: "Agent", Version: 4,
		Authenticator: true, IssuerLabel: "RTX Solutions – Agent App", EmailCode: false, MailWorks: false,
		Apps: []ui.Link{{Label: "Wallboard: no second step", URL: "/admin/apps/wallboard"}},
	}
	policy.Crumbs = []ui.Link{{Label: "Settings"}, {Label: "Security and Compliance"}}
	policy.Tabs = tabs("MFA")
	apply := ui.ConsoleApply{
		Console: consoleFrame("/authentication/agents"), Action: "/admin/x", CancelURL: "/admin",
		Changes: []ui.Message{*ui.Key("console.apply.turn_on_email").With()},
		Figures: []ui.Figure{
			{Number: 1284, Label: *ui.Key("console.apply.people").With(1284)},
			{Number: 312, Label: *ui.Key("console.apply.without").With()},
			{Number: 946, Label: *ui.Key("console.apply.sessions").With()},
		},
		Sessions: 946, Apps: []string{"Agent portal", "Wallboard"}, JWTMinutes: 5, PasswordAlone: true,
	}
	overview := ui.ConsoleOverview{Console: consoleFrame(""), Figures: apply.Figures, Checks: []ui.Check{
		{Label: *ui.Key("console.check.mail").With(), Hint: *ui.Key("console.check.mail_hint").With(), URL: "#", Done: true},
		{Label: *ui.Key("console.check.audit").With(), Hint: *ui.Key("console.check.audit_days").With(400), URL: "#", Done: true},
		{Label: *ui.Key("console.check.app").With(), Hint: *ui.Key("console.check.app_hint").With(), URL: "#"},
	}}
	confirm := ui.ConsoleConfirm{
		Console: consoleFrame("/people"), Action: "/admin/x", CancelURL: "/admin", Danger: true,
		Heading: *ui.Key("console.apply.heading").With(), Consequences: apply.Changes,
		Button: *ui.Key("console.save").With(), ReasonError: ui.Key("console.error.reason").With(),
	}
	done := policy
	done.Done = ui.Key("console.done.applied_now").With()
	return map[string]ui.Page{
		"console-policy": policy, "console-policy-done": done, "console-apply": apply, "console-overview": overview,
		"console-confirm": confirm,
	}
}

// consoleRequirements are the pages of password requirements and session configuration.
func consoleRequirements() map[string]ui.Page {
	crumbs := []ui.Link{{Label: "Settings"}, {Label: "Security and Compliance"}}
	apply, _ := console()["console-apply"].(ui.ConsoleApply)
	passwords := ui.ConsolePasswords{
		Console: consoleFrame("/authentication/agents"), Action: "/admin/x", PopulationName: "Agent", Version: 4,
		MinLength: "70", MinLengthError: ui.Key("console.error.field").With("at most 64: nobody could choose a password of their own"),
		Alone: 15, Digit: true, ExpiryDays: "90", NoReuse: "5", Elsewhere: true,
		AtSignIn: []ui.Message{*ui.Key("console.passwords.min_length_is").With(8)},
	}
	passwords.Crumbs, passwords.Tabs = crumbs, tabs("Password requirements")
	limit := func(number, unit string) ui.Limit {
		l := ui.Limit{Number: number}
		for _, u := range []string{"minutes", "hours", "days"} {
			l.Units = append(l.Units, ui.Unit{Value: u, Label: *ui.Key("console.sessions." + u).With(), Chosen: u == unit})
		}
		return l
	}
	sessions := ui.ConsoleSessions{
		Console: consoleFrame("/authentication/agents"), Action: "/admin/x", PopulationName: "Agent", Version: 4,
		Idle: limit("1", "hours"), Lifetime: limit("24", "hours"), KeptIdle: limit("30", "days"), KeptLifetime: limit("90", "days"),
		EndOthers: true,
	}
	sessions.Crumbs, sessions.Tabs = crumbs, tabs("Session configuration")
	sessions.KeptIdle.Error = ui.Key("console.error.field").With("no longer than a session lasts at most")
	newRules := apply
	newRules.PasswordAlone, newRules.ForPasswords = false, true
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
		Frame: own, HomeURL: "/admin", SignOutAction: "/end_session",
		Nav: []ui.NavGroup{
			{Items: []ui.NavItem{item("Overview", ""), item("People", "/people"), item("Apps", "/apps"), item("Roles", "/roles")}},
			{Label: "console.nav.security", Items: []ui.NavItem{
				item("Agent Authentication", "/authentication/agents"), item("Contact Authentication", "/authentication/contacts"),
			}},
			{Label: "console.nav.records", Items: []ui.NavItem{item("Audit log", "/audit"), item("System", "/system")}},
		},
	}
}
