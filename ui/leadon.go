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
func (p LeadOn) OnTheWeb() bool {
	return strings.HasPrefix(string(p.URL), "https:") || strings.HasPrefix(string(p.URL), "http:")
}

func (p LeadOn) about() about { return about{template: "lead-on", failed: false, next: p.URL} }

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
