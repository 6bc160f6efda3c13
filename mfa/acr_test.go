package mfa_test

import (
	"fmt"
	"math/bits"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"gatehouse/idp"
	"gatehouse/mfa"
)

var (
	nine     = time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	password = idp.Proof{Method: idp.MethodPassword, At: nine}
	app      = idp.Proof{Method: idp.MethodTOTP, At: nine.Add(time.Minute)}
	recovery = idp.Proof{Method: idp.MethodRecovery, At: nine.Add(2 * time.Minute)}
	email    = idp.Proof{Method: idp.MethodEmail, At: nine.Add(3 * time.Minute)}
	passkey  = idp.Proof{Method: idp.MethodPasskey, At: nine.Add(4 * time.Minute), Verified: true, First: true}
	entra    = idp.Proof{Method: idp.MethodFederated, At: nine.Add(5 * time.Minute)}
	// beside is of one that was a second step.
	beside = idp.Proof{Method: idp.MethodPasskey, At: nine.Add(4 * time.Minute), Verified: true}
	// touched is of a security key that did not ask for a PIN.
	touched = idp.Proof{Method: idp.MethodPasskey, At: nine.Add(4 * time.Minute)}
)

func at(p idp.Proof, after time.Duration) idp.Proof {
	p.At = nine.Add(after)
	return p
}

func proved(p idp.Proof, evidence idp.ACR, amr ...string) idp.Proof {
	p.Evidence, p.AMR = evidence, amr
	return p
}

// What a token says of a sign-in, row by row.
func TestWhatATokenSays(t *testing.T) {
	for name, c := range map[string]struct {
		proofs []idp.Proof
		amr    string
		acr    idp.ACR
	}{
		"nothing":                      {nil, "", ""},
		"password":                     {[]idp.Proof{password}, "pwd", idp.ACRPassword},
		"password, email code":         {[]idp.Proof{password, email}, "pwd otp mca mfa", idp.ACRTwoStep},
		"password, authenticator":      {[]idp.Proof{password, app}, "pwd otp mfa", idp.ACRMFA},
		"password, recovery code":      {[]idp.Proof{password, recovery}, "pwd otp mfa", idp.ACRMFA},
		"passkey":                      {[]idp.Proof{passkey}, "user mfa", idp.ACRPasskey},
		"passkey in hardware":          {[]idp.Proof{proved(passkey, "", "hwk")}, "user mfa hwk", idp.ACRHardware},
		"passkey that is synced":       {[]idp.Proof{proved(passkey, "", "swk")}, "user mfa swk", idp.ACRPasskey},
		"passkey, unknown":             {[]idp.Proof{proved(passkey, "", "face")}, "user mfa", idp.ACRPasskey},
		"passkey, not verified":        {[]idp.Proof{touched}, "user", ""},
		"passkey, beside what is gone": {[]idp.Proof{beside}, "user mfa", ""},
		"passkey, then in hardware":    {[]idp.Proof{passkey, proved(touched, "", "hwk")}, "user mfa hwk", idp.ACRHardware},
		"touched, then in hardware":    {[]idp.Proof{touched, proved(touched, "", "hwk")}, "user hwk", ""},
		"password, passkey beside":     {[]idp.Proof{password, beside}, "pwd user mfa", idp.ACRPasskey},
		"password, passkey touched":    {[]idp.Proof{password, touched}, "pwd user mfa", idp.ACRPasskey},
		"password, hardware":           {[]idp.Proof{password, proved(touched, "", "hwk")}, "pwd user mfa hwk", idp.ACRHardware},
		"Entra, passkey touched":       {[]idp.Proof{entra, touched}, "user mfa fed", idp.ACRPasskey},
		"password that says hwk":       {[]idp.Proof{proved(password, "", "hwk")}, "pwd", idp.ACRPassword},
		"Entra":                        {[]idp.Proof{entra}, "fed", idp.ACRFederated},
		"Entra, amr":                   {[]idp.Proof{proved(entra, "", "pwd", "rsa", "pwd")}, "fed pwd rsa", idp.ACRFederated},
		"Entra, evidence":              {[]idp.Proof{proved(entra, idp.ACRMFA, "mfa")}, "fed mfa", idp.ACRMFA},
		"Entra, evidence as alias":     {[]idp.Proof{proved(entra, idp.ACRRefedsMFA)}, "fed", idp.ACRMFA},
		"Entra, evidence of less":      {[]idp.Proof{proved(entra, idp.ACRPassword)}, "fed", idp.ACRFederated},
		"Entra, unknown evidence":      {[]idp.Proof{proved(entra, "urn:other")}, "fed", idp.ACRFederated},
		"Entra, two-step":              {[]idp.Proof{proved(entra, idp.ACRTwoStep)}, "fed", idp.ACRTwoStep},
		"Entra, phishing-resistant":    {[]idp.Proof{proved(entra, idp.ACRPasskey)}, "fed", idp.ACRPasskey},
		"Entra, hardware":              {[]idp.Proof{proved(entra, idp.ACRHardware)}, "fed", idp.ACRHardware},
		"Entra, authenticator":         {[]idp.Proof{entra, app}, "otp mfa fed", idp.ACRMFA},
		"evidence of a password":       {[]idp.Proof{proved(password, idp.ACRPasskey, "hwk")}, "pwd", idp.ACRPassword},
	} {
		t.Run(name, func(t *testing.T) {
			if got := strings.Join(mfa.AMR(c.proofs), " "); got != c.amr {
				t.Errorf("amr %s, want %s", got, c.amr)
			}
			if got := mfa.Achieved(c.proofs); got != c.acr {
				t.Errorf("acr %s, want %s", got, c.acr)
			}
		})
	}
}

