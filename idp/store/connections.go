package store

import (
	"context"
	"fmt"
	"time"

	"gorm.io/gorm/clause"

	"gatehouse/idp"
)

type connectionRow struct {
	ID           string `gorm:"primaryKey"`
	PopulationID string
	Kind         string
	Name         string
	Enabled      bool
	Issuer       string
	ClientID     string
	Secret       []byte
	PrivateKey   []byte
	Certificate  string
	Trust        string
	Settings     connectionSettings `gorm:"serializer:json"`
	UndatedSince *time.Time
	CreatedAt    time.Time
	Version      int64
	Taken        taken `gorm:"serializer:json"`
}

func (connectionRow) TableName() string { return "connections" }

// connectionSettings is what of a connection is read and written as a whole.
type connectionSettings struct {
	Tenants          []string         `json:"tenants,omitempty"`
	AnyTenant        bool             `json:"any_tenant,omitempty"`
	PersonalAccounts bool             `json:"personal_accounts,omitempty"`
	Context          string           `json:"context,omitempty"`
	Domains          []string         `json:"domains,omitempty"`
	CreateUsers      bool             `json:"create_users,omitempty"`
	NameClaim        string           `json:"name_claim,omitempty"`
	EmailClaim       string           `json:"email_claim,omitempty"`
	DepartmentClaim  string           `json:"department_claim,omitempty"`
	Roles            []roleMappingRow `json:"roles,omitempty"`
	EndUpstream      bool             `json:"end_upstream,omitempty"`
	DomainHint       string           `json:"domain_hint,omitempty"`
	OwnRedirect      bool             `json:"own_redirect,omitempty"`
}

type roleMappingRow struct {
	Claim  string `json:"claim"`
	Value  string `json:"value"`
	RoleID string `json:"role"`
}

func rowOfConnection(c idp.Connection) connectionRow {
	settings := connectionSettings{
		Tenants: c.Tenants, AnyTenant: c.AnyTenant, PersonalAccounts: c.PersonalAccounts,
		Context: c.Context, Domains: c.Domains, CreateUsers: c.CreateUsers,
		NameClaim: c.Claims.Name, EmailClaim: c.Claims.Email, DepartmentClaim: c.Claims.Department,
		EndUpstream: c.EndUpstream, DomainHint: c.DomainHint, OwnRedirect: c.OwnRedirect,
	}
	for _, m := range c.Roles {
		settings.Roles = append(settings.Roles, roleMappingRow(m))
	}
	return connectionRow{
		ID: c.ID, PopulationID: c.PopulationID, Kind: string(c.Kind), Name: c.Name, Enabled: c.Enabled, Issuer: c.Issuer,
		ClientID: c.ClientID, Secret: notNil(c.Secret), PrivateKey: notNil(c.Key), Certificate: c.Certificate,
		Trust: string(c.Trust), Settings: settings, CreatedAt: c.CreatedAt, Version: c.Version, Taken: taken{},
		UndatedSince: orNull(c.UndatedSince),
	}
}

func (r connectionRow) connection() idp.Connection {
	v := r.Settings
	c := idp.Connection{
		ID: r.ID, PopulationID: r.PopulationID, Kind: idp.ConnectionKind(r.Kind), Name: r.Name, Enabled: r.Enabled, Issuer: r.Issuer,
		Tenants: v.Tenants, AnyTenant: v.AnyTenant, PersonalAccounts: v.PersonalAccounts,
		ClientID: r.ClientID, Secret: orNil(r.Secret), Key: orNil(r.PrivateKey), Certificate: r.Certificate,
		Trust: idp.Trust(r.Trust), Context: v.Context, Domains: v.Domains, CreateUsers: v.CreateUsers,
		Claims:      idp.ClaimNames{Name: v.NameClaim, Email: v.EmailClaim, Department: v.DepartmentClaim},
		EndUpstream: v.EndUpstream, DomainHint: v.DomainHint, OwnRedirect: v.OwnRedirect, CreatedAt: r.CreatedAt.UTC(), Version: r.Version,
		UndatedSince: orZero(r.UndatedSince),
	}
	for _, m := range v.Roles {
		c.Roles = append(c.Roles, idp.RoleMapping(m))
	}
	return c
}

