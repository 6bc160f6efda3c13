package populations

import (
	"context"

	"gatehouse/idp"
	"gatehouse/idp/manage/authz"
	"gatehouse/idp/manage/connections"
	"gatehouse/idp/settings"
)

// AccessFields describe how people of a population sign in.
func AccessFields() settings.Fields[idp.Access] {
	return settings.Fields[idp.Access]{
		settings.Flag("password", func(a *idp.Access) *bool { return &a.Password }).Or(true),
		settings.Flag("federated", func(a *idp.Access) *bool { return &a.Federated }),
	}
}

// AccessPreview is whom a change of portal access concerns.
type AccessPreview struct {
	// People counts those of the population who are not disabled. NotLinked counts those
	// of them who have no identity at a connection yet: their first sign-in there links
	// them.
	People, NotLinked int64
}

// PreviewAccess counts whom a change of portal access would concern. It changes
// nothing, and needs the permission of the change.
func (m *Manager) PreviewAccess(ctx context.Context, a authz.Actor, population string) (AccessPreview, error) {
	if err := m.Authz.Authorize(ctx, a, authz.Request{Op: "PreviewAccess"}); err != nil {
		return AccessPreview{}, err
	}
	if _, err := m.Store.Population(ctx, population); err != nil {
		return AccessPreview{}, err
	}
	people, linked, err := m.Store.CountLinked(ctx, population)
	return AccessPreview{People: people, NotLinked: people - linked}, err
}

// SaveAccess changes how people of a population sign in, as save says. What rests on a way
// in that is taken away ends: sessions, and what apps hold. Errors say too that there is no
// connection to sign in through, and that no admin could sign in any more.
func (m *Manager) SaveAccess(ctx context.Context, a authz.Actor, c Change[idp.Access]) (PopulationEntry, error) {
	return setting[idp.Access]{
		op: "SaveAccess", kind: idp.AuditAccessChanged, fields: AccessFields(), alone: true, before: authorizeOpening, after: checkAccess,
		of:   func(p idp.Population) idp.Access { return p.Access },
		onto: func(p *idp.Population, c Change[idp.Access]) { p.Access = c.To },
		check: func(_ *Manager, _ idp.Population, c *Change[idp.Access]) settings.Errors {
			if !c.To.Password && !c.To.Federated {
				return settings.Invalid("access", "settings.access.nobody")
			}
			return nil
		},
		write: func(ctx context.Context, m *Manager, w written) error {
			m.Store.AfterCommit(ctx, m.reapSoon(Immediately))
			return m.Store.SaveAccess(ctx, w.after.ID, w.version, w.after.Access)
		},
	}.save(ctx, m, a, c)
}

// authorizeOpening checks that the actor may let a population sign in through connections.
// It asks what adding and switching on each enabled connection asks: a connection may have
// been added while the population was empty, or did not sign in that way.
func authorizeOpening(ctx context.Context, m *Manager, a authz.Actor, before idp.Population, c Change[idp.Access]) error {
	if before.Access.Federated || !c.To.Federated {
		return nil
	}
	list, err := m.Store.Connections(ctx, c.ID)
	for i := 0; err == nil && i < len(list); i++ {
		if list[i].Enabled {
			err = m.Authz.Through(ctx, a, "SaveAccess", list[i])
		}
		if err == nil && list[i].Enabled {
			err = m.Connections.AuthorizeVouching(ctx, a, list[i])
		}
	}
	return err
}

// checkAccess refuses, after the change, one that leaves no way in.
func checkAccess(ctx context.Context, m *Manager, _ authz.Actor, after idp.Population, _ Change[idp.Access]) error {
	if after.Access.Federated {
		list, err := m.Store.Connections(ctx, after.ID)
		if err != nil {
			return err
		}
		if !connections.AnyEnabled(list) {
			return settings.Invalid("federated", "settings.access.no_connection")
		}
	}
	if after.Access.Password {
		shut, err := m.Connections.AdminsShutOut(ctx)
		if err == nil && shut {
			err = settings.Invalid("federated", "settings.access.no_admin_password")
		}
		return err
	}
	can, err := m.Store.AdminCanSignIn(ctx)
	if err == nil && !can {
		err = settings.Invalid("password", "settings.access.no_admin_connection")
	}
	return err
}
