package login

import (
	"encoding/json"
	"fmt"

	"gatehouse/idp"
	"gatehouse/mfa"
)

// State is what a sign-in waits for. The set is closed.
//
//sumtype:decl
type State interface{ kind() string }

// The states.
type (
	// ChooseSession: several people are signed in in this browser, and nothing
	// says who is meant. Signing in as somebody else is open too.
	ChooseSession struct{}
	// NeedPassword: email and password, or the password again.
	NeedPassword struct{}
	// NeedCode: a second step. Methods are what will do, the one asked for now
	// in front.
	NeedCode struct{ Methods []idp.Method }
	// NeedEnrolment: an authenticator is to be set up. The key is shown once the
	// person has begun.
	NeedEnrolment struct{ Begun bool }
	// ShowCodes: the recovery codes, until the person has saved them.
	ShowCodes struct{}
	// ShowLeft: how many recovery codes are left, after one was used.
	ShowLeft struct{ Left int }
	// Stuck: all second factors are disabled; only a reset helps.
	Stuck struct{}
	// Unmet: the request asks for more than this person can prove.
	Unmet struct{}
	// Done: nothing is missing; a session may be created.
	Done struct{}
)

func (ChooseSession) kind() string { return idp.FlowChoose }
func (NeedPassword) kind() string  { return "password" }
func (NeedCode) kind() string      { return "code" }
func (NeedEnrolment) kind() string { return "enrolment" }
func (ShowCodes) kind() string     { return "codes" }
func (ShowLeft) kind() string      { return "left" }
func (Stuck) kind() string         { return "stuck" }
func (Unmet) kind() string         { return "unmet" }
func (Done) kind() string          { return "done" }

// Facts are all that a sign-in's next state depends on.
type Facts struct {
	mfa.Question
	Recovery     *idp.RecoverySet
	RecoveryLeft int
	Notes        Notes
	// Choosing: the flow began with a choice that was not made yet.
	Choosing bool
}

// Notes are what a flow remembers besides its proofs.
type Notes struct {
	// Key is the authenticator's key that waits to be confirmed, sealed.
	Key []byte `json:"key,omitempty"`
	// Method is the second step that the person chose to use.
	Method idp.Method `json:"method,omitempty"`
	// Told: the person has seen how many recovery codes are left.
	Told bool `json:"told,omitempty"`
}

// Next decides the sign-in's next state. It is the only place that does.
func Next(f Facts) State {
	if f.Choosing && len(f.Proofs) == 0 {
		return ChooseSession{}
	}
	switch d := mfa.Decide(f.Question); d.Outcome {
	case mfa.FirstStep:
		return NeedPassword{}
	case mfa.Challenge:
		return NeedCode{Methods: preferred(d.Methods, f.Notes.Method)}
	case mfa.SetUp:
		return NeedEnrolment{Begun: len(f.Notes.Key) > 0}
	case mfa.Unreachable:
		return Unmet{}
	case mfa.Stuck:
		return Stuck{}
	case mfa.Satisfied:
	}
	switch {
	case f.unsaved():
		return ShowCodes{}
	case f.used(idp.MethodRecovery) && !f.Notes.Told:
		return ShowLeft{Left: f.RecoveryLeft}
	}
	return Done{}
}

// unsaved: codes come with the authenticator and are shown only after a second
// step, since whoever reads them has one.
func (f Facts) unsaved() bool {
	return f.Recovery != nil && f.Recovery.SavedAt.IsZero() &&
		(f.used(idp.MethodTOTP) || f.used(idp.MethodRecovery))
}

func (f Facts) used(m idp.Method) bool {
	for _, p := range f.Proofs {
		if p.Method == m {
			return true
		}
	}
	return false
}

// preferred puts the chosen method in front, if it is among those that will do.
func preferred(methods []idp.Method, chosen idp.Method) []idp.Method {
	for i, m := range methods {
		if m == chosen && i > 0 {
			rest := append(append([]idp.Method{}, methods[:i]...), methods[i+1:]...)
			return append([]idp.Method{m}, rest...)
		}
	}
	return methods
}

func (n Notes) encode() []byte {
	b, _ := json.Marshal(n) // bytes, strings and booleans always marshal
	return b
}

func decodeNotes(data []byte) (Notes, error) {
	var n Notes
	if len(data) == 0 {
		return n, nil
	}
	if err := json.Unmarshal(data, &n); err != nil {
		return n, fmt.Errorf("read the notes of a flow: %w", err)
	}
	return n, nil
}

// withProof adds a proof; of each method the latest is kept.
func withProof(proofs []idp.Proof, p idp.Proof) []idp.Proof {
	kept := make([]idp.Proof, 0, len(proofs)+1)
	for _, old := range proofs {
		if old.Method != p.Method {
			kept = append(kept, old)
		}
	}
	return append(kept, p)
}
