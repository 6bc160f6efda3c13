package sample

import (
	"time"

	"gatehouse/ui"
)

const (
	firefox = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:133.0) Gecko/20100101 Firefox/133.0"
	iphone  = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) " +
		"Version/18.1 Mobile/15E148 Safari/604.1"
)

// Mails are the examples by name. Several show one mail in different states.
func Mails() map[string]ui.Mail {
	mails := map[string]ui.Mail{}
	for _, kind := range ui.MailKinds() {
		mails[string(kind)] = mail(kind)
	}
	low, last := mail(ui.MailRecoveryUsed), mail(ui.MailRecoveryUsed)
	low.Left, last.Left = 2, 0
	mails["recovery_used-low"], mails["recovery_used-last"] = low, last

	admin := mail(ui.MailPasswordChanged)
	admin.ByAdmin, admin.Address, admin.UserAgent = true, "", ""
	mails["password_changed-admin"] = admin

	former, none := mail(ui.MailEmailChanged), mail(ui.MailRolesChanged)
	former.Former, none.Roles = true, ""
	mails["email_changed-former"], mails["roles_changed-none"] = former, none

	plain := mail(ui.MailCode)
	plain.Brand, plain.HelpURL, plain.App = ui.Brand{}, "", ""
	mails["code-plain"] = plain

	long := mail(ui.MailNewBrowser)
	f := support()
	long.Brand, long.Account = f.Brand, f.Account
	long.Name, long.App = "Maya of the Northern Repair Shops & Spare Parts", f.ClientName
	long.Address = "2001:0db8:85a3:0000:0000:8a2e:0370:7334"
	mails["new_browser-long"] = long
	for name, m := range mails {
		if section, notice := sections[m.Kind]; notice && m.URL == "" {
			m.URL = "https://id.rtx.example/account/agents" + section
			mails[name] = m
		}
	}
	return mails
}

// sections are where notices lead, as they do when the server sends them.
var sections = map[ui.MailKind]string{
	ui.MailNewBrowser: "/sessions", ui.MailBrowserTrusted: "/sessions", ui.MailReminder: "/second-step", ui.MailPasswordChanged: "/password", ui.MailEmailChanged: "/email",
	ui.MailFactorEnrolled: "/second-step", ui.MailFactorDisabled: "/second-step", ui.MailFactorEnabled: "/second-step",
	ui.MailFactorRemoved: "/second-step", ui.MailPasskeyCopied: "/second-step", ui.MailMFAReset: "/second-step",
	ui.MailRecoveryUsed: "/codes", ui.MailRecoveryGenerated: "/codes", ui.MailRecoveryViewed: "/codes",
	ui.MailEmailAsked: "/email", ui.MailEmailTaken: "", ui.MailRolesChanged: "", ui.MailAccountEnabled: "", ui.MailIdentityLinked: "",
	ui.MailIdentityUnlinked: "", ui.MailNoPassword: "", ui.MailAccountExists: "",
}

func mail(kind ui.MailKind) ui.Mail {
	f := frame()
	m := ui.Mail{
		MailFrame: ui.MailFrame{
			Lang: "en", Population: "agents", Staff: true, Brand: f.Brand, Name: "Maya", Account: f.Account, HelpURL: helpURL,
			At:      time.Date(2026, time.November, 23, 14, 5, 0, 0, time.UTC),
			Address: "203.0.113.7", UserAgent: firefox,
		},
		Kind: kind,
	}
	switch kind {
	case ui.MailCode:
		m.Code, m.Minutes, m.App, m.UserAgent = "482913", 10, f.ClientName, iphone
	case ui.MailNewBrowser:
		m.App = f.ClientName
	case ui.MailReminder:
		m.Due, m.ByAdmin, m.Address, m.UserAgent = m.At.Add(14*24*time.Hour), true, "", ""
	case ui.MailBrowserTrusted:
		m.Days = 30
	case ui.MailFactorEnrolled, ui.MailFactorDisabled:
		m.Method = "totp"
	case ui.MailRecoveryUsed:
		m.Left, m.App = 7, f.ClientName
	case ui.MailEmailConfirm:
		m.URL, m.Account, m.Name = "https://id.rtx.example/account/confirm/q0XhC8cGxP0qfVlV7Ez2W3xkW0C2b7bVnXnRk3c5bqE", "m•••@rtx.example", ""
	case ui.MailRolesChanged:
		m.Roles, m.ByAdmin, m.Address, m.UserAgent = "Agent, Recovery desk", true, "", ""
	case ui.MailFactorEnabled:
		m.Method, m.ByAdmin, m.Address, m.UserAgent = "totp", true, "", ""
	case ui.MailIdentityLinked, ui.MailIdentityUnlinked:
		m.Connection = "Microsoft"
	case ui.MailReset, ui.MailRegistration:
		m.URL, m.Until = "https://id.rtx.example/"+string(kind)+"/q0V9nJ3yq8dXw1cB5rT7mK2sZ4hF6gL8pA0eU3iY1oN", m.At.Add(time.Hour)
	case ui.MailInvitation:
		m.URL, m.Until = "https://id.rtx.example/invitation/q0V9nJ3yq8dXw1cB5rT7mK2sZ4hF6gL8pA0eU3iY1oN", m.At.Add(7*24*time.Hour)
		m.Address, m.UserAgent = "", ""
	case ui.MailMFAReset, ui.MailRecoveryViewed, ui.MailEmailChanged, ui.MailAccountDisabled, ui.MailAccountEnabled:
		m.ByAdmin, m.Address, m.UserAgent = true, "", ""
	default:
	}
	return m
}
