package authz

import (
	"errors"
	"reflect"
	"slices"
)

// A change of nothing is answered with what there is, under the version that it has:
// nothing is written or mailed, and no session ends. The caller compares the version with
// the one they saw. An actor that repeats requests (Actor.Repeats) gets the same answer to
// an older version: the change may be its own, whose answer was lost.

// ErrUnchanged answers a change of nothing where there is no version to compare.
var ErrUnchanged = errors.New("nothing was changed")

// UnchangedError is an ErrUnchanged of what has a version.
type UnchangedError struct{ Version int64 }

// Error implements error.
func (*UnchangedError) Error() string { return ErrUnchanged.Error() }

// Unwrap makes it an ErrUnchanged.
func (*UnchangedError) Unwrap() error { return ErrUnchanged }

// Same tells whether two structs have the same fields; an empty list is no list.
func Same[T any](a, b T) bool {
	x, y := reflect.ValueOf(a), reflect.ValueOf(b)
	for i := range x.NumField() {
		f, g := x.Field(i), y.Field(i)
		if f.Kind() == reflect.Slice && f.Len() == 0 && g.Len() == 0 {
			continue
		}
		if !reflect.DeepEqual(f.Interface(), g.Interface()) {
			return false
		}
	}
	return true
}

// SameSet tells whether two lists hold the same, in any order.
func SameSet(a, b []string) bool {
	order := func(list []string) []string { return slices.Compact(slices.Sorted(slices.Values(list))) }
	return slices.Equal(order(a), order(b))
}
