package populations

import (
	"context"
	"maps"
	"slices"
	"strconv"

	"gatehouse/idp"
	"gatehouse/idp/manage/authz"
	"gatehouse/idp/settings"
	"gatehouse/idp/store"
)

// Change is a change of something that settings describes.
type Change[T any] struct {
	// ID is of what it belongs to, such as a population.
	ID string
	// Version is the one that the actor saw.
	Version int64
	To      T
	// Given are the fields that the change names, nil for all: settings of a column that it
	// does not name stay as they are.
	Given []string
	// Apply says when it applies, where there is a choice.
	Apply Apply
	// PasswordAlone confirms an MFA policy without any second step.
	PasswordAlone bool
	Reason        string
}

// setting is how a part T of a population is changed: everything that its description
// does not say.
type setting[T any] struct {
	op     string
	kind   idp.AuditKind
	fields settings.Fields[T]
	of     func(idp.Population) T
	onto   func(*idp.Population, Change[T])
	// check writes the change as it is kept and says what is wrong about it.
	check func(m *Manager, before idp.Population, c *Change[T]) settings.Errors
	// applies are the choices when a change applies, none where there is no choice.
	applies []Apply
	// alone: no two such changes at the same time.
	alone bool
	// before and after are what a change asks beside the rules of op, of what was there
	// and, in its transaction, of what is there then. Both are optional.
	before, after func(ctx context.Context, m *Manager, a authz.Actor, p idp.Population, c Change[T]) error
	write         func(ctx context.Context, m *Manager, w written) error
	// version is the one that a change is compared with, nil for the population's.
	version func(PopulationEntry) int64
}

// written is what a change writes.
type written struct {
	version       int64 // that the actor saw
	before, after *idp.Population
	// number is the change's of the policies' sequence, where there is a choice when it
	// applies; least is the number before which nothing counts any more, 0 for any.
	number, least int64
}

// save carries out a change. Errors are settings.Errors where something cannot be saved,
// and idp.ErrConflict when the population was changed since the actor saw it. A change of
// nothing is answered with what there is. "Immediately" is one write, however many
// sessions there are: what an older number judged is refused from then on.
func (s setting[T]) save(ctx context.Context, m *Manager, a authz.Actor, c Change[T]) (PopulationEntry, error) {
	if err := m.Authz.Authorize(ctx, a, authz.Request{Op: s.op, Reason: c.Reason}); err != nil {
		return PopulationEntry{}, err
	}
	before, err := m.population(ctx, a, c.ID)
	if err != nil {
		return PopulationEntry{}, err
	}
	s.fields.Keep(s.of(before.Population), &c.To, c.Given)
	if err := s.refuses(m, before.Population, &c).Err(); err != nil {
		return PopulationEntry{}, err
	}
	if s.before != nil {
		if err := s.before(ctx, m, a, before.Population, c); err != nil {
			return PopulationEntry{}, err
		}
	}
	var after PopulationEntry
	err = m.Store.Do(ctx, func(ctx context.Context) error {
		after, err = s.carry(ctx, m, a, c)
		return err
	})
	return after, err
}

func (s setting[T]) refuses(m *Manager, before idp.Population, c *Change[T]) (wrong settings.Errors) {
	if s.applies != nil && !slices.Contains(s.applies, c.Apply) {
		wrong = settings.Invalid("apply", "console.error.choice")
	}
	return s.check(m, before, c).And(wrong...)
}

// carry writes a change in the transaction of ctx.
func (s setting[T]) carry(ctx context.Context, m *Manager, a authz.Actor, c Change[T]) (PopulationEntry, error) {
	if s.alone {
		if err := m.Authz.OneAtATime(ctx); err != nil {
			return PopulationEntry{}, err
		}
	}
	before, err := m.population(ctx, a, c.ID)
	if err != nil {
		return before, err
	}
	after, seen := before, before.Version
	if s.version != nil {
		seen = s.version(before)
	} else {
		after.Version = c.Version + 1
	}
	s.onto(&after.Population, c)
	again := after.Population
	if s.version != nil {
		again.Policy.Version = before.Policy.Version
	}
	if before.same(again) {
		done := seen == c.Version
		if !done && a.Repeats {
			done, err = m.carriedOut(ctx, c.Apply, store.AuditQuery{Kind: s.kind, PopulationID: c.ID})
		}
		if done || err != nil {
			return before, err
		}
	}
	w := written{version: c.Version, before: &before.Population, after: &after.Population}
	if s.applies != nil {
		if w.number, err = m.Store.NextPolicyVersion(ctx); err != nil {
			return before, err
		}
		if c.Apply == Immediately {
			w.least, after.MinVersion = w.number, w.number
		}
	}
	if err := s.write(ctx, m, w); err != nil {
		return before, err
	}
	if s.after != nil {
		if err := s.after(ctx, m, a, after.Population, c); err != nil {
			return before, err
		}
	}
	m.Store.AfterCommit(ctx, m.reapSoon(c.Apply))
	return after, m.Store.Audit(ctx, s.event(a, w, c))
}

func (s setting[T]) event(a authz.Actor, w written, c Change[T]) idp.AuditEvent {
	detail := map[string]string{}
	if s.applies != nil {
		detail["apply"], detail["version"] = string(c.Apply), strconv.FormatInt(w.number, 10)
	}
	maps.Copy(detail, s.fields.Diff(s.of(*w.before), s.of(*w.after)))
	e := a.Audit(s.kind, c.Reason, detail)
	e.PopulationID = w.after.ID
	return e
}

// carriedOut tells whether an equal change, whose answer was lost, was carried out when it
// should be: an equal one "on next login" signed no one out. q finds the events of such
// changes.
func (m *Manager) carriedOut(ctx context.Context, apply Apply, q store.AuditQuery) (bool, error) {
	if apply != Immediately {
		return true, nil
	}
	q.Limit = 1
	events, err := m.Store.AuditPage(ctx, q)
	return len(events) == 1 && events[0].Detail["apply"] == string(Immediately), err
}

// same tells whether a population stays what it is.
func (e PopulationEntry) same(after idp.Population) bool {
	return authz.Same(e.Registration, after.Registration) && authz.Same(withoutRegistration(e.Population), withoutRegistration(after))
}

func withoutRegistration(p idp.Population) idp.Population {
	p.Registration = idp.Registration{}
	return p
}
