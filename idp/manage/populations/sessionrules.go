package populations

import (
	"context"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/manage/authz"
	"gatehouse/idp/settings"
)

// SessionRules are how long sessions of a population last.
type SessionRules struct {
	// Idle ends a session that was not used for so long, and Lifetime every session so
	// long after its sign-in. KeptIdle and KeptLifetime are those of people who stay
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

// Limits of limits. Activity is recorded once a minute, so that less than five of them
// would end sessions that are in use; browsers keep cookies for 400 days.
const (
	leastIdle    = 5 * time.Minute
	mostLifetime = 400 * 24 * time.Hour
)

// SessionFields describe how long sessions of a population last.
func SessionFields() settings.Fields[SessionRules] {
	kept := func(r SessionRules) bool { return r.KeepSignedIn } // else these limits do not count
	return settings.Fields[SessionRules]{
		settings.Duration("session_idle", func(r *SessionRules) *time.Duration { return &r.Idle }).Lasts(leastIdle, mostLifetime).Or(time.Hour),
		settings.Duration("session_lifetime", func(r *SessionRules) *time.Duration { return &r.Lifetime }).Lasts(leastIdle, mostLifetime).Or(24 * time.Hour),
		settings.Flag("end_others", func(r *SessionRules) *bool { return &r.EndOthers }).Or(true),
		settings.Flag("keep_signed_in", func(r *SessionRules) *bool { return &r.KeepSignedIn }),
		settings.Duration("kept_idle", func(r *SessionRules) *time.Duration { return &r.KeptIdle }).
			Lasts(leastIdle, mostLifetime).If(kept).Or(idp.DefaultKeptIdle),
		settings.Duration("kept_lifetime", func(r *SessionRules) *time.Duration { return &r.KeptLifetime }).
			Lasts(leastIdle, mostLifetime).If(kept).Or(idp.DefaultKeptLifetime),
	}
}

// CheckSessionRules says what is wrong about limits, and which contradict each other.
func CheckSessionRules(r *SessionRules) settings.Errors {
	wrong := SessionFields().Check(r)
	refuse := func(broken bool, field, key string) {
		if broken {
			wrong = wrong.And(settings.Error{Field: field, Key: key})
		}
	}
	refuse(r.Idle > r.Lifetime, "session_idle", "settings.sessions.idle_beyond")
	if r.KeepSignedIn {
		refuse(r.KeptIdle > r.KeptLifetime, "kept_idle", "settings.sessions.idle_beyond")
		refuse(r.KeptIdle < r.Idle, "kept_idle", "settings.sessions.kept_less")
		refuse(r.KeptLifetime < r.Lifetime, "kept_lifetime", "settings.sessions.kept_less")
	}
	return wrong
}

// SessionsPreview is whom a change of the limits concerns.
type SessionsPreview struct {
	Sessions int64 // that live now
	Ending   int64 // of those, which lower limits end at once
}

// PreviewSessionRules counts whom limits would concern. It changes nothing, and needs
// the permission of the change.
func (m *Manager) PreviewSessionRules(ctx context.Context, a authz.Actor, population string, r SessionRules) (SessionsPreview, error) {
	if err := m.Authz.Authorize(ctx, a, authz.Request{Op: "PreviewSessionRules"}); err != nil {
		return SessionsPreview{}, err
	}
	if err := CheckSessionRules(&r).Err(); err != nil {
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

// tighter has the lower of both limits: a session that lives by it lives before and after.
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

// SaveSessionRules changes how long sessions of a population last, as save says. Lower
// limits count at once for sessions that exist, higher ones for those that begin from now
// on; but one that is in use may be idle for as long as is allowed now.
func (m *Manager) SaveSessionRules(ctx context.Context, a authz.Actor, c Change[SessionRules]) (PopulationEntry, error) {
	return setting[SessionRules]{
		op: "SaveSessionRules", kind: idp.AuditSessionRules, fields: SessionFields(), of: SessionRulesOf,
		onto: func(p *idp.Population, c Change[SessionRules]) { *p = c.To.of(*p) },
		check: func(_ *Manager, _ idp.Population, c *Change[SessionRules]) settings.Errors {
			return CheckSessionRules(&c.To)
		},
		write: func(ctx context.Context, m *Manager, w written) error {
			return m.Store.SaveSessionRules(ctx, w.version, *w.before, *w.after, idp.Now())
		},
	}.save(ctx, m, a, c)
}
