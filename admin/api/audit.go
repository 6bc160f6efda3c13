package api

import (
	"encoding/json"
	"io"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/manage/system"
	"gatehouse/idp/web"
)

func auditOperations() []operation {
	const narrowed = "kind user_id actor_id client_id population from to"
	return []operation{
		{ID: "listAuditEvents", Route: "GET /audit-events", Manage: "Audit", Query: narrowed + " after limit", Answer: list{"events", AuditEvent{}}, run: listAuditEvents},
		{ID: "exportAuditEvents", Route: "GET /audit-events/export", Manage: "ExportAudit", Query: narrowed, Media: "application/jsonl", run: exportAuditEvents},
	}
}

// AuditEvent is who did what to whom.
type AuditEvent struct {
	ID         string            `json:"id"`
	At         time.Time         `json:"at"`
	Kind       string            `json:"kind"`
	Times      int               `json:"times,omitempty"`
	LastAt     time.Time         `json:"last_at,omitzero"`
	ActorID    string            `json:"actor_id,omitempty"`
	UserID     string            `json:"user_id,omitempty"`
	Population string            `json:"population,omitempty"`
	ClientID   string            `json:"client_id,omitempty"`
	SessionID  string            `json:"session_id,omitempty"`
	Address    string            `json:"address,omitempty"`
	UserAgent  string            `json:"user_agent,omitempty"`
	RequestID  string            `json:"request_id,omitempty"`
	Detail     map[string]string `json:"detail"`
}

func (v *call) auditQuery() system.AuditQuery {
	from, _ := time.Parse(time.RFC3339, v.Query("from")) // which were checked
	to, _ := time.Parse(time.RFC3339, v.Query("to"))
	q := system.AuditQuery{
		Kind: idp.AuditKind(v.Query("kind")), UserID: v.Query("user_id"), ActorID: v.Query("actor_id"),
		ClientID: v.Query("client_id"), PopulationID: v.Query("population"), From: from, To: to,
	}
	q.After, q.Limit = v.page()
	return q
}

func listAuditEvents(v *call) (any, error) {
	events, next, err := v.manage.System.Audit(v.ctx, v.actor, v.auditQuery())
	if err != nil {
		return nil, err
	}
	return rows(v, events, next, eventOf), nil
}

func eventOf(e idp.AuditEvent) AuditEvent {
	event := AuditEvent{
		ID: e.ID, At: e.At, Kind: string(e.Kind), ActorID: e.ActorID, UserID: e.UserID, Population: e.PopulationID,
		ClientID: e.ClientID, SessionID: e.SessionID, Address: e.Address, UserAgent: e.UserAgent, RequestID: e.RequestID,
		Detail: e.Detail, LastAt: e.LastAt,
	}
	if e.Times > 1 {
		event.Times = e.Times
	}
	if event.Detail == nil {
		event.Detail = map[string]string{}
	}
	return event
}

// exportAuditEvents writes events as they come. When it breaks off, so does the
// connection: half an export must not look whole.
func exportAuditEvents(v *call) (any, error) {
	return nil, web.Whole(v.Writer, "application/jsonl", "", func(w io.Writer) error {
		out := json.NewEncoder(w)
		out.SetEscapeHTML(false)
		return v.manage.System.ExportAudit(v.ctx, v.actor, v.auditQuery(), func(e idp.AuditEvent) error { return out.Encode(eventOf(e)) })
	})
}
