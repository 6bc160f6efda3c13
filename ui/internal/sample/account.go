package sample

import (
	"html/template"

	"gatehouse/ui"
)

// account are the pages where people look after their account.
func account() map[string]ui.Page {
	pages := map[string]ui.Page{}
	for _, more := range []map[string]ui.Page{accountOverview(), accountForms(), accountFactors(), accountLists(), accountRest()} {
		for name, page := range more {
			pages[name] = page
		}
	}
	return pages
}

func accountFrame(current string) ui.Console {
	item := func(label ui.Key, page string) ui.NavItem {
		return ui.NavItem{Label: labels[label], URL: "/account/agents" + page, Current: page == current}
	}
	f := frame()
	f.NotYouAction = ""
	return ui.Console{
		Frame: f, HomeURL: "/account/agents", SignOutAction: "/end_session",
		Nav: []ui.NavGroup{{Items: []ui.NavItem{
			item("overview", ""), item("profile", "/profile"), item("email", "/email"), item("password", "/password"),
			item("second", "/second-step"), item("sessions", "/sessions"), item("activity", "/activity"),
			item("microsoft", "/microsoft"), item("data", "/data"),
		}}},
	}
}

var labels = map[ui.Key]string{
	"overview": "Overview", "profile": "Name and language", "email": "Email", "password": "Password", "second": "Second step",
	"sessions": "Devices", "activity": "Recent activity", "microsoft": "Microsoft account", "data": "Your data",
}

func row(label ui.Key, url string, text ui.Key, args ...any) ui.AccountRow {
	return ui.AccountRow{Label: *label.With(), Text: *text.With(args...), URL: url}
}

func accountOverview() map[string]ui.Page {
	overview := ui.AccountOverview{Console: accountFrame(""), Rows: []ui.AccountRow{
		row("account.nav.profile", "#", "account.overview.value", "Maya"),
		row("account.nav.email", "#", "account.overview.pending", "maya@rtx.example"),
		row("account.nav.password", "#", "account.overview.password", on(1, 9)),
		row("account.nav.second", "#", "account.overview.second", 2),
		row("held.recovery", "#", "account.overview.codes", 2),
		row("account.nav.sessions", "#", "account.overview.sessions", 3),
		row("account.nav.microsoft", "#", "account.overview.microsoft", 1),
		row("account.nav.activity", "#", "account.overview.activity"),
		row("account.nav.data", "#", "account.overview.data"),
	}}
	overview.Apps = []ui.Link{{Label: "Agent portal", URL: "#"}, {Label: "Wall board", URL: "#"}}
	overview.Rows[4].Hint = ui.Key("account.overview.codes_low").With()
	elsewhere := ui.AccountOverview{
		Console: accountFrame(""), Rows: append(overview.Rows[:2:2], overview.Rows[5:]...), Elsewhere: ui.Key("account.elsewhere").With(),
	}
	elsewhere.Rows[1].Text = *ui.Key("account.overview.value").With("maya@rtx.example")
	elsewhere.Nav[0].Items = append(elsewhere.Nav[0].Items[:3:3], elsewhere.Nav[0].Items[5:]...)
	elsewhere.Frame.Brand, elsewhere.Account = support().Brand, support().Account
	return map[string]ui.Page{"account-overview": overview, "account-overview-elsewhere": elsewhere}
}

func accountForms() map[string]ui.Page {
	languages := []ui.Choice{{Label: "As your browser says"}, {Value: "en", Label: "English", Chosen: true}}
	profile := ui.AccountProfile{Console: accountFrame("/profile"), Action: "#", Version: 2, Name: "Maya", Languages: languages}
	wrong, fixed := profile, profile
	wrong.NameError, fixed.NameFixed = ui.Key("settings.long").With(200), true
	wrong.Zoneinfo, wrong.ZoneinfoError = "Mars/Olympus", ui.Key("settings.user.zoneinfo").With("Mars/Olympus")
	email := ui.AccountEmail{Console: accountFrame("/email"), Action: "#", Email: "maya@rtx.example"}
	pending := email
	pending.Pending, pending.CancelAction, pending.Wanted = "maya.new@rtx.example", "#", "maya@"
	pending.EmailError, pending.Done = ui.MsgEmailInvalid.With(), ui.Key("account.done.asked").With()
	password := ui.AccountPassword{Console: accountFrame("/password"), Action: "#", Email: "maya@rtx.example", EndsOthers: true, New: ui.NewPassword{Rules: passwordRules(), NoFocus: true}}
	bad, wait := password, password
	bad.CurrentError, bad.New.Error = ui.Key("account.password.wrong").With(), ui.MsgPasswordBroken.With()
	wait.RetryAfter, wait.Alert = 40, ui.MsgTooManyAttempts.With(40)
	return map[string]ui.Page{
		"account-profile": profile, "account-profile-error": wrong, "account-profile-fixed": fixed,
		"account-email": email, "account-email-pending": pending,
		"account-email-elsewhere": ui.AccountEmail{Console: accountFrame("/email"), Email: "maya@rtx.example", Why: ui.Key("account.email.elsewhere").With()},
		"account-password":        password, "account-password-error": bad, "account-password-wait": wait,
	}
}