// Every subset of the methods, against the rules in words.
func TestEverySubsetOfMethods(t *testing.T) {
	methods := []idp.Proof{password, app, recovery, email, proved(passkey, "", "hwk"), entra}
	for set := range 1 << len(methods) {
		has := func(p idp.Proof) bool { return set>>slices.IndexFunc(methods, sameMethod(p))&1 == 1 }
		var proofs []idp.Proof
		for i, p := range methods {
			if set>>i&1 == 1 {
				proofs = append(proofs, p)
			}
		}
		first, strong := has(password) || has(entra), has(app) || has(recovery)
		second := strong || has(email)

		acr := idp.ACR("")
		switch {
		case has(passkey):
			acr = idp.ACRHardware
		case first && strong:
			acr = idp.ACRMFA
		case first && has(email):
			acr = idp.ACRTwoStep
		case has(password):
			acr = idp.ACRPassword
		case has(entra):
			acr = idp.ACRFederated
		}
		// The authenticator's otp stands before user, and that of a code by mail or on paper after it.
		amr := choose("pwd", has(password), "otp", has(app), "user", has(passkey), "otp", second && !has(app), "mca", has(email),
			"mfa", has(passkey) || (first && second), "hwk", has(passkey), "fed", has(entra))

		name := fmt.Sprintf("%0*b", len(methods), set)
		if got := mfa.Achieved(proofs); got != acr {
			t.Errorf("%s: acr %s, want %s", name, got, acr)
		}
		if diff := cmp.Diff(amr, mfa.AMR(proofs)); diff != "" {
			t.Errorf("%s: amr %s", name, diff)
		}
		slices.Reverse(proofs)
		if diff := cmp.Diff(amr, mfa.AMR(proofs)); diff != "" || mfa.Achieved(proofs) != acr {
			t.Errorf("%s reversed: %s, amr %s", name, mfa.Achieved(proofs), diff)
		}
		if bits.OnesCount(uint(set)) == 0 && !mfa.AuthTime(proofs, acr).IsZero() {
			t.Error("nothing was proved at some time")
		}
	}
}

func sameMethod(p idp.Proof) func(idp.Proof) bool {
	return func(o idp.Proof) bool { return o.Method == p.Method }
}

