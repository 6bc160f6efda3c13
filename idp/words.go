package idp

import (
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// What a person is found by is bounded, so that an index can hold it.
const (
	maxWord  = 256 // bytes of a word
	maxWords = 24  // of one person, the address included
)

// SearchWords are what a person is found by: the address, each word of the name,
// and each part of a word that a hyphen or the like divides; all folded as
// EmailKey does and without accents, none twice. What a person may not be found by
// in full is cut: at most 24 words of at most 256 bytes.
func SearchWords(email, name string) [][]byte {
	var words [][]byte
	seen := map[string]bool{}
	add := func(word string) {
		if word = word[:min(len(word), maxWord)]; word != "" && !seen[word] && len(words) < maxWords {
			seen[word] = true
			words = append(words, []byte(word))
		}
	}
	add(foldWord(email))
	for _, word := range strings.Fields(foldWord(name)) {
		add(word)
		for _, part := range strings.FieldsFunc(word, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }) {
			add(part)
		}
	}
	return words
}

// QueryWords are the words of a search, folded as SearchWords does, none twice; words
// beyond the eighth do not count. Each is to be the beginning of a word of the person. It
// returns none when there is nothing to search for, and ok false when no person can be
// found.
func QueryWords(text string) (words [][]byte, ok bool) {
	const most = 8
	seen := map[string]bool{}
	for _, word := range strings.Fields(foldWord(text)) {
		if len(word) > maxWord {
			return nil, false
		}
		if !seen[word] && len(words) < most {
			seen[word] = true
			words = append(words, []byte(word))
		}
	}
	return words, true
}

// foldWord folds a text and takes its accents off: "Zoë" and "zoe" are found alike.
func foldWord(text string) string {
	bare := strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Mn, r) {
			return -1
		}
		return r
	}, norm.NFKD.String(strings.ToValidUTF8(text, "\uFFFD")))
	return string(fold(bare))
}
