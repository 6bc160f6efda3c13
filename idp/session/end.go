package session

import (
	"context"

	"gatehouse/idp"
)

// End ends sessions, and in the same transaction has their relying parties told
// and writes the audit log. What ended before stays as it is. The event says who
// did it and why; whom it concerns is filled in. It returns what ended now.
func (m *Manager) End(ctx context.Context, e idp.AuditEvent, ids ...string) ([]idp.Session, error) {
	return m.end(ctx, e, func(ctx context.Context) ([]idp.Session, error) {
		return m.Store.EndSessions(ctx, idp.Now(), ids...)
	})
}

// EndByToken ends the session whose cookie is about to be overwritten.
func (m *Manager) EndByToken(ctx context.Context, e idp.AuditEvent, token string) ([]idp.Session, error) {
	return m.end(ctx, e, func(ctx context.Context) ([]idp.Session, error) {
		return m.Store.EndSessionByToken(ctx, idp.HashSecret(token), idp.Now())
	})
}

// EndAllOf ends every session of a person but one (empty: none is spared).
func (m *Manager) EndAllOf(ctx context.Context, e idp.AuditEvent, userID, except string) ([]idp.Session, error) {
	return m.end(ctx, e, func(ctx context.Context) ([]idp.Session, error) {
		return m.Store.EndSessionsOf(ctx, userID, except, idp.Now())
	})
}

// EndThrough ends every session of people who came through a connection.
func (m *Manager) EndThrough(ctx context.Context, e idp.AuditEvent, connectionID string) ([]idp.Session, error) {
	return m.end(ctx, e, func(ctx context.Context) ([]idp.Session, error) {
		return m.Store.EndSessionsThrough(ctx, connectionID, idp.Now())
	})
}

func (m *Manager) end(ctx context.Context, e idp.AuditEvent, do func(context.Context) ([]idp.Session, error)) (ended []idp.Session, err error) {
	err = m.Store.Do(ctx, func(ctx context.Context) error {
		if ended, err = do(ctx); err != nil || len(ended) == 0 {
			return err
		}
		if err := m.tell(ctx, ended); err != nil {
			return err
		}
		events := make([]idp.AuditEvent, len(ended))
		for i, s := range ended {
			events[i] = e
			events[i].Kind, events[i].UserID, events[i].PopulationID, events[i].SessionID = idp.AuditSignedOut, s.UserID, s.PopulationID, s.ID
		}
		return m.Store.Audit(ctx, events...)
	})
	return ended, err
}

// tell has every client that got tokens of the sessions told that they are over.
func (m *Manager) tell(ctx context.Context, ended []idp.Session) error {
	ids := make([]string, len(ended))
	for i, s := range ended {
		ids[i] = s.ID
	}
	parties, err := m.Store.Parties(ctx, ids...)
	if err != nil {
		return err
	}
	return m.Outbox.SignedOut(ctx, parties...)
}

// reapBatch is how many sessions or grants are cleaned up in one transaction.
const reapBatch = 200

// Reap cleans up after "Immediately": what a raised MinVersion killed is marked as
// ended, batch by batch, and the relying parties are told. Nothing depends on when
// it runs: those sessions and grants are refused since the policy was saved. It
// returns how many there were, and may run on all replicas at once.
func (m *Manager) Reap(ctx context.Context) (int, error) {
	populations, clients, err := m.Store.PoliciesApplied(ctx)
	if err != nil {
		return 0, err
	}
	reaped := 0
	for id, version := range populations {
		n, err := m.repeat(ctx, func(ctx context.Context) (int, error) { return m.reapSessions(ctx, id, version) })
		if reaped += n; err != nil {
			return reaped, err
		}
	}
	for id, version := range clients {
		n, err := m.repeat(ctx, func(ctx context.Context) (int, error) { return m.reapGrants(ctx, id, version) })
		if reaped += n; err != nil {
			return reaped, err
		}
	}
	n, err := m.reapWays(ctx)
	return reaped + n, err
}

// Expire marks as ended what has become too old to be used, idle or beyond its absolute
// limit, and has the relying parties told (OpenID Connect Back-Channel Logout 1.0 section
// 2.3). A limit that was shortened since is told of when the session was idle as long. It
// returns how many sessions there were, and may run on all replicas at once.
func (m *Manager) Expire(ctx context.Context) (expired int, err error) {
	populations, err := m.Store.Populations(ctx)
	if err != nil {
		return 0, err
	}
	for _, p := range populations {
		for _, kept := range []bool{false, true} {
			idle, _ := p.Limits(kept)
			n, err := m.repeat(ctx, func(ctx context.Context) (int, error) {
				ended, err := m.Store.EndSessionsExpired(ctx, p.ID, kept, idle, idp.Now(), reapBatch)
				if err != nil || len(ended) == 0 {
					return 0, err
				}
				return len(ended), m.tell(ctx, ended)
			})
			if expired += n; err != nil {
				return expired, err
			}
		}
	}
	return expired, nil
}

// reapWays ends the sessions that rest on a way in that was closed since, and has their
// relying parties told. Each process looks through a population once for each change.
func (m *Manager) reapWays(ctx context.Context) (int, error) {
	populations, err := m.Store.WaysTaken(ctx)
	if err != nil {
		return 0, err
	}
	reaped := 0
	for id, version := range populations {
		if seen, ok := m.seen.Load(id); ok && seen == version {
			continue
		}
		n, err := m.reapWaysOf(ctx, id)
		if reaped += n; err != nil {
			return reaped, err
		}
		m.seen.Store(id, version)
	}
	return reaped, nil
}

func (m *Manager) reapWaysOf(ctx context.Context, population string) (reaped int, err error) {
	for after := ""; ctx.Err() == nil; {
		list, err := m.Store.UnendedSessions(ctx, population, after, reapBatch)
		if err != nil || len(list) == 0 {
			return reaped, err
		}
		var dead []string
		for _, s := range list {
			if _, open := s.Worth(); !open {
				dead = append(dead, s.Session.ID)
			}
		}
		after = list[len(list)-1].Session.ID
		err = m.Store.Do(ctx, func(ctx context.Context) error {
			ended, err := m.Store.EndSessions(ctx, idp.Now(), dead...)
			if err != nil || len(ended) == 0 {
				return err
			}
			reaped += len(ended)
			return m.tell(ctx, ended)
		})
		if err != nil {
			return reaped, err
		}
	}
	return reaped, ctx.Err()
}

// repeat runs a batch in a transaction until one finds nothing.
func (m *Manager) repeat(ctx context.Context, batch func(context.Context) (int, error)) (total int, err error) {
	for ctx.Err() == nil {
		var n int
		err := m.Store.Do(ctx, func(ctx context.Context) (err error) {
			n, err = batch(ctx)
			return err
		})
		if err != nil || n == 0 {
			return total, err
		}
		total += n
	}
	return total, ctx.Err()
}

func (m *Manager) reapSessions(ctx context.Context, population string, version int64) (int, error) {
	ended, err := m.Store.EndSessionsBelow(ctx, population, version, idp.Now(), reapBatch)
	if err != nil || len(ended) == 0 {
		return 0, err
	}
	return len(ended), m.tell(ctx, ended)
}

func (m *Manager) reapGrants(ctx context.Context, clientID string, version int64) (int, error) {
	n, parties, err := m.Store.RevokeGrantsBelow(ctx, clientID, version, idp.Now(), reapBatch)
	if err != nil {
		return 0, err
	}
	return n, m.Outbox.SignedOut(ctx, parties...)
}
