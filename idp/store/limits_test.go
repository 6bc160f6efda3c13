package store_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/store"
)

// Anybody can cause a refusal, as often as they like: those of one kind from one
// network within an hour are one row, with a count and two times, raced or not. What
// differs in whom it concerns, and what is no refusal, stays apart; the first is never
// lost.
func TestRefusalsFromOneNetworkAreOneRow(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		stores := []*store.Store{db.Store, db.Replica(t)}
		refused := func(i int, address, user string, kind idp.AuditKind) error {
			ctx := idp.WithVisit(t.Context(), &idp.Visit{Address: address, RequestID: fmt.Sprint(i), UserAgent: fmt.Sprint("made up ", i)})
			return stores[i%2].Audit(ctx, idp.AuditEvent{
				Kind: kind, UserID: user, Detail: map[string]string{"reason": "wrong_password", "email": fmt.Sprint(i)},
			})
		}
		const n = 100
		for _, err := range idptest.Race(n, func(i int) error {
			return refused(i, fmt.Sprintf("2001:db8::%x", i), "maya", idp.AuditPasswordRefused)
		}) {
			idptest.Must(t, err)
		}
		idptest.Must(t, refused(0, "2001:db8:0:1::1", "maya", idp.AuditPasswordRefused))
		idptest.Must(t, refused(0, "2001:db8::1", "robin", idp.AuditPasswordRefused))
		for i := range 3 {
			idptest.Must(t, refused(i, "2001:db8::1", "maya", idp.AuditPasswordChanged))
		}
		times := map[int]int{} // zero stands for once
		events, err := db.AuditEvents(t.Context(), "", "", 1000)
		idptest.Must(t, err)
		for _, e := range events {
			times[e.Times]++
			if e.Times == n && (e.LastAt.Before(e.At) || e.Detail["reason"] != "wrong_password" || e.RequestID == "") {
				t.Errorf("the counted one is %+v", e)
			}
		}
		// The hour may turn meanwhile.
		if len(events) > 6 || times[n] != 1 && len(events) == 5 || times[0] < 5-1 {
			t.Errorf("%d rows, by how often: %v", len(events), times)
		}
	})
}

// A code that nobody redeems leaves nothing within minutes, one that was redeemed stays
// with its grant.
func TestGrantWhoseCodeNobodyRedeemedGoesWithinMinutes(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		ctx, w := t.Context(), db.World(t)
		used, _ := idptest.Grant(w.Client, w.Session)
		unused := used
		unused.ID, unused.CodeHash = idp.NewID(), idp.HashSecret("unused")
		idptest.Must(t, db.CreateGrant(ctx, used))
		idptest.Must(t, db.CreateGrant(ctx, unused))
		idptest.Must(t, db.UseCode(ctx, used.ID, idp.Now()))
		_, err := db.Sweep(ctx, idp.Now().Add(time.Minute), store.Retention{})
		idptest.Must(t, err)
		if _, err := db.GrantState(ctx, unused.ID); err != nil {
			t.Errorf("after a minute: %v", err)
		}
		_, err = db.Sweep(ctx, idp.Now().Add(5*time.Minute), store.Retention{})
		idptest.Must(t, err)
		_, err = db.GrantState(ctx, unused.ID)
		expectError(t, err, idp.ErrNotFound)
		if _, err := db.GrantState(ctx, used.ID); err != nil {
			t.Errorf("the redeemed one: %v", err)
		}
	})
}

// However many sign-ins are begun from one network, so many stay open; those of others,
// and one in which somebody has proved something, do.
func TestOpenRequestsOfOneNetworkAreBounded(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		w := db.World(t)
		begin := func(ctx context.Context, user string) string {
			r := idptest.Request(w.Client)
			r.ID = idp.NewID()
			idptest.Must(t, db.CreateRequest(ctx, r))
			if user != "" {
				f := idptest.Flow(r, w.Session)
				f.ID, f.UserID = idp.NewID(), user
				idptest.Must(t, db.CreateFlow(ctx, f))
			}
			return r.ID
		}
		from := func(address string) context.Context {
			return idp.WithVisit(t.Context(), &idp.Visit{Address: address})
		}
		stay := []string{begin(from("192.0.2.1"), w.User.ID), begin(from("192.0.2.2"), "")}
		idptest.Must(t, db.Do(from("192.0.2.1"), func(ctx context.Context) error {
			for range store.OpenRequests + 300 {
				begin(ctx, "")
			}
			return nil
		}))
		var n int
		idptest.Must(t, db.SQL().QueryRowContext(t.Context(), "SELECT COUNT(*) FROM requests").Scan(&n))
		if n < store.OpenRequests || n > store.OpenRequests+100 {
			t.Errorf("%d requests are open, want about %d", n, store.OpenRequests)
		}
		for i, id := range stay {
			if _, err := db.Request(t.Context(), id); err != nil {
				t.Errorf("request %d: %v", i, err)
			}
		}
	})
}

// A database says itself how long it keeps the audit log, once.
func TestDatabaseKeepsItsAuditRetention(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		if d, err := db.AuditRetention(t.Context()); err != nil || d != 0 {
			t.Errorf("an earlier one: %s, %v", d, err)
		}
		for _, d := range []time.Duration{400 * day, hour} {
			idptest.Must(t, db.KeepAudit(t.Context(), d))
		}
		if d, err := db.AuditRetention(t.Context()); err != nil || d != 400*day {
			t.Errorf("%s, %v", d, err)
		}
	})
}

