package manage

import (
	"context"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/store"
)

// AuditQuery asks for events; what is empty does not narrow them.
type AuditQuery struct {
	Kind                                    idp.AuditKind
	UserID, ActorID, ClientID, PopulationID string
	// From From on, and before To.
	From, To time.Time
	After    Cursor
	Limit    int // 1 to 200; zero is 50
}

func (q AuditQuery) query() (store.AuditQuery, error) {
	after, err := q.After.position("audit")
	if err != nil {
		return store.AuditQuery{}, err
	}
	return store.AuditQuery{
		Kind: q.Kind, UserID: q.UserID, ActorID: q.ActorID, ClientID: q.ClientID, PopulationID: q.PopulationID,
		From: q.From.UTC(), To: q.To.UTC(), BeforeAt: after.At, BeforeID: after.ID,
	}, nil
}

// Audit reads a page of the audit log, newest first, and where the next begins,
// empty at the end.
func (m *Manager) Audit(ctx context.Context, a Actor, q AuditQuery) ([]idp.AuditEvent, Cursor, error) {
	if err := m.allow(ctx, a, request{op: "Audit"}); err != nil {
		return nil, "", err
	}
	query, err := q.query()
	if err != nil {
		return nil, "", err
	}
	limit, err := pageSize(q.Limit)
	if err != nil {
		return nil, "", err
	}
	query.Limit = limit + 1
	events, err := m.Store.AuditPage(ctx, query)
	if err != nil {
		return nil, "", err
	}
	events, next := page(events, limit, func(e idp.AuditEvent) position { return position{List: "audit", ID: e.ID, At: e.At} })
	return events, next, nil
}

// exportBatch is how many events an export holds in memory.
const exportBatch = 500

// ExportAudit hands all events that a query finds to each, newest first, batch by
// batch; Limit does not count. An error of each ends it and is returned. No
// statement stays open meanwhile, however slow each is.
func (m *Manager) ExportAudit(ctx context.Context, a Actor, q AuditQuery, each func(idp.AuditEvent) error) error {
	if err := m.allow(ctx, a, request{op: "ExportAudit"}); err != nil {
		return err
	}
	query, err := q.query()
	if err != nil {
		return err
	}
	query.Limit = exportBatch
	for {
		events, err := m.Store.AuditPage(ctx, query)
		if err != nil {
			return err
		}
		for _, e := range events {
			if err := each(e); err != nil {
				return err
			}
		}
		if len(events) < exportBatch {
			return nil
		}
		last := events[len(events)-1]
		query.BeforeAt, query.BeforeID = last.At, last.ID
	}
}
