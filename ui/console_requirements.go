package ui

// ConsolePasswords are the password requirements of a population. Form fields: version,
// min_length, upper, lower, digit, special, expiry_days, no_reuse.
type ConsolePasswords struct {
	Console
	Action         string
	PopulationName string
	Version        int64
	MinLength      string // as it was typed
	// Alone is the least length without a second step, 0 where there is one.
	Alone                                         int
	Upper, Lower, Digit, Special                  bool
	ExpiryDays, NoReuse                           string // as typed
	MinLengthError, ExpiryDaysError, NoReuseError *Message
	Elsewhere                                     bool // people of it may sign in elsewhere, where none of this applies
	// AtSignIn is what passwords in use must be, where that is something else.
	// NotJudged: nothing at all.
	AtSignIn  []Message
	NotJudged bool
}

func (p ConsolePasswords) about() about {
	return about{template: "console-passwords", failed: anyOf(p.MinLengthError, p.ExpiryDaysError, p.NoReuseError, p.Alert), console: true}
}

// ConsoleSessions is the session configuration of a population. Form fields: version,
// keep_signed_in, end_others, and of each limit NAME its number and NAME_unit.
type ConsoleSessions struct {
	Console
	Action                                 string
	PopulationName                         string
	Version                                int64
	Idle, Lifetime, KeptIdle, KeptLifetime Limit
	KeepSignedIn, EndOthers                bool
}

func (p ConsoleSessions) about() about {
	return about{
		template: "console-sessions", failed: anyOf(p.Idle.Error, p.Lifetime.Error, p.KeptIdle.Error, p.KeptLifetime.Error, p.Alert),
		console: true,
	}
}

// Limit is a length of time that can be changed.
type Limit struct {
	Number string // as typed
	Units  []Unit
	Error  *Message
}

// Unit is one of time.
type Unit struct {
	Value  string // of the form field
	Label  Message
	Chosen bool
}
