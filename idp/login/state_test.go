package login_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"gatehouse/idp"
	"gatehouse/idp/login"
	"gatehouse/idp/password"
	"gatehouse/mfa"
)

var (
	moment = time.Date(2026, 3, 29, 1, 30, 0, 0, time.UTC)
	strict = idp.Policy{Version: 1, Authenticator: true}

	unsaved = &idp.RecoverySet{ID: "set", CreatedAt: moment}
	saved   = &idp.RecoverySet{ID: "set", CreatedAt: moment, SavedAt: moment}

	nothing  = mfa.Enrolled{}
	working  = mfa.Enrolled{{Method: idp.MethodTOTP}, {Method: idp.MethodRecovery}}
	onlyApp  = mfa.Enrolled{{Method: idp.MethodTOTP}}
	onlyCode = mfa.Enrolled{{Method: idp.MethodTOTP, State: mfa.Disabled}, {Method: idp.MethodRecovery}}
	disabled = mfa.Enrolled{{Method: idp.MethodTOTP, State: mfa.Disabled}}

	tooShort = []password.Reason{{Kind: password.TooShort, Number: 12}}
	bothWays = login.NeedCode{Methods: []idp.Method{idp.MethodTOTP, idp.MethodRecovery}}
)

func proved(methods ...idp.Method) []idp.Proof {
	var proofs []idp.Proof
	for _, m := range methods {
		proofs = append(proofs, idp.Proof{Method: m, At: moment.Add(-time.Minute)})
	}
	return proofs
}

// facts are those of a person under a policy; edit changes the rest.
func facts(p idp.Policy, e mfa.Enrolled, r *idp.RecoverySet, proofs []idp.Proof, edit ...func(*login.Facts)) login.Facts {
	f := login.Facts{
		Question: mfa.Question{
			Policy: p, Override: idp.Override{Mode: idp.OverrideInherit},
			Demand: idp.Demand{MaxAge: idp.NoMaxAge}, Proofs: proofs, Enrolled: e, Now: moment,
		},
		Recovery: r, RecoveryLeft: 7,
	}
	for _, change := range edit {
		change(&f)
	}
	return f
}

func asks(values ...idp.ACR) func(*login.Facts) {
	return func(f *login.Facts) { f.Demand.ACRValues = values }
}

func override(mode idp.OverrideMode, least idp.ACR) func(*login.Facts) {
	return func(f *login.Facts) { f.Override = idp.Override{Mode: mode, MinACR: least} }
}

func maxAge(d time.Duration) func(*login.Facts) {
	return func(f *login.Facts) { f.Demand.MaxAge = d }
}

func chose(m idp.Method) func(*login.Facts) { return func(f *login.Facts) { f.Notes.Method = m } }

func begun(f *login.Facts)    { f.Notes.Key = []byte("key") }
func told(f *login.Facts)     { f.Notes.Told = true }
func weak(f *login.Facts)     { f.Notes.Weak = tooShort }
func choosing(f *login.Facts) { f.Choosing = true }
func again(f *login.Facts)    { f.Demand.Since = moment }

var terms = login.Approve{What: idp.ApproveTerms}

// third is an app of another organisation that asks for an address.
func third(f *login.Facts) {
	f.Client.ThirdParty, f.Request.Scopes = true, []string{"openid", "email"}
}

// device is an app on a device that any other could pass for.
func device(f *login.Facts) {
	f.Client.Kind, f.Request.RedirectURI, f.Began = idp.NativeClient, "com.example.app:/cb", moment
}

func given(scopes ...string) func(*login.Facts) {
	return func(f *login.Facts) { f.Given.Scopes = scopes }
}

// elsewhere opens the way in through another provider.
func elsewhere(f *login.Facts) {
	f.Population.Access.Federated, f.Proofs[0].Via = true, "c"
	f.Way = idp.Way{Connection: idp.Connection{ID: "c", Enabled: true, Issuer: "https://i.example"}, Subject: "https://i.example|s"}
}

func approved(f *login.Facts) { f.Notes.Approved = true }
func denied(f *login.Facts)   { f.Notes.Denied = true }
func askAgain(f *login.Facts) { f.Request.Demand.Consent = true }
func here(f *login.Facts)     { f.Began = moment.Add(-time.Hour) }

