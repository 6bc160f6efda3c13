package ui

import (
	"html/template"
	"time"
)

// The pages where people look after their account stand in the console's layout, under
// the brand of their population.

// AccountOverview is where they begin.
type AccountOverview struct {
	Console
	Rows []AccountRow
	// Elsewhere: password and second step are not kept here.
	Elsewhere *Message
	// Apps are those that the person can open, which start a sign-in.
	Apps []Link
}

func (p AccountOverview) about() about { return about{template: "account-overview", console: true} }

// AccountRow is one thing of an account, with where it is changed.
type AccountRow struct {
	Label, Text Message
	Hint        *Message // what to do about it, may be nil
	URL         string   // absent when empty
}

// AccountProfile are names, time zone and language. Form fields: version, name, given_name,
// family_name, zoneinfo, locale.
type AccountProfile struct {
	Console
	Action    string
	Version   int64
	Name      string
	NameFixed bool // the names are another provider's: shown, and not sent
	NameError *Message

	GivenName, FamilyName, Zoneinfo                string
	GivenNameError, FamilyNameError, ZoneinfoError *Message

	Languages []Choice
}

func (p AccountProfile) about() about {
	failed := anyOf(p.NameError, p.GivenNameError, p.FamilyNameError, p.ZoneinfoError, p.Alert)
	return about{template: "account-profile", failed: failed, console: true}
}

// AccountEmail asks for another address. Form field: email.
type AccountEmail struct {
	Console
	Action       string // of the form; empty: the address cannot be changed, Why says it
	Why          *Message
	Email        string // the one they have
	Wanted       string // as typed
	EmailError   *Message
	Pending      string // waits to be confirmed, may be empty
	CancelAction string // URL of the POST form that takes it back
}

func (p AccountEmail) about() about {
	return about{template: "account-email", failed: anyOf(p.EmailError, p.Alert), console: true}
}

// AccountPassword asks for the present and a new password. Form fields: current,
// password.
type AccountPassword struct {
	Console
	Action       string
	Email        string // for password managers
	EndsOthers   bool   // the other sessions end
	CurrentError *Message
	New          NewPassword
	RetryAfter   int // seconds until another try is allowed
}

func (p AccountPassword) about() about {
	return about{template: "account-password", failed: anyOf(p.CurrentError, p.New.Error, p.Alert), console: true}
}

// AccountSecondStep lists what a person proves beside the password.
type AccountSecondStep struct {
	Console
	Policy  Message // what their organisation asks for
	Factors []AccountFactor
	AddURL  string // absent when empty
	// PasskeyURL is where another passkey is made, absent when empty.
	PasskeyURL string
	Codes      *AccountCodesState
}

func (p AccountSecondStep) about() about {
	return about{template: "account-second-step", console: true}
}

// AccountFactor is a second step of a person.
type AccountFactor struct {
	Name                              string
	Method                            Message   // what it is
	Kind                              *Message  // where a passkey is, nil for all others
	CreatedAt, LastUsedAt, DisabledAt time.Time // the last two may be zero
	RenameURL, RemoveURL              string
}

// AccountCodesState is how many recovery codes a person has.
type AccountCodesState struct {
	Left        int
	GeneratedAt time.Time
	URL         string
}

// AccountEnrol sets up another authenticator. Form fields: name, code, and the hidden
// ones of the set-up.
type AccountEnrol struct {
	Console
	Action       string
	CancelURL    string
	IssuerLabel  string
	AccountLabel string
	QR           template.URL // data:image/png of the otpauth URL
	QRWidth      int          // in CSS pixels
	Key          string       // the same key as text, in groups
	OTPAuthURL   template.URL
	Name         string
	NameError    *Message
	CodeError    *Message
	RetryAfter   int
}

func (p AccountEnrol) about() about {
	return about{template: "account-enrol", failed: anyOf(p.NameError, p.CodeError, p.Alert), console: true}
}

// AccountRename gives an authenticator another name. Form field: name.
type AccountRename struct {
	Console
	Heading                 Message
	Action, CancelURL, Name string
	NameError               *Message
}

func (p AccountRename) about() about {
	return about{template: "account-rename", failed: anyOf(p.NameError), console: true}
}