func accountFactors() map[string]ui.Page {
	list := ui.AccountSecondStep{
		Console: accountFrame("/second-step"), Policy: *ui.Key("account.second.policy.totp_email").With(), AddURL: "#", PasskeyURL: "#",
		Factors: []ui.AccountFactor{
			{Name: "iCloud Keychain", Method: *ui.Key("account.factor.passkey").With(), Kind: ui.Key("account.passkey.synced").With(), CreatedAt: on(4, 9), LastUsedAt: on(22, 8), RenameURL: "#", RemoveURL: "#"},
			{Name: "Work phone", Method: *ui.Key("account.factor.totp").With(), CreatedAt: on(1, 9), LastUsedAt: on(22, 8), RenameURL: "#", RemoveURL: "#"},
			{Name: "The old tablet in the kitchen drawer at ho", CreatedAt: on(2, 9), DisabledAt: on(3, 7), RenameURL: "#", RemoveURL: "#"},
		},
		Codes: &ui.AccountCodesState{Left: 7, GeneratedAt: on(1, 9), URL: "#"},
	}
	none := ui.AccountSecondStep{Console: accountFrame("/second-step"), Policy: *ui.Key("account.second.policy_off").With()}
	enrol := ui.AccountEnrol{
		Console: accountFrame("/second-step"), Action: "#", CancelURL: "#", IssuerLabel: "RTX Solutions – Agent App", AccountLabel: "maya@rtx.example",
		QR: template.URL(qr), QRWidth: 285, Key: "JBSW Y3DP EHPK 3PXP JBSW Y3DP EHPK 3PXP",
		OTPAuthURL: "otpauth://totp/RTX%20Solutions:maya@rtx.example?secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP&issuer=RTX%20Solutions",
	}
	failed := enrol
	failed.CodeError, failed.NameError, failed.Name = ui.MsgCodeWrong.With(), ui.Key("settings.long").With(40), "Work phone"
	codes := ui.AccountCodes{
		Console: accountFrame("/second-step"), DownloadURL: "#", SavedAction: "#",
		Codes: []string{"7KQF-93MX-PDWA-2HZR", "B4TN-XU6E-81QL-VJ5C", "ZM2H-5RWD-KX7P-9TAF", "Q8VC-LJ3N-64YS-BEUG", "DN5X-2PKA-WR9M-7HQT"},
	}
	unsaved := codes
	unsaved.SavedError = ui.MsgConfirmSaved.With()
	ask := ui.AccountAsk{
		Console: accountFrame("/second-step"), Action: "#", CancelURL: "#", Heading: *ui.Key("account.remove.heading").With("Work phone"),
		Consequences: []ui.Message{*ui.Key("account.remove.codes").With(), *ui.Key("account.remove.recovery").With(7), *ui.Key("account.remove.told").With()},
		Button:       *ui.Key("account.remove.button").With(),
	}
	last := ui.AccountAsk{
		Console: accountFrame("/second-step"), CancelURL: "#", Heading: *ui.Key("account.remove.last_heading").With("Work phone"),
		Consequences: []ui.Message{*ui.Key("account.remove.last").With()},
	}
	return map[string]ui.Page{
		"account-second-step": list, "account-second-step-none": none, "account-enrol": enrol,
		"account-passkey": ui.AccountPasskey{Console: accountFrame("/second-step"), Form: passkeyForm(ui.MsgPasskeyMake), CancelURL: "#"}, "account-enrol-error": failed,
		"account-rename": ui.AccountRename{Heading: *ui.Key("account.rename.heading.totp").With(), Console: accountFrame("/second-step"), Action: "#", CancelURL: "#", Name: "", NameError: ui.Key("settings.need_name").With()},
		"account-remove": ask, "account-remove-last": last, "account-codes-new": codes, "account-codes-new-error": unsaved,
		"account-codes":       ui.AccountCodes{Console: accountFrame("/second-step"), Left: 2, GeneratedAt: on(1, 9), GenerateAction: "#"},
		"account-codes-later": ui.AccountCodes{Console: accountFrame("/second-step"), Left: 10, GeneratedAt: on(23, 9), AgainAt: on(23, 11)},
		"account-codes-none":  ui.AccountCodes{Console: accountFrame("/second-step")},
	}
}

