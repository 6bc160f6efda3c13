package mfa

import (
	"cmp"
	"slices"
	"time"

	"gatehouse/idp"
)

// Kind tells what a proof by a method shows, and so when the method is asked for.
type Kind int

// The kinds.
const (
	// First: who the person is. A sign-in begins with it, or with a possession that is
	// Alone.
	First Kind = iota + 1
	// Possession: that they have what they once set up here.
	Possession
	// Mailbox: that they read their mail. Everybody has a mailbox, and it counts once:
	// beside a password that a mail has set, it is no second factor.
	Mailbox
	// StandIn: that they kept what came with a possession, for the day without it.
	StandIn
)

// Method is a way to prove who one is, as the rules here know it. idp/login has a table
// of the same ids that says how a second step is asked for, checked and counted.
type Method struct {
	ID   idp.Method
	Kind Kind
	// ACR is the class that the method reaches: alone for a first step, else beside one.
	ACR idp.ACR
	// Alone: a proof that is Verified shows two factors, and First it is both steps in one.
	Alone bool
	// Attests reads whether a policy has makers vouch for what people set up, which then
	// reaches ACRHardware; nil where that cannot be.
	Attests func(idp.Policy) bool
	// AMR are the values of RFC 8176 that each proof by it stands for.
	AMR []string
	// Says are values that a proof may add: they are in its own AMR.
	Says []string
	// Upstream: another provider asserts the proof. Its AMR and Evidence are what that
	// provider's token proves, whatever it says.
	Upstream bool
	// Enabled reads whether a policy has the method, nil for one that no policy is about: On
	// is what to ask.
	Enabled func(idp.Policy) bool
	// NewSecret makes what a possession is checked with, and Match tells whether an answer
	// fits. Of answers in a row step grows: one that is not past last was given before. Its
	// errors are ErrCodeFormat, ErrWrongCode and ErrReplayed. Both are nil for what is not
	// checked with a shared secret.
	NewSecret func() []byte
	Match     func(secret []byte, answer string, now time.Time, last int64) (step int64, err error)
}

// methods is the table of all methods. Second steps are offered in its order, and amr
// lists values in it. Where more is required than the policy's possessions reach, the
// first one that does is set up.
var methods = [...]Method{
	{ID: idp.MethodPassword, Kind: First, ACR: idp.ACRPassword, AMR: []string{"pwd"}},
	{
		ID: idp.MethodTOTP, Kind: Possession, ACR: idp.ACRMFA, AMR: []string{"otp"},
		Enabled:   func(p idp.Policy) bool { return p.Authenticator },
		NewSecret: NewTOTPKey, Match: MatchTOTP,
	},
	{
		// Other values than these two would be claims that no rule here stands for.
		ID: idp.MethodPasskey, Kind: Possession, ACR: idp.ACRPasskey, Alone: true, AMR: []string{"user"}, Says: []string{"hwk", "swk"},
		Enabled: func(p idp.Policy) bool { return p.Passkey }, Attests: idp.Policy.AttestsKeys,
	},
	{
		// The code comes by another channel than it goes back: mca.
		ID: idp.MethodEmail, Kind: Mailbox, ACR: idp.ACRTwoStep, AMR: []string{"otp", "mca"},
		Enabled: func(p idp.Policy) bool { return p.EmailCode },
	},
	{ID: idp.MethodRecovery, Kind: StandIn, ACR: idp.ACRMFA, AMR: []string{"otp"}},
	{ID: idp.MethodFederated, Kind: First, ACR: idp.ACRFederated, AMR: []string{"fed"}, Upstream: true},
}

// row is the one of a method. A method that is not in the table has an empty one, which
// proves nothing.
func row(id idp.Method) *Method {
	for i := range methods {
		if methods[i].ID == id {
			return &methods[i]
		}
	}
	return &unknown
}

var unknown Method

// Of is what the rules know of a method. It must not be changed.
func Of(id idp.Method) *Method { return row(id) }

// SecondSteps are the methods that are second steps, in the order in which they are
// offered.
func SecondSteps() []idp.Method { return idsOf((*Method).second) }

// ThatArePossessions are the methods of things that people set up.
func ThatArePossessions() []idp.Method {
	return idsOf(func(m *Method) bool { return m.Kind == Possession })
}

// Mailboxes are the methods of codes to a mailbox.
func Mailboxes() []idp.Method { return idsOf(func(m *Method) bool { return m.Kind == Mailbox }) }

// IsStrong tells whether a proof by a method is more than what a password or the mailbox
// proves.
func IsStrong(m idp.Method) bool { return row(m).ACR.Rank() > rankOne && row(m).Kind != Mailbox }

// StandsIn tells whether a method stands in for a possession: of its codes one is used up
// each time.
func StandsIn(m idp.Method) bool { return row(m).Kind == StandIn }

func (m *Method) second() bool { return m.Kind > First }

// reaches is how strong the strongest is that people of a policy can set up.
func (m *Method) reaches(p idp.Policy) int {
	if m.Attests != nil && m.Attests(p) {
		return rankHardware
	}
	return m.ACR.Rank()
}

