package store

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"gatehouse/idp"
)

type auditRow struct {
	ID           string `gorm:"primaryKey"`
	At           time.Time
	Kind         string
	ActorID      string
	UserID       string
	PopulationID string
	ClientID     string
	SessionID    string
	Address      string
	UserAgent    string
	RequestID    string
	Detail       string
}

func (auditRow) TableName() string { return "audit_events" }

// Audit records what happened, in the transaction of ctx if there is one. Id,
// time and the visit (address, browser, request) are filled in where missing.
func (s *Store) Audit(ctx context.Context, events ...idp.AuditEvent) error {
	visit := idp.VisitFrom(ctx)
	rows := make([]auditRow, len(events))
	for i, e := range events {
		detail := []byte("{}")
		if len(e.Detail) > 0 {
			detail, _ = json.Marshal(e.Detail) // strings always marshal
		}
		rows[i] = auditRow{
			ID: idp.NewID(), At: idp.Now(), Kind: string(e.Kind), ActorID: e.ActorID, UserID: e.UserID,
			PopulationID: e.PopulationID, ClientID: e.ClientID, SessionID: e.SessionID,
			Address: visit.Address, UserAgent: visit.UserAgent, RequestID: visit.RequestID, Detail: string(detail),
		}
	}
	return written(s.writer(ctx).Create(&rows).Error, "audit event")
}

// AuditEvents reads the newest events, newest first, at most limit; kind and
// user narrow them when not empty.
func (s *Store) AuditEvents(ctx context.Context, kind idp.AuditKind, userID string, limit int) ([]idp.AuditEvent, error) {
	q := s.reader(ctx).Order("at DESC, id DESC").Limit(limit)
	if kind != "" {
		q = q.Where("kind = ?", string(kind))
	}
	if userID != "" {
		q = q.Where("user_id = ?", userID)
	}
	var rows []auditRow
	if err := q.Find(&rows).Error; err != nil {
		return nil, found(err, "audit events")
	}
	events := make([]idp.AuditEvent, len(rows))
	for i, r := range rows {
		events[i] = idp.AuditEvent{
			ID: r.ID, At: r.At.UTC(), Kind: idp.AuditKind(r.Kind), ActorID: r.ActorID, UserID: r.UserID,
			PopulationID: r.PopulationID, ClientID: r.ClientID, SessionID: r.SessionID,
			Address: r.Address, UserAgent: r.UserAgent, RequestID: r.RequestID,
		}
		if err := json.Unmarshal([]byte(r.Detail), &events[i].Detail); err != nil {
			return nil, fmt.Errorf("read the detail of audit event %s: %w", r.ID, err)
		}
	}
	return events, nil
}
