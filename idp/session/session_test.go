package session_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/session"
	"gatehouse/idp/store"
)

// visitor is a browser with a session of each population that it signed in to.
type visitor struct {
	m       *session.Manager
	browser *http.Cookie
	hash    []byte
	cookies []*http.Cookie
}

func newVisitor(db *idptest.Database) *visitor {
	v := &visitor{m: &session.Manager{Store: db.Store, Cookies: session.Cookies{Secure: true}}}
	v.browser, v.hash = v.m.Cookies.NewBrowser()
	return v
}

func (v *visitor) signIn(t *testing.T, u idp.User, p idp.Population) idp.Session {
	t.Helper()
	s, cookie := v.m.New(t.Context(), u, p, p.Policy.Version, v.hash, idptest.Proofs())
	idptest.Must(t, v.m.Store.CreateSession(t.Context(), s))
	v.cookies = append(v.cookies, cookie)
	return s
}

// find lists the ids of the sessions found for a browser.
func (v *visitor) find(t *testing.T, h http.Header, populations ...string) []string {
	t.Helper()
	found, err := v.m.Find(t.Context(), h, "", populations)
	idptest.Must(t, err)
	ids := []string{}
	for _, s := range found {
		ids = append(ids, s.Session.ID)
	}
	return ids
}

func (v *visitor) header() http.Header { return sent(append(v.cookies, v.browser)...) }

func expectFound(t *testing.T, got []string, want ...string) {
	t.Helper()
	if want == nil {
		want = []string{}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("sessions: %s", diff)
	}
}

func TestNewSessionStartsNowAndEndsAtItsLimit(t *testing.T) {
	t.Parallel()
	p := idptest.Population(idp.Agents)
	u := idptest.User(p.ID, "maya@rtx.example")
	visit := &idp.Visit{Address: "192.0.2.1", UserAgent: "Mozilla/5.0"}
	proofs := idptest.Proofs()
	m := &session.Manager{}
	before := idp.Now()
	s, cookie := m.New(idp.WithVisit(t.Context(), visit), u, p, 7, []byte("browser"), proofs)
	if s.CreatedAt.Before(before) || s.CreatedAt.After(idp.Now()) {
		t.Errorf("created at %v", s.CreatedAt)
	}
	want := idp.Session{
		ID: s.ID, TokenHash: idp.HashSecret(cookie.Value), BrowserHash: []byte("browser"), UserID: u.ID,
		PopulationID: p.ID, PolicyVersion: 7, Proofs: proofs, Address: "192.0.2.1", UserAgent: "Mozilla/5.0",
		CreatedAt: s.CreatedAt, LastSeenAt: s.CreatedAt, ExpiresAt: s.CreatedAt.Add(p.SessionLifetime),
	}
	if diff := cmp.Diff(want, s); diff != "" {
		t.Error(diff)
	}
	other, _ := m.New(t.Context(), u, p, 7, nil, nil)
	if s.ID == "" || s.ID == other.ID || cookie.Value == s.ID {
		t.Error("the public id is missing, shared, or the token")
	}
}

func TestLivingSessionsAreFoundInTheOrderOfThePopulations(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		w := db.World(t)
		contacts := idptest.Population(idp.Contacts)
		_, err := db.CreatePopulation(t.Context(), contacts, idp.Now())
		idptest.Must(t, err)
		contact := idptest.User(idp.Contacts, "maya@rtx.example")
		idptest.Must(t, db.CreateUser(t.Context(), contact))
		v := newVisitor(db)
		agent, customer := v.signIn(t, w.User, w.Population), v.signIn(t, contact, contacts)

		expectFound(t, v.find(t, v.header(), idp.Agents, idp.Contacts), agent.ID, customer.ID)
		expectFound(t, v.find(t, v.header(), idp.Contacts, idp.Agents), customer.ID, agent.ID)
		expectFound(t, v.find(t, v.header(), idp.Contacts), customer.ID)
		expectFound(t, v.find(t, v.header(), "partner"))
		expectFound(t, v.find(t, v.header()))

		ctx, statements := store.CountStatements(t.Context())
		_, err = v.m.Find(ctx, v.header(), "", []string{idp.Agents, idp.Contacts})
		if err != nil || statements.Load() != 1 {
			t.Errorf("%d statements (%v)", statements.Load(), err)
		}
		for name, h := range map[string]http.Header{"nothing": {}, "a browser alone": sent(v.browser), "a session alone": sent(v.cookies...)} {
			ctx, statements := store.CountStatements(t.Context())
			if got, err := v.m.Find(ctx, h, "", []string{idp.Agents}); err != nil || len(got) != 0 || statements.Load() != 0 {
				t.Errorf("%s: %d found with %d statements (%v)", name, len(got), statements.Load(), err)
			}
		}
	})
}

func TestSessionIsFoundInItsOwnBrowserOnly(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		w := db.World(t)
		v, thief := newVisitor(db), newVisitor(db)
		s := v.signIn(t, w.User, w.Population)
		expectFound(t, v.find(t, v.header(), idp.Agents), s.ID)
		expectFound(t, thief.find(t, sent(thief.browser, v.cookies[0]), idp.Agents))
		// A token of one population says nothing in the cookie of another.
		moved := *v.cookies[0]
		moved.Name = "__Host-gatehouse_session_contacts"
		expectFound(t, v.find(t, sent(v.browser, &moved), idp.Contacts))
	})
}

