package idp_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"gatehouse/idp"
)

// found says whether a word of a search finds a person by these words.
func found(words [][]byte, query []byte) bool {
	return slices.ContainsFunc(words, func(w []byte) bool {
		return bytes.HasPrefix(w, query) || bytes.HasPrefix(w, idp.Within(query))
	})
}

// A person is found by three letters and more that stand anywhere in their name, by those
// that stand in the address before the @, and by the domain.
func TestPeopleAreFoundByWhatStandsInTheirName(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.StringMatching(`[a-z李太é'-]{1,12}( [a-zÅ]{1,9}){0,2}`).Draw(t, "name")
		local := rapid.StringMatching(`[a-z0-9]{1,8}([.+-][a-z0-9]{1,6}){0,2}`).Draw(t, "local")
		domain := rapid.StringMatching(`[a-z]{1,6}(\.[a-z]{2,6}){1,3}`).Draw(t, "domain")
		words := idp.SearchWords(local+"@"+domain, name)
		query := func(text string) []byte {
			q, ok := idp.QueryWords(text)
			if !ok || len(q) != 1 {
				t.Fatalf("%q is %q", text, q)
			}
			return q[0]
		}
		for _, word := range append(strings.Fields(name), local) {
			q := query(word)
			for i := range q {
				rest := q[i:]
				whole := rest[0]&0xc0 != 0x80 // begins with a letter
				if got := found(words, rest); whole && (rest[0] >= 'a' && rest[0] <= 'z' || rest[0] >= 0x80) && len(rest) >= 3 && !got {
					t.Errorf("%q of %q is not found in %q", rest, word, words)
				}
			}
		}
		for _, text := range []string{domain, "@" + domain, local + "@" + domain} {
			if !found(words, query(text)) {
				t.Errorf("%q is not found in %q", text, words)
			}
		}
		if found(words, query("zz"+name[:1]+"zzq")) {
			t.Errorf("a word that is not there is found in %q", words)
		}
	})
}

// Whatever is entered as a name, what a person is found by stays small.
func TestWhatPeopleAreFoundByIsBounded(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		strings.Repeat("a b-", 5000), strings.Repeat("ab", 5000), strings.Repeat("李", 5000), strings.Repeat("\xff", 3000), "\xfe\xfe\xfe",
		strings.Repeat("e\u0301", 3000),
	} {
		words := idp.SearchWords(strings.Repeat("a.", 30)+"@rtx.example", name)
		seen := map[string]bool{}
		for _, w := range words {
			part, _ := idp.BeginsWithin(w)
			if len(part) > 256 || seen[string(w)] {
				t.Errorf("%.20q: %q", name, w)
			}
			seen[string(w)] = true
		}
		if len(words) > 124 {
			t.Errorf("%.20q has %d words", name, len(words))
		}
	}
}
