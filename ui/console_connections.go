package ui

import "time"

// ConsoleAccess is how people of a population may sign in, and the connections that
// there are. Form fields: version, access ("password", "federated" or "both").
type ConsoleAccess struct {
	ConsoleForm
	Connections []ConnectionRow
	AddURL      string
}

func (p ConsoleAccess) about() about {
	return about{template: "console-access", failed: p.failed() || p.Alert != nil, console: true}
}

// ConnectionRow is a connection in the list.
type ConnectionRow struct {
	Name, URL   string
	Kind, Trust Message
	Enabled     bool
	Lost        bool // its secret cannot be read any more
	// InsteadOf is the connection that is the same and is offered in its place, empty for none.
	InsteadOf string
	People    int64 // linked
	// CertificateEnds is when its certificate ends, zero where a secret is used; EndsSoon
	// that it has to be replaced now.
	CertificateEnds time.Time
	EndsSoon        bool
}

// ConsoleConnectionNew asks what stands at the other end.
type ConsoleConnectionNew struct {
	Console
	PopulationName string
	Templates      []AppTemplate
}

func (p ConsoleConnectionNew) about() about {
	return about{template: "console-connection-new", console: true}
}

// MappingRow is a role for people with a value in a claim, of several with the same field
// names.
type MappingRow struct {
	Claims []Choice
	Value  string
	Roles  []Choice
}

// ElsewhereRow is a connection of a person's population, and who the person is there.
type ElsewhereRow struct {
	Connection  string // its name
	Linked      bool
	Subject     []Setting // the parts of who they are there
	Email       string    // as the other side last wrote it, may be empty
	LinkedAt    time.Time
	LastSeenAt  time.Time // zero for never
	ChangeURL   string    // links or unlinks, absent when empty
	SwitchedOff bool
}
