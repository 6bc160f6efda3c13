package mfa_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"gatehouse/mfa"
)

// Chi-square over each of the six places, and over the leading three digits. The
// bounds are passed by fair codes all but once in about a billion runs; a modulo of
// one byte or a code without leading zeros is far outside.
func TestEmailCodesAreSixDigitsEquallyLikely(t *testing.T) {
	const codes = 200_000
	var places [6][10]int
	var leading [1000]int
	for range codes {
		code := mfa.NewEmailCode()
		if digits, err := mfa.CodeDigits(code); err != nil || digits != code {
			t.Fatalf("%q is not six digits: %v", code, err)
		}
		for i := range places {
			places[i][code[i]-'0']++
		}
		leading[int(code[0]-'0')*100+int(code[1]-'0')*10+int(code[2]-'0')]++
	}
	for i, counts := range places {
		if x := chiSquare(counts[:], codes); x > 65 {
			t.Errorf("place %d: chi-square %.1f of 9 degrees: %v", i, x, counts)
		}
	}
	if x := chiSquare(leading[:], codes); x > 1300 {
		t.Errorf("leading digits: chi-square %.1f of 999 degrees", x)
	}
}

// chiSquare is how far counts are from equal shares of total.
func chiSquare(counts []int, total int) float64 {
	want, sum := float64(total)/float64(len(counts)), 0.0
	for _, n := range counts {
		sum += (float64(n) - want) * (float64(n) - want) / want
	}
	return sum
}

func TestEmailCodeMACIsBoundToKeyFlowAndCode(t *testing.T) {
	mac := mfa.EmailCodeMAC([]byte("key"), "flow", "maya", "123456")
	if len(mac) != 32 || !mfa.SameMAC(mac, mfa.EmailCodeMAC([]byte("key"), "flow", "maya", "123456")) {
		t.Fatal("not a stable MAC of 32 bytes")
	}
	for name, other := range map[string][]byte{
		"key":             mfa.EmailCodeMAC([]byte("yek"), "flow", "maya", "123456"),
		"no key":          mfa.EmailCodeMAC(nil, "flow", "maya", "123456"),
		"person":          mfa.EmailCodeMAC([]byte("key"), "flow", "ayam", "123456"),
		"moved person":    mfa.EmailCodeMAC([]byte("key"), "flowm", "aya", "123456"),
		"flow":            mfa.EmailCodeMAC([]byte("key"), "wolf", "maya", "123456"),
		"code":            mfa.EmailCodeMAC([]byte("key"), "flow", "maya", "123457"),
		"moved border":    mfa.EmailCodeMAC([]byte("key"), "flow1", "maya", "23456"),
		"recovery code":   mfa.RecoveryMAC([]byte("key"), "flow", "123456"),
		"nothing":         nil,
		"its first bytes": mac[:16],
	} {
		if mfa.SameMAC(mac, other) {
			t.Errorf("%s: the same MAC", name)
		}
	}
}

// No two pairs of flow and code share a MAC, whatever their bytes are.
func TestEmailCodeMACIsUnambiguous(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		key := []byte("a key of the test")
		text := rapid.StringOfN(rapid.SampledFrom([]rune("01\x00f")), 0, 12, -1)
		whole := text.Draw(t, "flow and code")
		i := rapid.IntRange(0, len(whole)).Draw(t, "border")
		j := rapid.IntRange(0, len(whole)).Draw(t, "another border")
		flow, code := text.Draw(t, "flow"), text.Draw(t, "code")
		mac := mfa.EmailCodeMAC(key, whole[:i], "", whole[i:])
		if got := mfa.EmailCodeMAC(key, whole[:j], "", whole[j:]); bytes.Equal(mac, got) != (i == j) {
			t.Fatalf("%q cut at %d and at %d", whole, i, j)
		}
		same := flow == whole[:i] && code == whole[i:]
		if got := mfa.EmailCodeMAC(key, flow, "", code); bytes.Equal(mac, got) != same {
			t.Fatalf("%q, %q and %q, %q", whole[:i], whole[i:], flow, code)
		}
		if got := mfa.EmailCodeMAC(key, whole[:i], "maya", whole[i:]); bytes.Equal(mac, got) {
			t.Fatalf("%q, %q of another person", whole[:i], whole[i:])
		}
	})
}

func FuzzCodeDigits(f *testing.F) {
	for _, typed := range []string{"123456", " 123-456\n", "１２３　４５６", "12345", "1234567", "-123456", "+12345", "١٢٣٤٥٦", "\xff12345", "123456\x00"} {
		f.Add(typed)
	}
	f.Fuzz(func(t *testing.T, typed string) {
		digits, err := mfa.CodeDigits(typed)
		if err != nil {
			if !errors.Is(err, mfa.ErrCodeFormat) || digits != "" {
				t.Errorf("%q: %q, %v", typed, digits, err)
			}
			return
		}
		if len(digits) != 6 || strings.Trim(digits, "0123456789") != "" {
			t.Errorf("%q: %q is not six digits", typed, digits)
		}
		for name, same := range map[string]string{"itself": digits, "spaced": digits[:3] + " " + digits[3:], "dashed": digits[:3] + "-" + digits[3:]} {
			if again, err := mfa.CodeDigits(same); err != nil || again != digits {
				t.Errorf("%q: %s becomes %q, %v", digits, name, again, err)
			}
		}
		// A digit that was typed is one of the code, in the same order.
		rest := digits
		for _, r := range typed {
			if '0' <= r && r <= '9' {
				_, after, found := strings.Cut(rest, string(r))
				if !found {
					t.Fatalf("%q: %q lost a digit", typed, digits)
				}
				rest = after
			}
		}
	})
}

func FuzzEmailCodeMAC(f *testing.F) {
	f.Add("flow", "123456", "flow1", "23456")
	f.Add("1\x00f", "1", "1", "\x00f1")
	f.Fuzz(func(t *testing.T, flow, code, otherFlow, otherCode string) {
		key := []byte("a key of the test")
		same := flow == otherFlow && code == otherCode
		if mfa.SameMAC(mfa.EmailCodeMAC(key, flow, "", code), mfa.EmailCodeMAC(key, otherFlow, "maya", otherCode)) != same {
			t.Errorf("%q %q and %q %q", flow, code, otherFlow, otherCode)
		}
	})
}
