package mailbox

import (
	"slices"
	"strings"
	"sync"
)

// storage keeps the letters, oldest first.
type storage struct {
	mu      sync.Mutex
	letters []*letter
	bytes   int
}

// add keeps a letter and drops the oldest ones beyond the limits.
func (s *storage) add(l letter) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.letters = append(s.letters, &l)
	s.bytes += l.Size
	dropped := 0
	for len(s.letters)-dropped > maxMessages || s.bytes > maxStoredBytes {
		s.bytes -= s.letters[dropped].Size
		dropped++
	}
	s.letters = slices.Delete(s.letters, 0, dropped)
}

// listing is a window on the letters that match, newest first.
type listing struct {
	letters         []letter
	total, unread   int // in the mailbox
	matches, unseen int // of the query
}

func (s *storage) list(query string, start, limit int) listing {
	s.mu.Lock()
	defer s.mu.Unlock()
	terms := split(query)
	out := listing{total: len(s.letters)}
	for _, l := range slices.Backward(s.letters) {
		out.unread += one(!l.Read)
		if !l.matches(terms) {
			continue
		}
		if out.matches >= start && len(out.letters) < limit {
			out.letters = append(out.letters, *l)
		}
		out.matches++
		out.unseen += one(!l.Read)
	}
	return out
}

func one(counts bool) int {
	if counts {
		return 1
	}
	return 0
}

// newest is the id that stands for the newest letter.
const newest = "latest"

// open answers a letter and marks it read.
func (s *storage) open(id string) (letter, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range slices.Backward(s.letters) {
		if l.ID == id || id == newest {
			l.Read = true
			return *l, true
		}
	}
	return letter{}, false
}

// remove drops the letters with these ids; all of them when there are no ids.
func (s *storage) remove(ids []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.letters = slices.DeleteFunc(s.letters, func(l *letter) bool {
		return len(ids) == 0 || slices.Contains(ids, l.ID)
	})
	s.bytes = 0
	for _, l := range s.letters {
		s.bytes += l.Size
	}
}

// split cuts a query into its terms; quotes hold words together.
func split(query string) []string {
	quoted := false
	terms := strings.FieldsFunc(strings.ToLower(query), func(r rune) bool {
		if r == '"' {
			quoted = !quoted
		}
		return r == ' ' && !quoted
	})
	for i := range terms {
		terms[i] = strings.ReplaceAll(terms[i], `"`, "")
	}
	return terms
}

// matches says whether the letter has every term.
func (l *letter) matches(terms []string) bool {
	for _, term := range terms {
		if !l.has(term) {
			return false
		}
	}
	return true
}

func (l *letter) has(term string) bool {
	recipients := slices.Concat(l.To, l.Cc, l.Bcc)
	if to, ok := strings.CutPrefix(term, "to:"); ok {
		return mention(recipients, to)
	}
	if from, ok := strings.CutPrefix(term, "from:"); ok {
		return mention([]address{l.From}, from)
	}
	if subject, ok := strings.CutPrefix(term, "subject:"); ok {
		return contains(l.Subject, subject)
	}
	return contains(l.Subject, term) || contains(l.Text, term) || contains(l.HTML, term) ||
		mention(append(recipients, l.From), term)
}

func mention(list []address, term string) bool {
	return slices.ContainsFunc(list, func(a address) bool { return contains(a.String(), term) })
}

// contains ignores case; the term is folded already.
func contains(s, term string) bool { return strings.Contains(strings.ToLower(s), term) }