// orNil reads empty bytes as none.
func orNil(b []byte) []byte {
	if len(b) == 0 {
		return nil
	}
	return b
}

// CreateConnection adds a connection.
func (s *Store) CreateConnection(ctx context.Context, c idp.Connection) error {
	row := rowOfConnection(c)
	return written(s.writer(ctx).Create(&row).Error, "connection")
}

// Connections lists the connections of a population (empty: of all), in the order in
// which they were made.
func (s *Store) Connections(ctx context.Context, population string) ([]idp.Connection, error) {
	var rows []connectionRow
	err := s.reader(ctx).Where("? = '' OR population_id = ?", population, population).Order("created_at, id").Find(&rows).Error
	list := make([]idp.Connection, len(rows))
	for i, r := range rows {
		list[i] = r.connection()
	}
	return list, found(err, "connections")
}

// Connection reads one connection.
func (s *Store) Connection(ctx context.Context, id string) (idp.Connection, error) {
	var row connectionRow
	err := s.reader(ctx).Where("id = ?", id).Take(&row).Error
	return row.connection(), found(err, "connection")
}

// SaveConnection writes a connection anew and raises its version. What the change takes
// away is gone for those who came before. idp.ErrConflict: it was changed since.
func (s *Store) SaveConnection(ctx context.Context, c idp.Connection) error {
	row := rowOfConnection(c)
	row.Version++
	return s.Do(ctx, func(ctx context.Context) error {
		var before connectionRow
		err := s.writer(ctx).Where("id = ? AND version = ?", c.ID, c.Version).Take(&before).Error
		if err != nil {
			return changedSince(err, "connection")
		}
		if row.Taken, err = s.take(ctx, before.Taken, idp.LostByConnection(before.connection(), c)); err != nil {
			return err
		}
		return once(s.writer(ctx).Model(&connectionRow{}).Where("id = ? AND version = ?", c.ID, c.Version).
			Select("*").Omit("id", "population_id", "created_at", "undated_since").Updates(&row), "connection", idp.ErrConflict)
	})
}

// MarkUndated records since when a connection's other side has not said when people
// signed in, zero for as soon as it says so again. It is no change of the connection's
// settings, and its version stays.
func (s *Store) MarkUndated(ctx context.Context, id string, since time.Time) error {
	return written(s.writer(ctx).Model(&connectionRow{}).Where("id = ?", id).
		UpdateColumn("undated_since", orNull(since)).Error, "connection")
}

// DeleteConnection removes a connection and its identities. idp.ErrConflict: it was
// changed since.
func (s *Store) DeleteConnection(ctx context.Context, id string, version int64) error {
	return once(s.writer(ctx).Where("id = ? AND version = ?", id, version).Delete(&connectionRow{}), "connection", idp.ErrConflict)
}

// SaveAccess writes how people of a population sign in. What was proved by a way in that
// it closes counts no longer. idp.ErrConflict: the version is not that of now.
func (s *Store) SaveAccess(ctx context.Context, population string, version int64, a idp.Access) error {
	return s.Do(ctx, func(ctx context.Context) error {
		var before populationRow
		err := s.writer(ctx).Where("id = ? AND version = ?", population, version).Take(&before).Error
		if err != nil {
			return changedSince(err, "population")
		}
		lost := idp.LostByAccess(idp.Access{Password: before.AccessPassword, Federated: before.AccessFederated}, a)
		row := populationRow{AccessPassword: a.Password, AccessFederated: a.Federated, Version: version + 1}
		if row.Taken, err = s.take(ctx, before.Taken, lost); err != nil {
			return err
		}
		return once(s.writer(ctx).Model(&populationRow{}).Where("id = ? AND version = ?", population, version).
			Select("access_password", "access_federated", "version", "taken").UpdateColumns(&row), "population", idp.ErrConflict)
	})
}

