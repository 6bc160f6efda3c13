package outbox

import "gatehouse/ui"

// complete leaves out of a mail about an admin's act where the admin was, and adds the
// page where the reader can act.
func (o *Outbox) complete(m ui.Mail) ui.Mail {
	if m.ByAdmin || m.Kind == ui.MailInvitation {
		m.Address, m.UserAgent = "", ""
	}
	if m.URL == "" {
		m.URL = o.page(m)
	}
	return m
}

// sections are the parts of the account, by the mail that they are about.
var sections = map[ui.MailKind]string{
	ui.MailNewBrowser: "/sessions", ui.MailBrowserTrusted: "/sessions", ui.MailReminder: "/second-step", ui.MailPasswordChanged: "/password", ui.MailEmailChanged: "/email",
	ui.MailFactorEnrolled: "/second-step", ui.MailFactorDisabled: "/second-step", ui.MailFactorEnabled: "/second-step",
	ui.MailFactorRemoved: "/second-step", ui.MailPasskeyCopied: "/second-step", ui.MailMFAReset: "/second-step",
	ui.MailRecoveryUsed: "/codes", ui.MailRecoveryGenerated: "/codes", ui.MailRecoveryViewed: "/codes",
	ui.MailEmailAsked: "/email", ui.MailEmailTaken: "", ui.MailRolesChanged: "", ui.MailAccountEnabled: "", ui.MailIdentityLinked: "",
	ui.MailIdentityUnlinked: "", ui.MailNoPassword: "", ui.MailAccountExists: "",
}

// page is where the reader of a notice can act, empty for mails that are no notice. Who
// has no way in any more is led to help, where there is some.
func (o *Outbox) page(m ui.Mail) string {
	section, notice := sections[m.Kind]
	out := m.Kind == ui.MailAccountDisabled || m.Kind == ui.MailEmailChanged && m.Former
	switch {
	case o.Issuer == "" || m.Population == "":
		return ""
	case out && m.HelpURL != "":
		return m.HelpURL
	case out:
		return o.Issuer + "/account"
	case m.Kind == ui.MailBreakGlass:
		return o.Issuer + "/admin/audit"
	case !notice:
		return ""
	}
	return o.Issuer + "/account/" + m.Population + section
}

// sender is the name that a mail comes from: that of the recipient's user group.
func sender(m ui.Mail) string { return m.Brand.Name }
