package mfa

import (
	"slices"
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
	// Privileged: the person holds a permission.
	Privileged bool
	// OwnFactors: the sign-in is for an act on the person's own factors or ways in. There a
	// recovery code counts as the strongest factor: who has lost that can replace it.
	OwnFactors bool
	// PasswordOpen and FederationOpen: the person may sign in in that way here. Without
	// them a request that names one of the two is not led there.
	PasswordOpen, FederationOpen bool
	Now                          time.Time
	// Trusted is the class of the second step that the person proved once in this browser,
	// which they have trusted since; empty for none. It proves nothing, and excuses from what
	// the population's policy alone asks.
	Trusted idp.ACR
}

// Outcome is the kind of a Decision.
type Outcome int

// The outcomes.
const (
	// Satisfied: nothing is missing.
	Satisfied Outcome = iota
	// FirstStep: a password (or another first step) is missing or too old. Methods is
	// the only one that will do, empty where any does.
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

// SetUpWithin is how old a proof may be at most on which a new factor rests: a browser
// that was left signed in must not enrol a stranger's phone.
const SetUpWithin = 10 * time.Minute

// Decision is what a Question comes to.
type Decision struct {
	Outcome Outcome
	Methods []idp.Method
	// Hardware: of what people set up, or are asked for, only what a maker vouches for is
	// enough.
	Hardware bool
}

// Decide is the rule of who is asked for what. It is the only
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
	s := provenBy(q.Proofs)
	if trusts(q.Proofs) {
		return decideFederated(q, federated(q.Proofs), &s)
	}
	if q.OwnFactors {
		s.standIn(q.Enrolled)
	}
	need, met := q.policyRank(), s.meetsDemand(q.Demand)
	switch {
	case !HasFirstStep(q.Proofs):
		return q.firstStep()
	case met && s.rank() >= need && q.metAtLeast(s) && !q.unproved():
		return Decision{Outcome: Satisfied}
	case !met && q.onlyWay() != "":
		return q.firstStep()
	case !met:
		need = max(need, beyond(q.Demand))
	}
	if need = max(need, q.freshRank()); q.AtLeast != "" && need <= standInRank() {
		q.OwnFactors = true
	}
	d := secondStep(q.localToo(), max(need, q.AtLeast.Rank()))
	if met && q.excused(&s, d) {
		return Decision{Outcome: Satisfied}
	}
	return d
}

// metAtLeast tells whether the proofs are enough for what comes of the sign-in: for that
// alone a recovery code counts as the strongest factor.
func (q Question) metAtLeast(s proven) bool {
	if q.AtLeast == "" {
		return true
	}
	s.standIn(q.Enrolled)
	return s.rank() >= q.AtLeast.Rank()
}

// standInRank is how strong what stands in for a possession is.
func standInRank() (rank int) {
	for i := range methods {
		if methods[i].Kind == StandIn {
			rank = max(rank, methods[i].ACR.Rank())
		}
	}
	return rank
}

// decideFederated is Decide for a person who came over a trusted connection. A local
// factor is asked for only in the place of a time that the other side does not say.
func decideFederated(q Question, p *idp.Proof, s *proven) Decision {
	need := 0
	if q.Override.Federated {
		need = overrideRank(q.Override)
	}
	met := s.meetsDemand(q.Demand)
	if !met {
		need = max(need, beyond(q.Demand))
	}
	enough := met && s.rank() >= need
	switch {
	case enough && !q.unproved():
		return Decision{Outcome: Satisfied}
	case enough:
		return secondStep(q.localToo(), idp.ACRTwoStep.Rank())
	case !met && q.onlyWay() == idp.MethodPassword:
		return q.firstStep()
	case p.CanProve.Rank() >= need:
		return Decision{Outcome: FirstStep}
	case q.undated():
		return secondStep(q.localToo(), max(need, idp.ACRTwoStep.Rank()))
	}
	return Decision{Outcome: Unreachable}
}

// firstStep asks for a first step, in the only way that will do if there is one.
func (q Question) firstStep() Decision {
	if only := q.onlyWay(); only != "" {
		return Decision{Outcome: FirstStep, Methods: []idp.Method{only}}
	}
	return Decision{Outcome: FirstStep}
}

