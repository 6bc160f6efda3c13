package ui

// What a new password must be. Each has the name of the rule at its end.
const (
	MsgRuleTooLong   Key = "password_rule.too_long"  // bytes
	MsgRuleTooShort  Key = "password_rule.too_short" // characters
	MsgRuleNoUpper   Key = "password_rule.no_upper"
	MsgRuleNoLower   Key = "password_rule.no_lower"
	MsgRuleNoDigit   Key = "password_rule.no_digit"
	MsgRuleNoSpecial Key = "password_rule.no_special"
	MsgRuleCommon    Key = "password_rule.common"
	MsgRulePersonal  Key = "password_rule.personal"
	MsgRuleReused    Key = "password_rule.reused" // how many
	MsgRuleSame      Key = "password_rule.same"
)

// Why a password has to be changed now, and what is wrong with a new one.
const (
	MsgPasswordExpired Key = "change_password.expired" // days
	MsgPasswordWeak    Key = "change_password.weak"
	MsgPasswordBroken  Key = "error.password_broken" // the rules that are marked
	MsgPasswordNew     Key = "error.password_new"    // none was typed
)

// PasswordRule is one thing that a new password must be.
type PasswordRule struct {
	Kind   string // its name, by which a script finds it
	Text   Message
	Broken bool // the password that was posted is not
	Later  bool // found out when it is saved, and not at each key
}

// NewPassword is the field of a new password, with what it must be: the part
// "new-password" of a page. Form field: password.
type NewPassword struct {
	Rules []PasswordRule
	// HintURL answers a POST of a password with the rules that it breaks, for the script
	// that shows them at each key; no hints when empty.
	HintURL string
	Error   *Message
	NoFocus bool // another field of the page comes first
}

// ChangePassword asks for another password before a sign-in goes on. Form field:
// password, and email for password managers (do not trust it).
type ChangePassword struct {
	Frame
	Action string  // URL the form posts to
	Email  string  // whose password it is
	Why    Message // why now
	New    NewPassword
	// EndsOthers: saving it signs the person out everywhere else.
	EndsOthers bool
	Alert      *Message // above the form
	// RetryAfter is how many seconds there are until another try.
	RetryAfter int
}

func (p ChangePassword) about() about {
	return about{template: "change-password", failed: anyOf(p.New.Error, p.Alert)}
}
