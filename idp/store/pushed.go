package store

import (
	"context"
	"errors"
	"time"

	"gorm.io/gorm"

	"gatehouse/idp"
)

// PushedRequest is an authorization request that a client pushed (RFC 9126 section 2).
type PushedRequest struct {
	Hash       []byte // SHA-256 of the end of its request_uri
	ClientID   string
	Parameters string // as a form
	// BrowserHash is that of the browser that opened it, empty for none so far.
	BrowserHash          []byte
	CreatedAt, ExpiresAt time.Time
}

type pushedRow struct {
	Hash        []byte `gorm:"primaryKey"`
	ClientID    string
	Parameters  string
	Network     string
	BrowserHash []byte
	CreatedAt   time.Time
	ExpiresAt   time.Time
	KeptUntil   time.Time
}

func (pushedRow) TableName() string { return "pushed_requests" }

// PushRequest stores a request where fewer than most of the client's wait that came from the
// same network. idp.ErrBusy: there are as many. idp.ErrNotFound: the client is gone.
func (s *Store) PushRequest(ctx context.Context, r PushedRequest, most int) error {
	network := idp.VisitFrom(ctx).Network()
	result := s.writer(ctx).Exec(`INSERT INTO pushed_requests (hash, client_id, parameters, network, browser_hash, created_at, expires_at, kept_until)
		SELECT ?, ?, ?, ?, ?, ?, ?, ? WHERE (SELECT COUNT(*) FROM (SELECT 1 FROM pushed_requests
			WHERE client_id = ? AND network = ? AND length(browser_hash) = 0 AND expires_at > ? LIMIT ?) AS waiting) < ?`,
		r.Hash, r.ClientID, r.Parameters, network, []byte{}, r.CreatedAt, r.ExpiresAt, r.ExpiresAt,
		r.ClientID, network, r.CreatedAt, most, most)
	if errors.Is(result.Error, gorm.ErrForeignKeyViolated) {
		return written(result.Error, "client")
	}
	return once(result, "pushed request", idp.ErrBusy)
}

// PushedRequest reads a pushed request, opened or not.
func (s *Store) PushedRequest(ctx context.Context, hash []byte) (PushedRequest, error) {
	var row pushedRow
	err := s.reader(ctx).Where("hash = ?", hash).Take(&row).Error
	return PushedRequest{
		Hash: row.Hash, ClientID: row.ClientID, Parameters: row.Parameters, BrowserHash: row.BrowserHash,
		CreatedAt: row.CreatedAt.UTC(), ExpiresAt: row.ExpiresAt.UTC(),
	}, found(err, "pushed request")
}

// OpenPushed gives a pushed request to the browser that opens it first, and keeps it as long
// as its answer may take. idp.ErrUsed: another browser has it, or it was answered.
func (s *Store) OpenPushed(ctx context.Context, hash, browser []byte, until time.Time) error {
	return once(s.writer(ctx).Model(&pushedRow{}).
		Where("hash = ? AND (length(browser_hash) = 0 OR browser_hash = ?)", hash, browser).
		UpdateColumns(map[string]any{"browser_hash": browser, "kept_until": until}), "pushed request", idp.ErrUsed)
}

// AnswerPushed takes a pushed request out: one code comes of it. idp.ErrUsed: it was answered.
func (s *Store) AnswerPushed(ctx context.Context, hash []byte) error {
	return once(s.writer(ctx).Where("hash = ?", hash).Delete(&pushedRow{}), "pushed request", idp.ErrUsed)
}
