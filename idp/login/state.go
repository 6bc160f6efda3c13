package login

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/password"
	"gatehouse/mfa"
)

// State is what a sign-in waits for. The set is closed.
//
//sumtype:decl
type State interface{ kind() string }

// The states.
type (
	// ChooseSession: several people are signed in in this browser, and nothing says who is
	// meant. Signing in as another person is open too.
	ChooseSession struct{}
	// NeedPassword: email and password, or the password again. Only is the one way to
	// sign in that the request takes, empty for any.
	NeedPassword struct{ Only idp.Method }
	// ConfirmEmail: a person who came through another provider confirms that the address
	// is theirs, by a code that is sent there.
	ConfirmEmail struct{}
	// ChooseMethod: a person without an authenticator chooses a second step.
	ChooseMethod struct{ Methods []idp.Method }
	// NeedCode: a second step. Methods are what will do, the one asked for now
	// in front; Instead is what the person may turn to beyond them. BeforeApp: it is
	// the email code that comes before an authenticator is set up.
	NeedCode struct {
		Methods, Instead []idp.Method
		BeforeApp        bool
	}
	// NeedEnrolment: a second factor is to be set up. Its secret is shown once the
	// person has begun. Instead is what will do in its place. Offered: they may as well leave
	// it, and where Late is set they can but leave it.
	NeedEnrolment struct {
		Method        idp.Method
		Begun         bool
		Instead       []idp.Method
		Offered, Late bool
	}
	// ChangePassword: the password that was typed does not meet the rules, or has
	// expired. It is replaced after the second step, or a thief of it could.
	ChangePassword struct{ Reasons []password.Reason }
	// ShowCodes: the recovery codes, until the person has saved them.
	ShowCodes struct{}
	// ShowLeft: how many recovery codes are left, after one was used.
	ShowLeft struct{ Left int }
	// Stuck: all second factors are disabled; only a reset helps.
	Stuck struct{}
	// Unmet: the request asks for more than this person can prove.
	Unmet struct{}
	// Approve: the person is asked what the app may have, or whether it is they who open it.
	Approve struct{ What idp.Approval }
	// Denied: they let the app have nothing.
	Denied struct{}
	// Done: nothing is missing; a session may be created.
	Done struct{}
)

func (ChooseSession) kind() string  { return idp.FlowChoose }
func (ChooseMethod) kind() string   { return "method" }
func (NeedPassword) kind() string   { return "password" }
func (ConfirmEmail) kind() string   { return "confirm" }
func (NeedCode) kind() string       { return "code" }
func (NeedEnrolment) kind() string  { return "enrolment" }
func (ChangePassword) kind() string { return "change_password" }
func (ShowCodes) kind() string      { return "codes" }
func (ShowLeft) kind() string       { return "left" }
func (Stuck) kind() string          { return "stuck" }
func (Unmet) kind() string          { return "unmet" }
func (Approve) kind() string        { return "approve" }
func (Denied) kind() string         { return "denied" }
func (Done) kind() string           { return "done" }

// Facts are all that a sign-in's next state depends on. The question's proofs are all
// that were given: Counting says which of them count.
type Facts struct {
	mfa.Question
	Lapses
	Recovery     *idp.RecoverySet
	RecoveryLeft int
	Notes        Notes
	// LastUsed is the second step that the person used last, empty for none: it is asked for
	// first until they choose another.
	LastUsed idp.Method
	// Client asks for Request, and Given is what the person lets it have already.
	Client  idp.Client
	Request idp.Request
	Given   idp.Terms
	// Continues: the flow began with a session of the person.
	Continues bool
	// OfferedAt is when the person was last offered a passkey, zero for never, EnrolledAt when
	// they last set something up. At is now, while ages in the question count at the request.
	OfferedAt, EnrolledAt, At time.Time
	// Choosing: the flow began with a choice that was not made yet.
	Choosing bool
	// Began is when the flow did: recovery codes are shown and made for a second step
	// that was proved since, not for one that a session had.
	Began time.Time
}

