package idp

import "time"

// Now is the current time in UTC, truncated to microseconds, which is what both
// databases can store. It is the only caller of time.Now in the program (a
// linter holds that), so that a time read back equals the time written.
func Now() time.Time {
	return time.Now().UTC().Truncate(time.Microsecond)
}
