package mfa_test

import (
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"gatehouse/idp"
	"gatehouse/mfa"
)

var anyQuestion = rapid.Custom(func(t *rapid.T) mfa.Question {
	q := mfa.Question{
		Policy:   rapid.SampledFrom(append(slices.Clone(policies), rolesPolicy)).Draw(t, "policy"),
		Override: rapid.SampledFrom(overrides).Draw(t, "override"),
		Demand:   rapid.SampledFrom(demands).Draw(t, "demand"),
		Enrolled: rapid.SampledFrom(enrolments).Draw(t, "enrolled"),
		Proofs:   rapid.SliceOfN(anyAgedProof, 0, 5).Draw(t, "proofs"),
		Now:      now,
	}
	q.Privileged = q.Policy == rolesPolicy
	q.Demand.MaxAge, q.Demand.Since = idp.NoMaxAge, time.Time{}
	if rapid.Bool().Draw(t, "with max_age") {
		q.Demand.MaxAge = time.Duration(rapid.IntRange(0, 20).Draw(t, "max_age")) * time.Minute
	}
	if rapid.Bool().Draw(t, "with prompt=login") {
		q.Demand.Since = now.Add(-time.Duration(rapid.IntRange(0, 20).Draw(t, "since")) * time.Minute)
	}
	return q
})

// anyAgedProof is up to twenty minutes old, so that some may carry a set-up.
var anyAgedProof = rapid.Custom(func(t *rapid.T) idp.Proof {
	p := anyProof.Draw(t, "proof")
	p.At = now.Add(-time.Duration(rapid.IntRange(0, 20).Draw(t, "age")) * time.Minute)
	p.ByMail = p.Method == idp.MethodPassword && rapid.Bool().Draw(t, "by mail")
	return p
})

// along is how far an outcome is on the way. The second step may change its form
// on the way, so that all of those stand on one step: a mailed link takes the email
// code away from somebody with an authenticator, who may have nothing else. A
// federated proof ends the way: what it does not satisfy is refused.
var along = map[mfa.Outcome]int{
	mfa.FirstStep: 0,
	mfa.Challenge: 1, mfa.Choose: 1, mfa.ProveEmail: 1, mfa.Stuck: 1,
	mfa.SetUp:       2,
	mfa.Unreachable: 3,
	mfa.Satisfied:   4,
}

func TestAnotherProofNeverLeadsBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q := anyQuestion.Draw(t, "question")
		more := q
		more.Proofs = append(slices.Clone(q.Proofs), anyAgedProof.Draw(t, "another"))
		if before, after := mfa.Decide(q).Outcome, mfa.Decide(more).Outcome; along[after] < along[before] {
			t.Fatalf("from %v to %v", before, after)
		}
		if before, after := mfa.SetUpNow(q).Outcome, mfa.SetUpNow(more).Outcome; along[after] < along[before] {
			t.Fatalf("setting up, from %v to %v", before, after)
		}
	})
}

func TestFederatedSignInIsNeverSentToALocalFactor(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q := anyQuestion.Draw(t, "question")
		upstream := anyProof.Draw(t, "upstream")
		upstream.Method, upstream.At, upstream.LocalStep, upstream.CanProve = idp.MethodFederated, q.Now, false, ""
		q.Proofs = append(q.Proofs, upstream)
		if got := mfa.Decide(q); got.Outcome != mfa.Satisfied && got.Outcome != mfa.Unreachable {
			t.Fatalf("got %+v", got)
		}
	})
}

// Over a connection that asks for a local second step, a sign-in through it is as
// good as a password and no better, but for a request that names one of the two.
func TestLocalStepCountsAsAPassword(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q := anyQuestion.Draw(t, "question")
		q.Proofs = slices.DeleteFunc(slices.Clone(q.Proofs), func(p idp.Proof) bool {
			return p.Method == idp.MethodFederated || p.Method == idp.MethodPassword
		})
		q.Demand.ACRValues = slices.DeleteFunc(slices.Clone(q.Demand.ACRValues), func(a idp.ACR) bool { return a.Rank() == 1 })
		first := idp.Proof{Method: idp.MethodPassword, At: q.Now.Add(-time.Duration(rapid.IntRange(0, 900).Draw(t, "age")) * time.Second)}
		local := first
		local.Method, local.LocalStep, local.Via = idp.MethodFederated, true, "elsewhere"
		byPassword, byOther := q, q
		byPassword.Proofs = append(slices.Clip(q.Proofs), first)
		byOther.Proofs = append(slices.Clip(q.Proofs), local)
		if a, b := mfa.Decide(byPassword), mfa.Decide(byOther); !reflect.DeepEqual(a, b) {
			t.Fatalf("a password leads to %+v, a local federated sign-in to %+v", a, b)
		}
	})
}

