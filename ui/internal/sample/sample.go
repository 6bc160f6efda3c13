package sample

import (
	"html/template"
	"slices"
	"time"

	"gatehouse/ui"
)

// qr is the QR code of an invented otpauth URL.
const qr = "data:image/png;base64," +
	"iVBORw0KGgoAAAANSUhEUgAAADkAAAA5AQMAAAC21hHGAAAABlBMVEX///8AAABVwtN+AAABwUlEQVR4nIzR3UtTAR" +
	"jH8e+W7px2ztmZQrFMVoygFwuhqyE0yoIoIhYpTHohJsQIIemyIDYKlGlJori6GCdLy1UiXdRhK70pnHmhaFFB4diB" +
	"HGoKRewYseT8B3uunrsffL6Uc2ru7Y/RLhPEutZ7RoMI0sihzPWaAkhDg0JztfWMto63NxZArI8+8vpEUJdSqdQzE3" +
	"Cmfd4EoBycLg39HgNh5njV/dtBYGe+u6E/BLaTj5Oxfx5QnqcWVue/gO3bkT+9LTpUROzpuYcFqAxG4vGPbpAjT67c" +
	"7M6Cc863tHkXIPmPjXydNMHZ8XpFWtFAalvf0VEMgTLwKSj3R8D1/+W4d0GHTV2fjV49CsKL0r74Xx3EO1L4XEgDVy" +
	"kZeF//FOzbbII87AFVM4o31jSo7Nt/9NRYAgQjfDF22g9ybHG45sQeUNen372a0kC85XC3VLeD42dtejLpAWG+sSn3" +
	"JgT2ie/RnuVZULbXNm+d8kPFpcz5vmtZEISqy+YFN7h2Lwb2zlhSkiOPmQN1NbM8+yEBou9wWMnmLPC7gXxPwgLvfN" +
	"C0RQdp8OoB7xlrva7z7IBs9Vr71TZR9JfVdiMAAP//H36amlvGLoMAAAAASUVORK5CYII="

// Pages are the examples by name. Several show one page in different states.
func Pages() map[string]ui.Page {
	pages := map[string]ui.Page{}
	for _, more := range []map[string]ui.Page{
		signIn(), codes(), enrolment(), rest(), setup(), linkPages(), consoleLinks(), console(), overviews(), consoleRequirements(), consoleApps(), people(), connections(), account(), consents(),
	} {
		for name, page := range more {
			pages[name] = page
		}
	}
	return pages
}

// moved is the frame of a sign-in under way when the policies changed.
func moved() ui.Frame {
	f := frame()
	f.Notice = ui.MsgPolicyChanged.With()
	return f
}

const helpURL = "https://help.rtx.example/"

func frame() ui.Frame {
	return ui.Frame{
		Lang:         "en",
		Brand:        ui.Brand{Name: "RTX Solutions", Color: "#2b59e0"},
		ClientName:   "Agent portal",
		Account:      "maya@rtx.example",
		NotYouAction: "/flow/1/restart",
		Links: []ui.FooterLink{
			{Label: "footer.privacy", URL: "https://rtx.example/privacy"}, {Label: "footer.help", URL: helpURL},
		},
		FormFields: []ui.Field{{Name: "version", Value: "3"}},
	}
}

// support is the frame of another organisation's portal, with a pale colour.
func support() ui.Frame {
	f := frame()
	f.Brand = ui.Brand{Name: "Bluebird Repairs & Spare Parts", Color: "#f2a900"}
	f.ClientName = "Support portal"
	f.Account = "a.very.long.address.of.somebody@customers.bluebird-repairs.example"
	return f
}

func methods(labels ...ui.Key) []ui.Method {
	var out []ui.Method
	for _, label := range labels {
		out = append(out, ui.Method{
			Label: *label.With(), Action: "/flow/1/method", Name: "method", Value: string(label),
		})
	}
	return out
}

