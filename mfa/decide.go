package mfa

import (
	"time"

	"gatehouse/idp"
)

// Question is everything that a decision depends on.
type Question struct {
	// Policy is the population's MFA policy that applies: the one in force for a
	// new sign-in, the one that a session was judged by for that session.
	Policy idp.Policy
	// Override is the client's, inherit for none.
	Override idp.Override
	Demand   idp.Demand
	Proofs   []idp.Proof
	Enrolled Enrolled
	// EmailFirst: the population has email codes now, whatever Policy says: setting up
	// an authenticator asks for one first.
	EmailFirst bool
	// AtLeast is the class that what comes of the sign-in takes, beyond policy and request;
	// empty for none.
	AtLeast idp.ACR
	Now     time.Time
}

// Enrolled is which second factors a person has, and which of them work. It may
// be left empty when only Satisfied matters.
type Enrolled struct {
	// Authenticator: an authenticator app was set up. A disabled one counts.
	Authenticator bool
	// AuthenticatorWorks: at least one of them is not disabled.
	AuthenticatorWorks bool
	// RecoveryWorks: unused recovery codes exist and are not disabled.
	RecoveryWorks bool
	// EmailDisabled: too many wrong email codes. Otherwise everybody has a mailbox.
	EmailDisabled bool
}

// Outcome is the kind of a Decision.
type Outcome int

// The outcomes.
const (
	// Satisfied: nothing is missing.
	Satisfied Outcome = iota
	// FirstStep: a password (or another first step) is missing or too old.
	FirstStep
	// Challenge: a second step is missing; Methods says which will do, the one
	// to ask for first in front.
	Challenge
	// Choose: a second step is missing, and the person has no authenticator:
	// Methods says between what they choose, an authenticator to be set up being
	// one.
	Choose
	// ProveEmail: an authenticator has to be set up, and an email code comes before
	// that.
	ProveEmail
	// SetUp: an authenticator has to be set up now.
	SetUp
	// Unreachable: the request asks for more than this person can prove here
	// (unmet_authentication_requirements, OpenID Connect Unmet Authentication
	// Requirements 1.0).
	Unreachable
	// Stuck: the factors that exist are disabled; only a reset helps.
	Stuck
)

// String names an outcome in tests and documents.
func (o Outcome) String() string {
	return [...]string{"satisfied", "first step", "challenge", "choose", "prove email", "set up", "unreachable", "stuck"}[o]
}

// SetUpWithin is how old a proof may be at most on which a new factor rests: a
// browser that somebody left signed in must not enrol a stranger's phone.
const SetUpWithin = 10 * time.Minute

// Decision is what a Question comes to.
type Decision struct {
	Outcome Outcome
	Methods []idp.Method
}

// Decide is the rule of who is asked for what (DESIGN section 2). It is the only
// place that knows it, and allocates nothing when the answer is Satisfied and the
// request discards no proof.
//
// What is needed is the higher of the effective policy, which is the client's
// override or else the population's, and the request. A federated sign-in is
// never sent to a local factor: policy and override are met by it (unless the
// override says "also federated"), and what the request asks beyond it needs
// upstream evidence, which the other side is asked for as long as it may have some.
// Over a connection that asks for a local second step, it counts as a password does.
func Decide(q Question) Decision {
	q.Proofs = Fresh(q.Proofs, q.Demand, q.Now)
	achieved := Achieved(q.Proofs).Rank()
	if trusts(q.Proofs) {
		return decideFederated(q, federated(q.Proofs), achieved)
	}
	need := max(policyRank(q.Policy, q.Override), demandRank(q.Demand), q.AtLeast.Rank())
	switch {
	case !hasFirstStep(q.Proofs):
		return Decision{Outcome: FirstStep}
	case achieved >= need:
		return Decision{Outcome: Satisfied}
	}
	return secondStep(q, need)
}

func decideFederated(q Question, p *idp.Proof, achieved int) Decision {
	need := demandRank(q.Demand)
	if q.Override.Federated {
		need = max(need, overrideRank(q.Override))
	}
	switch {
	case achieved >= need:
		return Decision{Outcome: Satisfied}
	case p.CanProve.Rank() >= need:
		return Decision{Outcome: FirstStep}
	}
	return Decision{Outcome: Unreachable}
}

// secondStep finds what a person with a first step can be asked for.
func secondStep(q Question, need int) Decision {
	app, email := q.takesAuthenticator(need), q.takesEmail(need)
	switch {
	case need > idp.ACRMFA.Rank():
		return Decision{Outcome: Unreachable} // nothing here is phishing-resistant yet
	case app && q.Enrolled.Authenticator:
		return challenge(q, email)
	case app && email && q.Enrolled.EmailDisabled:
		return Decision{Outcome: Stuck}
	case app && email:
		return Decision{Outcome: Choose, Methods: []idp.Method{idp.MethodTOTP, idp.MethodEmail}}
	case app:
		return SetUpNow(q)
	case email && q.Enrolled.EmailDisabled:
		return Decision{Outcome: Stuck}
	case email:
		return Decision{Outcome: Challenge, Methods: []idp.Method{idp.MethodEmail}}
	}
	return Decision{Outcome: Unreachable}
}