// The other side is asked again as long as it may prove what is missing, and no
// longer.
func TestTheOtherSideIsAskedForEvidenceItMayHave(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q := anyQuestion.Draw(t, "question")
		q.Demand.MaxAge, q.Demand.Since = idp.NoMaxAge, time.Time{}
		upstream := idp.Proof{Method: idp.MethodFederated, At: q.Now}
		q.Proofs = []idp.Proof{upstream}
		without := mfa.Decide(q).Outcome
		q.Proofs = []idp.Proof{{Method: idp.MethodFederated, At: q.Now, CanProve: idp.ACRMFA}}
		with := mfa.Decide(q).Outcome
		q.Proofs = []idp.Proof{{Method: idp.MethodFederated, At: q.Now, Evidence: idp.ACRMFA}}
		want := without
		if without == mfa.Unreachable && mfa.Decide(q).Outcome == mfa.Satisfied {
			want = mfa.FirstStep
		}
		if with != want {
			t.Fatalf("%v where it proved nothing, %v where it may prove mfa, want %v", without, with, want)
		}
	})
}

// Whoever reads the mailbox alone has no first step, and enrols nothing.
func TestAnEmailCodeAloneNeverEnrols(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q := anyQuestion.Draw(t, "question")
		q.Proofs = slices.DeleteFunc(slices.Clone(q.Proofs), func(p idp.Proof) bool { return p.Method != idp.MethodEmail })
		if got := mfa.Decide(q); got.Outcome != mfa.FirstStep {
			t.Fatalf("got %+v", got)
		}
		if got := mfa.SetUpNow(q); got.Outcome != mfa.FirstStep && got.Outcome != mfa.Satisfied {
			t.Fatalf("setting up: %+v", got)
		}
	})
}

// While email codes are on, the first possession rests on a recent one that counts.
func TestNobodySetsUpWithoutTheEmailCode(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q := anyQuestion.Draw(t, "question")
		q.Policy.EmailCode = true
		proved := slices.ContainsFunc(mfa.Fresh(q.Proofs, q.Demand, q.Now), func(p idp.Proof) bool {
			return p.Method == idp.MethodEmail && q.Now.Sub(p.At) <= 10*time.Minute
		})
		if !proved && !q.Enrolled.Possesses() && (mfa.Decide(q).Outcome == mfa.SetUp || mfa.SetUpNow(q).Outcome == mfa.SetUp) {
			t.Fatal("an authenticator is set up by password alone")
		}
	})
}

// Who has a possession adds another one only on a recent proof of the strongest, or of a
// recovery code: whatever else a thief has, it is not enough.
func TestAPossessionProtectsWhatIsAddedToIt(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q := anyQuestion.Draw(t, "question")
		if !q.Enrolled.Possesses() || mfa.Decide(q).Outcome != mfa.SetUp {
			return
		}
		strongest := idp.MethodTOTP
		if q.Enrolled.Has(idp.MethodPasskey) {
			strongest = idp.MethodPasskey
		}
		if !slices.ContainsFunc(mfa.Fresh(q.Proofs, q.Demand, q.Now), func(p idp.Proof) bool {
			return (p.Method == strongest || p.Method == idp.MethodRecovery) && q.Now.Sub(p.At) <= mfa.SetUpWithin
		}) {
			t.Fatal("it is added to by less")
		}
	})
}

