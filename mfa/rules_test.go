package mfa_test

import (
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"gatehouse/idp"
	"gatehouse/mfa"
)

// now is when every question is asked. Proofs are from a while before: "long ago"
// is too old to set something up on, "before" is recent but older than a new
// login, "just now" is after it.
var (
	now     = nine.Add(time.Hour)
	longAgo = now.Add(-time.Hour)
	before  = now.Add(-5 * time.Minute)
	justNow = now.Add(-time.Minute)
)

func when(p idp.Proof, t time.Time) idp.Proof {
	p.At = t
	return p
}

// proofChoices are the ways in which each method can be among the proofs; the
// first is that it is not.
var proofChoices = [][]idp.Proof{
	{{}, when(password, longAgo), when(password, before), when(password, justNow), byMail(when(password, justNow))},
	{{}, when(email, longAgo), when(email, before), when(email, justNow)},
	{{}, when(app, justNow), when(recovery, longAgo)},
	{{}, when(passkey, before), when(touched, before)},
	{{}, when(entra, before)},
}

// everySetOfProofs is one choice for each method.
func everySetOfProofs() [][]idp.Proof {
	sets := [][]idp.Proof{nil}
	for _, choices := range proofChoices {
		var longer [][]idp.Proof
		for _, set := range sets {
			for _, p := range choices {
				if p.Method == "" {
					longer = append(longer, set)
				} else {
					longer = append(longer, append(slices.Clip(set), p))
				}
			}
		}
		sets = longer
	}
	return sets
}

var (
	overrides = []idp.Override{
		inherit, off, required, requiredAt(idp.ACRPassword), requiredAt(idp.ACRMFA), requiredAt(idp.ACRPasskey), requiredAt(idp.ACRHardware),
		federatedToo(inherit), federatedToo(required), federatedToo(requiredAt(idp.ACRMFA)),
	}
	demands = []idp.Demand{
		noDemand, asks(idp.ACRPassword), asks(idp.ACRTwoStep), asks(idp.ACRMFA), asks(idp.ACRRefedsMFA), asks(idp.ACRPasskey),
		asks(idp.ACRHardware), asks(idp.ACRPasskey, idp.ACRTwoStep), asks(idp.ACRFederated, idp.ACRPasskey),
		{MaxAge: 30 * time.Minute},
		{MaxAge: idp.NoMaxAge, Since: now.Add(-2 * time.Minute)},
		{MaxAge: idp.NoMaxAge, Since: now.Add(-2 * time.Minute), ACRValues: []idp.ACR{idp.ACRMFA}},
	}
	enrolments = []mfa.Enrolled{
		nothing, enrolled, noCodes, codesOnly, locked,
		noEmail(nothing), noEmail(enrolled), noEmail(noCodes), noEmail(codesOnly), noEmail(locked),
		keyed, keyAlone, keyLocked, appAndKey, hardware, noEmail(keyLocked),
	}
)

// everyQuestion is all combinations under one policy; without GATEHOUSE_TEST_ALL, one in
// 19: no list has a length that 19 divides, so all pairs come up.
func everyQuestion(policy idp.Policy, yield func(question) bool) {
	all, n := os.Getenv("GATEHOUSE_TEST_ALL") != "", 0
	for _, proofs := range everySetOfProofs() {
		for _, d := range demands {
			counting := counting(proofs, d)
			for _, o := range overrides {
				for _, e := range enrolments {
					if n++; !all && n%19 != 0 {
						continue
					}
					q := question{mfa.Question{
						Policy: policy, Override: o, Demand: d, Proofs: proofs, Enrolled: e, Now: now,
						Privileged: policy == rolesPolicy,
					}, counting}
					if !yield(q) {
						return
					}
				}
			}
		}
	}
}

// question is one with the proofs that count, which are all that the rules below
// look at.
type question struct {
	mfa.Question
	counting []idp.Proof
}

// counting leaves out what is older than max_age, or from before a new login.
func counting(proofs []idp.Proof, d idp.Demand) []idp.Proof {
	var list []idp.Proof
	for _, p := range proofs {
		young := d.MaxAge < 0 || !p.At.Before(now.Add(-d.MaxAge))
		if young && !p.At.Before(d.Since) {
			list = append(list, p)
		}
	}
	return list
}

