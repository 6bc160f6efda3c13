package ui

import "html/template"

// Code asks for the 6 digits of the authenticator app. Form field: code.
type Code struct {
	Frame
	Action      string   // URL the form posts to
	IssuerLabel string   // the name to look for in the app
	CodeError   *Message // beside the code
	Alert       *Message // above the form
	RetryAfter  int      // seconds until another try is allowed
	Methods     []Method // every other method the policy allows
	LastResort  bool     // show what to ask the admin for
	Trust       TrustOffer
}

func (p Code) about() about { return about{template: "code", failed: anyOf(p.CodeError, p.Alert)} }

// TrustOffer lets the person trust the browser with the second step that a page asks for.
// Form field: trust ("yes").
type TrustOffer struct {
	Days   int // 0: it is not offered
	Ticked bool
}

// RecoveryCode asks for a recovery code. Form field: code.
type RecoveryCode struct {
	Frame
	Action     string   // URL the form posts to
	Code       string   // as it was typed, when it was refused
	CodeError  *Message // beside the code
	Alert      *Message // above the form
	RetryAfter int      // seconds until another try is allowed
	Methods    []Method // every other method the policy allows
	LastResort bool     // show what to ask the admin for
}

func (p RecoveryCode) about() about {
	return about{template: "recovery-code", failed: anyOf(p.CodeError, p.Alert)}
}

// EmailCode asks for the 6 digits that were sent by email. Form field: code.
type EmailCode struct {
	Frame
	Action       string   // URL the form posts to
	MaskedEmail  string   // where the code went, such as "m•••@rtx.example"
	CodeError    *Message // beside the code
	Alert        *Message // above the form
	News         *Message // good news above the form, such as MsgEmailCodeSent
	ResendAction string   // URL of the POST form "Send a new code", absent when empty
	Unsent       bool     // no code was sent yet: the page offers to send one
	ResendIn     int      // seconds until a new code may be asked for
	RetryAfter   int      // seconds until another try is allowed
	Methods      []Method // every other method the policy allows
	LastResort   bool     // show what to ask the admin for
	Trust        TrustOffer
}

func (p EmailCode) about() about {
	return about{template: "email-code", failed: anyOf(p.CodeError, p.Alert)}
}

// ChooseMethod lets a person without an authenticator choose a second step.
type ChooseMethod struct {
	Frame
	Methods []Method // in order of preference
	Explain Message  // why; MsgChooseMethod when empty
}

func (p ChooseMethod) about() about { return about{template: "choose-method", failed: false} }

// EnrolIntro says that a second step is needed and starts the set-up.
type EnrolIntro struct {
	Frame
	Action      string   // URL the form posts to
	IssuerLabel string   // the name the app will show
	Methods     []Method // what can be used instead, may be empty
}

func (p EnrolIntro) about() about { return about{template: "enrol-intro", failed: false} }

// Enrol sets up an authenticator app. Form field: code.
type Enrol struct {
	Frame
	Action       string       // URL the form posts to
	IssuerLabel  string       // the name the app will show
	AccountLabel string       // the account the app will show
	QR           template.URL // data:image/png of the otpauth URL
	QRWidth      int          // in CSS pixels
	Key          string       // the same key as text, in groups
	OTPAuthURL   template.URL // otpauth://…, for an app on this device
	CodeError    *Message     // beside the code
	Alert        *Message     // above the steps
	RetryAfter   int          // seconds until another try is allowed
	Methods      []Method     // what can be used instead
}

func (p Enrol) about() about { return about{template: "enrol", failed: anyOf(p.CodeError, p.Alert)} }

// RecoveryCodes shows the codes once. Form field: saved ("yes").
type RecoveryCodes struct {
	Frame
	Action      string   // URL the form posts to
	Codes       []string // formatted in groups
	DownloadURL string   // the same codes as a text file
	SavedError  *Message // beside the checkbox
	Unreadable  bool     // they cannot be read any more: the form only goes on
}

func (p RecoveryCodes) about() about {
	return about{template: "recovery-codes", failed: anyOf(p.SavedError)}
}

// RecoveryNotice says after a sign-in with a recovery code how many are left.
type RecoveryNotice struct {
	Frame
	Action string // URL the form posts to
	Left   int    // codes that still work
	Low    bool   // warn
	// RegenerateAction is the URL of the POST form "Make new codes", absent when
	// empty; Later says then from when on there can be new ones.
	RegenerateAction string
	Later            *Message
}

func (p RecoveryNotice) about() about { return about{template: "recovery-notice", failed: false} }
