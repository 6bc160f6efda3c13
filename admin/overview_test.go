package admin_test

import (
	"net/http"
	"testing"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/manage/populations"
)

// The overview says what is asked at sign-in and leads to where it is changed; who may not change
// it sees nothing of it.
func TestTheOverviewSaysWhatIsAsked(t *testing.T) {
	t.Parallel()
	h := open(t, idptest.Alone(t))
	h.person("admin@rtx.example", idp.RoleAdmin)
	h.person("desk@rtx.example", h.newRole("Recovery desk", idp.PermissionAgentRecovery))
	party := h.AddParty(idp.Client{Name: "Payroll"})
	h.SetPolicy(idp.Contacts, idp.Policy{Authenticator: true, Passkey: true}, populations.OnNextLogin)
	b, page := h.enters("admin@rtx.example")
	want(t, page, http.StatusOK, "Overview", "What is asked at sign-in", "Email and password", "Authenticator app, Passkey", "at least", "Payroll", "As its people",
		`href="/admin/authentication/contacts/access"`, `href="/admin/authentication/contacts/mfa"`, `href="/admin/authentication/agents/passwords"`,
		`href="/admin/apps/`+party.Client.ID+`/mfa"`)
	lacks(t, page, idp.ConsoleClient)
	want(t, h.page(b, "/apps"), http.StatusOK, "Apps", `href="/admin/apps/`+party.Client.ID+`/mfa"`)
	_, page = h.enters("desk@rtx.example")
	want(t, page, http.StatusOK, "Overview")
	lacks(t, page, "What is asked at sign-in", "Payroll", "/authentication/")
}