func TestNext(t *testing.T) {
	t.Parallel()
	pwd, otp, rec, eml := idp.MethodPassword, idp.MethodTOTP, idp.MethodRecovery, idp.MethodEmail
	for name, test := range map[string]struct {
		facts login.Facts
		want  login.State
	}{
		"nobody yet":                      {facts(strict, nothing, nil, nil), login.NeedPassword{}},
		"nobody yet, no policy":           {facts(idp.Policy{}, nothing, nil, nil), login.NeedPassword{}},
		"a code without a password":       {facts(strict, working, saved, proved(otp)), login.NeedPassword{}},
		"a paper code without a password": {facts(strict, working, saved, proved(rec)), login.NeedPassword{}},
		"two second steps, no password":   {facts(strict, working, unsaved, proved(otp, rec)), login.NeedPassword{}},
		"password, no policy":             {facts(idp.Policy{}, nothing, nil, proved(pwd)), login.Done{}},
		"password, unsaved, no policy":    {facts(idp.Policy{}, working, unsaved, proved(pwd)), login.Done{}},
		"nothing enrolled":                {facts(strict, nothing, nil, proved(pwd)), login.NeedEnrolment{Method: otp}},
		"set-up begun":                    {facts(strict, nothing, nil, proved(pwd), begun), login.NeedEnrolment{Method: otp, Begun: true}},
		"enrolled":                        {facts(strict, working, saved, proved(pwd)), bothWays},
		"enrolled, a key left over":       {facts(strict, working, saved, proved(pwd), begun), bothWays},
		"enrolled, codes never saved":     {facts(strict, working, unsaved, proved(pwd)), bothWays},
		"chose paper":                     {facts(strict, working, saved, proved(pwd), chose(rec)), login.NeedCode{Methods: []idp.Method{rec, otp}}},
		"chose the app":                   {facts(strict, working, saved, proved(pwd), chose(otp)), bothWays},
		"chose what there is not":         {facts(strict, working, saved, proved(pwd), chose(idp.MethodEmail)), bothWays},
		"chose paper that is used up":     {facts(strict, onlyApp, saved, proved(pwd), chose(rec)), login.NeedCode{Methods: []idp.Method{otp}}},
		"app disabled":                    {facts(strict, onlyCode, saved, proved(pwd)), login.NeedCode{Methods: []idp.Method{rec}}},
		"all disabled":                    {facts(strict, disabled, saved, proved(pwd)), login.Stuck{}},
		"all disabled, a key left over":   {facts(strict, disabled, saved, proved(pwd), begun), login.Stuck{}},
		"code, codes unsaved":             {facts(strict, working, unsaved, proved(pwd, otp)), login.ShowCodes{}},
		"code, codes saved":               {facts(strict, working, saved, proved(pwd, otp)), login.Done{}},
		"code, no codes":                  {facts(strict, onlyApp, nil, proved(pwd, otp)), login.Done{}},
		"paper, codes unsaved":            {facts(strict, working, unsaved, proved(pwd, rec)), login.ShowCodes{}},
		"paper":                           {facts(strict, working, saved, proved(pwd, rec)), login.ShowLeft{Left: 7}},
		"paper and code":                  {facts(strict, working, saved, proved(pwd, otp, rec)), login.ShowLeft{Left: 7}},
		"paper, told":                     {facts(strict, working, saved, proved(pwd, rec), told), login.Done{}},
		"paper, told, unsaved":            {facts(strict, working, unsaved, proved(pwd, rec), told), login.ShowCodes{}},
		"the last paper, all disabled":    {facts(strict, disabled, saved, proved(pwd, rec)), login.ShowLeft{Left: 7}},

		"weak, before the code":      {facts(strict, working, saved, proved(pwd), weak), bothWays},
		"weak, nothing enrolled":     {facts(strict, nothing, nil, proved(pwd), weak), login.NeedEnrolment{Method: otp}},
		"weak, code":                 {facts(strict, working, saved, proved(pwd, otp), weak), login.ChangePassword{Reasons: tooShort}},
		"weak, codes unsaved":        {facts(strict, working, unsaved, proved(pwd, otp), weak), login.ChangePassword{Reasons: tooShort}},
		"weak, no policy":            {facts(idp.Policy{}, nothing, nil, proved(pwd), weak), login.ChangePassword{Reasons: tooShort}},
		"weak, out of reach":         {facts(strict, disabled, saved, proved(pwd), weak), login.Stuck{}},
		"weak, password to be typed": {facts(strict, working, saved, proved(otp), weak), login.NeedPassword{}},

		"both, nothing enrolled":          {facts(either, nothing, nil, proved(pwd)), login.ChooseMethod{Methods: []idp.Method{otp, eml}}},
		"both, chose email":               {facts(either, nothing, nil, proved(pwd), chose(eml)), login.NeedCode{Methods: []idp.Method{eml}, Instead: []idp.Method{otp}}},
		"both, chose the app":             {facts(either, nothing, nil, proved(pwd), chose(otp)), login.NeedCode{Methods: []idp.Method{eml}, Instead: []idp.Method{eml}, BeforeApp: true}},
		"both, chose the app, email done": {facts(either, nothing, nil, proved(pwd, eml), chose(otp)), login.NeedEnrolment{Method: otp, Instead: []idp.Method{eml}}},
		"both, email done":                {facts(either, nothing, nil, proved(pwd, eml), chose(eml)), login.Done{}},
		"both, asked for mfa":             {facts(either, nothing, nil, proved(pwd), asks(idp.ACRMFA)), login.NeedCode{Methods: []idp.Method{eml}, BeforeApp: true}},
		"both, asked for mfa, email done": {facts(either, nothing, nil, proved(pwd, eml), asks(idp.ACRMFA)), login.NeedEnrolment{Method: otp}},
		"both, enrolled":                  {facts(either, working, saved, proved(pwd)), login.NeedCode{Methods: []idp.Method{otp, eml, rec}}},
		"both, enrolled, chose email":     {facts(either, working, saved, proved(pwd), chose(eml)), login.NeedCode{Methods: []idp.Method{eml, otp, rec}}},
		"both, enrolled, email done":      {facts(either, working, saved, proved(pwd, eml)), login.Done{}},
		"email done, codes unsaved":       {facts(either, working, unsaved, proved(pwd, eml)), login.Done{}},
		"email alone":                     {facts(byMail, nothing, nil, proved(pwd)), login.NeedCode{Methods: []idp.Method{eml}}},
		"email alone, enrolled once":      {facts(byMail, working, saved, proved(pwd)), login.NeedCode{Methods: []idp.Method{eml}}},
		"email alone, done":               {facts(byMail, nothing, nil, proved(pwd, eml)), login.Done{}},
		"email alone, chose the app":      {facts(byMail, nothing, nil, proved(pwd, eml), chose(otp)), login.Done{}},

		"app excuses":                 {facts(strict, nothing, nil, proved(pwd), override(idp.OverrideOff, "")), login.Done{}},
		"app requires":                {facts(idp.Policy{}, nothing, nil, proved(pwd), override(idp.OverrideRequired, idp.ACRMFA)), login.NeedEnrolment{Method: otp}},
		"app requires, enrolled":      {facts(idp.Policy{}, working, saved, proved(pwd), override(idp.OverrideRequired, "")), bothWays},
		"app requires a passkey":      {facts(strict, working, saved, proved(pwd, otp), override(idp.OverrideRequired, idp.ACRPasskey)), login.NeedEnrolment{Method: idp.MethodPasskey}},
		"asked for a passkey":         {facts(strict, working, saved, proved(pwd, otp), asks(idp.ACRPasskey)), login.Unmet{}},
		"asked for it before anybody": {facts(strict, nothing, nil, nil, asks(idp.ACRPasskey)), login.NeedPassword{}},
		"asked for passkey or mfa":    {facts(strict, working, saved, proved(pwd, otp), asks(idp.ACRPasskey, idp.ACRMFA)), login.Done{}},
		"asked for mfa, no policy":    {facts(idp.Policy{}, nothing, nil, proved(pwd), asks(idp.ACRMFA)), login.Unmet{}},
		"asked for mfa, enrolled":     {facts(idp.Policy{}, working, saved, proved(pwd), asks(idp.ACRRefedsMFA)), bothWays},
		"proofs too old":              {facts(strict, working, saved, proved(pwd, otp), maxAge(time.Second)), login.NeedPassword{}},
		"proofs young enough":         {facts(strict, working, saved, proved(pwd, otp), maxAge(time.Hour)), login.Done{}},
		"asked again":                 {facts(strict, working, saved, proved(pwd, otp), again), login.NeedPassword{}},

		"somebody else's app":                   {facts(strict, working, saved, proved(pwd, otp), third), terms},
		"somebody else's app, a factor missing": {facts(strict, working, saved, proved(pwd), third), bothWays},
		"somebody else's app, codes unsaved":    {facts(strict, working, unsaved, proved(pwd, otp), third), login.ShowCodes{}},
		"somebody else's app, typed here":       {facts(strict, working, saved, proved(pwd, otp), third, here), terms},
		"it has what it asks for":               {facts(strict, working, saved, proved(pwd, otp), third, given("openid", "email")), login.Done{}},
		"it has less":                           {facts(strict, working, saved, proved(pwd, otp), third, given("openid")), terms},
		"it has less, and just asked":           {facts(strict, working, saved, proved(pwd, otp), third, given("openid"), approved), terms},
		"it has it and asks again":              {facts(strict, working, saved, proved(pwd, otp), third, given("openid", "email"), askAgain), terms},
		"it has it and asked again":             {facts(strict, working, saved, proved(pwd, otp), third, given("openid", "email"), askAgain, approved), login.Done{}},
		"it was turned away":                    {facts(strict, working, saved, proved(pwd, otp), third, denied), login.Denied{}},
		"a device":                              {facts(strict, working, saved, proved(pwd, otp), device), login.Approve{What: idp.ApproveApp}},
		"a device, continued":                   {facts(strict, working, saved, proved(pwd, otp), device, approved), login.Done{}},
		"a device, typed here":                  {facts(strict, working, saved, proved(pwd, otp), device, here), login.Done{}},
		"a device, sent on without a page":      {facts(idp.Policy{}, nothing, nil, proved(idp.MethodFederated), device, here, elsewhere), login.Approve{What: idp.ApproveApp}},
		"somebody else's on a device":           {facts(strict, working, saved, proved(pwd, otp), third, device, given("openid", "email"), here), terms},

		"a choice":         {facts(strict, nothing, nil, nil, choosing), login.ChooseSession{}},
		"a choice made":    {facts(strict, working, saved, proved(pwd, otp), choosing), login.Done{}},
		"signed in anyway": {facts(strict, working, saved, proved(pwd), choosing), bothWays},
	} {
		if diff := cmp.Diff(test.want, login.Next(test.facts)); diff != "" {
			t.Errorf("%s: want (-), got (+): %s", name, diff)
		}
	}
}

