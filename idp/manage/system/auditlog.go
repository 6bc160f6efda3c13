package system

import (
	"context"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/manage/authz"
	"gatehouse/idp/manage/entry"
	"gatehouse/idp/store"
)

// AuditQuery asks for events; what is empty does not narrow them.
type AuditQuery struct {
	Kind                                    idp.AuditKind
	UserID, ActorID, ClientID, PopulationID string
	// From From on, and before To.
	From, To time.Time
	After    entry.Cursor
	Limit    int // 1 to 200; zero is 50
}

func (q AuditQuery) Query() (store.AuditQuery, error) {
	after, err := q.After.Position("audit")
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
func (m *Manager) Audit(ctx context.Context, a authz.Actor, q AuditQuery) ([]idp.AuditEvent, entry.Cursor, error) {
	if err := m.Authz.Authorize(ctx, a, authz.Request{Op: "Audit"}); err != nil {
		return nil, "", err
	}
	query, err := q.Query()
	if err != nil {
		return nil, "", err
	}
	limit, err := entry.PageSize(q.Limit)
	if err != nil {
		return nil, "", err
	}
	query.Limit = limit + 1
	events, err := m.Store.AuditPage(ctx, query)
	if err != nil {
		return nil, "", err
	}
	events, next := entry.Page(events, limit, func(e idp.AuditEvent) entry.Position { return entry.Position{List: "audit", ID: e.ID, At: e.At} })
	return events, next, nil
}

// ExportBatch is how many events an export holds in memory.
const ExportBatch = 500

// ExportAudit hands all events that a query finds to each, newest first, batch by
// batch; Limit does not count. An error of each ends it and is returned. No
// statement stays open meanwhile, however slow each is.
func (m *Manager) ExportAudit(ctx context.Context, a authz.Actor, q AuditQuery, each func(idp.AuditEvent) error) error {
	if err := m.Authz.Authorize(ctx, a, authz.Request{Op: "ExportAudit"}); err != nil {
		return err
	}
	query, err := q.Query()
	if err != nil {
		return err
	}
	query.Limit = ExportBatch
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
		if len(events) < ExportBatch {
			return nil
		}
		last := events[len(events)-1]
		query.BeforeAt, query.BeforeID = last.At, last.ID
	}
}
