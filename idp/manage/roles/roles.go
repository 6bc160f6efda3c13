package roles

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"gatehouse/idp"
	"gatehouse/idp/manage/authz"
	"gatehouse/idp/manage/connections"
	"gatehouse/idp/settings"
)

// RoleEntry is a role as it is managed.
type RoleEntry struct {
	idp.Role
	// Version is what a change is compared with.
	Version int64
	// Holders counts people and services, up to store.HoldersCap of each.
	Holders int64
}

const maxRoleName = 60

// Roles reads all roles, in the order of their ids.
func (m *Manager) Roles(ctx context.Context, a authz.Actor) ([]RoleEntry, error) {
	if err := m.Authz.Authorize(ctx, a, authz.Request{Op: "Roles"}); err != nil {
		return nil, err
	}
	return m.roles(ctx, "")
}

func (m *Manager) roles(ctx context.Context, id string) ([]RoleEntry, error) {
	rows, err := m.Store.VersionedRoles(ctx, id)
	list := make([]RoleEntry, len(rows))
	for i, r := range rows {
		list[i] = RoleEntry{Role: r.Role, Version: r.Version, Holders: r.Holders}
	}
	return list, err
}

// CreateRole adds a role. Its permissions are ones that the actor holds. A
// settings.Errors say what cannot be saved.
func (m *Manager) CreateRole(ctx context.Context, a authz.Actor, name string, permissions []string, reason string) (RoleEntry, error) {
	if err := m.Authz.Authorize(ctx, a, authz.Request{Op: "CreateRole", Holds: permissions, Reason: reason}); err != nil {
		return RoleEntry{}, err
	}
	r := idp.Role{ID: idp.NewID(), Name: name, Permissions: permissions}
	if err := checkRole(&r).Err(); err != nil {
		return RoleEntry{}, err
	}
	return RoleEntry{Role: r, Version: 1}, m.Store.Do(ctx, func(ctx context.Context) error {
		if err := m.onlyOneOfThatName(ctx, r); err != nil {
			return err
		}
		if err := m.Store.CreateRole(ctx, r); err != nil {
			return err
		}
		return m.Store.Audit(ctx, a.Audit(idp.AuditRoleCreated, reason, describeRole(r)))
	})
}

// RoleFields describe a role.
func RoleFields() settings.Fields[idp.Role] {
	return settings.Fields[idp.Role]{
		settings.Line("name", func(r *idp.Role) *string { return &r.Name }).Must("settings.role.need_name").Max(maxRoleName).As(settings.Words).Rule(settings.ShowsName),
		settings.Set("permissions", func(r *idp.Role) *[]string { return &r.Permissions }, idp.Permissions()...),
	}
}

// checkRole writes a role as it is kept, its permissions in our order, and says what is
// wrong about it.
func checkRole(r *idp.Role) settings.Errors {
	wrong, given := RoleFields().Check(r), r.Permissions
	r.Permissions = slices.DeleteFunc(idp.Permissions(), func(p string) bool { return !slices.Contains(given, p) })
	return wrong
}

// onlyOneOfThatName refuses a name that another role has, until the end of the
// transaction: of two at once, each would find the name free.
func (m *Manager) onlyOneOfThatName(ctx context.Context, r idp.Role) error {
	if err := m.Authz.OneAtATime(ctx); err != nil {
		return err
	}
	all, err := m.Store.VersionedRoles(ctx, "")
	for _, other := range all {
		if other.Role.ID != r.ID && slices.Equal(idp.NameKey(other.Role.Name), idp.NameKey(r.Name)) {
			return settings.Invalid("name", "settings.role.name_taken")
		}
	}
	return err
}

func describeRole(r idp.Role) map[string]string {
	return map[string]string{"role": r.ID, "name": r.Name, "permissions": strings.Join(r.Permissions, " ")}
}

