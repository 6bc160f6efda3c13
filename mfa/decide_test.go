package mfa_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse/idp"
	"gatehouse/mfa"
)

var (
	noPolicy   = idp.Policy{}
	appPolicy  = idp.Policy{Authenticator: true}
	mailPolicy = idp.Policy{EmailCode: true}
	bothPolicy = idp.Policy{Authenticator: true, EmailCode: true}
	keyPolicy  = idp.Policy{Passkey: true}
	ownPolicy  = idp.Policy{Authenticator: true, Passkey: true}
	allPolicy  = idp.Policy{Authenticator: true, EmailCode: true, Passkey: true}
	// makerPolicy has the makers of security keys vouch for them.
	makerPolicy = idp.Policy{Passkey: true, SecurityKeys: "ee882879-721c-4913-9775-3dfcce97072a", SecurityKeyRoots: "a certificate"}
	policies    = []idp.Policy{noPolicy, appPolicy, mailPolicy, bothPolicy, keyPolicy, ownPolicy, allPolicy, makerPolicy}
	// rolesPolicy is asked about people who hold a permission.
	rolesPolicy = idp.Policy{Authenticator: true, EmailCode: true, PasskeyForRoles: true}

	inherit  = idp.Override{Mode: idp.OverrideInherit}
	off      = idp.Override{Mode: idp.OverrideOff}
	required = idp.Override{Mode: idp.OverrideRequired}

	noDemand = asks()

	nothing   = mfa.Enrolled{}
	enrolled  = mfa.Enrolled{{Method: idp.MethodTOTP}, {Method: idp.MethodRecovery}}
	noCodes   = mfa.Enrolled{{Method: idp.MethodTOTP}}
	codesOnly = mfa.Enrolled{{Method: idp.MethodTOTP, State: mfa.Disabled}, {Method: idp.MethodRecovery}}
	locked    = mfa.Enrolled{{Method: idp.MethodTOTP, State: mfa.Disabled}}
	keyed     = mfa.Enrolled{{Method: idp.MethodPasskey}, {Method: idp.MethodRecovery}}
	keyAlone  = mfa.Enrolled{{Method: idp.MethodPasskey}}
	keyLocked = mfa.Enrolled{{Method: idp.MethodPasskey, State: mfa.Disabled}, {Method: idp.MethodRecovery}}
	appAndKey = mfa.Enrolled{{Method: idp.MethodTOTP}, {Method: idp.MethodPasskey}, {Method: idp.MethodRecovery}}
	hardware  = mfa.Enrolled{{Method: idp.MethodPasskey, Hardware: true}, {Method: idp.MethodRecovery}}
)

func inHardware(d mfa.Decision) mfa.Decision {
	d.Hardware = true
	return d
}

func requiredAt(acr idp.ACR) idp.Override {
	return idp.Override{Mode: idp.OverrideRequired, MinACR: acr}
}

func federatedToo(o idp.Override) idp.Override {
	o.Federated = true
	return o
}

func asks(acrs ...idp.ACR) idp.Demand { return idp.Demand{ACRValues: acrs, MaxAge: idp.NoMaxAge} }

func noEmail(e mfa.Enrolled) mfa.Enrolled {
	return append(slices.Clone(e), mfa.Factor{Method: idp.MethodEmail, State: mfa.Disabled})
}

func byMail(p idp.Proof) idp.Proof {
	p.ByMail = true
	return p
}

var (
	satisfied   = mfa.Decision{Outcome: mfa.Satisfied}
	firstStep   = mfa.Decision{Outcome: mfa.FirstStep}
	unreachable = mfa.Decision{Outcome: mfa.Unreachable}
	stuck       = mfa.Decision{Outcome: mfa.Stuck}
	setUp       = mfa.Decision{Outcome: mfa.SetUp, Methods: []idp.Method{idp.MethodTOTP}}
	proveEmail  = mfa.Decision{Outcome: mfa.ProveEmail, Methods: []idp.Method{idp.MethodEmail}}
	choice      = mfa.Decision{Outcome: mfa.Choose, Methods: []idp.Method{idp.MethodTOTP, idp.MethodEmail}}
	appOrCode   = challenge(idp.MethodTOTP, idp.MethodRecovery)
	appAlone    = challenge(idp.MethodTOTP)
	codeAlone   = challenge(idp.MethodRecovery)
	mailAlone   = challenge(idp.MethodEmail)
	anyOfThree  = challenge(idp.MethodTOTP, idp.MethodEmail, idp.MethodRecovery)
	keyOrCode   = challenge(idp.MethodPasskey, idp.MethodRecovery)
	aKey        = challenge(idp.MethodPasskey)
	setUpKey    = mfa.Decision{Outcome: mfa.SetUp, Methods: []idp.Method{idp.MethodPasskey}}
	setUpEither = mfa.Decision{Outcome: mfa.SetUp, Methods: []idp.Method{idp.MethodTOTP, idp.MethodPasskey}}
)