func TestSessionDiesWith(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		w := db.World(t)
		run := func(statement string) {
			_, err := db.SQL().ExecContext(t.Context(), statement)
			idptest.Must(t, err)
		}
		for _, c := range []struct {
			name            string
			happens, undone func(s idp.Session)
		}{
			{name: "its end", happens: func(s idp.Session) {
				_, err := db.EndSessions(t.Context(), idp.Now(), s.ID)
				idptest.Must(t, err)
			}},
			{name: "an hour without activity", happens: func(idp.Session) {
				db.Age(t, "sessions", w.Population.SessionIdle, "last_seen_at")
			}},
			{name: "its absolute limit", happens: func(idp.Session) {
				db.Age(t, "sessions", w.Population.SessionLifetime, "expires_at")
			}},
			{name: "its person", happens: func(idp.Session) { run("UPDATE users SET disabled = TRUE") }, undone: func(idp.Session) { run("UPDATE users SET disabled = FALSE") }},
			{name: "an immediate change of policy", happens: func(idp.Session) { run("UPDATE populations SET min_version = 4") }, undone: func(idp.Session) { run("UPDATE populations SET min_version = 3") }},
		} {
			v := newVisitor(db)
			s := v.signIn(t, w.User, w.Population)
			expectFound(t, v.find(t, v.header(), idp.Agents), s.ID)
			c.happens(s)
			if got := v.find(t, v.header(), idp.Agents); len(got) != 0 {
				t.Errorf("it outlives %s", c.name)
			}
			if c.undone != nil {
				c.undone(s)
				expectFound(t, v.find(t, v.header(), idp.Agents), s.ID)
			}
		}
	})
}

func TestSessionLastsUntilJustBeforeItsLimits(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		w := db.World(t)
		v := newVisitor(db)
		s := v.signIn(t, w.User, w.Population)
		db.Age(t, "sessions", w.Population.SessionIdle-time.Minute, "last_seen_at")
		db.Age(t, "sessions", w.Population.SessionLifetime-time.Minute, "expires_at")
		expectFound(t, v.find(t, v.header(), idp.Agents), s.ID)
	})
}

func TestRenewedSessionIsFoundByItsNewTokenOnly(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		w := db.World(t)
		v := newVisitor(db)
		s := v.signIn(t, w.User, w.Population)
		old := v.header()
		db.Age(t, "sessions", 10*time.Minute, "last_seen_at")
		renewed, cookie := v.m.Renew(s, session.Act{})
		if renewed.ID != s.ID || cookie.Value == v.cookies[0].Value || cookie.Name != v.cookies[0].Name {
			t.Errorf("the session %s became %s in %s", s.ID, renewed.ID, cookie.Name)
		}
		idptest.Must(t, db.RenewSession(t.Context(), renewed))
		expectFound(t, v.find(t, old, idp.Agents))
		expectFound(t, v.find(t, sent(v.browser, cookie), idp.Agents), s.ID)
		got, err := db.Session(t.Context(), s.ID)
		if err != nil || !got.LastSeenAt.Equal(renewed.LastSeenAt) || !got.ExpiresAt.Equal(s.ExpiresAt) {
			t.Errorf("seen at %v, ends at %v (%v)", got.LastSeenAt, got.ExpiresAt, err)
		}
	})
}

// Staying signed in is a cookie that the browser keeps, and limits of its own; where
// the population does not offer it, it is a session like any other.
func TestKeptSessionOutlivesTheBrowser(t *testing.T) {
	t.Parallel()
	p := idptest.Population(idp.Agents)
	m := &session.Manager{}
	begin := func(p idp.Population) (idp.Session, *http.Cookie) {
		return m.NewKept(t.Context(), idptest.User(p.ID, "maya@rtx.example"), p, 7, []byte("browser"), nil)
	}
	s, cookie := begin(p)
	if !s.Kept || s.ExpiresAt.Sub(s.CreatedAt) != p.KeptLifetime {
		t.Errorf("made %+v", s)
	}
	expectAge := func(what string, c *http.Cookie, want time.Duration) {
		t.Helper()
		if age := time.Duration(c.MaxAge) * time.Second; age > want || age < want-2*time.Second {
			t.Errorf("%s: the cookie stays for %v, want %v", what, age, want)
		}
	}
	expectAge("new", cookie, p.KeptLifetime)
	s.ExpiresAt = idp.Now().Add(time.Hour)
	renewed, cookie := m.Renew(s, session.Act{})
	expectAge("renewed", cookie, time.Hour)
	if !renewed.Kept {
		t.Error("it is not kept any more")
	}
	s.ExpiresAt = idp.Now().Add(-time.Hour)
	if _, cookie = m.Renew(s, session.Act{}); cookie.MaxAge != 1 {
		t.Errorf("the cookie of one that has expired: %s", cookie)
	}
	p.KeepSignedIn = false
	if s, cookie = begin(p); s.Kept || s.ExpiresAt.Sub(s.CreatedAt) != p.SessionLifetime || cookie.MaxAge != 0 {
		t.Errorf("not offered: %+v, %s", s, cookie)
	}
}
