package sample

import (
	"time"

	"gatehouse/ui"
)

// consoleApps are the console's pages about apps, records and brands.
func consoleApps() map[string]ui.Page {
	pages := map[string]ui.Page{}
	for _, more := range []map[string]ui.Page{appPages(), appForms(), recordPages(), brandPages()} {
		for name, page := range more {
			pages[name] = page
		}
	}
	return pages
}

func appFrame(current string) ui.Console {
	frame := consoleFrame("/apps")
	frame.Crumbs = []ui.Link{{Label: "Apps", URL: "#"}}
	for _, label := range []string{"Settings", "Connect", "Secrets", "MFA", "Deliveries"} {
		frame.Tabs = append(frame.Tabs, ui.NavItem{Label: label, URL: "#", Current: label == current})
	}
	return frame
}

func appPages() map[string]ui.Page {
	connect := ui.ConsoleAppConnect{
		Console: appFrame("Connect"), AppName: "Agent portal", TestURL: "/authorize?client_id=x", Redirect: "https://agents.rtx.example/callback",
		Settings: []ui.Setting{
			{Label: *ui.Key("console.setting.issuer").With(), Values: []string{"https://id.rtx.example"}},
			{Label: *ui.Key("console.setting.client_id").With(), Values: []string{"01kaq4t7n3vwx2y5z6a7b8c9d0"}},
			{Label: *ui.Key("console.setting.redirect_uris").With(), Values: []string{"https://agents.rtx.example/callback", "https://staging.agents.rtx.example/callback"}},
		},
		Snippets: []ui.Snippet{
			{Title: "Go · coreos/go-oidc", Code: "provider, err := oidc.NewProvider(ctx, \"https://id.rtx.example\")\nif err != nil {\n\treturn err\n}\nconfig := oauth2.Config{ClientID: \"01kaq4t7n3vwx2y5z6a7b8c9d0\", ClientSecret: os.Getenv(\"CLIENT_SECRET\"), Endpoint: provider.Endpoint()}"},
			{Title: "Node.js · openid-client", Code: "import * as client from 'openid-client'"},
		},
	}
	once := connect
	once.Secret, once.NextURL = "Zk3o8s5bq0mJm2y7r1cVhVt4n6u9wXaEdFgHiKlMnOp", "#"
	kind := *ui.Key("console.app.kind_web").With()
	return map[string]ui.Page{
		"console-apps": ui.ConsoleApps{
			Console: consoleFrame("/apps"), NewURL: "#", OlderURL: "#", RegistrationURL: "#",
			Apps: []ui.AppRow{
				{Name: "Agent portal", URL: "#", Kind: kind, Populations: "Agents", Rule: *ui.Key("console.app.rule_inherit").With()},
				{Name: "Wallboard", URL: "#", Kind: *ui.Key("console.app.kind_spa").With(), Populations: "Agents, Contacts", Rule: *ui.Key("console.app.rule_off").With()},
				{Name: "Nightly import", URL: "#", Kind: *ui.Key("console.app.kind_service").With()},
			},
		},
		"console-registration": ui.ConsoleRegistration{
			Console: registrationFrame(), Endpoint: "https://id.rtx.example/register", NewURL: "#", OlderURL: "#", Tokens: []ui.TokenRow{
				{Name: "Partner developers", Hosts: []string{"*.partner.example", "localhost"}, Apps: *ui.Key("console.initial_tokens.apps_of").With(2, 20), MadeAt: tokenDay(20), ExpiresAt: tokenDay(27), WithdrawURL: "#"},
				{Name: "Assistants", Hosts: []string{"*"}, Apps: *ui.Key("console.initial_tokens.apps_of").With(5, 5), MadeAt: tokenDay(1), ExpiresAt: tokenDay(8), State: *ui.Key("console.initial_tokens.used_up").With(), WithdrawURL: "#"},
			},
		},
		"console-registration-off":  ui.ConsoleRegistration{Console: registrationFrame()},
		"console-registration-once": ui.ConsoleRegistration{Console: registrationFrame(), Endpoint: "https://id.rtx.example/register", Token: "Zk3o8s5bq0mJm2y7r1cVhVt4n6u9wXaEdFgHiKlMnOp", NextURL: "#"},
		"console-apps-none":         ui.ConsoleApps{Console: consoleFrame("/apps"), NewURL: "#"},
		"console-app-new": ui.ConsoleAppNew{Console: consoleFrame("/apps"), Templates: []ui.AppTemplate{
			{Label: *ui.Key("console.app.portal").With(), Hint: *ui.Key("console.app.portal_hint").With(), URL: "#"},
			{Label: kind, Hint: *ui.Key("console.app.web_hint").With(), URL: "#"},
			{Label: *ui.Key("console.app.kind_spa").With(), Hint: *ui.Key("console.app.spa_hint").With(), URL: "#"},
			{Label: *ui.Key("console.app.kind_native").With(), Hint: *ui.Key("console.app.native_hint").With(), URL: "#"},
			{Label: *ui.Key("console.app.kind_service").With(), Hint: *ui.Key("console.app.service_hint").With(), URL: "#"},
			{Label: *ui.Key("console.app.kind_api").With(), Hint: *ui.Key("console.app.api_hint").With(), URL: "#"},
		}},
		"console-app-connect": connect, "console-app-secret": once, "console-app-rule": appRule(),
		"console-app-secrets":     ui.ConsoleAppSecrets{Console: appFrame("Secrets"), AppName: "Agent portal", Live: 1, Secrets: secretLines(), RemoveURL: []string{"#0", "#1"}},
		"console-app-secrets-one": ui.ConsoleAppSecrets{Console: appFrame("Secrets"), AppName: "Agent portal", Live: 1, Secrets: secretLines()[1:], AddURL: "#"},
		"console-app-deliveries": ui.ConsoleAppDeliveries{
			Console: appFrame("Deliveries"), AppName: "Agent portal", To: "https://agents.rtx.example/logout", Lane: lane(), RetryPath: "/admin/x", TestPath: "/admin/x",
		},
	}
}

