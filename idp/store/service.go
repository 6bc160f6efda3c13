package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"gatehouse/idp"
)

type clientRoleRow struct {
	ClientID string `gorm:"primaryKey"`
	RoleID   string `gorm:"primaryKey"`
}

func (clientRoleRow) TableName() string { return "client_roles" }

// insertClientRoles stores the roles of a new client.
func (s *Store) insertClientRoles(ctx context.Context, c idp.Client) error {
	if len(c.Roles) == 0 {
		return nil
	}
	rows := make([]clientRoleRow, len(c.Roles))
	for i, role := range c.Roles {
		rows[i] = clientRoleRow{ClientID: c.ID, RoleID: role}
	}
	err := s.writer(ctx).Clauses(clause.OnConflict{DoNothing: true}).Create(&rows).Error
	if errors.Is(err, gorm.ErrForeignKeyViolated) {
		return fmt.Errorf("role of a client: %w", idp.ErrNotFound)
	}
	return written(err, "roles of a client")
}

// clientRoleJoin is one of the rows of a client: there is one for each role.
type clientRoleJoin struct {
	Client clientRow `gorm:"embedded;embeddedPrefix:c_"`
	Role   *string   `gorm:"column:r_role_id"`
}

var clientColumns = columns(clientRow{}, "c") + ", r.role_id AS r_role_id"

const clientRoles = " LEFT JOIN client_roles r ON r.client_id = c.id"

// readClient reads a client with its roles, in the order of their ids.
func (s *Store) readClient(ctx context.Context, id string) (idp.Client, error) {
	var rows []clientRoleJoin
	err := s.reader(ctx).Raw("SELECT "+clientColumns+" FROM clients c"+clientRoles+
		" WHERE c.id = ? ORDER BY r.role_id", id).Scan(&rows).Error
	if err == nil && len(rows) == 0 {
		err = gorm.ErrRecordNotFound
	}
	if err != nil {
		return idp.Client{}, found(err, "client")
	}
	return joinedClient(rows)
}

func joinedClient(rows []clientRoleJoin) (idp.Client, error) {
	c, err := rows[0].Client.client()
	for _, r := range rows {
		if r.Role != nil {
			c.Roles = append(c.Roles, *r.Role)
		}
	}
	return c, err
}

