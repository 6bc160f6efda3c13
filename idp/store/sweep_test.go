package store_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/store"
)

const (
	hour = time.Hour
	day  = 24 * hour
)

// perishable is a kind of row and how to make one whose time is at.
type perishable struct {
	table string
	kept  time.Duration // how long a row stays after its time
	make  func(ctx context.Context, id string, at time.Time) error
}

func perishables(db *idptest.Database, w idptest.World) map[string]perishable {
	later := idp.Now().Add(1000 * day)
	throttle := func(kind string) func(context.Context, string, time.Time) error {
		return func(ctx context.Context, id string, at time.Time) error {
			_, err := db.CountAttempt(ctx, at, []store.Budget{{Key: []byte(id), Kind: kind, Free: 1, Waits: []time.Duration{later.Sub(at)}}})
			return err
		}
	}
	session := func(expires func(*idp.Session, time.Time)) func(context.Context, string, time.Time) error {
		return func(ctx context.Context, id string, at time.Time) error {
			s, _ := idptest.Session(w.User, w.Population)
			s.ID, s.ExpiresAt = id, later
			expires(&s, at)
			return db.CreateSession(ctx, s)
		}
	}
	link := func(kind idp.LinkKind, used bool) func(context.Context, string, time.Time) error {
		return func(ctx context.Context, id string, at time.Time) error {
			l := idp.Link{ID: id, Kind: kind, Hash: []byte(id), PopulationID: idp.Agents, Email: id, CreatedAt: at, ExpiresAt: at}
			if used {
				l.UsedAt = at
			}
			return db.CreateLink(ctx, l)
		}
	}
	return map[string]perishable{
		"link to set a password":                 {"links", 0, link(idp.ResetLink, false)},
		"link to make an account":                {"links", 0, link(idp.RegistrationLink, false)},
		"invitation":                             {"links", 30 * day, link(idp.InvitationLink, false)},
		"invitation that was accepted":           {"links", 0, link(idp.InvitationLink, true)},
		"window of mails to an account":          {"throttles", day, throttle("mail")},
		"mails that an address asked for lately": {"throttles", day, throttle("mail-address")},
		"codes tried for an address":             {"throttles", day, throttle("confirm")},
		"codes sent to an address":               {"throttles", day, throttle("confirm-mail")},
		"flow": {"flows", 0, func(ctx context.Context, id string, at time.Time) error {
			r := idptest.Request(w.Client)
			r.ExpiresAt = later
			f := idptest.Flow(r, w.Session)
			f.ID, f.ExpiresAt = id, at
			return errors.Join(db.CreateRequest(ctx, r), db.CreateFlow(ctx, f))
		}},
		"request that nobody went on with": {"requests", idp.OpenLifetime - idp.FlowLifetime, func(ctx context.Context, id string, at time.Time) error {
			r := idptest.Request(w.Client)
			r.ID, r.ExpiresAt = id, at
			return db.CreateRequest(ctx, r)
		}},
		"request": {"requests", 0, func(ctx context.Context, id string, at time.Time) error {
			r := idptest.Request(w.Client)
			r.ID, r.ExpiresAt = id, at
			return errors.Join(db.CreateRequest(ctx, r), db.FinishRequest(ctx, id, at))
		}},
		"proof of possession": {"dpop_proofs", 0, func(ctx context.Context, id string, at time.Time) error {
			return db.UseProof(ctx, []byte(id), at)
		}},
		"device": {"device_authorizations", 5 * time.Minute, func(ctx context.Context, id string, at time.Time) error {
			d := device(w.Client.ID)
			d.ExpiresAt = at
			return db.CreateDevice(ctx, d)
		}},
		"codes of devices tried from an address": {"throttles", day, throttle("device")},
		"token": {"tokens", 0, func(ctx context.Context, id string, at time.Time) error {
			return db.CreateTokens(ctx, idp.Token{
				ID: id, GrantID: w.Grant.ID, Kind: idp.AccessToken, Hash: []byte(id), CreatedAt: at, ExpiresAt: at,
			})
		}},
		"service's token": {"service_tokens", 0, func(ctx context.Context, id string, at time.Time) error {
			return db.CreateServiceToken(ctx, idp.ServiceToken{
				ID: id, ClientID: w.Client.ID, Hash: []byte(id), CreatedAt: at, ExpiresAt: at,
			})
		}},
		"grant": {"grants", 0, func(ctx context.Context, id string, at time.Time) error {
			g, _ := idptest.Grant(w.Client, w.Session)
			g.ID, g.ExpiresAt = id, at
			return db.CreateGrant(ctx, g)
		}},
		"session at its limit":   {"sessions", day, session(func(s *idp.Session, at time.Time) { s.ExpiresAt = at })},
		"session that ended":     {"sessions", day, session(func(s *idp.Session, at time.Time) { s.EndedAt = at })},
		"failures of an address": {"throttles", day, throttle("address")},
		"failures of an account": {"throttles", 365 * day, throttle("password")},
		"failures of a factor":   {"throttles", 365 * day, throttle("totp")},
		"signing key": {"signing_keys", 0, func(ctx context.Context, id string, at time.Time) error {
			return db.CreateSigningKey(ctx, store.SigningKey{ID: id, Private: []byte(id), CreatedAt: at, SignsFrom: at, SignsUntil: at, ExpiresAt: at})
		}},
		"delivery that was never made": {"outbox", 7 * day, func(ctx context.Context, id string, at time.Time) error {
			return db.Enqueue(ctx, store.Delivery{ID: id, Body: []byte(id), CreatedAt: at, NextAt: at, ExpiresAt: at})
		}},
		"delivery": {"outbox", 7 * day, func(ctx context.Context, id string, at time.Time) error {
			err := db.Enqueue(ctx, store.Delivery{ID: id, Body: []byte(id), CreatedAt: at, NextAt: at, ExpiresAt: later})
			return errors.Join(err, db.FinishDelivery(ctx, id, store.Delivered, "", at))
		}},
		"trusted browser": {"trusted_browsers", 0, func(ctx context.Context, id string, at time.Time) error {
			b := idptest.TrustedBrowser(w.User.ID)
			b.ID, b.ExpiresAt = id, at
			return db.TrustBrowser(ctx, b)
		}},
		"browser": {"known_browsers", 400 * day, func(ctx context.Context, id string, at time.Time) error {
			return db.RememberBrowser(ctx, w.User.ID, []byte(id), at, idp.MethodEmail)
		}},
	}
}