// takesAuthenticator tells whether an authenticator will do: by the policy, by an
// override that requires a second step, or because somebody who has one anyway is
// asked for more than an email code reaches: by the request, or because theirs is
// disabled or comes after a mailed link. A request alone makes nobody enrol.
func (q Question) takesAuthenticator(need int) bool {
	reached := 0
	if q.Policy.EmailCode && !q.Enrolled.EmailDisabled && !q.passwordByMail() {
		reached = idp.ACRTwoStep.Rank()
	}
	return q.Policy.Authenticator || q.Override.Mode == idp.OverrideRequired ||
		q.Enrolled.Authenticator && need > reached
}

// takesEmail tells whether an email code will do. A person with an authenticator
// whose password came from a mail just now is not offered one: mailbox and mailbox
// is one factor.
func (q Question) takesEmail(need int) bool {
	return q.Policy.EmailCode && need <= idp.ACRTwoStep.Rank() && !(q.Enrolled.Authenticator && q.passwordByMail())
}

func (q Question) passwordByMail() bool {
	for i := range q.Proofs {
		if q.Proofs[i].ByMail {
			return true
		}
	}
	return false
}

// challenge asks somebody with an authenticator: the app first, then the email
// code, then what is on paper.
func challenge(q Question, email bool) Decision {
	var methods []idp.Method
	if q.Enrolled.AuthenticatorWorks {
		methods = append(methods, idp.MethodTOTP)
	}
	if email && !q.Enrolled.EmailDisabled {
		methods = append(methods, idp.MethodEmail)
	}
	if q.Enrolled.RecoveryWorks {
		methods = append(methods, idp.MethodRecovery)
	}
	if len(methods) == 0 {
		return Decision{Outcome: Stuck}
	}
	return Decision{Outcome: Challenge, Methods: methods}
}

// SetUpNow is what comes next for somebody without an authenticator who sets one
// up, by need or by choice. The password must be recent and, while the policy has
// email codes, an email code too: a stolen password alone cannot enrol the thief's
// phone. Satisfied: the policy has no authenticator to set up, or there is one.
func SetUpNow(q Question) Decision {
	q.Proofs = Fresh(q.Proofs, q.Demand, q.Now)
	switch {
	case q.Enrolled.Authenticator, !q.Policy.Authenticator && q.Override.Mode != idp.OverrideRequired:
		return Decision{Outcome: Satisfied}
	case !q.recent(idp.MethodPassword) && !q.recent(idp.MethodPasskey) && !q.recent(idp.MethodFederated):
		return Decision{Outcome: FirstStep}
	case !q.Policy.EmailCode && !q.EmailFirst, q.recent(idp.MethodEmail):
		return Decision{Outcome: SetUp, Methods: []idp.Method{idp.MethodTOTP}}
	case q.Enrolled.EmailDisabled:
		return Decision{Outcome: Stuck}
	}
	return Decision{Outcome: ProveEmail, Methods: []idp.Method{idp.MethodEmail}}
}

// MayDoWithout tells whether somebody may take away one of their authenticators:
// enrolled is what would be left. Whoever could not sign in again by what the policy
// asks for, or would have to set up another one by the password alone, may not.
func MayDoWithout(p idp.Policy, enrolled Enrolled, now time.Time) bool {
	switch Decide(Question{
		Policy: p, Demand: idp.Demand{MaxAge: idp.NoMaxAge}, Enrolled: enrolled, Now: now,
		Proofs: []idp.Proof{{Method: idp.MethodPassword, At: now}},
	}).Outcome {
	case Satisfied, Challenge, Choose:
		return true
	case FirstStep, ProveEmail, SetUp, Unreachable, Stuck:
	}
	return false
}

// Strongest is the class of the strongest second step of somebody that works: what an act
// on their factors, or on the ways into their account, takes at least. A recovery code
// stands in for the authenticator. Where that is disabled with its codes, the next
// strongest counts, so that there is a way. Empty: nothing but a first step is known.
func Strongest(p idp.Policy, e Enrolled) idp.ACR {
	switch {
	case e.Authenticator && (e.AuthenticatorWorks || e.RecoveryWorks):
		return idp.ACRMFA
	case e.Authenticator, p.SecondStep():
		return idp.ACRTwoStep
	}
	return ""
}