// choose keeps the values that are followed by true.
func choose(pairs ...any) []string {
	chosen := []string{}
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1].(bool) {
			chosen = append(chosen, pairs[i].(string))
		}
	}
	return chosen
}

func TestTokenACR(t *testing.T) {
	two := []idp.Proof{password, app}
	for name, c := range map[string]struct {
		requested []idp.ACR
		proofs    []idp.Proof
		want      idp.ACR
	}{
		"nothing requested":        {nil, two, idp.ACRMFA},
		"first met":                {[]idp.ACR{idp.ACRPasskey, idp.ACRTwoStep, idp.ACRMFA}, two, idp.ACRTwoStep},
		"alias as requested":       {[]idp.ACR{idp.ACRRefedsMFA, idp.ACRMFA}, two, idp.ACRRefedsMFA},
		"alias met by more":        {[]idp.ACR{idp.ACRRefedsMFA}, []idp.Proof{passkey}, idp.ACRRefedsMFA},
		"none met":                 {[]idp.ACR{idp.ACRPasskey}, two, idp.ACRMFA},
		"unknown is passed over":   {[]idp.ACR{"urn:other", idp.ACRPassword}, two, idp.ACRPassword},
		"unknown alone":            {[]idp.ACR{"urn:other"}, two, idp.ACRMFA},
		"a weaker one is met":      {[]idp.ACR{idp.ACRPassword}, two, idp.ACRPassword},
		"federated, not password":  {[]idp.ACR{idp.ACRPassword}, []idp.Proof{entra}, idp.ACRFederated},
		"password, not federated":  {[]idp.ACR{idp.ACRFederated}, []idp.Proof{password}, idp.ACRPassword},
		"more than federated":      {[]idp.ACR{idp.ACRFederated, idp.ACRTwoStep}, two, idp.ACRMFA},
		"more than password":       {[]idp.ACR{idp.ACRPassword}, []idp.Proof{proved(entra, idp.ACRMFA)}, idp.ACRMFA},
		"each by itself":           {[]idp.ACR{idp.ACRFederated}, []idp.Proof{password, entra}, idp.ACRFederated},
		"the next one is met":      {[]idp.ACR{idp.ACRFederated, idp.ACRPassword}, []idp.Proof{password}, idp.ACRPassword},
		"a code alone is no class": {[]idp.ACR{idp.ACRPassword}, []idp.Proof{app}, ""},
	} {
		if got := mfa.TokenACR(c.requested, c.proofs); got != c.want {
			t.Errorf("%s: got %s, want %s", name, got, c.want)
		}
	}
}

func TestAuthTime(t *testing.T) {
	hour := func(h int) time.Duration { return time.Duration(h-9) * time.Hour }
	for name, c := range map[string]struct {
		proofs []idp.Proof
		acr    idp.ACR
		want   time.Duration // since nine; negative: never
	}{
		"password":                      {[]idp.Proof{at(password, 0)}, idp.ACRPassword, 0},
		"the password typed again":      {[]idp.Proof{at(password, 0), at(password, hour(10))}, idp.ACRPassword, hour(10)},
		"in any order":                  {[]idp.Proof{at(password, hour(10)), at(password, 0)}, idp.ACRPassword, hour(10)},
		"both are needed":               {[]idp.Proof{at(password, 0), at(app, hour(10))}, idp.ACRMFA, 0},
		"the password is the later one": {[]idp.Proof{at(app, 0), at(password, hour(10))}, idp.ACRMFA, 0},
		"a class that needs one":        {[]idp.Proof{at(password, 0), at(app, hour(10))}, idp.ACRPassword, 0},
		"the later of two second steps": {[]idp.Proof{at(password, hour(12)), at(app, 0), at(recovery, hour(10))}, idp.ACRMFA, hour(10)},
		"email is not enough for mfa":   {[]idp.Proof{at(password, hour(12)), at(app, 0), at(email, hour(10))}, idp.ACRMFA, 0},
		"email is for two-step":         {[]idp.Proof{at(password, hour(12)), at(app, 0), at(email, hour(10))}, idp.ACRTwoStep, hour(10)},
		"the later of two ways":         {[]idp.Proof{at(password, 0), at(app, 0), at(passkey, hour(10))}, idp.ACRMFA, hour(10)},
		"an older passkey does not age": {[]idp.Proof{at(password, hour(10)), at(app, hour(11)), at(passkey, 0)}, idp.ACRMFA, hour(10)},
		"alias":                         {[]idp.Proof{at(password, 0), at(app, hour(10))}, idp.ACRRefedsMFA, 0},
		"upstream evidence":             {[]idp.Proof{at(password, 0), at(app, 0), at(proved(entra, idp.ACRMFA), hour(11))}, idp.ACRMFA, hour(11)},
		"upstream without evidence":     {[]idp.Proof{at(entra, hour(11)), at(app, hour(12))}, idp.ACRMFA, hour(11)},
		"not met":                       {[]idp.Proof{at(password, 0)}, idp.ACRMFA, -1},
		"no class":                      {[]idp.Proof{at(password, 0)}, "", -1},
	} {
		want := nine.Add(c.want)
		if c.want < 0 {
			want = time.Time{}
		}
		if got := mfa.AuthTime(c.proofs, c.acr); !got.Equal(want) {
			t.Errorf("%s: got %v, want %v", name, got, want)
		}
	}
}

