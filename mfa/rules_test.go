package mfa_test

import (
	"fmt"
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
	{{}, when(passkey, before)},
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
		inherit, off, required, requiredAt(idp.ACRPassword), requiredAt(idp.ACRMFA), requiredAt(idp.ACRPasskey),
		federatedToo(inherit), federatedToo(required), federatedToo(requiredAt(idp.ACRMFA)),
	}
	demands = []idp.Demand{
		noDemand, asks(idp.ACRPassword), asks(idp.ACRTwoStep), asks(idp.ACRMFA), asks(idp.ACRRefedsMFA), asks(idp.ACRPasskey),
		asks(idp.ACRPasskey, idp.ACRTwoStep), asks(idp.ACRFederated, idp.ACRPasskey),
		{MaxAge: 30 * time.Minute},
		{MaxAge: idp.NoMaxAge, Since: now.Add(-2 * time.Minute)},
		{MaxAge: idp.NoMaxAge, Since: now.Add(-2 * time.Minute), ACRValues: []idp.ACR{idp.ACRMFA}},
	}
	enrolments = []mfa.Enrolled{
		nothing, enrolled, noCodes, codesOnly, locked,
		noEmail(nothing), noEmail(enrolled), noEmail(noCodes), noEmail(codesOnly), noEmail(locked),
	}
)