func challenge(methods ...idp.Method) mfa.Decision {
	return mfa.Decision{Outcome: mfa.Challenge, Methods: methods}
}

// asked is one case of who is asked for what.
type asked struct {
	policy   idp.Policy
	override idp.Override
	demand   idp.Demand
	proofs   []idp.Proof
	enrolled mfa.Enrolled
	want     mfa.Decision
}

var (
	pwd     = []idp.Proof{password}
	mailed  = []idp.Proof{byMail(password)}
	pwdApp  = []idp.Proof{password, app}
	pwdCode = []idp.Proof{password, recovery}
	pwdMail = []idp.Proof{password, email}
	fed     = []idp.Proof{entra}
)

var askedByPolicy = map[string]asked{
	"nobody yet":                            {appPolicy, inherit, noDemand, nil, enrolled, firstStep},
	"a second step before the first":        {appPolicy, inherit, noDemand, []idp.Proof{app}, enrolled, firstStep},
	"an email code before the first":        {mailPolicy, inherit, noDemand, []idp.Proof{email}, nothing, firstStep},
	"password without a policy":             {noPolicy, inherit, noDemand, pwd, nothing, satisfied},
	"password without a policy, enrolled":   {noPolicy, inherit, noDemand, pwd, enrolled, satisfied},
	"password":                              {appPolicy, inherit, noDemand, pwd, enrolled, appOrCode},
	"password, no codes left":               {appPolicy, inherit, noDemand, pwd, noCodes, appAlone},
	"password, authenticator disabled":      {appPolicy, inherit, noDemand, pwd, codesOnly, codeAlone},
	"password, everything disabled":         {appPolicy, inherit, noDemand, pwd, locked, stuck},
	"password and authenticator":            {appPolicy, inherit, noDemand, pwdApp, enrolled, satisfied},
	"password and recovery code":            {appPolicy, inherit, noDemand, pwdCode, enrolled, satisfied},
	"email code where the authenticator is": {appPolicy, inherit, noDemand, pwdMail, enrolled, appOrCode},
	"passkey":                               {bothPolicy, inherit, asks(idp.ACRPasskey), []idp.Proof{passkey}, nothing, satisfied},
	"both":                                  {bothPolicy, inherit, noDemand, pwd, enrolled, anyOfThree},
	"both, email code":                      {bothPolicy, inherit, noDemand, pwdMail, enrolled, satisfied},
	"both, no codes left":                   {bothPolicy, inherit, noDemand, pwd, noCodes, challenge(idp.MethodTOTP, idp.MethodEmail)},
	"both, authenticator disabled":          {bothPolicy, inherit, noDemand, pwd, codesOnly, challenge(idp.MethodEmail, idp.MethodRecovery)},
	"both, authenticator and codes useless": {bothPolicy, inherit, noDemand, pwd, locked, mailAlone},
	"both, email disabled":                  {bothPolicy, inherit, noDemand, pwd, noEmail(enrolled), appOrCode},
	"both, everything disabled":             {bothPolicy, inherit, noDemand, pwd, noEmail(locked), stuck},
	"email alone":                           {mailPolicy, inherit, noDemand, pwd, nothing, mailAlone},
	"email alone, enrolled once":            {mailPolicy, inherit, noDemand, pwd, enrolled, mailAlone},
	"email alone, disabled":                 {mailPolicy, inherit, noDemand, pwd, noEmail(nothing), stuck},
	"email alone, disabled, enrolled once":  {mailPolicy, inherit, noDemand, pwd, noEmail(enrolled), appOrCode},
	"email alone, all disabled":             {mailPolicy, inherit, noDemand, pwd, noEmail(locked), stuck},
	"email alone, proved":                   {mailPolicy, inherit, noDemand, pwdMail, nothing, satisfied},
	"mailed link":                           {bothPolicy, inherit, noDemand, mailed, enrolled, appOrCode},
	"mailed link, all but email disabled":   {bothPolicy, inherit, noDemand, mailed, locked, stuck},
	"mailed link, not enrolled":             {bothPolicy, inherit, noDemand, mailed, nothing, choice},
	"mailed link, email alone":              {mailPolicy, inherit, noDemand, mailed, nothing, mailAlone},
	"mailed link, email alone, enrolled":    {mailPolicy, inherit, noDemand, mailed, enrolled, appOrCode},
}

