package manage

import (
	"context"
	"slices"

	"gatehouse/idp"
	"gatehouse/idp/store"
)

// SessionQuery asks for living sessions; what is empty does not narrow them.
type SessionQuery struct {
	Population, UserID string
	After              Cursor
	Limit              int // 1 to 200; zero is 50
}

// SessionEntry is a session in a list, without its hashes.
type SessionEntry struct {
	idp.Session
	Email string // of its person
	// Clients have something of it, by their ids.
	Clients []string
}

// ListSessions reads a page of the sessions that count at this moment, newest
// first, and where the next begins, empty at the end. (Manager.Sessions is who
// keeps them.)
func (m *Manager) ListSessions(ctx context.Context, a Actor, q SessionQuery) ([]SessionEntry, Cursor, error) {
	if err := m.allow(ctx, a, request{op: "ListSessions"}); err != nil {
		return nil, "", err
	}
	after, err := q.After.position("sessions")
	if err != nil {
		return nil, "", err
	}
	limit, err := pageSize(q.Limit)
	if err != nil {
		return nil, "", err
	}
	rows, err := m.living(ctx, store.SessionQuery{UserID: q.UserID, BeforeID: after.ID, Limit: limit + 1}, q.Population)
	if err != nil {
		return nil, "", err
	}
	rows, next := page(rows, limit, func(s store.ListedSession) position { return position{List: "sessions", ID: s.Session.ID} })
	list := make([]SessionEntry, len(rows))
	for i, r := range rows {
		list[i] = SessionEntry{Session: r.Session, Email: r.Email, Clients: r.Clients}
	}
	return list, next, nil
}

// living reads living sessions of a population (empty: of all), without hashes.
func (m *Manager) living(ctx context.Context, q store.SessionQuery, population string) ([]store.ListedSession, error) {
	all, err := m.Store.Populations(ctx)
	if err != nil {
		return nil, err
	}
	for _, p := range all {
		if population == "" || p.ID == population {
			q.Populations = append(q.Populations, p)
		}
	}
	if len(q.Populations) == 0 {
		return nil, nil
	}
	rows, err := m.Store.LivingSessions(ctx, idp.Now(), q)
	for i := range rows {
		rows[i].Session.TokenHash, rows[i].Session.BrowserHash = nil, nil
	}
	return rows, err
}

// EndSession ends one session; apps that have something of it are told. One that
// has ended already stays as it is.
func (m *Manager) EndSession(ctx context.Context, a Actor, sessionID, reason string) error {
	session, err := m.Store.Session(ctx, sessionID)
	if err != nil {
		return err
	}
	user, err := m.Store.User(ctx, session.UserID)
	if err != nil {
		return err
	}
	if err := m.allow(ctx, a, request{op: "EndSession", target: &user, reason: reason}); err != nil {
		return err
	}
	_, err = m.Sessions.End(ctx, a.audit(idp.AuditSignedOut, reason, nil), sessionID)
	return err
}

// SignOutSpares is what a sign-out leaves as it is.
type SignOutSpares string

// SpareOffline leaves to apps the access that they keep.
const SpareOffline SignOutSpares = "offline"

// SignOut ends all sessions of a person and the access that apps keep without one, and
// returns how many sessions there were; apps that have something of them are told.
func (m *Manager) SignOut(ctx context.Context, a Actor, userID, reason string, spared ...SignOutSpares) (int, error) {
	user, err := m.Store.User(ctx, userID)
	if err != nil {
		return 0, err
	}
	if err := m.allow(ctx, a, request{op: "SignOut", target: &user, reason: reason}); err != nil {
		return 0, err
	}
	var ended []idp.Session
	err = m.Store.Do(ctx, func(ctx context.Context) error {
		if err := m.Store.DropFlows(ctx, userID); err != nil { // sign-ins under way would outlive it
			return err
		}
		if ended, err = m.Sessions.EndAllOf(ctx, a.audit(idp.AuditSignedOut, reason, nil), userID, ""); err != nil {
			return err
		}
		if slices.Contains(spared, SpareOffline) {
			return nil
		}
		return m.endOffline(ctx, a.audit(idp.AuditGrantEnded, reason, nil), user)
	})
	return len(ended), err
}
