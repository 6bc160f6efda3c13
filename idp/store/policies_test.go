package store_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/store"
)

func TestPolicyVersionsAreNeverTheSame(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		db.World(t) // whose policy has version 3
		if v, err := db.PolicyVersion(t.Context()); err != nil || v != 3 {
			t.Errorf("a population that comes with version 3 leaves the sequence at %d (%v)", v, err)
		}
		stores := []*store.Store{db.Store, db.Replica(t)}
		got := idptest.Race(20, func(i int) int64 {
			first, err1 := stores[i%2].NextPolicyVersion(t.Context())
			second, err2 := stores[i%2].NextPolicyVersion(t.Context())
			if err := errors.Join(err1, err2); err != nil || second <= first {
				t.Errorf("after version %d comes %d (%v)", first, second, err)
			}
			return second
		})
		slices.Sort(got)
		if len(slices.Compact(got)) != 20 {
			t.Errorf("versions were given twice: %v", got)
		}
		if v, err := db.PolicyVersion(t.Context()); err != nil || v != 43 {
			t.Errorf("after 40 changes: version %d (%v)", v, err)
		}
		err := db.Do(t.Context(), func(ctx context.Context) error {
			_, err := db.NextPolicyVersion(ctx)
			return errors.Join(err, errStop)
		})
		expectError(t, err, errStop)
		if v, err := db.PolicyVersion(t.Context()); err != nil || v != 43 {
			t.Errorf("after a change that was given up: version %d (%v)", v, err)
		}
	})
}

// A sign-in that has read the version finishes before any policy changes.
func TestChangeOfPolicyWaitsForSignInsThatFinish(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		db.World(t)
		replica := db.Replica(t)
		order, begun := make(chan string, 2), make(chan struct{})
		changed := make(chan error, 1)
		err := db.Do(t.Context(), func(ctx context.Context) error {
			before, err := db.PolicyVersion(ctx)
			if err != nil {
				return err
			}
			go func() {
				close(begun)
				v, err := replica.NextPolicyVersion(t.Context())
				order <- "changed"
				if v != before+1 {
					err = errors.Join(err, errors.New("another number than the next"))
				}
				changed <- err
			}()
			<-begun
			expectWaiting(t, db, changed)
			again, err := db.PolicyVersion(ctx)
			if again != before {
				t.Errorf("within the sign-in the version went from %d to %d", before, again)
			}
			order <- "finished"
			return err
		})
		idptest.Must(t, err)
		idptest.Must(t, <-changed)
		if first := <-order; first != "finished" {
			t.Errorf("first: %s", first)
		}
	})
}

// expectWaiting waits until the other transaction waits for ours.
func expectWaiting(t *testing.T, db *idptest.Database, done <-chan error) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(10 * time.Second)
	if db.Dialect() == "sqlite" { // it tells nobody who waits
		deadline = time.After(200 * time.Millisecond)
	}
	for {
		select {
		case err := <-done:
			t.Fatalf("the other did not wait (%v)", err)
		case <-deadline:
			if db.Dialect() == "postgres" {
				t.Error("the other never came to wait")
			}
			return
		case <-tick.C:
		}
		if db.Dialect() == "sqlite" {
			continue
		}
		var n int
		idptest.Must(t, db.SQL().QueryRowContext(t.Context(), `SELECT COUNT(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'
			AND datname = current_database() AND query LIKE 'UPDATE policy_sequence%'`).Scan(&n))
		if n > 0 {
			return
		}
	}
}

// Two sign-ins that finish do not wait for each other.
func TestSignInsShareThePolicyVersion(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		if db.Dialect() == "sqlite" {
			return // one writer
		}
		err := db.Do(t.Context(), func(ctx context.Context) error {
			_, err := db.PolicyVersion(ctx)
			return errors.Join(err, db.Do(t.Context(), func(ctx context.Context) error {
				ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
				defer cancel()
				_, err := db.PolicyVersion(ctx)
				return err
			}))
		})
		idptest.Must(t, err)
	})
}

// save puts a policy in force the way manage does.
func save(ctx context.Context, db *idptest.Database, base int64, p idp.Policy, now bool) (saved idp.Policy, err error) {
	err = db.Do(ctx, func(ctx context.Context) error {
		if p.Version, err = db.NextPolicyVersion(ctx); err != nil {
			return err
		}
		least := int64(0)
		if now {
			least = p.Version
		}
		return db.SavePolicy(ctx, idp.Agents, base, p, least, idp.Now())
	})
	return p, err
}

