package store

import (
	"context"
	"time"

	"gatehouse/idp"
)

type flowRow struct {
	ID            string `gorm:"primaryKey"`
	RequestID     string
	BrowserHash   []byte
	ClientID      string
	PopulationID  string
	UserID        string
	Kind          string
	Data          []byte
	Proofs        string
	PolicyVersion int64
	SessionID     string
	Version       int64
	CreatedAt     time.Time
	ExpiresAt     time.Time
}

func (flowRow) TableName() string { return "flows" }

func (r flowRow) flow() (idp.Flow, error) {
	proofs, err := decodeProofs(r.Proofs)
	return idp.Flow{
		ID: r.ID, RequestID: r.RequestID, BrowserHash: r.BrowserHash, ClientID: r.ClientID,
		PopulationID: r.PopulationID, UserID: r.UserID, Kind: r.Kind, Data: r.Data, Proofs: proofs,
		PolicyVersion: r.PolicyVersion, SessionID: r.SessionID, Version: r.Version,
		CreatedAt: r.CreatedAt.UTC(), ExpiresAt: r.ExpiresAt.UTC(),
	}, err
}

// CreateFlow stores a flow that begins.
func (s *Store) CreateFlow(ctx context.Context, f idp.Flow) error {
	return written(s.writer(ctx).Create(&flowRow{
		ID: f.ID, RequestID: f.RequestID, BrowserHash: f.BrowserHash, ClientID: f.ClientID,
		PopulationID: f.PopulationID, UserID: f.UserID, Kind: f.Kind, Data: notNil(f.Data),
		Proofs: encodeProofs(f.Proofs), PolicyVersion: f.PolicyVersion, SessionID: f.SessionID,
		Version: f.Version, CreatedAt: f.CreatedAt, ExpiresAt: f.ExpiresAt,
	}).Error, "flow")
}

// Flow reads a flow, expired or not.
func (s *Store) Flow(ctx context.Context, id string) (idp.Flow, error) {
	var row flowRow
	if err := s.reader(ctx).Where("id = ?", id).Take(&row).Error; err != nil {
		return idp.Flow{}, found(err, "flow")
	}
	return row.flow()
}

// AdvanceFlow writes a flow that was read at f.Version and raises its version.
// idp.ErrConflict: another tab was faster, and nothing was written.
func (s *Store) AdvanceFlow(ctx context.Context, f idp.Flow) error {
	return once(s.writer(ctx).Model(&flowRow{}).
		Where("id = ? AND version = ?", f.ID, f.Version).
		UpdateColumns(map[string]any{
			"population_id": f.PopulationID, "user_id": f.UserID, "kind": f.Kind, "data": notNil(f.Data),
			"proofs": encodeProofs(f.Proofs), "policy_version": f.PolicyVersion,
			"session_id": f.SessionID, "version": f.Version + 1,
		}), "flow", idp.ErrConflict)
}

// notNil stores no bytes as an empty value: SQLite's driver binds nil as NULL.
func notNil(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}
