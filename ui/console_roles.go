package ui

// ConsoleRoles lists the roles.
type ConsoleRoles struct {
	Console
	Roles  []RoleRow
	AddURL string
}

// RoleRow is a role in the list.
type RoleRow struct {
	Name, URL   string
	System      bool
	Permissions []string // their labels
	Holders     int
}

func (p ConsoleRoles) about() about {
	return about{template: "console-roles", failed: anyOf(p.Alert), console: true}
}

// ConsoleRole is a role to read.
type ConsoleRole struct {
	Console
	CancelURL   string
	Name        string
	System      bool
	Holders     int
	Permissions []Tick
	Above       bool   // it has permissions that the viewer lacks
	EditURL     string // absent when empty, like DeleteURL
	DeleteURL   string
}

func (p ConsoleRole) about() about {
	return about{template: "console-role", failed: anyOf(p.Alert), console: true}
}

// ConsoleAsk asks once more before something happens that needs no reason. Form
// field: version.
type ConsoleAsk struct {
	Console
	Action, CancelURL string
	Heading           Message
	Consequences      []Message
	Button            Message
	Danger            bool
	Version           int64
}

func (p ConsoleAsk) about() about {
	return about{template: "console-people-ask", failed: anyOf(p.Alert), console: true}
}
