package store_test

import (
	"context"
	"testing"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/store"
)

// A connection without its secret or key refuses everybody who chooses it.
func TestAConnectionWhoseSecretIsLostIsOff(t *testing.T) {
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		ctx, w := t.Context(), db.World(t)
		c := idptest.Connection(w.Population.ID)
		c.Enabled = true
		idptest.Must(t, db.CreateConnection(ctx, c))
		lost := []store.Sealed{{Table: "connections", ID: c.ID, Column: "secret"}, {Table: "connections", ID: c.ID, Column: "private_key"}}
		idptest.Must(t, db.Do(ctx, func(ctx context.Context) error {
			_, err := db.ForgetSealed(ctx, lost, idp.Now())
			return err
		}))
		got, err := db.Connection(ctx, c.ID)
		idptest.Must(t, err)
		if got.Enabled || len(got.Secret)+len(got.Key) > 0 {
			t.Errorf("enabled %v, with %d bytes", got.Enabled, len(got.Secret)+len(got.Key))
		}
		var events int
		idptest.Must(t, db.SQL().QueryRowContext(ctx, "SELECT count(*) FROM audit_events WHERE kind = 'connection.changed'").Scan(&events))
		if events != 1 {
			t.Errorf("%d audit events, want one", events)
		}
	})
}
