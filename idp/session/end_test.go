package session_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/keyring"
	"gatehouse/idp/outbox"
	"gatehouse/idp/session"
	"gatehouse/idp/store"
)

// house is a population with people who signed in at clients.
type house struct {
	idptest.World
	db  *idptest.Database
	m   *session.Manager
	run int64 // the number of the last change of a policy
}

// newHouse has one person with one session, and a grant whose code was not
// redeemed.
func newHouse(t *testing.T, db *idptest.Database) *house {
	t.Helper()
	return &house{World: db.World(t), db: db, m: manager(t, db.Store), run: 3}
}

func manager(t *testing.T, s *store.Store) *session.Manager {
	t.Helper()
	ring, err := keyring.Parse("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")
	idptest.Must(t, err)
	return &session.Manager{Store: s, Outbox: outbox.New(s, ring)}
}

func (h *house) client(t *testing.T, uri string) idp.Client {
	t.Helper()
	c := idptest.Client(idp.Agents)
	c.BackchannelLogoutURI = uri
	idptest.Must(t, h.db.CreateClient(t.Context(), c))
	return c
}

func (h *house) signIn(t *testing.T, u idp.User, version int64) (idp.Session, string) {
	t.Helper()
	s, token := idptest.Session(u, h.Population)
	s.PolicyVersion = version
	idptest.Must(t, h.db.CreateSession(t.Context(), s))
	return s, token
}

func (h *house) grant(t *testing.T, c idp.Client, s idp.Session, redeemed bool) idp.Grant {
	t.Helper()
	g, _ := idptest.Grant(c, s)
	if redeemed {
		g.CodeUsedAt = idp.Now()
	}
	idptest.Must(t, h.db.CreateGrant(t.Context(), g))
	return g
}

// raise takes a version and makes everything earlier too old.
func (h *house) raise(t *testing.T) int64 {
	t.Helper()
	before := h.run
	var err error
	h.run, err = h.db.NextPolicyVersion(t.Context())
	idptest.Must(t, err)
	idptest.Must(t, h.db.SavePolicy(t.Context(), idp.Agents, before, idp.Policy{Version: h.run, EmailCode: true}, h.run, idp.Now()))
	return h.run
}

// told is one logout token that waits.
type told struct{ Client, User, Session string }

// expectTold compares what waits in the outbox, and clears it.
func (h *house) expectTold(t *testing.T, want ...told) {
	t.Helper()
	rows, err := h.db.SQL().QueryContext(t.Context(), "SELECT lane, user_id, session_id FROM outbox WHERE kind = 'logout' AND done_at IS NULL AND expires_at > next_at")
	idptest.Must(t, err)
	defer func() { _ = rows.Close() }()
	got := []told{}
	for rows.Next() {
		var d told
		idptest.Must(t, rows.Scan(&d.Client, &d.User, &d.Session))
		got = append(got, d)
	}
	idptest.Must(t, rows.Err())
	order := func(a, b told) int {
		return slices.Compare([]string{a.Session, a.Client}, []string{b.Session, b.Client})
	}
	slices.SortFunc(got, order)
	slices.SortFunc(want, order)
	if diff := cmp.Diff(append([]told{}, want...), got); diff != "" {
		t.Errorf("told: %s", diff)
	}
	_, err = h.db.SQL().ExecContext(t.Context(), "DELETE FROM outbox")
	idptest.Must(t, err)
}

// expectAudited compares the sessions that the audit log says were signed out.
func (h *house) expectAudited(t *testing.T, want ...string) {
	t.Helper()
	events, err := h.db.AuditEvents(t.Context(), "", "", 1000)
	idptest.Must(t, err)
	got := []string{}
	for _, e := range events {
		if e.Kind != idp.AuditSignedOut || e.UserID == "" || e.PopulationID != idp.Agents || e.ActorID != "admin" || e.Detail["reason"] != "lost" {
			t.Errorf("the event is %+v", e)
		}
		got = append(got, e.SessionID)
	}
	slices.Sort(got)
	slices.Sort(want)
	expectFound(t, got, want...)
}

