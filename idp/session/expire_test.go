package session_test

import (
	"testing"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
)

// A session that nobody used for too long, or beyond its limit, is over without anybody's
// doing: its apps are told, once, whichever replica looks first.
func TestAppsAreToldOfSessionsThatExpire(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		h := newHouse(t, db)
		p := h.Population
		told1 := func(c idp.Client, s idp.Session) told { return told{c.ID, h.User.ID, s.ID} }
		app, silent := h.client(t, "https://app.example/out"), h.client(t, "")
		session := func(kept bool, lastSeen, expires time.Duration) idp.Session {
			s, _ := idptest.Session(h.User, p)
			now := idp.Now()
			s.Kept, s.CreatedAt, s.LastSeenAt, s.ExpiresAt = kept, now.Add(-time.Hour), now.Add(lastSeen), now.Add(expires)
			idptest.Must(t, db.CreateSession(t.Context(), s))
			h.grant(t, app, s, true)
			h.grant(t, silent, s, true)
			return s
		}
		idle, _ := p.Limits(false)
		keptIdle, _ := p.Limits(true)
		if idle == keptIdle {
			t.Fatal("the population of the test keeps nobody signed in")
		}
		session(false, -idle+time.Minute, time.Hour)
		session(true, -idle-time.Minute, time.Hour)
		want := []told{
			told1(app, session(false, -idle-time.Second, time.Hour)),
			told1(app, session(true, -keptIdle-time.Second, time.Hour)),
			told1(app, session(false, 0, -time.Second)),
			told1(app, session(true, 0, -time.Second)),
		}
		replicas := idptest.Race(4, func(int) int {
			n, err := manager(t, db.Replica(t)).Expire(t.Context())
			idptest.Must(t, err)
			return n
		})
		if total := replicas[0] + replicas[1] + replicas[2] + replicas[3]; total != len(want) {
			t.Errorf("%d sessions expired, want %d", total, len(want))
		}
		h.expectTold(t, want...)
		if n, err := h.m.Expire(t.Context()); n != 0 || err != nil {
			t.Errorf("again: %d sessions, %v", n, err)
		}
	})
}