func signIn() map[string]ui.Page {
	plain := ui.SignIn{
		Frame: frame(), Action: "/flow/1/password", Population: "agents", PopulationName: "Agents",
		ForgotURL: "/forgot", Upstreams: []ui.Upstream{{Name: "Microsoft", URL: "/flow/1/federate?c=1", Microsoft: true}},
		Passkey: signInForm(),
	}
	full := plain
	full.Frame = support()
	full.Email = "maya@rtx"
	full.Others = []ui.Link{{Label: "Customers", URL: "?population=contacts"}}
	full.RegisterURL = "/register"
	full.OffersKeep = true
	full.Alert = ui.MsgWrongPassword.With()
	full.EmailError = ui.MsgEmailInvalid.With()
	full.PasswordError = ui.MsgPasswordMissing.With()
	waiting := plain
	waiting.Email = "maya@rtx.example"
	waiting.Alert = ui.MsgTooManyAttempts.With(95)
	waiting.RetryAfter = 95
	elsewhere := plain
	elsewhere.ForgotURL, elsewhere.NoPassword = "", true
	elsewhere.Upstreams = append(elsewhere.Upstreams, ui.Upstream{Name: "Northern Repair", URL: "/flow/1/federate?c=2"})
	elsewhere.Alert = ui.MsgUpstreamAssignment.With("Microsoft")
	rules := passwordRules()
	change := ui.ChangePassword{
		Frame: frame(), Action: "/flow/1/change", Email: "maya@rtx.example", Why: *ui.MsgPasswordWeak.With(), EndsOthers: true,
		New: ui.NewPassword{Rules: rules, HintURL: "/flow/1/judge"},
	}
	refused := change
	refused.Frame, refused.Why = support(), *ui.MsgPasswordExpired.With(90)
	refused.New.Rules = slices.Clone(rules)
	refused.New.Rules[0].Broken, refused.New.Rules[4].Broken = true, true
	refused.New.Error = ui.MsgPasswordBroken.With()
	return map[string]ui.Page{
		"signin": plain, "signin-errors": full, "signin-wait": waiting, "signin-elsewhere": elsewhere,
		"break-glass": ui.BreakGlass{Action: "/login/break-glass/x"},
		"confirm-email": ui.ConfirmEmail{
			Frame: frame(), Action: "/flow/1/confirm", ResendAction: "/flow/1/confirm-resend", ResendIn: 24,
			Email: "maya@rtx.example", Upstream: "Microsoft",
		},
		"reauthenticate-elsewhere": ui.Reauthenticate{
			Frame: frame(), Email: "maya@rtx.example", NoPassword: true, Upstreams: plain.Upstreams, Alert: ui.MsgUpstreamStale.With("Microsoft"),
		},
		"reauthenticate": ui.Reauthenticate{
			Frame: frame(), Action: "/flow/1/password", Email: "maya@rtx.example", ForgotURL: "/forgot",
		},
		"change-password": change, "change-password-errors": refused,
		"choose-account": ui.ChooseAccount{
			Frame: frame(), Action: "/flow/1/account", OtherURL: "/flow/1/other",
			Accounts: []ui.Account{
				{Email: "maya@rtx.example", Population: "agents", PopulationName: "Agents", SessionID: "s1"},
				{Email: "maya.test@customer.example", Population: "contacts", PopulationName: "Customers", SessionID: "s2"},
			},
		},
	}
}