var byAdmin = idp.AuditEvent{ActorID: "admin", Detail: map[string]string{"reason": "lost"}}

func ids(sessions []idp.Session) []string {
	list := []string{}
	for _, s := range sessions {
		list = append(list, s.ID)
	}
	slices.Sort(list)
	return list
}

// Of the clients that know of a session, those are told that got tokens and want
// to be; each once, however many grants it has.
func TestEndTellsTheClientsThatHaveTokens(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		h := newHouse(t, db)
		second, _ := h.signIn(t, h.User, 3)
		other, _ := h.signIn(t, h.User, 3)
		one, two, quiet := h.client(t, "https://one.example/"), h.client(t, "https://two.example/"), h.client(t, "")
		h.grant(t, one, h.Session, true)
		h.grant(t, one, h.Session, true)
		h.grant(t, two, h.Session, true)
		h.grant(t, quiet, h.Session, true)
		h.grant(t, one, second, true)
		h.grant(t, two, second, false)
		h.grant(t, one, other, true)
		ended, err := h.m.End(t.Context(), byAdmin, h.Session.ID, second.ID, "invented")
		idptest.Must(t, err)
		want := ids([]idp.Session{h.Session, second})
		expectFound(t, ids(ended), want...)
		h.expectTold(t, told{one.ID, h.User.ID, h.Session.ID}, told{two.ID, h.User.ID, h.Session.ID}, told{one.ID, h.User.ID, second.ID})
		h.expectAudited(t, want...)

		again, err := h.m.End(t.Context(), byAdmin, h.Session.ID, second.ID)
		idptest.Must(t, err)
		expectFound(t, ids(again))
		h.expectTold(t)
		h.expectAudited(t, want...)
		if s, err := db.Session(t.Context(), other.ID); err != nil || !s.EndedAt.IsZero() {
			t.Errorf("another session: %+v (%v)", s, err)
		}
	})
}

func TestSessionEndsOnceHoweverManyEndIt(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		h := newHouse(t, db)
		h.grant(t, h.Client, h.Session, true)
		replica := manager(t, db.Replica(t))
		n := 0
		for _, ended := range idptest.Race(12, func(i int) int {
			m := h.m
			if i%2 == 1 {
				m = replica
			}
			do := func() ([]idp.Session, error) { return m.End(t.Context(), byAdmin, h.Session.ID) }
			switch i % 3 {
			case 1:
				do = func() ([]idp.Session, error) { return m.EndByToken(t.Context(), byAdmin, h.Token) }
			case 2:
				do = func() ([]idp.Session, error) { return m.EndAllOf(t.Context(), byAdmin, h.User.ID, "") }
			}
			ended, err := do()
			if err != nil {
				t.Error(err)
			}
			return len(ended)
		}) {
			n += ended
		}
		if n != 1 {
			t.Errorf("it ended %d times", n)
		}
		h.expectTold(t, told{h.Client.ID, h.User.ID, h.Session.ID})
		h.expectAudited(t, h.Session.ID)
	})
}

func TestEndByTokenKnowsTheLivingTokenOnly(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		h := newHouse(t, db)
		h.grant(t, h.Client, h.Session, true)
		for _, c := range []struct {
			token string
			want  []string
		}{{"guessed", nil}, {"", nil}, {h.Token, []string{h.Session.ID}}, {h.Token, nil}} {
			ended, err := h.m.EndByToken(t.Context(), byAdmin, c.token)
			idptest.Must(t, err)
			expectFound(t, ids(ended), c.want...)
		}
		h.expectTold(t, told{h.Client.ID, h.User.ID, h.Session.ID})
		h.expectAudited(t, h.Session.ID)
	})
}

