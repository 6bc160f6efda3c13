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
			{Name: "Microsoft", URL: "#", Kind: message("console.connection.kind_several", 3), Trust: message("console.connection.trusted"), Enabled: true, People: 1284, CertificateEnds: time.Date(2026, 12, 20, 9, 0, 0, 0, time.UTC), EndsSoon: true},
			{Name: "Bluebird Repairs & Spare Parts", URL: "#", Kind: message("console.connection.kind_oidc", "https://login.bluebird-repairs.example/realms/customers"), Trust: message("console.connection.local"), Enabled: true, Lost: true, InsteadOf: "Microsoft"},
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
	link.Notes = []ui.Note{{Class: "hint", Text: *ui.Key("console.link.what").With("Microsoft")}, {Class: "hint", Text: message("console.deed.told")}}
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

// connection is one of Entra's that exists, with everything.
func connection() ui.ConsoleConnection {
	claims := []ui.Choice{{Value: "groups", Label: "Group", Chosen: true}, {Value: "roles", Label: "App role"}}
	roles := []ui.Choice{{Value: "agent", Label: "Agent"}, {Value: "manager", Label: "Manager", Chosen: true}}
	return ui.ConsoleConnection{
		Console: accessFrame(false), Action: "/admin/x", CancelURL: "#", DeleteURL: "#", Version: 3,
		Heading: ui.Plain("Microsoft"), Submit: *ui.Key("console.save").With(),
		Values: []ui.Setting{
			{Label: *ui.Key("console.connection.value_redirect").With(), Values: []string{"https://id.rtx.example/federation/callback"}},
			{Label: *ui.Key("console.connection.value_logout").With(), Values: []string{"https://id.rtx.example/federation/logout"}},
			{Label: *ui.Key("console.connection.value_scopes").With(), Values: []string{"openid profile email"}},
		},
		CertificateURL: "#", CertificateEnds: time.Date(2028, 11, 20, 9, 0, 0, 0, time.UTC),
		Name: "Microsoft", Enabled: true, Entra: true, HasIssuer: true, HasTenants: true, ManyTenants: true, HasAudience: true,
		Lost: true, Undated: true, Issuer: "https://login.microsoftonline.com", Tenants: tenant, ClientID: "2b1e5a4c-3a70-4a6a-9df1-7a0c5b0f4c11",
		Credentials: []ui.Choice{
			{Value: "keep", Label: "Keep the certificate", Chosen: true},
			{Value: "secret", Label: "A new client secret", Hint: "Made at the other side, and entered below."},
			{Value: "certificate", Label: "A new certificate", Hint: "Sign-ins fail until the other side has it. Made when you save, valid for two years."},
		},
		Trusts: []ui.Choice{
			{Value: "trusted", Label: "Trusted", Hint: "The provider decides about the second step. No second step is asked for here."},
			{Value: "evidence", Label: "Evidence required", Hint: "The provider has to prove a second step. People who come without one are refused, and told why.", Chosen: true},
			{Value: "local", Label: "Local second step too", Hint: "A sign-in counts as a password does: the second step of the MFA rules follows here."},
		},
		OwnRedirectURI: "https://id.rtx.example/federation/callback/01a22304-c964-7375-95a9-20ec579aa267",
		CreateUsers:    true, HasDomains: true, Domains: "rtx.example\nrtx-solutions.example",
		Mappings: []ui.MappingRow{{Claims: claims, Value: "1f0a7c52-9a1e-4f7c-8a52-6d1f6f1c0b11", Roles: roles}, {Claims: claims, Roles: roles}},
		Errors: map[string]*ui.Message{
			"context": ui.Key("settings.connection.need_context").With(),
			"roles":   ui.Key("settings.no_role").With("invented"),
		},
	}
}

// newConnection is the form of one that is added.
func newConnection() ui.ConsoleConnection {
	c := connection()
	c.IsNew, c.OwnRedirect = true, true
	c.DeleteURL, c.CertificateURL, c.Version, c.Errors, c.HasAudience, c.HasIssuer, c.ManyTenants = "", "", 0, nil, false, false, false
	c.Heading, c.Submit = *ui.Key("console.connection.new_entra_one").With(), *ui.Key("console.connection.add").With()
	c.Tenants, c.ClientID, c.Domains, c.Mappings = "", "", "", c.Mappings[1:]
	c.Credentials = []ui.Choice{
		{Value: "secret", Label: "A client secret", Hint: "Made at the other side, and entered below."},
		{Value: "certificate", Label: "A certificate", Hint: "Made here when you save, valid for two years. Download it then, and upload it at the other side."},
	}
	return c
}
