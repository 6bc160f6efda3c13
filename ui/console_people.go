package ui

import "time"

// Tick is a box to tick, or a line of a select.
type Tick struct {
	Value, Label, Hint string
	On                 bool
	Fixed              bool // shown, and not the viewer's to change
}

// ConsolePeople lists people of a population, or of all. Fields of its GET form: population,
// filter, which may come several times, q.
type ConsolePeople struct {
	Console
	Action     string
	Population string // its id, empty for all
	On         []string
	Search     string
	Filters    []NavItem
	People     []PersonRow
	StartURL   string // where the list begins, empty when this is its beginning
	NextURL    string // where it goes on, empty at its end
	ExportURL  string // people without a second step as a file, may be empty
	RemindURL  string // where they are reminded, absent when empty
	AddURL     string // absent when empty
	InviteURL  string // absent when empty
}

// PersonRow is a person in the list.
type PersonRow struct {
	Name, Email, URL string
	Group            string // its name, empty where all are of one
	Roles            []string
	Authenticator    bool
	Alone            bool // no second step at all
	Disabled         bool
	LastSignInAt     time.Time // zero for never
}

func (p ConsolePeople) about() about {
	return about{template: "console-people", failed: anyOf(p.Alert), console: true}
}

// PersonTab is a part of what is known of a person.
type PersonTab string

// The tabs of a person's page.
const (
	PersonProfile  PersonTab = "profile"
	PersonSignIn   PersonTab = "sign_in"
	PersonSessions PersonTab = "sessions"
	PersonHistory  PersonTab = "history"
)

// ConsolePerson is a tab of what the viewer may see of a person. Beside Name, Email and
// Disabled, each has only what it shows.
type ConsolePerson struct {
	Console
	Tab            PersonTab
	Name, Email    string
	PopulationName string
	Language       string // BCP 47, may be empty
	Disabled       bool
	PasswordSet    bool
	PasswordSetAt  time.Time // zero where that is not known
	Unproved       bool      // another person made a way into the account
	CreatedAt      time.Time
	EditURL        string // absent when empty, like every address here
	Factors        []FactorRow
	Recovery       *RecoveryFacts // nil for none
	ResetURL       string
	Accounts       []ElsewhereRow // at other providers
	Sessions       []SessionRow
	MoreSessions   bool // there are more than are shown
	Kept           []KeptRow
	Trusted        []TrustedRow
	Consents       []ConsentRow // what third-party apps may have
	SignOutURL     string
	Roles          []string
	RolesURL       string
	History        []HistoryRow
	Actions        []PersonAction // what else can be done
}

func (p ConsolePerson) about() about {
	return about{template: "console-person", failed: anyOf(p.Alert), console: true}
}

// FactorRow is a second factor of a person.
type FactorRow struct {
	Label      Message
	CreatedAt  time.Time
	LastUsedAt time.Time // zero for never
	DisabledAt time.Time // zero unless too many wrong codes were tried
	EnableURL  string
}

// RecoveryFacts are about a person's recovery codes.
type RecoveryFacts struct {
	GeneratedAt   time.Time
	SavedAt       time.Time // zero until the person said so
	DisabledAt    time.Time
	Left          int
	AgainAt       time.Time // from when there can be new ones, zero for now
	ViewURL       string
	RegenerateURL string
	EnableURL     string
}

// SessionRow is a session of a person.
type SessionRow struct {
	UserAgent  string
	Address    string
	Since      time.Time
	LastSeenAt time.Time
	Apps       []string
	EndURL     string
}

// HistoryRow is something that happened to a person, or that they did.
type HistoryRow struct {
	At        time.Time
	Kind      string
	By        string // who did it; empty: the person, or a program
	Reason    string
	UserAgent string
	Address   string
}

// PersonAction is something that can be done, on a page of its own.
type PersonAction struct {
	Label, Hint Message
	URL         string
	Danger      bool
}

// ConsolePersonRoles gives a person roles and takes them. Form fields: version,
// roles, reason.
type ConsolePersonRoles struct {
	Console
	Action, CancelURL string
	Version           int64
	PersonName        string
	Roles             []Tick
	RolesError        *Message
	Told              bool // the person gets a mail about it
	Reason            string
	ReasonError       *Message
}

func (p ConsolePersonRoles) about() about {
	return about{template: "console-person-roles", failed: anyOf(p.RolesError, p.ReasonError, p.Alert), console: true}
}

// ConsolePersonPassword sets a person's password. Form fields: password, reason.
type ConsolePersonPassword struct {
	Console
	Action, CancelURL string
	PersonName        string
	Consequences      []Message
	PasswordError     *Message
	Reason            string
	ReasonError       *Message
}

func (p ConsolePersonPassword) about() about {
	return about{
		template: "console-person-password", failed: anyOf(p.PasswordError, p.ReasonError, p.Alert), console: true,
	}
}

// ConsolePersonCodes shows a person's recovery codes, once.
type ConsolePersonCodes struct {
	Console
	PersonName, PersonEmail string
	Codes                   []string // those that still work
	Told                    bool     // the person gets a mail about it
	BackURL                 string
}

func (p ConsolePersonCodes) about() about {
	return about{template: "console-person-codes", failed: anyOf(p.Alert), console: true}
}
