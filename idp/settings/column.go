package settings

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
)

// A settings column holds the stored fields of a thing as a JSON object, by the names and
// in the values of the admin API.

// InColumn keeps the field in the settings column of its thing.
func (f Field[T]) InColumn() Field[T] { f.Stored = true; return f.Since() }

// FromStart marks a field of a settings column that its thing always had.
func (f Field[T]) FromStart() Field[T] { f.Later = false; return f }

// Since marks a field that came after the first documents of the admin API.
func (f Field[T]) Since() Field[T] { f.Later = true; return f }

// stored are the fields of the settings column.
func (fs Fields[T]) stored() Fields[T] { return fs.Only(func(s Spec) bool { return s.Stored }) }

// FromColumn puts into t what its settings column has. Fields that it lacks are newer than
// the row: they have what they say of such rows (Until), else their defaults.
func (fs Fields[T]) FromColumn(column string, t *T) error {
	all, err := object(column)
	if err != nil {
		return err
	}
	for _, f := range fs.stored() {
		if _, has := all[f.Name]; has {
			continue
		}
		if value := cmp.Or(f.Before, f.Default); value != nil {
			f.set(t, value)
		}
	}
	if err := fs.stored().Decode(all, t).Err(); err != nil {
		return fmt.Errorf("read a settings column: %v", err) // no error of who asks
	}
	return nil
}

// Keep puts into after the stored and later fields of the row that are not among those
// given, nil for all: who asks for the change may not know them.
func (fs Fields[T]) Keep(before T, after *T, given []string) {
	for _, f := range fs.Only(func(s Spec) bool { return s.Stored || s.Later }) {
		if given != nil && !slices.Contains(given, f.Name) {
			f.set(after, f.get(&before))
		}
	}
}

// ToColumn is a settings column after t was saved. Names that are no fields stay: a newer
// program wrote them.
func (fs Fields[T]) ToColumn(column string, t T) (string, error) {
	all, err := object(column)
	if err != nil {
		return "", err
	}
	for name, value := range fs.stored().Encode(t) {
		if all[name], err = json.Marshal(value); err != nil {
			return "", fmt.Errorf("write a settings column: %w", err)
		}
	}
	text, err := json.Marshal(all)
	if err != nil {
		return "", fmt.Errorf("write a settings column: %w", err)
	}
	return string(text), nil
}

// object reads a column, which is empty where there is no row.
func object(column string) (map[string]json.RawMessage, error) {
	all := map[string]json.RawMessage{}
	if column == "" {
		return all, nil
	}
	if err := json.Unmarshal([]byte(column), &all); err != nil {
		return nil, fmt.Errorf("read a settings column: %w", err)
	}
	return all, nil
}