func TestEndAllOfAPersonSparesOneAndOthers(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		h := newHouse(t, db)
		somebody := idptest.User(idp.Agents, "b@rtx.example")
		idptest.Must(t, db.CreateUser(t.Context(), somebody))
		second, _ := h.signIn(t, h.User, 3)
		spared, _ := h.signIn(t, h.User, 3)
		theirs, _ := h.signIn(t, somebody, 3)
		for _, s := range []idp.Session{h.Session, second, spared, theirs} {
			h.grant(t, h.Client, s, true)
		}
		ended, err := h.m.EndAllOf(t.Context(), byAdmin, h.User.ID, spared.ID)
		idptest.Must(t, err)
		want := ids([]idp.Session{h.Session, second})
		expectFound(t, ids(ended), want...)
		h.expectTold(t, told{h.Client.ID, h.User.ID, h.Session.ID}, told{h.Client.ID, h.User.ID, second.ID})
		h.expectAudited(t, want...)
		ended, err = h.m.EndAllOf(t.Context(), byAdmin, h.User.ID, "")
		idptest.Must(t, err)
		expectFound(t, ids(ended), spared.ID)
		if s, err := db.Session(t.Context(), theirs.ID); err != nil || !s.EndedAt.IsZero() {
			t.Errorf("somebody else's session: %+v (%v)", s, err)
		}
	})
}

var errStop = errors.New("stop")

// Session, audit event and deliveries are one transaction.
func TestEndThatIsRolledBackTellsNobody(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		h := newHouse(t, db)
		h.grant(t, h.Client, h.Session, true)
		err := db.Do(t.Context(), func(ctx context.Context) error {
			_, err := h.m.End(ctx, byAdmin, h.Session.ID)
			return errors.Join(err, errStop)
		})
		if !errors.Is(err, errStop) {
			t.Error(err)
		}
		h.expectTold(t)
		h.expectAudited(t)
		if s, err := db.Session(t.Context(), h.Session.ID); err != nil || !s.EndedAt.IsZero() {
			t.Errorf("the session: %+v (%v)", s, err)
		}
	})
}

// reapAtOnce lets four replicas reap, and returns how many they found together.
func reapAtOnce(t *testing.T, db *idptest.Database) int {
	t.Helper()
	managers := make([]*session.Manager, 4)
	for i := range managers {
		managers[i] = manager(t, db.Replica(t))
	}
	total := 0
	for _, n := range idptest.Race(len(managers), func(i int) int {
		n, err := managers[i].Reap(t.Context())
		if err != nil {
			t.Errorf("replica %d: %v", i, err)
		}
		return n
	}) {
		total += n
	}
	return total
}

// More than one batch of sessions, and one that came after the change.
func TestReapEndsWhatAnOlderPolicyJudged(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		const many = 230
		h := newHouse(t, db)
		h.grant(t, h.Client, h.Session, true)
		want := []told{{h.Client.ID, h.User.ID, h.Session.ID}}
		err := db.Do(t.Context(), func(ctx context.Context) error {
			for range many - 1 {
				s, _ := idptest.Session(h.User, h.Population)
				g, _ := idptest.Grant(h.Client, s)
				g.CodeUsedAt = idp.Now()
				want = append(want, told{h.Client.ID, h.User.ID, s.ID})
				if err := errors.Join(db.CreateSession(ctx, s), db.CreateGrant(ctx, g)); err != nil {
					return err
				}
			}
			return nil
		})
		idptest.Must(t, err)
		version := h.raise(t)
		fresh, _ := h.signIn(t, h.User, version)
		h.grant(t, h.Client, fresh, true)
		total := reapAtOnce(t, db)
		rest, err := h.m.Reap(t.Context()) // what the replicas took from each other
		idptest.Must(t, err)
		if total+rest != many {
			t.Errorf("%d and then %d sessions were reaped, want %d together", total, rest, many)
		}
		h.expectTold(t, want...)
		var living string
		idptest.Must(t, db.SQL().QueryRowContext(t.Context(), "SELECT MAX(id) FROM sessions WHERE ended_at IS NULL HAVING COUNT(*) = 1").Scan(&living))
		if living != fresh.ID {
			t.Errorf("of the new session %s is left %s", fresh.ID, living)
		}
		if n, err := h.m.Reap(t.Context()); err != nil || n != 0 {
			t.Errorf("once more: %d (%v)", n, err)
		}
		h.expectTold(t)
	})
}

