package sample

import "gatehouse/ui"

// linkPages are the pages around links that come by mail.
func linkPages() map[string]ui.Page {
	f := frame()
	f.Account, f.NotYouAction = "", ""
	forgot := ui.ForgotPassword{
		Frame: f, Action: "/login/1/forgot", Population: "agents", PopulationName: "Agents",
		Others: []ui.Link{{Label: "Customers", URL: "?as=contacts"}}, BackURL: "/login/1",
	}
	wrong, wait, elsewhere := forgot, forgot, forgot
	wrong.Frame, wrong.Others, wrong.Email, wrong.EmailError = support(), nil, "maya@rtx", ui.MsgEmailInvalid.With()
	wrong.Account, wrong.NotYouAction = "", ""
	wait.Alert, wait.RetryAfter = ui.MsgTooManyAttempts.With(8), 8
	elsewhere.Elsewhere = true
	register := ui.Register{Frame: wrong.Frame, Action: "/login/1/register", Population: "contacts", BackURL: "/login/1"}
	refused := register
	refused.Email, refused.EmailError = "maya@mail.example", ui.MsgDomainRefused.With()
	pages := map[string]ui.Page{
		"forgot": forgot, "forgot-error": wrong, "forgot-wait": wait, "forgot-elsewhere": elsewhere,
		"register": register, "register-error": refused,
		"sent-forgot":   ui.LinkSent{Frame: f, Wait: 600, AgainURL: "/login/1/forgot", BackURL: "/login/1"},
		"sent-register": ui.LinkSent{Frame: register.Frame, Register: true, Wait: 600, AgainURL: "/login/1/register", BackURL: "/login/1"},
	}
	for _, purpose := range []ui.LinkPurpose{ui.ForReset, ui.ForInvitation, ui.ForRegistration} {
		name := string(purpose)
		page := ui.LinkPassword{Frame: f, Purpose: purpose, Action: "/" + name + "/1", Email: "maya@rtx.example", New: ui.NewPassword{Rules: passwordRules(), NoFocus: purpose != ui.ForReset}}
		pages["link-"+name] = page
		page.Name = "Maya"
		page.New.NoFocus = false
		page.New.Error = ui.MsgPasswordBroken.With()
		pages["link-"+name+"-error"] = page
		pages["link-used-"+name] = ui.LinkUsed{
			Frame: f, Purpose: purpose, Email: "maya@rtx.example",
			Links: []ui.Link{{Label: "Agent portal", URL: "https://agents.rtx.example/"}, {Label: "Support portal", URL: "https://support.rtx.example/"}},
		}
	}
	pages["link-used-nowhere"] = ui.LinkUsed{Frame: f, Purpose: ui.ForReset, Email: "maya@rtx.example"}
	return pages
}

// consoleLinks are the console's pages of them.
func consoleLinks() map[string]ui.Page {
	roles := []ui.Tick{{Value: "manager", Label: "Manager", On: true}, {Value: "admin", Label: "Admin", Hint: "Everything", Fixed: true}}
	invite := personForm(consoleFrame("/people"), "", roles)
	invite.Name, invite.Heading, invite.Submit = "console-invite", message("console.invite.heading"), message("console.invite.send")
	invite.Lead, invite.Inputs[1].Hint = message("console.invite.lead"), message("console.invite.name_hint")
	taken := personForm(consoleFrame("/people"), "maya@rtx.example", roles)
	taken.Name, taken.Heading, taken.Submit = invite.Name, invite.Heading, invite.Submit
	taken.Inputs[0].Error = ui.Key("console.invite.taken").With()
	list := ui.ConsoleInvitations{
		Console: consoleFrame("/people"), InviteURL: "#", NextURL: "#",
		Filters: []ui.NavItem{{Label: "Everybody", URL: "#"}, {Label: "Invitations", URL: "#", Current: true}},
		Invitations: []ui.InvitationRow{
			{Name: "Agent three", Email: "three@rtx.example", Roles: []string{"Manager"}, SentAt: on(20, 8), ExpiresAt: on(27, 8), ResendAction: "#", RevokeForm: "#"},
			{Email: sampleAddress, SentAt: on(2, 8), ExpiresAt: on(9, 8), Expired: true, ResendAction: "#", RevokeForm: "#"},
			{Email: "admin@rtx.example", Roles: []string{"Admin"}, SentAt: on(22, 8), ExpiresAt: on(29, 8)},
			{Email: "lost@rtx.example", SentAt: on(22, 8), ExpiresAt: on(29, 8), Lost: true, RevokeForm: "#"},
		},
	}
	list.Tabs = []ui.NavItem{{Label: "Agents", URL: "#", Current: true}, {Label: "Contacts", URL: "#"}}
	none := list
	none.Invitations, none.NextURL = nil, ""
	open := ui.Input{Kind: ui.SwitchInput, Name: "open", On: true}
	allowed := ui.Input{Kind: ui.LinesInput, Name: "allowed", Value: "customer.example\nxn--bcher-kva.example"}
	denied := ui.Input{Kind: ui.LinesInput, Name: "denied", Value: "trial.customer.example"}
	registration := section("registration", "Registration", open, allowed, denied)
	open.After = []ui.Note{{Class: "warning", Text: *ui.Key("console.registration.no_mail").With()}}
	allowed.Value, allowed.Error = "*.example", ui.Key("settings.domain").With("*.example")
	broken := section("registration", "Registration", open, allowed, denied)
	return map[string]ui.Page{
		"console-invite": invite, "console-invite-error": taken, "console-invitations": list, "console-invitations-none": none,
		"console-registration": registration, "console-registration-error": broken,
	}
}

// personForm is the form of a person who is not there yet.
func personForm(frame ui.Console, email string, roles []ui.Tick) ui.ConsoleForm {
	page := ui.ConsoleForm{Console: frame}
	page.Action, page.CancelURL = "/admin/people/x", "#"
	page.Inputs = []ui.Input{
		{Kind: ui.EmailInput, Name: "email", Label: message("console.person.email"), Value: email, Required: true},
		{Kind: ui.TextInput, Name: "name", Label: message("console.person.name")},
		{Kind: ui.SelectInput, Name: "population", Label: message("console.person.population"), Choices: []ui.Choice{
			{Value: "agents", Label: "Agents", Chosen: true}, {Value: "contacts", Label: "Contacts"},
		}},
		{Kind: ui.TicksInput, Name: "roles", Label: message("console.person.roles"), Ticks: roles},
	}
	return page
}

func message(key ui.Key) ui.Message { return *key.With() }
