package throttle

import "slices"

// Kinds are all that have a rule.
func Kinds() []Kind {
	var list []Kind
	for k := range of {
		list = append(list, k)
	}
	slices.Sort(list)
	return list
}

// Of is the counter of a kind, whatever it counts.
func (l *Limiter) Of(kind Kind) Counter { return l.counter(kind, []byte("somebody")) }

// Free is how many attempts a kind admits before the first wait.
func (k Kind) Free() int { return k.rule().free }

// Keys are those of counters.
func Keys(counters ...Counter) [][]byte {
	var list [][]byte
	for _, c := range counters {
		list = append(list, c.key)
	}
	return list
}
