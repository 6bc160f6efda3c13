package password

import (
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"pgregory.net/rapid"

	"gatehouse/idp"
)

func TestJudge(t *testing.T) {
	personal := []string{"Maya Lindqvist", "maya.lindqvist@rtx-solutions.example", "RTX Solutions", "Gatehouse", "Bo"}
	plain := Rules{PasswordRules: idp.PasswordRules{MinLength: 8}, Personal: personal}
	legacy := Rules{PasswordRules: idp.PasswordRules{MinLength: 10, Upper: true, Lower: true, Digit: true, Special: true}, Personal: personal}
	short, common, mostlyName := []Reason{{TooShort, 8}}, []Reason{{Kind: Common}}, []Reason{{Kind: Personal}}
	for _, c := range []struct {
		password string
		rules    Rules
		want     []Reason
	}{
		{"correct horse battery", plain, nil},
		{"        x        y", plain, nil}, // spaces are characters
		{"seven77", plain, short},
		{"", plain, short},
		{"пароль-у", plain, nil}, // 8 characters of 15 bytes
		{"e\u0301e\u0301e\u0301e\u0301", plain, []Reason{{TooShort, 8}, {Kind: Common}}}, // 4 characters as people count
		{strings.Repeat("kq4!", MaxBytes/4) + "x", plain, []Reason{{TooLong, MaxBytes}}},
		{strings.Repeat("kq4!z", MaxBytes/5), plain, nil},
		{"password", plain, common},
		{"PassWord", plain, common},
		{"passwordpassword", plain, common},
		{"qwertyuiop", plain, common},
		{"aaaaaaaaaaaaaaaaaaaa", plain, common},
		{"12abz12abz12abz", plain, nil},
		{"ab1-ab1-ab1-ab1-", plain, common},
		{"mayalindqvist", plain, mostlyName},
		{"Maya.Lindqvist!", plain, mostlyName},
		{"MAYA-lindqvist-1", plain, mostlyName},
		{"gatehouse2026", plain, mostlyName},
		{"rtx rtx solutions 1", plain, mostlyName},
		{"maya likes green tea", plain, nil},
		{"bobobobox9kq", plain, nil}, // "Bo" is too short to count
		{"!!!!????____----", plain, nil},

		{"", Rules{}, nil},
		{"Xk2 plum tart", legacy, nil},
		{"Élan 7 vital", legacy, nil},
		{"plum tart 42", legacy, []Reason{{Kind: NoUpper}}},
		{"PLUM TART 42", legacy, []Reason{{Kind: NoLower}}},
		{"Plum tart two", legacy, []Reason{{Kind: NoDigit}}},
		{"PlumTart42two", legacy, []Reason{{Kind: NoSpecial}}},
		{"密码密码密码漢字一二三", legacy, []Reason{{Kind: NoUpper}, {Kind: NoLower}, {Kind: NoDigit}, {Kind: NoSpecial}}},
		{"password", legacy, []Reason{{TooShort, 10}, {Kind: NoUpper}, {Kind: NoDigit}, {Kind: NoSpecial}, {Kind: Common}}},
	} {
		if got := Judge(c.password, c.rules); !slices.Equal(got, c.want) {
			t.Errorf("%.40q: got %v, want %v", c.password, got, c.want)
		}
	}
}

func TestReasonsAreSaid(t *testing.T) {
	seen := map[string]bool{}
	for _, kind := range []Kind{TooLong, TooShort, NoUpper, NoLower, NoDigit, NoSpecial, Common, Personal, Reused, Same, Expired} {
		text := Reason{kind, 12}.String()
		if text == string(kind) || seen[text] {
			t.Errorf("%s says %q", kind, text)
		}
		seen[text] = true
	}
}

// Every set of rules within the limits can be met: a password of each kind of
// character, of the least length, meets it.
func TestRulesWithinTheLimitsCanBeMet(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rules := drawRules(t, "rules")
		const pattern = "Zq7! vK2? mW9; "
		text := strings.Repeat(pattern, 10)[:rules.MinLength]
		if rules.MinLength > 3*len(pattern) { // or else it repeats itself
			text = text[:rules.MinLength-4] + "pL4#"
		}
		if got := Judge(text, Rules{PasswordRules: rules}); len(got) > 0 {
			t.Fatalf("%q: %v", text, got)
		}
	})
}