func (q question) proves(methods ...idp.Method) bool {
	return slices.ContainsFunc(q.counting, func(p idp.Proof) bool { return slices.Contains(methods, p.Method) })
}

func (q question) recently(methods ...idp.Method) bool {
	return slices.ContainsFunc(q.counting, func(p idp.Proof) bool {
		return slices.Contains(methods, p.Method) && !p.At.Before(now.Add(-10*time.Minute))
	})
}

func (q question) federated() bool { return q.proves(idp.MethodFederated) }
func (q question) firstStep() bool { return q.proves(idp.MethodPassword) || q.alone() }

// alone: a passkey whose owner was verified is both steps.
func (q question) alone() bool {
	return slices.ContainsFunc(q.counting, func(p idp.Proof) bool { return p.Method == idp.MethodPasskey && p.Verified && p.First })
}

func (q question) recentFirst() bool {
	return slices.ContainsFunc(q.counting, func(p idp.Proof) bool {
		first := p.Method == idp.MethodPassword || p.Method == idp.MethodPasskey && p.Verified && p.First
		return first && !p.At.Before(now.Add(-10*time.Minute))
	})
}

func (q question) byMail() bool {
	return slices.ContainsFunc(q.counting, func(p idp.Proof) bool { return p.ByMail })
}

// strong tells whether the proofs are mfa, usual whether they are two-step.
func (q question) strong() bool {
	return q.resistant() ||
		q.proves(idp.MethodPassword, idp.MethodFederated) && q.proves(idp.MethodTOTP, idp.MethodRecovery)
}

// resistant tells whether they are phr.
func (q question) resistant() bool {
	return q.alone() || q.proves(idp.MethodPassword, idp.MethodFederated) && q.proves(idp.MethodPasskey)
}

func (q question) usual() bool {
	return q.strong() || q.proves(idp.MethodPassword, idp.MethodFederated) && q.proves(idp.MethodEmail)
}

// meets tells whether the proofs are of a class.
func (q question) meets(acr idp.ACR) bool {
	switch acr {
	case idp.ACRTwoStep:
		return q.usual()
	case idp.ACRMFA, idp.ACRRefedsMFA:
		return q.strong()
	case idp.ACRPasskey:
		return q.resistant()
	case idp.ACRHardware:
		return q.resistant() && slices.ContainsFunc(q.counting, func(p idp.Proof) bool {
			return p.Method == idp.MethodPasskey && slices.Contains(p.AMR, "hwk")
		})
	case idp.ACRPassword:
		return q.proves(idp.MethodPassword) || q.usual()
	case idp.ACRFederated:
		return q.proves(idp.MethodFederated) || q.usual()
	}
	return true
}

func (q question) meetsDemand() bool {
	return len(q.Demand.ACRValues) == 0 || slices.ContainsFunc(q.Demand.ACRValues, q.meets)
}

func (q question) meetsOverride() bool {
	return q.Override.Mode != idp.OverrideRequired || q.usual() && q.meets(q.Override.MinACR)
}

// meetsPolicy: an override that says something stands in the policy's place.
func (q question) meetsPolicy() bool {
	switch {
	case q.Override.Mode == idp.OverrideOff:
		return true
	case q.Policy == rolesPolicy:
		return q.resistant()
	case q.Override.Mode == idp.OverrideRequired:
		return true
	case q.Policy.EmailCode:
		return q.usual()
	case q.Policy.Authenticator:
		return q.strong()
	case q.Policy.Passkey:
		return q.resistant()
	}
	return true
}

// complete tells whether nothing is missing.
func (q question) complete() bool {
	if q.federated() {
		return q.meetsDemand() && (!q.Override.Federated || q.meetsOverride())
	}
	return q.firstStep() && q.meetsDemand() && q.meetsPolicy() && q.meetsOverride()
}

