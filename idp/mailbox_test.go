package idp_test

import (
	"testing"

	"gatehouse/idp"
)

func TestSameMailbox(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{"maya@rtx.example", "maya@rtx.example", true},
		{"Maya@RTX.example", " maya@rtx.EXAMPLE ", true},
		{"maya@straße.example", "maya@xn--strae-oqa.example", true},
		{"m\u0075\u0308ller@rtx.example", "m\u00fcller@rtx.example", true}, // decomposed

		{"maya@straße.example", "maya@strasse.example", false},
		{"maya@xn--strae-oqa.example", "maya@strasse.example", false},
		{"ma\u00dfa@rtx.example", "massa@rtx.example", false},
		{"\uff4daya@rtx.example", "maya@rtx.example", false}, // full width
		{"al\u0130ce@rtx.example", "alice@rtx.example", false},
		{"maya@rtx.example", "maya@rtx.example.evil.example", false},
		{"maya", "maya", false},
		{"", "", false},
	} {
		if got := idp.SameMailbox(c.a, c.b); got != c.want {
			t.Errorf("%q and %q: %t", c.a, c.b, got)
		}
		if got := idp.SameMailbox(c.b, c.a); got != c.want {
			t.Errorf("%q and %q: %t", c.b, c.a, got)
		}
	}
}
