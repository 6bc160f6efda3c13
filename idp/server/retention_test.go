package server_test

import (
	"testing"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/server"
)

// A database that is new keeps audit events for 400 days, an earlier one keeps all until
// it is told otherwise, and 0 keeps all: as the job sweeps, whatever the process.
func TestTheAuditLogIsKeptAsLongAsSaid(t *testing.T) {
	const day = 24 * time.Hour
	old := func(t *testing.T, db *idptest.Database) {
		t.Helper()
		_, err := db.SQL().ExecContext(t.Context(), "DELETE FROM settings WHERE name = 'audit.retention'")
		idptest.Must(t, err)
	}
	for name, c := range map[string]struct {
		before func(t *testing.T, db *idptest.Database)
		said   *time.Duration
		kept   map[time.Duration]bool
	}{
		"new":                         {nil, nil, map[time.Duration]bool{399 * day: true, 401 * day: false}},
		"an earlier one":              {old, nil, map[time.Duration]bool{399 * day: true, 4000 * day: true}},
		"for ever":                    {nil, new(time.Duration(0)), map[time.Duration]bool{401 * day: true, 4000 * day: true}},
		"an earlier one, and 30 days": {old, new(30 * day), map[time.Duration]bool{29 * day: true, 31 * day: false}},
	} {
		t.Run(name, func(t *testing.T) {
			idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
				app := idptest.StartWith(t, server.Config{DatabaseURL: db.URL, DataDir: idptest.Folder(t), AuditRetention: c.said}, "")
				if c.before != nil {
					c.before(t, db)
				}
				for age, kept := range c.kept {
					_, err := db.SQL().ExecContext(t.Context(), "DELETE FROM audit_events")
					idptest.Must(t, err)
					idptest.Must(t, app.Store.Audit(t.Context(), idp.AuditEvent{Kind: idp.AuditKeyRotated}))
					db.Age(t, "audit_events", age, "at")
					idptest.Must(t, app.SweepNow(t.Context()))
					if n := app.Audited(idp.AuditKeyRotated); (n == 1) != kept {
						t.Errorf("after %s there are %d events, want it kept: %t", age, n, kept)
					}
				}
			})
		})
	}
}
