package manage

import (
	"context"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/manage/people"
	"gatehouse/idp/manage/populations"
	"gatehouse/idp/settings"
)

// EnsureDefaults makes the populations and system roles that every installation
// has. What exists stays as it is, but system roles get the permissions of today.
func (m *Manager) EnsureDefaults(ctx context.Context) error {
	return m.Store.Do(ctx, func(ctx context.Context) error {
		for _, p := range BuiltInPopulations() {
			created, err := m.Store.CreatePopulation(ctx, p, idp.Now())
			if err != nil {
				return err
			}
			if created && p.ID == idp.Agents { // the database is new
				if err := m.Store.KeepAudit(ctx, DefaultAuditRetention); err != nil {
					return err
				}
			}
		}
		for _, r := range systemRoles() {
			if err := m.Store.CreateRole(ctx, r); err != nil {
				return err
			}
			if err := m.Store.RefreshRole(ctx, r); err != nil {
				return err
			}
		}
		return nil
	})
}

// DefaultAuditRetention is how long a database that is new keeps audit events, unless
// the configuration says otherwise. An earlier one keeps them until that says so.
const DefaultAuditRetention = 400 * 24 * time.Hour

// BuiltInPopulations are agents and contacts. Contacts stay signed in for longer.
func BuiltInPopulations() []idp.Population {
	contacts := populations.NewPopulation(idp.Contacts, "Contacts", "Support portal")
	contacts.SessionIdle, contacts.SessionLifetime = 7*24*time.Hour, 30*24*time.Hour
	return []idp.Population{populations.NewPopulation(idp.Agents, "Agents", "Agent portal"), contacts}
}

func systemRoles() []idp.Role {
	return []idp.Role{
		{ID: idp.RoleAdmin, Name: "Admin", System: true, Permissions: idp.Permissions()},
		{ID: idp.RoleManager, Name: "Manager", System: true, Permissions: []string{
			idp.PermissionUsers, idp.PermissionSessions, idp.PermissionContactReset,
		}},
		{ID: idp.RoleAgent, Name: "Agent", System: true},
	}
}

// NewUserFields describe a person who is added, but for the password.
func NewUserFields() settings.Fields[people.NewUser] {
	return settings.Fields[people.NewUser]{
		settings.Line("email", func(n *people.NewUser) *string { return &n.Email }).Must("settings.user.need_email"),
		settings.Line("name", func(n *people.NewUser) *string { return &n.Name }),
		settings.Line("population", func(n *people.NewUser) *string { return &n.Population }),
		settings.Set("roles", func(n *people.NewUser) *[]string { return &n.Roles }),
	}
}