func accountLists() map[string]ui.Page {
	sessions := ui.AccountSessions{
		Console: accountFrame("/sessions"), EndAction: "#", OthersAction: "#",
		Sessions: []ui.AccountSession{
			{ID: "1", UserAgent: firefox, Address: "203.0.113.7", Since: on(23, 8), LastSeenAt: on(23, 9), Apps: []string{"Agent portal"}, Present: true},
			{ID: "2", UserAgent: iphone, Address: "2001:0db8:85a3:0000:0000:8a2e:0370:7334", Since: on(20, 8), LastSeenAt: on(22, 19), Apps: []string{"Agent portal", "Wallboard"}},
			{ID: "3", Address: "198.51.100.20", Since: on(19, 8), LastSeenAt: on(19, 8)},
		},
		EndAccessAction: "#", ForgetAction: "#",
		Trusted: []ui.TrustedRow{
			{ID: "6", UserAgent: firefox, Address: "203.0.113.7", Since: on(20, 8), Until: on(27, 8), LastUsedAt: on(23, 8), Present: true},
			{ID: "7", UserAgent: iphone, Since: on(21, 8), Until: on(28, 8)},
		},
		Kept: []ui.KeptRow{
			{ID: "4", App: "Field service", Scopes: []string{"openid", "email", "offline_access"}, UserAgent: iphone, Address: "203.0.113.7", Since: on(1, 8), LastUsedAt: on(23, 7)},
			{ID: "5", App: "Wallboard", Scopes: []string{"openid", "offline_access"}, Since: on(2, 8), LastUsedAt: on(2, 8)},
		},
	}
	event := func(what ui.Key, admin bool, agent, address string) ui.AccountEvent {
		return ui.AccountEvent{At: on(23, 9), What: *what.With(), ByAdmin: admin, UserAgent: agent, Address: address}
	}
	activity := ui.AccountActivity{
		Console: accountFrame("/activity"), NextURL: "#",
		Events: []ui.AccountEvent{
			event("account.event.session.created", false, firefox, "203.0.113.7"), event("account.event.totp.refused", false, iphone, "203.0.113.7"),
			event("account.event.user.roles_changed", true, "", ""),
		},
	}
	activity.Events[1].Times, activity.Events[1].LastAt = 37, on(23, 10)
	activity.Events[0].App = "Agent portal"
	return map[string]ui.Page{
		"account-sessions": sessions, "account-activity": activity,
		"account-activity-none": ui.AccountActivity{Console: accountFrame("/activity")},
	}
}

func accountRest() map[string]ui.Page {
	confirm := ui.AccountConfirm{Frame: frame(), Action: "#", Of: "maya@rtx.example", Email: "maya.new@rtx.example"}
	confirm.Account, confirm.ClientName = "", ""
	stranger := confirm
	stranger.Of, stranger.Action, stranger.SignInURL = "m•••@rtx.example", "", "#"
	done := confirm
	done.Done, done.URL = true, "#"
	return map[string]ui.Page{
		"account-microsoft": ui.AccountMicrosoft{Console: accountFrame("/microsoft"), Action: "#", Identities: []ui.AccountIdentity{
			{ID: "1", Provider: "Microsoft Entra", Account: "maya@rtx.onmicrosoft.example", LinkedAt: on(3, 9)},
			{ID: "2", Provider: "Microsoft Entra", Account: sampleAddress, LinkedAt: on(4, 9), Only: true},
		}},
		"account-microsoft-none": ui.AccountMicrosoft{Console: accountFrame("/microsoft")},
		"account-data":           ui.AccountData{Console: accountFrame("/data"), Action: "#"},
		"account-who": ui.AccountWho{Frame: frame(), OtherURL: "#", Accounts: []ui.AccountLink{
			{Email: "maya@rtx.example", PopulationName: "Agents", URL: "#"}, {Email: sampleAddress, PopulationName: "Customers", URL: "#"},
		}},
		"account-confirm": confirm, "account-confirm-stranger": stranger, "account-confirm-done": done,
	}
}