// Lapses are what happened since proofs were given that takes some of them away.
type Lapses struct {
	// Disabled: the person may not sign in, whatever was proved.
	Disabled bool
	// SessionLost: the session that the flow began with ended, or does not count at this app
	// any more. SessionOlder: its policies are not the newest.
	SessionLost, SessionOlder bool
	// SignedOut: everybody was signed out, and with them who stands in the middle.
	SignedOut bool
	// OtherRules: the password was judged by other rules, and is to be typed again.
	OtherRules bool
	// Way and Population are the ways in, as they are now.
	Way        idp.Way
	Population idp.Population
}

// Counting are the proofs that count still. What was proved for a session goes with it;
// with a first step of its own, a flow is a new sign-in under the newest policies, and what
// its session had proved under older ones stays behind: an app that was changed
// "immediately" in between must not see it again.
func (l Lapses) Counting(proofs []idp.Proof, began time.Time) []idp.Proof {
	if l.SignedOut {
		return nil
	}
	if l.SessionLost {
		proofs = since(proofs, began)
	}
	// What a way in proved that was closed since, or is trusted less, counts no more.
	proofs, _ = l.Way.Worth(proofs, l.Population)
	if l.OtherRules {
		proofs = without(proofs, idp.MethodPassword, began)
	}
	if own := since(proofs, began); l.SessionOlder && mfa.HasFirstStep(own) {
		proofs = own
	}
	return proofs
}

// Notes are what a flow remembers besides its proofs.
type Notes struct {
	// Key is the secret of a factor that waits to be confirmed, sealed, and KeyOf its
	// method: an authenticator, in flows from before there was another.
	Key   []byte     `json:"key,omitempty"`
	KeyOf idp.Method `json:"key_of,omitempty"`
	// Method is the second step that the person chose to use, or to set up.
	Method idp.Method `json:"method,omitempty"`
	// Told: the person has seen how many recovery codes are left.
	Told bool `json:"told,omitempty"`
	// Unread: the person was told that their recovery codes cannot be read any more.
	Unread bool `json:"unread,omitempty"`
	// Pending is a person who came through another provider and is not linked yet.
	Pending *pending `json:"pending,omitempty"`
	// SID is the session at the provider that the person came through.
	SID string `json:"sid,omitempty"`
	// SignOut is what that provider is told at sign-out, sealed.
	SignOut []byte `json:"sign_out,omitempty"`
	// Moved: the flow waits for what it does because the policies changed under way.
	Moved bool `json:"moved,omitempty"`
	// Judged are the rules by which the password was judged when it was typed, and
	// Weak what is wrong about it.
	Judged idp.PasswordRules `json:"judged,omitzero"`
	Weak   []password.Reason `json:"weak,omitempty"`
	// Switch: the person who is signed in at another provider is not the one who signs in
	// here.
	Switch bool `json:"switch,omitempty"`
	// Keep: the person wants to stay signed in.
	Keep bool `json:"keep,omitempty"`
	// Approved: the person has said yes to the app, and Denied no.
	Approved bool `json:"approved,omitempty"`
	Denied   bool `json:"denied,omitempty"`
	// Passkeys is what the browser said that it can do with passkeys, and Elsewhere that the
	// one that was used is on another device. Offer is how far the offer of one has got.
	Passkeys  canDo `json:"passkeys,omitempty"`
	Elsewhere bool  `json:"elsewhere,omitempty"`
	// Answered tells the answer that a passkey was used by from all others.
	Answered []byte `json:"answered,omitempty"`
	Offer    offer  `json:"offer,omitempty"`
	// Ended is how the flow did, nil until then.
	Ended *ending `json:"ended,omitempty"`
}

