package manage

import (
	"errors"
	"reflect"
	"slices"

	"gatehouse/idp"
)

// A change of nothing is answered with what there is, under the version that it has:
// nothing is written, nobody is told, no session ends. Whoever asked compares the
// version with the one they saw.

// ErrUnchanged answers a change of nothing where there is no version to compare.
var ErrUnchanged = errors.New("nothing was changed")

// same tells whether two structs have the same fields; an empty list is no list.
func same[T any](a, b T) bool {
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

// same tells whether a population stays what it is.
func (e PopulationEntry) same(after idp.Population) bool {
	return same(e.Registration, after.Registration) && same(withoutRegistration(e.Population), withoutRegistration(after))
}

func withoutRegistration(p idp.Population) idp.Population {
	p.Registration = idp.Registration{}
	return p
}

// sameSet tells whether two lists hold the same, in any order.
func sameSet(a, b []string) bool {
	order := func(list []string) []string { return slices.Compact(slices.Sorted(slices.Values(list))) }
	return slices.Equal(order(a), order(b))
}
