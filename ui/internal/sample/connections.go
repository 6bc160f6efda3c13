package sample

import (
	"time"

	"gatehouse/ui"
)

const tenant = "4fa1f7d2-6c5c-4d6d-9b64-0f9e6d1b2c3a"

// connections are the console's pages about sign-in connections and portal access.
func connections() map[string]ui.Page {
	message := func(key ui.Key, args ...any) ui.Message { return *key.With(args...) }
	way := ui.Input{
		Kind: ui.RadioInput, Name: "access", Label: message("console.access.access"), Choices: []ui.Choice{
			{Value: "password", Label: "Email and password", Hint: "And the second step that the MFA rules ask for."},
			{Value: "federated", Label: "Connections", Hint: "Through Microsoft Entra or another provider alone. With one connection people go straight there; passwords, resets and registration are gone."},
			{Value: "both", Label: "Both", Hint: "People choose on the sign-in page.", Chosen: true},
		},
	}
	form := ui.ConsoleForm{Console: accessFrame(true), Heading: message("console.policy.heading", "Contact")}
	form.Action, form.Lead, form.Submit, form.Inputs = "/admin/x", message("console.access.lead"), message("console.access.next"), []ui.Input{way}
	access := ui.ConsoleAccess{
		ConsoleForm: form, AddURL: "#",
		Connections: []ui.ConnectionRow{
			{Name: "Microsoft", URL: "#", Kind: message("console.connection.kind_several", 3), Trust: message("console.connection.trust.trusted"), Enabled: true, People: 1284, CertificateEnds: time.Date(2026, 12, 20, 9, 0, 0, 0, time.UTC), EndsSoon: true},
			{Name: "Bluebird Repairs & Spare Parts", URL: "#", Kind: message("console.connection.kind_oidc", "https://login.bluebird-repairs.example/realms/customers"), Trust: message("console.connection.trust.local"), Enabled: true, Lost: true, InsteadOf: "Microsoft"},
		},
	}
	none := access
	way.Error = ui.Key("settings.access.no_connection").With()
	none.Connections, none.Inputs = nil, []ui.Input{way}
	confirm := ui.ConsoleConfirm{
		Console: accessFrame(false), Action: "/admin/x", CancelURL: "#", Danger: true, Heading: message("console.access.heading"), Button: message("console.access.submit"),
		Figures: []ui.Figure{
			{Number: 1284, Label: message("console.access.figure_people", 1284)}, {Number: 312, Label: message("console.access.figure_unlinked")},
		},
		Consequences: []ui.Message{
			message("console.access.to_federated"), message("console.access.first_time", 312), message("console.access.sessions_go_on"), message("console.access.break_glass"),
		},
	}
	add := ui.ConsoleConnectionNew{Console: accessFrame(false), PopulationName: "Contacts", Templates: []ui.AppTemplate{
		{Label: message("console.connection.new_entra_one"), Hint: message("console.connection.new_entra_one_hint"), URL: "#"},
		{Label: message("console.connection.new_entra_any"), Hint: message("console.connection.new_entra_any_hint"), URL: "#"},
		{Label: message("console.connection.new_oidc"), Hint: message("console.connection.new_oidc_hint"), URL: "#"},
	}}
	link := ui.ConsoleForm{Console: consoleFrame("/people"), Name: "console-person-link", Heading: *ui.Key("console.link.heading").With("Maya Lindqvist", "Microsoft")}
	link.Action, link.CancelURL, link.Submit = "/admin/x", "#", message("console.link.link")
	link.Notes = []ui.Note{{Class: "hint", Text: *ui.Key("console.link.what").With("Microsoft")}, {Class: "hint", Text: message("console.action.told")}}
	link.Inputs = []ui.Input{
		{Kind: ui.TextInput, Name: "tenant_id", Label: message("console.link.tenant_id"), Hint: message("console.link.tenant_id_hint"), Value: tenant, Required: true},
		{
			Kind: ui.TextInput, Name: "object_id", Label: message("console.link.object_id"), Hint: message("console.link.object_id_hint"), Value: "maya",
			Error: ui.Key("settings.identity.object").With("maya"), Required: true,
		},
		{Kind: ui.TextInput, Name: "reason", Label: message("console.reason"), Hint: message("console.reason_hint"), Required: true},
	}
	return map[string]ui.Page{
		"console-access": access, "console-access-none": none, "console-access-confirm": confirm, "console-connection-new": add,
		"console-connection": connection(), "console-connection-added": newConnection(), "console-person-link": link,
	}
}

func accessFrame(tabs bool) ui.Console {
	frame := consoleFrame("/authentication/contacts")
	frame.Crumbs = []ui.Link{{Label: "Settings"}, {Label: "Security and Compliance"}}
	if tabs {
		frame.Tabs = []ui.NavItem{{Label: "Portal access", URL: "#", Current: true}, {Label: "MFA", URL: "#"}, {Label: "Name and logo", URL: "#"}}
	}
	return frame
}

