package throttle_test

import (
	"testing"

	"gatehouse/idp/idptest"
	"gatehouse/idp/throttle"
)

// A second step that nobody gave a rule of its own must not be guessed at for ever.
func TestAKindWithoutARuleIsCappedAsWhatOnePersonProves(t *testing.T) {
	t.Parallel()
	db := idptest.Alone(t)
	l := limiter(db.Store)
	if free, own := throttle.Kind("unheard of").Free(), throttle.Authenticator.Free(); free != own {
		t.Errorf("%d tries are free, want %d", free, own)
	}
	for i := range throttle.Cap {
		db.Exec(t, "UPDATE throttles SET next_at = last_at")
		attempt, err := l.Begin(t.Context(), l.Of("unheard of"))
		idptest.Must(t, err)
		if attempt.Last() != (i == throttle.Cap-1) {
			t.Fatalf("attempt %d: last %t", i+1, attempt.Last())
		}
	}
}
