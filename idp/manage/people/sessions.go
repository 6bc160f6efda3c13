package people

import (
	"context"

	"gatehouse/idp"
	"gatehouse/idp/manage/authz"
	"gatehouse/idp/manage/entry"
	"gatehouse/idp/store"
)

// SessionQuery asks for living sessions; what is empty does not narrow them.
type SessionQuery struct {
	Population, UserID string
	After              entry.Cursor
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
func (m *Manager) ListSessions(ctx context.Context, a authz.Actor, q SessionQuery) ([]SessionEntry, entry.Cursor, error) {
	if err := m.Authz.Authorize(ctx, a, authz.Request{Op: "ListSessions"}); err != nil {
		return nil, "", err
	}
	after, err := q.After.Position("sessions")
	if err != nil {
		return nil, "", err
	}
	limit, err := entry.PageSize(q.Limit)
	if err != nil {
		return nil, "", err
	}
	rows, err := m.Living(ctx, store.SessionQuery{UserID: q.UserID, BeforeID: after.ID, Limit: limit + 1}, q.Population)
	if err != nil {
		return nil, "", err
	}
	rows, next := entry.Page(rows, limit, func(s store.ListedSession) entry.Position { return entry.Position{List: "sessions", ID: s.Session.ID} })
	list := make([]SessionEntry, len(rows))
	for i, r := range rows {
		list[i] = SessionEntry{Session: r.Session, Email: r.Email, Clients: r.Clients}
	}
	return list, next, nil
}

// Living reads living sessions of a population (empty: of all), without hashes.
func (m *Manager) Living(ctx context.Context, q store.SessionQuery, population string) ([]store.ListedSession, error) {
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
func (m *Manager) EndSession(ctx context.Context, a authz.Actor, sessionID, reason string) error {
	session, err := m.Store.Session(ctx, sessionID)
	if err != nil {
		return err
	}
	user, err := m.Store.User(ctx, session.UserID)
	if err != nil {
		return err
	}
	if err := m.Authz.Authorize(ctx, a, authz.Request{Op: "EndSession", Target: &user, Reason: reason}); err != nil {
		return err
	}
	_, err = m.Sessions.End(ctx, a.Audit(idp.AuditSignedOut, reason, nil), sessionID)
	return err
}

// AppAccess says what a sign-out does to the access that apps keep without a session.
type AppAccess bool

// What becomes of it.
const (
	EndAppAccess  AppAccess = true
	KeepAppAccess AppAccess = false
)

// SignOut ends all sessions of a person, and the access that apps keep without one if it
// is told to. It returns how many sessions there were; apps that have something of them
// are told.
func (m *Manager) SignOut(ctx context.Context, a authz.Actor, userID, reason string, apps AppAccess) (int, error) {
	user, err := m.Store.User(ctx, userID)
	if err != nil {
		return 0, err
	}
	if err := m.Authz.Authorize(ctx, a, authz.Request{Op: "SignOut", Target: &user, Reason: reason}); err != nil {
		return 0, err
	}
	var ended []idp.Session
	err = m.Store.Do(ctx, func(ctx context.Context) error {
		if err := m.Store.DropFlows(ctx, userID); err != nil { // sign-ins under way would outlive it
			return err
		}
		if err := m.Store.ForgetTrustedBrowsers(ctx, userID); err != nil {
			return err
		}
		if ended, err = m.Sessions.EndAllOf(ctx, a.Audit(idp.AuditSignedOut, reason, nil), userID, ""); err != nil {
			return err
		}
		if apps == KeepAppAccess {
			return nil
		}
		return m.EndOffline(ctx, a.Audit(idp.AuditGrantEnded, reason, nil), user)
	})
	return len(ended), err
}