func TestFresh(t *testing.T) {
	proofs := []idp.Proof{at(password, 0), at(app, time.Minute)}
	now := nine.Add(2 * time.Minute)
	for name, c := range map[string]struct {
		demand idp.Demand
		want   []idp.Proof
	}{
		"no demand":            {idp.Demand{MaxAge: idp.NoMaxAge}, proofs},
		"max_age, all":         {idp.Demand{MaxAge: 2 * time.Minute}, proofs},
		"max_age, some":        {idp.Demand{MaxAge: time.Minute}, proofs[1:]},
		"max_age=0":            {idp.Demand{MaxAge: 0}, proofs[:0]},
		"prompt=login":         {idp.Demand{MaxAge: idp.NoMaxAge, Since: now}, proofs[:0]},
		"since the code":       {idp.Demand{MaxAge: idp.NoMaxAge, Since: nine.Add(time.Minute)}, proofs[1:]},
		"both, the stricter":   {idp.Demand{MaxAge: 2 * time.Minute, Since: nine.Add(time.Second)}, proofs[1:]},
		"both, the other less": {idp.Demand{MaxAge: time.Minute, Since: nine}, proofs[1:]},
	} {
		if diff := cmp.Diff(c.want, mfa.Fresh(proofs, c.demand, now)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	if proofs[0].Method != idp.MethodPassword || proofs[1].Method != idp.MethodTOTP {
		t.Error("the argument was changed")
	}
	late := []idp.Proof{at(password, time.Hour)}
	if got := mfa.Fresh(late, idp.Demand{MaxAge: 0, Since: now}, now); len(got) != 1 {
		t.Error("a proof made after the request arrived is not fresh")
	}
}

var anyProof = rapid.Custom(func(t *rapid.T) idp.Proof {
	return idp.Proof{
		Method: rapid.SampledFrom([]idp.Method{
			idp.MethodPassword, idp.MethodTOTP, idp.MethodRecovery,
			idp.MethodEmail, idp.MethodPasskey, idp.MethodFederated, "other",
		}).Draw(t, "method"),
		At:  nine.Add(time.Duration(rapid.IntRange(0, 9).Draw(t, "minutes")) * time.Minute),
		AMR: rapid.SliceOfN(rapid.SampledFrom([]string{"pwd", "mfa", "hwk", "swk", "rsa"}), 0, 3).Draw(t, "amr"),
		Evidence: rapid.SampledFrom([]idp.ACR{
			"", "urn:other", idp.ACRPassword, idp.ACRTwoStep, idp.ACRMFA,
			idp.ACRRefedsMFA, idp.ACRPasskey, idp.ACRHardware,
		}).Draw(t, "evidence"),
		Verified: rapid.Bool().Draw(t, "verified"), First: rapid.Bool().Draw(t, "first"),
	}
})

var everyACR = []idp.ACR{idp.ACRPassword, idp.ACRFederated, idp.ACRTwoStep, idp.ACRMFA, idp.ACRRefedsMFA, idp.ACRPasskey, idp.ACRHardware}

func TestAnotherProofNeverWeakens(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		proofs := rapid.SliceOfN(anyProof, 0, 8).Draw(t, "proofs")
		more := append(slices.Clone(proofs), anyProof.Draw(t, "another"))
		if before, after := mfa.Achieved(proofs), mfa.Achieved(more); after.Rank() < before.Rank() {
			t.Fatalf("from %s to %s", before, after)
		}
		for _, acr := range everyACR {
			if before, after := mfa.AuthTime(proofs, acr), mfa.AuthTime(more, acr); after.Before(before) {
				t.Fatalf("%s: auth_time went back from %v to %v", acr, before, after)
			}
		}
		for _, value := range mfa.AMR(proofs) {
			if !slices.Contains(mfa.AMR(more), value) {
				t.Fatalf("amr lost %s", value)
			}
		}
	})
}