// everyQuestion is all combinations under one policy.
func everyQuestion(policy idp.Policy, yield func(question) bool) {
	for _, proofs := range everySetOfProofs() {
		for _, d := range demands {
			counting := counting(proofs, d)
			for _, o := range overrides {
				for _, e := range enrolments {
					q := question{mfa.Question{Policy: policy, Override: o, Demand: d, Proofs: proofs, Enrolled: e, Now: now}, counting}
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
func (q question) firstStep() bool { return q.proves(idp.MethodPassword, idp.MethodPasskey) }

func (q question) byMail() bool {
	return slices.ContainsFunc(q.counting, func(p idp.Proof) bool { return p.ByMail })
}

// strong tells whether the proofs are mfa, usual whether they are two-step.
func (q question) strong() bool {
	return q.proves(idp.MethodPasskey) ||
		q.proves(idp.MethodPassword, idp.MethodFederated) && q.proves(idp.MethodTOTP, idp.MethodRecovery)
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
		return q.proves(idp.MethodPasskey)
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
	case q.Override.Mode == idp.OverrideOff, q.Override.Mode == idp.OverrideRequired:
		return true
	case q.Policy.EmailCode:
		return q.usual()
	case q.Policy.Authenticator:
		return q.strong()
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
	q.Proofs, q.counting = append(slices.Clip(q.Proofs), p), append(slices.Clip(q.counting), p)
	return q
}

// setsUp: policy or override want people to have an authenticator.
func (q question) setsUp() bool {
	return q.Policy.Authenticator || q.Override.Mode == idp.OverrideRequired
}

// helps tells whether a second step that works is enabled for this person and
// would leave nothing missing. An authenticator that somebody has helps although
// the policy does not name it, where the policy's email code would not.
func (q question) helps(m idp.Method) bool {
	if !q.with(m).complete() {
		return false
	}
	mailDoes := q.Policy.EmailCode && q.Enrolled.Works(idp.MethodEmail) && q.with(idp.MethodEmail).complete() &&
		!(q.Enrolled.Possesses() && q.byMail())
	switch m {
	case idp.MethodEmail:
		return mailDoes
	case idp.MethodTOTP:
		return q.Enrolled.Works(idp.MethodTOTP) && (q.setsUp() || !mailDoes)
	case idp.MethodRecovery:
		return q.Enrolled.Works(idp.MethodRecovery) && (q.setsUp() || !mailDoes)
	case idp.MethodPassword, idp.MethodPasskey, idp.MethodFederated:
	}
	return false
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
		setUp := q.setsUp() && !q.Enrolled.Possesses() && !q.recently(idp.MethodPassword, idp.MethodPasskey)
		return d.Outcome == mfa.FirstStep && q.firstStep() && !setUp
	}},
	{"asking names methods, and nothing else does", func(_ question, d mfa.Decision) bool {
		return (len(d.Methods) > 0) != (d.Outcome >= mfa.Challenge && d.Outcome <= mfa.SetUp)
	}},
	{"a challenge names what helps: the app, then the email code, then paper", func(q question, d mfa.Decision) bool {
		if d.Outcome != mfa.Challenge {
			return false
		}
		order := []idp.Method{idp.MethodTOTP, idp.MethodEmail, idp.MethodRecovery}
		helpful := slices.DeleteFunc(order, func(m idp.Method) bool { return !q.helps(m) })
		return !slices.Equal(d.Methods, helpful)
	}},
	{"a choice is for people without an app, where app and email code would do", func(q question, d mfa.Decision) bool {
		free := !q.Enrolled.Possesses() && q.setsUp() && !q.federated() && q.firstStep() && !q.complete() &&
			q.helps(idp.MethodEmail) && q.with(idp.MethodTOTP).complete()
		named := slices.Equal(d.Methods, []idp.Method{idp.MethodTOTP, idp.MethodEmail})
		return (d.Outcome == mfa.Choose) != free || d.Outcome == mfa.Choose && !named
	}},
	{"nobody enrols who has an authenticator, even a disabled one", func(q question, d mfa.Decision) bool {
		return q.Enrolled.Possesses() && (d.Outcome == mfa.SetUp || d.Outcome == mfa.ProveEmail)
	}},
	{"a request alone makes nobody enrol", func(q question, d mfa.Decision) bool {
		return !q.setsUp() && (d.Outcome == mfa.SetUp || d.Outcome == mfa.ProveEmail)
	}},
	{"an authenticator rests on a recent first step", func(q question, d mfa.Decision) bool {
		resting := d.Outcome == mfa.SetUp || d.Outcome == mfa.ProveEmail
		return resting && !q.recently(idp.MethodPassword, idp.MethodPasskey)
	}},
	{"while email codes are on, it rests on a recent one", func(q question, d mfa.Decision) bool {
		return d.Outcome == mfa.SetUp && q.Policy.EmailCode && !q.recently(idp.MethodEmail)
	}},
	{"the email code before a set-up is asked for once, where it is on and works", func(q question, d mfa.Decision) bool {
		wrong := !q.Policy.EmailCode || !q.Enrolled.Works(idp.MethodEmail) || q.recently(idp.MethodEmail)
		return d.Outcome == mfa.ProveEmail && (wrong || !slices.Equal(d.Methods, []idp.Method{idp.MethodEmail}))
	}},
	{"a set-up is of an authenticator and leaves nothing missing", func(q question, d mfa.Decision) bool {
		if d.Outcome != mfa.SetUp && d.Outcome != mfa.ProveEmail {
			return false
		}
		app := slices.Equal(d.Methods, []idp.Method{idp.MethodTOTP})
		return !q.with(idp.MethodTOTP).complete() || q.helps(idp.MethodEmail) || d.Outcome == mfa.SetUp && !app
	}},
	{"stuck are those whose factors are disabled, when none that works helps", func(q question, d mfa.Decision) bool {
		if d.Outcome != mfa.Stuck {
			return false
		}
		disabled := q.Enrolled.Possesses() && !q.Enrolled.Works(idp.MethodTOTP) || !q.Enrolled.Works(idp.MethodEmail) && q.Policy.EmailCode
		return (!disabled || !q.with(idp.MethodTOTP).complete() ||
			q.helps(idp.MethodTOTP) || q.helps(idp.MethodEmail) || q.helps(idp.MethodRecovery))
	}},
	{"refused is only what nothing here could prove", func(q question, d mfa.Decision) bool {
		if d.Outcome != mfa.Unreachable || q.federated() {
			return false
		}
		could := q.helps(idp.MethodTOTP) || q.helps(idp.MethodEmail) || q.helps(idp.MethodRecovery)
		mightSetUp := (q.Enrolled.Possesses() || q.setsUp()) && q.with(idp.MethodTOTP).complete()
		return could || mightSetUp
	}},
	{"after a mailed link somebody with an authenticator is offered no email code", func(q question, d mfa.Decision) bool {
		return q.byMail() && q.Enrolled.Possesses() && slices.Contains(d.Methods, idp.MethodEmail)
	}},
}

// enough is after how many broken rules a test stops; each is told once.
const enough = 5

func TestEveryDecisionFollowsTheRules(t *testing.T) {
	for _, policy := range policies {
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
var outcomesOf = map[idp.Policy]int{noPolicy: 6, appPolicy: 6, mailPolicy: 8, bothPolicy: 8}

func policyName(p idp.Policy) string {
	switch p {
	case appPolicy:
		return "authenticator"
	case mailPolicy:
		return "email code"
	case bothPolicy:
		return "both"
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
	}
	o, d := q.Override, q.Demand
	return fmt.Sprintf("{policy %s; override %s %s federated=%v; acr %v max_age %s since %s; proofs%s; enrolled %+v}",
		policyName(q.Policy), o.Mode, o.MinACR, o.Federated, d.ACRValues, d.MaxAge, d.Since.Format(time.TimeOnly), text, q.Enrolled)
}