// customRole reads a role that is about to change: the actor must hold what it
// holds, and it must be no system role.
func (m *Manager) customRole(ctx context.Context, a authz.Actor, r authz.Request, id string) (RoleEntry, error) {
	list, err := m.roles(ctx, id)
	if err != nil {
		return RoleEntry{}, err
	}
	if len(list) == 0 || id == "" {
		return RoleEntry{}, fmt.Errorf("role: %w", idp.ErrNotFound)
	}
	r.Holds = append(slices.Clone(r.Holds), list[0].Permissions...)
	if err := m.Authz.Authorize(ctx, a, r); err != nil {
		return RoleEntry{}, err
	}
	if list[0].System {
		return RoleEntry{}, idp.ErrSystemRole
	}
	return list[0], nil
}

// UpdateRole changes name and permissions of a role, for everybody who holds it at
// once. The actor must hold its previous permissions and the new ones.
// idp.ErrSystemRole: it is one; idp.ErrConflict: the version is not that of now.
func (m *Manager) UpdateRole(ctx context.Context, a authz.Actor, e RoleEntry, reason string) (RoleEntry, error) {
	before, err := m.customRole(ctx, a, authz.Request{Op: "UpdateRole", Holds: e.Permissions, Reason: reason}, e.ID)
	if err != nil {
		return RoleEntry{}, err
	}
	r := idp.Role{ID: e.ID, Name: e.Name, Permissions: e.Permissions}
	wrong := checkRole(&r)
	same := len(wrong) == 0 && RoleFields().Same(r, before.Role)
	switch {
	case before.Version != e.Version && (!same || !a.Repeats):
		return RoleEntry{}, fmt.Errorf("role: %w", idp.ErrConflict)
	case same:
		return before, nil
	case len(wrong) > 0:
		return RoleEntry{}, wrong
	}
	return RoleEntry{Role: r, Version: e.Version + 1, Holders: before.Holders}, m.Store.Do(ctx, func(ctx context.Context) error {
		if err := m.onlyOneOfThatName(ctx, r); err != nil {
			return err
		}
		if err := m.Store.SaveRole(ctx, e.Version, r); err != nil {
			return err
		}
		detail := describeRole(r)
		maps.Copy(detail, RoleFields().Diff(before.Role, r))
		return m.Store.Audit(ctx, a.Audit(idp.AuditRoleChanged, reason, detail))
	})
}

// DeleteRole removes a role, whatever its version where that is 0. idp.ErrSystemRole: it
// is one; idp.ErrConflict: the version is not that of now; idp.ErrInUse: a person holds
// it, or a connection gives it.
func (m *Manager) DeleteRole(ctx context.Context, a authz.Actor, id string, version int64, reason string) error {
	before, err := m.customRole(ctx, a, authz.Request{Op: "DeleteRole", Reason: reason}, id)
	if err != nil {
		return err
	}
	if version = cmp.Or(version, before.Version); before.Version != version {
		return fmt.Errorf("role: %w", idp.ErrConflict)
	}
	if before.Holders > 0 {
		return fmt.Errorf("role: %w", idp.ErrInUse)
	}
	return m.Store.Do(ctx, func(ctx context.Context) error {
		if err := m.Authz.OneAtATime(ctx); err != nil { // a connection that begins to give it waits
			return err
		}
		if err := m.notMapped(ctx, id); err != nil {
			return err
		}
		if err := m.Store.DeleteRole(ctx, id, version); err != nil {
			return err
		}
		return m.Store.Audit(ctx, a.Audit(idp.AuditRoleDeleted, reason, describeRole(before.Role)))
	})
}

// notMapped refuses, with idp.ErrInUse, to delete a role that a connection gives.
func (m *Manager) notMapped(ctx context.Context, id string) error {
	list, err := m.Store.Connections(ctx, "")
	for _, c := range list {
		if slices.Contains(connections.Mapped(c.Roles), id) {
			return fmt.Errorf("role: %w", idp.ErrInUse)
		}
	}
	return err
}

// KnowsRole tells whether there is such a role.
func (m *Manager) KnowsRole(ctx context.Context, id string) (bool, error) {
	found, err := m.Store.RolesByID(ctx, id)
	return len(found) > 0, err
}
