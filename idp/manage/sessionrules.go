package manage

import (
	"context"
	"fmt"
	"time"

	"gatehouse/idp"
)

// SessionRules are how long sessions of a population last.
type SessionRules struct {
	// Idle and Lifetime end a session that nobody used for so long, and every session
	// so long after its sign-in. KeptIdle and KeptLifetime are those of people who stay
	// signed in, where KeepSignedIn offers that.
	Idle, Lifetime, KeptIdle, KeptLifetime time.Duration
	KeepSignedIn                           bool
	// EndOthers signs people out elsewhere when they change their password.
	EndOthers bool
}

// SessionRulesOf are those of a population.
func SessionRulesOf(p idp.Population) SessionRules {
	return SessionRules{
		Idle: p.SessionIdle, Lifetime: p.SessionLifetime, KeptIdle: p.KeptIdle, KeptLifetime: p.KeptLifetime,
		KeepSignedIn: p.KeepSignedIn, EndOthers: p.EndOthers,
	}
}

// SessionRulesChange is a change of them. Version is the population's that the admin
// saw.
type SessionRulesChange struct {
	Population string
	Version    int64
	Rules      SessionRules
	Reason     string
}

// Limits of limits. Activity is recorded once a minute, so that less than five of them
// would end sessions that are in use; browsers keep cookies for 400 days.
const (
	leastIdle    = 5 * time.Minute
	mostLifetime = 400 * 24 * time.Hour
)

// CheckSessionRules refuses limits that contradict each other, with a *FieldError.
func CheckSessionRules(r SessionRules) error {
	if err := checkLimits("session_idle", "session_lifetime", r.Idle, r.Lifetime); err != nil {
		return err
	}
	if !r.KeepSignedIn {
		return nil // the other limits count for nobody
	}
	if err := checkLimits("kept_idle", "kept_lifetime", r.KeptIdle, r.KeptLifetime); err != nil {
		return err
	}
	switch {
	case r.KeptIdle < r.Idle:
		return invalid("kept_idle", "no less than without staying signed in")
	case r.KeptLifetime < r.Lifetime:
		return invalid("kept_lifetime", "no less than without staying signed in")
	}
	return nil
}

func checkLimits(idleField, lifetimeField string, idle, lifetime time.Duration) error {
	switch {
	case idle < leastIdle:
		return invalid(idleField, "at least %d minutes, or people would be signed out while they work", leastIdle/time.Minute)
	case lifetime > mostLifetime:
		return invalid(lifetimeField, "at most %d days: browsers keep nothing for longer", mostLifetime/(24*time.Hour))
	case idle > lifetime:
		return invalid(idleField, "no longer than a session lasts at most")
	}
	return nil
}

// SessionsPreview is whom a change of the limits concerns.
type SessionsPreview struct {
	Sessions int64 // that live now
	Ending   int64 // of those, which lower limits end at once
}

// PreviewSessionRules counts whom limits would concern. It changes nothing, and needs
// the permission of the change.
func (m *Manager) PreviewSessionRules(ctx context.Context, a Actor, population string, r SessionRules) (SessionsPreview, error) {
	if err := m.allow(ctx, a, request{op: "PreviewSessionRules"}); err != nil {
		return SessionsPreview{}, err
	}
	if err := CheckSessionRules(r); err != nil {
		return SessionsPreview{}, err
	}
	p, err := m.Store.Population(ctx, population)
	if err != nil {
		return SessionsPreview{}, err
	}
	now := idp.Now()
	living, err := m.Store.LivingSessionsOf(ctx, p, now)
	if err != nil {
		return SessionsPreview{}, err
	}
	left, err := m.Store.LivingSessionsOf(ctx, tighter(p, r), now)
	return SessionsPreview{Sessions: living, Ending: living - left}, err
}

// tighter has the lower of both limits: whoever lives by it lives before and after.
func tighter(p idp.Population, r SessionRules) idp.Population {
	after := r.of(p)
	idle, lifetime := p.Limits(true)
	keptIdle, keptLifetime := after.Limits(true)
	p.SessionIdle, p.SessionLifetime = min(p.SessionIdle, r.Idle), min(p.SessionLifetime, r.Lifetime)
	p.KeepSignedIn, p.KeptIdle, p.KeptLifetime = true, min(idle, keptIdle), min(lifetime, keptLifetime)
	return p
}

// of is a population with these rules.
func (r SessionRules) of(p idp.Population) idp.Population {
	p.SessionIdle, p.SessionLifetime, p.EndOthers = r.Idle, r.Lifetime, r.EndOthers
	p.KeepSignedIn = r.KeepSignedIn
	if r.KeepSignedIn {
		p.KeptIdle, p.KeptLifetime = r.KeptIdle, r.KeptLifetime
	}
	return p
}

// SaveSessionRules changes how long sessions of a population last. Lower limits count
// at once for sessions that exist, higher ones for those that begin from now on; but
// one that is in use may be idle for as long as is allowed now. A *FieldError says what
// cannot be saved, idp.ErrConflict that somebody else has changed the population since
// the actor saw it.
func (m *Manager) SaveSessionRules(ctx context.Context, a Actor, c SessionRulesChange) (PopulationEntry, error) {
	if err := m.allow(ctx, a, request{op: "SaveSessionRules", reason: c.Reason}); err != nil {
		return PopulationEntry{}, err
	}
	if err := CheckSessionRules(c.Rules); err != nil {
		return PopulationEntry{}, err
	}
	var after PopulationEntry
	err := m.Store.Do(ctx, func(ctx context.Context) error {
		before, err := m.population(ctx, a, c.Population)
		if err != nil {
			return err
		}
		after = PopulationEntry{Population: c.Rules.of(before.Population), Version: c.Version + 1}
		if before.unchanged(c.Version, after.Population) {
			after = before
			return nil
		}
		if err := m.Store.SaveSessionRules(ctx, c.Version, before.Population, after.Population, idp.Now()); err != nil {
			return err
		}
		e := a.audit(idp.AuditSessionRules, c.Reason, map[string]string{
			"from": describeSessions(before.Population), "to": describeSessions(after.Population),
		})
		e.PopulationID = c.Population
		return m.Store.Audit(ctx, e)
	})
	return after, err
}

func describeSessions(p idp.Population) string {
	text := fmt.Sprintf("idle %v, at most %v", p.SessionIdle, p.SessionLifetime)
	if p.KeepSignedIn {
		text += fmt.Sprintf(", kept: idle %v, at most %v", p.KeptIdle, p.KeptLifetime)
	}
	return text + ", sign out elsewhere on password change " + onOff(p.EndOthers)
}