func codes() map[string]ui.Page {
	code := ui.Code{
		Frame: frame(), Action: "/flow/1/code", IssuerLabel: "RTX Solutions – Agent App",
		Methods: methods("method.use.email", "method.use.recovery"), LastResort: true,
	}
	code.Trust = ui.TrustOffer{Days: 30}
	wrong := code
	wrong.Frame = support()
	wrong.Trust.Ticked = true
	wrong.CodeError = ui.MsgCodeWrong.With()
	return map[string]ui.Page{
		"code": code, "code-error": wrong,
		"passkey": ui.Passkey{
			Frame: frame(), Form: passkeyForm("passkey.use"), Methods: methods("method.use.totp", "method.use.recovery"), LastResort: true,
			Trust: ui.TrustOffer{Days: 7},
		},
		"passkey-refused": ui.Passkey{
			Frame: support(), Form: passkeyForm("passkey.use"), Alert: ui.MsgPasskeyRefused.With(), Methods: methods("method.use.recovery"),
		},
		"passkey-set-up-models": ui.PasskeySetUp{
			Frame: frame(), Form: passkeyForm("passkey.set_up.start"), Only: ui.MsgPasskeyModels.With("YubiKey 5, YubiKey 5 NFC"), Alert: ui.MsgPasskeyModel.With(),
		},
		"passkey-offer":      ui.PasskeyOffer{Frame: frame(), Form: offerForm(), LaterAction: "/flow/1/later", Codes: true},
		"passkey-offer-here": ui.PasskeyOffer{Frame: support(), Form: offerForm(), LaterAction: "/flow/1/later", Another: true, Only: ui.MsgPasskeyModels.With("YubiKey 5, YubiKey 5 NFC")},
		"passkey-offer-late": ui.PasskeyOffer{Frame: frame(), LaterAction: "/flow/1/later"},
		"passkey-set-up":     ui.PasskeySetUp{Frame: frame(), Form: passkeyForm("passkey.set_up.start"), Methods: methods("method.set_up.totp")},
		"recovery-code": ui.RecoveryCode{
			Frame: frame(), Action: "/flow/1/recovery", CodeError: ui.MsgRecoveryCodeUsed.With(),
			Methods: methods("method.use.totp", "method.use.email"), LastResort: true,
		},
		"email-code": ui.EmailCode{
			Frame: frame(), Action: "/flow/1/email", MaskedEmail: "m•••@rtx.example",
			News: ui.MsgEmailCodeSent.With(), ResendAction: "/flow/1/resend", ResendIn: 30, Trust: ui.TrustOffer{Days: 7},
			Methods: methods("method.use.totp", "method.use.recovery"), LastResort: true,
		},
		"email-code-policy": ui.EmailCode{
			Frame: frame(), Action: "/flow/1/email", MaskedEmail: "m•••@rtx.example",
			Alert: ui.MsgPolicyChanged.With(), ResendAction: "/flow/1/resend",
		},
	}
}

func signInForm() *ui.PasskeyForm {
	form := passkeyForm(ui.MsgPasskeySignIn)
	form.Second, form.Suggest = true, true
	return &form
}

func offerForm() *ui.PasskeyForm {
	form := passkeyForm(ui.MsgPasskeyAdd)
	form.Create = true
	return &form
}

func passkeyForm(label ui.Key) ui.PasskeyForm {
	return ui.PasskeyForm{
		Action: "/flow/1/passkey", Label: *label.With(), Create: label == ui.MsgPasskeyMake,
		Options: `{"challenge":"AAAA","rpId":"localhost","user":{"id":"AAAA"}}`,
	}
}

func enrolment() map[string]ui.Page {
	choices := methods("method.set_up.totp", "method.choose.email")
	choices[0].Hint = *ui.Key("method.hint.totp").With()
	choices[1].Hint = *ui.Key("method.hint.email").With()
	enrol := ui.Enrol{
		Frame: frame(), Action: "/flow/1/enrol", IssuerLabel: "RTX Solutions – Agent App",
		AccountLabel: "maya@rtx.example", QR: template.URL(qr), QRWidth: 285, Key: "JBSW Y3DP EHPK 3PXP JBSW Y3DP EHPK 3PXP",
		OTPAuthURL: "otpauth://totp/RTX%20Solutions:maya@rtx.example?secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP&issuer=RTX%20Solutions",
		Methods:    methods("method.choose.email"),
	}
	failed := enrol
	failed.CodeError = ui.MsgCodeFormat.With()
	list := ui.RecoveryCodes{
		Frame: frame(), Action: "/flow/1/saved", DownloadURL: "/flow/1/codes.txt",
		Codes: []string{
			"7KQF-93MX-PDWA-2HZR", "B4TN-XU6E-81QL-VJ5C", "ZM2H-5RWD-KX7P-9TAF", "Q8VC-LJ3N-64YS-BEUG",
			"DN5X-2PKA-WR9M-7HQT", "6FJZ-8CVE-T3LB-YU4K", "XW7R-M9QD-5NAP-2ZHG", "PT3L-KE6U-VB8J-CX4F",
			"9HAM-ZQ2W-7DRY-N5TK", "GC8E-4VXP-LJ6B-UF3S",
		},
	}
	unsaved := list
	unsaved.SavedError = ui.MsgConfirmSaved.With()
	return map[string]ui.Page{
		"choose-method": ui.ChooseMethod{Frame: frame(), Methods: choices},
		"enrol-intro": ui.EnrolIntro{
			Frame: frame(), Action: "/flow/1/enrol", IssuerLabel: "RTX Solutions – Agent App",
			Methods: methods("method.choose.email"),
		},
		"enrol": enrol, "enrol-error": failed, "recovery-codes": list, "recovery-codes-error": unsaved,
		"recovery-codes-unreadable": ui.RecoveryCodes{Frame: frame(), Action: "/flow/1/saved", Unreadable: true},
		"recovery-notice":           ui.RecoveryNotice{Frame: frame(), Action: "/flow/1/go", Left: 9},
		"recovery-low":              ui.RecoveryNotice{Frame: frame(), Action: "/flow/1/go", Left: 1, Low: true, RegenerateAction: "/flow/1/regenerate"},
		"recovery-soon":             ui.RecoveryNotice{Frame: frame(), Action: "/flow/1/go", Left: 2, Low: true, Later: ui.MsgCodesLater.With(time.Date(2026, 11, 23, 14, 5, 0, 0, time.UTC))},
		"email-unsent":              ui.EmailCode{Frame: moved(), MaskedEmail: "m•••@rtx.example", ResendAction: "/flow/1/resend", Unsent: true},
	}
}

