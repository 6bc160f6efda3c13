package mfa_test

import (
	"errors"
	"regexp"
	"testing"

	"gatehouse/mfa"
)

func TestUserCodesAreReadAsPeopleTypeThem(t *testing.T) {
	t.Parallel()
	for typed, want := range map[string]string{
		"BCDF-GHJK":            "BCDF-GHJK",
		"bcdfghjk":             "BCDF-GHJK",
		" bcdf ghjk ":          "BCDF-GHJK",
		"b-c-d-f-g-h-j-k":      "BCDF-GHJK",
		"BCDF\u2011GHJK":       "BCDF-GHJK", // non-breaking hyphen
		"BCDF\u2014GHJK\n":     "BCDF-GHJK",
		"\u200bBCDF\u00a0GHJK": "BCDF-GHJK",
		"ＢＣＤＦ－ＧＨＪＫ":            "BCDF-GHJK",
		"B\u0301CDFGHJK":       "BCDF-GHJK",
		"“BCDF.GHJK”":          "BCDF-GHJK",
		"BCDF.GHJK":            "BCDF-GHJK",
		"BCDF-GHJ":             "",
		"BCDF-GHJKL":           "",
		"ACDF-GHJK":            "", // no vowel is in a code
		"1BCDF-GHJK":           "",
		"BCDF-GHJ\u212a":       "", // the sign for kelvin is no K
		"BCDF-GHJK\x00":        "",
		"BCDF-GHJK\xff":        "",
		"":                     "",
	} {
		got, err := mfa.NormalizeUserCode(typed)
		if got != want || (want == "") != errors.Is(err, mfa.ErrCodeFormat) {
			t.Errorf("%q is read as %q, %v, want %q", typed, got, err, want)
		}
	}
}

func TestNewUserCodesAreInTheirOneForm(t *testing.T) {
	t.Parallel()
	form, letters := regexp.MustCompile(`^[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}$`), map[rune]bool{}
	for range 1000 {
		code := mfa.NewUserCode()
		if read, err := mfa.NormalizeUserCode(code); err != nil || read != code || !form.MatchString(code) {
			t.Fatalf("%q is read as %q, %v", code, read, err)
		}
		for _, r := range code {
			letters[r] = true
		}
	}
	if len(letters) != 21 {
		t.Errorf("%d different signs in a thousand codes, want 20 letters and the dash", len(letters))
	}
}
