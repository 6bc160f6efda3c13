package mfa_test

import (
	"bytes"
	"errors"
	"regexp"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"gatehouse/mfa"
)

var codeForm = regexp.MustCompile(`^([0-9A-HJKMNP-TV-Z]{4}-){3}[0-9A-HJKMNP-TV-Z]{4}$`)

func TestRecoveryCodesAreDistinctAndNormal(t *testing.T) {
	seen := map[string]bool{}
	for range 100 {
		codes := mfa.NewRecoveryCodes()
		if len(codes) != 10 {
			t.Fatalf("%d codes", len(codes))
		}
		for _, code := range codes {
			normal, err := mfa.NormalizeRecoveryCode(code)
			if err != nil || normal != code || !codeForm.MatchString(code) || seen[code] {
				t.Fatalf("%s: normal form %s, %v, seen %v", code, normal, err, seen[code])
			}
			seen[code] = true
		}
	}
}

func TestNormalizeRecoveryCode(t *testing.T) {
	for typed, want := range map[string]string{
		"0123-4567-89AB-CDEF":             "0123-4567-89AB-CDEF",
		"0123456789abcdef":                "0123-4567-89AB-CDEF",
		" 0123 4567\t89ab–cdef\r\n":       "0123-4567-89AB-CDEF",
		"oOiI lLxx xxxx xxxx":             "0011-11XX-XXXX-XXXX",
		"":                                "",
		"0123-4567-89AB-CDE":              "",
		"0123-4567-89AB-CDEF0":            "",
		"0123-4567-89AB-CDEU":             "",
		"0123-4567-89AB-CDE\u212a":        "", // the Kelvin sign folds to k
		"0123-4567-89AB-CDE\x00":          "",
		"0123456789ABCDEF\xff":            "",
		strings.Repeat("-", 200) + "0123": "",
		" 10.  0123-4567-89AB-CDEF\n":     "0123-4567-89AB-CDEF", // a line of our own file
		"1. 0123-4567-89AB-CDEF":          "0123-4567-89AB-CDEF",
		"7) 0123–4567–89AB–CDEF":          "0123-4567-89AB-CDEF",
		"• “0123-4567-89AB-CDEF”.":        "0123-4567-89AB-CDEF",
		"０１２３ー４５６７":                       "",
		"０１２３－４５６７－８９ａｂ－ＣＤＥＦ":                      "0123-4567-89AB-CDEF",
		"\u202a0123-4567\u200b-89AB-CDEF\u202c":    "0123-4567-89AB-CDEF",
		"٠١٢٣-٤٥٦٧-89AB-CDEF":                      "0123-4567-89AB-CDEF",
		"100. 0123-4567-89AB-CDEF":                 "",
		"0123-4567-89AB-CDEF\n0123-4567-89AB-CDE0": "",
	} {
		got, err := mfa.NormalizeRecoveryCode(typed)
		if got != want || (want == "") != errors.Is(err, mfa.ErrCodeFormat) {
			t.Errorf("%q: got %q, %v", typed, got, err)
		}
	}
}

func FuzzNormalizeRecoveryCode(f *testing.F) {
	f.Add("0123-4567-89AB-CDEF")
	f.Add("oOiI lLxx xxxx xxxx")
	f.Add("\xff\u212a")
	f.Fuzz(func(t *testing.T, input string) {
		code, err := mfa.NormalizeRecoveryCode(input)
		if err != nil {
			if !errors.Is(err, mfa.ErrCodeFormat) || code != "" {
				t.Errorf("%q: %q, %v", input, code, err)
			}
			return
		}
		again, err := mfa.NormalizeRecoveryCode(code)
		if err != nil || again != code || !codeForm.MatchString(code) {
			t.Errorf("%q: %q, then %q, %v", input, code, again, err)
		}
	})
}

func TestRecoveryMACDependsOnEverything(t *testing.T) {
	mac := mfa.RecoveryMAC([]byte("key"), "user", "code")
	if len(mac) != 32 || !bytes.Equal(mac, mfa.RecoveryMAC([]byte("key"), "user", "code")) {
		t.Fatal("not a stable MAC of 32 bytes")
	}
	for _, other := range [][]byte{
		mfa.RecoveryMAC([]byte("yek"), "user", "code"),
		mfa.RecoveryMAC([]byte("key"), "users", "code"),
		mfa.RecoveryMAC([]byte("key"), "user", "codes"),
		mfa.RecoveryMAC([]byte("key"), "userc", "ode"),
	} {
		if bytes.Equal(mac, other) {
			t.Error("another input has the same MAC")
		}
	}
}

func TestMayRegenerate(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		generated := time.Unix(rapid.Int64Range(0, 4_000_000_000).Draw(t, "generated"), 0)
		after := time.Duration(rapid.Int64Range(-int64(time.Hour), int64(4*time.Hour)).Draw(t, "after"))
		ok, at := mfa.CanRegenerate(generated, generated.Add(after))
		if ok != (after >= 2*time.Hour) || !at.Equal(generated.Add(2*time.Hour)) {
			t.Fatalf("ok %v, at %v", ok, at)
		}
	})
	if ok, _ := mfa.CanRegenerate(time.Time{}, time.Unix(0, 0)); !ok {
		t.Error("a user without a set may not make one")
	}
}

func TestRecoveryText(t *testing.T) {
	write := func(label, account, codes string) string { return label + "|" + account + "|\n" + codes }
	got := mfa.RecoveryText(write, "RTX\n 11.  AAAA", "maya@rtx.example", []string{"0123-4567-89AB-CDEF", "ZZZZ-ZZZZ-ZZZZ-ZZZZ"})
	want := `RTX 11. AAAA|maya@rtx.example|
  1.  0123-4567-89AB-CDEF
  2.  ZZZZ-ZZZZ-ZZZZ-ZZZZ
`
	if got != want {
		t.Errorf("got:\n%s", got)
	}
}
