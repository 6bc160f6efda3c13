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
	MicrosoftURL   string   // plain link that looks like a button, absent when empty
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
