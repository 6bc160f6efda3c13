package sample

import (
	"slices"
	"time"

	"gatehouse/idp"
	"gatehouse/ui"
)

// moments of the samples.
func on(day, hour int) time.Time { return time.Date(2026, 11, day, hour, 12, 0, 0, time.UTC) }

const (
	agentFirefox  = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:135.0) Gecko/20100101 Firefox/135.0"
	agentIPhone   = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_3 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.3 Mobile/15E148 Safari/604.1"
	sampleAddress = "a.very.long.address.of.somebody@customers.bluebird-repairs.example"
)

// people are pages of people and roles.
func people() map[string]ui.Page {
	pages := peopleForms()
	for name, page := range rolePages() {
		pages[name] = page
	}
	list := ui.ConsolePeople{
		Console: consoleFrame("/people"), Action: "/admin/people", Population: "agents", AddURL: "/admin/people/new", InviteURL: "/admin/people/invite", NextURL: "#",
		Filters: []ui.NavItem{{Label: "Everybody", URL: "#", Current: true}, {Label: "Without a second step", URL: "#"}, {Label: "Disabled", URL: "#"}},
		People: []ui.PersonRow{
			{Name: "Agent one", Email: "one@rtx.example", URL: "#", Roles: []string{"Admin"}, Authenticator: true, LastSignInAt: on(23, 8)},
			{Name: "Agent two", Email: "two@rtx.example", URL: "#", Roles: []string{"Manager", "Recovery desk"}, Authenticator: true, LastSignInAt: on(20, 17)},
			{Name: "Somebody with a long name that goes on", Email: sampleAddress, URL: "#", Disabled: true, LastSignInAt: on(2, 9)},
			{Email: "invited@rtx.example", URL: "#"},
		},
	}
	list.Tabs = []ui.NavItem{{Label: "All user groups", URL: "#"}, {Label: "Agents", URL: "#", Current: true}, {Label: "Contacts", URL: "#"}}
	alone := list
	alone.RemindURL = "#"
	alone.On, alone.ExportURL, alone.NextURL, alone.StartURL = []string{"alone"}, "#", "", "#"
	alone.Filters = []ui.NavItem{{Label: "Everybody", URL: "#"}, {Label: "Without a second step", URL: "#", Current: true}, {Label: "Disabled", URL: "#"}}
	alone.People = []ui.PersonRow{{Email: "invited@rtx.example", URL: "#", Alone: true}}
	all := list
	all.Population, all.Search = "", "rtx"
	all.Tabs = []ui.NavItem{{Label: "All user groups", URL: "#", Current: true}, {Label: "Agents", URL: "#"}, {Label: "Contacts", URL: "#"}}
	all.People = slices.Clone(list.People)
	for i := range all.People {
		all.People[i].Group = []string{"Agents", "Contacts"}[i%2]
	}
	pages["console-people-all"] = all
	nobody := list
	nobody.Search, nobody.People, nobody.NextURL = "zzz", nil, ""
	pages["console-people"], pages["console-people-alone"], pages["console-people-nobody"] = list, alone, nobody
	for name, tab := range personTabs() {
		pages[name] = fullPerson(tab)
		pages[name+"-little"] = ui.ConsolePerson{
			Console: consoleFrame("/people"), Tab: tab, Email: sampleAddress, PopulationName: "Agents", Disabled: true, CreatedAt: on(1, 9),
		}
	}
	return pages
}

// personTabs are the names of the samples of a person's tabs.
func personTabs() map[string]ui.PersonTab {
	return map[string]ui.PersonTab{
		"console-person": ui.PersonProfile, "console-person-sign-in": ui.PersonSignIn,
		"console-person-sessions": ui.PersonSessions, "console-person-history": ui.PersonHistory,
	}
}

