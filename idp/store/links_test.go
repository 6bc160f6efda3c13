package store_test

import (
	"errors"
	"testing"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
)

// People whose domain was compared in letters are found by both spellings once the next
// start has folded it again, and two in one population are not made one: the audit log
// names the second.
func TestAddressesAreFoldedAgain(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		db.World(t)
		ascii, other, letters := idptest.User(idp.Agents, "a@xn--bcher-kva.example"), idptest.User(idp.Agents, "b@\u200bbücher.example"), idptest.User(idp.Agents, "b@bücher.example")
		for _, u := range []idp.User{ascii, other} {
			idptest.Must(t, db.CreateUser(t.Context(), u))
			// As an earlier program kept it.
			_, err := db.SQL().ExecContext(t.Context(), "UPDATE users SET email_key = CAST('"+u.Email[:2]+"bücher.example' AS "+bytesOf(db)+"), words = 0 WHERE id = '"+u.ID+"'")
			idptest.Must(t, err)
		}
		idptest.Must(t, db.CreateUser(t.Context(), letters))
		n, err := db.IndexUsers(t.Context(), 100)
		if err != nil || n != 2 {
			t.Fatalf("%d people were looked at, %v", n, err)
		}
		for _, spelling := range []string{"A@BÜCHER.example", "a@XN--bcher-kva.example"} {
			if u, err := db.UserByEmail(t.Context(), idp.Agents, spelling); err != nil || u.ID != ascii.ID {
				t.Errorf("%s finds %q, %v", spelling, u.ID, err)
			}
		}
		events, err := db.AuditEvents(t.Context(), idp.AuditAddressShared, "", 10)
		if err != nil || len(events) != 1 || events[0].UserID != other.ID {
			t.Errorf("events %+v, %v", events, err)
		}
		if u, err := db.User(t.Context(), other.ID); err != nil || u.Email != other.Email {
			t.Errorf("the second is %+v, %v", u, err)
		}
		if u, err := db.UserByEmail(t.Context(), idp.Agents, "b@bücher.example"); err != nil || u.ID != letters.ID {
			t.Errorf("the first with the address is %q, %v", u.ID, err)
		}
	})
}

func bytesOf(db *idptest.Database) string {
	if len(db.URL) > 8 && db.URL[:8] == "postgres" {
		return "BYTEA"
	}
	return "BLOB"
}

// Of one address there is one invitation, in whatever spelling, and of a link one use,
// with the token that counts.
func TestLinksAreOneAndUsedOnce(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		ctx, now := t.Context(), idp.Now()
		l := idp.Link{
			ID: "one", Kind: idp.InvitationLink, Hash: []byte("one"), PopulationID: idp.Agents, Email: "maya@bücher.example",
			Body: []byte("sealed"), CreatedAt: now, ExpiresAt: now.Add(time.Hour),
		}
		idptest.Must(t, db.CreateLink(ctx, l))
		got, err := db.LinkByID(ctx, idp.InvitationLink, "one")
		idptest.Must(t, err)
		expectSame(t, l, got)
		again := l
		again.ID, again.Hash, again.Email = "two", []byte("two"), "MAYA@xn--bcher-kva.example"
		expectError(t, db.CreateLink(ctx, again), idp.ErrConflict)
		again.PopulationID = idp.Contacts
		idptest.Must(t, db.CreateLink(ctx, again))

		idptest.Must(t, db.RenewLink(ctx, "one", []byte("new"), []byte("body"), now.Add(2*time.Hour)))
		expectError(t, db.UseLink(ctx, l, now), idp.ErrUsed)
		l.Hash = []byte("new")
		expectError(t, db.UseLink(ctx, l, now.Add(2*time.Hour)), idp.ErrUsed)
		won := 0
		for _, err := range idptest.Race(8, func(int) error { return db.UseLink(ctx, l, now) }) {
			if err == nil {
				won++
			} else if !errors.Is(err, idp.ErrUsed) {
				t.Error(err)
			}
		}
		if won != 1 {
			t.Errorf("%d used it", won)
		}
		got, err = db.Link(ctx, idp.InvitationLink, []byte("new"))
		if err != nil || len(got.Body) != 0 || got.UsedAt.IsZero() {
			t.Errorf("what is left of it: %+v, %v", got, err)
		}
		for _, err := range []error{db.RenewLink(ctx, "one", []byte("x"), nil, now), db.DropLink(ctx, "one")} {
			expectError(t, err, idp.ErrUsed)
		}
		// Once it was accepted there is room for another.
		again.ID, again.Hash, again.PopulationID = "three", []byte("three"), idp.Agents
		idptest.Must(t, db.CreateLink(ctx, again))
		_, err = db.InvitationOf(ctx, idp.Agents, "maya@bücher.example")
		idptest.Must(t, err)
	})
}
