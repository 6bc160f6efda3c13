package store_test

import (
	"slices"
	"testing"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/store"
)

// noReuse changes how many passwords of the sample population are refused.
func noReuse(t *testing.T, db *idptest.Database, n int) {
	t.Helper()
	list, err := db.VersionedPopulations(t.Context(), idp.Agents)
	idptest.Must(t, err)
	p := list[0].Population
	p.Passwords.NoReuse = n
	idptest.Must(t, db.SavePasswordRules(t.Context(), list[0].Version, p, 0))
}

func expectFormer(t *testing.T, db *idptest.Database, userID string, want ...string) {
	t.Helper()
	got, err := db.FormerPasswords(t.Context(), userID, 100)
	idptest.Must(t, err)
	if !slices.Equal(got, want) && len(got)+len(want) > 0 {
		t.Errorf("kept %q, want %q", got, want)
	}
}

// As many are kept as the rule needs beside the one in use, none where there is no
// rule, and nobody else's are touched.
func TestFormerPasswordsAreKeptAsLongAsTheyCount(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		w := db.World(t)
		set := func(u idp.User, hashes ...string) {
			t.Helper()
			for _, hash := range hashes {
				idptest.Must(t, db.SetPasswordHash(t.Context(), u.ID, hash, idp.Now()))
			}
		}
		other := idptest.User(idp.Agents, "other@rtx.example")
		other.PasswordHash = "other's"
		idptest.Must(t, db.CreateUser(t.Context(), other))
		set(other, "new")

		noReuse(t, db, 3)
		set(w.User, "a", "b")
		expectFormer(t, db, w.User.ID, "a", w.User.PasswordHash)
		set(w.User, "c", "d")
		expectFormer(t, db, w.User.ID, "c", "b")
		if list, err := db.FormerPasswords(t.Context(), w.User.ID, 1); err != nil || !slices.Equal(list, []string{"c"}) {
			t.Errorf("the newest is %q (%v)", list, err)
		}
		noReuse(t, db, 2)
		set(w.User, "e")
		expectFormer(t, db, w.User.ID, "d")
		noReuse(t, db, 0)
		expectFormer(t, db, w.User.ID, "d")
		_, err := db.Sweep(t.Context(), idp.Now(), store.Retention{})
		idptest.Must(t, err)
		expectFormer(t, db, w.User.ID)
		expectFormer(t, db, other.ID)
		set(w.User, "f")
		expectFormer(t, db, w.User.ID)

		noReuse(t, db, 5)
		set(w.User, "g")
		set(other, "newer")
		_, err = db.Sweep(t.Context(), idp.Now(), store.Retention{})
		idptest.Must(t, err)
		expectFormer(t, db, w.User.ID, "f")
		idptest.Must(t, db.AnonymiseUser(t.Context(), w.User.ID, "gone@anonymised.invalid", idp.Now()))
		expectFormer(t, db, w.User.ID)
		expectFormer(t, db, other.ID, "new")
		idptest.Must(t, db.DeleteUser(t.Context(), other.ID, 0))
		expectFormer(t, db, other.ID)
	})
}

// A replaced password is kept, an upgraded hash is the same password.
func TestUpgradedHashIsNoFormerPassword(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		w := db.World(t)
		idptest.Must(t, db.UpgradePasswordHash(t.Context(), w.User.ID, w.User.PasswordHash, "upgraded"))
		expectFormer(t, db, w.User.ID)
	})
}

func TestRulesOfPasswordsAreSavedOnce(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		p := db.World(t).Population
		p.Passwords, p.PasswordsAtSignIn = idp.PasswordRules{MinLength: 12}, idp.PasswordRules{}
		idptest.Must(t, db.SavePasswordRules(t.Context(), 1, p, 0))
		expectSaved(t, db, p)
		if err := db.SavePasswordRules(t.Context(), 1, p, 7); err == nil {
			t.Error("saved over what somebody else saved")
		}
		p.MinVersion = 9
		idptest.Must(t, db.SavePasswordRules(t.Context(), 2, p, 9))
		expectSaved(t, db, p)

		p.SessionIdle, p.SessionLifetime, p.KeptIdle, p.KeptLifetime = time.Minute, time.Hour, 2*time.Hour, 3*time.Hour
		p.KeepSignedIn, p.EndOthers = false, false
		idptest.Must(t, db.SaveSessionRules(t.Context(), 3, p, p, idp.Now()))
		expectSaved(t, db, p)
		if err := db.SaveSessionRules(t.Context(), 3, p, p, idp.Now()); err == nil {
			t.Error("saved over what somebody else saved")
		}
	})
}

