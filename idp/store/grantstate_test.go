package store_test

import (
	"testing"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/store"
)

func TestStateOfAGrantIsReadInOneStatement(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		w := db.World(t)
		for _, id := range []string{"b", "a"} {
			idptest.Must(t, db.CreateRole(t.Context(), idp.Role{ID: id, Name: id}))
			idptest.Must(t, db.GiveRole(t.Context(), w.User.ID, id))
		}
		want := idp.GrantState{
			Grant: w.Grant, Session: w.Session, User: w.User, Population: w.Population, Roles: []string{"a", "b"}, App: idptest.AppOf(w.Client),
			Consent: w.Consent,
		}

		ctx, statements := store.CountStatements(t.Context())
		byCode, err := db.GrantStateByCode(ctx, idp.HashSecret(w.Code))
		idptest.Must(t, err)
		expectSame(t, want, byCode)
		byGrant, err := db.GrantState(ctx, w.Grant.ID)
		idptest.Must(t, err)
		expectSame(t, want, byGrant)
		if statements.Load() != 2 {
			t.Errorf("%d statements for two reads", statements.Load())
		}

		_, err = db.GrantStateByCode(t.Context(), idp.HashSecret("guessed"))
		expectError(t, err, idp.ErrNotFound)
		_, err = db.GrantState(t.Context(), "invented")
		expectError(t, err, idp.ErrNotFound)
	})
}

func TestGrantOfASessionThatIsGoneStandsWithoutIt(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		w := db.World(t)
		full, code := idptest.Grant(w.Client, idp.Session{ID: "gone", UserID: w.User.ID, PopulationID: idp.Agents, Address: "192.0.2.1", UserAgent: "Mozilla"})
		full.CodeUsedAt, full.RevokedAt, full.FromDevice, full.JKT = idp.Now(), idp.Now(), true, "jkt"
		full.PolicyVersion, full.Proofs = 2, idptest.Proofs()
		full.ConsentID = w.Consent.ID
		expectFull(t, full)
		expectError(t, db.CreateGrant(t.Context(), full), idp.ErrExpired)
		session, _ := idptest.Session(w.User, w.Population)
		session.ID = "gone"
		idptest.Must(t, db.CreateSession(t.Context(), session))
		idptest.Must(t, db.CreateGrant(t.Context(), full))
		_, err := db.SQL().ExecContext(t.Context(), "DELETE FROM sessions WHERE id = 'gone'")
		idptest.Must(t, err)
		got, err := db.GrantStateByCode(t.Context(), idp.HashSecret(code))
		idptest.Must(t, err)
		expectSame(t, idp.GrantState{Grant: full, User: w.User, Population: w.Population, App: idptest.AppOf(w.Client), Consent: w.Consent}, got)
	})
}

func TestStateOfATokenSaysSinceWhenItIsReplaced(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		w, now := db.World(t), idp.Now()
		token := func(id, previous string, at time.Time) idp.Token {
			return idp.Token{
				ID: id, GrantID: w.Grant.ID, Kind: idp.RefreshToken, Hash: idp.HashSecret(id),
				PreviousID: previous, CreatedAt: at, ExpiresAt: at.Add(time.Hour),
			}
		}
		first, second := token("first", "", now), token("second", "first", now.Add(time.Second))
		idptest.Must(t, db.CreateTokens(t.Context(), first))
		idptest.Must(t, db.CreateTokens(t.Context(), second))
		state := idp.GrantState{Grant: w.Grant, Session: w.Session, User: w.User, Population: w.Population, App: idptest.AppOf(w.Client), Consent: w.Consent}

		ctx, statements := store.CountStatements(t.Context())
		got, err := db.TokenState(ctx, first.Hash)
		idptest.Must(t, err)
		expectSame(t, store.TokenState{GrantState: state, Token: first, ReplacedAt: second.CreatedAt}, got)
		got, err = db.TokenState(ctx, second.Hash)
		idptest.Must(t, err)
		expectSame(t, store.TokenState{GrantState: state, Token: second}, got)
		if statements.Load() != 2 {
			t.Errorf("%d statements for two reads", statements.Load())
		}
		_, err = db.TokenState(t.Context(), idp.HashSecret("guessed"))
		expectError(t, err, idp.ErrNotFound)
	})
}

// An agent who tests the support portal has two sessions in one browser.
func TestSessionsOfABrowserAreReadInOneStatement(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		w := db.World(t)
		contacts := idptest.Population(idp.Contacts)
		_, err := db.CreatePopulation(t.Context(), contacts, idp.Now())
		idptest.Must(t, err)
		contact := idptest.User(idp.Contacts, "maya@rtx.example")
		contact.Disabled = true
		idptest.Must(t, db.CreateUser(t.Context(), contact))
		ended, token := idptest.Session(contact, contacts)
		ended.EndedAt = idp.Now()
		idptest.Must(t, db.CreateSession(t.Context(), ended))

		ctx, statements := store.CountStatements(t.Context())
		got, err := db.SessionsByToken(ctx, w.Client.ID, [][]byte{
			idp.HashSecret(w.Token), idp.HashSecret(token), idp.HashSecret("guessed"), idp.HashSecret(token),
		})
		idptest.Must(t, err)
		if statements.Load() != 1 || len(got) != 2 {
			t.Fatalf("%d sessions with %d statements", len(got), statements.Load())
		}
		if got[0].Population.ID != idp.Agents {
			got[0], got[1] = got[1], got[0]
		}
		expectSame(t, []store.SessionState{
			{Session: w.Session, User: w.User, Population: w.Population, Judged: w.Population.Policy, Override: inherit},
			{Session: ended, User: contact, Population: contacts, Judged: contacts.Policy, Override: inherit},
		}, got)
	})
}