var askedToSetUp = map[string]asked{
	"authenticator":                     {appPolicy, inherit, noDemand, pwd, nothing, setUp},
	"authenticator, email of no use":    {appPolicy, inherit, noDemand, pwd, noEmail(nothing), setUp},
	"authenticator, old password":       {appPolicy, inherit, noDemand, []idp.Proof{old(password)}, nothing, firstStep},
	"authenticator, ten minutes":        {appPolicy, inherit, noDemand, []idp.Proof{at(password, 0)}, nothing, setUp},
	"authenticator, a moment later":     {appPolicy, inherit, noDemand, []idp.Proof{at(password, -time.Microsecond)}, nothing, firstStep},
	"both":                              {bothPolicy, inherit, noDemand, pwd, nothing, choice},
	"both, old password":                {bothPolicy, inherit, noDemand, []idp.Proof{old(password)}, nothing, choice},
	"both, email disabled":              {bothPolicy, inherit, noDemand, pwd, noEmail(nothing), stuck},
	"both, mfa":                         {bothPolicy, inherit, asks(idp.ACRMFA), pwd, nothing, proveEmail},
	"both, mfa, email disabled":         {bothPolicy, inherit, asks(idp.ACRMFA), pwd, noEmail(nothing), stuck},
	"both, mfa, email proved":           {bothPolicy, inherit, asks(idp.ACRMFA), pwdMail, nothing, setUp},
	"both, mfa, proved, then disabled":  {bothPolicy, inherit, asks(idp.ACRMFA), pwdMail, noEmail(nothing), setUp},
	"both, mfa, email proved long ago":  {bothPolicy, inherit, asks(idp.ACRMFA), []idp.Proof{password, old(email)}, nothing, proveEmail},
	"both, mfa, password long ago":      {bothPolicy, inherit, asks(idp.ACRMFA), []idp.Proof{old(password), email}, nothing, firstStep},
	"both, mfa, mailed link":            {bothPolicy, inherit, asks(idp.ACRMFA), mailed, nothing, proveEmail},
	"both, mfa, email before the login": {bothPolicy, inherit, idp.Demand{ACRValues: []idp.ACR{idp.ACRMFA}, MaxAge: idp.NoMaxAge, Since: nine.Add(6 * time.Minute)}, []idp.Proof{email, at(password, 7*time.Minute)}, nothing, proveEmail},
	"email alone":                       {mailPolicy, inherit, asks(idp.ACRMFA), pwd, nothing, unreachable},
	"email alone, override":             {mailPolicy, required, noDemand, pwd, nothing, choice},
	"email alone, override mfa":         {mailPolicy, requiredAt(idp.ACRMFA), noDemand, pwd, nothing, proveEmail},
	"no policy, override":               {noPolicy, required, noDemand, pwd, nothing, setUp},
	"no policy, override mfa":           {noPolicy, requiredAt(idp.ACRMFA), noDemand, pwd, nothing, setUp},
	"no policy, request":                {noPolicy, inherit, asks(idp.ACRTwoStep), pwd, nothing, unreachable},
	"override off":                      {bothPolicy, off, noDemand, pwd, nothing, satisfied},
	"override off, request":             {bothPolicy, off, asks(idp.ACRTwoStep), pwd, nothing, choice},
	"override off, request for mfa":     {appPolicy, off, asks(idp.ACRMFA), pwd, nothing, setUp},
	"a passkey is what was asked":       {bothPolicy, inherit, asks(idp.ACRPasskey), pwd, nothing, unreachable},
}