// anyFacts draws from everything that can stand in the database.
func anyFacts(t *rapid.T) login.Facts {
	var proofs []idp.Proof
	for _, m := range []idp.Method{idp.MethodPassword, idp.MethodTOTP, idp.MethodRecovery, idp.MethodEmail} {
		if rapid.Bool().Draw(t, string(m)) {
			age := rapid.SampledFrom([]time.Duration{0, time.Minute, time.Hour}).Draw(t, "age")
			proofs = append(proofs, idp.Proof{Method: m, At: moment.Add(-age)})
		}
	}
	enrolled := rapid.SampledFrom([]mfa.Enrolled{nothing, working, onlyApp, onlyCode, disabled}).Draw(t, "enrolled")
	if rapid.Bool().Draw(t, "email disabled") {
		enrolled = append(slices.Clone(enrolled), mfa.Factor{Method: idp.MethodEmail, State: mfa.Disabled})
	}
	recovery := rapid.SampledFrom([]*idp.RecoverySet{nil, unsaved, saved}).Draw(t, "recovery")
	policy := idp.Policy{Authenticator: rapid.Bool().Draw(t, "authenticator"), EmailCode: rapid.Bool().Draw(t, "email")}
	f := facts(policy, enrolled, recovery, proofs,
		chose(rapid.SampledFrom([]idp.Method{"", idp.MethodTOTP, idp.MethodRecovery, idp.MethodEmail}).Draw(t, "chosen")),
		override(rapid.SampledFrom([]idp.OverrideMode{"", idp.OverrideInherit, idp.OverrideOff, idp.OverrideRequired}).Draw(t, "mode"),
			rapid.SampledFrom([]idp.ACR{"", idp.ACRTwoStep, idp.ACRMFA}).Draw(t, "least")),
		maxAge(rapid.SampledFrom([]time.Duration{idp.NoMaxAge, 0, 2 * time.Minute}).Draw(t, "max age")))
	if acr := rapid.SampledFrom([]idp.ACR{"", idp.ACRPassword, idp.ACRTwoStep, idp.ACRMFA, idp.ACRPasskey}).Draw(t, "acr"); acr != "" {
		asks(acr)(&f)
	}
	f.Notes.Told = rapid.Bool().Draw(t, "told")
	if rapid.Bool().Draw(t, "begun") {
		begun(&f)
	}
	return f
}

