package portal

import (
	"errors"
	"strings"
)

// challenge is one way to authenticate that a WWW-Authenticate header offers
// (RFC 9110 section 11.3).
type challenge struct {
	scheme string            // in lower case
	params map[string]string // by the name in lower case
}

const (
	maxChallenge  = 8 << 10 // bytes of a header line that are read at all
	maxChallenges = 16      // challenges in a line, and parameters of each
)

var errChallenge = errors.New("the WWW-Authenticate header cannot be read")

// parseChallenges reads a WWW-Authenticate header (RFC 9110 section 11.6.1). One
// line may hold several challenges, with commas between them as between their
// parameters. A line that breaks the grammar is refused as a whole.
func parseChallenges(header string) ([]challenge, error) {
	if len(header) > maxChallenge {
		return nil, errChallenge
	}
	s := &scanner{rest: header}
	var found []challenge
	for {
		s.commas()
		if s.rest == "" {
			return found, nil
		}
		c, ok := s.challenge()
		if !ok || len(found) == maxChallenges {
			return nil, errChallenge
		}
		found = append(found, c)
	}
}

// scanner eats a header from the left.
type scanner struct{ rest string }

// challenge takes a scheme and what belongs to it: a token68, which is dropped,
// or parameters. A parameter that comes twice is refused: which one counts?
func (s *scanner) challenge() (challenge, bool) {
	c := challenge{scheme: strings.ToLower(s.token()), params: map[string]string{}}
	if c.scheme == "" || !s.boundary() {
		return c, false
	}
	if s.token68() {
		return c, true
	}
	for {
		name, value, ok := s.param()
		if !ok {
			return c, true
		}
		if _, twice := c.params[name]; twice || len(c.params) == maxChallenges || !s.delimited() {
			return c, false
		}
		c.params[name] = value
		s.commas()
	}
}

// param takes a name, an equals sign and a token or a quoted string. What is no
// parameter is left where it is: it may be the next challenge.
func (s *scanner) param() (name, value string, ok bool) {
	before := s.rest
	s.spaces()
	name = strings.ToLower(s.token())
	s.spaces()
	if name != "" && s.skip("=") {
		s.spaces()
		if value, ok = s.value(); ok {
			return name, value, true
		}
	}
	s.rest = before
	return "", "", false
}

func (s *scanner) value() (string, bool) {
	if strings.HasPrefix(s.rest, `"`) {
		return s.quoted()
	}
	value := s.token()
	return value, value != ""
}

// quoted takes a quoted string and resolves its backslashes (RFC 9110 section
// 5.6.4). Control characters have no place in it.
func (s *scanner) quoted() (string, bool) {
	var out strings.Builder
	for i := 1; i < len(s.rest); i++ {
		c := s.rest[i]
		if c == '"' {
			s.rest = s.rest[i+1:]
			return out.String(), true
		}
		if c == '\\' && i+1 < len(s.rest) {
			i++
			c = s.rest[i]
		}
		if (c < ' ' && c != '\t') || c == 0x7f {
			return "", false
		}
		out.WriteByte(c)
	}
	return "", false
}

// token68 takes the blob that schemes such as Negotiate send. It stands alone,
// which tells it from a parameter.
func (s *scanner) token68() bool {
	before := s.rest
	s.spaces()
	after := strings.TrimLeft(s.rest, digits+letters+"-._~+/")
	found := after != s.rest
	s.rest = strings.TrimLeft(after, "=")
	if found && s.delimited() {
		return true
	}
	s.rest = before
	return false
}

const (
	digits  = "0123456789"
	letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
)

// token takes a token (RFC 9110 section 5.6.2); none when there is none.
func (s *scanner) token() string {
	after := strings.TrimLeft(s.rest, digits+letters+"!#$%&'*+-.^_`|~")
	token := s.rest[:len(s.rest)-len(after)]
	s.rest = after
	return token
}

func (s *scanner) spaces() { s.rest = strings.TrimLeft(s.rest, " \t") }
func (s *scanner) commas() { s.rest = strings.TrimLeft(s.rest, " \t,") }

func (s *scanner) skip(text string) bool {
	after, ok := strings.CutPrefix(s.rest, text)
	s.rest = after
	return ok
}

// boundary says that a word has ended here.
func (s *scanner) boundary() bool {
	return s.rest == "" || strings.ContainsRune(" \t,", rune(s.rest[0]))
}

// delimited says that nothing but the end or a comma follows.
func (s *scanner) delimited() bool {
	next := strings.TrimLeft(s.rest, " \t")
	return next == "" || next[0] == ','
}
