package need

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// Variable names the environment variable that lists, between commas, what must be there,
// so that its absence fails a test instead of skipping it.
const Variable = "GATEHOUSE_TEST_REQUIRE"

// OrSkip ends the test because what, such as "chromium", is not there for the given
// reason: it fails where what must be there, and is skipped elsewhere.
func OrSkip(tb testing.TB, what, reason string) {
	tb.Helper()
	if Asked(what) {
		tb.Fatalf("%s is required by %s: %s", what, Variable, reason)
	}
	tb.Skipf("no %s: %s", what, reason)
}

// Asked tells whether what must be there.
func Asked(what string) bool {
	return slices.ContainsFunc(strings.Split(os.Getenv(Variable), ","), func(item string) bool {
		return strings.TrimSpace(item) == what
	})
}
