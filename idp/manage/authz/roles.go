package authz

import (
	"context"
	"errors"
	"slices"
	"strings"

	"gatehouse/idp"
	"gatehouse/idp/manage/entry"
)

// RolesByID reads roles that must exist.
func (m *Manager) RolesByID(ctx context.Context, ids []string) ([]idp.Role, error) {
	roles, err := m.Store.RolesByID(ctx, ids...)
	if errors.Is(err, idp.ErrNotFound) {
		err = nil // an id that is no text
	}
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		if !slices.ContainsFunc(roles, func(r idp.Role) bool { return r.ID == id }) {
			return nil, entry.Invalid("roles", "settings.no_role", id)
		}
	}
	return roles, nil
}

func PermissionsIn(roles []idp.Role) []string {
	var list []string
	for _, r := range roles {
		list = append(list, r.Permissions...)
	}
	return list
}

// AuditOf writes an event that concerns a person.
func (m *Manager) AuditOf(ctx context.Context, e idp.AuditEvent, u idp.User) error {
	e.UserID, e.PopulationID = u.ID, u.PopulationID
	return m.Store.Audit(ctx, e)
}

// OneAtATime serializes the transactions that could remove the last admin. Of two at once,
// each would find the other's admin still there.
func (m *Manager) OneAtATime(ctx context.Context) error {
	err := m.Store.LockRole(ctx, idp.RoleAdmin)
	if errors.Is(err, idp.ErrNotFound) {
		return nil
	}
	return err
}

func RoleIDs(roles []idp.Role) []string {
	ids := make([]string, len(roles))
	for i, r := range roles {
		ids[i] = r.ID
	}
	return ids
}

func RoleNames(roles []idp.Role) string {
	names := make([]string, len(roles))
	for i, r := range roles {
		names[i] = r.Name
	}
	return strings.Join(names, ", ")
}
