package store_test

import (
	"testing"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
)

// A change that was prepared before a code came back does not take back what that proved;
// another address begins unproved.
func TestAChangeKeepsThatTheAddressWasProved(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		db.World(t)
		u := idptest.User(idp.Agents, "moved@rtx.example")
		u.EmailVerified = false
		idptest.Must(t, db.CreateUser(t.Context(), u))
		_, version, err := db.VersionedUser(t.Context(), u.ID)
		idptest.Must(t, err)
		idptest.Must(t, db.MarkEmailVerified(t.Context(), u.ID))
		for i, c := range []struct {
			email    string
			verified bool
		}{{"moved@rtx.example", true}, {"moved@else.example", false}, {"moved@else.example", false}} {
			u.Name, u.Email = "Renamed", c.email
			idptest.Must(t, db.SaveUser(t.Context(), version+int64(i), u))
			if got, _, err := db.VersionedUser(t.Context(), u.ID); err != nil || got.EmailVerified != c.verified {
				t.Errorf("%s: verified %t, %v", c.email, got.EmailVerified, err)
			}
		}
	})
}
