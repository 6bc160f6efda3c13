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
		{ID: "listAuditEvents", Route: "GET /audit-events", Manage: "Audit", Query: narrowed + " after limit", Answer: list{"events", idp.AuditEvent{}}, run: listAuditEvents},
		{ID: "exportAuditEvents", Route: "GET /audit-events/export", Manage: "ExportAudit", Query: narrowed, Media: "application/jsonl", run: exportAuditEvents},
	}
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
	return rows(v, events, next, func(e idp.AuditEvent) idp.AuditEvent { return e }), nil
}

// exportAuditEvents writes events as they come. When it breaks off, so does the
// connection: half an export must not look whole.
func exportAuditEvents(v *call) (any, error) {
	return nil, web.Whole(v.Writer, "application/jsonl", "", func(w io.Writer) error {
		out := json.NewEncoder(w)
		out.SetEscapeHTML(false)
		return v.manage.System.ExportAudit(v.ctx, v.actor, v.auditQuery(), func(e idp.AuditEvent) error { return out.Encode(e) })
	})
}
