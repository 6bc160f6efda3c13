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

// undated is a sign-in elsewhere of which nobody says when it was.
func undated(p idp.Proof) idp.Proof {
	p.Undated = true
	return p
}

// signedInThere is a sign-in that was made at the other side a while before.
func signedInThere(p idp.Proof, t time.Time) idp.Proof {
	p.UpstreamAt = t
	return p
}

func localStep(p idp.Proof) idp.Proof {
	p.LocalStep = true
	return p
}

// Whoever comes through another provider that does not say when they signed in there is
// not fresh by that: a second step of ours is asked for, and set up if there is none.
func TestWhoSignedInElsewhereAtNoKnownTime(t *testing.T) {
	asked := nine.Add(4 * time.Minute) // the request, before they come back at five past
	ages := map[string]idp.Demand{
		"max_age":      {MaxAge: time.Minute},
		"max_age=0":    {MaxAge: 0},
		"long max_age": {MaxAge: 24 * time.Hour},
		"prompt=login": {MaxAge: idp.NoMaxAge, Since: asked},
	}
	for name, c := range map[string]struct {
		policy   idp.Policy
		proofs   []idp.Proof
		enrolled mfa.Enrolled
		want     mfa.Decision
	}{
		"it says when":                       {noPolicy, fed, nothing, satisfied},
		"without a factor":                   {noPolicy, []idp.Proof{undated(entra)}, nothing, setUp},
		"without a factor, app":              {appPolicy, []idp.Proof{undated(entra)}, nothing, setUp},
		"without a factor, email":            {mailPolicy, []idp.Proof{undated(entra)}, nothing, choice},
		"without a factor, both":             {bothPolicy, []idp.Proof{undated(entra)}, nothing, choice},
		"with an app":                        {noPolicy, []idp.Proof{undated(entra)}, enrolled, appOrCode},
		"with an app, email too":             {bothPolicy, []idp.Proof{undated(entra)}, enrolled, anyOfThree},
		"all disabled":                       {noPolicy, []idp.Proof{undated(entra)}, locked, stuck},
		"evidence of a second step there":    {noPolicy, []idp.Proof{undated(proved(entra, idp.ACRMFA, "mfa"))}, enrolled, appOrCode},
		"with a code":                        {noPolicy, []idp.Proof{undated(entra), at(app, 6*time.Minute)}, enrolled, satisfied},
		"with an email code":                 {mailPolicy, []idp.Proof{undated(entra), at(email, 6*time.Minute)}, nothing, satisfied},
		"counted as a password":              {noPolicy, []idp.Proof{undated(localStep(entra))}, nothing, setUp},
		"counted as a password, with an app": {appPolicy, []idp.Proof{undated(localStep(entra)), at(app, 6*time.Minute)}, enrolled, satisfied},
		"it says that it was long ago":       {noPolicy, []idp.Proof{signedInThere(entra, old(entra).At)}, enrolled, appOrCode},
	} {
		for how, demand := range ages {
			if how == "long max_age" && name == "it says that it was long ago" {
				continue // it is young enough
			}
			q := mfa.Question{Policy: c.policy, Demand: demand, Proofs: c.proofs, Enrolled: c.enrolled, Now: asked}
			if diff := cmp.Diff(c.want, mfa.Decide(q)); diff != "" {
				t.Errorf("%s, %s: %s", name, how, diff)
			}
		}
		usual := mfa.Question{Policy: noPolicy, Demand: noDemand, Proofs: c.proofs, Enrolled: c.enrolled, Now: asked}
		if got := mfa.Decide(usual); got.Outcome != mfa.Satisfied {
			t.Errorf("%s, for a request that does not ask how old it is: %v", name, got)
		}
	}
}

