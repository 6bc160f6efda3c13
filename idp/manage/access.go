package manage

import (
	"context"

	"gatehouse/idp"
)

// AccessChange is how people of a population sign in from now on.
type AccessChange struct {
	Population string
	// Version of the population is the one that the actor saw.
	Version int64
	idp.Access
	Reason string
}

// AccessPreview is whom a change of portal access concerns.
type AccessPreview struct {
	// People of the population who are not disabled, and how many of them nobody
	// vouches for elsewhere yet: through a connection, their first time links them.
	People, NotLinked int64
}

// PreviewAccess counts whom a change of portal access would concern. It changes
// nothing, and needs the permission of the change.
func (m *Manager) PreviewAccess(ctx context.Context, a Actor, population string) (AccessPreview, error) {
	if err := m.allow(ctx, a, request{op: "PreviewAccess"}); err != nil {
		return AccessPreview{}, err
	}
	if _, err := m.Store.Population(ctx, population); err != nil {
		return AccessPreview{}, err
	}
	people, linked, err := m.Store.CountLinked(ctx, population)
	return AccessPreview{People: people, NotLinked: people - linked}, err
}

// SaveAccess changes how people of a population sign in. What rests on a way in that is
// taken away ends: sessions, and what apps hold. A
// *FieldError says what cannot be saved: that there is no connection to sign in
// through, or that no admin could sign in any more. idp.ErrConflict: somebody else
// changed the population since the actor saw it.
func (m *Manager) SaveAccess(ctx context.Context, a Actor, c AccessChange) (PopulationEntry, error) {
	if err := m.allow(ctx, a, request{op: "SaveAccess", reason: c.Reason}); err != nil {
		return PopulationEntry{}, err
	}
	before, err := m.population(ctx, a, c.Population)
	if err != nil {
		return PopulationEntry{}, err
	}
	err = m.Store.Do(ctx, func(ctx context.Context) error {
		if err := m.oneAtATime(ctx); err != nil {
			return err
		}
		if err := m.Store.SaveAccess(ctx, c.Population, c.Version, c.Access); err != nil {
			return err
		}
		if err := m.checkAccess(ctx, c); err != nil {
			return err
		}
		e := a.audit(idp.AuditAccessChanged, c.Reason, map[string]string{"from": describeAccess(before.Access), "to": describeAccess(c.Access)})
		e.PopulationID = c.Population
		return m.Store.Audit(ctx, e)
	})
	if err == nil && m.Reap != nil {
		m.Reap()
	}
	after := before
	after.Access, after.Version = c.Access, c.Version+1
	return after, err
}

func (m *Manager) checkAccess(ctx context.Context, c AccessChange) error {
	if !c.Password && !c.Federated {
		return invalid("access", "nobody could sign in: allow email and password, a connection, or both")
	}
	if c.Federated {
		list, err := m.Store.Connections(ctx, c.Population)
		if err != nil {
			return err
		}
		if !anyEnabled(list) {
			return invalid("federated", "there is no connection that is switched on: add one first")
		}
	}
	if c.Password {
		shut, err := m.adminsShutOut(ctx)
		if err == nil && shut {
			err = invalid("federated", "no admin could sign in any more: let one have a password first")
		}
		return err
	}
	can, err := m.Store.AdminCanSignIn(ctx)
	if err == nil && !can {
		err = invalid("password", "no admin could sign in any more: have one sign in through the connection first")
	}
	return err
}

func describeAccess(a idp.Access) string {
	return "email and password " + onOff(a.Password) + ", connections " + onOff(a.Federated)
}
