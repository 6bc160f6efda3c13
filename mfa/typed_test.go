package mfa_test

import (
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"
	"unicode"

	"gatehouse/mfa"
)

// The table is the script's, too: ui holds it to it.
func TestCodesAsPeopleTypeAndPasteThem(t *testing.T) {
	raw, err := os.ReadFile("testdata/typed.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		Typed, Code string
		Two         bool
	}
	if err := json.Unmarshal(raw, &cases); err != nil || len(cases) < 40 {
		t.Fatalf("%d cases, %v", len(cases), err)
	}
	for _, c := range cases {
		got, err := mfa.CodeDigits(c.Typed)
		if got != c.Code || errors.Is(err, mfa.ErrTwoCodes) != c.Two || errors.Is(err, mfa.ErrCodeFormat) != (c.Code == "") {
			t.Errorf("%q: %q, %v; want %q", c.Typed, got, err, c.Code)
		}
	}
}

// Every decimal digit of Unicode is one, of the value that its script gives it: ten in a
// row, zero first.
func TestDigitsOfEveryScriptAreRead(t *testing.T) {
	for _, table := range unicode.Nd.R16 {
		if n := table.Hi - table.Lo + 1; table.Stride != 1 || n%10 != 0 {
			t.Errorf("%x to %x are no tens", table.Lo, table.Hi)
		}
	}
	for r := rune(0); r <= unicode.MaxRune; r++ {
		if !unicode.IsDigit(r) || unicode.IsDigit(r-1) {
			continue
		}
		ten := string([]rune{r + 9, r + 1, r, r + 5, r + 2, r + 8})
		if got, err := mfa.CodeDigits(ten); got != "910528" {
			t.Errorf("%q: %q, %v", ten, got, err)
		}
	}
}

// Whatever line of the file that people download is pasted is a code.
func TestALineOfOurOwnFileIsARecoveryCode(t *testing.T) {
	codes := mfa.NewRecoveryCodes()
	text := mfa.RecoveryText(func(_, _, codes string) string { return codes }, "RTX", "maya@rtx.example", codes)
	found := 0
	for _, line := range strings.Split(text, "\n") {
		if code, err := mfa.NormalizeRecoveryCode(line); err == nil {
			if code != codes[found] {
				t.Errorf("%q is read as %q", line, code)
			}
			found++
		}
	}
	if found != len(codes) {
		t.Errorf("%d of %d lines are read", found, len(codes))
	}
	if _, err := mfa.NormalizeRecoveryCode(text); !errors.Is(err, mfa.ErrTwoCodes) {
		t.Errorf("the whole file: %v", err)
	}
}
