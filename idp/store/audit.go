package store

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"time"

	"gorm.io/gorm/clause"

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
	Fold         string
	Times        int64
	LastAt       *time.Time
}

func (auditRow) TableName() string { return "audit_events" }

// serviceDetail is the detail that says which service acted. Its id stands in the
// column of the actor too, so that what it did is found like what a person did.
const serviceDetail = "service"

// Audit records what happened; where an event of a kind that anybody can cause stands
// already, it counts one more there (idp.AuditKind.Folds), in its place: who has read
// past it does not see it again. It writes in the transaction of ctx if there is one. Id,
// time and the visit (address, browser, request) are filled in where missing.
func (s *Store) Audit(ctx context.Context, events ...idp.AuditEvent) error {
	err := s.audit(ctx, events)
	if err == nil && s.heard != nil {
		s.AfterCommit(ctx, func() {
			for _, e := range events {
				s.heard(e)
			}
		})
	}
	return err
}

func (s *Store) audit(ctx context.Context, events []idp.AuditEvent) error {
	visit := idp.VisitFrom(ctx)
	var rows []auditRow
	for _, e := range events {
		detail := []byte("{}")
		if len(e.Detail) > 0 {
			detail, _ = json.Marshal(e.Detail) // strings always marshal
		}
		row := auditRow{
			ID: idp.NewID(), At: idp.Now(), Kind: string(e.Kind), ActorID: cmp.Or(e.ActorID, e.Detail[serviceDetail]), UserID: e.UserID,
			PopulationID: e.PopulationID, ClientID: e.ClientID, SessionID: e.SessionID,
			Address: visit.Address, UserAgent: visit.UserAgent, RequestID: visit.RequestID, Detail: string(detail), Times: 1,
		}
		if !e.Kind.Folds() {
			rows = append(rows, row)
			continue
		}
		row.Fold = fold(row, visit, e.Detail)
		if err := written(s.writer(ctx).Clauses(oneMore).Create(&row).Error, "audit event"); err != nil {
			return err
		}
	}
	if len(rows) == 0 {
		return nil
	}
	return written(s.writer(ctx).Create(&rows).Error, "audit event")
}

// foldWindow is how long refusals of one kind are counted as one.
const foldWindow = time.Hour