// Sessions that ended before are not told again, those of another population not
// at all.
func TestReapLeavesOthersAlone(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		h := newHouse(t, db)
		contacts := idptest.Population(idp.Contacts)
		contacts.MinVersion = 0
		_, err := db.CreatePopulation(t.Context(), contacts, idp.Now())
		idptest.Must(t, err)
		contact := idptest.User(idp.Contacts, "c@rtx.example")
		idptest.Must(t, db.CreateUser(t.Context(), contact))
		theirs, _ := idptest.Session(contact, contacts)
		theirs.PolicyVersion = 1
		idptest.Must(t, db.CreateSession(t.Context(), theirs))
		h.grant(t, h.Client, theirs, true)
		h.grant(t, h.Client, h.Session, true)
		_, err = h.m.End(t.Context(), byAdmin, h.Session.ID)
		idptest.Must(t, err)
		h.expectTold(t, told{h.Client.ID, h.User.ID, h.Session.ID})
		h.raise(t)
		if n, err := h.m.Reap(t.Context()); err != nil || n != 0 {
			t.Errorf("reaped %d (%v)", n, err)
		}
		h.expectTold(t)
		if s, err := db.Session(t.Context(), theirs.ID); err != nil || !s.EndedAt.IsZero() {
			t.Errorf("another population's session: %+v (%v)", s, err)
		}
	})
}

// override makes all earlier grants too old at a client.
func (h *house) override(t *testing.T, c idp.Client) int64 {
	t.Helper()
	base, err := h.db.Override(t.Context(), c.ID)
	idptest.Must(t, err)
	h.run, err = h.db.NextPolicyVersion(t.Context())
	idptest.Must(t, err)
	idptest.Must(t, h.db.SaveOverride(t.Context(), c.ID, base.Version, idp.Override{
		Version: h.run, MinVersion: h.run, Mode: idp.OverrideRequired, MinACR: idp.ACRMFA,
	}, idp.Now()))
	return h.run
}

// A client's override ends its grants: sessions and other clients stay, and a
// session that signed in there again meanwhile is not told.
func TestReapRevokesTheGrantsOfAClientsOverride(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		h := newHouse(t, db)
		other := h.client(t, "https://other.example/")
		again, _ := h.signIn(t, h.User, 3)
		unredeemed, _ := h.signIn(t, h.User, 3)
		dead := []idp.Grant{
			h.Grant, h.grant(t, h.Client, h.Session, true), h.grant(t, h.Client, again, true), h.grant(t, h.Client, unredeemed, false),
		}
		version := h.override(t, h.Client)
		again.PolicyVersion = version
		living := []idp.Grant{h.grant(t, other, h.Session, true), h.grant(t, h.Client, again, true)}
		living[0].PolicyVersion = 3
		total := reapAtOnce(t, db)
		if total != len(dead) {
			t.Errorf("%d grants were reaped, want %d", total, len(dead))
		}
		for _, g := range dead {
			if s, err := db.GrantState(t.Context(), g.ID); err != nil || s.Grant.RevokedAt.IsZero() {
				t.Errorf("an old grant: %+v (%v)", s.Grant, err)
			}
		}
		for _, g := range living {
			if s, err := db.GrantState(t.Context(), g.ID); err != nil || !s.Grant.RevokedAt.IsZero() {
				t.Errorf("a grant that counts: %+v (%v)", s.Grant, err)
			}
		}
		for _, s := range []idp.Session{h.Session, again, unredeemed} {
			if got, err := db.Session(t.Context(), s.ID); err != nil || !got.EndedAt.IsZero() {
				t.Errorf("a session: %+v (%v)", got, err)
			}
		}
		h.expectTold(t, told{h.Client.ID, h.User.ID, h.Session.ID})
		h.expectAudited(t)
		if n, err := h.m.Reap(t.Context()); err != nil || n != 0 {
			t.Errorf("once more: %d (%v)", n, err)
		}
	})
}
