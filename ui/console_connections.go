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
	Lost        bool // nobody can read its secret any more
	// InsteadOf is the connection that is the same and is offered in its place, empty for none.
	InsteadOf string
	People    int64 // linked
	// CertificateEnds is when its certificate ends, zero where a secret is used;
	// EndsSoon that somebody should care now.
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

// MappingRow is a role for whoever has a value in a claim, of several with the same
// field names.
type MappingRow struct {
	Claims []Choice
	Value  string
	Roles  []Choice
}

// ConsoleConnection is a connection, for a new one and for one that exists. A field
// whose flag is off is not the connection's. Form fields: version, name, enabled,
// issuer, tenants, any_tenant, personal_accounts, client_id, credential ("keep",
// "secret" or "certificate"), client_secret, trust, context, create_users, domains,
// own_redirect (of one that exists, also empty), id (of a new one), map_claim, map_value and map_role (as often as there are mappings), name_claim,
// email_claim, department_claim, end_upstream, domain_hint, reason.
type ConsoleConnection struct {
	Console
	Action, CancelURL string
	DeleteURL         string // absent when empty
	Heading, Submit   Message
	Version           int64 // 0 for a new one
	IsNew             bool
	NewID             string // of a new one, part of its redirect URI
	// Values are what the other side needs. CertificateURL downloads the certificate,
	// empty for none; CertificateEnds is when it ends.
	Values          []Setting
	CertificateURL  string
	CertificateEnds time.Time

	Name                  string
	Enabled               bool
	Entra                 bool
	HasIssuer, HasTenants bool
	Linked                bool // people are, so that the issuer stays
	Lost                  bool // nobody can read its secret or key any more
	Undated               bool // the other side does not say when people signed in there
	ManyTenants           bool // several may be named
	HasAudience           bool // asks whether any organisation and personal accounts may come
	Issuer                string
	Tenants               string // one per line, as all lists
	AnyTenant, Personal   bool
	ClientID              string
	Credentials           []Choice
	Trusts                []Choice
	Context               string
	CreateUsers           bool
	HasDomains            bool
	Domains               string
	Mappings              []MappingRow

	NameClaim, EmailClaim, DepartmentClaim string

	// OwnRedirect: its redirect URI is OwnRedirectURI, and not the shared one.
	OwnRedirect    bool
	OwnRedirectURI string

	EndUpstream bool
	DomainHint  string
	Reason      string
	// Errors are what is wrong, by form field.
	Errors map[string]*Message
}

func (p ConsoleConnection) about() about {
	return about{template: "console-connection", failed: len(p.Errors) > 0 || p.Alert != nil, console: true}
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
