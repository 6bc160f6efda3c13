package idp

import "time"

// FlowLifetime is how long a sign-in may take.
const FlowLifetime = 30 * time.Minute

// OpenLifetime is how long a sign-in waits in which nothing was proved yet: anybody can
// begin one. Its page starts again by itself.
const OpenLifetime = 15 * time.Minute

// FlowStart is the kind of a flow that has not moved yet: the provider writes it, the
// sign-in takes it from there.
const FlowStart = "start"

// FlowChoose is the kind of a flow that begins with the choice between several
// sessions of this browser.
const FlowChoose = "choose"

// Flow is one sign-in in progress: a row bound to one browser, with a state (its
// kind and that state's data) and a version that every advance raises by one.
type Flow struct {
	ID           string
	RequestID    string
	BrowserHash  []byte
	ClientID     string
	PopulationID string
	UserID       string // empty until a password was accepted
	Kind         string
	Data         []byte
	Proofs       []Proof
	// PolicyVersion is what the flow was last judged by: its session's as long as it
	// rests on that session's first step, else the newest.
	PolicyVersion int64
	// SessionID is the session that the flow ended in.
	SessionID string
	Version   int64
	CreatedAt time.Time
	ExpiresAt time.Time
}
