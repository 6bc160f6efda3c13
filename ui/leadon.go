package ui

import (
	"html/template"
	"strings"
)

// LeadOn leads to another address by itself, and by a link. It works without a script,
// and takes its own place in the browser's history: the back button passes it by.
type LeadOn struct {
	Frame
	URL template.URL // of an app, whatever its scheme, or of another provider
}

// OnTheWeb tells whether the browser itself goes there. Another program may only be opened
// by the link, which then shows at once.
func (p LeadOn) OnTheWeb() bool { return OnTheWeb(string(p.URL)) }

// OnTheWeb tells whether an address is opened by the browser itself: http or https.
func OnTheWeb(uri string) bool {
	return strings.HasPrefix(uri, "https:") || strings.HasPrefix(uri, "http:")
}

func (p LeadOn) about() about { return about{template: "lead-on", failed: false, next: p.URL} }

// FormPost posts fields to an app by itself, and by a button where no script runs (OAuth
// 2.0 Form Post Response Mode section 2).
type FormPost struct {
	Frame
	URL    string // of an app: http or https
	Fields []Field
}

func (p FormPost) about() about { return about{template: "form-post", away: true} }

// GoOn says that another tab signed in, and goes on with that by itself where scripts
// run.
type GoOn struct {
	Frame
	Action   string // URL the form posts to
	Email    string // who is signed in
	OtherURL string // sign in with another account, absent when empty
}

func (p GoOn) about() about { return about{template: "go-on", failed: false} }

// Waiting is what the script of a sign-in page waits for: another tab that signs in, and
// the end of the sign-in's time. Its zero value waits for nothing.
type Waiting struct {
	OnwardURL string // tells whether the sign-in can go on
	PageURL   string // where it does
	AgainURL  string // starts the sign-in again
	Seconds   int    // until then
}