func rest() map[string]ui.Page {
	device := frame()
	device.Account, device.NotYouAction = "maya@rtx.example", "/device"
	pages := map[string]ui.Page{
		"sign-out": ui.SignOut{
			Frame: frame(), Action: "/signout", Hidden: []ui.Field{{Name: "state", Value: "abc"}},
			Accounts: []string{"maya@rtx.example", "maya.test@customer.example"}, CancelURL: "/account",
		},
		// An example has to stay: this one is not sent by itself, and the next leads to itself.
		"form-post":         ui.FormPost{Frame: frame(), Fields: []ui.Field{{Name: "code", Value: "c"}, {Name: "state", Value: "s"}}},
		"device-code":       ui.DeviceCode{Frame: frame(), Action: "/device", Code: "BCDF-GHJK"},
		"device-code-error": ui.DeviceCode{Frame: frame(), Action: "/device", Code: "BCDF", CodeError: ui.MsgDeviceCodeFormat.With()},
		"device-confirm": ui.DeviceConfirm{
			Frame: device, Code: "BCDF-GHJK", Address: "2001:0db8:85a3:0000:0000:8a2e:0370:7334", UserAgent: firefox,
			At: time.Date(2026, 11, 23, 14, 5, 0, 0, time.UTC), ApproveAction: "/device/approve", DenyAction: "/device/deny",
		},
		"device-done":    ui.DeviceDone{Frame: frame()},
		"device-denied":  ui.DeviceDone{Frame: frame(), Denied: true},
		"lead-on":        ui.LeadOn{Frame: frame(), URL: "#"},
		"go-on":          ui.GoOn{Frame: frame(), Email: "maya@rtx.example", OtherURL: "?other=1"},
		"signed-out-one": ui.SignedOut{Frame: frame(), Remaining: []string{"maya.test@customer.example"}, SignOutURL: "/end_session", BackURL: "/account"},
		"signed-out":     ui.SignedOut{Frame: frame(), BackURL: "https://agents.rtx.example/", BackLabel: "Agent portal"},
	}
	for _, kind := range ui.ProblemKinds() {
		page := kind.Page(frame())
		page.RequestID = "01KAQ4T7N3"
		page.BackURL = "https://agents.rtx.example/"
		page.BackLabel = *ui.MsgBackTo.With("Agent portal")
		pages["problem-"+string(kind)] = page
	}
	return pages
}

// passwordRules are what a new password must be.
func passwordRules() []ui.PasswordRule {
	return []ui.PasswordRule{
		{Kind: "too_short", Text: *ui.MsgRuleTooShort.With(12)},
		{Kind: "no_digit", Text: *ui.MsgRuleNoDigit.With()},
		{Kind: "common", Text: *ui.MsgRuleCommon.With()},
		{Kind: "personal", Text: *ui.MsgRulePersonal.With()},
		{Kind: "reused", Text: *ui.MsgRuleReused.With(5), Later: true},
	}
}