var askedForPasskeys = map[string]asked{
	"alone":                                      {keyPolicy, inherit, noDemand, []idp.Proof{passkey}, keyed, satisfied},
	"alone, for hardware":                        {keyPolicy, inherit, asks(idp.ACRHardware), []idp.Proof{passkey}, keyed, unreachable},
	"alone, in hardware":                         {keyPolicy, inherit, asks(idp.ACRHardware), []idp.Proof{proved(passkey, "", "hwk")}, hardware, satisfied},
	"the key in hardware was not the one":        {keyPolicy, inherit, asks(idp.ACRHardware), []idp.Proof{passkey}, hardware, inHardware(aKey)},
	"a touch alone":                              {keyPolicy, inherit, noDemand, []idp.Proof{touched}, keyed, firstStep},
	"a touch after a password":                   {keyPolicy, inherit, noDemand, []idp.Proof{password, touched}, keyed, satisfied},
	"password":                                   {keyPolicy, inherit, noDemand, pwd, keyed, keyOrCode},
	"password, any method":                       {allPolicy, inherit, noDemand, pwd, appAndKey, challenge(idp.MethodTOTP, idp.MethodPasskey, idp.MethodEmail, idp.MethodRecovery)},
	"a recovery code sets up another key":        {keyPolicy, inherit, noDemand, pwdCode, keyed, setUpKey},
	"but not an old one":                         {keyPolicy, inherit, noDemand, []idp.Proof{password, old(recovery)}, keyed, keyOrCode},
	"the last one does so too":                   {keyPolicy, inherit, noDemand, pwdCode, keyAlone, setUpKey},
	"password, the key stopped":                  {keyPolicy, inherit, noDemand, pwd, keyLocked, codeAlone},
	"a recovery code, where either will do":      {ownPolicy, inherit, noDemand, pwdCode, keyed, satisfied},
	"password, authenticator or key":             {ownPolicy, inherit, noDemand, pwd, appAndKey, challenge(idp.MethodTOTP, idp.MethodPasskey, idp.MethodRecovery)},
	"password, key of two":                       {ownPolicy, inherit, noDemand, pwd, keyed, keyOrCode},
	"password, nothing yet":                      {keyPolicy, inherit, noDemand, pwd, nothing, setUpKey},
	"password, nothing yet, either":              {ownPolicy, inherit, noDemand, pwd, nothing, setUpEither},
	"password, nothing yet, all three":           {allPolicy, inherit, noDemand, pwd, nothing, mfa.Decision{Outcome: mfa.Choose, Methods: []idp.Method{idp.MethodTOTP, idp.MethodPasskey, idp.MethodEmail}}},
	"all three, phr, nothing yet":                {allPolicy, inherit, asks(idp.ACRPasskey), pwd, nothing, proveEmail},
	"all three, phr, email proved":               {allPolicy, inherit, asks(idp.ACRPasskey), pwdMail, nothing, setUpKey},
	"an authenticator does not do any more":      {keyPolicy, inherit, noDemand, pwd, enrolled, appOrCode},
	"and after it the passkey is set up":         {keyPolicy, inherit, noDemand, pwdApp, enrolled, setUpKey},
	"or after a recovery code":                   {keyPolicy, inherit, noDemand, pwdCode, enrolled, setUpKey},
	"not after an old code":                      {keyPolicy, inherit, noDemand, []idp.Proof{password, old(app)}, enrolled, appOrCode},
	"nor where all of it is stopped":             {keyPolicy, inherit, noDemand, pwd, locked, stuck},
	"nor by the email code":                      {allPolicy, inherit, asks(idp.ACRPasskey), pwdMail, enrolled, appOrCode},
	"requests need the policy's":                 {appPolicy, inherit, asks(idp.ACRPasskey), pwdApp, enrolled, unreachable},
	"or one that the person has":                 {appPolicy, inherit, asks(idp.ACRPasskey), pwd, appAndKey, aKey},
	"required by an app, whatever the policy":    {appPolicy, requiredAt(idp.ACRPasskey), noDemand, pwd, nothing, setUpKey},
	"required by an app, the app's codes are no": {appPolicy, requiredAt(idp.ACRPasskey), noDemand, pwdApp, enrolled, setUpKey},
	"required in hardware":                       {keyPolicy, requiredAt(idp.ACRHardware), noDemand, pwd, keyed, unreachable},
	"required in hardware, nothing yet":          {makerPolicy, requiredAt(idp.ACRHardware), noDemand, pwd, nothing, inHardware(setUpKey)},
	"where no app asks, any key is set up":       {makerPolicy, inherit, noDemand, pwd, nothing, setUpKey},
	"requested in hardware, nothing yet":         {makerPolicy, inherit, asks(idp.ACRHardware), pwd, nothing, inHardware(setUpKey)},
	"the key that one has is used first":         {makerPolicy, requiredAt(idp.ACRHardware), noDemand, pwd, keyed, keyOrCode},
	"and then one in hardware is set up":         {makerPolicy, requiredAt(idp.ACRHardware), noDemand, []idp.Proof{passkey}, keyed, inHardware(setUpKey)},
	"or after a recovery code, in hardware":      {makerPolicy, requiredAt(idp.ACRHardware), noDemand, pwdCode, keyed, inHardware(setUpKey)},
	"a password alone adds none":                 {makerPolicy, requiredAt(idp.ACRHardware), noDemand, []idp.Proof{password, old(passkey)}, keyed, keyOrCode},
	"a lost one in hardware is replaced by one":  {makerPolicy, requiredAt(idp.ACRHardware), noDemand, pwdCode, hardware, inHardware(setUpKey)},
	"the one in hardware is asked for":           {makerPolicy, requiredAt(idp.ACRHardware), noDemand, []idp.Proof{passkey}, hardware, inHardware(keyOrCode)},
	"no passkeys by policy, an app asks":         {idp.Policy{SecurityKeys: "x", SecurityKeyRoots: "y"}, requiredAt(idp.ACRHardware), noDemand, pwd, nothing, inHardware(setUpKey)},
	"after a mailed link":                        {allPolicy, inherit, noDemand, mailed, keyed, keyOrCode},
	"the policy has no passkeys any more":        {bothPolicy, inherit, noDemand, pwd, keyed, challenge(idp.MethodEmail, idp.MethodRecovery)},
	"and no email codes":                         {appPolicy, inherit, noDemand, pwd, keyed, keyOrCode},
}

