package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"gatehouse/idp"
)

type userRow struct {
	ID           string `gorm:"primaryKey"`
	PopulationID string
	Email        string
	EmailKey     []byte
	Name         string
	Locale       string
	PasswordHash string
	Disabled     bool
	CreatedAt    time.Time
	UpdatedAt    time.Time
}

func (userRow) TableName() string { return "users" }

func (r userRow) user() idp.User {
	return idp.User{
		ID: r.ID, PopulationID: r.PopulationID, Email: r.Email, Name: r.Name, Locale: r.Locale,
		PasswordHash: r.PasswordHash, Disabled: r.Disabled,
		CreatedAt: r.CreatedAt.UTC(), UpdatedAt: r.UpdatedAt.UTC(),
	}
}

// CreateUser adds a user. idp.ErrConflict: the population has that address.
func (s *Store) CreateUser(ctx context.Context, u idp.User) error {
	return written(s.writer(ctx).Create(&userRow{
		ID: u.ID, PopulationID: u.PopulationID, Email: u.Email, EmailKey: idp.EmailKey(u.Email),
		Name: u.Name, Locale: u.Locale, PasswordHash: u.PasswordHash, Disabled: u.Disabled,
		CreatedAt: u.CreatedAt, UpdatedAt: u.UpdatedAt,
	}).Error, "user")
}

// User reads one user.
func (s *Store) User(ctx context.Context, id string) (idp.User, error) {
	var row userRow
	err := s.reader(ctx).Where("id = ?", id).Take(&row).Error
	return row.user(), found(err, "user")
}

// UserByEmail reads the user of a population whose address folds to the same key.
func (s *Store) UserByEmail(ctx context.Context, population, email string) (idp.User, error) {
	var row userRow
	err := s.reader(ctx).Where("population_id = ? AND email_key = ?", population, idp.EmailKey(email)).Take(&row).Error
	return row.user(), found(err, "user")
}

// UpgradePasswordHash replaces a hash by one of the same password with today's
// parameters, unless the password was changed in the meantime.
func (s *Store) UpgradePasswordHash(ctx context.Context, userID, old, upgraded string) error {
	return written(s.writer(ctx).Model(&userRow{}).
		Where("id = ? AND password_hash = ?", userID, old).
		UpdateColumn("password_hash", upgraded).Error, "password hash")
}

// SetPasswordHash gives a user another password. idp.ErrNotFound: there is no such
// user.
func (s *Store) SetPasswordHash(ctx context.Context, userID, hash string, at time.Time) error {
	return once(s.writer(ctx).Model(&userRow{}).Where("id = ?", userID).
		UpdateColumns(map[string]any{"password_hash": hash, "updated_at": at}), "user", idp.ErrNotFound)
}

type roleRow struct {
	ID          string `gorm:"primaryKey"`
	Name        string
	System      bool
	Permissions string
}

func (roleRow) TableName() string { return "roles" }

type userRoleRow struct {
	UserID string `gorm:"primaryKey"`
	RoleID string `gorm:"primaryKey"`
}

func (userRoleRow) TableName() string { return "user_roles" }

// CreateRole adds a role; one that exists stays as it is.
func (s *Store) CreateRole(ctx context.Context, r idp.Role) error {
	row := roleRow{ID: r.ID, Name: r.Name, System: r.System, Permissions: words(r.Permissions)}
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
		roles[i] = idp.Role{ID: r.ID, Name: r.Name, System: r.System, Permissions: fromWords(r.Permissions)}
	}
	return roles, nil
}
