package api

import (
	"encoding/json"
	"net/http"

	"github.com/gin-gonic/gin"

	"gatehouse/idp"
	"gatehouse/idp/manage"
	"gatehouse/idp/web"
)

// ListAuditEvents implements ServerInterface.
func (h handlers) ListAuditEvents(c *gin.Context, params ListAuditEventsParams) {
	h.do(c, func(v *call) error {
		list, next, err := v.manage.Audit(v.ctx, v.actor, manage.AuditQuery{
			Kind: idp.AuditKind(or(params.Kind)), UserID: or(params.UserID), ActorID: or(params.ActorID),
			ClientID: or(params.ClientID), PopulationID: or(params.Population), From: or(params.From), To: or(params.To),
			After: manage.Cursor(or(params.After)), Limit: or(params.Limit),
		})
		if err != nil {
			return err
		}
		return v.json(http.StatusOK, AuditEventList{Events: each(list, eventOf), Next: nextOf(next)})
	})
}

func eventOf(e idp.AuditEvent) AuditEvent {
	detail := e.Detail
	if detail == nil {
		detail = map[string]string{}
	}
	var times *int
	if e.Times > 1 {
		times = &e.Times
	}
	return AuditEvent{
		ID: e.ID, At: e.At, Kind: string(e.Kind), ActorID: text(e.ActorID), UserID: text(e.UserID), Population: text(e.PopulationID),
		ClientID: text(e.ClientID), SessionID: text(e.SessionID), Address: text(e.Address), UserAgent: text(e.UserAgent),
		RequestID: text(e.RequestID), Detail: detail, Times: times, LastAt: moment(e.LastAt),
	}
}

// ExportAuditEvents implements ServerInterface. When it breaks off, so does the
// connection: half an export must not look whole.
func (h handlers) ExportAuditEvents(c *gin.Context, params ExportAuditEventsParams) {
	h.do(c, func(v *call) error {
		begin := func() {
			v.Header("Content-Type", "application/jsonl")
			v.Status(http.StatusOK)
		}
		return web.Whole(v.Writer, begin, func(row func()) error {
			out := json.NewEncoder(web.Stream(v.Writer, web.StreamTimeout))
			out.SetEscapeHTML(false)
			return v.manage.ExportAudit(v.ctx, v.actor, manage.AuditQuery{
				Kind: idp.AuditKind(or(params.Kind)), UserID: or(params.UserID), ActorID: or(params.ActorID),
				ClientID: or(params.ClientID), PopulationID: or(params.Population), From: or(params.From), To: or(params.To),
			}, func(e idp.AuditEvent) error {
				row()
				return out.Encode(eventOf(e))
			})
		})
	})
}