// AccountAsk says what will happen before something is taken away.
type AccountAsk struct {
	Console
	Action, CancelURL string // without an action it cannot be done
	Heading           Message
	Consequences      []Message
	Button            Message
}

func (p AccountAsk) about() about { return about{template: "account-ask", console: true} }

// AccountCodes are recovery codes: the new ones, until they are said to be saved (form
// field saved), or how many are left.
type AccountCodes struct {
	Console
	Codes       []string // the new ones, in groups; none: the rest of the page is about the set
	DownloadURL string
	SavedAction string
	SavedError  *Message

	Left           int
	GeneratedAt    time.Time // zero: there are none
	GenerateAction string    // URL of the POST form that makes new ones; absent when empty
	AgainAt        time.Time // from when on there can be new ones, zero for now
}

func (p AccountCodes) about() about {
	return about{template: "account-codes", failed: anyOf(p.SavedError, p.Alert), console: true}
}

// AccountSessions lists where a person is signed in. Form field of EndAction: session.
type AccountSessions struct {
	Console
	Sessions     []AccountSession
	EndAction    string
	OthersAction string // ends all but the present one; absent when empty
	// Kept is the access that apps keep while the person is signed out.
	Kept            []KeptRow
	EndAccessAction string
	// Trusted are the browsers in which the second step is not asked for.
	Trusted      []TrustedRow
	ForgetAction string
}

// TrustedRow is one of them, as the console shows it too.
type TrustedRow struct {
	ID, UserAgent, Address   string
	Since, Until, LastUsedAt time.Time
	Present                  bool
	ForgetURL                string // in the console, absent when empty
}

func (p AccountSessions) about() about { return about{template: "account-sessions", console: true} }

// AccountSession is one of them.
type AccountSession struct {
	ID                 string
	UserAgent, Address string
	Since, LastSeenAt  time.Time
	Apps               []string
	Present            bool // the one that looks
}

// KeptRow is access that an app keeps while the person is signed out.
type KeptRow struct {
	ID, App            string
	Scopes             []string
	UserAgent, Address string // of the sign-in that it came from
	Since, LastUsedAt  time.Time
	EndURL             string // in the console; absent when empty
}

// AccountActivity lists what happened.
type AccountActivity struct {
	Console
	Events  []AccountEvent
	NextURL string // of older ones, absent when empty
}

func (p AccountActivity) about() about { return about{template: "account-activity", console: true} }

// AccountEvent is something that happened to an account.
type AccountEvent struct {
	At                 time.Time
	What               Message
	App                string
	ByAdmin            bool
	UserAgent, Address string
	Times              int // how often it happened, until LastAt
	LastAt             time.Time
}

// AccountMicrosoft lists the accounts elsewhere through which a person signs in. Form
// field: identity.
type AccountMicrosoft struct {
	Console
	Identities []AccountIdentity
	Action     string
}

func (p AccountMicrosoft) about() about {
	return about{template: "account-microsoft", failed: anyOf(p.Alert), console: true}
}

// AccountIdentity is one of them.
type AccountIdentity struct {
	ID, Provider, Account string
	LinkedAt              time.Time
	Only                  bool // nothing else would let the person in
}

// AccountData offers what is kept about a person.
type AccountData struct {
	Console
	Action string
}

func (p AccountData) about() about { return about{template: "account-data", console: true} }

// AccountWho asks whose account to look after, of those who are signed in.
type AccountWho struct {
	Frame
	Accounts []AccountLink
	OtherURL string // to sign in to the account that the address names, may be empty
}

func (p AccountWho) about() about { return about{template: "account-who"} }

// AccountLink leads to a person's account.
type AccountLink struct{ Email, PopulationName, URL string }

// AccountConfirm confirms an address with a link of a mail.
type AccountConfirm struct {
	Frame
	Action    string
	Of        string // which account: its address, or what a stranger may read of it
	Email     string
	SignInURL string // where to sign in to that account, may be empty
	Done      bool   // it was confirmed just now
	URL       string // of the account
}

func (p AccountConfirm) about() about { return about{template: "account-confirm"} }
