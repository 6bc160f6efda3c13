package server_test

import (
	"testing"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/manage/authz"
)

// Who revoked a key, and why, is recorded in the transaction that does it: where that
// cannot be written, the key stays.
func TestAKeyIsNotRevokedWithoutItsRecord(t *testing.T) {
	t.Parallel()
	db := idptest.Alone(t)
	app := idptest.Start(t, db.URL, "")
	_, err := db.SQL().ExecContext(t.Context(), `CREATE TRIGGER full BEFORE INSERT ON audit_events
		WHEN NEW.detail LIKE '%it leaked%' BEGIN SELECT RAISE(ABORT, 'full'); END`)
	idptest.Must(t, err)
	before, err := app.Store.SigningKeys(t.Context())
	idptest.Must(t, err)
	if err := app.Manage.System.RevokeKey(t.Context(), authz.System(), before[0].ID, "it leaked"); err == nil {
		t.Error("revoked, though nobody can see by whom")
	}
	if _, err := app.Manage.System.RotateKeys(t.Context(), authz.System(), "it leaked"); err == nil {
		t.Error("rotated, though nobody can see by whom")
	}
	after, err := app.Store.SigningKeys(t.Context())
	idptest.Must(t, err)
	if len(after) != len(before) || after[0].ID != before[0].ID {
		t.Errorf("%d keys before and %d after", len(before), len(after))
	}
	idptest.Must(t, app.Manage.System.RevokeKey(t.Context(), authz.System(), before[0].ID, "really"))
	for _, k := range app.Keys.List() {
		if k.ID == before[0].ID {
			t.Error("the provider still has the key that was revoked")
		}
	}
	if n := app.Audited(idp.AuditKeyRevoked); n != 2 {
		t.Errorf("%d events, want that of the key and that of who asked", n)
	}
}
