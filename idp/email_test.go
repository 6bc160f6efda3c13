package idp_test

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"gatehouse/idp"
)

func TestAddressesAreKeptInOneForm(t *testing.T) {
	for in, want := range map[string]string{
		"maya@rtx.example": "maya@rtx.example", " Maya@RTX.example\r\n": "Maya@RTX.example", "maya+x@rtx.example": "maya+x@rtx.example",
		"ma\u200bya@rtx.example": "maya@rtx.example", "\u202amaya@rtx.example\u202c": "maya@rtx.example", "\ufeffmaya@rtx.example": "maya@rtx.example",
		"ma\u00adya@r\u00adtx.example": "maya@rtx.example", "maya\ufe0f@rtx.example": "maya@rtx.example", "maya\U000e0041@rtx.example": "maya@rtx.example",
		"maya@\u2066rtx.example\u2069": "maya@rtx.example", "maya\u3164@rtx.example": "maya@rtx.example", "\u00a0maya@rtx.example\u3000": "maya@rtx.example",
		"maya＠rtx.example": "maya@rtx.example", "maya﹫rtx.example": "maya@rtx.example", "ｍａｙａ＠ｒｔｘ．ｅｘａｍｐｌｅ": "maya@rtx.example",
		"maya@rtx。example": "maya@rtx.example", "maya@rtx．example": "maya@rtx.example", "maya@rtx｡example": "maya@rtx.example",
		"maya@rtx.example.": "maya@rtx.example", "maya@rtx.example。": "maya@rtx.example", "maya@BÜCHER.example": "maya@bücher.example",
		"maya@xn--bcher-kva.example": "maya@xn--bcher-kva.example", "mu\u0308ller@rtx.example": "m\u00fcller@rtx.example",
		"maya@straße.example": "maya@straße.example", "maya@intranet": "maya@intranet", "玛雅@例子.example": "玛雅@例子.example",
		"!#$%&'*+/=?^_{|}~@rtx.example": "!#$%&'*+/=?^_{|}~@rtx.example",
		// What mail does not reach, or what has many spellings.
		"": "", "maya": "", "@rtx.example": "", "maya@": "", "maya@rtx..example": "", "maya@.rtx.example": "", "ma ya@rtx.example": "",
		"ma\u00a0ya@rtx.example": "", "maya@rtx .example": "", "ma\nya@rtx.example": "", "ma\x00ya@rtx.example": "", "maya\u2800@rtx.example": "",
		`"maya"@rtx.example`: "", `"ma ya"@rtx.example`: "", "maya(x)@rtx.example": "", "Maya <maya@rtx.example>": "", "<maya@rtx.example>": "",
		"maya@[192.0.2.1]": "", "maya@192.0.2.1": "", "maya@[IPv6:2001:db8::1]": "", "a@b,c@d": "", "maya@rtx.example, x@y.example": "", "@a:maya@rtx.example": "",
		"ma\u200dya@rtx.example": "", "maya@rt\u200dx.example": "", "maya@rtx\u2024example": "", "maya@xn--\x00.example": "", "\xff@rtx.example": "",
		strings.Repeat("a", 250) + "@rtx.example": "", "maya@" + strings.Repeat("ü", 60) + "." + strings.Repeat("ü", 60) + "." + strings.Repeat("ü", 60) + ".example": "",
	} {
		got, err := idp.ParseEmail(in)
		if got != want || (err == nil) != (want != "") || err != nil && !errors.Is(err, idp.ErrInvalid) {
			t.Errorf("%q: %q, %v; want %q", in, got, err, want)
		}
	}
}

func TestTwoOwnersHaveTwoKeys(t *testing.T) {
	for _, c := range [][2]string{
		{"maya@straße.example", "maya@strasse.example"},
		{"maya@xn--strae-oqa.example", "maya@strasse.example"},
		{"maya@faß.example", "maya@fass.example"},
		{"maya@βόλος.example", "maya@βόλοσ.example"},
		{"maya@rtx.example", "maya@rtx.example.evil.example"},
		{"maya@rtx.example", "maya@rtx_.example"},
	} {
		if bytes.Equal(idp.EmailKey(c[0]), idp.EmailKey(c[1])) {
			t.Errorf("%q and %q have one key", c[0], c[1])
		}
	}
}

