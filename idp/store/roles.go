package store

import (
	"context"
	"errors"
	"fmt"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"gatehouse/idp"
)

type roleRow struct {
	ID          string `gorm:"primaryKey"`
	Name        string
	System      bool
	Permissions string
	Version     int64
}

func (roleRow) TableName() string { return "roles" }

func (r roleRow) role() idp.Role {
	return idp.Role{ID: r.ID, Name: r.Name, System: r.System, Permissions: fromWords(r.Permissions)}
}

type userRoleRow struct {
	UserID string `gorm:"primaryKey"`
	RoleID string `gorm:"primaryKey"`
}

func (userRoleRow) TableName() string { return "user_roles" }

// CreateRole adds a role; one that exists stays as it is.
func (s *Store) CreateRole(ctx context.Context, r idp.Role) error {
	row := roleRow{ID: r.ID, Name: r.Name, System: r.System, Permissions: words(r.Permissions), Version: 1}
	return written(s.writer(ctx).Clauses(clause.OnConflict{DoNothing: true}).Create(&row).Error, "role")
}

// GiveRole gives a user a role; twice is once. idp.ErrNotFound: there is no such
// user or role.
func (s *Store) GiveRole(ctx context.Context, userID, roleID string) error {
	row := userRoleRow{UserID: userID, RoleID: roleID}
	err := s.writer(ctx).Clauses(clause.OnConflict{DoNothing: true}).Create(&row).Error
	if errors.Is(err, gorm.ErrForeignKeyViolated) {
		return fmt.Errorf("role of a user: %w", idp.ErrNotFound)
	}
	return written(err, "role of a user")
}

// RolesOf reads the roles of a user, in the order of their ids.
func (s *Store) RolesOf(ctx context.Context, userID string) ([]idp.Role, error) {
	var rows []roleRow
	err := s.reader(ctx).Table("roles").Select("roles.*").
		Joins("JOIN user_roles ON user_roles.role_id = roles.id").
		Where("user_roles.user_id = ?", userID).Order("roles.id").Scan(&rows).Error
	if err != nil {
		return nil, found(err, "roles")
	}
	roles := make([]idp.Role, len(rows))
	for i, r := range rows {
		roles[i] = r.role()
	}
	return roles, nil
}

func increment() clause.Expr { return gorm.Expr("version + 1") }

// RefreshRole gives a system role the permissions that it has today.
func (s *Store) RefreshRole(ctx context.Context, r idp.Role) error {
	permissions := words(r.Permissions)
	return written(s.writer(ctx).Model(&roleRow{}).Where("id = ? AND system AND permissions <> ?", r.ID, permissions).
		UpdateColumns(map[string]any{"permissions": permissions, "version": increment()}).Error, "role")
}

// HoldersCap is how far the holders of a role are counted.
const HoldersCap = 10_000

// VersionedRole is a role with the version that a change is compared with.
type VersionedRole struct {
	Role    idp.Role
	Version int64
	// Holders counts people and services, up to HoldersCap of each.
	Holders int64
}

// VersionedRoles reads all roles, or the one of an id, in the order of their ids.
func (s *Store) VersionedRoles(ctx context.Context, id string) ([]VersionedRole, error) {
	var rows []struct {
		Role    roleRow `gorm:"embedded"`
		Holders int64
	}
	err := s.reader(ctx).Raw(`SELECT r.*,
		(SELECT COUNT(*) FROM (SELECT 1 FROM user_roles u WHERE u.role_id = r.id LIMIT ?) AS people) +
		(SELECT COUNT(*) FROM (SELECT 1 FROM client_roles c WHERE c.role_id = r.id LIMIT ?) AS services) AS holders
		FROM roles r WHERE ? = '' OR r.id = ? ORDER BY r.id`, HoldersCap, HoldersCap, id, id).Scan(&rows).Error
	if err != nil {
		return nil, found(err, "roles")
	}
	list := make([]VersionedRole, len(rows))
	for i, r := range rows {
		list[i] = VersionedRole{r.Role.role(), r.Role.Version, r.Holders}
	}
	return list, nil
}