func saveOverride(ctx context.Context, db *idptest.Database, clientID string, base int64, o idp.Override) (saved idp.Override, err error) {
	err = db.Do(ctx, func(ctx context.Context) error {
		if o.Version, err = db.NextPolicyVersion(ctx); err != nil {
			return err
		}
		return db.SaveOverride(ctx, clientID, base, o, idp.Now())
	})
	return o, err
}

func TestSavedPolicyIsInForce(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		w := db.World(t)
		want := w.Population
		var err error
		want.Policy, err = save(t.Context(), db, 3, idp.Policy{EmailCode: true}, false)
		idptest.Must(t, err)
		got, err := db.Population(t.Context(), idp.Agents)
		idptest.Must(t, err)
		expectSame(t, want, got) // on next login: MinVersion stays

		want.Policy, err = save(t.Context(), db, want.Policy.Version, idp.Policy{Authenticator: true, IssuerLabel: "玛雅 ✓"}, true)
		idptest.Must(t, err)
		want.MinVersion = want.Policy.Version
		got, err = db.Population(t.Context(), idp.Agents)
		idptest.Must(t, err)
		expectSame(t, want, got)

		want.Policy, err = save(t.Context(), db, want.Policy.Version, idp.Policy{}, false)
		idptest.Must(t, err)
		got, err = db.Population(t.Context(), idp.Agents)
		idptest.Must(t, err)
		expectSame(t, want, got)
	})
}

func TestPolicyThatSomebodyElseChangedIsNotSaved(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		w := db.World(t)
		_, err := save(t.Context(), db, 2, idp.Policy{}, true)
		expectError(t, err, idp.ErrConflict)
		expectError(t, db.SavePolicy(t.Context(), "invented", 3, idp.Policy{Version: 4}, 4, idp.Now()), idp.ErrConflict)
		got, err := db.Population(t.Context(), idp.Agents)
		idptest.Must(t, err)
		expectSame(t, w.Population, got)
		var versions int
		idptest.Must(t, db.SQL().QueryRowContext(t.Context(), "SELECT COUNT(*) FROM policies").Scan(&versions))
		if v, err := db.PolicyVersion(t.Context()); err != nil || v != 3 || versions != 1 {
			t.Errorf("a refused change left version %d and %d policies (%v)", v, versions, err)
		}
		expectOneWinner(t, idp.ErrConflict, func(ctx context.Context, i int) error {
			_, err := save(ctx, db, 3, idp.Policy{EmailCode: true}, i%2 == 0)
			return err
		})
	})
}

func TestOverrideIsSavedOnceForEachBase(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		w := db.World(t)
		expect := func(want idp.Override) {
			t.Helper()
			got, err := db.Override(t.Context(), w.Client.ID)
			idptest.Must(t, err)
			expectSame(t, want, got)
		}
		expect(inherit)
		want, err := saveOverride(t.Context(), db, w.Client.ID, 0, idp.Override{
			MinVersion: 4, Mode: idp.OverrideRequired, MinACR: idp.ACRMFA, Federated: true,
		})
		idptest.Must(t, err)
		expectFull(t, want)
		expect(want)
		for _, base := range []int64{0, 3, 5} {
			_, err := saveOverride(t.Context(), db, w.Client.ID, base, idp.Override{Mode: idp.OverrideOff, MinVersion: 9})
			expectError(t, err, idp.ErrConflict)
		}
		_, err = saveOverride(t.Context(), db, "invented", 0, idp.Override{})
		expectError(t, err, idp.ErrConflict)
		expect(want)
		if v, err := db.PolicyVersion(t.Context()); err != nil || v != want.Version {
			t.Errorf("refused changes left version %d (%v)", v, err)
		}
		expectOneWinner(t, idp.ErrConflict, func(ctx context.Context, _ int) error {
			_, err := saveOverride(ctx, db, w.Client.ID, want.Version, idp.Override{Mode: idp.OverrideOff})
			return err
		})
		_, err = db.Override(t.Context(), "invented")
		expectError(t, err, idp.ErrNotFound)
	})
}