// StrongStepAt is when somebody last proved a second step that is as strong as the
// strongest of theirs that works, zero for never. Whoever came through an upstream that
// does the second step proved what they have there.
func StrongStepAt(p idp.Policy, e Enrolled, proofs []idp.Proof) (at time.Time) {
	if trusts(proofs) {
		return SecondStepAt(proofs)
	}
	s := standingOf(proofs)
	need := max(Strongest(p, e).Rank(), rankTwoStep)
	return s.second[need].later(s.alone[need]).at
}

// ProveAgain is what somebody has to have proved lately before they change how their
// account is protected, or who gets in: a second step as strong as the strongest of theirs
// that works, or the password where neither the policy nor they have one; whoever came
// through an upstream, that. acr is what to ask a sign-in for, with within as its max_age.
func ProveAgain(p idp.Policy, e Enrolled, proofs []idp.Proof, now time.Time, within time.Duration) (acr idp.ACR, proved bool) {
	lately := func(at time.Time) bool { return !at.IsZero() && now.Sub(at) <= within }
	if trusts(proofs) {
		return "", lately(SecondStepAt(proofs))
	}
	if acr = Strongest(p, e); acr != "" {
		return acr, lately(StrongStepAt(p, e, proofs))
	}
	for i := range proofs {
		proved = proved || lately(proofs[i].ProvedAt())
	}
	return "", proved
}

// trusts tells whether somebody came through an upstream whose sign-in needs no second
// step of ours.
func trusts(proofs []idp.Proof) bool {
	p := federated(proofs)
	return p != nil && !p.LocalStep
}

// recent tells whether a method was proved lately enough to enrol something.
func (q Question) recent(m idp.Method) bool {
	for i := range q.Proofs {
		if q.Proofs[i].Method == m && q.Now.Sub(q.Proofs[i].At) <= SetUpWithin {
			return true
		}
	}
	return false
}

// policyRank is how strong a password sign-in has to become by policy.
func policyRank(p idp.Policy, o idp.Override) int {
	switch o.Mode {
	case idp.OverrideOff:
		return 0
	case idp.OverrideRequired:
		return overrideRank(o)
	case idp.OverrideInherit:
	}
	switch {
	case p.EmailCode:
		return idp.ACRTwoStep.Rank()
	case p.Authenticator:
		return idp.ACRMFA.Rank()
	}
	return 0
}

// overrideRank is at least a second step where the override requires one.
func overrideRank(o idp.Override) int {
	if o.Mode != idp.OverrideRequired {
		return 0
	}
	return max(o.MinACR.Rank(), idp.ACRTwoStep.Rank())
}

// demandRank is the weakest of the requested classes: any of them will do.
func demandRank(d idp.Demand) int {
	need := 0
	for _, acr := range d.ACRValues {
		if r := acr.Rank(); need == 0 || r < need {
			need = r
		}
	}
	return need
}

func has(proofs []idp.Proof, m idp.Method) bool {
	for i := range proofs {
		if proofs[i].Method == m {
			return true
		}
	}
	return false
}

// federated is the proof of a federated sign-in, nil for none.
func federated(proofs []idp.Proof) *idp.Proof {
	for i := range proofs {
		if proofs[i].Method == idp.MethodFederated {
			return &proofs[i]
		}
	}
	return nil
}

func hasFirstStep(proofs []idp.Proof) bool {
	return has(proofs, idp.MethodPassword) || has(proofs, idp.MethodPasskey) || has(proofs, idp.MethodFederated)
}

// EnrolledOf reduces a person's enrolment to what a decision needs. opened is what
// the browser may use although it is disabled: a browser that the person signed in
// with before keeps a budget of its own.
func EnrolledOf(e idp.Enrolment, opened func(factorID string) bool) Enrolled {
	works := func(id string, disabledAt time.Time) bool {
		return disabledAt.IsZero() || opened != nil && opened(id)
	}
	found := Enrolled{Authenticator: len(e.TOTP) > 0}
	for _, f := range e.TOTP {
		found.AuthenticatorWorks = found.AuthenticatorWorks || works(f.ID, f.DisabledAt)
	}
	found.RecoveryWorks = e.Recovery != nil && e.RecoveryLeft > 0 && works(e.Recovery.ID, e.Recovery.DisabledAt)
	found.EmailDisabled = e.Email != nil && !works(e.Email.ID, e.Email.DisabledAt)
	return found
}

// WantsEvidence tells whether a federated sign-in has to prove more than that it
// happened: for the request, or for an override that means federated sign-ins too.
func WantsEvidence(q Question) bool {
	need := demandRank(q.Demand)
	if q.Override.Federated {
		need = max(need, overrideRank(q.Override))
	}
	return need > idp.ACRFederated.Rank()
}