var askedByClient = map[string]asked{
	"override off":                             {appPolicy, off, noDemand, pwd, nothing, satisfied},
	"override off, the request asks":           {appPolicy, off, asks(idp.ACRMFA), pwd, enrolled, appOrCode},
	"override required, no policy":             {noPolicy, required, noDemand, pwd, enrolled, appOrCode},
	"override required, email code will do":    {noPolicy, required, noDemand, pwdMail, enrolled, satisfied},
	"override mfa, email code will not":        {bothPolicy, requiredAt(idp.ACRMFA), noDemand, pwdMail, enrolled, appOrCode},
	"override phishing-resistant":              {noPolicy, requiredAt(idp.ACRPasskey), noDemand, pwdApp, enrolled, setUpKey},
	"override below the policy's":              {appPolicy, requiredAt(idp.ACRTwoStep), noDemand, pwdMail, enrolled, satisfied},
	"request for two steps, both":              {bothPolicy, inherit, asks(idp.ACRTwoStep), pwd, enrolled, anyOfThree},
	"request for mfa":                          {noPolicy, inherit, asks(idp.ACRMFA), pwd, enrolled, appOrCode},
	"request for two steps, no policy":         {noPolicy, inherit, asks(idp.ACRTwoStep), pwd, enrolled, appOrCode},
	"request for mfa, email alone, enrolled":   {mailPolicy, inherit, asks(idp.ACRMFA), pwd, enrolled, appOrCode},
	"request for mfa, email alone, code given": {mailPolicy, inherit, asks(idp.ACRMFA), pwdMail, enrolled, appOrCode},
	"request for mfa by its alias":             {noPolicy, inherit, asks(idp.ACRRefedsMFA), pwdApp, enrolled, satisfied},
	"request for mfa, no policy, not enrolled": {noPolicy, inherit, asks(idp.ACRMFA), pwd, nothing, unreachable},
	"request for any of two":                   {noPolicy, inherit, asks(idp.ACRPasskey, idp.ACRPassword), pwd, nothing, satisfied},
	"request for less than the policy":         {appPolicy, inherit, asks(idp.ACRPassword), pwd, enrolled, appOrCode},
	"request for a passkey":                    {appPolicy, inherit, asks(idp.ACRPasskey), pwd, enrolled, unreachable},
	"Entra":                                    {appPolicy, inherit, noDemand, fed, nothing, satisfied},
	"Entra, everything disabled":               {bothPolicy, inherit, noDemand, fed, noEmail(locked), satisfied},
	"Entra, override":                          {noPolicy, requiredAt(idp.ACRMFA), noDemand, fed, enrolled, satisfied},
	"Entra, override also federated":           {noPolicy, federatedToo(requiredAt(idp.ACRMFA)), noDemand, fed, enrolled, unreachable},
	"Entra with evidence, also federated":      {noPolicy, federatedToo(requiredAt(idp.ACRMFA)), noDemand, []idp.Proof{proved(entra, idp.ACRMFA)}, nothing, satisfied},
	"Entra, request for mfa":                   {bothPolicy, inherit, asks(idp.ACRMFA), fed, enrolled, unreachable},
	"Entra, request for two steps":             {bothPolicy, inherit, asks(idp.ACRTwoStep), fed, nothing, unreachable},
	"Entra with evidence, request for mfa":     {noPolicy, inherit, asks(idp.ACRMFA), []idp.Proof{proved(entra, idp.ACRRefedsMFA)}, nothing, satisfied},
	"Entra, ticked, but nothing asked":         {appPolicy, federatedToo(inherit), noDemand, fed, nothing, satisfied},
}