// addRoles reads the roles of clients that come without, in one statement; in none
// where no client can have any.
func (s *Store) addRoles(ctx context.Context, clients ...*idp.Client) error {
	byID := map[string]*idp.Client{}
	var ids []string
	for _, c := range clients {
		if c.Kind == idp.ServiceClient {
			byID[c.ID] = c
			ids = append(ids, c.ID)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	var rows []clientRoleRow
	err := s.reader(ctx).Where("client_id IN ?", ids).Order("client_id, role_id").Find(&rows).Error
	for _, r := range rows {
		byID[r.ClientID].Roles = append(byID[r.ClientID].Roles, r.RoleID)
	}
	return found(err, "roles of clients")
}

type serviceTokenRow struct {
	ID           string `gorm:"primaryKey"`
	ClientID     string
	Hash         []byte
	Scope        string
	CreatedAt    time.Time
	ExpiresAt    time.Time
	RevokedAt    *time.Time
	GivenVersion int64
	Resource     string
	JKT          string `gorm:"column:jkt"`
}

func (serviceTokenRow) TableName() string { return "service_tokens" }

func newServiceTokenRow(t idp.ServiceToken) serviceTokenRow {
	return serviceTokenRow{
		ID: t.ID, ClientID: t.ClientID, Hash: t.Hash, Scope: words(t.Scopes),
		CreatedAt: t.CreatedAt, ExpiresAt: t.ExpiresAt, RevokedAt: orNull(t.RevokedAt), GivenVersion: t.GivenVersion, Resource: t.Resource, JKT: t.JKT,
	}
}

func (r serviceTokenRow) token() idp.ServiceToken {
	if r.ID == "" {
		return idp.ServiceToken{} // an outer join without a match
	}
	return idp.ServiceToken{
		ID: r.ID, ClientID: r.ClientID, Hash: r.Hash, Scopes: fromWords(r.Scope),
		CreatedAt: r.CreatedAt.UTC(), ExpiresAt: r.ExpiresAt.UTC(), RevokedAt: orZero(r.RevokedAt), GivenVersion: r.GivenVersion, Resource: r.Resource, JKT: r.JKT,
	}
}

// CreateServiceToken stores an opaque token of a service, given now where it does not say
// when. idp.ErrNotFound: its
// client is gone.
func (s *Store) CreateServiceToken(ctx context.Context, t idp.ServiceToken) error {
	row := newServiceTokenRow(t)
	names, values := namesAndValues(ctx, &row)
	err := s.writer(ctx).Exec("INSERT INTO service_tokens ("+strings.Join(names, ", ")+") VALUES ("+placeholders(names, "given_version", numberNow)+")", values...).Error
	if errors.Is(err, gorm.ErrForeignKeyViolated) {
		return fmt.Errorf("token of a service: %w", idp.ErrNotFound)
	}
	return written(err, "token of a service")
}

type serviceJoin struct {
	Client clientRoleJoin  `gorm:"embedded"`
	Token  serviceTokenRow `gorm:"embedded;embeddedPrefix:t_"`
}

var selectServices = "SELECT " + clientColumns + ", " + columns(serviceTokenRow{}, "t") + " FROM "

// ServiceByToken reads an opaque token of a service by its hash, expired or not.
func (s *Store) ServiceByToken(ctx context.Context, hash []byte) (idp.ServiceState, error) {
	return s.serviceState(ctx, "service_tokens t JOIN clients c ON c.id = t.client_id"+clientRoles+
		" WHERE t.hash = ? ORDER BY r.role_id", hash)
}

// ServiceByJWT reads what stands behind a JWT of a service: the client as it is
// now, and the token's row where it was revoked.
func (s *Store) ServiceByJWT(ctx context.Context, clientID, jti string) (idp.ServiceState, error) {
	return s.serviceState(ctx, "clients c LEFT JOIN service_tokens t ON t.id = ? AND t.client_id = c.id"+clientRoles+
		" WHERE c.id = ? ORDER BY r.role_id", jti, clientID)
}

func (s *Store) serviceState(ctx context.Context, from string, args ...any) (idp.ServiceState, error) {
	var rows []serviceJoin
	err := s.reader(ctx).Raw(selectServices+from, args...).Scan(&rows).Error
	if err == nil && len(rows) == 0 {
		err = gorm.ErrRecordNotFound
	}
	if err != nil {
		return idp.ServiceState{}, found(err, "token of a service")
	}
	joins := make([]clientRoleJoin, len(rows))
	for i, r := range rows {
		joins[i] = r.Client
	}
	client, err := joinedClient(joins)
	return idp.ServiceState{Token: rows[0].Token.token(), Client: client, Taken: rows[0].Client.Client.Taken.vocabulary()}, err
}

// RevokeServiceToken ends an opaque token of a service. It returns false when it
// had been revoked before.
func (s *Store) RevokeServiceToken(ctx context.Context, id string, at time.Time) (bool, error) {
	r := s.writer(ctx).Model(&serviceTokenRow{}).Where("id = ? AND revoked_at IS NULL", id).UpdateColumn("revoked_at", at)
	return r.RowsAffected == 1, written(r.Error, "token of a service")
}

// RevokeServiceJWT records that a JWT of a service was revoked. It returns false
// when it had been before.
func (s *Store) RevokeServiceJWT(ctx context.Context, t idp.ServiceToken) (bool, error) {
	row := newServiceTokenRow(t)
	return tombstone(s.writer(ctx).Clauses(clause.OnConflict{DoNothing: true}).Create(&row))
}

// RevokeToken ends one stored token of a grant. It returns false when it had been
// revoked before.
func (s *Store) RevokeToken(ctx context.Context, id string, at time.Time) (bool, error) {
	r := s.writer(ctx).Model(&tokenRow{}).Where("id = ? AND revoked_at IS NULL", id).UpdateColumn("revoked_at", at)
	return r.RowsAffected == 1, written(r.Error, "token")
}

// RevokeJWT records that a JWT access token of a grant was revoked. It returns
// false when it had been before.
func (s *Store) RevokeJWT(ctx context.Context, t idp.Token) (bool, error) {
	row := tokenRow{
		ID: t.ID, GrantID: t.GrantID, Kind: string(t.Kind), Hash: t.Hash, Scope: words(t.Scopes),
		CreatedAt: t.CreatedAt, ExpiresAt: t.ExpiresAt, RevokedAt: orNull(t.RevokedAt),
	}
	return tombstone(s.writer(ctx).Clauses(clause.OnConflict{DoNothing: true}).Create(&row))
}

// tombstone reads the outcome of recording a revocation. idp.ErrNotFound: the
// token's client or grant is gone, and the token with it.
func tombstone(r *gorm.DB) (bool, error) {
	if errors.Is(r.Error, gorm.ErrForeignKeyViolated) {
		return false, fmt.Errorf("revocation of a token: %w", idp.ErrNotFound)
	}
	return r.RowsAffected == 1, written(r.Error, "revocation of a token")
}

var selectJWT = "SELECT " + columns(tokenRow{}, "t") + ", " + grantStateColumns + ", " + exchangeColumns("?", "g.id") + " FROM grants g" + grantStateJoins +
	" LEFT JOIN clients xc ON xc.id = ? LEFT JOIN tokens t ON t.id = ? AND t.grant_id = g.id WHERE g.id = ?"

// JWTState reads the grant of a JWT access token, and its row where it was revoked. e is how it
// came of another, zero where it did not.
func (s *Store) JWTState(ctx context.Context, grantID, jti string, e idp.Exchange) (TokenState, error) {
	var row tokenJoin
	if err := s.reader(ctx).Raw(selectJWT, e.ParentID, e.ClientID, jti, grantID).Take(&row).Error; err != nil {
		return TokenState{}, found(err, "grant")
	}
	state, err := row.GrantState.state()
	exchanged, errExchange := row.Exchange.state()
	return TokenState{GrantState: state, Token: row.Token.token(), Exchanged: exchanged}, errors.Join(err, errExchange)
}