// A recovery code counts as the strongest factor of its owner for what they do with their
// own factors, and for nothing that a token says.
func TestARecoveryCodeStandsInForAPasskey(t *testing.T) {
	proofs := []idp.Proof{password, recovery}
	for name, e := range map[string]mfa.Enrolled{"a passkey": keyed, "one in hardware": hardware, "an authenticator too": appAndKey, "stopped": keyLocked} {
		q := mfa.Question{Policy: keyPolicy, Demand: asks(idp.ACRPasskey), Proofs: proofs, Enrolled: e, Now: nine.Add(5 * time.Minute)}
		if d := mfa.Decide(q); d.Outcome != mfa.SetUp {
			t.Errorf("%s: an app is answered %+v", name, d)
		}
		q.OwnFactors = true
		if d := mfa.Decide(q); d.Outcome != mfa.Satisfied {
			t.Errorf("%s: the account asks for more: %+v", name, d)
		}
		q.Proofs = pwd
		if d := mfa.Decide(q); d.Outcome != mfa.Challenge || !slices.Contains(d.Methods, idp.MethodRecovery) {
			t.Errorf("%s: the account does not ask for it: %+v", name, d)
		}
		if acr, proved := mfa.ProveAgain(keyPolicy, e, proofs, q.Now, 10*time.Minute); acr != mfa.Strongest(keyPolicy, e) || !proved {
			t.Errorf("%s: %s, proved %t", name, acr, proved)
		}
		if _, proved := mfa.ProveAgain(keyPolicy, e, pwdApp, q.Now, 10*time.Minute); proved {
			t.Errorf("%s: a weaker factor is enough", name)
		}
	}
	if acr := mfa.TokenACR([]idp.ACR{idp.ACRPasskey}, proofs); acr != idp.ACRMFA {
		t.Errorf("the token says %s", acr)
	}
}

// An account that is linked on the way proves its strongest factor, in whose place a recovery
// code will do; what the app asks for is not met by that.
func TestARecoveryCodeLinksAnAccountAndNoMore(t *testing.T) {
	at := func(o idp.Override, proofs []idp.Proof) mfa.Decision {
		return mfa.Decide(mfa.Question{
			Policy: ownPolicy, Override: o, AtLeast: idp.ACRPasskey, Demand: noDemand, Proofs: proofs, Enrolled: keyed, Now: nine.Add(5 * time.Minute),
		})
	}
	if d := at(inherit, pwdCode); d.Outcome != mfa.Satisfied {
		t.Errorf("a recovery code: %+v", d)
	}
	if d := at(inherit, pwdApp); d.Outcome != mfa.Challenge {
		t.Errorf("a weaker factor: %+v", d)
	}
	if d := at(inherit, pwd); d.Outcome != mfa.Challenge || !slices.Contains(d.Methods, idp.MethodRecovery) {
		t.Errorf("nothing yet: %+v", d)
	}
	if d := at(requiredAt(idp.ACRPasskey), pwdCode); d.Outcome != mfa.SetUp {
		t.Errorf("the app asks for a passkey: %+v", d)
	}
}

// A passkey stands in the place of a password where people may set one up.
func TestWherePasskeysStandAlone(t *testing.T) {
	for name, c := range map[string]struct {
		policy     idp.Policy
		override   idp.Override
		privileged bool
		want       bool
	}{
		"no policy":                   {noPolicy, inherit, true, false},
		"by policy":                   {keyPolicy, inherit, false, true},
		"by policy, off at the app":   {allPolicy, off, false, true},
		"other methods":               {bothPolicy, inherit, false, false},
		"required":                    {bothPolicy, requiredAt(idp.ACRMFA), false, false},
		"required and resistant":      {bothPolicy, requiredAt(idp.ACRPasskey), false, true},
		"for roles":                   {rolesPolicy, inherit, true, true},
		"for roles, without one":      {rolesPolicy, inherit, false, false},
		"for roles, where nothing is": {rolesPolicy, off, true, false},
	} {
		if got := mfa.MayStandAlone(idp.MethodPasskey, c.policy, c.override, c.privileged); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
		if mfa.MayStandAlone(idp.MethodTOTP, c.policy, c.override, c.privileged) {
			t.Errorf("%s: an authenticator stands alone", name)
		}
	}
}

// A policy is stricter than another when the proofs that meet it meet the other as
// well. Turning both methods on is therefore less strict than the authenticator
// alone: the email code will do.
var byStrictness = []idp.Policy{noPolicy, mailPolicy, allPolicy, bothPolicy, ownPolicy, appPolicy, keyPolicy}

func TestAStricterPolicySatisfiesNobodyMore(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q := anyQuestion.Draw(t, "question")
		answers := func(set func(*mfa.Question, int), n int) (satisfied []bool) {
			for i := range n {
				set(&q, i)
				satisfied = append(satisfied, mfa.Decide(q).Outcome == mfa.Satisfied)
			}
			return satisfied
		}
		falling := func(what string, satisfied []bool) {
			for i := 1; i < len(satisfied); i++ {
				if satisfied[i] && !satisfied[i-1] {
					t.Fatalf("%s %d satisfies, and the less strict one before it does not", what, i)
				}
			}
		}
		levels := []idp.Override{off, required, requiredAt(idp.ACRMFA), requiredAt(idp.ACRPasskey), requiredAt(idp.ACRHardware)}
		falling("policy", answers(func(q *mfa.Question, i int) { q.Policy = byStrictness[i] }, len(byStrictness)))
		ticked := q.Override.Federated
		falling("override", answers(func(q *mfa.Question, i int) {
			q.Override = levels[i]
			q.Override.Federated = ticked
		}, len(levels)))
		falling("federated", answers(func(q *mfa.Question, i int) { q.Override.Federated = i == 1 }, 2))
	})
}