type identityRow struct {
	ConnectionID string `gorm:"primaryKey"`
	Subject      string `gorm:"primaryKey"`
	UserID       string
	Email        string
	CreatedAt    time.Time
	LastSeenAt   time.Time
	Unproved     bool
}

func (identityRow) TableName() string { return "identities" }

func (r identityRow) identity() idp.Identity {
	return idp.Identity{
		ConnectionID: r.ConnectionID, Subject: r.Subject, UserID: r.UserID, Email: r.Email,
		CreatedAt: r.CreatedAt.UTC(), LastSeenAt: r.LastSeenAt.UTC(), Unproved: r.Unproved,
	}
}

// CreateIdentity links a person with who they are at a connection. idp.ErrConflict:
// either of both is linked already.
func (s *Store) CreateIdentity(ctx context.Context, i idp.Identity) error {
	row := identityRow(i)
	return written(s.writer(ctx).Create(&row).Error, "identity")
}

// Identity finds the identity here of a person at a connection.
func (s *Store) Identity(ctx context.Context, connectionID, subject string) (idp.Identity, error) {
	var row identityRow
	err := s.reader(ctx).Where("connection_id = ? AND subject = ?", connectionID, subject).Take(&row).Error
	return row.identity(), found(err, "identity")
}

// IdentitiesOf lists who a person is elsewhere.
func (s *Store) IdentitiesOf(ctx context.Context, userID string) ([]idp.Identity, error) {
	var rows []identityRow
	err := s.reader(ctx).Where("user_id = ?", userID).Order("created_at, connection_id").Find(&rows).Error
	list := make([]idp.Identity, len(rows))
	for i, r := range rows {
		list[i] = r.identity()
	}
	return list, found(err, "identities")
}

// HasIdentities tells whether anybody is linked to a connection.
func (s *Store) HasIdentities(ctx context.Context, connectionID string) (bool, error) {
	var n int64
	err := s.reader(ctx).Raw("SELECT COUNT(*) FROM (SELECT 1 FROM identities WHERE connection_id = ? LIMIT 1) AS linked", connectionID).Scan(&n).Error
	return n > 0, found(err, "identities")
}

// CountThrough counts the people who are linked to a connection, and the living
// sessions that began with it.
func (s *Store) CountThrough(ctx context.Context, connectionID string) (people, sessions int64, err error) {
	var n struct{ People, Sessions int64 }
	err = s.reader(ctx).Raw(`SELECT (SELECT COUNT(*) FROM identities WHERE connection_id = ?) AS people,
		(SELECT COUNT(*) FROM sessions WHERE connection_id = ? AND connection_id <> '' AND ended_at IS NULL AND expires_at > ?) AS sessions`,
		connectionID, connectionID, idp.Now()).Scan(&n).Error
	return n.People, n.Sessions, found(err, "people of a connection")
}

// SeeIdentity notes that a person came through a connection, and with which address.
func (s *Store) SeeIdentity(ctx context.Context, i idp.Identity) error {
	return written(s.writer(ctx).Model(&identityRow{}).Where("connection_id = ? AND subject = ?", i.ConnectionID, i.Subject).
		UpdateColumns(map[string]any{"email": i.Email, "last_seen_at": i.LastSeenAt}).Error, "identity")
}

// DropIdentity unlinks a person from a connection. idp.ErrNotFound: they were not
// linked.
func (s *Store) DropIdentity(ctx context.Context, connectionID, userID string) error {
	return once(s.writer(ctx).Where("connection_id = ? AND user_id = ?", connectionID, userID).Delete(&identityRow{}), "identity", idp.ErrNotFound)
}

