package idp

import (
	"bytes"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// What a person is found by is bounded, so that an index can hold it.
const (
	maxWord  = 256 // bytes of a word
	maxWords = 24  // of one person, the address included
	maxParts = 100 // within these words
	minPart  = 3   // bytes: two letters within a word say little, one of Chinese says much
)

// withinWord stands before a part that begins within a word. No UTF-8 has this byte: such
// parts sort behind all words.
const withinWord = 0xfe

// Within is the form in which SearchWords tells a part that begins within a word.
func Within(part []byte) []byte { return append([]byte{withinWord}, part...) }

// BeginsWithin says whether a word is such a part, and returns it.
func BeginsWithin(word []byte) (part []byte, ok bool) {
	return bytes.CutPrefix(word, []byte{withinWord})
}

// SearchWords are what a person is found by, folded as EmailKey does and without accents,
// none twice:
//
//   - the address, its domain, and what follows a dot or the like in either;
//   - each word of the name, and each part of a word that a hyphen or the like divides;
//   - in the form of Within, what begins at any further letter of these, the domain aside.
//
// What a person may not be found by in full is cut: at most 24 words of at most 256 bytes,
// and 100 parts within them, of three bytes or more.
func SearchWords(email, name string) [][]byte {
	var f foundBy
	email = foldWord(email)
	local, domain, _ := strings.Cut(email, "@")
	f.add(email)
	var inner []string
	for _, word := range strings.Fields(foldWord(name)) {
		f.add(word)
		inner = append(inner, word)
		for _, part := range parts(word) {
			f.add(part)
		}
	}
	if domain != "" {
		f.add(email[len(local):])
		f.addRests(domain, func(rest string) bool { return strings.ContainsRune(rest, '.') })
	}
	f.addRests(email, func(rest string) bool { return len(rest) > len(domain)+1 })
	for _, word := range append(inner, local) {
		f.addWithin(word)
	}
	return f.words
}

// foundBy collects the words by which a person is found.
type foundBy struct {
	words  [][]byte
	within int
	seen   map[string]bool
}

func (f *foundBy) add(word string) {
	if word = word[:min(len(word), maxWord)]; word != "" && len(f.words) < maxWords {
		f.keep(word, []byte(word))
	}
}

// keep takes what was not there yet, and says so.
func (f *foundBy) keep(text string, word []byte) bool {
	if f.seen[text] {
		return false
	}
	if f.seen == nil {
		f.seen = map[string]bool{}
	}
	f.seen[text] = true
	f.words = append(f.words, word)
	return true
}

// addRests adds the text behind each dot or the like, where that is worth it.
func (f *foundBy) addRests(text string, worth func(rest string) bool) {
	if worth(text) {
		f.add(text)
	}
	for i, r := range text {
		if rest := text[i+utf8.RuneLen(r):]; divides(r) && rest != "" && worth(rest) {
			f.add(rest)
		}
	}
}

// addWithin adds what begins at the letters of a word but the first.
func (f *foundBy) addWithin(word string) {
	for i, r := range word {
		rest := word[i:min(len(word), i+maxWord)]
		if i == 0 || divides(r) || len(rest) < minPart || f.within == maxParts {
			continue
		}
		if f.keep(rest, Within([]byte(rest))) {
			f.within++
		}
	}
}

// divides says whether a character divides a word in parts.
func divides(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }

func parts(word string) []string { return strings.FieldsFunc(word, divides) }

// QueryWords are the words of a search, folded as SearchWords does, none twice; words
// beyond the eighth do not count. Each is to be the beginning of a word of the person, or a
// part within one. It returns none when there is nothing to search for, and ok false when no person can be
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
