package ui

// PasskeyForm is a form that a script fills with the browser's answer. It is hidden, and so is
// its button, until the script finds that the browser has passkeys. Form field: credential.
type PasskeyForm struct {
	Action string // URL the form posts to
	// Options are what the browser is asked for, as JSON (WebAuthn Level 3 section 5.1.8).
	Options string
	// Create: a passkey is made, and else one is used. Suggest: the browser offers those that
	// it has in the email field too.
	Create, Suggest bool
	Label           Message // of the button
	Second          bool    // the button is not the page's main one
	Wait            bool    // the button waits for a countdown
}

// Passkey asks for a passkey as a second step.
type Passkey struct {
	Frame
	Form       PasskeyForm
	Alert      *Message // above the form
	RetryAfter int      // seconds until another try is allowed
	Methods    []Method // every other method the policy allows
	LastResort bool     // show what to ask the admin for
	Trust      TrustOffer
}

func (p Passkey) about() about { return about{template: "passkey", failed: anyOf(p.Alert)} }

// PasskeySetUp makes a passkey.
type PasskeySetUp struct {
	Frame
	Form       PasskeyForm
	Only       *Message // which authenticators will do, nil for any
	Alert      *Message
	RetryAfter int
	Methods    []Method // what can be used instead, may be empty
}

func (p PasskeySetUp) about() about { return about{template: "passkey-set-up", failed: anyOf(p.Alert)} }

// PasskeyOffer offers a passkey to a person who has signed in.
type PasskeyOffer struct {
	Frame
	Form        *PasskeyForm // nil for one who took too long
	Alert       *Message
	RetryAfter  int
	LaterAction string   // URL of the POST form that goes on without
	Only        *Message // which authenticators will do, nil for any
	Another     bool     // they have passkeys, on other devices
	Codes       bool     // recovery codes come with it
}

func (p PasskeyOffer) about() about { return about{template: "passkey-offer", failed: anyOf(p.Alert)} }

// Labels of the button.
const (
	MsgPasskeyUse     Key = "passkey.use"          // as a second step
	MsgPasskeySignIn  Key = "passkey.sign_in"      // in place of email and password
	MsgPasskeyInstead Key = "passkey.instead"      // in place of the password
	MsgPasskeyMake    Key = "passkey.set_up.start" // Create
	MsgPasskeyAdd     Key = "passkey.offer.start"  // Create, where it is offered
)

// Which authenticators a set-up takes.
const (
	MsgPasskeyOnly   Key = "passkey.set_up.only"
	MsgPasskeyModels Key = "passkey.set_up.models" // by name
)

// Why an answer was not taken.
const (
	MsgPasskeyRefused Key = "passkey.refused"        // as a second step
	MsgPasskeyUnknown Key = "passkey.unknown"        // in place of a password: unknown, disabled and all the rest
	MsgPasskeyLate    Key = "passkey.late"           // to what was asked before
	MsgPasskeyTaken   Key = "passkey.taken"          // somebody has that one
	MsgPasskeyNotMade Key = "passkey.not_made"       // its set-up
	MsgPasskeyModel   Key = "passkey.model"          // its set-up, by an authenticator that is not trusted
	MsgPasskeyScript  Key = "passkey.without_script" // the form came without an answer
)

// AccountPasskey makes another passkey.
type AccountPasskey struct {
	Console
	Form      PasskeyForm
	Only      *Message // which authenticators will do, nil for any
	CancelURL string
}

func (p AccountPasskey) about() about {
	return about{template: "account-passkey", failed: anyOf(p.Alert), console: true}
}
