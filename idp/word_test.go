package idp_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"

	"gatehouse/idp"
)

func TestNowIsWhatBothDatabasesKeep(t *testing.T) {
	now := idp.Now()
	if now.Location() != time.UTC || now.Nanosecond()%1000 != 0 || now != now.Round(0) {
		t.Errorf("%v has a zone, nanoseconds or a monotonic clock", now)
	}
}

func TestSpellingsOfAnEmailFoldToOneKey(t *testing.T) {
	for _, c := range []struct {
		a, b string
		same bool
	}{
		{"maya@rtx.example", "Maya@RTX.example", true},
		{"maya@rtx.example", "\t maya@rtx.example\n", true},
		{"maya@rtx.example", "ｍａｙａ@rtx.example", true},           // full width
		{"jo\u0308rg@rtx.example", "JÖRG@rtx.example", true},     // composed or not
		{"stra\u00dfe@rtx.example", "STRASSE@rtx.example", true}, // ß folds to ss
		{"\u13a0@rtx.example", "\uab70@rtx.example", true},       // Cherokee
		{"\u00a8maya@rtx.example", " \u0308maya@rtx.example", true},
		{"maya@rtx.example", "maya@rtx.exampl", false},
		{"maya@rtx.example", "maуa@rtx.example", false}, // a Cyrillic у
		{"maya+1@rtx.example", "maya@rtx.example", false},
		{"ma.ya@rtx.example", "maya@rtx.example", false},
		{"i@rtx.example", "ı@rtx.example", false}, // dotless
	} {
		if same := bytes.Equal(idp.EmailKey(c.a), idp.EmailKey(c.b)); same != c.same {
			t.Errorf("%q and %q are one: %t", c.a, c.b, same)
		}
	}
}

// A key is the key of itself, so that keys can be compared with keys.
func TestFoldingTwiceIsFoldingOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		email := rapid.String().Draw(t, "email")
		key := idp.EmailKey(email)
		if again := idp.EmailKey(string(key)); !bytes.Equal(key, again) {
			t.Fatalf("%q folds to %q and then to %q", email, key, again)
		}
	})
}

func TestMaskedEmailTellsTheDomainOnly(t *testing.T) {
	for email, want := range map[string]string{
		"maya@rtx.example":  "m•••@rtx.example",
		" maya@rtx.example": "m•••@rtx.example",
		"m@rtx.example":     "m•••@rtx.example",
		"玛雅@rtx.example":    "玛•••@rtx.example",
		"@rtx.example":      "•••",
		"maya":              "•••",
		"":                  "•••",
	} {
		if got := idp.MaskEmail(email); got != want {
			t.Errorf("%q is masked %q, want %q", email, got, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		local := rapid.StringMatching(`[0-9]{2,10}`).Draw(t, "local")
		if masked := idp.MaskEmail(local + "@rtx.example"); strings.Contains(masked, local) || !utf8.ValidString(masked) {
			t.Fatalf("%s is masked %s", local, masked)
		}
	})
}

func TestSecretsAreRandomAndFound(t *testing.T) {
	seen := map[string]bool{}
	for range 1000 {
		s := idp.NewSecret()
		raw, err := base64.RawURLEncoding.DecodeString(s)
		if err != nil || len(raw) != idp.SecretBytes || len(s) != 43 || seen[s] {
			t.Fatalf("%q (%v), %d bytes, seen %t", s, err, len(raw), seen[s])
		}
		seen[s] = true
	}
	if h := idp.HashSecret("abc"); len(h) != 32 || h[0] != 0xba || h[1] != 0x78 { // FIPS 180-2, appendix B.1
		t.Errorf("%x is not the SHA-256 of abc", h)
	}
}

func TestIDsAreUniqueAndInTheOrderOfTheirMaking(t *testing.T) {
	last := ""
	for range 10_000 {
		id := idp.NewID()
		if id <= last || len(id) != 36 {
			t.Fatalf("%s follows %s", id, last)
		}
		last = id
	}
}

func TestVisitTravelsWithTheContext(t *testing.T) {
	visit := idp.Visit{RequestID: "r", Address: "192.0.2.1", UserAgent: "Mozilla/5.0"}
	ctx := idp.WithVisit(t.Context(), &visit)
	if got := idp.VisitFrom(ctx); got != visit {
		t.Errorf("got %+v", got)
	}
	if got := idp.VisitFrom(context.Background()); got != (idp.Visit{}) {
		t.Errorf("a job has the visit %+v", got)
	}
}
