package store_test

import (
	"testing"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
)

func TestConnectionIsReadAsItWasWritten(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		ctx, w := t.Context(), db.World(t)
		full := idptest.Connection(w.Population.ID)
		expectFull(t, full)
		bare := idp.Connection{ID: "bare", PopulationID: w.Population.ID, CreatedAt: full.CreatedAt.Add(time.Second)}
		for _, c := range []idp.Connection{full, bare} {
			idptest.Must(t, db.CreateConnection(ctx, c))
			got, err := db.Connection(ctx, c.ID)
			idptest.Must(t, err)
			expectSame(t, c, got)
		}
		for population, want := range map[string][]idp.Connection{w.Population.ID: {full, bare}, "": {full, bare}, "other": {}} {
			got, err := db.Connections(ctx, population)
			idptest.Must(t, err)
			expectSame(t, want, got)
		}
		_, err := db.Connection(ctx, "none")
		expectError(t, err, idp.ErrNotFound)
	})
}

func TestConnectionIsSavedByWhoeverSawItLast(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		ctx, w := t.Context(), db.World(t)
		old := idptest.Connection(w.Population.ID)
		idptest.Must(t, db.CreateConnection(ctx, old))
		changed := old
		changed.Name, changed.Secret, changed.Roles = "Contoso", nil, nil
		idptest.Must(t, db.SaveConnection(ctx, changed))
		expectError(t, db.SaveConnection(ctx, old), idp.ErrConflict)
		changed.Version++
		got, err := db.Connection(ctx, old.ID)
		idptest.Must(t, err)
		expectSame(t, changed, got)
		expectError(t, db.DeleteConnection(ctx, old.ID, old.Version), idp.ErrConflict)
		idptest.Must(t, db.DeleteConnection(ctx, old.ID, changed.Version))
		_, err = db.Connection(ctx, old.ID)
		expectError(t, err, idp.ErrNotFound)
	})
}

func TestAPersonAndAnIdentityAreLinkedOnce(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		ctx, w := t.Context(), db.World(t)
		c := idptest.Connection(w.Population.ID)
		idptest.Must(t, db.CreateConnection(ctx, c))
		other := idptest.User(w.Population.ID, "noor@rtx.example")
		idptest.Must(t, db.CreateUser(ctx, other))
		linked, err := db.HasIdentities(ctx, c.ID)
		if idptest.Must(t, err); linked {
			t.Error("an identity before there is one")
		}
		now := idp.Now()
		link := idp.Identity{ConnectionID: c.ID, Subject: "tid/oid", UserID: w.User.ID, Email: "a@rtx.example", CreatedAt: now, LastSeenAt: now.Add(time.Second), Unproved: true}
		expectFull(t, link)
		idptest.Must(t, db.CreateIdentity(ctx, link))
		for name, second := range map[string]idp.Identity{
			"the same identity, another person": {ConnectionID: c.ID, Subject: link.Subject, UserID: other.ID},
			"the same person, another identity": {ConnectionID: c.ID, Subject: "tid/other", UserID: w.User.ID},
		} {
			t.Run(name, func(t *testing.T) { expectError(t, db.CreateIdentity(ctx, second), idp.ErrConflict) })
		}
		link.Email, link.LastSeenAt = "b@rtx.example", now.Add(time.Minute)
		idptest.Must(t, db.SeeIdentity(ctx, link))
		got, err := db.Identity(ctx, c.ID, link.Subject)
		idptest.Must(t, err)
		expectSame(t, link, got)
		all, err := db.IdentitiesOf(ctx, w.User.ID)
		idptest.Must(t, err)
		expectSame(t, []idp.Identity{link}, all)
		linked, err = db.HasIdentities(ctx, c.ID)
		if idptest.Must(t, err); !linked {
			t.Error("no identity although there is one")
		}

		expectError(t, db.DropIdentity(ctx, c.ID, other.ID), idp.ErrNotFound)
		idptest.Must(t, db.DropIdentity(ctx, c.ID, w.User.ID))
		_, err = db.Identity(ctx, c.ID, link.Subject)
		expectError(t, err, idp.ErrNotFound)
	})
}

