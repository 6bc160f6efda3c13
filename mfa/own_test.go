package mfa_test

import (
	"testing"
	"time"

	"gatehouse/idp"
	"gatehouse/mfa"
)

func TestMayDoWithout(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	blocked := noEmail(nothing)
	for name, c := range map[string]struct {
		policy idp.Policy
		left   mfa.Enrolled
		want   bool
	}{
		"no policy, none left":                     {noPolicy, nothing, true},
		"app, none left":                           {appPolicy, nothing, false},
		"app, another left":                        {appPolicy, noCodes, true},
		"app, a disabled one left, with codes":     {appPolicy, codesOnly, true},
		"app, a disabled one left, without codes":  {appPolicy, locked, false},
		"email, none left":                         {mailPolicy, nothing, true},
		"email that is turned off, none left":      {mailPolicy, blocked, false},
		"both, none left":                          {bothPolicy, nothing, true},
		"both, none left and email is turned off":  {bothPolicy, blocked, false},
		"both, a disabled one left, without codes": {bothPolicy, locked, true},
	} {
		if got := mfa.CanDoWithout(c.policy, idp.Override{}, false, c.left, now); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
		required, off := idp.Override{Mode: idp.OverrideRequired}, idp.Override{Mode: idp.OverrideOff}
		if got := mfa.CanDoWithout(c.policy, required, false, c.left, now); got != (c.want && c.policy.SecondStep()) {
			t.Errorf("%s, at an app that asks for a second step: %t", name, got)
		}
		if !mfa.CanDoWithout(c.policy, off, false, c.left, now) {
			t.Errorf("%s, at an app that asks for none: they may not", name)
		}
	}
}

func TestProveAgain(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	proved := func(m idp.Method, ago time.Duration) idp.Proof { return idp.Proof{Method: m, At: now.Add(-ago)} }
	const within, long = 10 * time.Minute, 10*time.Minute + time.Second
	password, old := proved(idp.MethodPassword, time.Minute), proved(idp.MethodPassword, long)
	for name, c := range map[string]struct {
		policy idp.Policy
		has    mfa.Enrolled
		proofs []idp.Proof
		acr    idp.ACR
		want   bool
	}{
		"no second step anywhere":              {noPolicy, nothing, []idp.Proof{password}, "", true},
		"no second step, an old password":      {noPolicy, nothing, []idp.Proof{old}, "", false},
		"no policy, but an authenticator":      {noPolicy, enrolled, []idp.Proof{password}, idp.ACRMFA, false},
		"no policy, the authenticator":         {noPolicy, enrolled, []idp.Proof{old, proved(idp.MethodTOTP, within)}, idp.ACRMFA, true},
		"app by policy, password alone":        {appPolicy, nothing, []idp.Proof{password}, idp.ACRTwoStep, false},
		"app, a code":                          {appPolicy, enrolled, []idp.Proof{old, proved(idp.MethodTOTP, 0)}, idp.ACRMFA, true},
		"app, an old code":                     {appPolicy, enrolled, []idp.Proof{password, proved(idp.MethodTOTP, long)}, idp.ACRMFA, false},
		"email, a code":                        {mailPolicy, nothing, []idp.Proof{old, proved(idp.MethodEmail, within)}, idp.ACRTwoStep, true},
		"a recovery code":                      {appPolicy, enrolled, []idp.Proof{old, proved(idp.MethodRecovery, 0)}, idp.ACRMFA, true},
		"an authenticator, an email code":      {bothPolicy, enrolled, []idp.Proof{password, proved(idp.MethodEmail, 0)}, idp.ACRMFA, false},
		"email by policy, an email code":       {mailPolicy, enrolled, []idp.Proof{password, proved(idp.MethodEmail, 0)}, idp.ACRMFA, false},
		"an old code, a new email code":        {bothPolicy, enrolled, []idp.Proof{password, proved(idp.MethodTOTP, long), proved(idp.MethodEmail, 0)}, idp.ACRMFA, false},
		"recovery codes work alone, an email":  {bothPolicy, codesOnly, []idp.Proof{password, proved(idp.MethodEmail, 0)}, idp.ACRMFA, false},
		"recovery codes work alone, one":       {bothPolicy, codesOnly, []idp.Proof{password, proved(idp.MethodRecovery, 0)}, idp.ACRMFA, true},
		"all is stopped but email codes":       {bothPolicy, locked, []idp.Proof{password, proved(idp.MethodEmail, 0)}, idp.ACRMFA, false},
		"an authenticator for no need":         {mailPolicy, nothing, []idp.Proof{password, proved(idp.MethodTOTP, 0)}, idp.ACRTwoStep, true},
		"through an upstream":                  {appPolicy, nothing, []idp.Proof{proved(idp.MethodFederated, within)}, "", true},
		"through an upstream, long ago":        {appPolicy, enrolled, []idp.Proof{proved(idp.MethodFederated, long)}, "", false},
		"through an upstream, no second steps": {noPolicy, nothing, []idp.Proof{proved(idp.MethodFederated, long)}, "", false},
		"nothing":                              {noPolicy, nothing, nil, "", false},
	} {
		if acr, got := mfa.ProveAgain(c.policy, c.has, c.proofs, now, within); acr != c.acr || got != c.want {
			t.Errorf("%s: %q, %t", name, acr, got)
		}
	}
}