// A session that was too old stays away when the limit is raised, and the population's
// others go on.
func TestRaisedLimitBringsNobodyBack(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		w, now := db.World(t), idp.Now()
		idle, _ := idptest.Session(w.User, w.Population)
		idle.Kept, idle.CreatedAt, idle.LastSeenAt = false, now.Add(-3*time.Hour), now.Add(-2*time.Hour)
		idptest.Must(t, db.CreateSession(t.Context(), idle))
		p := w.Population
		p.SessionIdle = 12 * time.Hour
		idptest.Must(t, db.SaveSessionRules(t.Context(), 1, w.Population, p, now))
		for id, want := range map[string]bool{idle.ID: false, w.Session.ID: true} {
			s, err := db.Session(t.Context(), id)
			idptest.Must(t, err)
			if s.Alive(p, now) != want {
				t.Errorf("alive %t: %+v", !want, s)
			}
		}
	})
}

func expectSaved(t *testing.T, db *idptest.Database, want idp.Population) {
	t.Helper()
	got, err := db.Population(t.Context(), want.ID)
	idptest.Must(t, err)
	if got.Passwords != want.Passwords || got.PasswordsAtSignIn != want.PasswordsAtSignIn || got.MinVersion != want.MinVersion ||
		got.SessionIdle != want.SessionIdle || got.SessionLifetime != want.SessionLifetime || got.KeptIdle != want.KeptIdle ||
		got.KeptLifetime != want.KeptLifetime || got.KeepSignedIn != want.KeepSignedIn || got.EndOthers != want.EndOthers {
		t.Errorf("saved %+v, want %+v", got, want)
	}
}

// The numbers of a preview: people by their passwords, and sessions that live by the
// limits of their kind.
func TestWhomRulesOfPasswordsAffect(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		w, now := db.World(t), idp.Now()
		add := func(email string, change func(u *idp.User)) {
			u := idptest.User(idp.Agents, email)
			change(&u)
			idptest.Must(t, db.CreateUser(t.Context(), u))
		}
		add("old@rtx.example", func(u *idp.User) { u.PasswordChangedAt = now.Add(-100 * 24 * time.Hour) })
		add("unknown@rtx.example", func(u *idp.User) {
			u.PasswordChangedAt, u.CreatedAt = time.Time{}, now.Add(-200*24*time.Hour)
		})
		add("entra@rtx.example", func(u *idp.User) { u.PasswordHash = "" })
		add("disabled@rtx.example", func(u *idp.User) { u.Disabled = true })
		for name, c := range map[string]struct {
			kept      bool
			age, idle time.Duration
			ended     time.Time
			lives     bool
		}{
			"used":          {false, 3 * time.Hour, time.Minute, time.Time{}, true},
			"kept":          {true, 50 * time.Hour, 47 * time.Hour, time.Time{}, true},
			"idle":          {false, 3 * time.Hour, 2 * time.Hour, time.Time{}, false},
			"kept and idle": {true, 50 * time.Hour, 49 * time.Hour, time.Time{}, false},
			"old":           {false, 25 * time.Hour, time.Minute, time.Time{}, false},
			"kept and old":  {true, 73 * time.Hour, time.Minute, time.Time{}, false},
			"ended":         {false, time.Hour, time.Minute, now, false},
		} {
			s, _ := idptest.Session(w.User, w.Population)
			s.Kept, s.CreatedAt, s.LastSeenAt, s.EndedAt = c.kept, now.Add(-c.age), now.Add(-c.idle), c.ended
			s.ExpiresAt = now.Add(time.Hour)
			idptest.Must(t, db.CreateSession(t.Context(), s))
			if lives := s.Alive(w.Population, now); lives != c.lives {
				t.Errorf("%s: alive %t", name, lives)
			}
		}
		got, err := db.AffectedByPasswords(t.Context(), w.Population, now.Add(-90*24*time.Hour), now)
		idptest.Must(t, err)
		if want := (store.AffectedPasswords{People: 3, Expired: 2, Elsewhere: 1, Sessions: 3}); got != want {
			t.Errorf("%+v, want %+v", got, want)
		}
		none, err := db.AffectedByPasswords(t.Context(), w.Population, time.Time{}, now)
		if err != nil || none.Expired != 0 {
			t.Errorf("without an expiry: %+v (%v)", none, err)
		}
		all, err := db.AffectedByPopulation(t.Context(), now, idp.Agents)
		if err != nil || all.Sessions != 3 {
			t.Errorf("of a policy: %+v (%v)", all, err)
		}
		listed, err := db.LivingSessions(t.Context(), now, store.SessionQuery{Populations: []idp.Population{w.Population}, Limit: 50})
		if err != nil || len(listed) != 3 {
			t.Errorf("%d are listed (%v)", len(listed), err)
		}
	})
}