// with is the question after one more proof.
func (q question) with(m idp.Method) question {
	p := idp.Proof{Method: m, At: now}
	if m == idp.MethodPasskey && slices.ContainsFunc(q.Enrolled, func(f mfa.Factor) bool { return f.Hardware }) {
		p.AMR = []string{"hwk"}
	}
	q.Proofs, q.counting = append(slices.Clip(q.Proofs), p), append(slices.Clip(q.counting), p)
	return q
}

// setsUp: policy, override or permissions want people to have an authenticator, or a
// passkey.
func (q question) setsUp(m idp.Method) bool {
	inHardware := q.Override.Mode == idp.OverrideRequired && q.Override.MinACR == idp.ACRHardware
	resistant := q.Override.Mode == idp.OverrideRequired && q.Override.MinACR == idp.ACRPasskey ||
		q.Policy == rolesPolicy && q.Override.Mode != idp.OverrideOff
	if m == idp.MethodPasskey {
		return q.Policy.Passkey || resistant && !inHardware || inHardware && q.Policy == makerPolicy
	}
	return q.Policy.Authenticator || q.Override.Mode == idp.OverrideRequired && !q.Policy.Passkey && !resistant && !inHardware
}

var possessions = []idp.Method{idp.MethodTOTP, idp.MethodPasskey}

// wanted are the possessions that a set-up here is of: those that leave nothing missing.
func (q question) wanted() []idp.Method {
	return slices.DeleteFunc(slices.Clone(possessions), func(m idp.Method) bool {
		return !q.setsUp(m) || !q.adding(m).complete()
	})
}

// adding is the question after the proof of a new factor, which a maker vouches for where
// makers are asked.
func (q question) adding(m idp.Method) question {
	q.Enrolled = nil
	if q.Policy == makerPolicy {
		q.Enrolled = hardware
	}
	return q.with(m)
}

// could tells whether an enrolled possession, stopped or not, would leave nothing missing.
func (q question) could() bool {
	return slices.ContainsFunc(possessions, func(m idp.Method) bool { return q.Enrolled.Has(m) && q.with(m).complete() })
}

// stronger: a person has possessions, and none that is enough.
func (q question) stronger() bool { return q.Enrolled.Possesses() && !q.could() && len(q.wanted()) > 0 }

// strongest are the methods that a person sets up something stronger with.
func (q question) strongest() []idp.Method {
	first := idp.MethodTOTP
	if q.Enrolled.Has(idp.MethodPasskey) {
		first = idp.MethodPasskey
	}
	return []idp.Method{first, idp.MethodRecovery}
}

// replaces: a recovery code is not enough, and leads to a new possession.
func (q question) replaces() bool {
	return q.Enrolled.Possesses() && q.could() && len(q.wanted()) > 0 && !q.with(idp.MethodRecovery).complete()
}

// helps tells whether a second step that works is enabled for this person and
// would leave nothing missing. An authenticator that somebody has helps although
// the policy does not name it, where the policy's email code would not.
func (q question) helps(m idp.Method) bool {
	if !q.with(m).complete() {
		return m == idp.MethodRecovery && q.replaces() && q.Enrolled.Works(m)
	}
	mailDoes := q.Policy.EmailCode && q.Enrolled.Works(idp.MethodEmail) && q.with(idp.MethodEmail).complete() &&
		!(q.Enrolled.Possesses() && q.byMail())
	switch m {
	case idp.MethodEmail:
		return mailDoes
	case idp.MethodTOTP, idp.MethodPasskey:
		return q.Enrolled.Works(m) && (q.setsUp(m) || !mailDoes)
	case idp.MethodRecovery:
		return q.Enrolled.Works(idp.MethodRecovery) && (len(q.wanted()) > 0 || !mailDoes)
	case idp.MethodPassword, idp.MethodFederated:
	}
	return false
}

// helpful are the methods that help, in the order in which they are offered.
func (q question) helpful() []idp.Method {
	order := []idp.Method{idp.MethodTOTP, idp.MethodPasskey, idp.MethodEmail, idp.MethodRecovery}
	if q.stronger() {
		return slices.DeleteFunc(q.strongest(), func(m idp.Method) bool { return !q.Enrolled.Works(m) })
	}
	return slices.DeleteFunc(order, func(m idp.Method) bool { return !q.helps(m) })
}