// question is asked at ten past nine, after all the proofs.
func (c asked) question() mfa.Question {
	return mfa.Question{
		Policy: c.policy, Override: c.override, Demand: c.demand, Proofs: c.proofs, Enrolled: c.enrolled, Now: nine.Add(10 * time.Minute),
	}
}

// old is a proof of the day before.
func old(p idp.Proof) idp.Proof { return at(p, -24*time.Hour) }

func TestWhoIsAskedForWhat(t *testing.T) {
	for topic, cases := range map[string]map[string]asked{
		"policy": askedByPolicy, "set-up": askedToSetUp, "client": askedByClient, "passkey": askedForPasskeys,
	} {
		for name, c := range cases {
			t.Run(topic+"/"+name, func(t *testing.T) {
				if diff := cmp.Diff(c.want, mfa.Decide(c.question())); diff != "" {
					t.Error(diff)
				}
			})
		}
	}
}

// Somebody who was offered the choice, or was asked for nothing, sets up an app.
func TestSetUpByChoice(t *testing.T) {
	for name, c := range map[string]asked{
		"nobody yet":                 {bothPolicy, inherit, noDemand, nil, nothing, firstStep},
		"password":                   {bothPolicy, inherit, noDemand, pwd, nothing, proveEmail},
		"password by mail":           {bothPolicy, inherit, noDemand, mailed, nothing, proveEmail},
		"password, email disabled":   {bothPolicy, inherit, noDemand, pwd, noEmail(nothing), stuck},
		"password and email code":    {bothPolicy, inherit, noDemand, pwdMail, nothing, setUp},
		"password, old email code":   {bothPolicy, inherit, noDemand, []idp.Proof{password, old(email)}, nothing, proveEmail},
		"email code, old password":   {bothPolicy, inherit, noDemand, []idp.Proof{old(password), email}, nothing, firstStep},
		"email code alone":           {bothPolicy, inherit, noDemand, []idp.Proof{email}, nothing, firstStep},
		"passkey and email code":     {bothPolicy, inherit, noDemand, []idp.Proof{passkey, email}, nothing, setUp},
		"authenticator alone":        {appPolicy, inherit, noDemand, pwd, nothing, setUp},
		"override":                   {noPolicy, required, noDemand, pwd, nothing, setUp},
		"override, email alone":      {mailPolicy, required, noDemand, pwd, nothing, proveEmail},
		"override off":               {bothPolicy, off, noDemand, pwdMail, nothing, setUp},
		"no such method":             {mailPolicy, inherit, noDemand, pwd, nothing, satisfied},
		"no policy":                  {noPolicy, inherit, noDemand, pwd, nothing, satisfied},
		"has one":                    {bothPolicy, inherit, noDemand, pwd, enrolled, satisfied},
		"has one that is disabled":   {bothPolicy, inherit, noDemand, pwdMail, locked, satisfied},
		"too old for the request":    {bothPolicy, inherit, idp.Demand{MaxAge: time.Minute}, pwdMail, nothing, firstStep},
		"email before the new login": {bothPolicy, inherit, idp.Demand{MaxAge: idp.NoMaxAge, Since: nine.Add(6 * time.Minute)}, []idp.Proof{email, at(password, 7*time.Minute)}, nothing, proveEmail},
		"everything after the login": {bothPolicy, inherit, idp.Demand{MaxAge: idp.NoMaxAge, Since: nine}, pwdMail, nothing, setUp},
	} {
		if diff := cmp.Diff(c.want, mfa.SetUpNow(c.question())); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
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
	now := nine.Add(10 * time.Minute)
	for name, q := range map[string]mfa.Question{
		"password":               {Proofs: pwd, Demand: noDemand},
		"password by mail":       {Override: off, Policy: bothPolicy, Proofs: mailed, Demand: noDemand, Enrolled: enrolled},
		"authenticator":          {Policy: appPolicy, Proofs: pwdApp, Demand: noDemand, Enrolled: enrolled},
		"recovery code":          {Policy: appPolicy, Proofs: pwdCode, Demand: noDemand, Enrolled: codesOnly},
		"email code":             {Policy: mailPolicy, Proofs: pwdMail, Demand: noDemand},
		"email code of both":     {Policy: bothPolicy, Proofs: pwdMail, Demand: asks(idp.ACRTwoStep), Enrolled: enrolled},
		"passkey":                {Policy: bothPolicy, Proofs: []idp.Proof{passkey}, Demand: asks(idp.ACRPasskey)},
		"Entra":                  {Policy: bothPolicy, Proofs: fed, Demand: noDemand},
		"Entra with evidence":    {Override: federatedToo(required), Proofs: []idp.Proof{proved(entra, idp.ACRMFA)}, Demand: noDemand},
		"every method":           {Policy: bothPolicy, Proofs: []idp.Proof{password, app, recovery, email, passkey}, Demand: noDemand, Enrolled: enrolled},
		"one of several classes": {Policy: bothPolicy, Proofs: pwdApp, Demand: asks(idp.ACRPasskey, idp.ACRMFA), Enrolled: enrolled},
		"override":               {Policy: appPolicy, Override: requiredAt(idp.ACRMFA), Proofs: pwdCode, Demand: noDemand},
		"max_age":                {Policy: appPolicy, Proofs: pwdApp, Demand: idp.Demand{MaxAge: time.Hour}, Enrolled: enrolled},
		"prompt=login":           {Policy: appPolicy, Proofs: pwdApp, Demand: idp.Demand{MaxAge: idp.NoMaxAge, Since: nine}, Enrolled: enrolled},
	} {
		q.Now = now
		if mfa.Decide(q).Outcome != mfa.Satisfied {
			t.Errorf("%s is not satisfied", name)
		}
		if n := testing.AllocsPerRun(100, func() { mfa.Decide(q) }); n > 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func TestEnrolledOf(t *testing.T) {
	works, disabled := idp.Factor{ID: "works", Method: idp.MethodTOTP}, idp.Factor{ID: "disabled", Method: idp.MethodTOTP, DisabledAt: nine}
	codes, lockedCodes := &idp.RecoverySet{ID: "codes"}, &idp.RecoverySet{ID: "codes", DisabledAt: nine}
	mail, lockedMail := idp.Factor{ID: "mail", Method: idp.MethodEmail}, idp.Factor{ID: "mail", Method: idp.MethodEmail, DisabledAt: nine}
	has := func(r *idp.RecoverySet, left int, factors ...idp.Factor) idp.Enrolment {
		return idp.Enrolment{Factors: factors, Recovery: r, RecoveryLeft: left}
	}
	all := has(lockedCodes, 1, disabled, lockedMail)
	for name, c := range map[string]struct {
		enrolment idp.Enrolment
		opened    string
		want      mfa.Enrolled
	}{
		"nothing":                  {has(nil, 0), "", nothing},
		"a mailbox":                {has(nil, 0, mail), "", nothing},
		"email disabled":           {has(nil, 0, lockedMail), "", noEmail(nothing)},
		"everything":               {has(codes, 10, works, mail), "", enrolled},
		"a disabled one counts":    {has(nil, 0, disabled), "", locked},
		"one of two works":         {has(nil, 0, disabled, works), "", noCodes},
		"codes used up":            {has(codes, 0, works), "", noCodes},
		"codes disabled":           {has(lockedCodes, 3, works), "", noCodes},
		"codes, app disabled":      {has(codes, 1, disabled), "", codesOnly},
		"all disabled: only help":  {all, "", noEmail(locked)},
		"but the app is open here": {all, "disabled", noEmail(noCodes)},
		"but the codes are":        {all, "codes", noEmail(codesOnly)},
		"but the email code is":    {all, "mail", locked},
		"open, but used up":        {has(lockedCodes, 0, works), "codes", noCodes},
	} {
		opened := func(id string) bool { return id == c.opened }
		if got := mfa.EnrolledOf(noPolicy, c.enrolment, opened); usable(got) != usable(c.want) {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
		if c.opened == "" && usable(mfa.EnrolledOf(noPolicy, c.enrolment, nil)) != usable(c.want) {
			t.Errorf("%s: another answer where no browser is known", name)
		}
	}
}

// usable is all that decisions know of factors.
func usable(e mfa.Enrolled) string {
	return fmt.Sprint(e.Possesses(), e.Works(idp.MethodTOTP), e.Works(idp.MethodRecovery), e.Works(idp.MethodEmail))
}

// A key counts as one in hardware by the models that are trusted now.
func TestWhatIsInHardwareIsJudgedAtUse(t *testing.T) {
	model := []byte{0xee, 0x88, 0x28, 0x79, 0x72, 0x1c, 0x49, 0x13, 0x97, 0x75, 0x3d, 0xfc, 0xce, 0x97, 0x07, 0x2a}
	vouched := idp.Passkey{AAGUID: model, Attested: true}
	weak := makerPolicy
	weak.SecurityKeys = "cb69481e-8ff7-4039-93ec-0a2729a154a8"
	rootless := makerPolicy
	rootless.SecurityKeyRoots = ""
	for name, c := range map[string]struct {
		policy idp.Policy
		change func(*idp.Passkey)
		want   idp.ACR
	}{
		"vouched for":                {makerPolicy, func(*idp.Passkey) {}, idp.ACRHardware},
		"of a model taken off":       {weak, func(*idp.Passkey) {}, idp.ACRPasskey},
		"where nobody is trusted":    {keyPolicy, func(*idp.Passkey) {}, idp.ACRPasskey},
		"where no maker is":          {rootless, func(*idp.Passkey) {}, idp.ACRPasskey},
		"nobody vouched":             {makerPolicy, func(k *idp.Passkey) { k.Attested = false }, idp.ACRPasskey},
		"that may be copied":         {makerPolicy, func(k *idp.Passkey) { k.Synced = true }, idp.ACRPasskey},
		"of a model that it hides":   {makerPolicy, func(k *idp.Passkey) { k.AAGUID = make([]byte, 16) }, idp.ACRPasskey},
		"of no model":                {makerPolicy, func(k *idp.Passkey) { k.AAGUID = nil }, idp.ACRPasskey},
		"of another model, same end": {makerPolicy, func(k *idp.Passkey) { k.AAGUID = append([]byte{0}, model[1:]...) }, idp.ACRPasskey},
	} {
		key := vouched
		c.change(&key)
		e := mfa.EnrolledOf(c.policy, idp.Enrolment{Factors: []idp.Factor{{Method: idp.MethodPasskey, Passkey: &key}}}, nil)
		if got := mfa.Strongest(c.policy, e); got != c.want {
			t.Errorf("%s: the strongest is %s", name, got)
		}
		proof := key.Proof(c.policy, true, 0)
		proof.First = true
		if got := mfa.Achieved([]idp.Proof{proof}); got != c.want {
			t.Errorf("%s: a use proves %s", name, got)
		}
	}
}