func fullPerson(tab ui.PersonTab) ui.ConsolePerson {
	action := func(name string, danger bool) ui.PersonAction {
		return ui.PersonAction{Label: *ui.Key("console.action." + name).With(), Hint: *ui.Key("console.action." + name + "_hint").With(), URL: "#", Danger: danger}
	}
	page := ui.ConsolePerson{
		Console: consoleFrame("/people"), Tab: tab, Name: "Agent two", Email: "two@rtx.example", PopulationName: "Agents", Language: "de-CH",
		PasswordSet: true, PasswordSetAt: on(3, 9), Unproved: true, CreatedAt: on(1, 9), EditURL: "#", ResetURL: "#", SignOutURL: "#", RolesURL: "#",
		Accounts: []ui.ElsewhereRow{
			{Connection: "Microsoft", Linked: true, Email: "two@rtx.example", LinkedAt: on(2, 9), LastSeenAt: on(22, 8), ChangeURL: "#", Subject: []ui.Setting{
				{Label: *ui.Key("console.link.tenant_id").With(), Values: []string{tenant}},
				{Label: *ui.Key("console.link.object_id").With(), Values: []string{"11111111-2222-4333-8444-555555555555"}},
			}},
			{Connection: "Bluebird Repairs", ChangeURL: "#", SwitchedOff: true},
		},
		Factors: []ui.FactorRow{
			{Label: *ui.Key("console.person.factor.totp").With(), CreatedAt: on(1, 9), LastUsedAt: on(22, 8), DisabledAt: on(23, 7), EnableURL: "#"},
			{Label: *ui.Key("console.person.factor.email").With(), CreatedAt: on(2, 9)},
		},
		Recovery: &ui.RecoveryFacts{
			GeneratedAt: on(23, 9), SavedAt: on(23, 10), Left: 3, AgainAt: on(23, 11), ViewURL: "#",
		},
		MoreSessions: true,
		Sessions: []ui.SessionRow{
			{UserAgent: agentFirefox, Address: "203.0.113.7", Since: on(23, 7), LastSeenAt: on(23, 9), Apps: []string{"Agent portal", "Wallboard"}, EndURL: "#"},
			{UserAgent: agentIPhone, Address: "2001:db8::1f2e:7", Since: on(21, 7), LastSeenAt: on(22, 22), EndURL: "#"},
		},
		Kept: []ui.KeptRow{
			{App: "Field service", Scopes: []string{"openid", "email", "offline_access"}, UserAgent: agentIPhone, Address: "203.0.113.9", Since: on(1, 8), LastUsedAt: on(23, 7), EndURL: "#"},
		},
		Trusted:  []ui.TrustedRow{{ID: "b", UserAgent: firefox, Address: "203.0.113.7", Since: on(20, 8), Until: on(27, 8), LastUsedAt: on(23, 8), ForgetURL: "#"}},
		Consents: []ui.ConsentRow{{App: "Wallboard of Bluebird", Terms: terms(), Since: on(3, 9), WithdrawURL: "#"}},
		Roles:    []string{"Manager", "Recovery desk"},
		History: []ui.HistoryRow{
			{At: on(23, 9), Kind: "Recovery codes viewed", By: "one@rtx.example", Reason: "lost the phone, called from the desk", UserAgent: agentFirefox, Address: "203.0.113.9"},
			{At: on(23, 7), Kind: "Signed in", UserAgent: agentFirefox, Address: "203.0.113.7"},
		},
		Actions: []ui.PersonAction{action("disable", true), action("anonymise", true), action("delete", true)},
	}
	if tab == ui.PersonSignIn {
		page.Actions = []ui.PersonAction{action("password", false), action("throttle", false)}
	}
	page.Crumbs = []ui.Link{{Label: "People", URL: "#"}}
	for _, t := range []struct {
		label string
		tab   ui.PersonTab
	}{{"Profile", ui.PersonProfile}, {"Sign-in methods", ui.PersonSignIn}, {"Sessions and apps", ui.PersonSessions}, {"History", ui.PersonHistory}} {
		page.Tabs = append(page.Tabs, ui.NavItem{Label: t.label, URL: "#", Current: t.tab == tab})
	}
	page.Done = ui.Key("console.done.signed_out").With()
	return page
}

