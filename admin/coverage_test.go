package admin_test

import (
	"net/http"
	"testing"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/manage/populations"
	"gatehouse/idp/throttle"
)

// An admin sees how people are protected, and reminds those who are not, with the number shown
// first.
func TestAnAdminRemindsPeopleWithoutASecondStep(t *testing.T) {
	t.Parallel()
	db := idptest.Alone(t)
	app, box := idptest.StartWithMail(t, db.URL)
	h := &house{App: app, t: t, db: db}
	h.person("admin@rtx.example", idp.RoleAdmin)
	h.SetPolicy(idp.Agents, idp.Policy{Authenticator: true}, populations.OnNextLogin)
	h.person("alone@rtx.example")
	b, _ := h.enters("admin@rtx.example")
	idptest.Must(t, db.CountTallies(t.Context(), idp.Now(), throttle.Stops()))
	page := h.page(b, "")
	want(t, page, http.StatusOK, "Overview", "Strongest second step", "1 with an authenticator app", "1 person without any")
	page = h.page(b, "/people?population=agents&filter=alone")
	page = b.Get(idptest.Follow(t, page, "Remind them by mail"))
	want(t, page, http.StatusOK, "Remind Agents without a second step?", "person gets the mail", "By when?")
	due := idp.Now().AddDate(0, 0, 14).Format(time.DateOnly)
	if refused := b.Submit(page, "/people/remind/agents", "by", "2020-01-01", "reason", "audit"); refused.Status != http.StatusUnprocessableEntity {
		t.Errorf("a day that is over: %d %q", refused.Status, refused.Heading())
	}
	page = b.Submit(page, "/people/remind/agents", "by", due, "reason", "audit")
	want(t, page, http.StatusOK, "People", "The reminder is on its way.")
	idptest.Must(t, h.Manage.Populations.Remind(t.Context()))
	if letter := box.Next("alone@rtx.example"); letter.Subject != "Please set up your second step" {
		t.Errorf("the mail is %q", letter.Subject)
	}
	if h.Audited(idp.AuditReminded) != 1 {
		t.Error("it is not in the audit log")
	}
}