// UpdateProfile writes what another provider says of a person.
func (s *Store) UpdateProfile(ctx context.Context, u idp.User) error {
	return s.Do(ctx, func(ctx context.Context) error {
		err := once(s.writer(ctx).Model(&userRow{}).Where("id = ?", u.ID).UpdateColumns(profileRow(u.Profile).columns(map[string]any{
			"name": u.Name, "department": u.Department, "updated_at": u.UpdatedAt,
		})), "user", idp.ErrNotFound)
		if err != nil {
			return err
		}
		return s.replaceWords(ctx, userRow{ID: u.ID, PopulationID: u.PopulationID, Email: u.Email, Name: u.Name})
	})
}

// SessionsUpstream finds the living sessions of a connection's own session, or
// where sid is empty, of a person at it.
func (s *Store) SessionsUpstream(ctx context.Context, connectionID, sid, subject string) ([]string, error) {
	query, args := "SELECT id FROM sessions WHERE connection_id = ? AND upstream_sid = ? AND ended_at IS NULL", []any{connectionID, sid}
	if sid == "" {
		query = `SELECT s.id FROM sessions s JOIN identities i ON i.user_id = s.user_id AND i.connection_id = s.connection_id
			WHERE i.connection_id = ? AND i.subject = ? AND s.ended_at IS NULL`
		args = []any{connectionID, subject}
	}
	var ids []string
	err := s.reader(ctx).Raw(query, args...).Scan(&ids).Error
	return ids, found(err, fmt.Sprintf("sessions of %s", connectionID))
}

type upstreamLogoutRow struct {
	Hash      []byte `gorm:"primaryKey"`
	ExpiresAt time.Time
}

func (upstreamLogoutRow) TableName() string { return "upstream_logouts" }

// UseLogoutToken notes that a logout token of another provider came, for as long as it
// could come again. idp.ErrUsed: it came before.
func (s *Store) UseLogoutToken(ctx context.Context, hash []byte, expiresAt time.Time) error {
	row := upstreamLogoutRow{Hash: hash, ExpiresAt: expiresAt}
	return once(s.writer(ctx).Clauses(clause.OnConflict{DoNothing: true}).Create(&row), "logout token", idp.ErrUsed)
}

// CountLinked counts the people of a population who are not disabled, and those of
// them who are linked through a connection that is switched on.
func (s *Store) CountLinked(ctx context.Context, population string) (people, linked int64, err error) {
	var n struct{ People, Linked int64 }
	err = s.reader(ctx).Raw(`SELECT
		(SELECT COUNT(*) FROM users WHERE population_id = ? AND NOT disabled) AS people,
		(SELECT COUNT(DISTINCT u.id) FROM connections c JOIN identities i ON i.connection_id = c.id JOIN users u ON u.id = i.user_id
			WHERE c.population_id = ? AND c.enabled AND NOT u.disabled) AS linked`, population, population).Scan(&n).Error
	return n.People, n.Linked, found(err, "linked people")
}

// AdminCanSignIn tells whether some admin can sign in the way that their population
// allows: by a password that they have, or through a connection that they are linked with.
func (s *Store) AdminCanSignIn(ctx context.Context) (bool, error) {
	return s.OtherAdminCanSignIn(ctx, "")
}

// OtherAdminCanSignIn is AdminCanSignIn for admins other than one.
func (s *Store) OtherAdminCanSignIn(ctx context.Context, userID string) (bool, error) {
	var can bool
	err := s.writer(ctx).Raw(`SELECT EXISTS (SELECT 1 FROM user_roles r JOIN users u ON u.id = r.user_id JOIN populations p ON p.id = u.population_id
		WHERE r.role_id = ? AND u.id <> ? AND NOT u.disabled AND (p.access_password AND u.password_hash <> '' OR p.access_federated AND EXISTS
			(SELECT 1 FROM identities i JOIN connections c ON c.id = i.connection_id WHERE i.user_id = u.id AND c.enabled)))`,
		idp.RoleAdmin, userID).Scan(&can).Error
	return can, found(err, "admins")
}