func sampleRoles() []ui.Tick {
	return []ui.Tick{
		{Value: "admin", Label: "Admin", Hint: "Access to Agent and Contact Authentication · Access to Agent Recovery Code and Reset MFA · Manage people", Fixed: true},
		{Value: "manager", Label: "Manager", Hint: "Reset contacts' MFA · Manage people · Manage sessions", On: true},
		{Value: "agent", Label: "Agent"},
	}
}

func peopleForms() map[string]ui.Page {
	below := consoleFrame("/people")
	below.Crumbs = []ui.Link{{Label: "People", URL: "#"}, {Label: "Agent two", URL: "#"}}
	stale := below
	stale.Alert = ui.Key("error.stale").With()
	confirm := ui.ConsoleConfirm{
		Console: below, Action: "/admin/x", CancelURL: "#", Heading: *ui.Key("console.action.reset_heading").With("Agent two"), Danger: true,
		Button: *ui.Key("console.person.reset").With(), Consequences: []ui.Message{
			*ui.Key("console.action.reset_factors").With(2), *ui.Key("console.action.reset_codes").With(7),
			*ui.Key("console.action.sessions_end").With(3), *ui.Key("console.action.reset_again").With(), *ui.Key("console.action.told").With(),
		},
	}
	return map[string]ui.Page{
		"console-person-new": newPerson(below), "console-person-edit": editPerson(stale, false), "console-person-edit-fixed": editPerson(below, true),
		"console-person-roles": ui.ConsolePersonRoles{
			Console: below, Action: "/admin/x", CancelURL: "#", Version: 3, PersonName: "Agent two", Roles: sampleRoles(),
			RolesError: ui.Key("console.person.last_admin").With(), Told: true, Reason: "ticket 4711",
		},
		"console-person-password": ui.ConsolePersonPassword{
			Console: below, Action: "/admin/x", CancelURL: "#", PersonName: "Agent two", Consequences: confirm.Consequences[2:3],
			ReasonError: ui.Key("settings.reason").With(),
		},
		"console-person-codes": ui.ConsolePersonCodes{
			Console: below, PersonName: "Agent two", PersonEmail: "two@rtx.example", Told: true, BackURL: "#",
			Codes: []string{"7KQF-93MX-PDWA-2HZR", "B4TN-XU6E-81QL-VJ5C", "ZM2H-5RWD-KX7P-9TAF", "Q8VC-LJ3N-64YS-BEUG", "DN5X-2PKA-WR9M-7HQT"},
		},
		"console-person-reset": confirm,
		"console-person-disable": ui.ConsoleConfirm{
			Console: below, Action: "/admin/x", CancelURL: "#", Danger: true, ReasonError: ui.Key("settings.reason").With(),
			Heading: *ui.Key("console.action.disable_heading").With("Agent two"), Button: *ui.Key("console.action.disable").With(),
			Consequences: []ui.Message{*ui.Key("console.action.disable_hint").With(), *ui.Key("console.action.sessions_end").With(3)},
		},
	}
}