// inherit is the override that every client begins with.
var inherit = idp.Override{Mode: idp.OverrideInherit}

func TestNoTokensMeanNoSessionsAndNoStatement(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		db.World(t)
		ctx, statements := store.CountStatements(t.Context())
		if got, err := db.SessionsByToken(ctx, "", nil); err != nil || len(got) != 0 || statements.Load() != 0 {
			t.Errorf("%v, %v, %d statements", got, err, statements.Load())
		}
		if got, err := db.SessionsByToken(ctx, "", [][]byte{idp.HashSecret("guessed")}); err != nil || len(got) != 0 {
			t.Errorf("a guessed token: %v, %v", got, err)
		}
	})
}

// The policy in force and the one that the session was judged by are two.
func TestSessionStandsWithThePolicyItWasJudgedBy(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		w := db.World(t)
		outside := db.SQL()
		for _, statement := range []string{
			`INSERT INTO policies (population_id, version, authenticator, issuer_label, email_code, created_at)
				SELECT population_id, 4, NOT authenticator, 'New label', NOT email_code, created_at FROM policies`,
			"UPDATE populations SET policy_version = 4, min_version = 4",
		} {
			_, err := outside.ExecContext(t.Context(), statement)
			idptest.Must(t, err)
		}
		now := w.Population
		now.Policy, now.MinVersion = idp.Policy{Version: 4, IssuerLabel: "New label"}, 4
		got, err := db.SessionsByToken(t.Context(), "", [][]byte{idp.HashSecret(w.Token)})
		idptest.Must(t, err)
		expectSame(t, []store.SessionState{{Session: w.Session, User: w.User, Population: now, Judged: w.Population.Policy}}, got)
		state, err := db.GrantState(t.Context(), w.Grant.ID)
		idptest.Must(t, err)
		expectSame(t, now, state.Population)
	})
}

func TestRenewedSessionHasAnotherToken(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		w := db.World(t)
		renewed := w.Session
		renewed.TokenHash, renewed.PolicyVersion = idp.HashSecret("new"), 3
		renewed.Proofs, renewed.LastSeenAt = idptest.Proofs(), idp.Now().Add(time.Minute)
		idptest.Must(t, db.RenewSession(t.Context(), renewed))
		got, err := db.Session(t.Context(), w.Session.ID)
		idptest.Must(t, err)
		expectSame(t, renewed, got)
		if old, err := db.SessionsByToken(t.Context(), "", [][]byte{w.Session.TokenHash}); err != nil || len(old) != 0 {
			t.Errorf("the old token finds %v, %v", old, err)
		}
		if now, err := db.EndSessions(t.Context(), idp.Now(), w.Session.ID); err != nil || len(now) != 1 {
			t.Errorf("ended: %v, %v", now, err)
		}
		expectError(t, db.RenewSession(t.Context(), renewed), idp.ErrExpired)
	})
}

func TestActivityIsRecordedOnceAMinute(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		w := db.World(t)
		for _, c := range []struct {
			after time.Duration
			moves bool
		}{{time.Second, false}, {store.TouchInterval - time.Microsecond, false}, {store.TouchInterval, true}} {
			ctx, statements := store.CountStatements(t.Context())
			now := w.Session.LastSeenAt.Add(c.after)
			idptest.Must(t, db.TouchSession(ctx, w.Session, now))
			got, err := db.Session(t.Context(), w.Session.ID)
			idptest.Must(t, err)
			if moved := got.LastSeenAt.Equal(now); moved != c.moves || statements.Load() == 1 != c.moves {
				t.Errorf("after %s: moved %t with %d statements", c.after, moved, statements.Load())
			}
		}
		// A slower replica does not turn it back.
		slow := w.Session
		slow.LastSeenAt = slow.LastSeenAt.Add(-time.Hour)
		idptest.Must(t, db.TouchSession(t.Context(), slow, w.Session.LastSeenAt))
		if got, _ := db.Session(t.Context(), w.Session.ID); got.LastSeenAt.Before(w.Session.LastSeenAt.Add(store.TouchInterval)) {
			t.Errorf("last seen went back to %v", got.LastSeenAt)
		}
		idptest.Must(t, db.TouchSession(t.Context(), idp.Session{}, idp.Now()))
	})
}

func TestSessionBehindAReplacedCookieEnds(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		w, at := db.World(t), idp.Now()
		want := w.Session
		want.EndedAt, want.UpstreamSignOut = at, nil // what ends with it
		got, err := db.EndSessionByToken(t.Context(), w.Session.TokenHash, at)
		idptest.Must(t, err)
		expectSame(t, []idp.Session{want}, got)
		for _, hash := range [][]byte{w.Session.TokenHash, idp.HashSecret("guessed")} {
			got, err := db.EndSessionByToken(t.Context(), hash, at.Add(time.Hour))
			idptest.Must(t, err)
			expectSame(t, []idp.Session{}, got)
		}
		if again, err := db.EndSessions(t.Context(), at, w.Session.ID); err != nil || len(again) != 0 {
			t.Errorf("it ended again: %v, %v", again, err)
		}
	})
}
