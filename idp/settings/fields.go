package settings

import (
	"strings"
	"time"
)

// Kind is what the value of a field looks like.
type Kind string

// The kinds.
const (
	KindLine     Kind = "line" // one line of text
	KindText     Kind = "text" // several lines, such as a certificate
	KindFlag     Kind = "flag"
	KindNumber   Kind = "number"
	KindDuration Kind = "duration"
	KindChoice   Kind = "choice" // one of several values
	KindList     Kind = "list"   // texts in their order
	KindSet      Kind = "set"    // texts without an order
)

// Spec is what readers need to know of a field, whatever it belongs to.
type Spec struct {
	Name string // the admin API's
	Kind Kind
	// Missing is the text for an empty value that may not be empty.
	Missing string
	// Least and Most bound a number, a duration in nanoseconds, or how many texts a list
	// has. Most bounds the characters of a line. Both zero: no bounds.
	Least, Most int64
	// Longest bounds a text, or each of a list, in characters; zero: no bound.
	Longest int
	// Pattern is a regular expression of the texts that the rule allows, for the admin API's
	// document; empty for any line.
	Pattern string
	// Values are those of a choice, and of a set that has no others.
	Values []string
	// Default is what a new thing has, nil for the zero value.
	Default any
	// Before is what a thing has that was stored when there was no such field, nil for
	// Default. For fields of a settings column.
	Before any
	// Stored: the value lies in the settings column of its thing, not in one of its own.
	Stored bool
	// Later: the field came after the first documents of the admin API. A request that lacks
	// it keeps what is there.
	Later bool
	// Operation is the one that the field takes beyond that of the thing, empty for none.
	Operation string
	// Metadata is what apps call the field that register themselves (RFC 7591 section 2), empty
	// for what is not theirs to ask for.
	Metadata string
	// Harmless: a change takes no fresh second step where changes of the thing do.
	Harmless bool
}

// Required tells whether an empty value is an error.
func (s Spec) Required() bool { return s.Missing != "" }

// Field is one field of a T.
type Field[T any] struct {
	Spec
	get    func(*T) any
	set    func(*T, any)
	tidy   func(string) string
	rule   func(value string) *Error
	counts func(T) bool
}

// Fields describe a T, in the order in which people read them.
type Fields[T any] []Field[T]

func field[T, V any](name string, kind Kind, at func(*T) *V) Field[T] {
	return Field[T]{
		Spec: Spec{Name: name, Kind: kind},
		get:  func(t *T) any { return *at(t) },
		set:  func(t *T, v any) { *at(t), _ = v.(V) },
	}
}

func text[T any, S ~string](name string, kind Kind, at func(*T) *S) Field[T] {
	f := field(name, kind, at)
	f.get = func(t *T) any { return string(*at(t)) }
	f.tidy = strings.TrimSpace
	f.set = func(t *T, v any) {
		if s, ok := v.(string); ok {
			*at(t) = S(s)
		} else {
			*at(t), _ = v.(S)
		}
	}
	return f
}

// Line is a line of text.
func Line[T any, S ~string](name string, at func(*T) *S) Field[T] { return text(name, KindLine, at) }

// Text is a text of several lines.
func Text[T any, S ~string](name string, at func(*T) *S) Field[T] {
	return text(name, KindText, at).As(func(t string) string {
		return strings.TrimSpace(strings.ReplaceAll(t, "\r\n", "\n")) // as browsers send them
	})
}

// WordSet are texts without an order and without spaces in them, which their thing keeps as one,
// with spaces between: so that it can be compared.
func WordSet[T any](name string, at func(*T) *string) Field[T] {
	return Field[T]{
		Spec: Spec{Name: name, Kind: KindSet},
		get:  func(t *T) any { return strings.Fields(*at(t)) },
		set: func(t *T, v any) {
			list, _ := v.([]string)
			*at(t) = strings.Join(list, " ")
		},
	}
}

// Flag is on or off.
func Flag[T any](name string, at func(*T) *bool) Field[T] { return field(name, KindFlag, at) }