// onlyWay is the way to sign in that a request names and takes no other for, if it is
// open here; empty for none.
func (q Question) onlyWay() idp.Method {
	switch {
	case q.PasswordOpen && namesOnly(q.Demand, idp.ACRPassword):
		return idp.MethodPassword
	case q.FederationOpen && namesOnly(q.Demand, idp.ACRFederated):
		return idp.MethodFederated
	}
	return ""
}

func namesOnly(d idp.Demand, acr idp.ACR) bool {
	return len(d.ACRValues) > 0 && !slices.ContainsFunc(d.ACRValues, func(a idp.ACR) bool { return a != acr })
}

// NamesAWay tells whether a request takes one of the two weakest classes and no other:
// then it matters which ways to sign in are open.
func NamesAWay(d idp.Demand) bool {
	return namesOnly(d, idp.ACRPassword) || namesOnly(d, idp.ACRFederated)
}

// beyond is the weakest of the requested classes that a second step reaches, for a person
// who came in another way than the request names.
func beyond(d idp.Demand) int { return max(demandRank(d), idp.ACRTwoStep.Rank()) }

// undated tells whether the request asks for a fresh sign-in and the person came from a
// provider that does not say when they signed in.
func (q Question) undated() bool {
	p := federated(q.Proofs)
	return p != nil && p.Undated && (q.Demand.MaxAge >= 0 || !q.Demand.Since.IsZero())
}

// unproved tells whether nothing but such a sign-in stands for the person's being here:
// it is not fresh until a second step of ours is.
func (q Question) unproved() bool {
	return q.undated() && !slices.ContainsFunc(q.Proofs, func(p idp.Proof) bool { return !row(p.Method).Upstream })
}

// freshRank is what a sign-in without a time needs beside it.
func (q Question) freshRank() int {
	if q.unproved() {
		return idp.ACRTwoStep.Rank()
	}
	return 0
}

// localToo has people set up a second step of ours whatever the policy is, if they came
// from a provider that does not say when they signed in: nothing else shows that they are
// there now.
func (q Question) localToo() Question {
	if q.undated() {
		q.Override.Mode = idp.OverrideRequired
	}
	return q
}

// secondStep finds what a person with a first step can be asked for.
func secondStep(q Question, need int) Decision {
	d := q.missing(need)
	d.Hardware = need == rankHardware && (d.Outcome == SetUp || d.Outcome == Challenge && q.Enrolled.reach() >= need)
	return d
}

func (q Question) missing(need int) Decision {
	own, mailbox := q.possessions(need), q.mailboxes(need)
	stopped := slices.ContainsFunc(mailbox, func(m idp.Method) bool { return !q.Enrolled.Works(m) })
	switch {
	case len(own) > 0 && q.Enrolled.reach() >= need:
		return q.challenge(need, own, mailbox)
	case len(own) > 0 && q.Enrolled.Possesses():
		return q.setUpStronger(own)
	case len(mailbox) > 0 && stopped:
		return Decision{Outcome: Stuck}
	case len(own) > 0 && len(mailbox) > 0:
		return Decision{Outcome: Choose, Methods: append(own, mailbox...)}
	case len(own) > 0:
		return setUp(q, own)
	case len(mailbox) > 0:
		return Decision{Outcome: Challenge, Methods: mailbox}
	}
	return Decision{Outcome: Unreachable}
}

// possessions are what will do that people set up: by the policy, by an override that
// requires a second step, or because a person who has one anyway is asked for more than an
// email code reaches: by the request, or because theirs is disabled or comes after a
// mailed link. A request alone makes no person enrol.
func (q Question) possessions(need int) []idp.Method {
	reached := 0
	for _, m := range q.mailboxes(0) {
		if q.Enrolled.Works(m) && !q.passwordByMail() {
			reached = max(reached, row(m).ACR.Rank())
		}
	}
	toSetUp := q.toSetUp()
	return idsOf(func(m *Method) bool {
		switch {
		case m.Kind != Possession:
			return false
		case slices.Contains(toSetUp, m.ID) && m.reaches(q.Policy) >= need:
			return true
		}
		usable := slices.Contains(toSetUp, m.ID) || need > reached
		return usable && q.Enrolled.reachBy(m.ID) >= need
	})
}

