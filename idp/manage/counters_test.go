package manage_test

import (
	"testing"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/manage"
	"gatehouse/idp/manage/self"
	"gatehouse/idp/throttle"
)

// The count of wrong codes belongs to the person and the method: it goes with a reset, and
// for recovery codes with a new set, and stays when an authenticator is taken away.
func TestWhatForgetsWrongCodes(t *testing.T) {
	kinds := map[string]throttle.Kind{"totp": throttle.Authenticator, "recovery": throttle.Recovery, "email": throttle.EmailCode}
	for name, c := range map[string]struct {
		act  func(t *testing.T, o *office, u idp.User) error
		left int
	}{
		"reset": {func(t *testing.T, o *office, u idp.User) error {
			return o.Factors.ResetMFA(t.Context(), everything(), u.ID, ticket)
		}, 0},
		"new codes": {func(t *testing.T, o *office, u idp.User) error {
			o.db.Age(t, "recovery_sets", 3*time.Hour, "created_at")
			return o.Factors.RegenerateRecoveryCodes(t.Context(), everything(), u.ID, ticket)
		}, 2},
		"authenticator removed": {func(t *testing.T, o *office, u idp.User) error {
			o.exec(t, "UPDATE policies SET email_code = TRUE")
			proofs := []idp.Proof{{Method: idp.MethodPassword, At: idp.Now()}, {Method: idp.MethodTOTP, At: idp.Now()}}
			return o.Self.RemoveAuthenticator(t.Context(), self.Self{UserID: u.ID, SessionID: "session", Proofs: proofs}, o.enrolment(t, u).Of(idp.MethodTOTP)[0].ID)
		}, 3},
	} {
		t.Run(name, func(t *testing.T) {
			inOffice(t, func(t *testing.T, o *office) {
				limiter := throttle.New(o.db.Store, []byte("key"))
				o.refit(func(p *manage.Parts) { p.Throttles = limiter })
				u := o.enrolled(t, idp.Agents)
				for _, kind := range kinds {
					_, err := limiter.Begin(t.Context(), limiter.Factor(kind, u.ID))
					idptest.Must(t, err)
				}
				idptest.Must(t, c.act(t, o, u))
				if n := query[int](t, o, "SELECT COUNT(*) FROM throttles"); n != c.left {
					t.Errorf("%d counters are left, want %d", n, c.left)
				}
			})
		})
	}
}
