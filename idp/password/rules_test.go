package password

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func TestCheck(t *testing.T) {
	rules := Rules{
		MinLength: 8,
		Personal:  []string{"Maya Lindqvist", "maya.lindqvist@rtx-solutions.example", "RTX Solutions", "Gatehouse", "Bo"},
	}
	for _, c := range []struct {
		password string
		want     error
	}{
		{"correct horse battery", nil},
		{"        x        y", nil}, // spaces are characters
		{"seven77", TooShortError{8}},
		{"", TooShortError{8}},
		{"пароль-у", nil},                                  // 8 characters of 15 bytes
		{"e\u0301e\u0301e\u0301e\u0301", TooShortError{8}}, // 4 characters as people count
		{strings.Repeat("x", MaxBytes+1), ErrTooLong},
		{"password", ErrCommon},
		{"PassWord", ErrCommon},
		{"passwordpassword", ErrCommon},
		{"qwertyuiop", ErrCommon},
		{"aaaaaaaaaaaaaaaaaaaa", ErrCommon},
		{"12abz12abz12abz", nil},
		{"ab1-ab1-ab1-ab1-", ErrCommon},
		{"mayalindqvist", ErrPersonal},
		{"Maya.Lindqvist!", ErrPersonal},
		{"MAYA-lindqvist-1", ErrPersonal},
		{"gatehouse2026", ErrPersonal},
		{"rtx rtx solutions 1", ErrPersonal},
		{"maya likes green tea", nil},
		{"bobobobox9kq", nil}, // "Bo" is too short to count
		{"!!!!????____----", nil},
	} {
		if err := Check(c.password, rules); !errors.Is(err, c.want) {
			t.Errorf("%.40q: got %v, want %v", c.password, err, c.want)
		}
	}
}

func TestTooShortTellsTheMinimum(t *testing.T) {
	err := Check("short", Rules{MinLength: 15})
	if short, ok := errors.AsType[TooShortError](err); !ok || short.MinLength != 15 {
		t.Errorf("got %v", err)
	}
}

func TestCommonListIsUsable(t *testing.T) {
	if !strings.HasSuffix(commonList, "\n") {
		t.Fatal("the last line has no end")
	}
	lines := strings.Split(strings.TrimSuffix(commonList, "\n"), "\n")
	if !slices.IsSorted(lines) || len(slices.Compact(slices.Clone(lines))) != len(lines) {
		t.Error("not sorted, or an entry is there twice")
	}
	long := 0
	for _, line := range lines {
		if fold(line) != line || utf8.RuneCountInString(line) < 8 {
			t.Errorf("%q can never match", line)
		}
		if !listed(line) {
			t.Errorf("%q is not found", line)
		}
		if utf8.RuneCountInString(line) >= 15 {
			long++
		}
	}
	if len(lines) < 40_000 || long < 3_000 {
		t.Errorf("%d entries, %d of them long", len(lines), long)
	}
}

func TestListedAllocatesNothing(t *testing.T) {
	if n := testing.AllocsPerRun(100, func() { listed("correct horse") }); n != 0 {
		t.Errorf("%v allocations", n)
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

func FuzzCheck(f *testing.F) {
	f.Add("correct horse", "Maya Lindqvist")
	f.Add("\xff\xfe", "\xff")
	f.Add("ǅǅǅǅǅǅǅǅ", "ǆ")
	f.Fuzz(func(t *testing.T, password, name string) {
		rules := Rules{MinLength: 8, Personal: []string{name}}
		err := Check(password, rules)
		if err == nil && (utf8.RuneCountInString(password) < 8 || len(password) > MaxBytes) {
			t.Errorf("%q accepted", password)
		}
	})
}
