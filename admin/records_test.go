package admin_test

import (
	"net/http"
	"strings"
	"testing"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
)

// The first steps say how long the audit log is kept, and refusals that are one row say
// how often they happened, where people read them and in the export.
func TestTheConsoleSaysHowLongAndHowOften(t *testing.T) {
	h := open(t, idptest.Alone(t))
	h.person("admin@rtx.example", idp.RoleAdmin)
	b, _ := h.enters("admin@rtx.example")
	want(t, h.page(b, ""), http.StatusOK, "Overview", "Events are kept for 400 days.")
	const decide = `Decide who is asked for a second step</a></strong> <span class="visually-hidden">`
	if page := h.page(b, ""); strings.Contains(page.Body, decide) {
		t.Error("the policy counts as decided")
	}
	idptest.Must(t, h.Store.Audit(t.Context(), idp.AuditEvent{Kind: idp.AuditPolicyChanged, PopulationID: idp.Agents}))
	if page := h.page(b, ""); !strings.Contains(page.Body, decide) {
		t.Error("the policy does not count as decided")
	}
	for range 37 {
		ctx := idp.WithVisit(t.Context(), &idp.Visit{Address: "192.0.2.7"})
		idptest.Must(t, h.Store.Audit(ctx, idp.AuditEvent{Kind: idp.AuditAuthorizeRefused, Detail: map[string]string{"reason": "made up"}}))
	}
	want(t, h.page(b, "/audit"), http.StatusOK, "Audit log", "37 times, until")
	if export := h.page(b, "/audit/export"); !strings.Contains(export.Body, `"times":37`) || !strings.Contains(export.Body, `"last_at"`) {
		t.Error("the export does not say how often")
	}
}
