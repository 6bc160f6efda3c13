package ui

// SignIn asks for email and password. Form fields: email, password, population, keep.
type SignIn struct {
	Frame
	Action         string   // URL the form posts to
	Population     string   // value of the hidden field "population"
	PopulationName string   // shown beside Others, to say which population this is
	Email          string   // what is filled in already
	EmailError     *Message // beside the email
	PasswordError  *Message // beside the password
	Alert          *Message // above the form, such as MsgWrongPassword
	RetryAfter     int      // seconds until another try is allowed; a countdown when > 0
	Others         []Link   // the other populations of this client
	ForgotURL      string   // link "Forgot password?", absent when empty
	RegisterURL    string   // link "Create an account", absent when empty
	OffersKeep     bool     // staying signed in can be chosen
	Keep           bool     // and was
	Upstreams      []Upstream
	NoPassword     bool         // there is no form: people sign in through Upstreams alone
	Passkey        *PasskeyForm // in place of email and password, nil for none
}

// Upstream is another provider that people can sign in with: a plain link that looks
// like a button.
type Upstream struct {
	Name      string // "Sign in with <Name>"
	URL       string
	Microsoft bool // shows its sign
}

func (p SignIn) about() about {
	return about{template: "signin", failed: anyOf(p.EmailError, p.PasswordError, p.Alert)}
}

// Reauthenticate asks a known account for its password again. Form fields:
// password, and email for password managers (do not trust it).
type Reauthenticate struct {
	Frame
	Action        string   // URL the form posts to
	Email         string   // the account, shown but not editable
	PasswordError *Message // beside the password
	Alert         *Message // above the form
	RetryAfter    int      // seconds until another try is allowed
	ForgotURL     string   // link "Forgot password?", absent when empty
	Upstreams     []Upstream
	NoPassword    bool         // there is no form
	Passkey       *PasskeyForm // in place of the password, nil for none
}

func (p Reauthenticate) about() about {
	return about{template: "reauthenticate", failed: anyOf(p.PasswordError, p.Alert)}
}

// ChooseAccount lets a person with several sessions pick one. Form field:
// session.
type ChooseAccount struct {
	Frame
	Action   string    // URL each account's form posts to
	Accounts []Account // the sessions that can be used here
	OtherURL string    // link "Use another account", absent when empty
}

func (p ChooseAccount) about() about { return about{template: "choose-account", failed: false} }

// Account is one entry of ChooseAccount.
type Account struct {
	Email          string // whose session it is
	Population     string // id of the population
	PopulationName string // its name, shown under the email
	SessionID      string // value of the field "session"; public, no credential
}

// ConfirmEmail asks a person who came through another provider for the code that was sent
// to the address that it says is theirs. Form field: code.
type ConfirmEmail struct {
	Frame
	Action       string // URL the form posts to
	Email        string // where the code went, in full: they brought it along
	Upstream     string // the provider's name
	CodeError    *Message
	Alert        *Message
	ResendAction string // URL of the POST form "Send a new code"
	ResendIn     int    // seconds until a new code may be asked for
	RetryAfter   int    // seconds until another try is allowed
}

func (p ConfirmEmail) about() about {
	return about{template: "confirm-email", failed: anyOf(p.CodeError, p.Alert)}
}

// BreakGlass stands behind a link for emergencies, and uses nothing up.
type BreakGlass struct {
	Frame
	Action string // URL the form posts to
}

func (p BreakGlass) about() about { return about{template: "break-glass", failed: false} }
