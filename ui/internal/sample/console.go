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
	policy.Tabs = []ui.NavItem{{Label: "MFA", URL: "#", Current: true}, {Label: "Name and logo", URL: "#"}}
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
		"console-policy": policy, "console-policy-done": done, "console-apply": apply, "console-overview": overview, "console-confirm": confirm,
	}
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