// toSetUp are what people without a possession set up here: those of the policy, and
// the first that reaches what is required where none of them does.
func (q Question) toSetUp() []idp.Method {
	list := idsOf(func(m *Method) bool { return m.Kind == Possession && m.On(q.Policy) })
	required := q.requiredRank()
	reaches := func(id idp.Method) bool { return row(id).reaches(q.Policy) >= required }
	if required == 0 || slices.ContainsFunc(list, reaches) {
		return list
	}
	all := ThatArePossessions()
	if i := slices.IndexFunc(all, reaches); i >= 0 {
		list = append(list, all[i])
	}
	return list
}

// MayStandAlone tells whether a sign-in may begin with a possession in place of a
// password: where people may set one up.
func MayStandAlone(m idp.Method, p idp.Policy, o idp.Override, privileged bool) bool {
	q := Question{Policy: p, Override: o, Privileged: privileged}
	return row(m).Alone && slices.Contains(q.toSetUp(), m)
}

// mailboxes are the codes to a mailbox that will do. A person with a possession whose
// password came from a mail just now is not offered one: mailbox and mailbox is one
// factor.
func (q Question) mailboxes(need int) []idp.Method {
	if q.Enrolled.Possesses() && q.passwordByMail() {
		return nil
	}
	return idsOf(func(m *Method) bool { return m.Kind == Mailbox && m.On(q.Policy) && m.ACR.Rank() >= need })
}

func (q Question) passwordByMail() bool {
	for i := range q.Proofs {
		if q.Proofs[i].ByMail {
			return true
		}
	}
	return false
}

// challenge asks a person with a possession for what works of it, of the mailbox and of
// what stands in, in the order of the table. Where that is not enough by itself, it lets
// them set up a possession in the place of the one that they lost.
func (q Question) challenge(need int, own, mailbox []idp.Method) Decision {
	replacing := q.replacing(need, own)
	if len(replacing) > 0 && q.provedLately(func(m *Method) bool { return m.Kind == StandIn }) {
		return Decision{Outcome: SetUp, Methods: replacing}
	}
	methods := idsOf(func(m *Method) bool {
		will := slices.Contains(own, m.ID) || slices.Contains(mailbox, m.ID) ||
			m.Kind == StandIn && (m.ACR.Rank() >= need || q.OwnFactors || len(replacing) > 0)
		return will && q.Enrolled.Works(m.ID)
	})
	if len(methods) == 0 {
		return Decision{Outcome: Stuck}
	}
	return Decision{Outcome: Challenge, Methods: methods}
}

// replacing are the possessions that a person may set up on what stands in, where that
// does not reach what is needed.
func (q Question) replacing(need int, own []idp.Method) []idp.Method {
	if q.OwnFactors || need <= standInRank() {
		return nil
	}
	toSetUp := q.toSetUp()
	return slices.DeleteFunc(slices.Clone(own), func(id idp.Method) bool {
		return row(id).reaches(q.Policy) < need || !slices.Contains(toSetUp, id)
	})
}

// provedLately tells whether one of some methods was proved so recently that something may
// be set up on it.
func (q Question) provedLately(one func(*Method) bool) bool {
	return slices.ContainsFunc(q.Proofs, func(p idp.Proof) bool { return one(row(p.Method)) && q.recent(p) })
}

// setUpStronger has a person set up a possession that reaches more than theirs do, after a
// recent proof of the strongest that they have, or of what stands in for it: a password
// alone must not add to it.
func (q Question) setUpStronger(own []idp.Method) Decision {
	strongest := q.Enrolled.reach()
	proves := func(m *Method) bool {
		return m.Kind == StandIn || m.Kind == Possession && q.Enrolled.reachBy(m.ID) >= strongest
	}
	if q.provedLately(proves) {
		return Decision{Outcome: SetUp, Methods: own}
	}
	methods := idsOf(func(m *Method) bool { return proves(m) && q.Enrolled.Works(m.ID) })
	if len(methods) == 0 {
		return Decision{Outcome: Stuck}
	}
	return Decision{Outcome: Challenge, Methods: methods}
}

