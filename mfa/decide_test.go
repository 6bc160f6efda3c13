package mfa_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"gatehouse/idp"
	"gatehouse/mfa"
)

var (
	noPolicy   = idp.Policy{}
	appPolicy  = idp.Policy{Authenticator: true}
	mailPolicy = idp.Policy{EmailCode: true}
	bothPolicy = idp.Policy{Authenticator: true, EmailCode: true}
	policies   = []idp.Policy{noPolicy, appPolicy, mailPolicy, bothPolicy}

	inherit   = idp.Override{Mode: idp.OverrideInherit}
	off       = idp.Override{Mode: idp.OverrideOff}
	required  = idp.Override{Mode: idp.OverrideRequired}
	overrides = []idp.Override{
		{},
		inherit, off, required, requiredAt(idp.ACRPassword), requiredAt(idp.ACRTwoStep), requiredAt(idp.ACRMFA), requiredAt(idp.ACRPasskey),
		federatedToo(inherit), federatedToo(off), federatedToo(required), federatedToo(requiredAt(idp.ACRMFA)),
	}

	noDemand = asks()
	demands  = []idp.Demand{
		noDemand, asks(idp.ACRPassword), asks(idp.ACRFederated), asks(idp.ACRTwoStep), asks(idp.ACRMFA), asks(idp.ACRRefedsMFA),
		asks(idp.ACRPasskey), asks(idp.ACRPasskey, idp.ACRTwoStep), asks(idp.ACRPassword, idp.ACRPasskey),
	}

	nothing    = mfa.Enrolled{}
	enrolled   = mfa.Enrolled{Authenticator: true, AuthenticatorWorks: true, RecoveryWorks: true}
	noCodes    = mfa.Enrolled{Authenticator: true, AuthenticatorWorks: true}
	codesOnly  = mfa.Enrolled{Authenticator: true, RecoveryWorks: true}
	locked     = mfa.Enrolled{Authenticator: true}
	enrolments = []mfa.Enrolled{nothing, enrolled, noCodes, codesOnly, locked}
)

func requiredAt(acr idp.ACR) idp.Override {
	return idp.Override{Mode: idp.OverrideRequired, MinACR: acr}
}

func federatedToo(o idp.Override) idp.Override {
	o.Federated = true
	return o
}

func asks(acrs ...idp.ACR) idp.Demand { return idp.Demand{ACRValues: acrs, MaxAge: idp.NoMaxAge} }

var (
	satisfied   = mfa.Decision{Outcome: mfa.Satisfied}
	firstStep   = mfa.Decision{Outcome: mfa.FirstStep}
	unreachable = mfa.Decision{Outcome: mfa.Unreachable}
	stuck       = mfa.Decision{Outcome: mfa.Stuck}
	setUp       = mfa.Decision{Outcome: mfa.SetUp, Methods: []idp.Method{idp.MethodTOTP}}
	appOrCode   = mfa.Decision{Outcome: mfa.Challenge, Methods: []idp.Method{idp.MethodTOTP, idp.MethodRecovery}}
	appAlone    = mfa.Decision{Outcome: mfa.Challenge, Methods: []idp.Method{idp.MethodTOTP}}
	codeAlone   = mfa.Decision{Outcome: mfa.Challenge, Methods: []idp.Method{idp.MethodRecovery}}
)

