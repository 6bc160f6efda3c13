package ui

// Console is what all pages of the console, and of people's accounts, have in common.
// Pages show only what the viewer may do: whoever builds one leaves the rest empty.
// Without a brand they are Gatehouse's own.
type Console struct {
	Frame
	Nav           []NavGroup
	Crumbs        []Link // where the page stands, outermost first
	Tabs          []NavItem
	Done          *Message // what was done just now, may be nil
	Alert         *Message // what could not be done, may be nil
	SignOutAction string   // URL of the GET that signs out
	HomeURL       string
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

// ConsoleOverview is where the console begins.
type ConsoleOverview struct {
	Console
	Checks  []Check
	Figures []Figure
}

func (p ConsoleOverview) about() about { return about{template: "console-overview", console: true} }

// Figure is a number with what it counts.
type Figure struct {
	Number int64
	Label  Message
	URL    string // where the things that it counts are, may be empty
}

// ConsolePolicy is the MFA policy of a population. Form fields: version,
// authenticator, issuer_label, email_code.
type ConsolePolicy struct {
	Console
	Action           string
	PopulationName   string
	Version          int64
	Authenticator    bool
	IssuerLabel      string
	IssuerLabelError *Message
	EmailCode        bool
	EmailCodeError   *Message
	MailWorks        bool   // false: email codes cannot be turned on
	Apps             []Link // apps whose own policy differs, with what it is
}

func (p ConsolePolicy) about() about {
	return about{template: "console-policy", failed: anyOf(p.IssuerLabelError, p.EmailCodeError, p.Alert), console: true}
}

// ConsoleApply asks when a change of a policy applies, and says first whom it
// concerns. Form fields: apply ("immediately", "next_login" or
// "new_passwords"), reason,
// password_alone, and the hidden ones of the change.
type ConsoleApply struct {
	Console
	Action        string
	CancelURL     string
	Changes       []Message // what changes, one sentence each
	Figures       []Figure
	Sessions      int64
	Apps          []string // apps concerned
	JWTMinutes    int      // how long other servers may accept a JWT, 0 for not at all
	PasswordAlone bool     // nothing is enabled: the person confirms that
	ForApp        bool     // the change is an app's, and ends what that app has
	ForPasswords  bool     // the change is of password requirements: for new passwords only is a choice, too
	Reason        string
	ReasonError   *Message
	ChoiceError   *Message
	AloneError    *Message
}

func (p ConsoleApply) about() about {
	return about{template: "console-apply", failed: anyOf(p.ReasonError, p.ChoiceError, p.AloneError, p.Alert), console: true}
}

// ConsoleConfirm asks for a reason before something sensitive happens, and says
// what will happen. Form field: reason.
type ConsoleConfirm struct {
	Console
	Action       string
	CancelURL    string
	Heading      Message
	Figures      []Figure
	Consequences []Message
	Button       Message
	Danger       bool
	Reason       string
	ReasonError  *Message
	// Extra is what may be done as well, nil for nothing.
	Extra *Extra
}

// Extra is a box to tick on a page that asks for a reason.
type Extra struct {
	Name  string
	Label Message
	On    bool
}

func (p ConsoleConfirm) about() about {
	return about{template: "console-confirm", failed: anyOf(p.ReasonError, p.Alert), console: true}
}
