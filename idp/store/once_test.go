package store_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/store"
)

// Everything that may happen once is raced: of many who ask at the same moment
// one is told yes.

func TestAProofIsUsedOnce(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		expectOneWinner(t, idp.ErrUsed, func(ctx context.Context, _ int) error {
			return db.UseProof(ctx, idp.HashSecret("proof"), idp.Now().Add(time.Minute))
		})
	})
}

func TestOneOfManyUsesACode(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		w := db.World(t)
		expectOneWinner(t, idp.ErrUsed, func(ctx context.Context, _ int) error {
			return db.UseCode(ctx, w.Grant.ID, idp.Now())
		})
		g, err := db.GrantState(t.Context(), w.Grant.ID)
		if err != nil || g.Grant.CodeUsedAt.IsZero() {
			t.Errorf("the code was used at %v (%v)", g.Grant.CodeUsedAt, err)
		}
	})
}

func TestCodeOfARevokedGrantCannotBeUsed(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		w := db.World(t)
		for _, want := range []bool{true, false} {
			if revoked, err := db.RevokeGrant(t.Context(), w.Grant.ID, idp.Now()); err != nil || revoked != want {
				t.Errorf("revoked: %t, %v; want %t", revoked, err, want)
			}
		}
		expectError(t, db.UseCode(t.Context(), w.Grant.ID, idp.Now()), idp.ErrUsed)
		expectError(t, db.UseCode(t.Context(), "invented", idp.Now()), idp.ErrUsed)
	})
}

func TestOneOfManyFinishesARequest(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		r := idptest.Request(db.World(t).Client)
		idptest.Must(t, db.CreateRequest(t.Context(), r))
		expectOneWinner(t, idp.ErrUsed, func(ctx context.Context, _ int) error {
			return db.FinishRequest(ctx, r.ID, idp.Now())
		})
	})
}

func TestOneOfManyTabsAdvancesAFlow(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		w := db.World(t)
		r := idptest.Request(w.Client)
		idptest.Must(t, db.CreateRequest(t.Context(), r))
		f := idptest.Flow(r, w.Session)
		idptest.Must(t, db.CreateFlow(t.Context(), f))
		winner := make(chan int, contenders)
		expectOneWinner(t, idp.ErrConflict, func(ctx context.Context, i int) error {
			mine := f
			mine.Kind = fmt.Sprint("tab ", i)
			err := db.AdvanceFlow(ctx, mine)
			if err == nil {
				winner <- i
			}
			return err
		})
		got, err := db.Flow(t.Context(), f.ID)
		if err != nil || got.Version != f.Version+1 || got.Kind != fmt.Sprint("tab ", <-winner) {
			t.Errorf("the flow stands at %q, version %d (%v)", got.Kind, got.Version, err)
		}
	})
}

func TestOneOfManyUsesATimeStep(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		f := factor(t.Context(), t, db, db.World(t).User)
		expectOneWinner(t, idp.ErrUsed, func(ctx context.Context, _ int) error {
			return db.AcceptStep(ctx, f.ID, f.LastStep+1, idp.Now())
		})
	})
}

func factor(ctx context.Context, t *testing.T, db *idptest.Database, u idp.User) idp.Factor {
	t.Helper()
	f := idp.Factor{
		ID: idp.NewID(), UserID: u.ID, Method: idp.MethodTOTP, Secret: []byte("sealed"), LastStep: 100,
		CreatedAt: idp.Now(), LastUsedAt: idp.Now(),
	}
	idptest.Must(t, db.CreateFactor(ctx, f))
	return f
}

func TestStepsAreAcceptedForwardOnly(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		w := db.World(t)
		f, at := factor(t.Context(), t, db, w.User), idp.Now().Add(time.Hour)
		for _, c := range []struct {
			step int64
			want error
		}{{100, idp.ErrUsed}, {99, idp.ErrUsed}, {102, nil}, {102, idp.ErrUsed}, {101, idp.ErrUsed}, {103, nil}} {
			if err := db.AcceptStep(t.Context(), f.ID, c.step, at); (err == nil) != (c.want == nil) {
				t.Errorf("step %d: %v, want %v", c.step, err, c.want)
			}
		}
		e, err := db.Enrolment(t.Context(), w.User.ID)
		if err != nil || e.Of(idp.MethodTOTP)[0].LastStep != 103 || !e.Of(idp.MethodTOTP)[0].LastUsedAt.Equal(at) {
			t.Errorf("the factor is %+v (%v)", e.Of(idp.MethodTOTP), err)
		}
		for _, want := range []bool{true, false} {
			if disabled, err := db.DisableFactor(t.Context(), f.ID, at); err != nil || disabled != want {
				t.Errorf("disabled: %t, %v; want %t", disabled, err, want)
			}
		}
	})
}

