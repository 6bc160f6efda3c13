package settings

import (
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Encode is t as the admin API writes it: durations in seconds, and no list is null.
func (fs Fields[T]) Encode(t T) map[string]any {
	body := map[string]any{}
	for _, f := range fs {
		switch v := f.get(&t).(type) {
		case time.Duration:
			body[f.Name] = int64(v / time.Second)
		case []string:
			body[f.Name] = append([]string{}, v...)
		default:
			body[f.Name] = v
		}
	}
	return body
}

// Decode puts what a body has into t; what it lacks stays. Names that are no fields are
// left to the caller.
func (fs Fields[T]) Decode(body map[string]json.RawMessage, t *T) (wrong Errors) {
	for _, f := range fs {
		raw, ok := body[f.Name]
		if !ok {
			continue
		}
		value, err := f.decode(raw)
		if err != nil {
			wrong = append(wrong, Error{Field: f.Name, Key: "settings.kind"})
			continue
		}
		f.set(t, value)
	}
	return wrong
}

func (f Field[T]) decode(raw json.RawMessage) (value any, err error) {
	switch f.Kind {
	case KindFlag:
		return as[bool](raw)
	case KindNumber:
		return as[int](raw)
	case KindDuration:
		var seconds int64
		if seconds, err = as[int64](raw); err == nil && int64(time.Duration(seconds)*time.Second/time.Second) != seconds {
			err = strconv.ErrRange
		}
		return time.Duration(seconds) * time.Second, err
	case KindList, KindSet:
		list, err := as[[]string](raw)
		return append([]string(nil), list...), err // an empty one is none
	case KindLine, KindText, KindChoice:
	}
	return as[string](raw)
}

func as[V any](raw json.RawMessage) (V, error) {
	var v *V
	err := json.Unmarshal(raw, &v)
	if err == nil && v == nil {
		err = strconv.ErrSyntax // null is no value
	}
	if err != nil {
		return *new(V), err
	}
	return *v, nil
}

// Diff is what differs between two things, for the audit log: "before.scopes" and
// "after.scopes", by the names and in the values of the admin API. A list is written with
// spaces between its texts.
func (fs Fields[T]) Diff(before, after T) map[string]string {
	diff := map[string]string{}
	for _, f := range fs {
		if a, b := f.get(&before), f.get(&after); !f.same(a, b) {
			diff["before."+f.Name], diff["after."+f.Name] = f.fact(a), f.fact(b)
		}
	}
	return diff
}

// Same tells whether two things are set alike.
func (fs Fields[T]) Same(a, b T) bool {
	return !slices.ContainsFunc(fs, func(f Field[T]) bool { return !f.same(f.get(&a), f.get(&b)) })
}

func (f Field[T]) same(a, b any) bool {
	x, list := a.([]string)
	if !list {
		return a == b
	}
	y, _ := b.([]string)
	if f.Kind == KindSet {
		x, y = slices.Sorted(slices.Values(x)), slices.Sorted(slices.Values(y))
	}
	return slices.Equal(x, y)
}

// fact is a value as the audit log has it. A text of several lines can be long: the log has its
// SHA-256, by which a text that somebody has can be told to be that one.
func (f Field[T]) fact(value any) string {
	switch v := value.(type) {
	case string:
		if f.Kind == KindText && v != "" {
			return fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(v)))
		}
	case time.Duration:
		return strconv.FormatInt(int64(v/time.Second), 10)
	case []string:
		return strings.Join(v, " ")
	}
	return fmt.Sprint(value)
}

// Changed tells whether one of the fields that take a fresh second step differs.
func (fs Fields[T]) Changed(before, after T) bool {
	return !fs.Only(func(s Spec) bool { return !s.Harmless }).Same(before, after)
}

// OneLine is the pattern of texts without control characters.
const OneLine = `^[^\x00-\x1F\x7F-\x9F]*$`

// Lines is the pattern of texts of several lines.
const Lines = `^[^\x00-\x09\x0B\x0C\x0E-\x1F\x7F-\x9F]*$`

// Schema is a field as OpenAPI describes it.
func (s Spec) Schema() map[string]any {
	switch s.Kind {
	case KindFlag:
		return map[string]any{"type": "boolean"}
	case KindNumber, KindDuration:
		return s.numberSchema()
	case KindList, KindSet:
		schema := map[string]any{"type": "array", "items": s.textSchema(0)}
		if s.Most > 0 {
			schema["maxItems"] = s.Most
		}
		if s.Kind == KindSet {
			schema["uniqueItems"] = true
		}
		return schema
	case KindLine, KindText, KindChoice:
	}
	return s.textSchema(s.Most)
}

func (s Spec) numberSchema() map[string]any {
	schema, unit := map[string]any{"type": "integer", "format": "int64"}, int64(1)
	if s.Kind == KindDuration {
		unit = int64(time.Second)
	}
	if s.Least != 0 || s.Most != 0 {
		schema["minimum"], schema["maximum"] = s.Least/unit, s.Most/unit
	}
	return schema
}

// textSchema is that of a text, or of each of a list.
func (s Spec) textSchema(most int64) map[string]any {
	schema := map[string]any{"type": "string"}
	if s.Values != nil {
		schema["enum"] = s.Values
		return schema
	}
	pattern := OneLine
	if s.Kind == KindText {
		pattern = Lines
	}
	schema["pattern"] = cmp.Or(s.Pattern, pattern)
	if most = cmp.Or(most, int64(s.Longest)); most > 0 {
		schema["maxLength"] = most
	}
	if s.Required() && s.Kind == KindLine {
		schema["minLength"] = 1
	}
	return schema
}
