package store

import (
	"context"
	"errors"
	"time"

	"gorm.io/gorm/clause"

	"gatehouse/idp"
)

type tokenRow struct {
	ID         string `gorm:"primaryKey"`
	GrantID    string
	Kind       string
	Hash       []byte
	PreviousID *string
	Scope      string
	CreatedAt  time.Time
	ExpiresAt  time.Time
	RevokedAt  *time.Time
	JKT        string `gorm:"column:jkt"`
	// Of a token that came of an exchange.
	ClientID     string
	ParentID     string
	Resource     string
	GivenVersion int64
}

func (tokenRow) TableName() string { return "tokens" }

func (r tokenRow) token() idp.Token {
	t := idp.Token{
		ID: r.ID, GrantID: r.GrantID, Kind: idp.TokenKind(r.Kind), Hash: r.Hash, Scopes: fromWords(r.Scope),
		CreatedAt: r.CreatedAt.UTC(), ExpiresAt: r.ExpiresAt.UTC(), RevokedAt: orZero(r.RevokedAt), JKT: r.JKT,
		Exchange: idp.Exchange{ClientID: r.ClientID, ParentID: r.ParentID, Resource: r.Resource, GivenVersion: r.GivenVersion},
	}
	if r.PreviousID != nil {
		t.PreviousID = *r.PreviousID
	}
	return t
}

// CreateTokens stores tokens in one statement. A refresh token whose
// predecessor has a successor already is left out: all who present a refresh
// token race for one INSERT, and the unique index picks the winner.
func (s *Store) CreateTokens(ctx context.Context, tokens ...idp.Token) error {
	return s.createTokens(ctx, clause.OnConflict{DoNothing: true}, tokens)
}

// RenewTokens is CreateTokens where a token that is stored already goes on, and lives as long
// as is said now.
func (s *Store) RenewTokens(ctx context.Context, tokens ...idp.Token) error {
	stays := clause.OnConflict{Columns: []clause.Column{{Name: "id"}}, DoUpdates: clause.AssignmentColumns([]string{"expires_at"})}
	return s.createTokens(ctx, stays, tokens)
}

func (s *Store) createTokens(ctx context.Context, conflict clause.OnConflict, tokens []idp.Token) error {
	rows := make([]tokenRow, len(tokens))
	for i, t := range tokens {
		rows[i] = tokenRow{
			ID: t.ID, GrantID: t.GrantID, Kind: string(t.Kind), Hash: t.Hash, Scope: words(t.Scopes),
			CreatedAt: t.CreatedAt, ExpiresAt: t.ExpiresAt, RevokedAt: orNull(t.RevokedAt), JKT: t.JKT,
			ClientID: t.Exchange.ClientID, ParentID: t.Exchange.ParentID, Resource: t.Exchange.Resource, GivenVersion: t.Exchange.GivenVersion,
		}
		if t.PreviousID != "" {
			rows[i].PreviousID = &t.PreviousID
		}
	}
	return written(s.writer(ctx).Clauses(conflict).Create(&rows).Error, "tokens")
}

// TokenState is a token with what decides whether it counts.
type TokenState struct {
	idp.GrantState
	Token idp.Token
	// Exchanged decides what a token is worth that came of an exchange.
	Exchanged idp.ExchangeState
	// ReplacedAt is when a refresh token got its successor, zero if it has none.
	ReplacedAt time.Time
	// SuccessorUsed: the successor was presented, too, and has one of its own.
	SuccessorUsed bool
}

type tokenJoin struct {
	GrantState grantStateJoin `gorm:"embedded"`
	Token      tokenRow       `gorm:"embedded;embeddedPrefix:t_"`
	Exchange   exchangeJoin   `gorm:"embedded"`
	ReplacedAt *time.Time     `gorm:"column:n_created_at"`
	Used       bool           `gorm:"column:n_used"`
}

var selectTokens = "SELECT " + columns(tokenRow{}, "t") + ", n.created_at AS n_created_at, m.id IS NOT NULL AS n_used, " + grantStateColumns + ", " + exchangeColumns("t.parent_id", "t.grant_id") +
	" FROM tokens t JOIN grants g ON g.id = t.grant_id" + grantStateJoins +
	" LEFT JOIN clients xc ON xc.id = t.client_id LEFT JOIN tokens n ON n.previous_id = t.id LEFT JOIN tokens m ON m.previous_id = n.id WHERE t.hash = ?"

// TokenState reads an opaque token by its hash, expired or not.
func (s *Store) TokenState(ctx context.Context, hash []byte) (TokenState, error) {
	var row tokenJoin
	if err := s.reader(ctx).Raw(selectTokens, hash).Take(&row).Error; err != nil {
		return TokenState{}, found(err, "token")
	}
	state, err := row.GrantState.state()
	exchanged, errExchange := row.Exchange.state()
	return TokenState{
		GrantState: state, Token: row.Token.token(), Exchanged: exchanged, ReplacedAt: orZero(row.ReplacedAt), SuccessorUsed: row.Used,
	}, errors.Join(err, errExchange)
}

// slowWrite is how long a write may take before what it wrote as its time is written
// again.
const slowWrite = 250 * time.Millisecond

// CreatedLate moves the time of a refresh token's successor to now, where the write took
// long that began at a moment: the grace of its client counts from when it could know.
// Everybody who waited does so before they answer.
func (s *Store) CreatedLate(ctx context.Context, previousID string, began, now time.Time) error {
	if previousID == "" || now.Sub(began) < slowWrite {
		return nil
	}
	return written(s.writer(ctx).Model(&tokenRow{}).Where("previous_id = ? AND created_at < ?", previousID, now).
		UpdateColumn("created_at", now).Error, "tokens")
}