func TestIdentitiesGoWithTheirPersonAndTheirConnection(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		ctx, w := t.Context(), db.World(t)
		for _, gone := range []func(c idp.Connection) error{
			func(c idp.Connection) error { return db.DeleteConnection(ctx, c.ID, c.Version) },
			func(idp.Connection) error {
				return db.AnonymiseUser(ctx, w.User.ID, "gone@invalid", idp.Now())
			},
		} {
			c := idptest.Connection(w.Population.ID)
			idptest.Must(t, db.CreateConnection(ctx, c))
			idptest.Must(t, db.CreateIdentity(ctx, idp.Identity{ConnectionID: c.ID, Subject: "s", UserID: w.User.ID}))
			idptest.Must(t, gone(c))
			_, err := db.Identity(ctx, c.ID, "s")
			expectError(t, err, idp.ErrNotFound)
		}
	})
}

func TestSessionsOfAnUpstreamSession(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		ctx, w := t.Context(), db.World(t)
		c := idptest.Connection(w.Population.ID)
		idptest.Must(t, db.CreateConnection(ctx, c))
		idptest.Must(t, db.CreateIdentity(ctx, idp.Identity{ConnectionID: c.ID, Subject: "tid/oid", UserID: w.User.ID}))
		var ids []string
		for _, sid := range []string{"one", "two", "one"} {
			s, _ := idptest.Session(w.User, w.Population)
			s.ConnectionID, s.UpstreamSID = c.ID, sid
			idptest.Must(t, db.CreateSession(ctx, s))
			ids = append(ids, s.ID)
		}
		if _, err := db.EndSessions(ctx, idp.Now(), ids[2]); err != nil {
			t.Fatal(err)
		}
		for _, q := range []struct {
			sid, subject string
			want         int
		}{{"one", "", 1}, {"two", "", 1}, {"three", "", 0}, {"", "tid/oid", 2}, {"", "tid/other", 0}} {
			got, err := db.SessionsUpstream(ctx, c.ID, q.sid, q.subject)
			idptest.Must(t, err)
			if len(got) != q.want {
				t.Errorf("%q %q: %v", q.sid, q.subject, got)
			}
		}
		if got, _ := db.SessionsUpstream(ctx, "other", "one", ""); len(got) != 0 {
			t.Errorf("of another connection: %v", got)
		}
	})
}

func TestProfileFollowsTheOtherSide(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		ctx, w := t.Context(), db.World(t)
		u := w.User
		u.Name, u.Department, u.UpdatedAt = "Ines", "Ventas", idp.Now()
		idptest.Must(t, db.UpdateProfile(ctx, u))
		got, err := db.User(ctx, u.ID)
		idptest.Must(t, err)
		expectSame(t, u, got)
		expectError(t, db.UpdateProfile(ctx, idp.User{ID: "nobody"}), idp.ErrNotFound)
	})
}

func TestLinkedPeopleAreCounted(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		ctx, w := t.Context(), db.World(t)
		expect := func(what, population string, people, linked int64) {
			t.Helper()
			p, l, err := db.CountLinked(ctx, population)
			if idptest.Must(t, err); p != people || l != linked {
				t.Errorf("%s: %d people, %d linked", what, p, l)
			}
		}
		one, two := idptest.Connection(w.Population.ID), idptest.Connection(w.Population.ID)
		two.Enabled = false
		noor, gone := idptest.User(w.Population.ID, "noor@rtx.example"), idptest.User(w.Population.ID, "gone@rtx.example")
		gone.Disabled = true
		for _, err := range []error{
			db.CreateConnection(ctx, one), db.CreateConnection(ctx, two), db.CreateUser(ctx, noor), db.CreateUser(ctx, gone),
			db.CreateIdentity(ctx, idp.Identity{ConnectionID: two.ID, Subject: "maya", UserID: w.User.ID}),
			db.CreateIdentity(ctx, idp.Identity{ConnectionID: one.ID, Subject: "gone", UserID: gone.ID}),
		} {
			idptest.Must(t, err)
		}
		expect("through what is off, and disabled", w.Population.ID, 2, 0)
		idptest.Must(t, db.CreateIdentity(ctx, idp.Identity{ConnectionID: one.ID, Subject: "maya", UserID: w.User.ID}))
		expect("one", w.Population.ID, 2, 1)
		two.Enabled = true
		idptest.Must(t, db.SaveConnection(ctx, two))
		expect("one, twice", w.Population.ID, 2, 1)
		expect("elsewhere", "partners", 0, 0)
	})
}

