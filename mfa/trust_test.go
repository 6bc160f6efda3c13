package mfa_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"gatehouse/idp"
	"gatehouse/mfa"
)

// atPolicy draws a question at which trust may count, and others.
var atPolicy = rapid.Custom(func(t *rapid.T) mfa.Question {
	q := anyQuestion.Draw(t, "question")
	if rapid.Bool().Draw(t, "plain") {
		q.Override, q.Demand = inherit, noDemand
	}
	if rapid.Bool().Draw(t, "password alone") {
		q.Proofs = []idp.Proof{{Method: idp.MethodPassword, At: now, ByMail: rapid.Bool().Draw(t, "by mail")}}
	}
	q.AtLeast = rapid.SampledFrom(append([]idp.ACR{"", "", "", "", "", ""}, everyACR...)).Draw(t, "at least")
	q.Trusted = rapid.SampledFrom(append([]idp.ACR{""}, everyACR...)).Draw(t, "trusted")
	return q
})

// Trust leaves a second step out, and does nothing else: whatever is to be set up is due, who
// is stuck is stuck, and what cannot be reached is refused.
func TestTrustOnlyEverLeavesASecondStepOut(t *testing.T) {
	plain := mfa.Question{Policy: appPolicy, Override: inherit, Demand: noDemand, Enrolled: enrolled, Proofs: []idp.Proof{when(password, now)}, Now: now, Trusted: idp.ACRMFA}
	if got := mfa.Decide(plain); got.Outcome != mfa.Satisfied {
		t.Errorf("trust leaves nothing out: %+v", got)
	}
	nothing := plain
	nothing.Enrolled = nil
	if got := mfa.Decide(nothing); got.Outcome == mfa.Satisfied {
		t.Error("a person who has nothing yet is excused")
	}
	rapid.Check(t, func(t *rapid.T) {
		q := atPolicy.Draw(t, "question")
		without := q
		without.Trusted = ""
		with, plain := mfa.Decide(q), mfa.Decide(without)
		if diff := cmp.Diff(mfa.SetUpNow(without), mfa.SetUpNow(q)); diff != "" {
			t.Fatalf("setting up: %s", diff)
		}
		if cmp.Equal(with, plain) {
			return
		}
		if with.Outcome != mfa.Satisfied || plain.Outcome != mfa.Challenge && plain.Outcome != mfa.Choose {
			t.Fatalf("%+v in the place of %+v", with, plain)
		}
		if plain.Outcome == mfa.Choose && !q.Enrolled.Has(idp.MethodEmail) {
			t.Fatal("a person who has nothing yet is excused")
		}
	})
}

// It meets nothing but the population's policy, and that as far as the step that was proved
// there would.
func TestTrustMeetsThePolicyAlone(t *testing.T) {
	linking := mfa.Question{Policy: appPolicy, Override: inherit, Demand: noDemand, Enrolled: enrolled, Proofs: []idp.Proof{when(password, now)}, Now: now, Trusted: idp.ACRMFA, AtLeast: idp.ACRTwoStep}
	if got := mfa.Decide(linking); got.Outcome == mfa.Satisfied {
		t.Error("it meets what the sign-in takes beyond the policy")
	}
	rapid.Check(t, func(t *rapid.T) {
		q := atPolicy.Draw(t, "question")
		without := q
		without.Trusted = ""
		if mfa.Decide(q).Outcome != mfa.Satisfied || mfa.Decide(without).Outcome == mfa.Satisfied {
			return
		}
		proofs := counting(q.Proofs, q.Demand)
		switch {
		case q.Override.Mode == idp.OverrideRequired:
			t.Fatal("it meets an app's own rule")
		case len(q.Demand.ACRValues) > 0 && !slices.ContainsFunc(q.Demand.ACRValues, func(a idp.ACR) bool { return mfa.Achieved(proofs).Rank() >= a.Rank() }):
			t.Fatal("it meets a request")
		case q.AtLeast.Rank() > mfa.Achieved(proofs).Rank():
			t.Fatal("it meets what the sign-in takes beyond the policy")
		case slices.ContainsFunc(proofs, func(p idp.Proof) bool { return p.ByMail }):
			t.Fatal("it helps a password that came by mail")
		case !mfa.HasFirstStep(proofs):
			t.Fatal("it is a first step")
		case q.Policy.Authenticator && !q.Policy.EmailCode && q.Trusted.Rank() < idp.ACRMFA.Rank():
			t.Fatal("a code from the mailbox stands for an authenticator")
		}
		stronger := q
		stronger.Trusted = idp.ACRPasskey
		if mfa.Decide(stronger).Outcome != mfa.Satisfied {
			t.Fatal("a stronger step counts less")
		}
	})
}