func recoveryCodes(t *testing.T, db *idptest.Database, u idp.User) (idp.RecoverySet, []idp.RecoveryCode) {
	t.Helper()
	set := idp.RecoverySet{ID: idp.NewID(), UserID: u.ID, CreatedAt: idp.Now()}
	codes := make([]idp.RecoveryCode, 10)
	for i := range codes {
		codes[i] = idp.RecoveryCode{
			ID: idp.NewID(), SetID: set.ID, UserID: u.ID, Position: i, MAC: []byte{byte(i)}, Sealed: []byte{byte(i)},
		}
	}
	idptest.Must(t, db.ReplaceRecoveryCodes(t.Context(), set, codes))
	return set, codes
}

func TestOneOfManyUsesARecoveryCode(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		w := db.World(t)
		_, codes := recoveryCodes(t, db, w.User)
		expectOneWinner(t, idp.ErrUsed, func(ctx context.Context, _ int) error {
			return db.UseRecoveryCode(ctx, codes[3].ID, idp.Now())
		})
		if e, err := db.Enrolment(t.Context(), w.User.ID); err != nil || e.RecoveryLeft != 9 {
			t.Errorf("%d codes are left (%v)", e.RecoveryLeft, err)
		}
	})
}

func TestNewRecoveryCodesReplaceTheOldOnes(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		w, at := db.World(t), idp.Now()
		old, codes := recoveryCodes(t, db, w.User)
		idptest.Must(t, db.UseRecoveryCode(t.Context(), codes[0].ID, at))
		idptest.Must(t, db.MarkRecoverySaved(t.Context(), old.ID, at))
		idptest.Must(t, db.MarkRecoverySaved(t.Context(), old.ID, at.Add(time.Hour)))
		for _, want := range []bool{true, false} {
			if disabled, err := db.DisableFactor(t.Context(), old.ID, at); err != nil || disabled != want {
				t.Errorf("disabled: %t, %v; want %t", disabled, err, want)
			}
		}
		e, err := db.Enrolment(t.Context(), w.User.ID)
		if err != nil || !e.Recovery.SavedAt.Equal(at) || !e.Recovery.DisabledAt.Equal(at) {
			t.Errorf("the old set is %+v (%v)", e.Recovery, err)
		}

		fresh, _ := recoveryCodes(t, db, w.User)
		e, err = db.Enrolment(t.Context(), w.User.ID)
		idptest.Must(t, err)
		expectSame(t, idp.Enrolment{Recovery: &fresh, RecoveryLeft: 10}, e)
		if left, err := db.RecoveryCodes(t.Context(), old.ID); err != nil || len(left) != 0 {
			t.Errorf("%d old codes are left (%v)", len(left), err)
		}
		expectError(t, db.UseRecoveryCode(t.Context(), codes[1].ID, at), idp.ErrUsed)
	})
}

// All who present one refresh token make a successor; one of them is kept.
func TestRefreshTokenGetsOneSuccessor(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		w, now := db.World(t), idp.Now()
		token := func(id, previous string) idp.Token {
			return idp.Token{
				ID: id, GrantID: w.Grant.ID, Kind: idp.RefreshToken, Hash: idp.HashSecret(id), PreviousID: previous,
				CreatedAt: now, ExpiresAt: now.Add(time.Hour),
			}
		}
		idptest.Must(t, db.CreateTokens(t.Context(), token("first", "")))
		for _, err := range idptest.Race(contenders, func(i int) error {
			access := token(fmt.Sprint("access ", i), "")
			access.Kind = idp.AccessToken
			return db.CreateTokens(t.Context(), token(fmt.Sprint("next ", i), "first"), access)
		}) {
			idptest.Must(t, err) // who came later is answered as well
		}
		successors, accesses := 0, 0
		for i := range contenders {
			if _, err := db.TokenState(t.Context(), idp.HashSecret(fmt.Sprint("next ", i))); err == nil {
				successors++
			}
			if _, err := db.TokenState(t.Context(), idp.HashSecret(fmt.Sprint("access ", i))); err == nil {
				accesses++
			}
		}
		if successors != 1 || accesses != contenders {
			t.Errorf("%d successors and %d access tokens", successors, accesses)
		}
	})
}