// appRule is the form of an app's own MFA rule.
func appRule() ui.ConsoleForm {
	label := func(name string) ui.Message { return *ui.Key("console.override." + name).With() }
	rule := ui.ConsoleForm{Console: appFrame("MFA"), Heading: ui.Plain("Wallboard")}
	rule.Action, rule.Lead, rule.Submit = "/admin/x", label("lead"), *ui.Key("button.save").With()
	rule.Notes = []ui.Note{{Class: "hint", Text: label("of"), Links: []ui.Link{{Label: "Agents", URL: "#"}}}}
	rule.Inputs = []ui.Input{
		{Kind: ui.RadioInput, Name: "mode", Label: label("mode"), Choices: []ui.Choice{
			{Value: "inherit", Label: "Follow the rules of its people", Hint: "What their MFA page says."},
			{Value: "required", Label: "Always ask for a second step", Hint: "People without a second step are led through set-up.", Chosen: true},
			{Value: "off", Label: "No second step", Hint: "The password is enough at this app."},
		}},
		{Kind: ui.GroupInput, Label: label("required_only"), Inputs: []ui.Input{
			{Kind: ui.SelectInput, Name: "min_acr", Label: label("min_acr"), Choices: []ui.Choice{
				{Label: "Any second step", Chosen: true}, {Value: "mfa", Label: "The authenticator app; a code by email does not"},
			}},
			{Kind: ui.CheckInput, Name: "federated", Label: label("federated"), Hint: label("federated_hint"), On: true},
		}},
	}
	return rule
}

func registrationFrame() ui.Console {
	frame := consoleFrame("/apps")
	frame.Crumbs = []ui.Link{{Label: "Apps", URL: "#"}}
	return frame
}

func tokenDay(d int) time.Time { return time.Date(2026, 11, d, 13, 58, 0, 0, time.UTC) }

func secretLines() [][]ui.Message {
	line := func(made, used, ends ui.Message) []ui.Message { return []ui.Message{made, used, ends} }
	day := func(d int) time.Time { return time.Date(2026, 11, d, 13, 58, 0, 0, time.UTC) }
	return [][]ui.Message{
		line(*ui.Key("console.app.secret_made").With(day(1)), *ui.Key("console.app.secret_used").With(day(2)), *ui.Key("console.app.secret_ended").With(day(3))),
		line(*ui.Key("console.app.secret_made").With(day(2)), *ui.Key("console.app.secret_unused").With(), *ui.Key("console.app.secret_ends").With(day(30))),
	}
}