// SetUpNow is what comes next for a person without a possession who sets one up, by need
// or by choice. The password must be recent and, while the policy has email codes, an
// email code too: a stolen password alone cannot enrol the thief's phone. Satisfied: the
// policy has nothing to set up, or there is something.
func SetUpNow(q Question) Decision {
	q.Proofs = Fresh(q.Proofs, q.Demand, q.Now)
	q = q.localToo()
	return setUp(q, q.toSetUp())
}

func setUp(q Question, own []idp.Method) Decision {
	mailbox := idsOf(func(m *Method) bool { return m.Kind == Mailbox && (m.On(q.Policy) || q.EmailFirst) })
	switch {
	case q.Enrolled.Possesses(), len(own) == 0:
		return Decision{Outcome: Satisfied}
	case !slices.ContainsFunc(q.Proofs, func(p idp.Proof) bool { return isFirst(&p) && q.recent(p) }):
		return Decision{Outcome: FirstStep}
	case len(mailbox) == 0, q.provedLately(func(m *Method) bool { return m.Kind == Mailbox }):
		return Decision{Outcome: SetUp, Methods: own}
	case slices.ContainsFunc(mailbox, func(m idp.Method) bool { return !q.Enrolled.Works(m) }):
		return Decision{Outcome: Stuck}
	}
	return Decision{Outcome: ProveEmail, Methods: mailbox}
}

// StrongEnough tells whether proofs, however old, are enough for a policy with an override.
// trusted is Question.Trusted.
func StrongEnough(p idp.Policy, o idp.Override, proofs []idp.Proof, trusted idp.ACR, now time.Time) bool {
	q := Question{Policy: p, Override: o, Demand: idp.Demand{MaxAge: idp.NoMaxAge}, Proofs: proofs, Trusted: trusted, Now: now}
	if trusted != "" {
		q.Enrolled = Everything() // it ends with the factor
	}
	return Decide(q).Outcome == Satisfied
}

// MissingForRoles is what to ask a sign-in for before a person uses their permissions: a
// second step, or a passkey where the policy asks it of them. It is empty where their
// proofs, however old, are enough.
func MissingForRoles(p idp.Policy, proofs []idp.Proof, now time.Time) idp.ACR {
	q := Question{
		Policy: p, Privileged: true, Override: idp.Override{Mode: idp.OverrideRequired},
		Demand: idp.Demand{MaxAge: idp.NoMaxAge}, Proofs: proofs, Now: now,
	}
	switch {
	case Decide(q).Outcome == Satisfied:
		return ""
	case p.PasskeyForRoles:
		return idp.ACRPasskey
	}
	return idp.ACRTwoStep
}

// CanDoWithout tells whether a person may remove one of their authenticators. enrolled is
// what would be left. It has to be enough to sign in again by what the policy and an app's
// override ask for, without setting up another one by the password alone.
func CanDoWithout(p idp.Policy, o idp.Override, privileged bool, enrolled Enrolled, now time.Time) bool {
	switch Decide(Question{
		Policy: p, Override: o, Privileged: privileged, Demand: idp.Demand{MaxAge: idp.NoMaxAge}, Enrolled: enrolled, Now: now,
		Proofs: []idp.Proof{{Method: idp.MethodPassword, At: now}},
	}).Outcome {
	case Satisfied, Challenge, Choose:
		return true
	case FirstStep, ProveEmail, SetUp, Unreachable, Stuck:
	}
	return false
}

// Strongest is the class of a person's strongest second step: what an act on their
// factors, or on the ways into their account, takes at least. A recovery code stands in
// for the authenticator. A possession that was stopped by wrong codes is still theirs and
// still counts: a thief who has the mailbox must not open the account's factors by using
// up the tries of the authenticator. The ways out are a recovery code and an admin.
// Empty: nothing but a first step is known.
func Strongest(p idp.Policy, e Enrolled) (acr idp.ACR) {
	if p.SecondStep() {
		acr = idp.ACRTwoStep
	}
	if reach := e.reach(); reach > acr.Rank() {
		return (&proven{}).acrOf(reach)
	}
	return acr
}