func TestOnlyWhatIsEnabledOrEnrolledIsOffered(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q := anyQuestion.Draw(t, "question")
		for _, d := range []mfa.Decision{mfa.Decide(q), mfa.SetUpNow(q)} {
			for _, m := range d.Methods {
				own := m == idp.MethodTOTP || m == idp.MethodPasskey
				offered := m == idp.MethodEmail && q.Policy.EmailCode && q.Enrolled.Works(idp.MethodEmail) ||
					(own || m == idp.MethodRecovery) && q.Enrolled.Works(m) ||
					own && (question{Question: q}).setsUp(m) && d.Outcome != mfa.Challenge
				if !offered {
					t.Fatalf("%+v offers %s", d, m)
				}
			}
		}
	})
}

// Whatever a person chooses of what is offered, the way has at most four steps and
// each of them leads on. It ends with a sign-in, a set-up or a refusal; stuck is
// only who was so from the beginning or right after the first step.
func TestEveryOfferedMethodLeadsOn(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q, next := anyQuestion.Draw(t, "question"), mfa.Decide
		d := next(q)
		challenged := false
		for step := 0; along[d.Outcome] < along[mfa.SetUp] && d.Outcome != mfa.Stuck; step++ {
			if step == 4 {
				t.Fatalf("four steps and still %+v", d)
			}
			method := idp.MethodPassword
			if len(d.Methods) > 0 {
				challenged = true
				method = rapid.SampledFrom(d.Methods).Draw(t, "method")
			}
			if d.Outcome == mfa.Choose && method != idp.MethodEmail {
				next = mfa.SetUpNow
			} else {
				q = with(q, method)
			}
			after := next(q)
			if cmp.Equal(d, after) {
				t.Fatalf("%s after %+v changes nothing", method, d)
			}
			d = after
		}
		if d.Outcome == mfa.Stuck && challenged {
			t.Fatal("stuck after a method that was offered")
		}
		if d.Outcome != mfa.SetUp {
			return
		}
		// Of a choice, each is enough for the policy; the request may ask for one of them.
		method := rapid.SampledFrom(d.Methods).Draw(t, "set up")
		if d.Hardware { // the new one is
			q.Enrolled = append(slices.Clone(q.Enrolled), mfa.Factor{Method: method, Hardware: true})
		}
		if after := mfa.Decide(with(q, method)).Outcome; along[after] < along[mfa.SetUp] || d.Hardware && after != mfa.Satisfied {
			t.Fatal("the set-up does not help")
		}
	})
}

// with is a question after one more proof, of the strongest factor that the person has.
func with(q mfa.Question, m idp.Method) mfa.Question {
	p := idp.Proof{Method: m, At: q.Now}
	if slices.ContainsFunc(q.Enrolled, func(f mfa.Factor) bool { return f.Method == m && f.Hardware }) {
		p.AMR = []string{"hwk"}
	}
	q.Proofs = append(slices.Clone(q.Proofs), p)
	return q
}

// A proof that the request discards is one that never was.
func TestOldProofsDoNotCount(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q := anyQuestion.Draw(t, "question")
		fresh, shuffled := q, q
		fresh.Proofs = counting(q.Proofs, q.Demand)
		fresh.Demand.MaxAge, fresh.Demand.Since = idp.NoMaxAge, time.Time{}
		shuffled.Proofs = rapid.Permutation(q.Proofs).Draw(t, "shuffled")
		for name, next := range map[string]func(mfa.Question) mfa.Decision{"deciding": mfa.Decide, "setting up": mfa.SetUpNow} {
			if diff := cmp.Diff(next(fresh), next(q)); diff != "" {
				t.Fatalf("%s: %s", name, diff)
			}
			if diff := cmp.Diff(next(q), next(shuffled)); diff != "" {
				t.Fatalf("%s, the order of proofs matters: %s", name, diff)
			}
		}
	})
}