func TestACRAndAuthTimeBelongTogether(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		proofs := rapid.SliceOfN(anyProof, 0, 8).Draw(t, "proofs")
		shuffled := rapid.Permutation(proofs).Draw(t, "shuffled")
		requested := rapid.SliceOf(rapid.SampledFrom(append(everyACR, "urn:other"))).Draw(t, "requested")
		acr := mfa.TokenACR(requested, proofs)
		when := mfa.AuthTime(proofs, acr)
		if mfa.TokenACR(requested, shuffled) != acr || !mfa.AuthTime(shuffled, acr).Equal(when) {
			t.Fatal("the order of proofs matters")
		}
		if (acr == "") != when.IsZero() || acr.Rank() > mfa.Achieved(proofs).Rank() {
			t.Fatalf("acr %q at %v, achieved %q", acr, when, mfa.Achieved(proofs))
		}
		if acr == "" {
			return
		}
		// It is the time of a proof, the proofs since then meet the acr by
		// themselves, and those after it do not.
		since := func(at time.Time) []idp.Proof {
			return mfa.Fresh(proofs, idp.Demand{MaxAge: idp.NoMaxAge, Since: at}, nine)
		}
		if mfa.Achieved(since(when)).Rank() < acr.Rank() || mfa.Achieved(since(when.Add(1))).Rank() >= acr.Rank() {
			t.Fatalf("%s does not rest on a proof at %v", acr, when)
		}
	})
}

func TestAMRHasNoRepetitions(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		amr := mfa.AMR(rapid.SliceOfN(anyProof, 0, 8).Draw(t, "proofs"))
		if amr == nil {
			t.Fatal("nil becomes null in JSON")
		}
		sorted := slices.Sorted(slices.Values(amr))
		if len(slices.Compact(sorted)) != len(amr) {
			t.Fatalf("%v", amr)
		}
	})
}

func TestArithmeticAllocatesLittle(t *testing.T) {
	proofs := []idp.Proof{password, app, proved(entra, idp.ACRMFA, "pwd", "rsa")}
	requested := []idp.ACR{idp.ACRPasskey, idp.ACRMFA}
	for name, c := range map[string]struct {
		call func()
		most float64
	}{
		"Achieved": {func() { mfa.Achieved(proofs) }, 0},
		"TokenACR": {func() { mfa.TokenACR(requested, proofs) }, 0},
		"AuthTime": {func() { mfa.AuthTime(proofs, idp.ACRMFA) }, 0},
		"AMR":      {func() { mfa.AMR(proofs) }, 1},
		"Fresh":    {func() { mfa.Fresh(proofs, idp.Demand{MaxAge: time.Hour}, nine) }, 0},
	} {
		if n := testing.AllocsPerRun(100, c.call); n > c.most {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}