func drawRules(t *rapid.T, name string) idp.PasswordRules {
	flag := func(part string) bool { return rapid.Bool().Draw(t, name+" "+part) }
	return idp.PasswordRules{
		MinLength: rapid.IntRange(LeastMinLength, MostMinLength).Draw(t, name+" length"),
		Upper:     flag("upper"), Lower: flag("lower"), Digit: flag("digit"), Special: flag("special"),
		ExpiryDays: rapid.IntRange(0, 100).Draw(t, name+" days"), NoReuse: rapid.IntRange(0, MostNoReuse).Draw(t, name+" reuse"),
	}
}

// Who met either set of rules meets the laxer of both, and keeps a password at least
// as long.
func TestLaxerAsksNobodyWhoMetEither(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := drawRules(t, "a"), drawRules(t, "b")
		password := rapid.StringMatching(`[a-cA-C1-3 !]{6,70}`).Draw(t, "password")
		lax := Laxer(a, b)
		if (len(Judge(password, Rules{PasswordRules: a})) == 0 || len(Judge(password, Rules{PasswordRules: b})) == 0) &&
			len(Judge(password, Rules{PasswordRules: lax})) > 0 {
			t.Fatalf("%q meets %+v or %+v, and not %+v", password, a, b, lax)
		}
		set := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		for _, r := range []idp.PasswordRules{a, b} {
			if end := Expires(lax, set); !end.IsZero() && (Expires(r, set).IsZero() || end.Before(Expires(r, set))) {
				t.Fatalf("%+v expires before %+v", lax, r)
			}
		}
		if nothing := (idp.PasswordRules{}); Laxer(a, nothing) != nothing || Laxer(nothing, b) != nothing {
			t.Fatal("no rules at all are not the laxest")
		}
	})
}

func TestExpires(t *testing.T) {
	set := time.Date(2026, 2, 1, 12, 0, 0, 0, time.UTC)
	if at := Expires(idp.PasswordRules{ExpiryDays: 90}, set); !at.Equal(time.Date(2026, 5, 2, 12, 0, 0, 0, time.UTC)) {
		t.Errorf("expires %v", at)
	}
	for _, at := range []time.Time{Expires(idp.PasswordRules{}, set), Expires(idp.PasswordRules{ExpiryDays: 90}, time.Time{})} {
		if !at.IsZero() {
			t.Errorf("expires %v", at)
		}
	}
}

func TestRepeated(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		unit := rapid.StringMatching(`[ab]{1,6}`).Draw(t, "unit")
		n := rapid.IntRange(1, 5).Draw(t, "n")
		whole := strings.Repeat(unit, n)
		found := repeated(whole)
		if len(found) > len(unit) || strings.Repeat(found, len(whole)/len(found)) != whole {
			t.Fatalf("%s: found %q", whole, found)
		}
	})
}

func TestCoverMarksEveryOccurrence(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`[ab]{0,30}`).Draw(t, "text")
		word := rapid.StringMatching(`[ab]{1,5}`).Draw(t, "word")
		want := make([]bool, len(text))
		for i := range text {
			if strings.HasPrefix(text[i:], word) {
				copy(want[i:], slices.Repeat([]bool{true}, len(word)))
			}
		}
		got := make([]bool, len(text))
		cover(got, text, word)
		if !slices.Equal(got, want) {
			t.Fatalf("got %v, want %v", got, want)
		}
	})
}

func FuzzJudge(f *testing.F) {
	f.Add("correct horse", "Maya Lindqvist")
	f.Add("\xff\xfe", "\xff")
	f.Add("ǅǅǅǅǅǅǅǅ", "ǆ")
	f.Fuzz(func(t *testing.T, password, name string) {
		rules := Rules{PasswordRules: idp.PasswordRules{MinLength: 8, Digit: true}, Personal: []string{name}}
		accepted := len(Judge(password, rules)) == 0
		if accepted && (utf8.RuneCountInString(password) < 8 || len(password) > MaxBytes || !strings.ContainsFunc(password, unicode.IsDigit)) {
			t.Errorf("%q accepted", password)
		}
	})
}
