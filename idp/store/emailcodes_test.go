package store_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/mfa"
)

// emailFlow stores a sign-in in progress, for codes to belong to.
func emailFlow(t *testing.T, db *idptest.Database, w idptest.World) idp.Flow {
	t.Helper()
	r := idptest.Request(w.Client)
	idptest.Must(t, db.CreateRequest(t.Context(), r))
	f := idptest.Flow(r, w.Session)
	idptest.Must(t, db.CreateFlow(t.Context(), f))
	return f
}

func emailCode(f idp.Flow, id string, at time.Time) idp.EmailCode {
	return idp.EmailCode{
		ID: id, FlowID: f.ID, UserID: f.UserID, MAC: []byte("mac of " + id),
		CreatedAt: at, ExpiresAt: at.Add(mfa.EmailCodeLifetime),
	}
}

func TestNewEmailCodeReplacesTheOldOne(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		w, now := db.World(t), idp.Now()
		f, other := emailFlow(t, db, w), emailFlow(t, db, w)
		first, second, foreign := emailCode(f, "first", now), emailCode(f, "second", now.Add(time.Minute)), emailCode(other, "foreign", now)
		for _, c := range []idp.EmailCode{first, foreign, second} {
			idptest.Must(t, db.ReplaceEmailCode(t.Context(), c))
		}
		first.ReplacedAt = second.CreatedAt
		got, err := db.EmailCodes(t.Context(), f.ID, f.UserID)
		idptest.Must(t, err)
		expectSame(t, []idp.EmailCode{second, first}, got)
		got, err = db.EmailCodes(t.Context(), other.ID, other.UserID)
		idptest.Must(t, err)
		expectSame(t, []idp.EmailCode{foreign}, got)

		expectError(t, db.TryEmailCode(t.Context(), "first", mfa.EmailCodeTries), idp.ErrUsed)
		expectError(t, db.UseEmailCode(t.Context(), "first", now), idp.ErrUsed)
		idptest.Must(t, db.TryEmailCode(t.Context(), "second", mfa.EmailCodeTries))
		idptest.Must(t, db.UseEmailCode(t.Context(), "second", now))
	})
}

func TestEmailCodesAreReadAsTheyWereStored(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		f := emailFlow(t, db, db.World(t))
		full := emailCode(f, "full", idp.Now())
		full.Tries, full.UsedAt, full.ReplacedAt = 4, idp.Now(), idp.Now().Add(time.Microsecond)
		expectFull(t, full)
		idptest.Must(t, db.ReplaceEmailCode(t.Context(), full))
		got, err := db.EmailCodes(t.Context(), f.ID, f.UserID)
		idptest.Must(t, err)
		expectSame(t, []idp.EmailCode{full}, got)
		got, err = db.EmailCodes(t.Context(), f.ID, "somebody else")
		idptest.Must(t, err)
		expectSame(t, []idp.EmailCode{}, got)
		got, err = db.EmailCodes(t.Context(), "invented", f.UserID)
		idptest.Must(t, err)
		expectSame(t, []idp.EmailCode{}, got)
	})
}

// The code that cannot be stored does not take the one before with it.
func TestCodeThatCannotBeStoredReplacesNone(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		f := emailFlow(t, db, db.World(t))
		c := emailCode(f, "a", idp.Now())
		idptest.Must(t, db.ReplaceEmailCode(t.Context(), c))
		expectError(t, db.ReplaceEmailCode(t.Context(), c), idp.ErrConflict)
		idptest.Must(t, db.UseEmailCode(t.Context(), "a", idp.Now()))
	})
}

func TestParallelTriesOfACodeAreCountedToFive(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		f := emailFlow(t, db, db.World(t))
		idptest.Must(t, db.ReplaceEmailCode(t.Context(), emailCode(f, "a", idp.Now())))
		allowed := 0
		for _, err := range idptest.Race(20, func(int) error {
			return db.TryEmailCode(t.Context(), "a", mfa.EmailCodeTries)
		}) {
			if err == nil {
				allowed++
				continue
			}
			expectError(t, err, idp.ErrUsed)
		}
		codes, err := db.EmailCodes(t.Context(), f.ID, f.UserID)
		if err != nil || allowed != 5 || codes[0].Tries != 5 {
			t.Errorf("%d of 20 tries were allowed: %+v (%v)", allowed, codes, err)
		}
	})
}

