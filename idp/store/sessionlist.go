package store

import (
	"context"
	"strings"
	"time"

	"gatehouse/idp"
)

// SessionQuery narrows a list of living sessions.
type SessionQuery struct {
	Populations []idp.Population // as they are now: of these alone
	UserID      string           // empty: of everybody
	BeforeID    string           // the last session's of the page before
	Limit       int
}

// ListedSession is a session of a list.
type ListedSession struct {
	Session idp.Session
	Email   string   // of its person
	Clients []string // that have something of it, by their ids
}

// LivingSessions reads sessions that count at this moment, newest first.
func (s *Store) LivingSessions(ctx context.Context, now time.Time, q SessionQuery) ([]ListedSession, error) {
	text, args := q.sql(now)
	var rows []struct {
		Session sessionRow `gorm:"embedded;embeddedPrefix:s_"`
		Email   string
	}
	if err := s.reader(ctx).Raw(text, args...).Scan(&rows).Error; err != nil {
		return nil, found(err, "sessions")
	}
	list := make([]ListedSession, len(rows))
	ids := make([]string, len(rows))
	for i, r := range rows {
		session, err := r.Session.session()
		if err != nil {
			return nil, err
		}
		list[i], ids[i] = ListedSession{Session: session, Email: r.Email}, session.ID
	}
	clients, err := s.clientsOfSessions(ctx, ids)
	for i := range list {
		list[i].Clients = clients[list[i].Session.ID]
	}
	return list, err
}

func (q SessionQuery) sql(now time.Time) (string, []any) {
	var c conditions
	c.add("s.ended_at IS NULL AND s.expires_at > ? AND NOT u.disabled", now)
	if q.UserID != "" {
		c.add("s.user_id = ?", q.UserID)
	}
	if q.BeforeID != "" {
		c.add("s.id < ?", q.BeforeID)
	}
	// What counts as idle or replaced is each population's own.
	alive := make([]string, len(q.Populations))
	var args []any
	for i, p := range q.Populations {
		lives, these := living(p, now)
		alive[i], args = "("+lives+")", append(args, these...)
	}
	c.add("("+strings.Join(append(alive, "1 = 0"), " OR ")+")", args...)
	if len(q.Populations) == 1 {
		c.add("s.population_id = ?", q.Populations[0].ID)
	}
	return "SELECT " + columns(sessionRow{}, "s") + ", u.email AS email FROM sessions s JOIN users u ON u.id = s.user_id" +
		c.where() + " ORDER BY s.id DESC LIMIT ?", append(c.args, q.Limit)
}

func (s *Store) clientsOfSessions(ctx context.Context, ids []string) (map[string][]string, error) {
	clients := map[string][]string{}
	if len(ids) == 0 {
		return clients, nil
	}
	var rows []struct{ SessionID, ClientID string }
	err := s.reader(ctx).Raw(`SELECT DISTINCT session_id, client_id FROM grants
		WHERE session_id IN ? AND code_used_at IS NOT NULL AND revoked_at IS NULL ORDER BY session_id, client_id`, ids).Scan(&rows).Error
	for _, r := range rows {
		clients[r.SessionID] = append(clients[r.SessionID], r.ClientID)
	}
	return clients, found(err, "apps of sessions")
}
