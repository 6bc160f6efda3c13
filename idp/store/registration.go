package store

import (
	"context"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/settings"
)

type initialTokenRow struct {
	ID          string `gorm:"primaryKey"`
	Hash        []byte
	Settings    string
	Uses        int64
	CreatedBy   string
	CreatedAt   time.Time
	ExpiresAt   time.Time
	UsedAt      *time.Time
	WithdrawnAt *time.Time
}

func (initialTokenRow) TableName() string { return "initial_tokens" }

var initialTokenFields = settings.InitialToken()

func (r initialTokenRow) token() (idp.InitialToken, error) {
	t := idp.InitialToken{
		ID: r.ID, Hash: r.Hash, Uses: int(r.Uses), CreatedBy: r.CreatedBy, CreatedAt: r.CreatedAt.UTC(), ExpiresAt: r.ExpiresAt.UTC(),
		UsedAt: orZero(r.UsedAt), WithdrawnAt: orZero(r.WithdrawnAt),
	}
	return t, initialTokenFields.FromColumn(r.Settings, &t)
}

type registrationRow struct {
	ClientID  string `gorm:"primaryKey"`
	TokenID   string
	Hash      []byte
	CreatedAt time.Time
}

func (registrationRow) TableName() string { return "registrations" }

// CreateInitialToken stores an initial access token.
func (s *Store) CreateInitialToken(ctx context.Context, t idp.InitialToken) error {
	column, err := initialTokenFields.ToColumn("", t)
	if err != nil {
		return err
	}
	return written(s.writer(ctx).Create(&initialTokenRow{
		ID: t.ID, Hash: t.Hash, Settings: column, Uses: int64(t.Uses), CreatedBy: t.CreatedBy, CreatedAt: t.CreatedAt, ExpiresAt: t.ExpiresAt,
		UsedAt: orNull(t.UsedAt), WithdrawnAt: orNull(t.WithdrawnAt),
	}).Error, "initial access token")
}

// InitialTokens reads up to limit of them, the newest first, those before an id; an empty id
// means from the newest.
func (s *Store) InitialTokens(ctx context.Context, beforeID string, limit int) ([]idp.InitialToken, error) {
	query := s.reader(ctx)
	if beforeID != "" {
		query = query.Where("id < ?", beforeID)
	}
	var rows []initialTokenRow
	if err := query.Order("id DESC").Limit(limit).Find(&rows).Error; err != nil {
		return nil, found(err, "initial access tokens")
	}
	list := make([]idp.InitialToken, len(rows))
	for i, r := range rows {
		var err error
		if list[i], err = r.token(); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// InitialToken reads one by its id, also after its end.
func (s *Store) InitialToken(ctx context.Context, id string) (idp.InitialToken, error) {
	return s.initialToken(ctx, "id = ?", id)
}

// InitialTokenByHash reads one by its hash, also after its end.
func (s *Store) InitialTokenByHash(ctx context.Context, hash []byte) (idp.InitialToken, error) {
	return s.initialToken(ctx, "hash = ?", hash)
}

func (s *Store) initialToken(ctx context.Context, where string, value any) (idp.InitialToken, error) {
	var row initialTokenRow
	if err := s.reader(ctx).Where(where, value).Take(&row).Error; err != nil {
		return idp.InitialToken{}, found(err, "initial access token")
	}
	return row.token()
}

// UseInitialToken counts an app that is registered by a token. idp.ErrUsed: there is none left,
// or the token has ended.
func (s *Store) UseInitialToken(ctx context.Context, t idp.InitialToken, at time.Time) error {
	return once(s.writer(ctx).Exec(
		"UPDATE initial_tokens SET uses = uses + 1, used_at = ? WHERE id = ? AND withdrawn_at IS NULL AND expires_at > ? AND uses < ?",
		at, t.ID, at, t.Policy.MaxApps), "initial access token", idp.ErrUsed)
}

// WithdrawInitialToken ends one for good. idp.ErrUsed: it was withdrawn before.
func (s *Store) WithdrawInitialToken(ctx context.Context, id string, at time.Time) error {
	return once(s.writer(ctx).Model(&initialTokenRow{}).Where("id = ? AND withdrawn_at IS NULL", id).
		UpdateColumn("withdrawn_at", at), "initial access token", idp.ErrUsed)
}

// CreateRegistration stores that an app registered itself.
func (s *Store) CreateRegistration(ctx context.Context, r idp.ClientRegistration) error {
	return written(s.writer(ctx).Create(&registrationRow{ClientID: r.ClientID, TokenID: r.TokenID, Hash: r.Hash, CreatedAt: r.CreatedAt}).Error, "registration")
}

// Registration reads how an app registered itself. idp.ErrNotFound: it did not.
func (s *Store) Registration(ctx context.Context, clientID string) (idp.ClientRegistration, error) {
	var r registrationRow
	if err := s.reader(ctx).Where("client_id = ?", clientID).Take(&r).Error; err != nil {
		return idp.ClientRegistration{}, found(err, "registration")
	}
	return idp.ClientRegistration{ClientID: r.ClientID, TokenID: r.TokenID, Hash: r.Hash, CreatedAt: r.CreatedAt.UTC()}, nil
}
