package store

import (
	"context"
	"fmt"
	"time"

	"gorm.io/gorm/clause"

	"gatehouse/idp"
	"gatehouse/idp/keyring"
)

type signingKeyRow struct {
	ID         string `gorm:"primaryKey"`
	Algorithm  string
	Public     string
	Private    []byte
	CreatedAt  time.Time
	SignsFrom  time.Time
	SignsUntil *time.Time
	ExpiresAt  *time.Time
}

func (signingKeyRow) TableName() string { return "signing_keys" }

// SigningKey is a stored key pair that signs tokens.
type SigningKey struct {
	ID        string // kid
	Algorithm idp.Algorithm
	Public    string // JWK (RFC 7517)
	Private   []byte // PKCS #8, sealed under the keyring
	CreatedAt time.Time
	// SignsFrom is when it takes over: later than CreatedAt, so that relying
	// parties have fetched it by then.
	SignsFrom  time.Time
	SignsUntil time.Time // zero while it signs
	ExpiresAt  time.Time // when it is no longer published; zero while it signs
}

// SigningKeys reads all keys, oldest first.
func (s *Store) SigningKeys(ctx context.Context) ([]SigningKey, error) {
	var rows []signingKeyRow
	if err := s.reader(ctx).Order("created_at, id").Find(&rows).Error; err != nil {
		return nil, found(err, "signing keys")
	}
	keys := make([]SigningKey, len(rows))
	for i, r := range rows {
		keys[i] = SigningKey{
			ID: r.ID, Algorithm: idp.Algorithm(r.Algorithm), Public: r.Public, Private: r.Private,
			CreatedAt: r.CreatedAt.UTC(), SignsFrom: r.SignsFrom.UTC(),
			SignsUntil: orZero(r.SignsUntil), ExpiresAt: orZero(r.ExpiresAt),
		}
	}
	return keys, nil
}

// CreateSigningKey stores a key.
func (s *Store) CreateSigningKey(ctx context.Context, k SigningKey) error {
	return written(s.writer(ctx).Create(&signingKeyRow{
		ID: k.ID, Algorithm: string(k.Algorithm), Public: k.Public, Private: k.Private,
		CreatedAt: k.CreatedAt, SignsFrom: k.SignsFrom,
		SignsUntil: orNull(k.SignsUntil), ExpiresAt: orNull(k.ExpiresAt),
	}).Error, "signing key")
}

// RetireSigningKey sets when a key stops signing and when it disappears. A key
// that was retired before stays as it is.
func (s *Store) RetireSigningKey(ctx context.Context, id string, signsUntil, expiresAt time.Time) error {
	return written(s.writer(ctx).Model(&signingKeyRow{}).
		Where("id = ? AND signs_until IS NULL", id).
		UpdateColumns(map[string]any{"signs_until": signsUntil, "expires_at": expiresAt}).Error, "signing key")
}

// StartSigningKey lets a key that waits for its turn sign from at on.
func (s *Store) StartSigningKey(ctx context.Context, id string, at time.Time) error {
	return written(s.writer(ctx).Model(&signingKeyRow{}).
		Where("id = ? AND signs_from > ?", id, at).UpdateColumn("signs_from", at).Error, "signing key")
}

// ProlongSigningKey moves the moment at which a key stops signing, and at which it
// disappears.
func (s *Store) ProlongSigningKey(ctx context.Context, id string, signsUntil, expiresAt time.Time) error {
	return written(s.writer(ctx).Model(&signingKeyRow{}).Where("id = ? AND signs_until IS NOT NULL", id).
		UpdateColumns(map[string]any{"signs_until": signsUntil, "expires_at": expiresAt}).Error, "signing key")
}

// DeleteSigningKey removes a key: nothing that it signed is known from then on.
func (s *Store) DeleteSigningKey(ctx context.Context, id string) error {
	return written(s.writer(ctx).Where("id = ?", id).Delete(&signingKeyRow{}).Error, "signing key")
}

// LockKeys makes transactions that change the keys run one after the other.
// SQLite has one writer anyway.
func (s *Store) LockKeys(ctx context.Context) error {
	if s.dialect != "postgres" {
		return nil
	}
	const lock = 0x6b657973 // "keys"
	return written(s.writer(ctx).Exec("SELECT pg_advisory_xact_lock(?)", lock).Error, "the keys' lock")
}