func TestOneOfManyCountsAnAttempt(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		now := idp.Now()
		one := []store.Budget{{Key: []byte("key"), Kind: "password", Free: 1, Waits: []time.Duration{time.Second}}}
		for round := range 3 { // without a row, then with one
			expectOneWinner(t, idp.ErrConflict, func(ctx context.Context, _ int) error {
				_, err := db.CountAttempt(ctx, now.Add(time.Duration(round)*time.Second), one)
				return err
			})
		}
		rows, err := db.Throttles(t.Context(), [][]byte{[]byte("key"), []byte("other")})
		idptest.Must(t, err)
		last := now.Add(2 * time.Second)
		expectSame(t, []store.Throttle{{Key: []byte("key"), Kind: "password", Failures: 3, LastAt: last, NextAt: last.Add(time.Second)}}, rows)
	})
}

// Both counters of an attempt, or none.
func TestAttemptIsCountedOnAllCountersOrNone(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		budget := func(key string) store.Budget {
			return store.Budget{Key: []byte(key), Kind: "password", Free: 1, Waits: []time.Duration{time.Hour}}
		}
		_, err := db.CountAttempt(t.Context(), idp.Now(), []store.Budget{budget("b")})
		idptest.Must(t, err)
		_, err = db.CountAttempt(t.Context(), idp.Now(), []store.Budget{budget("a"), budget("b")})
		expectError(t, err, idp.ErrConflict)
		rows, err := db.Throttles(t.Context(), [][]byte{[]byte("a"), []byte("b")})
		if err != nil || len(rows) != 1 || !bytes.Equal(rows[0].Key, []byte("b")) {
			t.Errorf("the counters are %+v (%v)", rows, err)
		}
	})
}

func TestOneOfManyFinishesADelivery(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		now := idp.Now()
		idptest.Must(t, db.Enqueue(t.Context(), store.Delivery{
			ID: "mail", Kind: "mail", Body: []byte("sealed"), Attempts: 2, CreatedAt: now, NextAt: now, ExpiresAt: now.Add(time.Hour),
		}))
		expectOneWinner(t, idp.ErrUsed, func(ctx context.Context, _ int) error {
			return db.FinishDelivery(ctx, "mail", store.Delivered, "", now)
		})
		var body []byte
		var attempts int
		idptest.Must(t, db.SQL().QueryRowContext(t.Context(), "SELECT body, attempts FROM outbox").Scan(&body, &attempts))
		if len(body) != 0 || attempts != 2 {
			t.Errorf("after %d attempts the body is still %q", attempts, body)
		}
	})
}

func TestOneOfManyEndsASession(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		w := db.World(t)
		ended := 0
		for _, first := range idptest.Race(contenders, func(int) bool {
			now, err := db.EndSessions(t.Context(), idp.Now(), w.Session.ID)
			return len(now) == 1 && err == nil
		}) {
			if first {
				ended++
			}
		}
		if ended != 1 {
			t.Errorf("the session ended %d times", ended)
		}
	})
}

// Replicas that start together agree on one value.
func TestFirstSettingStands(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		got := idptest.Race(contenders, func(i int) string {
			v, err := db.CreateSetting(t.Context(), "secret", []byte(fmt.Sprint(i)), true)
			return fmt.Sprint(string(v), err)
		})
		for _, v := range got {
			if v != got[0] {
				t.Fatalf("the replicas read %v", got)
			}
		}
		v, err := db.Setting(t.Context(), "secret")
		if err != nil || fmt.Sprint(string(v), err) != got[0] {
			t.Errorf("later it is %s (%v)", v, err)
		}
		_, err = db.Setting(t.Context(), "other")
		expectError(t, err, idp.ErrNotFound)
	})
}

// Whoever locks a person reads, until the end of the transaction, what nobody
// else changes: of many who find no factor one enrols.
func TestPersonIsLockedUntilTheEndOfTheTransaction(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		w := db.World(t)
		expectOneWinner(t, errStop, func(ctx context.Context, _ int) error {
			return db.Do(ctx, func(ctx context.Context) error {
				if err := db.LockUser(ctx, w.User.ID); err != nil {
					return err
				}
				e, err := db.Enrolment(ctx, w.User.ID)
				if err != nil || len(e.Of(idp.MethodTOTP)) > 0 {
					return errors.Join(err, errStop)
				}
				factor(ctx, t, db, w.User)
				return nil
			})
		})
		got, err := db.User(t.Context(), w.User.ID)
		idptest.Must(t, err)
		expectSame(t, w.User, got)
		expectError(t, db.LockUser(t.Context(), "nobody"), idp.ErrNotFound)
	})
}