func TestSweepRemovesWhatExpiredAndNothingElse(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		w, outside, now := db.World(t), db.SQL(), idp.Now()
		for name, p := range perishables(db, w) {
			before := count(t, outside, p.table)
			for id, at := range map[string]time.Time{
				"gone": now.Add(-p.kept - time.Microsecond), "kept": now.Add(-p.kept), "young": now.Add(time.Hour),
			} {
				idptest.Must(t, p.make(t.Context(), name+" "+id, at))
			}
			removed, err := db.Sweep(t.Context(), now, store.Retention{})
			if left := count(t, outside, p.table) - before; err != nil || removed != 1 || left != 2 {
				t.Errorf("%s: %d removed, %d left, want 1 and 2 (%v)", name, removed, left, err)
			}
		}
		if removed, err := db.Sweep(t.Context(), now, store.Retention{}); err != nil || removed != 0 {
			t.Errorf("sweeping again removes %d (%v)", removed, err)
		}
		// What never expires by itself is there.
		for _, table := range []string{"populations", "policies", "users", "clients"} {
			if count(t, outside, table) == 0 {
				t.Errorf("%s are gone", table)
			}
		}
	})
}

// Keys that sign, sessions that last and deliveries under way have no end.
func TestSweepKeepsWhatHasNoEnd(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		db.World(t)
		old := idp.Now().Add(-3000 * day)
		idptest.Must(t, db.CreateSigningKey(t.Context(), store.SigningKey{ID: "signs", Private: []byte{1}, CreatedAt: old, SignsFrom: old}))
		_, err := db.CreateSetting(t.Context(), "secret", []byte("x"), true)
		idptest.Must(t, err)
		idptest.Must(t, db.Audit(t.Context(), idp.AuditEvent{Kind: idp.AuditSignedIn}))
		db.Age(t, "settings", 3000*day)
		db.Age(t, "audit_events", 3000*day)
		if removed, err := db.Sweep(t.Context(), idp.Now(), store.Retention{}); err != nil || removed != 0 {
			t.Errorf("%d removed (%v)", removed, err)
		}
	})
}

