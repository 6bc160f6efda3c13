package manage

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
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

// position is what a cursor stands for: the last row of a page.
type position struct {
	List string    `json:"l"`
	ID   string    `json:"i"`
	Key  []byte    `json:"k,omitempty"`
	At   time.Time `json:"t,omitzero"`
}

// maxCursor is how long a cursor may be, in bytes.
const maxCursor = 2000

func (p position) cursor() Cursor {
	b, _ := json.Marshal(p) // strings, bytes and a time of ours always marshal
	return Cursor(base64.RawURLEncoding.EncodeToString(b))
}

func (c Cursor) position(list string) (position, error) {
	var p position
	if c == "" {
		return p, nil
	}
	broken := invalid("after", "settings.list.after")
	if len(c) > maxCursor {
		return p, broken
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(string(c))
	if err != nil || json.Unmarshal(b, &p) != nil || p.List != list || p.ID == "" || isText("after", p.ID) != nil {
		return position{}, broken
	}
	return p, nil
}

// How many rows a page has.
const (
	defaultLimit = 50
	maxLimit     = 200
)

func pageSize(limit int) (int, error) {
	switch {
	case limit == 0:
		return defaultLimit, nil
	case limit < 0 || limit > maxLimit:
		return 0, invalid("limit", "settings.list.limit", maxLimit)
	}
	return limit, nil
}

// page cuts rows of which one more than fits was read, and says where the next page
// begins; empty when there is none.
func page[T any](rows []T, limit int, at func(T) position) ([]T, Cursor) {
	if len(rows) <= limit {
		return rows, ""
	}
	rows = rows[:limit]
	return rows, at(rows[limit-1]).cursor()
}

// isText refuses what no person writes in a line: control characters, and bytes
// that are no UTF-8.
func isText(field, value string) error {
	if !utf8.ValidString(value) || strings.ContainsFunc(value, unicode.IsControl) {
		return invalid(field, "settings.text")
	}
	return nil
}

// KnowsPopulation tells whether there is such a population.
func (m *Manager) KnowsPopulation(ctx context.Context, id string) (bool, error) {
	_, err := m.Store.Population(ctx, id)
	if errors.Is(err, idp.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// KnowsRole tells whether there is such a role.
func (m *Manager) KnowsRole(ctx context.Context, id string) (bool, error) {
	found, err := m.Store.RolesByID(ctx, id)
	return len(found) > 0, err
}

// checkName is checkLine for a name: where there is one, it shows something, and nothing
// else than it says.
func checkName(field, value string, longest int) error {
	if err := checkLine(field, value, longest); err != nil {
		return err
	}
	if value != "" && !idp.Shows(value) {
		return invalid(field, "settings.shows_nothing")
	}
	if strings.ContainsFunc(value, idp.Directs) {
		return invalid(field, "settings.turns_text")
	}
	return nil
}

// checkLine is isText for a line that may not be longer, in characters.
func checkLine(field, value string, longest int) error {
	if utf8.RuneCountInString(value) > longest {
		return invalid(field, "settings.long", longest)
	}
	return isText(field, value)
}