// Number is a whole number.
func Number[T any](name string, at func(*T) *int) Field[T] { return field(name, KindNumber, at) }

// Duration is a length of time.
func Duration[T any](name string, at func(*T) *time.Duration) Field[T] {
	return field(name, KindDuration, at)
}

// Choice is one of several values.
func Choice[T any, S ~string](name string, at func(*T) *S, values ...S) Field[T] {
	f := text(name, KindChoice, at)
	for _, v := range values {
		f.Values = append(f.Values, string(v))
	}
	return f
}

// List are texts in their order.
func List[T any](name string, at func(*T) *[]string) Field[T] { return field(name, KindList, at) }

// Set are texts without an order, of values or, without those, of any.
func Set[T any](name string, at func(*T) *[]string, values ...string) Field[T] {
	f := field(name, KindSet, at)
	f.Values = values
	return f
}

// Must refuses an empty value with a text.
func (f Field[T]) Must(key string) Field[T] { f.Missing = key; return f }

// Between bounds a number, or how many texts a list has.
func (f Field[T]) Between(least, most int) Field[T] {
	f.Least, f.Most = int64(least), int64(most)
	return f
}

// Lasts bounds a duration.
func (f Field[T]) Lasts(least, most time.Duration) Field[T] {
	f.Least, f.Most = int64(least), int64(most)
	return f
}

// Max bounds the characters of a line, or how many texts a list has.
func (f Field[T]) Max(most int) Field[T] { return f.Between(0, most) }

// Each bounds a text, or each of a list, in characters.
func (f Field[T]) Each(longest int) Field[T] { f.Longest = longest; return f }

// Like says which texts the rule allows, for readers who cannot ask it.
func (f Field[T]) Like(pattern string) Field[T] { f.Pattern = pattern; return f }

// Or is what a new thing has.
func (f Field[T]) Or(value any) Field[T] { f.Default = value; return f }

// Until is what a thing has that was stored when there was no such field: what it did then.
func (f Field[T]) Until(before any) Field[T] { f.Before = before; return f }

// Needs is the operation that the field takes beyond that of the thing.
func (f Field[T]) Needs(operation string) Field[T] { f.Operation = operation; return f }

// Registered lets apps ask for the field that register themselves, by its name or another.
func (f Field[T]) Registered(other ...string) Field[T] {
	f.Metadata = f.Name
	if len(other) > 0 {
		f.Metadata = other[0]
	}
	return f
}

// Freely changes the field without a fresh second step.
func (f Field[T]) Freely() Field[T] { f.Harmless = true; return f }

// As is how a text is kept, or each of a list, which then has none that are empty or there
// twice. A line is kept without space around it otherwise, and a list as it comes.
func (f Field[T]) As(tidy func(string) string) Field[T] { f.tidy = tidy; return f }

// Rule says what is wrong about a line that is not empty, or a text of a list; nil for
// nothing.
// The error needs no field.
func (f Field[T]) Rule(rule func(value string) *Error) Field[T] { f.rule = rule; return f }

// If lets the field count only in some things: elsewhere its value is not looked at.
func (f Field[T]) If(counts func(T) bool) Field[T] { f.counts = counts; return f }

// Only are the fields that keep says.
func (fs Fields[T]) Only(keep func(Spec) bool) (some Fields[T]) {
	for _, f := range fs {
		if keep(f.Spec) {
			some = append(some, f)
		}
	}
	return some
}

// Defaults fills in what is empty and has a default.
func (fs Fields[T]) Defaults(t *T) {
	for _, f := range fs {
		if f.Default != nil && empty(f.get(t)) {
			f.set(t, f.Default)
		}
	}
}

// Words is how a name is kept: with one space between its words.
func Words(text string) string { return strings.Join(strings.Fields(text), " ") }

// Lower is how something is kept whose capitals say nothing, such as a domain.
func Lower(text string) string { return strings.ToLower(strings.TrimSpace(text)) }