// Reaches tells whether people of a policy can come to prove a class by what they set up.
func Reaches(p idp.Policy, acr idp.ACR) bool {
	return slices.ContainsFunc(methods[:], func(m Method) bool { return m.Kind == Possession && m.reaches(p) >= acr.Rank() })
}

// StrongStepAt is when a person last proved a second step that is as strong as their
// strongest, zero for never. For an act on their own factors a recovery code is. A person
// who came through an upstream that does the second step proved what they have there.
func StrongStepAt(p idp.Policy, e Enrolled, proofs []idp.Proof, own bool) (at time.Time) {
	if trusts(proofs) {
		return SecondStepAt(proofs)
	}
	s := provenBy(proofs)
	if own {
		s.standIn(e)
	}
	need := max(Strongest(p, e).Rank(), rankTwoStep)
	return s.second[need].later(s.alone[need]).at
}

// ProveAgain is what a person has to have proved lately before they change how their
// account is protected, or who gets in: a second step as strong as their strongest, or the
// password where neither the policy nor they have one; a person who came through an
// upstream proves that. acr is what to ask a sign-in for, with within as its max_age.
func ProveAgain(p idp.Policy, e Enrolled, proofs []idp.Proof, now time.Time, within time.Duration) (acr idp.ACR, proved bool) {
	lately := func(at time.Time) bool { return !at.IsZero() && now.Sub(at) <= within }
	if trusts(proofs) {
		return "", lately(SecondStepAt(proofs))
	}
	if acr = Strongest(p, e); acr != "" {
		return acr, lately(StrongStepAt(p, e, proofs, true))
	}
	for i := range proofs {
		proved = proved || lately(proofs[i].ProvedAt())
	}
	return "", proved
}

// trusts tells whether a person came through an upstream whose sign-in needs no second
// step of ours.
func trusts(proofs []idp.Proof) bool {
	p := federated(proofs)
	return p != nil && !p.LocalStep
}

// recent tells whether a proof is young enough to enrol something on it.
func (q Question) recent(p idp.Proof) bool { return q.Now.Sub(p.At) <= SetUpWithin }

// Asks tells whether a password sign-in needs a second step, by policy and override.
func Asks(p idp.Policy, o idp.Override) bool {
	return Question{Policy: p, Override: o}.policyRank() > 0
}

// policyRank is how strong a password sign-in has to become by policy: any second step
// of the policy will do.
func (q Question) policyRank() int {
	switch q.Override.Mode {
	case idp.OverrideOff:
		return 0
	case idp.OverrideRequired:
		return q.requiredRank()
	case idp.OverrideInherit:
	}
	weakest := 0
	for i := range methods {
		if m := &methods[i]; m.On(q.Policy) && (weakest == 0 || m.ACR.Rank() < weakest) {
			weakest = m.ACR.Rank()
		}
	}
	return max(weakest, q.requiredRank())
}

// requiredRank is what an override or the person's permissions require, 0 for nothing.
// Where an app asks for no second step, permissions do not either.
func (q Question) requiredRank() int {
	need := overrideRank(q.Override)
	if q.Privileged && q.Policy.PasskeyForRoles && q.Override.Mode != idp.OverrideOff {
		need = max(need, rankPasskey)
	}
	return need
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
		if row(proofs[i].Method).Upstream {
			return &proofs[i]
		}
	}
	return nil
}

// HasFirstStep tells whether something among proofs says who a person is: a code alone
// does not.
func HasFirstStep(proofs []idp.Proof) bool {
	return slices.ContainsFunc(proofs, func(p idp.Proof) bool { return isFirst(&p) })
}

func isFirst(p *idp.Proof) bool { return row(p.Method).Kind == First || standsAlone(p) }

// WantsEvidence tells whether a federated sign-in has to prove more than that it
// happened: for the request, or for an override that means federated sign-ins too.
func WantsEvidence(q Question) bool {
	if q.Override.Federated && overrideRank(q.Override) > idp.ACRFederated.Rank() {
		return true
	}
	return len(q.Demand.ACRValues) > 0 && !slices.Contains(q.Demand.ACRValues, idp.ACRFederated)
}