// Versions 3 to 7: policy, override, policy, another client's override, override.
// Whoever carries a number is judged by the newest of each that was there then.
func TestEveryVersionIsJudgedByWhatWasInForce(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		ctx, w := t.Context(), db.World(t)
		other := idptest.Client(idp.Agents)
		idptest.Must(t, db.CreateClient(ctx, other))
		policy3 := w.Population.Policy
		override4, err := saveOverride(ctx, db, w.Client.ID, 0, idp.Override{Mode: idp.OverrideRequired, MinACR: idp.ACRTwoStep})
		idptest.Must(t, err)
		policy5, err := save(ctx, db, 3, idp.Policy{EmailCode: true}, false)
		idptest.Must(t, err)
		_, err = saveOverride(ctx, db, other.ID, 0, idp.Override{Mode: idp.OverrideOff})
		idptest.Must(t, err)
		override7, err := saveOverride(ctx, db, w.Client.ID, 4, idp.Override{Mode: idp.OverrideRequired, MinACR: idp.ACRMFA, Federated: true, MinVersion: 7})
		idptest.Must(t, err)
		override4.MinVersion = 7 // of now, whatever version judges
		first := inherit
		first.MinVersion = 7
		population := w.Population
		population.Policy = policy5
		request := idptest.Request(w.Client)
		idptest.Must(t, db.CreateRequest(ctx, request))
		for _, c := range []struct {
			version  int64
			policy   idp.Policy
			override idp.Override
		}{
			{3, policy3, first},
			{4, policy3, override4},
			{5, policy5, override4},
			{6, policy5, override4},
			{7, policy5, override7},
			{8, policy5, override7},
		} {
			s, token := idptest.Session(w.User, w.Population)
			s.PolicyVersion = c.version
			idptest.Must(t, db.CreateSession(ctx, s))
			sessions, err := db.SessionsByToken(ctx, w.Client.ID, [][]byte{idp.HashSecret(token)})
			idptest.Must(t, err)
			expectSame(t, []store.SessionState{
				{Session: s, User: w.User, Population: population, Judged: c.policy, Override: c.override},
			}, sessions)
			f := idptest.Flow(request, s)
			f.PolicyVersion = c.version
			around, err := db.FlowContext(ctx, f)
			idptest.Must(t, err)
			expectSame(t, store.FlowContext{
				Request: request, Version: 7, Population: population, Override: override7, Judged: c.policy,
				JudgedOverride: c.override, User: w.User, Session: s, Consent: w.Consent,
			}, around)
		}
	})
}

// A flow from before any policy, or without a population yet, is no error.
func TestContextOfAFlowThatHasLittle(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		w := db.World(t)
		request := idptest.Request(w.Client)
		idptest.Must(t, db.CreateRequest(t.Context(), request))
		f := idp.Flow{RequestID: request.ID, PopulationID: idp.Agents, BrowserHash: []byte("b")}
		got, err := db.FlowContext(t.Context(), f)
		idptest.Must(t, err)
		expectSame(t, store.FlowContext{
			Request: request, Version: 3, Population: w.Population, Override: inherit, JudgedOverride: inherit,
		}, got)
		f.RequestID = "invented"
		_, err = db.FlowContext(t.Context(), f)
		expectError(t, err, idp.ErrNotFound)
	})
}

func TestPreviewCountsPeopleAndLivingSessions(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		ctx, w, now := t.Context(), db.World(t), idp.Now()
		contacts := idptest.Population(idp.Contacts)
		_, err := db.CreatePopulation(ctx, contacts, now)
		idptest.Must(t, err)
		person := func(p idp.Population, email string, disabled bool) idp.User {
			u := idptest.User(p.ID, email)
			u.Disabled = disabled
			idptest.Must(t, db.CreateUser(ctx, u))
			return u
		}
		factor(ctx, t, db, w.User)
		mailOnly := person(w.Population, "b@rtx.example", false)
		idptest.Must(t, db.CreateFactor(ctx, idp.Factor{ID: "mail", UserID: mailOnly.ID, Method: idp.MethodEmail, CreatedAt: now, LastUsedAt: now}))
		person(w.Population, "gone@rtx.example", true)
		other := person(contacts, "c@rtx.example", false)
		session := func(u idp.User, p idp.Population, change func(*idp.Session)) {
			s, _ := idptest.Session(u, p)
			change(&s)
			idptest.Must(t, db.CreateSession(ctx, s))
		}
		session(w.User, w.Population, func(s *idp.Session) { s.PolicyVersion = 2 })
		session(w.User, w.Population, func(s *idp.Session) { s.PolicyVersion = 1 }) // below MinVersion
		session(w.User, w.Population, func(s *idp.Session) { s.EndedAt = now })
		session(w.User, w.Population, func(s *idp.Session) { s.ExpiresAt = now })
		session(other, contacts, func(*idp.Session) {})
		for _, c := range []struct {
			populations []string
			want        store.Affected
		}{
			{[]string{idp.Agents}, store.Affected{People: 2, WithoutAuthenticator: 1, Sessions: 2}},
			{[]string{idp.Contacts}, store.Affected{People: 1, WithoutAuthenticator: 1, Sessions: 1}},
			{[]string{idp.Agents, idp.Contacts}, store.Affected{People: 3, WithoutAuthenticator: 2, Sessions: 3}},
			{[]string{"invented"}, store.Affected{}},
			{nil, store.Affected{}},
		} {
			got, err := db.AffectedByPopulation(ctx, now, c.populations...)
			idptest.Must(t, err)
			expectSame(t, c.want, got)
		}
	})
}

