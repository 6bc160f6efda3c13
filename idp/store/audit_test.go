package store_test

import (
	"testing"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
)

func TestAuditEventIsReadAsItWasWritten(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		visit := &idp.Visit{RequestID: "request", Address: "192.0.2.1", UserAgent: "Mozilla/5.0 (日本)"}
		full := idp.AuditEvent{
			Kind: idp.AuditSignedIn, ActorID: "actor", UserID: "user", PopulationID: idp.Agents, ClientID: "client",
			SessionID: "session", Detail: map[string]string{"methods": "pwd \"otp\"", "ключ": "🔑"},
		}
		began := idp.Now()
		idptest.Must(t, db.Audit(idp.WithVisit(t.Context(), visit), full))
		events, err := db.AuditEvents(t.Context(), "", "", 10)
		idptest.Must(t, err)
		if len(events) != 1 {
			t.Fatalf("%d events", len(events))
		}
		got := events[0]
		if got.ID == "" || got.At.Before(began) || got.At.After(idp.Now()) {
			t.Errorf("id %q at %v", got.ID, got.At)
		}
		want := full
		want.ID, want.At = got.ID, got.At
		want.Address, want.UserAgent, want.RequestID = visit.Address, visit.UserAgent, visit.RequestID
		expectFull(t, want, "Times", "LastAt")
		expectSame(t, want, got)

		// A command has no visit, and nothing but a kind has to be known.
		idptest.Must(t, db.Audit(t.Context(), idp.AuditEvent{Kind: idp.AuditKeyRotated}))
		events, err = db.AuditEvents(t.Context(), idp.AuditKeyRotated, "", 10)
		if err != nil || len(events) != 1 {
			t.Fatalf("%d events (%v)", len(events), err)
		}
		expectSame(t, idp.AuditEvent{ID: events[0].ID, At: events[0].At, Kind: idp.AuditKeyRotated}, events[0])
	})
}

func TestAuditEventsAreNarrowedNewestFirst(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		for _, e := range []idp.AuditEvent{
			{Kind: idp.AuditSignedIn, UserID: "maya", SessionID: "1"},
			{Kind: idp.AuditSignedIn, UserID: "robin", SessionID: "2"},
			{Kind: idp.AuditSignedOut, UserID: "maya", SessionID: "3"},
			{Kind: idp.AuditSignedIn, UserID: "maya", SessionID: "4"},
		} {
			idptest.Must(t, db.Audit(t.Context(), e))
			if e.SessionID != "4" {
				db.Age(t, "audit_events", time.Minute)
			}
		}
		for _, c := range []struct {
			kind  idp.AuditKind
			user  string
			limit int
			want  string
		}{
			{"", "", 10, "4321"},
			{"", "", 2, "43"},
			{"", "maya", 10, "431"},
			{idp.AuditSignedIn, "", 10, "421"},
			{idp.AuditSignedIn, "maya", 10, "41"},
			{idp.AuditSignedIn, "nobody", 10, ""},
			{idp.AuditKeyRotated, "", 10, ""},
		} {
			events, err := db.AuditEvents(t.Context(), c.kind, c.user, c.limit)
			idptest.Must(t, err)
			got := ""
			for _, e := range events {
				got += e.SessionID
			}
			if got != c.want {
				t.Errorf("kind %q, user %q, limit %d: events %s, want %s", c.kind, c.user, c.limit, got, c.want)
			}
		}
	})
}

func TestSeveralAuditEventsAtOnce(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		idptest.Must(t, db.Audit(t.Context(), idp.AuditEvent{Kind: idp.AuditSignedIn}, idp.AuditEvent{Kind: idp.AuditSignedOut}))
		if n := count(t, db.SQL(), "audit_events"); n != 2 {
			t.Errorf("%d events", n)
		}
	})
}