// connection is the form of one of Entra's that exists, with everything.
func connection() ui.ConsoleForm {
	page := ui.ConsoleForm{
		Console: accessFrame(false), Name: "console-connection", Heading: ui.Plain("Microsoft"), DeleteURL: "#", DeleteTexts: "console.connection.delete",
	}
	page.Action, page.CancelURL, page.Submit = "/admin/x", "#", message("button.save")
	page.Notes = []ui.Note{
		{Class: "warning", Title: message("console.connection.lost"), Text: message("console.connection.lost_what")},
		{Class: "warning", Title: message("console.connection.undated"), Text: message("console.connection.undated_entra")},
	}
	page.Inputs = append(connectionValues(), connectionInputs("keep", "secret", "certificate")...)
	page.Inputs = append(page.Inputs, connectionDetails(ui.Key("settings.no_role").With("invented")), ui.Input{
		Kind: ui.SwitchInput, Name: "enabled", Label: message("console.connection.enabled"), Hint: message("console.connection.enabled_hint"), On: true,
	}, ui.Input{Kind: ui.TextInput, Name: "reason", Label: message("console.reason"), Hint: message("console.reason_hint"), Required: true})
	return page
}

func connectionValues() []ui.Input {
	return []ui.Input{{
		Kind: ui.ValuesInput, Name: "other", Heading: "console.connection.values", Before: []ui.Note{{Class: "hint", Text: message("console.connection.values_entra")}},
		Settings: []ui.Setting{
			{Label: message("console.connection.value_redirect"), Values: []string{"https://id.rtx.example/federation/callback"}},
			{Label: message("console.connection.value_scopes"), Values: []string{"openid profile email"}},
			{
				Label: message("console.connection.certificate"), Text: *ui.Key("console.connection.certificate_ends").With(time.Date(2028, 11, 20, 9, 0, 0, 0, time.UTC)),
				Download: ui.Link{Label: "Download certificate (PEM)", URL: "#"},
			},
		},
	}}
}

func connectionText(name, value string) ui.Input {
	label := ui.Key("console.connection." + name)
	return ui.Input{Kind: ui.TextInput, Name: name, Label: *label.With(), Hint: *(label + "_hint").With(), Value: value, Required: true}
}

func connectionInputs(credentials ...string) []ui.Input {
	name, tenants := connectionText("name", "Microsoft"), connectionText("tenants", tenant)
	name.Heading, tenants.Kind = "console.connection.who", ui.LinesInput
	audience := ui.Input{Kind: ui.GroupInput, Name: "any_tenant", Label: message("console.connection.audience")}
	for _, one := range []string{"any_tenant", "personal_accounts"} {
		label := ui.Key("console.connection." + one)
		audience.Inputs = append(audience.Inputs, ui.Input{Kind: ui.CheckInput, Name: one, Label: *label.With(), Hint: *(label + "_hint").With()})
	}
	credential := ui.Input{Kind: ui.RadioInput, Name: "credential", Label: message("console.connection.credential"), Hint: message("console.connection.credential")}
	for i, one := range credentials {
		credential.Choices = append(credential.Choices, ui.Choice{Value: one, Label: "A " + one, Hint: "Made at the other side.", Chosen: i == 0})
	}
	trust := ui.Input{Kind: ui.RadioInput, Name: "trust", Heading: "console.connection.trust", Label: message("console.connection.trust"), Hint: message("console.connection.trust_lead")}
	for _, one := range []string{"trusted", "evidence", "local"} {
		trust.Choices = append(trust.Choices, ui.Choice{Value: one, Label: "Counts as " + one, Hint: "What that means.", Chosen: one == "evidence"})
	}
	context := connectionText("context", "")
	context.Required, context.Error = false, ui.Key("settings.connection.need_context").With()
	return []ui.Input{name, connectionText("client_id", "2b1e5a4c-3a70-4a6a-9df1-7a0c5b0f4c11"), tenants, audience, credential, {
		Kind: ui.SecretInput, Name: "client_secret", Label: message("console.connection.secret"), Hint: message("console.connection.secret_hint"),
	}, trust, context}
}

func connectionDetails(wrong *ui.Message) ui.Input {
	claims := []ui.Choice{{Value: "groups", Label: "Group", Chosen: true}, {Value: "roles", Label: "App role"}}
	roles := []ui.Choice{{Value: "agent", Label: "Agent"}, {Value: "manager", Label: "Manager", Chosen: true}}
	return ui.Input{Kind: ui.DetailsInput, Label: message("console.connection.more"), Inputs: []ui.Input{{
		Kind: ui.MappingsInput, Name: "roles", Label: message("console.connection.mappings"), Hint: message("console.connection.mappings_hint"), Error: wrong,
		Mappings: []ui.MappingRow{{Claims: claims, Value: "1f0a7c52-9a1e-4f7c-8a52-6d1f6f1c0b11", Roles: roles}, {Claims: claims, Roles: roles}},
	}}}
}

// newConnection is the form of one that is added.
func newConnection() ui.ConsoleForm {
	page := ui.ConsoleForm{Console: accessFrame(false), Name: "console-connection", Heading: message("console.connection.new_entra_one")}
	page.Action, page.CancelURL, page.Submit = "/admin/x", "#", message("console.connection.add")
	page.Inputs = append(connectionInputs("secret", "certificate"), connectionDetails(nil))
	return page
}
