package mfa_test

import (
	"slices"
	"testing"

	"gatehouse/idp"
	"gatehouse/mfa"
)

func TestWhatAMethodProves(t *testing.T) {
	for m, want := range map[idp.Method]struct{ first, strong, standsIn, second bool }{
		idp.MethodPassword:  {first: true},
		idp.MethodFederated: {first: true},
		idp.MethodPasskey:   {strong: true, second: true},
		idp.MethodTOTP:      {strong: true, second: true},
		idp.MethodRecovery:  {strong: true, standsIn: true, second: true},
		idp.MethodEmail:     {second: true},
		"unheard of":        {},
	} {
		if mfa.HasFirstStep([]idp.Proof{{Method: m}}) != want.first || mfa.IsStrong(m) != want.strong ||
			mfa.StandsIn(m) != want.standsIn || slices.Contains(mfa.SecondSteps(), m) != want.second {
			t.Errorf("%s is %+v", m, mfa.Of(m))
		}
	}
}

// A proof by a method that the table does not have proves nothing.
func TestAnUnknownMethodProvesNothing(t *testing.T) {
	other := idp.Proof{Method: "unheard of", At: nine, AMR: []string{"hwk"}, Evidence: idp.ACRMFA}
	if acr, amr := mfa.Achieved([]idp.Proof{other}), mfa.AMR([]idp.Proof{other}); acr != "" || len(amr) > 0 {
		t.Errorf("alone it is %q, %v", acr, amr)
	}
	if acr, amr := mfa.Achieved([]idp.Proof{password, other}), mfa.AMR([]idp.Proof{password, other}); acr != idp.ACRPassword || len(amr) != 1 {
		t.Errorf("beside a password it is %q, %v", acr, amr)
	}
}

func TestFactorsAreInTheOrderOfTheirMethods(t *testing.T) {
	list := []idp.Factor{
		{ID: "a", Method: "unheard of"}, {ID: "b", Method: idp.MethodEmail}, {ID: "d", Method: idp.MethodTOTP}, {ID: "c", Method: idp.MethodTOTP},
	}
	mfa.Sort(list)
	ids := ""
	for _, f := range list {
		ids += f.ID
	}
	if ids != "dcba" {
		t.Errorf("sorted %s", ids)
	}
	if owned := mfa.Possessions(list); len(owned) != 2 || owned[0].ID != "d" || owned[1].ID != "c" {
		t.Errorf("possessions %+v", owned)
	}
}