// rules are what has to hold of every decision, in words, and when it does not.
var rules = []struct {
	says   string
	broken func(q question, d mfa.Decision) bool
}{
	{"satisfied when nothing is missing, and only then", func(q question, d mfa.Decision) bool {
		return (d.Outcome == mfa.Satisfied) != q.complete()
	}},
	{"a federated sign-in is satisfied or refused", func(q question, d mfa.Decision) bool {
		return q.federated() && d.Outcome != mfa.Satisfied && d.Outcome != mfa.Unreachable
	}},
	{"who proved no first step is asked for it", func(q question, d mfa.Decision) bool {
		return !q.federated() && !q.firstStep() && d.Outcome != mfa.FirstStep
	}},
	{"a first step is asked for again only before a set-up", func(q question, d mfa.Decision) bool {
		setUp := len(q.wanted()) > 0 && !q.Enrolled.Possesses() && !q.recentFirst()
		return d.Outcome == mfa.FirstStep && q.firstStep() && !setUp
	}},
	{"asking names methods, and nothing else does", func(_ question, d mfa.Decision) bool {
		return (len(d.Methods) > 0) != (d.Outcome >= mfa.Challenge && d.Outcome <= mfa.SetUp)
	}},
	{"a challenge names what helps: what people set up, then the email code, then paper", func(q question, d mfa.Decision) bool {
		return d.Outcome == mfa.Challenge && !slices.Equal(d.Methods, q.helpful())
	}},
	{"a choice is for people without a possession, where one and the email code would do", func(q question, d mfa.Decision) bool {
		free := !q.Enrolled.Possesses() && !q.federated() && q.firstStep() && !q.complete() &&
			q.helps(idp.MethodEmail) && len(q.wanted()) > 0
		named := slices.Equal(d.Methods, append(q.wanted(), idp.MethodEmail))
		return (d.Outcome == mfa.Choose) != free || d.Outcome == mfa.Choose && !named
	}},
	{"who has a possession, even a disabled one, enrols only a stronger one, or on a code from paper", func(q question, d mfa.Decision) bool {
		proved := q.stronger() && q.recently(q.strongest()...) || q.replaces() && q.recently(idp.MethodRecovery)
		return q.Enrolled.Possesses() && (d.Outcome == mfa.SetUp && !proved || d.Outcome == mfa.ProveEmail)
	}},
	{"a request alone makes nobody enrol", func(q question, d mfa.Decision) bool {
		return len(q.wanted()) == 0 && (d.Outcome == mfa.SetUp || d.Outcome == mfa.ProveEmail)
	}},
	{"the first possession rests on a recent first step", func(q question, d mfa.Decision) bool {
		resting := d.Outcome == mfa.SetUp || d.Outcome == mfa.ProveEmail
		return resting && !q.Enrolled.Possesses() && !q.recentFirst()
	}},
	{"while email codes are on, it rests on a recent one", func(q question, d mfa.Decision) bool {
		return d.Outcome == mfa.SetUp && q.Policy.EmailCode && !q.Enrolled.Possesses() && !q.recently(idp.MethodEmail)
	}},
	{"the email code before a set-up is asked for once, where it is on and works", func(q question, d mfa.Decision) bool {
		wrong := !q.Policy.EmailCode || !q.Enrolled.Works(idp.MethodEmail) || q.recently(idp.MethodEmail)
		return d.Outcome == mfa.ProveEmail && (wrong || !slices.Equal(d.Methods, []idp.Method{idp.MethodEmail}))
	}},
	{"a set-up is of what is wanted and leaves nothing missing", func(q question, d mfa.Decision) bool {
		if d.Outcome != mfa.SetUp && d.Outcome != mfa.ProveEmail {
			return false
		}
		return len(q.wanted()) == 0 || q.helps(idp.MethodEmail) || d.Outcome == mfa.SetUp && !slices.Equal(d.Methods, q.wanted())
	}},
	{"a set-up is of a key in hardware where another would leave something missing", func(q question, d mfa.Decision) bool {
		if d.Outcome != mfa.SetUp || !slices.Contains(d.Methods, idp.MethodPasskey) {
			return d.Hardware && d.Outcome != mfa.Challenge
		}
		q.Enrolled = nil
		return d.Hardware == q.with(idp.MethodPasskey).complete()
	}},
	{"stuck are those whose factors are disabled, when none that works helps", func(q question, d mfa.Decision) bool {
		if d.Outcome != mfa.Stuck {
			return false
		}
		stopped := func(m idp.Method) bool { return q.Enrolled.Has(m) && !q.Enrolled.Works(m) }
		mailbox := !q.Enrolled.Works(idp.MethodEmail) && q.Policy.EmailCode
		wouldHelp := q.could() || len(q.wanted()) > 0 || mailbox && q.with(idp.MethodEmail).complete()
		return !slices.ContainsFunc(possessions, stopped) && !mailbox || !wouldHelp || len(q.helpful()) > 0
	}},
	{"refused is only what nothing here could prove", func(q question, d mfa.Decision) bool {
		if d.Outcome != mfa.Unreachable || q.federated() {
			return false
		}
		return len(q.helpful()) > 0 || q.could() || len(q.wanted()) > 0
	}},
	{"after a mailed link somebody with an authenticator is offered no email code", func(q question, d mfa.Decision) bool {
		return q.byMail() && q.Enrolled.Possesses() && slices.Contains(d.Methods, idp.MethodEmail)
	}},
}