func lane() ui.Lane {
	return ui.Lane{
		Name: "portal", Label: "Agent portal", URL: "#", Waiting: 3, Retrying: 2, Delivered: 946, Failed: 1,
		OldestAt: time.Date(2026, 11, 23, 13, 58, 0, 0, time.UTC), LastError: "the app answered 503 Service Unavailable",
	}
}

func appForms() map[string]ui.Page {
	form := func(heading, lead ui.Key, inputs ...ui.Input) ui.ConsoleForm {
		page := section("app", "", inputs...)
		page.Console, page.Heading, page.Lead = consoleFrame("/apps"), *heading.With(), *lead.With()
		page.Crumbs = []ui.Link{{Label: "Apps", URL: "#"}, {Label: "Connect an app", URL: "#"}}
		page.CancelURL, page.Submit = "#", *ui.Key("console.apps.connect").With()
		return page
	}
	first := ui.Input{
		Kind: ui.SelectInput, Name: "population_1", Label: *ui.Key("console.app.population_first").With(),
		Choices: []ui.Choice{{Value: "agents", Label: "Agents", Chosen: true}, {Value: "contacts", Label: "Contacts"}},
	}
	second := first
	second.Choices = []ui.Choice{{Label: "None"}, {Value: "agents", Label: "Agents"}, {Value: "contacts", Label: "Contacts"}}
	second.Name, second.Label = "population_2", *ui.Key("console.app.population_then").With(2)
	name := ui.Input{Kind: ui.TextInput, Name: "name", Value: "Agent portal", Required: true}
	redirects := ui.Input{
		Kind: ui.LinesInput, Name: "redirect_uris", Value: "http://agents.rtx.example/callback", Required: true,
		Error: ui.Key("settings.client.localhost").With("http://agents.rtx.example/callback"),
	}
	portal := form("console.app.portal", "console.app.portal_lead", name,
		ui.Input{Kind: ui.GroupInput, Name: "populations", Inputs: []ui.Input{first}}, redirects, ui.Input{Kind: ui.TextInput, Name: "backchannel_logout_uri", Required: true})
	redirects.Value, redirects.Error = "https://agents.rtx.example/callback\nhttps://staging.agents.rtx.example/callback", nil
	settings := form("console.apps.connect", "", name, ui.Input{Kind: ui.GroupInput, Name: "populations", Inputs: []ui.Input{first, second}}, redirects,
		ui.Input{Kind: ui.SelectInput, Name: "token_format", Heading: "console.app.tokens", Choices: []ui.Choice{{Value: "opaque", Label: "Opaque: end at once when they are revoked", Chosen: true}}})
	settings.Inputs[len(settings.Inputs)-1].Hint = ui.Message{}
	settings.Console, settings.CancelURL, settings.DeleteURL, settings.DeleteTexts = appFrame("Settings"), "", "#", "console.app.delete"
	settings.Heading, settings.Submit = ui.Plain("Agent portal"), *ui.Key("button.save").With()
	service := form("console.app.kind_service", "console.app.service_lead", name, ui.Input{Kind: ui.GroupInput, Name: "roles", Inputs: []ui.Input{
		{Kind: ui.CheckInput, Name: "roles", Value: "manager", Label: ui.Plain("Manager"), On: true},
		{Kind: ui.CheckInput, Name: "roles", Value: "agent", Label: ui.Plain("Agent")},
	}})
	return map[string]ui.Page{"console-app-portal": portal, "console-app-settings": settings, "console-app-service": service}
}