type settingRow struct {
	Name      string `gorm:"primaryKey"`
	Value     []byte
	Sealed    bool
	UpdatedAt time.Time
}

func (settingRow) TableName() string { return "settings" }

// Setting reads a value that the program keeps for itself.
func (s *Store) Setting(ctx context.Context, name string) ([]byte, error) {
	var row settingRow
	err := s.reader(ctx).Where("name = ?", name).Take(&row).Error
	return row.Value, found(err, "setting")
}

// CreateSetting stores a value unless there is one, and returns the one that
// stands: replicas that start together agree on the first.
func (s *Store) CreateSetting(ctx context.Context, name string, value []byte, sealed bool) ([]byte, error) {
	row := settingRow{Name: name, Value: value, Sealed: sealed, UpdatedAt: idp.Now()}
	err := s.writer(ctx).Clauses(clause.OnConflict{DoNothing: true}).Create(&row).Error
	if err != nil {
		return nil, written(err, "setting")
	}
	return s.Setting(ctx, name)
}

// HasSealedSettings tells whether a keyring has sealed anything here: each
// installation seals secrets of its own at its first start.
func (s *Store) HasSealedSettings(ctx context.Context) (bool, error) {
	var n int64
	err := s.reader(ctx).Model(&settingRow{}).Where("sealed").Limit(1).Count(&n).Error
	return n > 0, found(err, "settings")
}

// Sealed is one value that is encrypted under the keyring.
type Sealed struct {
	Table, ID, Column string
	Value             []byte
}

// AAD is what the value is bound to, so that it cannot be moved to another row.
func (v Sealed) AAD() string { return keyring.AAD(v.Table, v.ID, v.Column) }

// sealedColumns are all columns that hold sealed values for longer than a flow. A row
// may have none: what is sealed is never empty. What a link or a delivery was for is
// of no use once it is done.
var sealedColumns = []struct{ table, id, column, where string }{
	{"factors", "id", "secret", ""},
	{"recovery_codes", "id", "sealed", ""},
	{"signing_keys", "id", "private", ""},
	{"settings", "name", "value", "AND sealed"},
	{"connections", "id", "secret", ""},
	{"connections", "id", "private_key", ""},
	{"sessions", "id", "upstream_sign_out", ""},
	{"outbox", "id", "body", "AND done_at IS NULL"},
	{"links", "id", "body", "AND used_at IS NULL"},
}

// SealedColumns are the columns that EachSealed visits, as table.column.
func SealedColumns() []string {
	var names []string
	for _, c := range sealedColumns {
		names = append(names, c.table+"."+c.column)
	}
	return names
}

// EachSealed calls fn for every sealed value, in batches.
func (s *Store) EachSealed(ctx context.Context, fn func(Sealed) error) error {
	for _, c := range sealedColumns {
		after := ""
		for {
			var rows []struct {
				ID    string
				Value []byte
			}
			err := s.reader(ctx).Raw(fmt.Sprintf("SELECT %s AS id, %s AS value FROM %s WHERE length(%s) > 0 %s AND %s > ? ORDER BY %s LIMIT 500",
				c.id, c.column, c.table, c.column, c.where, c.id, c.id), after).Scan(&rows).Error
			if err != nil {
				return found(err, "sealed values of "+c.table)
			}
			for _, r := range rows {
				if err := fn(Sealed{Table: c.table, ID: r.ID, Column: c.column, Value: r.Value}); err != nil {
					return err
				}
				after = r.ID
			}
			if len(rows) == 0 {
				break
			}
		}
	}
	return nil
}

// ReplaceSealed writes a value that was sealed again. idp.ErrConflict: it changed since
// it was read, or is gone.
func (s *Store) ReplaceSealed(ctx context.Context, old Sealed, value []byte) error {
	for _, c := range sealedColumns {
		if c.table == old.Table && c.column == old.Column {
			return once(s.writer(ctx).Table(c.table).
				Where(fmt.Sprintf("%s = ? AND %s = ?", c.id, c.column), old.ID, old.Value).
				UpdateColumn(c.column, value), "sealed value of "+c.table, idp.ErrConflict)
		}
	}
	return fmt.Errorf("%w: %s.%s holds no sealed values", idp.ErrInvalid, old.Table, old.Column)
}
