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
	Now      time.Time
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
	// SetUp: a second step is missing and the person has none that would do;
	// Methods says which may be set up.
	SetUp
	// Unreachable: the request asks for more than this person can prove here
	// (unmet_authentication_requirements, OpenID Connect Unmet Authentication
	// Requirements 1.0).
	Unreachable
	// Stuck: the factors that exist are disabled; only a reset helps.
	Stuck
)

// Decision is what a Question comes to.
type Decision struct {
	Outcome Outcome
	Methods []idp.Method
}

// Decide is the rule of who is asked for what (DESIGN section 2). It is the only
// place that knows it, and allocates nothing when the answer is Satisfied.
//
// What is needed is the highest of the population's policy, the client's
// override and the request. A federated sign-in is never sent to a local factor:
// policy and override are met by it (unless the override says "also
// federated"), and what the request asks beyond it needs upstream evidence.
func Decide(q Question) Decision {
	proofs := Fresh(q.Proofs, q.Demand, q.Now)
	achieved := Achieved(proofs).Rank()
	if has(proofs, idp.MethodFederated) {
		return decideFederated(q, achieved)
	}
	need := max(policyRank(q.Policy, q.Override), demandRank(q.Demand))
	switch {
	case !hasFirstStep(proofs):
		return Decision{Outcome: FirstStep}
	case achieved >= need:
		return Decision{Outcome: Satisfied}
	}
	return secondStep(q, need)
}

func decideFederated(q Question, achieved int) Decision {
	need := demandRank(q.Demand)
	if q.Override.Federated {
		need = max(need, overrideRank(q.Override))
	}
	if achieved >= need {
		return Decision{Outcome: Satisfied}
	}
	return Decision{Outcome: Unreachable}
}

// secondStep finds what a person with a first step can be asked for.
func secondStep(q Question, need int) Decision {
	if need > idp.ACRMFA.Rank() {
		return Decision{Outcome: Unreachable} // nothing here is phishing-resistant yet
	}
	if !q.Enrolled.Authenticator {
		if !mayEnrol(q) {
			return Decision{Outcome: Unreachable}
		}
		return Decision{Outcome: SetUp, Methods: []idp.Method{idp.MethodTOTP}}
	}
	var methods []idp.Method
	if q.Enrolled.AuthenticatorWorks {
		methods = append(methods, idp.MethodTOTP)
	}
	if q.Enrolled.RecoveryWorks {
		methods = append(methods, idp.MethodRecovery)
	}
	if len(methods) == 0 {
		return Decision{Outcome: Stuck}
	}
	return Decision{Outcome: Challenge, Methods: methods}
}

// mayEnrol tells whether a person without an authenticator is led through
// set-up: when a policy of ours needs one. A request alone cannot make people
// enrol where the policy has no authenticator.
func mayEnrol(q Question) bool {
	return q.Policy.Authenticator || overrideRank(q.Override) >= idp.ACRMFA.Rank()
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

func hasFirstStep(proofs []idp.Proof) bool {
	return has(proofs, idp.MethodPassword) || has(proofs, idp.MethodPasskey)
}

// EnrolledOf reduces a person's enrolment to what a decision needs.
func EnrolledOf(e idp.Enrolment) Enrolled {
	return Enrolled{
		Authenticator:      len(e.TOTP) > 0,
		AuthenticatorWorks: e.Authenticator() != nil,
		RecoveryWorks:      e.Recovery != nil && e.Recovery.DisabledAt.IsZero() && e.RecoveryLeft > 0,
	}
}
