package ui

// ForgotPassword asks whose password is to be set anew. Form fields: email,
// population.
type ForgotPassword struct {
	Frame
	Action         string   // URL the form posts to
	Population     string   // value of the hidden field "population"
	PopulationName string   // shown beside Others
	Email          string   // what is filled in already
	EmailError     *Message // beside the email
	Alert          *Message // above the form
	RetryAfter     int      // seconds until another try is allowed
	Others         []Link   // the other populations of this client
	Elsewhere      bool     // people of this population have no password here: no form
	BackURL        string   // the sign-in
}

func (p ForgotPassword) about() about {
	return about{template: "forgot-password", failed: anyOf(p.EmailError, p.Alert)}
}

// Register asks for the address of a person who wants an account. Form fields: email,
// population.
type Register struct {
	Frame
	Action     string   // URL the form posts to
	Population string   // value of the hidden field "population"
	Email      string   // what is filled in already
	EmailError *Message // beside the email
	Alert      *Message // above the form
	RetryAfter int      // seconds until another try is allowed
	BackURL    string   // the sign-in
}

func (p Register) about() about {
	return about{template: "register", failed: anyOf(p.EmailError, p.Alert)}
}

// LinkSent says that a mail is on its way, if it is: the same for everybody.
type LinkSent struct {
	Frame
	Register bool   // an account was asked for, not a password
	Wait     int    // seconds until the same address gets another mail
	AgainURL string // the form
	BackURL  string // the sign-in
}

func (p LinkSent) about() about { return about{template: "link-sent", failed: false} }

// LinkPurpose names what a link by mail is for.
type LinkPurpose string

// The purposes.
const (
	ForReset        LinkPurpose = "reset"        // sets a password
	ForInvitation   LinkPurpose = "invitation"   // makes an account
	ForRegistration LinkPurpose = "registration" // makes an account too
)

// linkTexts are what the pages of a purpose say.
type linkTexts struct{ Heading, Text, Button, DoneHeading, Done Key }

var textsOfLinks = map[LinkPurpose]linkTexts{
	ForReset: {
		"link.reset.heading", "link.reset.text", "link.reset.submit", "link.reset.done_heading", "link.reset.done",
	},
	ForInvitation: {
		"link.invitation.heading", "link.invitation.text", "link.account.submit", "link.account.done_heading", "link.account.done",
	},
	ForRegistration: {
		"link.registration.heading", "link.registration.text", "link.account.submit", "link.account.done_heading", "link.account.done",
	},
}

// Texts are for the templates.
func (p LinkPurpose) Texts() linkTexts { return textsOfLinks[p] }

// LinkPassword is behind a link that came by mail. Form fields: password, and name
// where an account is made.
type LinkPassword struct {
	Frame
	Purpose   LinkPurpose
	Action    string
	Email     string // whose account it is, shown but not editable
	Name      string
	NameError *Message
	New       NewPassword
	Alert     *Message
}

// WithName tells whether an account is made.
func (p LinkPassword) WithName() bool { return p.Purpose != ForReset }

func (p LinkPassword) about() about {
	return about{template: "link-password", failed: anyOf(p.NameError, p.New.Error, p.Alert)}
}

// LinkUsed says what a link has done, and where to sign in.
type LinkUsed struct {
	Frame
	Purpose LinkPurpose
	Email   string
	// Links lead on: to apps, or without a label to the sign-in under way. Without any,
	// people go back to where they came from.
	Links []Link
}

func (p LinkUsed) about() about { return about{template: "link-used", failed: false} }
