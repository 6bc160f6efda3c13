package session

import (
	"bytes"
	"context"
	"net/http"
	"sync"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/outbox"
	"gatehouse/idp/store"
)

// Manager finds, makes and ends sessions.
type Manager struct {
	Store   *store.Store
	Cookies Cookies
	Outbox  *outbox.Outbox
	// Key makes the tokens that an act brings. Without it each is another, and an answer
	// that is lost does not come again.
	Key []byte

	seen sync.Map // of Reap: populations, with the last change whose sessions it ended
}

// Find returns the living sessions of a browser in the given populations, in their order
// and as they stand for a client (empty: none), in one statement. A session of another
// browser, of a disabled user, or judged by a policy that was replaced "immediately" does
// not live, nor one of a person who came by a way that is closed since. Their proofs are
// what counts now.
func (m *Manager) Find(ctx context.Context, h http.Header, clientID string, populations []string) ([]store.SessionState, error) {
	_, browser := m.Cookies.Browser(h)
	if browser == nil {
		return nil, nil
	}
	var hashes [][]byte
	for _, p := range populations {
		if token := m.Cookies.Session(h, p); token != "" {
			hashes = append(hashes, idp.HashSecret(token))
		}
	}
	return m.living(ctx, browser, clientID, populations, hashes)
}

func (m *Manager) living(ctx context.Context, browser []byte, clientID string, populations []string, hashes [][]byte) ([]store.SessionState, error) {
	rows, err := m.Store.SessionsByToken(ctx, clientID, hashes)
	if err != nil {
		return nil, err
	}
	var living []store.SessionState
	now := idp.Now()
	for _, p := range populations {
		for _, row := range rows {
			if s, open := row.Worth(); row.Population.ID == p && open && lives(s, browser, now) {
				living = append(living, s)
			}
		}
	}
	return living, nil
}

func lives(s store.SessionState, browser []byte, now time.Time) bool {
	return s.Session.Alive(s.Population, now) && !s.User.Disabled &&
		bytes.Equal(s.Session.BrowserHash, browser)
}

// New is a session that begins now, judged by the policies of a version, and the
// cookie that carries it. It is not stored yet.
func (m *Manager) New(ctx context.Context, u idp.User, p idp.Population, policyVersion int64, browser []byte, proofs []idp.Proof) (idp.Session, *http.Cookie) {
	return m.begin(ctx, u, p, false, policyVersion, browser, proofs)
}

// Had are the people whose sessions this browser's cookies name, living or not.
func (m *Manager) Had(ctx context.Context, h http.Header) ([]string, error) {
	_, browser := m.Cookies.Browser(h)
	list, err := m.Store.Populations(ctx)
	if err != nil || browser == nil {
		return nil, err
	}
	var hashes [][]byte
	for _, p := range list {
		if token := m.Cookies.Session(h, p.ID); token != "" {
			hashes = append(hashes, idp.HashSecret(token))
		}
	}
	rows, err := m.Store.SessionsByToken(ctx, "", hashes)
	var users []string
	for _, row := range rows {
		if bytes.Equal(row.Session.BrowserHash, browser) {
			users = append(users, row.Session.UserID)
		}
	}
	return users, err
}

// All are the sessions of a browser that live, one of each population at most.
func (m *Manager) All(ctx context.Context, h http.Header) ([]store.SessionState, error) {
	list, err := m.Store.Populations(ctx)
	if err != nil {
		return nil, err
	}
	ids := make([]string, len(list))
	for i, p := range list {
		ids[i] = p.ID
	}
	return m.Find(ctx, h, "", ids)
}

// NewKept is New for a person who wants to stay signed in, where the population offers
// that.
func (m *Manager) NewKept(ctx context.Context, u idp.User, p idp.Population, policyVersion int64, browser []byte, proofs []idp.Proof) (idp.Session, *http.Cookie) {
	return m.begin(ctx, u, p, p.KeepSignedIn, policyVersion, browser, proofs)
}

func (m *Manager) begin(ctx context.Context, u idp.User, p idp.Population, kept bool, policyVersion int64, browser []byte, proofs []idp.Proof) (idp.Session, *http.Cookie) {
	now, token, visit := idp.Now(), idp.NewSecret(), idp.VisitFrom(ctx)
	_, lifetime := p.Limits(kept)
	s := idp.Session{
		ID: idp.NewID(), TokenHash: idp.HashSecret(token), BrowserHash: browser,
		UserID: u.ID, PopulationID: p.ID, PolicyVersion: policyVersion, Proofs: proofs,
		Address: visit.Address, UserAgent: visit.UserAgent,
		CreatedAt: now, LastSeenAt: now, ExpiresAt: now.Add(lifetime), Kept: kept,
	}
	return s, m.cookie(s, token)
}

// cookie carries a session as long as it is to last in a browser.
func (m *Manager) cookie(s idp.Session, token string) *http.Cookie {
	if s.Kept {
		return m.Cookies.KeptSession(s.PopulationID, token, s.ExpiresAt.Sub(idp.Now()))
	}
	return m.Cookies.NewSession(s.PopulationID, token)
}