// Who is asked for what, case by case.
func TestWhoIsAskedForWhat(t *testing.T) {
	pwd, both, fed := []idp.Proof{password}, []idp.Proof{password, app}, []idp.Proof{entra}
	for name, c := range map[string]struct {
		policy   idp.Policy
		override idp.Override
		demand   idp.Demand
		proofs   []idp.Proof
		enrolled mfa.Enrolled
		want     mfa.Decision
	}{
		"nobody yet":                                {appPolicy, inherit, noDemand, nil, enrolled, firstStep},
		"a second step before the first":            {appPolicy, inherit, noDemand, []idp.Proof{app}, enrolled, firstStep},
		"password without a policy":                 {noPolicy, inherit, noDemand, pwd, nothing, satisfied},
		"password without a policy, enrolled":       {noPolicy, inherit, noDemand, pwd, enrolled, satisfied},
		"password":                                  {appPolicy, inherit, noDemand, pwd, enrolled, appOrCode},
		"password, no codes left":                   {appPolicy, inherit, noDemand, pwd, noCodes, appAlone},
		"password, authenticator disabled":          {appPolicy, inherit, noDemand, pwd, codesOnly, codeAlone},
		"password, everything disabled":             {appPolicy, inherit, noDemand, pwd, locked, stuck},
		"password, not enrolled":                    {appPolicy, inherit, noDemand, pwd, nothing, setUp},
		"password, both methods, not enrolled":      {bothPolicy, inherit, noDemand, pwd, nothing, setUp},
		"password and authenticator":                {appPolicy, inherit, noDemand, both, enrolled, satisfied},
		"password and recovery code":                {appPolicy, inherit, noDemand, []idp.Proof{password, recovery}, enrolled, satisfied},
		"email code where both are on":              {bothPolicy, inherit, noDemand, []idp.Proof{password, email}, enrolled, satisfied},
		"email code where the authenticator is":     {appPolicy, inherit, noDemand, []idp.Proof{password, email}, enrolled, appOrCode},
		"passkey":                                   {bothPolicy, inherit, asks(idp.ACRPasskey), []idp.Proof{passkey}, nothing, satisfied},
		"override off":                              {appPolicy, off, noDemand, pwd, nothing, satisfied},
		"override off, the request asks":            {appPolicy, off, asks(idp.ACRMFA), pwd, enrolled, appOrCode},
		"override required, no policy":              {noPolicy, required, noDemand, pwd, enrolled, appOrCode},
		"override required, email code will do":     {noPolicy, required, noDemand, []idp.Proof{password, email}, enrolled, satisfied},
		"override mfa, email code will not":         {bothPolicy, requiredAt(idp.ACRMFA), noDemand, []idp.Proof{password, email}, enrolled, appOrCode},
		"override mfa, not enrolled":                {noPolicy, requiredAt(idp.ACRMFA), noDemand, pwd, nothing, setUp},
		"override phishing-resistant":               {noPolicy, requiredAt(idp.ACRPasskey), noDemand, both, enrolled, unreachable},
		"override below the policy's":               {appPolicy, requiredAt(idp.ACRTwoStep), noDemand, []idp.Proof{password, email}, enrolled, satisfied},
		"request for mfa":                           {noPolicy, inherit, asks(idp.ACRMFA), pwd, enrolled, appOrCode},
		"request for mfa by its alias":              {noPolicy, inherit, asks(idp.ACRRefedsMFA), both, enrolled, satisfied},
		"request for mfa, no policy, not enrolled":  {noPolicy, inherit, asks(idp.ACRMFA), pwd, nothing, unreachable},
		"request for mfa, policy, not enrolled":     {bothPolicy, inherit, asks(idp.ACRMFA), pwd, nothing, setUp},
		"request for any of two":                    {noPolicy, inherit, asks(idp.ACRPasskey, idp.ACRPassword), pwd, nothing, satisfied},
		"request for less than the policy":          {appPolicy, inherit, asks(idp.ACRPassword), pwd, enrolled, appOrCode},
		"request for a passkey":                     {appPolicy, inherit, asks(idp.ACRPasskey), pwd, enrolled, unreachable},
		"Entra":                                     {appPolicy, inherit, noDemand, fed, nothing, satisfied},
		"Entra, override":                           {noPolicy, requiredAt(idp.ACRMFA), noDemand, fed, enrolled, satisfied},
		"Entra, override also federated":            {noPolicy, federatedToo(requiredAt(idp.ACRMFA)), noDemand, fed, enrolled, unreachable},
		"Entra with evidence, also federated":       {noPolicy, federatedToo(requiredAt(idp.ACRMFA)), noDemand, []idp.Proof{proved(entra, idp.ACRMFA)}, nothing, satisfied},
		"Entra, request for mfa":                    {noPolicy, inherit, asks(idp.ACRMFA), fed, enrolled, unreachable},
		"Entra with evidence, request for mfa":      {noPolicy, inherit, asks(idp.ACRMFA), []idp.Proof{proved(entra, idp.ACRRefedsMFA)}, nothing, satisfied},
		"Entra, ticked federated but nothing asked": {appPolicy, federatedToo(inherit), noDemand, fed, nothing, satisfied},
	} {
		t.Run(name, func(t *testing.T) {
			got := mfa.Decide(mfa.Question{
				Policy: c.policy, Override: c.override, Demand: c.demand, Proofs: c.proofs, Enrolled: c.enrolled, Now: nine,
			})
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// everyQuestion is all combinations of policy, override, demand, methods that
// were proved, and enrolment.
func everyQuestion(yield func(mfa.Question)) {
	methods := []idp.Proof{password, app, recovery, email, passkey, entra}
	for set := range 1 << len(methods) {
		var proofs []idp.Proof
		for i, p := range methods {
			if set>>i&1 == 1 {
				proofs = append(proofs, p)
			}
		}
		for _, p := range policies {
			for _, o := range overrides {
				for _, d := range demands {
					for _, e := range enrolments {
						yield(mfa.Question{Policy: p, Override: o, Demand: d, Proofs: proofs, Enrolled: e, Now: nine.Add(time.Hour)})
					}
				}
			}
		}
	}
}

func proves(q mfa.Question, methods ...idp.Method) bool {
	return slices.ContainsFunc(q.Proofs, func(p idp.Proof) bool { return slices.Contains(methods, p.Method) })
}

// strong tells in words whether proofs are mfa, usual whether they are two-step.
func strong(q mfa.Question) bool {
	return proves(q, idp.MethodPasskey) ||
		proves(q, idp.MethodPassword, idp.MethodFederated) && proves(q, idp.MethodTOTP, idp.MethodRecovery)
}

func usual(q mfa.Question) bool {
	return strong(q) || proves(q, idp.MethodPassword, idp.MethodFederated) && proves(q, idp.MethodEmail)
}

// meets tells whether proofs are of a class.
func meets(q mfa.Question, acr idp.ACR) bool {
	switch acr {
	case idp.ACRTwoStep:
		return usual(q)
	case idp.ACRMFA, idp.ACRRefedsMFA:
		return strong(q)
	case idp.ACRPasskey:
		return proves(q, idp.MethodPasskey)
	case idp.ACRPassword, idp.ACRFederated:
	}
	return true
}

func meetsDemand(q mfa.Question) bool {
	return len(q.Demand.ACRValues) == 0 || slices.ContainsFunc(q.Demand.ACRValues, func(a idp.ACR) bool { return meets(q, a) })
}

func meetsOverride(q mfa.Question) bool {
	return q.Override.Mode != idp.OverrideRequired || usual(q) && meets(q, q.Override.MinACR)
}

// meetsPolicy: an override that says something stands in the policy's place.
func meetsPolicy(q mfa.Question) bool {
	switch {
	case q.Override.Mode == idp.OverrideOff, q.Override.Mode == idp.OverrideRequired:
		return true
	case q.Policy.EmailCode:
		return usual(q)
	case q.Policy.Authenticator:
		return strong(q)
	}
	return true
}

func TestEveryDecisionFollowsTheRules(t *testing.T) {
	seen := map[mfa.Outcome]int{}
	everyQuestion(func(q mfa.Question) {
		got := mfa.Decide(q)
		seen[got.Outcome]++
		if why := wrong(q, got); why != "" {
			t.Errorf("%s: %+v gives %+v", why, q, got)
		}
	})
	if len(seen) != 6 {
		t.Errorf("only these outcomes came up: %v", seen)
	}
}

// wrong says which rule a decision breaks, empty for none.
func wrong(q mfa.Question, d mfa.Decision) string {
	federated := proves(q, idp.MethodFederated)
	first := proves(q, idp.MethodPassword, idp.MethodPasskey)
	if (len(d.Methods) > 0) != (d.Outcome == mfa.Challenge || d.Outcome == mfa.SetUp) {
		return "methods belong to a challenge or a set-up"
	}
	switch d.Outcome {
	case mfa.Satisfied:
		switch {
		case !meetsDemand(q):
			return "the request asks for more"
		case federated && q.Override.Federated && !meetsOverride(q):
			return "the override asks federated sign-ins as well"
		case !federated && !(first && meetsPolicy(q) && meetsOverride(q)):
			return "policy or override ask for more"
		}
		return ""
	case mfa.FirstStep:
		if federated || first {
			return "there is a first step"
		}
		return ""
	case mfa.Challenge, mfa.SetUp, mfa.Unreachable, mfa.Stuck:
	}
	switch {
	case federated && d.Outcome != mfa.Unreachable:
		return "no local factor is asked of a federated sign-in"
	case !federated && !first:
		return "the first step comes first"
	case federated && meetsDemand(q) && !(q.Override.Federated && !meetsOverride(q)):
		return "nothing is missing of the federated sign-in"
	case !federated && meetsDemand(q) && meetsPolicy(q) && meetsOverride(q):
		return "nothing is missing"
	}
	return wrongStep(q, d)
}

// wrongStep checks what is asked of a person whose second step is missing.
func wrongStep(q mfa.Question, d mfa.Decision) string {
	switch d.Outcome {
	case mfa.Challenge:
		for _, m := range d.Methods {
			works := m == idp.MethodTOTP && q.Enrolled.AuthenticatorWorks || m == idp.MethodRecovery && q.Enrolled.RecoveryWorks
			if !works || mfa.Decide(with(q, m)).Outcome != mfa.Satisfied {
				return "what is asked for does not help"
			}
		}
		if q.Enrolled.AuthenticatorWorks && d.Methods[0] != idp.MethodTOTP {
			return "the authenticator is asked for first"
		}
	case mfa.SetUp:
		if q.Enrolled.Authenticator {
			return "a password alone enrols nobody again"
		}
		if mfa.Decide(with(q, idp.MethodTOTP)).Outcome != mfa.Satisfied {
			return "the set-up does not help"
		}
	case mfa.Stuck:
		if !q.Enrolled.Authenticator || q.Enrolled.AuthenticatorWorks || q.Enrolled.RecoveryWorks {
			return "there is a factor that works"
		}
	case mfa.Unreachable:
		if !proves(q, idp.MethodFederated) && q.Enrolled.AuthenticatorWorks && mfa.Decide(with(q, idp.MethodTOTP)).Outcome == mfa.Satisfied {
			return "the authenticator would do"
		}
	case mfa.Satisfied, mfa.FirstStep:
	}
	return ""
}

// with is a question after one more proof.
func with(q mfa.Question, m idp.Method) mfa.Question {
	q.Proofs = append(slices.Clone(q.Proofs), idp.Proof{Method: m, At: q.Now})
	return q
}

var anyQuestion = rapid.Custom(func(t *rapid.T) mfa.Question {
	q := mfa.Question{
		Policy:   rapid.SampledFrom(policies).Draw(t, "policy"),
		Override: rapid.SampledFrom(overrides).Draw(t, "override"),
		Demand:   rapid.SampledFrom(demands).Draw(t, "demand"),
		Enrolled: rapid.SampledFrom(enrolments).Draw(t, "enrolled"),
		Proofs:   rapid.SliceOfN(anyProof, 0, 5).Draw(t, "proofs"),
		Now:      nine.Add(10 * time.Minute),
	}
	q.Demand.MaxAge = time.Duration(rapid.IntRange(-1, 9).Draw(t, "max_age")) * time.Minute
	if rapid.Bool().Draw(t, "prompt=login") {
		q.Demand.Since = nine.Add(time.Duration(rapid.IntRange(0, 10).Draw(t, "since")) * time.Minute)
	}
	return q
})

func TestAnotherProofNeverUndoesASignIn(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q := anyQuestion.Draw(t, "question")
		more := q
		more.Proofs = append(slices.Clone(q.Proofs), anyProof.Draw(t, "another"))
		before, after := mfa.Decide(q).Outcome, mfa.Decide(more).Outcome
		if before == mfa.Satisfied && after != mfa.Satisfied {
			t.Fatalf("from satisfied to %v", after)
		}
		if before != mfa.FirstStep && after == mfa.FirstStep {
			t.Fatalf("from %v back to the first step", before)
		}
	})
}

func TestFederatedSignInIsNeverSentToALocalFactor(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q := anyQuestion.Draw(t, "question")
		upstream := anyProof.Draw(t, "upstream")
		upstream.Method, upstream.At = idp.MethodFederated, q.Now
		q.Proofs = append(q.Proofs, upstream)
		if got := mfa.Decide(q); got.Outcome != mfa.Satisfied && got.Outcome != mfa.Unreachable {
			t.Fatalf("got %+v", got)
		}
	})
}