func TestPreviewCountsLivingSessionsOfAClient(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		ctx, w, now := t.Context(), db.World(t), idp.Now() // one session with one grant
		other := idptest.Client(idp.Agents)
		idptest.Must(t, db.CreateClient(ctx, other))
		signIn := func(c idp.Client, changeSession func(*idp.Session), changeGrant func(*idp.Grant)) {
			s, _ := idptest.Session(w.User, w.Population)
			changeSession(&s)
			ended := !s.EndedAt.IsZero()
			s.EndedAt = time.Time{} // a session that is over gets no grant
			idptest.Must(t, db.CreateSession(ctx, s))
			g, _ := idptest.Grant(c, s)
			changeGrant(&g)
			idptest.Must(t, db.CreateGrant(ctx, g))
			if ended {
				_, err := db.EndSessions(ctx, now, s.ID)
				idptest.Must(t, err)
			}
		}
		same, sameGrant := func(*idp.Session) {}, func(*idp.Grant) {}
		second, _ := idptest.Grant(w.Client, w.Session)
		idptest.Must(t, db.CreateGrant(ctx, second)) // of a session that counts already
		signIn(w.Client, same, sameGrant)
		signIn(w.Client, func(s *idp.Session) { s.EndedAt = now }, sameGrant)
		signIn(w.Client, func(s *idp.Session) { s.ExpiresAt = now }, sameGrant)
		signIn(w.Client, func(s *idp.Session) { s.PolicyVersion = 1 }, func(g *idp.Grant) { g.PolicyVersion = 3 })
		signIn(w.Client, same, func(g *idp.Grant) { g.RevokedAt = now })
		signIn(other, same, sameGrant)
		expect := func(client string, want int64) {
			t.Helper()
			if got, err := db.SessionsAtClient(ctx, client, now); err != nil || got != want {
				t.Errorf("%d sessions (%v), want %d", got, err, want)
			}
		}
		expect(w.Client.ID, 2)
		expect(other.ID, 1)
		expect("invented", 0)
		_, err := saveOverride(ctx, db, w.Client.ID, 0, idp.Override{Mode: idp.OverrideRequired, MinVersion: 4})
		idptest.Must(t, err)
		expect(w.Client.ID, 0) // all grants are from before
		signIn(w.Client, func(s *idp.Session) { s.PolicyVersion = 4 }, sameGrant)
		expect(w.Client.ID, 1)
		expect(other.ID, 1)
	})
}

func TestPoliciesThatWereAppliedImmediatelyAreListed(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		w := db.World(t)
		contacts := idptest.Population(idp.Contacts)
		contacts.MinVersion = 0
		_, err := db.CreatePopulation(t.Context(), contacts, idp.Now())
		idptest.Must(t, err)
		quiet := idptest.Client(idp.Agents)
		idptest.Must(t, db.CreateClient(t.Context(), quiet))
		_, err = saveOverride(t.Context(), db, w.Client.ID, 0, idp.Override{Mode: idp.OverrideOff, MinVersion: 4})
		idptest.Must(t, err)
		populations, clients, err := db.PoliciesApplied(t.Context())
		idptest.Must(t, err)
		expectSame(t, map[string]int64{idp.Agents: 2}, populations)
		expectSame(t, map[string]int64{w.Client.ID: 4}, clients)
	})
}
