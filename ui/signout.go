package ui

// SignOut asks whether to sign out.
type SignOut struct {
	Frame
	Action    string   // URL the form posts to
	Hidden    []Field  // what the request carried, handed on
	Accounts  []string // whose sessions end
	CancelURL string   // way back, absent when empty
}

func (p SignOut) about() about { return about{template: "sign-out", failed: false} }

// SignedOut says that it is done.
type SignedOut struct {
	Frame
	Remaining  []string // who is still signed in here, may be empty
	SignOutURL string   // where those sign out
	BackURL    string   // where to go from here, absent when empty
	BackLabel  string   // name of the app behind BackURL
}

func (p SignedOut) about() about { return about{template: "signed-out", failed: false} }
