package admin

import "testing"

// Failures of a day are unusual from 20 on and above three times those of a day of the week before.
func TestWhichFailuresAreUnusual(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		day, week      int64
		known, strange bool
	}{
		{19, 0, true, false}, {20, 0, true, true}, {20, 0, false, false}, {30, 70, true, false}, {31, 70, true, true}, {3000, 7000, true, false}, {1000, 1, true, true},
	} {
		if got := unusual(c.day, c.week, c.known); got != c.strange {
			t.Errorf("%+v: %t", c, got)
		}
	}
}