// What a session had from elsewhere is asked for there again, as long as nobody has
// proved a second step here since.
func TestASignInElsewhereOfBeforeIsAskedForAgain(t *testing.T) {
	now := nine.Add(8 * time.Minute)
	demand := idp.Demand{MaxAge: 5 * time.Minute}
	for name, c := range map[string]struct {
		proof idp.Proof
		want  mfa.Outcome
	}{
		"long ago there":    {signedInThere(entra, nine), mfa.FirstStep},
		"just now there":    {signedInThere(entra, nine.Add(4*time.Minute)), mfa.Satisfied},
		"came long ago":     {undated(at(entra, 0)), mfa.FirstStep},
		"came just now":     {undated(entra), mfa.Challenge},
		"for a new sign-in": {undated(at(entra, 8*time.Minute)), mfa.Challenge},
	} {
		q := mfa.Question{Policy: appPolicy, Demand: demand, Proofs: []idp.Proof{c.proof}, Enrolled: enrolled, Now: now}
		if got := mfa.Decide(q).Outcome; got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

// A sign-in at no known time is no second step, and has no auth_time of its own; beside
// a code of ours the time is the code's.
func TestASignInAtNoKnownTimeHasNone(t *testing.T) {
	there := undated(proved(entra, idp.ACRMFA, "mfa"))
	if at := mfa.SecondStepAt([]idp.Proof{there}); !at.IsZero() {
		t.Errorf("a second step at %s", at)
	}
	for _, acr := range []idp.ACR{idp.ACRFederated, idp.ACRTwoStep, idp.ACRMFA} {
		if at := mfa.AuthTime([]idp.Proof{there}, acr); !at.IsZero() {
			t.Errorf("%s at %s", acr, at)
		}
		if at := mfa.AuthTime([]idp.Proof{undated(entra), app}, acr); acr != idp.ACRFederated && !at.Equal(app.At) {
			t.Errorf("%s beside a code at %s", acr, at)
		}
	}
	if _, proved := mfa.ProveAgain(noPolicy, nothing, []idp.Proof{undated(localStep(entra))}, entra.At, time.Hour); proved {
		t.Error("it proves again who somebody is")
	}
}

// A request that names password or federated alone is met by that way or by a second
// step, and leads to that way where it is open.
func TestPasswordAndFederatedSatisfyOnlyThemselves(t *testing.T) {
	only := func(m idp.Method) mfa.Decision {
		return mfa.Decision{Outcome: mfa.FirstStep, Methods: []idp.Method{m}}
	}
	byFed, byPwd := asks(idp.ACRFederated), asks(idp.ACRPassword)
	for name, c := range map[string]struct {
		demand    idp.Demand
		proofs    []idp.Proof
		pwd, fed  bool
		policy    idp.Policy
		enrolled  mfa.Enrolled
		want      mfa.Decision
		wantToken idp.ACR
	}{
		"nobody yet, federated":                   {byFed, nil, true, true, noPolicy, nothing, only(idp.MethodFederated), ""},
		"nobody yet, password":                    {byPwd, nil, true, true, noPolicy, nothing, only(idp.MethodPassword), ""},
		"nobody yet, federated is not open":       {byFed, nil, true, false, noPolicy, nothing, firstStep, ""},
		"password for federated":                  {byFed, pwd, true, true, noPolicy, nothing, only(idp.MethodFederated), idp.ACRPassword},
		"password for federated, with an app":     {byFed, pwd, true, true, appPolicy, enrolled, only(idp.MethodFederated), idp.ACRPassword},
		"password for federated, not open":        {byFed, pwd, true, false, noPolicy, nothing, unreachable, idp.ACRPassword},
		"password for federated, not open, app":   {byFed, pwd, true, false, appPolicy, enrolled, appOrCode, idp.ACRPassword},
		"two steps for federated":                 {byFed, pwdApp, true, true, noPolicy, enrolled, satisfied, idp.ACRMFA},
		"federated for federated":                 {byFed, fed, true, true, appPolicy, nothing, satisfied, idp.ACRFederated},
		"federated for password":                  {byPwd, fed, true, true, noPolicy, nothing, only(idp.MethodPassword), idp.ACRFederated},
		"federated for password, not open":        {byPwd, fed, false, true, noPolicy, nothing, unreachable, idp.ACRFederated},
		"federated with evidence for password":    {byPwd, []idp.Proof{proved(entra, idp.ACRMFA)}, true, true, noPolicy, nothing, satisfied, idp.ACRMFA},
		"password for federated or password":      {asks(idp.ACRFederated, idp.ACRPassword), pwd, true, true, noPolicy, nothing, satisfied, idp.ACRPassword},
		"password for federated or mfa":           {asks(idp.ACRFederated, idp.ACRMFA), pwd, true, true, noPolicy, enrolled, appOrCode, idp.ACRPassword},
		"counted as a password, for federated":    {byFed, []idp.Proof{localStep(entra)}, true, true, noPolicy, nothing, satisfied, idp.ACRFederated},
		"counted as a password, for the password": {byPwd, []idp.Proof{localStep(entra)}, true, true, noPolicy, nothing, only(idp.MethodPassword), idp.ACRFederated},
	} {
		q := asked{c.policy, inherit, c.demand, c.proofs, c.enrolled, c.want}.question()
		q.PasswordOpen, q.FederationOpen = c.pwd, c.fed
		if diff := cmp.Diff(c.want, mfa.Decide(q)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		if got := mfa.TokenACR(c.demand.ACRValues, c.proofs); got != c.wantToken {
			t.Errorf("%s: a token says %q, want %q", name, got, c.wantToken)
		}
	}
}

// No token says of a sign-in what it was not.
func TestATokenSaysOnlyWhatTheSignInWas(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		proofs := rapid.SliceOfN(anyProof, 0, 6).Draw(t, "proofs")
		requested := rapid.SliceOf(rapid.SampledFrom(everyACR)).Draw(t, "requested")
		has := func(m idp.Method) bool {
			return slices.ContainsFunc(proofs, func(p idp.Proof) bool { return p.Method == m })
		}
		switch got := mfa.TokenACR(requested, proofs); {
		case got == idp.ACRPassword && !has(idp.MethodPassword), got == idp.ACRFederated && !has(idp.MethodFederated):
			t.Fatalf("%s of %v", got, proofs)
		}
	})
}

// walker answers what a sign-in asks for, as a person would who has everything.
type walker struct {
	q mfa.Question
	// there is what comes back from the other side.
	there idp.Proof
	next  func(mfa.Question) mfa.Decision
}

// does answers one decision; setUp tells whether it turned to the set-up.
func (w *walker) does(t *rapid.T, d mfa.Decision) {
	method := idp.MethodPassword
	switch {
	case len(d.Methods) > 0:
		method = rapid.SampledFrom(d.Methods).Draw(t, "method")
	case w.q.FederationOpen && (!w.q.PasswordOpen || rapid.Bool().Draw(t, "elsewhere")):
		method = idp.MethodFederated
	}
	if d.Outcome == mfa.Choose && method != idp.MethodEmail {
		w.next = mfa.SetUpNow
		return
	}
	p := idp.Proof{Method: method, At: w.q.Now}
	if slices.ContainsFunc(w.q.Enrolled, func(f mfa.Factor) bool { return f.Method == method && f.Hardware }) || d.Hardware && method == idp.MethodPasskey {
		p.AMR = []string{"hwk"} // the one of their passkeys that is asked for
	}
	if method == idp.MethodFederated {
		p = w.there
		if p.At = w.q.Now; mfa.WantsEvidence(w.q) {
			p.CanProve = "" // it was asked
		}
	}
	w.q.Proofs = slices.DeleteFunc(slices.Clone(w.q.Proofs), func(o idp.Proof) bool {
		return o.Method == method || method == idp.MethodPassword && o.Method == idp.MethodFederated
	})
	w.q.Proofs = append(w.q.Proofs, p)
	if d.Outcome == mfa.SetUp {
		w.q.Enrolled = append(slices.Clip(w.q.Enrolled), mfa.Factor{Method: method}, mfa.Factor{Method: idp.MethodRecovery})
	}
	if w.next(w.q).Outcome == mfa.Satisfied {
		w.next = mfa.Decide // the set-up that was chosen is over
	}
}

// Whatever somebody proved before and whatever is asked, answering what is asked for
// comes to an end, and coming back from another provider never leads there again by
// itself: that would be a browser that goes round for ever.
func TestAnsweringComesToAnEnd(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := &walker{q: anyQuestion.Draw(t, "question"), next: mfa.Decide}
		w.there = idp.Proof{
			Method: idp.MethodFederated, LocalStep: rapid.Bool().Draw(t, "local step"), Undated: rapid.Bool().Draw(t, "undated"),
			CanProve: rapid.SampledFrom([]idp.ACR{"", idp.ACRMFA}).Draw(t, "can prove"),
			Evidence: rapid.SampledFrom([]idp.ACR{"", idp.ACRMFA}).Draw(t, "evidence"),
		}
		if rapid.Bool().Draw(t, "an old sign-in there") && !w.there.Undated {
			w.there.UpstreamAt = w.q.Now.Add(-time.Hour)
		}
		w.q.PasswordOpen, w.q.FederationOpen = rapid.Bool().Draw(t, "password"), rapid.Bool().Draw(t, "federation")
		d := w.next(w.q)
		for range 8 {
			if d.Outcome == mfa.Satisfied || d.Outcome == mfa.Unreachable || d.Outcome == mfa.Stuck {
				return
			}
			w.does(t, d)
			came := w.q.Proofs[max(0, len(w.q.Proofs)-1):]
			again := w.next(w.q)
			back := len(came) == 1 && came[0].Method == idp.MethodFederated && d.Outcome == mfa.FirstStep
			if back && again.Outcome == mfa.FirstStep && !slices.Equal(again.Methods, []idp.Method{idp.MethodPassword}) {
				t.Fatalf("round and round: %+v after %+v with %+v", again, d, w.q.Proofs)
			}
			d = again
		}
		t.Fatalf("eight answers and still %+v with %+v", d, w.q.Proofs)
	})
}
