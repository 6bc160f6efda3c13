package login_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gatehouse/idp/idptest"
	"gatehouse/idp/login"
	"gatehouse/mfa"
)

// What a second step proves stands in one table, and how it is asked for in another.
func TestBothTablesKnowTheSameSecondSteps(t *testing.T) {
	t.Parallel()
	methods, setUp := login.SecondSteps()
	if diff := cmp.Diff(mfa.SecondSteps(), methods); diff != "" {
		t.Error(diff)
	}
	for _, id := range methods {
		m := mfa.Of(id)
		own := m.Kind == mfa.Possession
		if setUp[id] != own || !own && m.NewSecret != nil || (m.NewSecret == nil) != (m.Match == nil) {
			t.Errorf("%s: a possession is set up, and what has a secret is matched", id)
		}
	}
}

// Texts about a method are found by its id.
func TestEachSecondStepHasItsTexts(t *testing.T) {
	t.Parallel()
	texts := map[string]any{}
	files, err := filepath.Glob("../../ui/messages/en/*.json")
	idptest.Must(t, err)
	for _, file := range files {
		data, err := os.ReadFile(file)
		idptest.Must(t, err)
		idptest.Must(t, json.Unmarshal(data, &texts))
	}
	sections := map[mfa.Kind][]string{
		mfa.Possession: {"method.use.", "console.apply.turn_on.", "console.apply.turn_off.", "console.person.factor.", "method.set_up.", "method.hint.", "error.factor_disabled."},
		mfa.Mailbox:    {"method.use.", "console.apply.turn_on.", "console.apply.turn_off.", "console.person.factor.", "method.instead.", "method.choose.", "method.hint."},
		mfa.StandIn:    {"method.use."},
	}
	for _, id := range mfa.SecondSteps() {
		for _, section := range sections[mfa.Of(id).Kind] {
			if key := section + string(id); texts[key] == nil {
				t.Errorf("%s is missing", key)
			}
		}
	}
}