// decorations change how an address is written, and not which mailbox it is.
var decorations = []func(t *rapid.T, s string) string{
	func(t *rapid.T, s string) string {
		return insert(t, s, "\u200b\u2060\ufeff\u00ad\ufe0f\u034f\u180e\u061c")
	},
	func(t *rapid.T, s string) string {
		return insert(t, s, "\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u206a\U000e0020\U000e0101")
	},
	func(t *rapid.T, s string) string {
		return rapid.SampledFrom([]string{" ", "\t", "\u00a0", "\n", "\u3000", ""}).Draw(t, "before") + s +
			rapid.SampledFrom([]string{" ", "\r\n", "\u2003", ""}).Draw(t, "behind")
	},
	func(t *rapid.T, s string) string {
		return strings.Replace(s, "@", rapid.SampledFrom([]string{"＠", "﹫"}).Draw(t, "at"), 1)
	},
	func(t *rapid.T, s string) string {
		at := strings.LastIndexAny(s, "@＠﹫")
		dot := rapid.SampledFrom([]string{"。", "．", "｡"}).Draw(t, "dot")
		return s[:at] + strings.ReplaceAll(s[at:], ".", dot)
	},
	func(_ *rapid.T, s string) string { return strings.TrimSpace(s) + "." },
	func(_ *rapid.T, s string) string { return strings.ToUpper(s) },
	func(_ *rapid.T, s string) string { return strings.Replace(s, "bücher", "xn--bcher-kva", 1) },
	func(_ *rapid.T, s string) string { return strings.Replace(s, "ü", "u\u0308", 1) },
}

func insert(t *rapid.T, s, from string) string {
	runes := []rune(s)
	for range rapid.IntRange(1, 3).Draw(t, "times") {
		runes = slices.Insert(runes, rapid.IntRange(0, len(runes)).Draw(t, "at"), rapid.SampledFrom([]rune(from)).Draw(t, "rune"))
	}
	return string(runes)
}

// However an address is decorated, it has the same key and is kept as the same mailbox,
// or is refused.
func TestSpellingsOfOneMailboxAreOne(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		email := rapid.SampledFrom([]string{"maya@rtx.example", "o'brien+x@mail.rtx.example", "müller@bücher.example"}).Draw(t, "email")
		spelled := email
		for range rapid.IntRange(1, 4).Draw(t, "decorations") {
			spelled = rapid.SampledFrom(decorations).Draw(t, "decoration")(t, spelled)
		}
		kept, err := idp.ParseEmail(spelled)
		if err != nil {
			return
		}
		if again, err := idp.ParseEmail(kept); err != nil || again != kept {
			t.Fatalf("%q is kept as %q and then as %q, %v", spelled, kept, again, err)
		}
		if !bytes.Equal(idp.EmailKey(spelled), idp.EmailKey(email)) || !bytes.Equal(idp.EmailKey(kept), idp.EmailKey(email)) {
			t.Fatalf("%q has the key %q, kept as %q %q; want %q", spelled, idp.EmailKey(spelled), kept, idp.EmailKey(kept), idp.EmailKey(email))
		}
	})
}

func FuzzParseEmail(f *testing.F) {
	for _, seed := range []string{"maya@rtx.example", "ma\u200bya＠bücher。example.", "a@xn--", "\xff@a", "\"a\"@b", "a@\u00ad"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		kept, err := idp.ParseEmail(text)
		if err != nil {
			return
		}
		again, err := idp.ParseEmail(kept)
		if err != nil || again != kept || !bytes.Equal(idp.EmailKey(kept), idp.EmailKey(text)) {
			t.Errorf("%q is kept as %q (key %q), then as %q (key %q), %v", text, kept, idp.EmailKey(text), again, idp.EmailKey(kept), err)
		}
	})
}

func TestNamesShowSomething(t *testing.T) {
	for name, want := range map[string]bool{
		"Maya": true, "玛": true, "1": true, "-": true, "🙂": true, "e\u0301": true, " x ": true, "\u200bx": true, "א": true, "ー": true,
		"": false, " ": false, "\u00a0\u3000": false, "\u200b": false, "\u3164": false, "\uffa0": false, "\u115f\u1160": false, "\u2800\u2800": false,
		"\u0301": false, "\u202e\u202c": false, "\ufeff": false, "\u00ad": false, "\U000e0041": false, "\u200d": false, "\ufe0f": false,
		"\u180e": false, "\u034f": false, "\U0001d159": false, "\ue000": false, "\u0000": false, "\u2028": false, "\u061c": false,
	} {
		if got := idp.Shows(name); got != want {
			t.Errorf("%q shows something: %t", name, got)
		}
	}
}