// Many requests at once, on two replicas, keep to the bound as those do that come one
// after the other.
func TestOpenRequestsAreBoundedAtOnce(t *testing.T) {
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		w := db.World(t)
		stores := []*store.Store{db.Store, db.Replica(t)}
		ctx := idp.WithVisit(t.Context(), &idp.Visit{Address: "192.0.2.1"})
		open := func(s *store.Store, ctx context.Context) error {
			r := idptest.Request(w.Client)
			r.ID = idp.NewID()
			return s.CreateRequest(ctx, r)
		}
		idptest.Must(t, db.Do(ctx, func(ctx context.Context) error {
			for range store.OpenRequests {
				if err := open(db.Store, ctx); err != nil {
					return err
				}
			}
			return nil
		}))
		for _, err := range idptest.Race(40, func(i int) error {
			for range 10 {
				if err := open(stores[i%2], ctx); err != nil {
					return err
				}
			}
			return nil
		}) {
			idptest.Must(t, err)
		}
		var n int
		idptest.Must(t, db.SQL().QueryRowContext(t.Context(), "SELECT COUNT(*) FROM requests").Scan(&n))
		if n < store.OpenRequests || n > store.OpenRequests+100 {
			t.Errorf("%d requests are open, want %d and those that were on their way", n, store.OpenRequests)
		}
	})
}

// A sign-in in which nobody proved anything leaves nothing within minutes; one in which
// somebody did has its time.
func TestRequestThatNobodyWentOnWithGoesWithinMinutes(t *testing.T) {
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		w := db.World(t)
		begin := func(lives time.Duration) string {
			r := idptest.Request(w.Client)
			r.ID = idp.NewID()
			idptest.Must(t, db.CreateRequest(t.Context(), r))
			f := idptest.Flow(r, w.Session)
			f.ID, f.ExpiresAt = idp.NewID(), f.CreatedAt.Add(lives)
			idptest.Must(t, db.CreateFlow(t.Context(), f))
			return r.ID
		}
		open, under := begin(idp.OpenLifetime), begin(idp.FlowLifetime)
		for _, c := range []struct {
			after time.Duration
			left  []string
		}{
			{idp.OpenLifetime - time.Minute, []string{open, under}},
			{idp.OpenLifetime + time.Minute, []string{under}},
			{idp.FlowLifetime + time.Minute, nil},
		} {
			_, err := db.Sweep(t.Context(), idp.Now().Add(c.after), store.Retention{})
			idptest.Must(t, err)
			for _, id := range []string{open, under} {
				if _, err := db.Request(t.Context(), id); (err == nil) != slices.Contains(c.left, id) {
					t.Errorf("after %s: %v", c.after, err)
				}
			}
		}
	})
}

// What a service may not do it can ask for again and again: a refusal is counted beside
// the first of its operation, and what is refused for another reason, of somebody else or
// to another actor stays apart. So is every other kind of refusal that its cause can
// repeat at will; what an answer made up does not part them.
func TestRepeatedRefusalsOfOneActorAreOneRow(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		ctx := idp.WithVisit(t.Context(), &idp.Visit{Address: "192.0.2.1"})
		refused := func(kind idp.AuditKind, actor, user string, detail map[string]string) {
			for i := range 20 {
				detail["cause"] = fmt.Sprint("made up ", i)
				idptest.Must(t, db.Audit(ctx, idp.AuditEvent{Kind: kind, ActorID: actor, UserID: user, Detail: detail}))
			}
		}
		cases := []struct {
			kind        idp.AuditKind
			actor, user string
			detail      map[string]string
		}{
			{idp.AuditOperationRefused, "", "", map[string]string{"service": "one", "operation": "list people", "reason": "forbidden"}},
			{idp.AuditOperationRefused, "", "", map[string]string{"service": "two", "operation": "list people", "reason": "forbidden"}},
			{idp.AuditOperationRefused, "maya", "", map[string]string{"operation": "list people", "reason": "forbidden"}},
			{idp.AuditOperationRefused, "maya", "robin", map[string]string{"operation": "delete a person", "reason": "forbidden"}},
			{idp.AuditOperationRefused, "maya", "robin", map[string]string{"operation": "delete a person", "reason": "second_step"}},
			{idp.AuditFederatedRefused, "", "", map[string]string{"connection": "c", "reason": "token"}},
			{idp.AuditFederatedPending, "", "", map[string]string{"connection": "c", "subject": "s"}},
			{idp.AuditCodeReused, "", "maya", map[string]string{"grant": "g"}},
			{idp.AuditRefreshReused, "", "maya", map[string]string{"grant": "g"}},
			{idp.AuditRefreshLate, "", "maya", map[string]string{"grant": "g"}},
			{idp.AuditCodeRefused, "", "maya", map[string]string{}},
			{idp.AuditCodeReplayed, "", "maya", map[string]string{}},
			{idp.AuditRecoveryRefused, "", "maya", map[string]string{}},
			{idp.AuditEmailRefused, "", "maya", map[string]string{}},
		}
		for _, c := range cases {
			refused(c.kind, c.actor, c.user, c.detail)
		}
		events, err := db.AuditEvents(ctx, "", "", 1000)
		idptest.Must(t, err)
		times := 0
		for _, e := range events {
			times += max(1, e.Times)
		}
		// The hour may turn meanwhile, once.
		if len(events) < len(cases) || len(events) > len(cases)+1 || times != 20*len(cases) {
			t.Errorf("%d rows count %d refusals, want %d and %d", len(events), times, len(cases), 20*len(cases))
		}
	})
}