func TestAnAdminCanSignInOrNot(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		ctx, w := t.Context(), db.World(t)
		expect := func(what string, want bool) {
			t.Helper()
			can, err := db.AdminCanSignIn(ctx)
			if idptest.Must(t, err); can != want {
				t.Errorf("%s: %t", what, can)
			}
		}
		access := func(a idp.Access) {
			t.Helper()
			list, err := db.VersionedPopulations(ctx, w.Population.ID)
			idptest.Must(t, err)
			idptest.Must(t, db.SaveAccess(ctx, w.Population.ID, list[0].Version, a))
		}
		access(idp.Access{Password: true})
		expect("nobody is", false)
		idptest.Must(t, db.CreateRole(ctx, idp.Role{ID: idp.RoleAdmin, Name: "Admin", System: true}))
		idptest.Must(t, db.GiveRole(ctx, w.User.ID, idp.RoleAdmin))
		expect("by password", true)
		access(idp.Access{Federated: true})
		expect("not linked", false)
		c := idptest.Connection(w.Population.ID)
		c.Enabled = false
		idptest.Must(t, db.CreateConnection(ctx, c))
		idptest.Must(t, db.CreateIdentity(ctx, idp.Identity{ConnectionID: c.ID, Subject: "maya", UserID: w.User.ID}))
		expect("linked through what is off", false)
		c.Enabled = true
		idptest.Must(t, db.SaveConnection(ctx, c))
		expect("linked", true)
		if other, err := db.OtherAdminCanSignIn(ctx, w.User.ID); err != nil || other {
			t.Errorf("besides the only one: %t, %v", other, err)
		}
		access(idp.Access{Password: false, Federated: false})
		expect("through connections no more", false)
		access(idp.Access{Password: true, Federated: true})
		u := w.User
		if _, err := db.SQL().ExecContext(ctx, "UPDATE users SET disabled = TRUE WHERE id = '"+u.ID+"'"); err != nil {
			t.Fatal(err)
		}
		expect("disabled", false)
	})
}

func TestWhatBeganWithAConnectionEnds(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		ctx, w := t.Context(), db.World(t)
		noor := idptest.User(w.Population.ID, "noor@rtx.example")
		idptest.Must(t, db.CreateUser(ctx, noor))
		c := idptest.Connection(w.Population.ID)
		idptest.Must(t, db.CreateConnection(ctx, c))
		idptest.Must(t, db.CreateIdentity(ctx, idp.Identity{ConnectionID: c.ID, Subject: "noor", UserID: noor.ID}))
		var grants []idp.Grant
		session := func(u idp.User, connection string) idp.Session {
			s, _ := idptest.Session(u, w.Population)
			s.ConnectionID = connection
			idptest.Must(t, db.CreateSession(ctx, s))
			g, _ := idptest.Grant(w.Client, s)
			idptest.Must(t, db.CreateGrant(ctx, g))
			grants = append(grants, g)
			return s
		}
		through := session(noor, c.ID)
		session(w.User, "")
		session(w.User, "other")
		idptest.Must(t, db.RevokeGrantsThrough(ctx, c.ID, idp.Now()))
		for i, g := range grants {
			state, err := db.GrantState(ctx, g.ID)
			if idptest.Must(t, err); state.Grant.RevokedAt.IsZero() != (i > 0) {
				t.Errorf("grant %d: revoked at %v", i, state.Grant.RevokedAt)
			}
		}
		for _, want := range []int{1, 0} {
			people, sessions, err := db.CountThrough(ctx, c.ID)
			if idptest.Must(t, err); people != 1 || sessions != int64(want) {
				t.Errorf("%d people, %d sessions, want %d", people, sessions, want)
			}
			ended, err := db.EndSessionsThrough(ctx, c.ID, idp.Now())
			if idptest.Must(t, err); len(ended) != want || want == 1 && ended[0].ID != through.ID {
				t.Errorf("%d ended, want %d: %+v", len(ended), want, ended)
			}
		}
	})
}
