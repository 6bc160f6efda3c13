package idp

import "time"

// The populations that every installation has (DESIGN section 1).
const (
	Agents   = "agents"
	Contacts = "contacts"
)

// Population is a set of people with settings of their own. An email address is
// unique within one.
type Population struct {
	ID   string // stable name, e.g. "agents"; part of cookie names
	Name string // what its people read, e.g. "RTX Solutions"
	// Brand of its sign-in pages: a colour as #rrggbb and the URL of a logo,
	// either may be empty.
	BrandColor, LogoURL string
	HelpURL, PrivacyURL string

	// SessionIdle and SessionLifetime end a session that nobody used for so
	// long, and every session so long after its sign-in.
	SessionIdle, SessionLifetime time.Duration
	// PasswordMinLength counts characters, not bytes.
	PasswordMinLength int

	Policy Policy
	// MinVersion refuses every session judged by an older policy version:
	// "Immediately" raises it to the version it saves.
	MinVersion int64
}

// Policy is an MFA policy of a population: which second factors are enabled and
// what the authenticator app calls the account. Each change takes the next
// integer Version, of one sequence for all policies and overrides. At least one
// method makes a second step mandatory for password sign-ins.
type Policy struct {
	Version       int64
	Authenticator bool
	IssuerLabel   string
	EmailCode     bool
}

// SecondStep tells whether password sign-ins need a second factor.
func (p Policy) SecondStep() bool { return p.Authenticator || p.EmailCode }