func TestSweepKeepsAuditEventsForTheirRetention(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		for _, c := range []struct {
			age  time.Duration
			keep store.Retention
			left int
		}{{0, store.Retention{Audit: day}, 1}, {25 * hour, store.Retention{}, 2}, {0, store.Retention{Audit: day}, 1}} {
			idptest.Must(t, db.Audit(t.Context(), idp.AuditEvent{Kind: idp.AuditSignedIn}))
			if c.age > 0 {
				db.Age(t, "audit_events", c.age)
			}
			_, err := db.Sweep(t.Context(), idp.Now(), c.keep)
			idptest.Must(t, err)
			if n := count(t, db.SQL(), "audit_events"); n != c.left {
				t.Errorf("with %v %d events are left, want %d", c.keep, n, c.left)
			}
		}
	})
}

// manyFlows stores n flows of one request that expired.
func manyFlows(t *testing.T, db *idptest.Database, w idptest.World, n int) {
	t.Helper()
	r := idptest.Request(w.Client)
	r.ExpiresAt = idp.Now().Add(day)
	idptest.Must(t, db.Do(t.Context(), func(ctx context.Context) error {
		idptest.Must(t, db.CreateRequest(ctx, r))
		for i := range n {
			f := idptest.Flow(r, w.Session)
			f.ID, f.ExpiresAt = fmt.Sprint("flow ", i), idp.Now().Add(-time.Minute)
			if err := db.CreateFlow(ctx, f); err != nil {
				return err
			}
		}
		return nil
	}))
}

func TestSweepGoesInBatches(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		w, now := db.World(t), idp.Now()
		ctx, empty := store.CountStatements(t.Context())
		_, err := db.Sweep(ctx, now, store.Retention{Audit: day})
		idptest.Must(t, err)
		manyFlows(t, db, w, 1200)
		ctx, full := store.CountStatements(t.Context())
		removed, err := db.Sweep(ctx, now, store.Retention{Audit: day})
		if err != nil || removed != 1200 || count(t, db.SQL(), "flows") != 0 {
			t.Errorf("%d removed (%v)", removed, err)
		}
		if more := full.Load() - empty.Load(); more != 2 { // 500, 500, and 200 by the one that always runs
			t.Errorf("%d statements more than for nothing", more)
		}
	})
}

func TestReplicasSweepAtOnce(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		w, now := db.World(t), idp.Now()
		manyFlows(t, db, w, 1200)
		for name, p := range perishables(db, w) {
			idptest.Must(t, db.Do(t.Context(), func(ctx context.Context) error {
				for i := range 20 {
					if err := p.make(ctx, fmt.Sprint(name, i), now.Add(-p.kept-time.Hour)); err != nil {
						return err
					}
				}
				return nil
			}))
		}
		replica := db.Replica(t)
		idptest.Race(4, func(i int) error {
			s := []*store.Store{db.Store, replica}[i%2]
			_, err := s.Sweep(t.Context(), now, store.Retention{})
			if err != nil {
				t.Error(err)
			}
			return err
		})
		outside := db.SQL()
		for name, p := range perishables(db, w) {
			want := map[string]int{"sessions": 1, "grants": 1, "requests": 21}[p.table]
			if n := count(t, outside, p.table); n != want {
				t.Errorf("%s: %d rows are left, want %d", name, n, want)
			}
		}
	})
}