func recordPages() map[string]ui.Page {
	link := func(label string) *ui.Link { return &ui.Link{Label: label, URL: "?x=" + label} }
	at := time.Date(2026, 11, 23, 14, 5, 0, 0, time.UTC)
	audit := ui.ConsoleAudit{
		Console: consoleFrame("/audit"), Action: "/admin/audit", FirstPage: true, Filtered: true,
		Kind:       ui.Select{Name: "kind", Label: *ui.Key("console.audit.kind").With(), Choices: []ui.Choice{{Label: "All"}}},
		App:        ui.Select{Name: "app", Label: *ui.Key("console.audit.app").With(), Choices: []ui.Choice{{Label: "All"}}},
		Population: ui.Select{Name: "population", Label: *ui.Key("console.audit.population").With(), Choices: []ui.Choice{{Label: "All"}}},
		Active:     []ui.Link{{Label: "App: Agent portal", URL: "#"}}, From: "2026-11-23", ToError: ui.Key("console.audit.no_day").With(),
		RefreshURL: "#", NewestURL: "#", OlderURL: "#", ExportURL: "#",
		Events: []ui.AuditRow{
			{At: at, Kind: *link("Recovery codes viewed"), Raw: "recovery.viewed", Person: link("maya@rtx.example"), Actor: link("lead@rtx.example"), Population: link("Agents"), Address: "203.0.113.7", Details: []ui.Field{{Name: "reason", Value: "lost phone, ticket 4711"}}},
			{At: at.Add(-time.Minute), Kind: *link("Wrong authenticator code"), Raw: "totp.refused", Person: link("a.very.long.address.of.somebody@customers.bluebird-repairs.example"), App: link("Support portal"), Population: link("Contacts"), Address: "2001:db8::7"},
			{At: at.Add(-time.Minute), Kind: *link("Wrong password"), Raw: "password.refused", Times: 37, LastAt: at, Population: link("Contacts"), Address: "2001:db8::7"},
			{At: at.Add(-time.Hour), Kind: *link("Signing key made"), Raw: "key.created"},
		},
	}
	older := audit
	older.Filtered, older.FirstPage, older.Active, older.ToError, older.From = false, false, nil, nil, ""
	system := ui.ConsoleSystem{
		Console: consoleFrame("/system"), Program: "1.4.0", Database: "PostgreSQL", Healthy: true,
		Migration: ui.Migration{Version: 4, Name: "00004_service", Applied: true},
		ShowMail:  true, MailWorks: true, MailAction: "/admin/x", MailTo: "maya@rtx.example",
		MailError:      ui.Key("console.system.mail_failed").With("554 5.7.1 sender refused"),
		ShowDeliveries: true, Lanes: []ui.Lane{{Name: "mail", Label: "Mail", Delivered: 1284}, lane()}, RetryAction: "/admin/x",
		ShowKeys: true, Keys: []ui.SigningKey{
			{ID: "01kaq4t7n3", Algorithm: "RS256", State: *ui.Key("console.system.key_signs").With(), Since: at.Add(-2000 * time.Hour)},
			{ID: "01kaq4t7n4", Algorithm: "RS256", State: *ui.Key("console.system.key_next").With(), Since: at.Add(20 * time.Hour), Next: true, RevokeURL: "#"},
		},
	}
	broken := system
	broken.Healthy, broken.Missing, broken.MailWorks, broken.ShowKeys, broken.ShowDeliveries = false, 2, false, false, false
	return map[string]ui.Page{"console-audit": audit, "console-audit-older": older, "console-system": system, "console-system-broken": broken}
}

func brandPages() map[string]ui.Page {
	brand := section("brand", "Name and logo",
		ui.Input{Kind: ui.TextInput, Name: "name", Value: "Bluebird Repairs", Required: true},
		ui.Input{
			Kind: ui.TextInput, Name: "brand_color", Value: "#f2a900", Contrast: ui.ColorContrast("#f2a900"),
			Swatches: ui.Swatches("#f2a900", "Bluebird Repairs", "Sign in", "console.brand.light", "console.brand.dark"),
		},
		ui.Input{Kind: ui.TextInput, Name: "logo_url", Value: "http://rtx.example/logo.svg", Error: ui.Key("settings.https").With("http://rtx.example/logo.svg")})
	brand.More = []ui.Button{{Field: ui.Field{Name: "preview", Value: "yes"}, Label: *ui.Key("console.brand.preview").With()}}
	added := section("brand", "", ui.Input{Kind: ui.TextInput, Name: "name", Value: "Partners", Required: true},
		ui.Input{Kind: ui.TextInput, Name: "id", Value: "Partners", Required: true, Error: ui.Key("console.brand.id_taken").With()})
	added.Tabs, added.CancelURL, added.Heading, added.Lead = nil, "#", *ui.Key("console.brand.new").With(), *ui.Key("console.brand.new_lead").With()
	return map[string]ui.Page{
		"console-brand": brand, "console-brand-new": added,
	}
}
