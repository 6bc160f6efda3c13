package session_test

import (
	"testing"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
)

func TestReapEndsWhoCameByAWayThatWasClosedAndTellsTheirApps(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		h, ctx := newHouse(t, db), t.Context()
		c := idptest.Connection(idp.Agents)
		c.Trust = idp.Trusted
		idptest.Must(t, db.CreateConnection(ctx, c))
		subject := idp.EntraSubject(c.Tenants[0], "maya")
		idptest.Must(t, db.CreateIdentity(ctx, idp.Identity{
			ConnectionID: c.ID, Subject: subject, UserID: h.User.ID, CreatedAt: idp.Now(), LastSeenAt: idp.Now(),
		}))
		came, _ := idptest.Session(h.User, h.Population)
		came.ConnectionID = c.ID
		came.Proofs = []idp.Proof{{Method: idp.MethodFederated, At: idp.Now(), Via: c.ID, Subject: subject, Version: 3}}
		idptest.Must(t, db.CreateSession(ctx, came))
		app := h.client(t, "https://rtx.example/told")
		h.grant(t, app, came, true)
		if n, err := h.m.Reap(ctx); n != 0 || err != nil {
			t.Fatalf("reaped %d before anything was taken, %v", n, err)
		}
		c.Enabled = false
		idptest.Must(t, db.SaveConnection(ctx, c))
		for i, want := range []int{1, 0} {
			if n, err := h.m.Reap(ctx); n != want || err != nil {
				t.Errorf("run %d: reaped %d, %v", i, n, err)
			}
		}
		if got, err := db.Session(ctx, came.ID); err != nil || got.EndedAt.IsZero() {
			t.Errorf("it goes on: %v", err)
		}
		if got, err := db.Session(ctx, h.Session.ID); err != nil || !got.EndedAt.IsZero() {
			t.Errorf("the one with a password ended: %v", err)
		}
		h.expectTold(t, told{Client: app.ID, User: h.User.ID, Session: came.ID})
	})
}