func TestOneOfManyUsesAnEmailCode(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		f, now := emailFlow(t, db, db.World(t)), idp.Now()
		c := emailCode(f, "a", now)
		idptest.Must(t, db.ReplaceEmailCode(t.Context(), c))
		expectError(t, db.UseEmailCode(t.Context(), "a", c.ExpiresAt), idp.ErrUsed)
		expectError(t, db.UseEmailCode(t.Context(), "invented", now), idp.ErrUsed)
		last := c.ExpiresAt.Add(-time.Microsecond)
		expectOneWinner(t, idp.ErrUsed, func(ctx context.Context, _ int) error {
			return db.UseEmailCode(ctx, "a", last)
		})
		expectError(t, db.TryEmailCode(t.Context(), "a", mfa.EmailCodeTries), idp.ErrUsed)
		codes, err := db.EmailCodes(t.Context(), f.ID, f.UserID)
		if err != nil || !codes[0].UsedAt.Equal(last) {
			t.Errorf("used: %+v (%v)", codes, err)
		}
	})
}

// A code that is used while it is replaced: whichever comes first, never is there
// a replaced code that was used afterwards.
func TestUsingACodeAndReplacingItAtOnce(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		f := emailFlow(t, db, db.World(t))
		idptest.Must(t, db.ReplaceEmailCode(t.Context(), emailCode(f, "0", idp.Now())))
		for i := range 10 {
			old, fresh := fmt.Sprint(i), fmt.Sprint(i+1)
			results := idptest.Race(2, func(j int) error {
				if j == 0 {
					return db.ReplaceEmailCode(t.Context(), emailCode(f, fresh, idp.Now()))
				}
				return db.UseEmailCode(t.Context(), old, idp.Now())
			})
			idptest.Must(t, results[0])
			if results[1] != nil {
				expectError(t, results[1], idp.ErrUsed)
			}
			expectError(t, db.UseEmailCode(t.Context(), old, idp.Now()), idp.ErrUsed)
		}
		idptest.Must(t, db.UseEmailCode(t.Context(), "10", idp.Now()))
	})
}

// Whatever flow or replica asks: one mail within the interval.
func TestOneOfManySendsAnEmailCode(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		w := db.World(t)
		f := idp.Factor{ID: idp.NewID(), UserID: w.User.ID, Method: idp.MethodEmail, CreatedAt: idp.Now(), LastUsedAt: idp.Now()}
		idptest.Must(t, db.CreateFactor(t.Context(), f))
		replica := db.Replica(t)
		for range 2 { // the first code ever, then the next
			now := idp.Now()
			expectOneWinner(t, idp.ErrUsed, func(ctx context.Context, i int) error {
				s := db.Store
				if i%2 == 1 {
					s = replica
				}
				return s.MarkEmailSent(ctx, f.ID, now.Add(-mfa.ResendAfter), now)
			})
			e, err := db.Enrolment(t.Context(), w.User.ID)
			if err != nil || e.First(idp.MethodEmail) == nil || !e.First(idp.MethodEmail).SentAt.Equal(now) || len(e.Of(idp.MethodTOTP)) != 0 {
				t.Errorf("sent: %+v (%v)", e, err)
			}
			almost := now.Add(mfa.ResendAfter - time.Microsecond)
			expectError(t, db.MarkEmailSent(t.Context(), f.ID, almost.Add(-mfa.ResendAfter), almost), idp.ErrUsed)
			db.Age(t, "factors", mfa.ResendAfter, "sent_at")
		}
		expectError(t, db.MarkEmailSent(t.Context(), "invented", idp.Now(), idp.Now()), idp.ErrUsed)
	})
}
