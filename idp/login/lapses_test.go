package login_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse/idp"
	"gatehouse/idp/login"
)

// A transaction may run again, and its first run must leave nothing behind.
func TestAStepWritesToItsOwnCopy(t *testing.T) {
	t.Parallel()
	if before, after := login.WriteToACopy(); before != after {
		t.Errorf("it was %s and is %s", before, after)
	}
}

// What happened since proofs were given decides which of them count, and Next reads it.
func TestWhatTakesProofsAway(t *testing.T) {
	t.Parallel()
	began := moment.Add(-2 * time.Minute)
	at := func(m idp.Method, when time.Time) idp.Proof { return idp.Proof{Method: m, At: when} }
	oldPassword, oldCode := at(idp.MethodPassword, began.Add(-time.Hour)), at(idp.MethodTOTP, began.Add(-time.Hour))
	password, code := at(idp.MethodPassword, began), at(idp.MethodTOTP, began)
	federated := idp.Proof{Method: idp.MethodFederated, At: began, Via: "entra"}
	askCode := login.NeedCode{Methods: []idp.Method{idp.MethodTOTP}}
	for name, c := range map[string]struct {
		lapses login.Lapses
		proofs []idp.Proof
		want   login.State
	}{
		"nothing":                             {login.Lapses{}, []idp.Proof{oldPassword, oldCode}, login.Done{}},
		"disabled":                            {login.Lapses{Disabled: true}, []idp.Proof{password, code}, login.NeedPassword{}},
		"signed out":                          {login.Lapses{SignedOut: true}, []idp.Proof{password, code}, login.NeedPassword{}},
		"the session is lost":                 {login.Lapses{SessionLost: true}, []idp.Proof{oldPassword, code}, login.NeedPassword{}},
		"it is lost, and all was typed here":  {login.Lapses{SessionLost: true}, []idp.Proof{password, code}, login.Done{}},
		"older policies":                      {login.Lapses{SessionOlder: true}, []idp.Proof{oldPassword, oldCode}, login.Done{}},
		"older policies, a step-up":           {login.Lapses{SessionOlder: true}, []idp.Proof{oldPassword, code}, login.Done{}},
		"older policies, the password again":  {login.Lapses{SessionOlder: true}, []idp.Proof{oldCode, password}, askCode},
		"older policies, and all typed again": {login.Lapses{SessionOlder: true}, []idp.Proof{password, code}, login.Done{}},
		"other rules":                         {login.Lapses{OtherRules: true}, []idp.Proof{password, code}, login.NeedPassword{}},
		"other rules, a session's password":   {login.Lapses{OtherRules: true}, []idp.Proof{oldPassword, code}, login.Done{}},
		"a way that was closed":               {login.Lapses{}, []idp.Proof{federated}, login.NeedPassword{}},
	} {
		f := facts(strict, onlyApp, nil, c.proofs)
		f.Lapses, f.Began = c.lapses, began
		if diff := cmp.Diff(c.want, login.Next(f)); diff != "" {
			t.Errorf("%s: want (-), got (+): %s", name, diff)
		}
	}
}