// A proof that the request discards is one that never was.
func TestOldProofsDoNotCount(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q := anyQuestion.Draw(t, "question")
		fresh := q
		fresh.Proofs = nil
		for _, p := range q.Proofs {
			young := q.Demand.MaxAge < 0 || !p.At.Before(q.Now.Add(-q.Demand.MaxAge))
			if young && !p.At.Before(q.Demand.Since) {
				fresh.Proofs = append(fresh.Proofs, p)
			}
		}
		fresh.Demand.MaxAge, fresh.Demand.Since = idp.NoMaxAge, time.Time{}
		if diff := cmp.Diff(mfa.Decide(fresh), mfa.Decide(q)); diff != "" {
			t.Fatal(diff)
		}
		shuffled := q
		shuffled.Proofs = rapid.Permutation(q.Proofs).Draw(t, "shuffled")
		if diff := cmp.Diff(mfa.Decide(q), mfa.Decide(shuffled)); diff != "" {
			t.Fatalf("the order of proofs matters: %s", diff)
		}
	})
}

func TestStepUpAsksForExactlyWhatIsTooOld(t *testing.T) {
	now := nine.Add(time.Hour)
	question := func(d idp.Demand, proofs ...idp.Proof) mfa.Question {
		return mfa.Question{Policy: appPolicy, Demand: d, Proofs: proofs, Enrolled: enrolled, Now: now}
	}
	recent := idp.Demand{MaxAge: 10 * time.Minute}
	login := idp.Demand{MaxAge: idp.NoMaxAge, Since: now}
	for name, c := range map[string]struct {
		q    mfa.Question
		want mfa.Decision
	}{
		"max_age, both are old":       {question(recent, at(password, 0), at(app, 0)), firstStep},
		"max_age, the code is old":    {question(recent, at(password, 55*time.Minute), at(app, 0)), appOrCode},
		"max_age, the password is":    {question(recent, at(password, 0), at(app, 55*time.Minute)), firstStep},
		"max_age, just in time":       {question(recent, at(password, 50*time.Minute), at(app, 50*time.Minute)), satisfied},
		"prompt=login":                {question(login, at(password, 59*time.Minute), at(app, 59*time.Minute)), firstStep},
		"prompt=login, password done": {question(login, at(app, 59*time.Minute), at(password, time.Hour)), appOrCode},
		"prompt=login, both done":     {question(login, at(app, 0), at(password, time.Hour), at(app, time.Hour)), satisfied},
	} {
		if diff := cmp.Diff(c.want, mfa.Decide(c.q)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestSatisfiedAllocatesNothing(t *testing.T) {
	questions := []mfa.Question{
		{Proofs: []idp.Proof{password}, Demand: noDemand},
		{Policy: bothPolicy, Proofs: []idp.Proof{password, app}, Demand: asks(idp.ACRPasskey, idp.ACRMFA), Enrolled: enrolled},
		{Policy: appPolicy, Override: requiredAt(idp.ACRMFA), Proofs: []idp.Proof{password, recovery}, Demand: idp.Demand{MaxAge: time.Hour}, Now: nine},
		{Override: federatedToo(required), Proofs: []idp.Proof{proved(entra, idp.ACRMFA)}, Demand: noDemand},
	}
	for i, q := range questions {
		if mfa.Decide(q).Outcome != mfa.Satisfied {
			t.Errorf("question %d is not satisfied", i)
		}
		if n := testing.AllocsPerRun(100, func() { mfa.Decide(q) }); n > 0 {
			t.Errorf("question %d: %v allocations", i, n)
		}
	}
}

func TestEnrolledOf(t *testing.T) {
	works, disabled := idp.Factor{}, idp.Factor{DisabledAt: nine}
	codes, lockedCodes := &idp.RecoverySet{}, &idp.RecoverySet{DisabledAt: nine}
	for name, c := range map[string]struct {
		enrolment idp.Enrolment
		want      mfa.Enrolled
	}{
		"nothing":                  {idp.Enrolment{}, nothing},
		"everything":               {idp.Enrolment{TOTP: []idp.Factor{works}, Recovery: codes, RecoveryLeft: 10}, enrolled},
		"a disabled one counts":    {idp.Enrolment{TOTP: []idp.Factor{disabled}}, locked},
		"one of two works":         {idp.Enrolment{TOTP: []idp.Factor{disabled, works}}, noCodes},
		"codes used up":            {idp.Enrolment{TOTP: []idp.Factor{works}, Recovery: codes}, noCodes},
		"codes disabled":           {idp.Enrolment{TOTP: []idp.Factor{works}, Recovery: lockedCodes, RecoveryLeft: 3}, noCodes},
		"codes, app disabled":      {idp.Enrolment{TOTP: []idp.Factor{disabled}, Recovery: codes, RecoveryLeft: 1}, codesOnly},
		"both disabled: only help": {idp.Enrolment{TOTP: []idp.Factor{disabled}, Recovery: lockedCodes, RecoveryLeft: 1}, locked},
	} {
		if got := mfa.EnrolledOf(c.enrolment); got != c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}