func TestNextHoldsItsPromises(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		f := anyFacts(t)
		fresh := mfa.Fresh(f.Proofs, f.Demand, f.Now)
		has := func(m idp.Method) bool {
			return slices.ContainsFunc(fresh, func(p idp.Proof) bool { return p.Method == m })
		}
		state := login.Next(f)
		if _, asked := state.(login.NeedPassword); !asked && !has(idp.MethodPassword) {
			t.Fatalf("%T without a password", state)
		}
		switch state := state.(type) {
		case login.NeedPassword:
			if has(idp.MethodPassword) && (f.Enrolled.Possesses() || recent(f, idp.MethodPassword)) {
				t.Fatal("asked for a password that is there, and nothing to be set up")
			}
		case login.Done:
			if !enough(f, has) {
				t.Fatal("done without the second step that the policy asks for")
			}
		case login.NeedEnrolment:
			if f.Enrolled.Possesses() || state.Begun != (len(f.Notes.Key) > 0) || !recent(f, idp.MethodPassword) {
				t.Fatalf("set-up %+v of %+v", state, f.Enrolled)
			}
			if f.Policy.EmailCode && !recent(f, idp.MethodEmail) {
				t.Fatal("set-up by password alone while there are email codes")
			}
		case login.NeedCode:
			wantUsable(t, f, state)
		case login.ChooseMethod:
			if f.Enrolled.Possesses() || !f.Enrolled.Works(idp.MethodEmail) || !f.Policy.EmailCode {
				t.Fatalf("a choice for %+v", f.Enrolled)
			}
		case login.Stuck:
			app := f.Policy.Authenticator || f.Override.Mode == idp.OverrideRequired
			if app && (f.Enrolled.Works(idp.MethodTOTP) || f.Enrolled.Works(idp.MethodRecovery)) {
				t.Fatalf("stuck with %+v", f.Enrolled)
			}
		case login.ShowCodes:
			if f.Recovery != unsaved {
				t.Fatal("codes are shown that were saved")
			}
		case login.ShowLeft:
			if f.Notes.Told || f.Recovery == unsaved {
				t.Fatal("the notice comes twice, or before the codes")
			}
		case login.ChooseSession:
			t.Fatal("a choice that nobody offered")
		case login.Unmet:
		}
	})
}

