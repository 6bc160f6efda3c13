package store_test

import (
	"encoding/json"
	"testing"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
)

// An app that was connected before there was a setting goes on being told what it was.
func TestAppsOfBeforeASettingKeepWhatTheyHad(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		ctx, w := t.Context(), db.World(t)
		_, err := db.SQL().ExecContext(ctx, `UPDATE clients SET settings = '{"logo_uri":""}'`)
		idptest.Must(t, err)
		old, err := db.VersionedClient(ctx, w.Client.ID)
		idptest.Must(t, err)
		state, err := db.GrantState(ctx, w.Grant.ID)
		idptest.Must(t, err)
		want := idp.AppClaims{Roles: idp.NoRoles, InIDToken: true, PlainPopulation: true}
		if old.Client.Claims != want || state.App.Claims != want {
			t.Errorf("claims %+v, to its grants %+v; want %+v", old.Client.Claims, state.App.Claims, want)
		}
		old.Client.Claims.InIDToken = false
		idptest.Must(t, db.SaveClient(ctx, old.Version, old.Client))
		saved, err := db.VersionedClient(ctx, w.Client.ID)
		idptest.Must(t, err)
		if want.InIDToken = false; saved.Client.Claims != want {
			t.Errorf("claims %+v after a change, want %+v", saved.Client.Claims, want)
		}
	})
}

// Replicas of two releases run side by side during an upgrade: the older one knows fewer
// settings, and must not undo what was set through the newer one.
func TestSettingsOfANewerReleaseOutliveAChangeByAnOlderOne(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		ctx, w := t.Context(), db.World(t)
		for _, table := range []string{"clients", "populations"} {
			_, err := db.SQL().ExecContext(ctx, "UPDATE "+table+` SET settings = '{"of_tomorrow":{"a":[1,"ä"]},"zero":0}'`)
			idptest.Must(t, err)
		}
		before, err := db.VersionedClient(ctx, w.Client.ID)
		idptest.Must(t, err)
		before.Client.Name = "Renamed"
		idptest.Must(t, db.SaveClient(ctx, before.Version, before.Client))
		p := w.Population
		p.Name = "Renamed"
		idptest.Must(t, db.SaveBrand(ctx, 1, p))
		for _, table := range []string{"clients", "populations"} {
			var column string
			idptest.Must(t, db.SQL().QueryRowContext(ctx, "SELECT settings FROM "+table+" WHERE name = 'Renamed'").Scan(&column))
			var kept map[string]json.RawMessage
			idptest.Must(t, json.Unmarshal([]byte(column), &kept))
			if string(kept["of_tomorrow"]) != `{"a":[1,"ä"]}` || string(kept["zero"]) != "0" {
				t.Errorf("%s: %s", table, column)
			}
		}
		expectError(t, db.SaveBrand(ctx, 1, p), idp.ErrConflict)
	})
}
