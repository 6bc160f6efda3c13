package ui

import (
	"slices"
	"time"
)

// mailRow is what a mail says beside mail.KIND.subject, which is its heading too, and
// mail.KIND.text, which stands first.
type mailRow struct {
	kind MailKind
	// text is what follows. byAdmin is left out of a mail about the person's own act, and
	// nothingToDo gives way to it in one about an admin's.
	text    []Key
	button  Key // of the link, empty for the name of the page that it leads to
	todoFor Key // empty for "If this was not you", or for what an admin did
	todo    []Key
	// adapt changes what depends on the mail.
	adapt func(m Mail, w *mailWords)
}

const (
	byAdmin     Key = "mail.by_admin"
	nothingToDo Key = "mail.nothing_to_do"
	notYou      Key = "mail.todo.not_you"
	notAsked    Key = "mail.todo.not_asked"
	notExpected Key = "mail.todo.not_expected"
	tell        Key = "mail.todo.tell"
	tellNow     Key = "mail.todo.tell_now"
	password    Key = "mail.todo.password" // #nosec G101 -- the key of a text
	review      Key = "mail.todo.review"
	newCodes    Key = "mail.todo.new_codes"
	ignore      Key = "mail.todo.ignore"
)

var mailRows = []mailRow{
	{kind: MailCode, todoFor: notYou, todo: []Key{"mail.todo.keep_code", password}, adapt: adaptCode},
	{kind: MailNewBrowser, text: []Key{nothingToDo}, todo: []Key{tell, password, review}, adapt: inApp("mail.new_browser.text_app")},
	{
		kind: MailBrowserTrusted, text: []Key{nothingToDo}, todo: []Key{"mail.browser_trusted.forget", tell, password},
		adapt: func(m Mail, w *mailWords) { w.lead[0].Args = []any{m.Days} },
	},
	{
		kind: MailReminder, text: []Key{"mail.reminder.what", "mail.reminder.asked"}, todoFor: notExpected, todo: []Key{tell},
		adapt: func(m Mail, w *mailWords) { w.lead[0].Args = []any{Day(m.Due)} },
	},
	{kind: MailFactorEnrolled, text: []Key{nothingToDo}, todo: []Key{tell, password, review}, adapt: ofMethod},
	{
		kind: MailFactorDisabled, text: []Key{byAdmin, "mail.factor_disabled.what"},
		todoFor: "mail.factor_disabled.not_you", todo: []Key{tell, password, review}, adapt: ofMethod,
	},
	{kind: MailPasskeyCopied, text: []Key{"mail.passkey_copied.what"}, todoFor: "mail.passkey_copied.not_you", todo: []Key{"mail.passkey_copied.remove", tellNow, password, review}},
	{kind: MailMFAReset, text: []Key{"mail.mfa_reset.what"}, todoFor: notAsked, todo: []Key{tellNow, password, "mail.todo.set_up"}},
	{kind: MailRecoveryUsed, text: []Key{"mail.recovery_used.left", byAdmin}, todo: []Key{tell, password, newCodes}, adapt: adaptRecoveryUsed},
	{kind: MailRecoveryGenerated, text: []Key{nothingToDo}, todo: []Key{tell, password, newCodes}},
	{kind: MailRecoveryViewed, text: []Key{"mail.recovery_viewed.what"}, todoFor: notAsked, todo: []Key{tellNow, newCodes}},
	{kind: MailPasswordChanged, text: []Key{nothingToDo}, todo: []Key{tellNow, "mail.todo.forgot", review}},
	{kind: MailEmailChanged, text: []Key{byAdmin}, todo: []Key{tellNow, password}, adapt: adaptEmailChanged},
	{kind: MailFactorEnabled, text: []Key{"mail.factor_enabled.what"}, todoFor: notAsked, todo: []Key{tellNow, password}, adapt: ofMethod},
	{kind: MailFactorRemoved, text: []Key{nothingToDo}, todo: []Key{tellNow, password, review}, adapt: ofMethod},
	{ // its reader may be a stranger to the account: it says nothing about it
		kind: MailEmailConfirm, text: []Key{"mail.email_confirm.valid"}, button: "mail.email_confirm.button",
		todoFor: notAsked, todo: []Key{"mail.email_confirm.ignore"},
		adapt: func(m Mail, w *mailWords) { w.lead[0].Args = []any{m.Account} },
	},
	{
		kind: MailEmailAsked, text: []Key{"mail.email_asked.what"}, button: "mail.email_asked.button",
		todo: []Key{"mail.email_asked.cancel", password, tellNow},
	},
	{kind: MailEmailTaken, text: []Key{"mail.email_taken.what"}, todoFor: notExpected, todo: []Key{tell}},
	{kind: MailRolesChanged, text: []Key{"mail.roles_changed.none"}, todoFor: notExpected, todo: []Key{tell}, adapt: adaptRolesChanged},
	{kind: MailAccountDisabled, text: []Key{"mail.account_disabled.what"}, todoFor: notExpected, todo: []Key{tell}},
	{kind: MailAccountEnabled, text: []Key{"mail.account_enabled.what"}, todoFor: notExpected, todo: []Key{tell}},
	{kind: MailIdentityLinked, text: []Key{nothingToDo}, todo: []Key{tell, password, review}, adapt: ofConnection},
	{kind: MailIdentityUnlinked, text: []Key{nothingToDo}, todo: []Key{tell, password, review}, adapt: ofConnection},
	{kind: MailBreakGlass, todoFor: notExpected, todo: []Key{"mail.break_glass.todo", tell}, adapt: below},
	// A stranger may have typed the address of these: they say nothing that its owner does not
	// know.
	{
		kind: MailReset, text: []Key{"mail.reset.what"}, button: "mail.reset.button",
		todoFor: notAsked, todo: []Key{ignore, "mail.todo.tell_often"},
	},
	{kind: MailNoPassword, text: []Key{"mail.no_password.what"}, todoFor: notAsked, todo: []Key{ignore}},
	{
		kind: MailInvitation, text: []Key{"mail.account_link.what"}, button: "mail.invitation.button",
		todoFor: notExpected, todo: []Key{"mail.todo.ignore_account"}, adapt: ofBrand("mail.invitation.subject_brand", "mail.invitation.text_brand"),
	},
	{
		kind: MailRegistration, text: []Key{"mail.account_link.what"}, button: "mail.registration.button",
		todoFor: notAsked, todo: []Key{"mail.todo.ignore_account"}, adapt: ofBrand("mail.registration.subject_brand", "mail.registration.text_brand"),
	},
	{kind: MailAccountExists, text: []Key{"mail.account_exists.what"}, todoFor: notAsked, todo: []Key{ignore}},
	{kind: MailTest, text: []Key{"mail.test.nothing"}, adapt: adaptTest},
}