// Next decides the sign-in's next state. It is the only place that does.
func Next(f Facts) State {
	if f.Disabled {
		return NeedPassword{}
	}
	f.Proofs = f.Counting(f.Proofs, f.Began)
	if f.Choosing && len(f.Proofs) == 0 && f.Notes.Pending == nil {
		return ChooseSession{}
	}
	if f.Notes.Pending.waits() {
		return ConfirmEmail{}
	}
	d := mfa.Decide(f.Question)
	switch d.Outcome {
	case mfa.Satisfied, mfa.Choose:
		if state := f.wished(); state != nil {
			return state
		}
		if d.Outcome == mfa.Choose {
			return f.choose(d.Methods)
		}
	case mfa.FirstStep:
		return needFirst(d)
	case mfa.Challenge:
		return NeedCode{Methods: preferred(preferred(d.Methods, f.LastUsed), f.Notes.Method)}
	case mfa.ProveEmail, mfa.SetUp:
		return f.setUp(d, nil)
	case mfa.Unreachable:
		return Unmet{}
	case mfa.Stuck:
		return Stuck{}
	}
	switch {
	case len(f.Notes.Weak) > 0:
		return ChangePassword{Reasons: f.Notes.Weak}
	case f.unsaved() && !f.Notes.Unread:
		return ShowCodes{}
	case f.used(mfa.StandsIn) && !f.Notes.Told:
		return ShowLeft{Left: f.RecoveryLeft}
	case f.Notes.Denied:
		return Denied{}
	}
	if what := f.approval(); what != idp.NoApproval {
		return Approve{What: what}
	}
	if f.offers() {
		return NeedEnrolment{Method: idp.MethodPasskey, Offered: true, Late: !f.mayAdd()}
	}
	return Done{}
}

// approval is what the person has not said about the app yet. Who proved something here saw
// which app they sign in to, unless another provider did so without a page.
func (f Facts) approval() idp.Approval {
	here := slices.ContainsFunc(f.Proofs, func(p idp.Proof) bool { return p.Method != idp.MethodFederated && !p.At.Before(f.Began) })
	return f.Client.Approval(f.Request, f.Given, f.Notes.Approved || here && !f.Client.ThirdParty)
}

// needFirst asks for a first step, in the only way that will do if there is one.
func needFirst(d mfa.Decision) State {
	if len(d.Methods) == 1 {
		return NeedPassword{Only: d.Methods[0]}
	}
	return NeedPassword{}
}

// wished leads a person through the set-up that they chose where an email code would do,
// nil when there is nothing to set up.
func (f Facts) wished() State {
	if mfa.Of(f.Notes.Method).Kind != mfa.Possession {
		return nil
	}
	switch d := mfa.SetUpNow(f.Question); d.Outcome {
	case mfa.FirstStep:
		return needFirst(d)
	case mfa.ProveEmail, mfa.SetUp:
		return f.setUp(d, mfa.Mailboxes())
	case mfa.Satisfied, mfa.Challenge, mfa.Choose, mfa.Unreachable, mfa.Stuck:
	}
	return nil
}

// setUp is the way to a factor of one's own: the email code before it, the choice where there
// is one, then that which the person chose.
func (f Facts) setUp(d mfa.Decision, instead []idp.Method) State {
	if d.Outcome == mfa.ProveEmail {
		return NeedCode{Methods: d.Methods, Instead: instead, BeforeApp: true}
	}
	if len(d.Methods) > 1 && !slices.Contains(d.Methods, f.Notes.Method) {
		return ChooseMethod{Methods: d.Methods}
	}
	methods := preferred(d.Methods, f.Notes.Method)
	begun := len(f.Notes.Key) > 0 && cmp.Or(f.Notes.KeyOf, idp.MethodTOTP) == methods[0]
	return NeedEnrolment{Method: methods[0], Begun: begun, Instead: slices.Concat(methods[1:], instead)}
}

// choose asks which second step it shall be, until the person has said so: now, or by what
// they used last.
func (f Facts) choose(methods []idp.Method) State {
	chosen := cmp.Or(f.Notes.Method, f.LastUsed)
	i := slices.Index(methods, chosen)
	if i < 0 || mfa.Of(chosen).Kind == mfa.Possession {
		return ChooseMethod{Methods: methods}
	}
	return NeedCode{Methods: methods[i : i+1], Instead: slices.Delete(slices.Clone(methods), i, i+1)}
}

// unsaved: codes come with the authenticator and are shown only after a second step that
// is as strong as they are, since they are one.
func (f Facts) unsaved() bool {
	return f.Recovery != nil && f.Recovery.SavedAt.IsZero() && f.used(mfa.IsStrong)
}

// used tells whether one of some methods was proved in this flow, and counts for this
// request.
func (f Facts) used(one func(idp.Method) bool) bool {
	return slices.ContainsFunc(mfa.Fresh(f.Proofs, f.Demand, f.Now), func(p idp.Proof) bool {
		return one(p.Method) && !p.At.Before(f.Began)
	})
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