func rolePages() map[string]ui.Page {
	var all, ticks []ui.Tick
	var labels []string
	for i, p := range idp.Permissions() {
		label, hint := "Access to "+p, "See and change what "+p+" is about, of every user group."
		labels = append(labels, label)
		all = append(all, ui.Tick{Value: p, Label: label, Hint: hint, On: true})
		ticks = append(ticks, ui.Tick{Value: p, Label: label, Hint: hint, On: i == 1, Fixed: i == 0 || i > 6})
	}
	frame := consoleFrame("/roles")
	below := frame
	below.Crumbs = []ui.Link{{Label: "Roles", URL: "#"}}
	return map[string]ui.Page{
		"console-roles": ui.ConsoleRoles{Console: frame, AddURL: "#", Roles: []ui.RoleRow{
			{Name: "Admin", URL: "#", System: true, Permissions: labels, Holders: 2},
			{Name: "Agent", URL: "#", System: true, Holders: 912},
			{Name: "Recovery desk", URL: "#", Permissions: labels[1:2], Holders: 4},
		}},
		"console-role": ui.ConsoleRole{
			Console: below, Name: "Admin", System: true, Holders: 2, CancelURL: "#", Permissions: all,
		},
		"console-role-edit": roleForm(below, ticks, ui.Key("settings.role.name_taken").With(), nil),
		"console-role-new":  roleForm(below, ticks, nil, ui.Key("settings.reason").With()),
		"console-role-ask": ui.ConsoleAsk{
			Console: below, Action: "/admin/x", CancelURL: "#", Version: 2, Danger: true,
			Heading: *ui.Key("console.roles.delete_heading").With("Recovery desk"), Button: *ui.Key("console.roles.delete").With(),
			Consequences: []ui.Message{*ui.Key("console.roles.delete_unheld").With(), *ui.Key("console.action.final").With()},
		},
		"console-role-mine": ui.ConsoleRole{
			Console: below, CancelURL: "#", EditURL: "#", DeleteURL: "#", Name: "Recovery desk", Permissions: ticks,
		},
	}
}

func roleForm(frame ui.Console, permissions []ui.Tick, name, reason *ui.Message) ui.ConsoleForm {
	page := ui.ConsoleForm{Console: frame, Heading: ui.Plain("Recovery desk")}
	page.Action, page.CancelURL, page.Submit = "/admin/x", "#", *ui.Key("button.save").With()
	page.Inputs = []ui.Input{
		{Kind: ui.TextInput, Name: "name", Label: *ui.Key("console.roles.name").With(), Value: "Recovery desk", Required: true, Error: name},
		{Kind: ui.TicksInput, Name: "permissions", Label: *ui.Key("console.roles.permissions").With(), Ticks: permissions, After: []ui.Note{{Class: "hint", Text: *ui.Key("console.roles.only_own").With()}}},
		{Kind: ui.TextInput, Name: "reason", Label: *ui.Key("console.reason").With(), Hint: *ui.Key("console.reason_hint").With(), Required: true, Error: reason},
	}
	return page
}

// newPerson is the form to add a person, with what is wrong.
func newPerson(frame ui.Console) ui.ConsoleForm {
	page := personForm(frame, "one@rtx", sampleRoles())
	page.Name, page.Heading, page.Submit = "console-person-new", message("console.person.new"), message("console.people.add")
	page.Inputs[0].Error = ui.Key("settings.user.email_taken").With()
	page.Inputs = append(page.Inputs, ui.Input{
		Kind: ui.PasswordInput, Name: "password", Hint: message("console.person.password_optional"), Error: ui.Key("settings.user.need_password").With(),
	})
	return page
}

// editPerson is the form of who a person is.
func editPerson(frame ui.Console, fixed bool) ui.ConsoleForm {
	page := ui.ConsoleForm{Console: frame, Name: "console-person-edit", Heading: message("console.person.edit")}
	page.Action, page.CancelURL, page.Submit = "/admin/x", "#", message("button.save")
	page.Inputs = []ui.Input{
		{Kind: ui.TextInput, Name: "name", Label: message("console.person.name"), Value: "Agent two"},
		{Kind: ui.EmailInput, Name: "email", Label: message("console.person.email"), Value: "two@rtx.example", Fixed: fixed},
		{Kind: ui.TextInput, Name: "locale", Label: message("console.person.locale"), Hint: message("console.person.locale_hint"), Value: "de-CH"},
	}
	if fixed {
		page.Inputs[1].Hint = message("console.person.email_fixed")
	}
	return page
}