// enough is after how many broken rules a test stops; each is told once.
const enough = 5

func TestEveryDecisionFollowsTheRules(t *testing.T) {
	for _, policy := range append(slices.Clone(policies), rolesPolicy) {
		t.Run(policyName(policy), func(t *testing.T) {
			t.Parallel()
			told, seen := map[string]bool{}, map[mfa.Outcome]int{}
			everyQuestion(policy, func(q question) bool {
				d := mfa.Decide(q.Question)
				seen[d.Outcome]++
				for _, rule := range rules {
					if !told[rule.says] && rule.broken(q, d) {
						told[rule.says] = true
						t.Errorf("%s: %s gives %v %v", rule.says, q, d.Outcome, d.Methods)
					}
				}
				return len(told) < enough
			})
			if want := outcomesOf[policy]; len(told) == 0 && len(seen) != want {
				t.Errorf("%d outcomes came up instead of %d: %v", len(seen), want, seen)
			}
		})
	}
}

// outcomesOf is how many kinds of answers there are under each policy. Without a
// policy, overrides still enrol people. Email codes are needed for choices.
var outcomesOf = map[idp.Policy]int{
	noPolicy: 6, appPolicy: 6, mailPolicy: 8, bothPolicy: 8, keyPolicy: 6, makerPolicy: 6, ownPolicy: 6, allPolicy: 8, rolesPolicy: 8,
}

func policyName(p idp.Policy) string {
	switch p {
	case appPolicy:
		return "authenticator"
	case mailPolicy:
		return "email code"
	case bothPolicy:
		return "both"
	case keyPolicy:
		return "passkey"
	case makerPolicy:
		return "passkey, with the word of makers"
	case ownPolicy:
		return "authenticator and passkey"
	case allPolicy:
		return "all three"
	case rolesPolicy:
		return "passkey for roles"
	}
	return "none"
}

// String is a question in one short line.
func (q question) String() string {
	text := ""
	for _, p := range q.Proofs {
		text += fmt.Sprintf(" %s -%s", p.Method, now.Sub(p.At))
		if p.ByMail {
			text += " by mail"
		}
		if p.Verified {
			text += " verified"
		}
	}
	o, d := q.Override, q.Demand
	return fmt.Sprintf("{policy %s; override %s %s federated=%v; acr %v max_age %s since %s; proofs%s; enrolled %+v}",
		policyName(q.Policy), o.Mode, o.MinACR, o.Federated, d.ACRValues, d.MaxAge, d.Since.Format(time.TimeOnly), text, q.Enrolled)
}