// A browser is known, and known browsers resist no phishing: a policy that asks for that is
// not met, whatever was proved there.
func TestTrustIsOfferedWhereItWouldCount(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q := atPolicy.Draw(t, "question")
		method := rapid.SampledFrom(append(mfa.SecondSteps(), idp.MethodPassword)).Draw(t, "method")
		q.Trusted = mfa.Of(method).ACR
		without := q
		without.Trusted = ""
		want := method != idp.MethodRecovery && method != idp.MethodPassword &&
			mfa.Decide(q).Outcome == mfa.Satisfied && mfa.Decide(without).Outcome != mfa.Satisfied
		if got := mfa.MayTrust(q, method); got != want {
			t.Fatalf("%s: offered %t", method, got)
		}
	})
}

func TestHowLongABrowserIsTrusted(t *testing.T) {
	const day = 24 * time.Hour
	of := func(change func(*idp.TrustedBrowser)) idp.TrustedBrowser {
		b := idp.TrustedBrowser{ACR: idp.ACRMFA, PolicyVersion: 5, CreatedAt: nine, ExpiresAt: nine.Add(7 * day), LeastDays: -1}
		change(&b)
		return b
	}
	days := func(n int) func(*idp.TrustedBrowser) { return func(b *idp.TrustedBrowser) { b.LeastDays = n } }
	for name, c := range map[string]struct {
		b       idp.TrustedBrowser
		p, o    int64
		after   time.Duration
		trusted bool
	}{
		"at once":                     {of(days(-1)), 0, 0, 0, true},
		"to the end":                  {of(days(-1)), 5, 5, 7*day - 1, true},
		"past it":                     {of(days(-1)), 0, 0, 7 * day, false},
		"raised since":                {of(days(30)), 0, 0, 7 * day, false},
		"lowered since":               {of(days(1)), 0, 0, day, false},
		"lowered since, in time":      {of(days(1)), 0, 0, day - 1, true},
		"off since":                   {of(days(0)), 0, 0, 0, false},
		"everybody signed out since":  {of(days(-1)), 6, 0, 0, false},
		"signed out of the app since": {of(days(-1)), 0, 6, 0, false},
		"none":                        {idp.TrustedBrowser{}, 0, 0, 0, false},
	} {
		got := c.b.Worth(idp.Population{MinVersion: c.p}, idp.Override{MinVersion: c.o}, nine.Add(c.after))
		if (got == idp.ACRMFA) != c.trusted || got != "" && got != idp.ACRMFA {
			t.Errorf("%s: %q", name, got)
		}
	}
}

// trustTable is what a person who gave the password is asked in a browser that they trust, by
// policy, app and request.
func trustTable() string {
	var b strings.Builder
	b.WriteString("### After the password, in a trusted browser\n\n")
	b.WriteString("| Policy | Client | Proved there | no `acr_values` | `two-step` | `mfa` |\n| --- | --- | --- | --- | --- | --- |\n")
	for i, policy := range policies {
		if !policy.SecondStep() {
			continue
		}
		for j, override := range overrideRows {
			for _, proof := range []idp.Method{idp.MethodEmail, idp.MethodTOTP} {
				var cells []string
				for _, d := range demandColumns[:3] {
					c := asked{policy: policy, override: override, proofs: pwd, enrolled: mfa.Enrolled{{Method: idp.MethodTOTP}, {Method: idp.MethodEmail}}, demand: d}
					q := c.question()
					q.Trusted = mfa.Of(proof).ACR
					cells = append(cells, c.inWords(mfa.Decide(q)))
				}
				proved := asked{}.inWords(mfa.Decision{Outcome: mfa.Challenge, Methods: []idp.Method{proof}})
				fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", policyTitles[i], overrideTitles[j], proved, strings.Join(cells, " | "))
			}
		}
	}
	return b.String() + "\n"
}
