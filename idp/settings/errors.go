package settings

import (
	"fmt"
	"slices"
	"strings"

	"gatehouse/idp"
)

// Error says what is wrong about a field: a text of the catalogues with its arguments.
type Error struct {
	Field string
	Key   string
	Args  []any
}

// Errors are all that is wrong about a thing, one error a field.
type Errors []Error

// Invalid is one error.
func Invalid(field, key string, args ...any) Errors { return Errors{{field, key, args}} }

// Error implements error. It is for logs: people read the texts of the keys.
func (e Errors) Error() string {
	var list []string
	for _, one := range e {
		said := strings.TrimSpace(fmt.Sprintln(append([]any{one.Key}, one.Args...)...))
		if one.Field != "" {
			said = one.Field + ": " + said
		}
		list = append(list, said)
	}
	return strings.Join(list, "; ")
}

// In are all of them in the words of text, a catalogue's, one after the other.
func (e Errors) In(text func(key string, args ...any) string) string {
	var list []string
	for _, one := range e {
		list = append(list, text(one.Key, one.Args...))
	}
	return strings.Join(list, ", ")
}

// Unwrap makes them an idp.ErrInvalid.
func (e Errors) Unwrap() error { return idp.ErrInvalid }

// Of is the error of a field, nil for none.
func (e Errors) Of(field string) *Error {
	if i := slices.IndexFunc(e, func(one Error) bool { return one.Field == field }); i >= 0 {
		return &e[i]
	}
	return nil
}

// And are e and those of more whose fields have no error yet.
func (e Errors) And(more ...Error) Errors {
	for _, one := range more {
		if e.Of(one.Field) == nil {
			e = append(e, one)
		}
	}
	return e
}

// Err is nil when nothing is wrong.
func (e Errors) Err() error {
	if len(e) == 0 {
		return nil
	}
	return e
}