// fold is what refusals that are counted as one have in common. Nothing of it is the
// visitor's to make up, or each could have a row of its own.
func fold(r auditRow, v idp.Visit, detail map[string]string) string {
	parts, _ := json.Marshal([]string{ // strings always marshal
		r.Kind, v.Network(), r.ActorID, r.UserID, r.PopulationID, r.ClientID, r.At.Truncate(foldWindow).Format(time.RFC3339),
		detail["reason"], detail["by"], detail["connection"], detail["subject"], detail["grant"], detail["operation"],
	})
	sum := sha256.Sum256(parts)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// oneMore counts an event that stands already, in the statement that writes the first.
var oneMore = clause.OnConflict{
	Columns:     []clause.Column{{Name: "fold"}},
	TargetWhere: clause.Where{Exprs: []clause.Expression{clause.Expr{SQL: "fold <> ''"}}},
	DoUpdates: clause.Set{
		{Column: clause.Column{Name: "times"}, Value: clause.Expr{SQL: "audit_events.times + 1"}},
		// Of refusals at once, one that was earlier may be written later.
		{Column: clause.Column{Name: "last_at"}, Value: clause.Expr{SQL: "CASE WHEN excluded.at > COALESCE(audit_events.last_at, audit_events.at) " +
			"THEN excluded.at ELSE COALESCE(audit_events.last_at, audit_events.at) END"}},
	},
}

// AuditEvents reads the newest events, newest first, at most limit; kind and
// user narrow them when not empty.
func (s *Store) AuditEvents(ctx context.Context, kind idp.AuditKind, userID string, limit int) ([]idp.AuditEvent, error) {
	return s.AuditPage(ctx, AuditQuery{Kind: kind, UserID: userID, Limit: limit})
}

// AuditQuery narrows the audit log; what is empty does not.
type AuditQuery struct {
	Kind                                    idp.AuditKind
	UserID, ActorID, ClientID, PopulationID string
	From, To                                time.Time // from From on, before To
	// BeforeAt and BeforeID are the last event's of the page before.
	BeforeAt time.Time
	BeforeID string
	Limit    int
}

// AuditPage reads events, newest first.
func (s *Store) AuditPage(ctx context.Context, q AuditQuery) ([]idp.AuditEvent, error) {
	text, args := q.sql()
	var rows []auditRow
	if err := s.reader(ctx).Raw(text, args...).Scan(&rows).Error; err != nil {
		return nil, found(err, "audit events")
	}
	events := make([]idp.AuditEvent, len(rows))
	for i, r := range rows {
		var err error
		if events[i], err = r.event(); err != nil {
			return nil, err
		}
	}
	return events, nil
}

func (q AuditQuery) sql() (string, []any) {
	var c conditions
	if q.Kind != "" {
		c.add("kind = ?", string(q.Kind))
	}
	for _, f := range []struct{ column, value string }{
		{"user_id", q.UserID}, {"actor_id", q.ActorID}, {"client_id", q.ClientID}, {"population_id", q.PopulationID},
	} {
		if f.value != "" {
			// The second part is for the index, which leaves empty ones out.
			c.add(f.column+" = ? AND "+f.column+" <> ''", f.value)
		}
	}
	if !q.From.IsZero() {
		c.add("at >= ?", q.From)
	}
	if !q.To.IsZero() {
		c.add("at < ?", q.To)
	}
	if q.BeforeID != "" {
		c.add("(at, id) < (?, ?)", q.BeforeAt, q.BeforeID)
	}
	return "SELECT * FROM audit_events" + c.where() + " ORDER BY at DESC, id DESC LIMIT ?", append(c.args, q.Limit)
}

func (r auditRow) event() (idp.AuditEvent, error) {
	e := idp.AuditEvent{
		ID: r.ID, At: r.At.UTC(), Kind: idp.AuditKind(r.Kind), ActorID: r.ActorID, UserID: r.UserID,
		PopulationID: r.PopulationID, ClientID: r.ClientID, SessionID: r.SessionID,
		Address: r.Address, UserAgent: r.UserAgent, RequestID: r.RequestID,
	}
	if r.LastAt != nil {
		e.Times, e.LastAt = int(r.Times), r.LastAt.UTC()
	}
	if err := json.Unmarshal([]byte(r.Detail), &e.Detail); err != nil {
		return e, fmt.Errorf("read the detail of audit event %s: %w", r.ID, err)
	}
	if e.ActorID == e.Detail[serviceDetail] {
		e.ActorID = "" // no person acted
	}
	return e, nil
}

// addressDetails are the details of events that hold a whole address.
var addressDetails = []string{"before.email", "after.email"}

// MaskAddresses masks what the audit log says of a person's addresses, who is about to
// be forgotten.
func (s *Store) MaskAddresses(ctx context.Context, userID string) error {
	var rows []auditRow
	err := s.writer(ctx).Where("user_id = ? AND user_id <> '' AND kind = ?", userID, string(idp.AuditUserChanged)).Find(&rows).Error
	if err != nil {
		return found(err, "audit events")
	}
	for _, r := range rows {
		e, err := r.event()
		if err != nil {
			return err
		}
		masked := false
		for _, name := range addressDetails {
			if address, ok := e.Detail[name]; ok {
				e.Detail[name], masked = idp.MaskEmail(address), true
			}
		}
		if !masked {
			continue
		}
		detail, _ := json.Marshal(e.Detail) // strings always marshal
		if err := written(s.writer(ctx).Model(&auditRow{}).Where("id = ?", r.ID).UpdateColumn("detail", string(detail)).Error, "audit event"); err != nil {
			return err
		}
	}
	return nil
}