// MailKinds lists every kind.
func MailKinds() []MailKind {
	kinds := make([]MailKind, len(mailRows))
	for i, row := range mailRows {
		kinds[i] = row.kind
	}
	return kinds
}

func rowOf(kind MailKind) (mailRow, bool) {
	i := slices.IndexFunc(mailRows, func(row mailRow) bool { return row.kind == kind })
	if i < 0 {
		return mailRow{}, false
	}
	return mailRows[i], true
}

// mailWords are the texts of one mail. The reader's name and the facts stand
// between them.
type mailWords struct {
	subject, heading *Message
	lead             []*Message // above the code, or right below the greeting
	text             []*Message
	warning          *Message // may be nil
	button           *Message // label of the link, nil for none
	todoFor          Key      // "If this was not you"
	todo             []*Message
}

// words picks the texts of a mail whose values are cleaned.
func (row mailRow) words(m Mail) mailWords {
	key := Key("mail." + row.kind)
	w := mailWords{
		subject: (key + ".subject").With(), lead: []*Message{(key + ".text").With()}, todoFor: row.todoFor,
	}
	for _, k := range row.text {
		switch {
		case k == nothingToDo && m.ByAdmin:
			w.text = append(w.text, byAdmin.With())
		case k != byAdmin || m.ByAdmin:
			w.text = append(w.text, k.With())
		}
	}
	for _, k := range row.todo {
		w.todo = append(w.todo, k.With())
	}
	switch {
	case row.button != "":
		w.button = row.button.With()
	case m.Kind != MailCode && m.Kind != MailTest:
		w.button = m.pageButton()
	}
	switch {
	case w.todoFor != "":
	case m.ByAdmin:
		w.todoFor = notExpected
	default:
		w.todoFor = notYou
	}
	if row.adapt != nil {
		row.adapt(m, &w)
	}
	if w.heading == nil {
		w.heading = w.subject
	}
	return w
}

func adaptCode(m Mail, w *mailWords) {
	w.subject.Args, w.heading = []any{m.Code}, Key("mail.code.heading").With()
	inApp("mail.code.text_app")(m, w)
	if m.Minutes > 0 {
		w.text = append(w.text, Key("mail.code.valid").With(time.Duration(m.Minutes)*time.Minute))
	}
	if m.Address != "" || m.UserAgent != "" {
		w.text = append(w.text, Key("mail.code.asked").With())
	}
}

func adaptTest(m Mail, w *mailWords) {
	w.heading = Key("mail.test.heading").With()
	if m.Brand.Name != "" {
		w.subject = Key("mail.test.subject_brand").With(m.Brand.Name)
	}
}

func adaptRecoveryUsed(m Mail, w *mailWords) {
	w.subject.Args, w.text[0].Args = []any{m.Left}, []any{m.Left}
	w.heading = Key("mail.recovery_used.heading").With()
	if m.Left <= 3 {
		w.warning = w.text[0]
		w.text[0] = Key("mail.recovery_used.low").With(m.Left)
	}
}

// adaptEmailChanged is for both addresses. The old one is not told the new one: its reader
// may be the reason for the change.
func adaptEmailChanged(m Mail, w *mailWords) {
	if m.Former {
		w.lead[0] = Key("mail.email_changed.text_former").With()
		w.todo = w.todo[:1] // they may not get in any more
	}
}

func adaptRolesChanged(m Mail, w *mailWords) {
	if m.Roles != "" {
		w.text[0] = Key("mail.roles_changed.now").With(m.Roles)
	}
}

// inApp names the app, where there is one.
func inApp(text Key) func(Mail, *mailWords) {
	return func(m Mail, w *mailWords) {
		if m.App != "" {
			w.lead[0] = text.With(m.App)
		}
	}
}

// ofBrand names the brand, where it has a name.
func ofBrand(subject, text Key) func(Mail, *mailWords) {
	return func(m Mail, w *mailWords) {
		if m.Brand.Name != "" {
			w.subject, w.lead[0] = subject.With(m.Brand.Name), text.With(m.Brand.Name)
		}
	}
}

// ofMethod is of one second step.
func ofMethod(m Mail, w *mailWords) {
	w.subject = MethodKey(string(w.subject.Key)+".", m.Method).With()
	w.lead[0] = MethodKey(string(w.lead[0].Key)+".", m.Method).With()
}

// ofConnection names what the person signs in with.
func ofConnection(m Mail, w *mailWords) {
	w.subject.Args, w.lead[0].Args = []any{m.Connection}, []any{m.Connection}
	below(m, w)
}

// below has all of the text below the link.
func below(_ Mail, w *mailWords) { w.lead, w.text = nil, append(w.lead, w.text...) }
