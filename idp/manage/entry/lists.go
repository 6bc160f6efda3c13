package entry

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"gatehouse/idp"
)

// Cursor is where a list goes on: what the answer before gave, empty from the
// start. It means nothing to its holder; one that is broken, or another list's, is
// settings.Errors "after".
type Cursor string

// Position is what a cursor stands for: the last row of a page.
type Position struct {
	List string    `json:"l"`
	ID   string    `json:"i"`
	Key  []byte    `json:"k,omitempty"`
	At   time.Time `json:"t,omitzero"`
}

// maxCursor is how long a cursor may be, in bytes.
const maxCursor = 2000

func (p Position) cursor() Cursor {
	b, _ := json.Marshal(p) // strings, bytes and a time of ours always marshal
	return Cursor(base64.RawURLEncoding.EncodeToString(b))
}

func (c Cursor) Position(list string) (Position, error) {
	var p Position
	if c == "" {
		return p, nil
	}
	broken := Invalid("after", "settings.list.after")
	if len(c) > maxCursor {
		return p, broken
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(string(c))
	if err != nil || json.Unmarshal(b, &p) != nil || p.List != list || p.ID == "" || IsText("after", p.ID) != nil {
		return Position{}, broken
	}
	return p, nil
}

// How many rows a page has.
const (
	DefaultLimit = 50
	MaxLimit     = 200
)

func PageSize(limit int) (int, error) {
	switch {
	case limit == 0:
		return DefaultLimit, nil
	case limit < 0 || limit > MaxLimit:
		return 0, Invalid("limit", "settings.list.limit", MaxLimit)
	}
	return limit, nil
}

// Page cuts rows of which one more than fits was read, and says where the next page
// begins; empty when there is none.
func Page[T any](rows []T, limit int, at func(T) Position) ([]T, Cursor) {
	if len(rows) <= limit {
		return rows, ""
	}
	rows = rows[:limit]
	return rows, at(rows[limit-1]).cursor()
}

// IsText refuses what no person writes in a line: control characters, and bytes
// that are no UTF-8.
func IsText(field, value string) error {
	if !utf8.ValidString(value) || strings.ContainsFunc(value, unicode.IsControl) {
		return Invalid(field, "settings.text")
	}
	return nil
}

// CheckName is checkLine for a name: where there is one, it shows something, and nothing
// else than it says.
func CheckName(field, value string, longest int) error {
	if err := CheckLine(field, value, longest); err != nil {
		return err
	}
	if value != "" && !idp.Shows(value) {
		return Invalid(field, "settings.shows_nothing")
	}
	if strings.ContainsFunc(value, idp.Directs) {
		return Invalid(field, "settings.turns_text")
	}
	return nil
}

// CheckLine is isText for a line that may not be longer, in characters.
func CheckLine(field, value string, longest int) error {
	if utf8.RuneCountInString(value) > longest {
		return Invalid(field, "settings.long", longest)
	}
	return IsText(field, value)
}
