package ui

// Console is what all pages of the console, and of people's accounts, have in common.
// Pages show only what the viewer may do: the rest is left empty. Without a brand they are
// Gatehouse's own.
type Console struct {
	Frame
	Nav           []NavGroup
	Crumbs        []Link // where the page stands, outermost first
	Tabs          []NavItem
	Done          *Message // what was done just now, may be nil
	Alert         *Message // what could not be done, may be nil
	SignOutAction string   // URL of the GET that signs out
	HomeURL       string
	FindURL       string // where a person is looked for, absent when empty
}

// NavGroup is a part of the console's navigation.
type NavGroup struct {
	Label Key // empty for the first
	Items []NavItem
}

// NavItem is a page of the console.
type NavItem struct {
	Label   string
	URL     string
	Current bool
}

func (c Console) frame() Frame { return c.Frame }

// Check is one thing of the first steps.
type Check struct {
	Label, Hint Message
	URL         string // where to do it, absent when empty
	Done        bool
}

// Figure is a number with what it counts.
type Figure struct {
	Number int64
	Label  Message
	URL    string // where the things that it counts are, may be empty
}

// ConsoleConfirm says what will happen before something sensitive does, and asks for a
// reason. Form fields: reason, those of Apply and Extra, and the hidden ones of the change.
type ConsoleConfirm struct {
	Console
	Action       string
	CancelURL    string
	Heading      Message
	Changes      []Message // what changes, one sentence each
	Figures      []Figure
	Apps         []string // apps concerned
	Consequences []Message
	Apply        Input // when a change applies; without choices it does at once
	Extra        *Extra
	Button       Message
	Danger       bool
	Reason       string
	ReasonError  *Message
}

// Extra is a box to tick on a page that asks for a reason.
type Extra struct {
	Warning *Message // above it, may be nil
	Name    string
	Label   Message
	On      bool
	Error   *Message
}

func (p ConsoleConfirm) about() about {
	failed := anyOf(p.ReasonError, p.Apply.Error, p.Alert) || p.Extra != nil && p.Extra.Error != nil
	name := "console-confirm"
	if len(p.Apply.Choices) > 0 {
		name = "console-apply"
	}
	return about{template: "console-confirm", name: name, failed: failed, console: true}
}