// RolesByID reads the roles of some ids, in the order of their ids; what does not
// exist is missing.
func (s *Store) RolesByID(ctx context.Context, ids ...string) ([]idp.Role, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	var rows []roleRow
	if err := s.reader(ctx).Where("id IN ?", ids).Order("id").Find(&rows).Error; err != nil {
		return nil, found(err, "roles")
	}
	roles := make([]idp.Role, len(rows))
	for i, r := range rows {
		roles[i] = r.role()
	}
	return roles, nil
}

// RolesHeldIn reads the roles that anybody of a population holds.
func (s *Store) RolesHeldIn(ctx context.Context, population string) ([]idp.Role, error) {
	var rows []roleRow
	err := s.reader(ctx).Where(`EXISTS (SELECT 1 FROM user_roles h JOIN users u ON u.id = h.user_id
		WHERE h.role_id = roles.id AND u.population_id = ?)`, population).Order("id").Find(&rows).Error
	roles := make([]idp.Role, len(rows))
	for i, r := range rows {
		roles[i] = r.role()
	}
	return roles, found(err, "roles")
}

// RolesHeldThrough reads the roles that anybody holds who is linked through a
// connection.
func (s *Store) RolesHeldThrough(ctx context.Context, connectionID string) ([]idp.Role, error) {
	var rows []roleRow
	err := s.reader(ctx).Where(`EXISTS (SELECT 1 FROM user_roles h JOIN identities i ON i.user_id = h.user_id
		WHERE h.role_id = roles.id AND i.connection_id = ?)`, connectionID).Order("id").Find(&rows).Error
	roles := make([]idp.Role, len(rows))
	for i, r := range rows {
		roles[i] = r.role()
	}
	return roles, found(err, "roles")
}

// SaveRole writes name and permissions of a role that is no system role.
// idp.ErrConflict: the version is not that of now.
func (s *Store) SaveRole(ctx context.Context, version int64, r idp.Role) error {
	return once(s.writer(ctx).Model(&roleRow{}).Where("id = ? AND version = ? AND NOT system", r.ID, version).
		UpdateColumns(map[string]any{"name": r.Name, "permissions": words(r.Permissions), "version": version + 1}),
		"role", idp.ErrConflict)
}

// DeleteRole removes a role that is no system role. idp.ErrConflict: the version is not
// that of now; idp.ErrInUse: a person holds it.
func (s *Store) DeleteRole(ctx context.Context, id string, version int64) error {
	r := s.writer(ctx).Where("id = ? AND version = ? AND NOT system", id, version).Delete(&roleRow{})
	if errors.Is(r.Error, gorm.ErrForeignKeyViolated) {
		return fmt.Errorf("role: %w", idp.ErrInUse)
	}
	return once(r, "role", idp.ErrConflict)
}

// LockRole makes every other transaction that locks the same role wait for the end
// of this one.
func (s *Store) LockRole(ctx context.Context, id string) error {
	return once(s.writer(ctx).Model(&roleRow{}).Where("id = ?", id).
		UpdateColumn("version", gorm.Expr("version")), "role", idp.ErrNotFound)
}

// SaveRoles gives a user these roles and no others. idp.ErrConflict: the version of
// the user is not that of now. idp.ErrNotFound: there is no such role.
func (s *Store) SaveRoles(ctx context.Context, userID string, version int64, roles []string) error {
	return s.Do(ctx, func(ctx context.Context) error {
		r := s.writer(ctx).Model(&userRow{}).Where("id = ? AND version = ?", userID, version).
			UpdateColumn("version", version+1)
		if err := once(r, "user", idp.ErrConflict); err != nil {
			return err
		}
		if err := s.writer(ctx).Where("user_id = ?", userID).Delete(&userRoleRow{}).Error; err != nil {
			return written(err, "role of a user")
		}
		for _, role := range roles {
			if err := s.GiveRole(ctx, userID, role); err != nil {
				return err
			}
		}
		return nil
	})
}

// Holders lists the people who hold a role and are not disabled.
func (s *Store) Holders(ctx context.Context, roleID string) ([]idp.User, error) {
	var rows []userRow
	err := s.reader(ctx).Where("NOT disabled AND id IN (SELECT user_id FROM user_roles WHERE role_id = ?)", roleID).Order("id").Find(&rows).Error
	list := make([]idp.User, len(rows))
	for i, r := range rows {
		list[i] = r.user()
	}
	return list, found(err, "holders of a role")
}