// enough tells whether what was proved is what policy and override ask for.
func enough(f login.Facts, has func(idp.Method) bool) bool {
	strong := has(idp.MethodTOTP) || has(idp.MethodRecovery)
	switch f.Override.Mode {
	case idp.OverrideOff:
		return true
	case idp.OverrideRequired:
		return strong || has(idp.MethodEmail) && f.Override.MinACR != idp.ACRMFA
	case idp.OverrideInherit:
	}
	return !f.Policy.SecondStep() || strong || has(idp.MethodEmail) && f.Policy.EmailCode
}

func recent(f login.Facts, m idp.Method) bool {
	return slices.ContainsFunc(f.Proofs, func(p idp.Proof) bool {
		return p.Method == m && f.Now.Sub(p.At) <= mfa.SetUpWithin
	})
}

// wantUsable fails unless the methods are those that work, the chosen one first.
func wantUsable(t *rapid.T, f login.Facts, state login.NeedCode) {
	methods := state.Methods
	app, paper := slices.Contains(methods, idp.MethodTOTP), slices.Contains(methods, idp.MethodRecovery)
	if f.Enrolled.Possesses() && (app != f.Enrolled.Works(idp.MethodTOTP) || paper != f.Enrolled.Works(idp.MethodRecovery)) &&
		!slices.Equal(methods, []idp.Method{idp.MethodEmail}) || !f.Enrolled.Possesses() && (app || paper) {
		t.Fatalf("%v offered of %+v", methods, f.Enrolled)
	}
	if slices.Contains(methods, idp.MethodEmail) && (!f.Enrolled.Works(idp.MethodEmail) || !f.Policy.EmailCode) {
		t.Fatalf("%v offered, policy %+v, disabled %t", methods, f.Policy, !f.Enrolled.Works(idp.MethodEmail))
	}
	if state.BeforeApp && (f.Enrolled.Possesses() || !slices.Equal(methods, []idp.Method{idp.MethodEmail})) {
		t.Fatalf("%+v before the set-up of %+v", state, f.Enrolled)
	}
	if len(methods) == 0 || slices.Contains(methods, f.Notes.Method) && methods[0] != f.Notes.Method {
		t.Fatalf("%v offered to who chose %s", methods, f.Notes.Method)
	}
}