// On tells whether a policy has the method.
func (m *Method) On(p idp.Policy) bool { return m.Enabled != nil && m.Enabled(p) }

func idsOf(wanted func(*Method) bool) []idp.Method {
	var list []idp.Method
	for i := range methods {
		if wanted(&methods[i]) {
			list = append(list, methods[i].ID)
		}
	}
	return list
}

// State tells whether a factor can be used.
type State int

// The states.
const (
	Works State = iota
	// Disabled: too many wrong codes. The person still has it.
	Disabled
	// UsedUp: nothing is left of it.
	UsedUp
)

// Factor is one second factor that a person has.
type Factor struct {
	ID     string
	Method idp.Method
	State  State
	// Hardware: a proof by it reaches the class above its method's.
	Hardware bool
}

// rank is how strong a proof by it is.
func (f Factor) rank() int {
	if f.Hardware {
		return rankHardware
	}
	return row(f.Method).ACR.Rank()
}

// Enrolled are a person's second factors. It may be empty when only Satisfied matters.
type Enrolled []Factor

// Everything is a factor of each method, the strongest that there is.
func Everything() Enrolled {
	var e Enrolled
	for _, id := range SecondSteps() {
		e = append(e, Factor{Method: id, Hardware: row(id).Attests != nil})
	}
	return e
}

// Possesses tells whether a person has set up something of their own. What is disabled
// counts: it cannot be replaced by a password alone.
func (e Enrolled) Possesses() bool {
	return slices.ContainsFunc(e, func(f Factor) bool { return row(f.Method).Kind == Possession })
}

// reachBy is how strong a proof by the person's factors of a method can be, 0 for none of
// them, and reach by any of their possessions. What is disabled counts.
func (e Enrolled) reachBy(m idp.Method) (rank int) {
	for _, f := range e {
		if f.Method == m {
			rank = max(rank, f.rank())
		}
	}
	return rank
}

func (e Enrolled) reach() (rank int) {
	for i := range methods {
		if methods[i].Kind == Possession {
			rank = max(rank, e.reachBy(methods[i].ID))
		}
	}
	return rank
}

// Has tells whether a person has a factor of a method, and Works whether they can use
// one.
func (e Enrolled) Has(m idp.Method) bool {
	return slices.ContainsFunc(e, func(f Factor) bool { return f.Method == m })
}

// Works tells whether a person can use a factor of a method. A mailbox works unless it
// was stopped.
func (e Enrolled) Works(m idp.Method) bool {
	if row(m).Kind == Mailbox && !e.Has(m) {
		return true
	}
	return slices.ContainsFunc(e, func(f Factor) bool { return f.Method == m && f.State == Works })
}

// Possessions are those of factors that the person has set up: recovery codes stand in
// for them.
func Possessions(factors []idp.Factor) []idp.Factor {
	return slices.DeleteFunc(slices.Clone(factors), func(f idp.Factor) bool { return row(f.Method).Kind != Possession })
}

// LastUsed is the method that a person used last of those that they set up or read at their
// mailbox, empty for none. The row of a mailbox comes with the first code that is sent there,
// and was used when one of them was right. What stands in is for the day without the rest, and
// never comes first.
func LastUsed(factors []idp.Factor) (last idp.Method) {
	var at time.Time
	for _, f := range factors {
		used := row(f.Method).Kind == Possession || row(f.Method).Kind == Mailbox && f.LastUsedAt.After(f.CreatedAt)
		if used && f.LastUsedAt.After(at) {
			last, at = f.Method, f.LastUsedAt
		}
	}
	return last
}

// Sort puts factors in the order in which their methods are offered.
func Sort(factors []idp.Factor) {
	place := func(f idp.Factor) int {
		if i := slices.IndexFunc(methods[:], func(m Method) bool { return m.ID == f.Method }); i >= 0 {
			return i
		}
		return len(methods)
	}
	slices.SortStableFunc(factors, func(a, b idp.Factor) int { return cmp.Compare(place(a), place(b)) })
}

// EnrolledOf reduces a person's enrolment to what a decision needs, by the policy of now: what
// keys were shown to be in hardware counts by that. opened is what the browser may use although it is disabled: a browser that the person signed in
// with before keeps a budget of its own.
func EnrolledOf(now idp.Policy, e idp.Enrolment, opened func(factorID string) bool) Enrolled {
	state := func(id string, disabledAt time.Time) State {
		if disabledAt.IsZero() || opened != nil && opened(id) {
			return Works
		}
		return Disabled
	}
	found := make(Enrolled, 0, len(e.Factors)+1)
	for _, f := range e.Factors {
		found = append(found, Factor{
			ID: f.ID, Method: f.Method, State: state(f.ID, f.DisabledAt), Hardware: f.Passkey.Hardware(now),
		})
	}
	if set := e.Recovery; set != nil {
		f := Factor{ID: set.ID, Method: idp.MethodRecovery, State: state(set.ID, set.DisabledAt)}
		if e.RecoveryLeft == 0 {
			f.State = UsedUp
		}
		found = append(found, f)
	}
	return found
}
