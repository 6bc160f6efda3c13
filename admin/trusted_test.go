package admin_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/manage/authz"
)

// trusts has a person trust a browser, and is its id.
func (h *house) trusts(userID string) string {
	h.t.Helper()
	b := idptest.TrustedBrowser(userID)
	b.ID = idp.NewID()
	b.BrowserHash = []byte(b.ID)
	idptest.Must(h.t, h.Store.TrustBrowser(h.t.Context(), b))
	return b.ID
}

func (h *house) trusted(userID string) int {
	h.t.Helper()
	list, err := h.Store.TrustedBrowsers(h.t.Context(), userID)
	idptest.Must(h.t, err)
	return len(list)
}

// A browser that a person trusts is forgotten from their page, with a reason, and told to the
// audit log. Sessions go on.
func TestATrustedBrowserIsForgotten(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		h := open(t, db)
		agent, b := h.helped()
		one := h.trusts(agent.ID)
		h.trusts(agent.ID)
		at := "/people/" + agent.ID
		want(t, h.page(b, at+"/sessions"), http.StatusOK, "Somebody", at+"/forget-browser/"+one)
		ask := h.page(b, at+"/forget-browser/"+one)
		want(t, ask, http.StatusOK, ask.Heading(), "Reason")
		want(t, b.Submit(ask, one, "reason", ""), http.StatusUnprocessableEntity, ask.Heading(), "Say why", `id="reason-error"`)
		want(t, b.Submit(ask, one, "reason", strings.Repeat("x", 501)), http.StatusUnprocessableEntity, ask.Heading(), "at most 500 characters")
		if n := h.trusted(agent.ID); n != 2 {
			t.Fatalf("%d browsers are left without a reason", n)
		}
		want(t, b.Submit(ask, one, "reason", "shared computer"), http.StatusOK, "Somebody")
		want(t, h.page(b, at+"/history"), http.StatusOK, "Somebody", "Reason: shared computer")
		if n := h.trusted(agent.ID); n != 1 || len(h.sessionsOf(agent.ID)) != 1 {
			t.Errorf("%d browsers and %d sessions are left", n, len(h.sessionsOf(agent.ID)))
		}
		events, err := h.Store.AuditEvents(t.Context(), idp.AuditBrowserForgotten, "", 10)
		idptest.Must(t, err)
		if len(events) != 1 || events[0].UserID != agent.ID || events[0].ActorID == agent.ID || events[0].ActorID == "" {
			t.Errorf("the log says %+v", events)
		}
		want(t, b.Submit(ask, one, "reason", "again"), http.StatusNotFound, "There is no page here")
		want(t, h.page(b, at+"/forget-browser/"+one), http.StatusNotFound, "There is no page here")
	})
}

// Nobody forgets another person's browser by this one's page, nor without the permission, the
// fresh second step, or from another site.
func TestWhoMayNotForgetATrustedBrowser(t *testing.T) {
	t.Parallel()
	db := idptest.Alone(t)
	h := open(t, db)
	agent, b := h.helped()
	id := h.trusts(agent.ID)
	other := h.person("other@rtx.example")
	target := h.Issuer + "/admin/people/" + agent.ID + "/forget-browser/" + id
	form := url.Values{"reason": {"x"}}
	want(t, b.Post(h.Issuer+"/admin/people/"+other.ID+"/forget-browser/"+id, form), http.StatusNotFound, "There is no page here")

	h.person("reader@rtx.example", h.newRole("Reader", idp.PermissionUsers))
	reader, _ := h.enters("reader@rtx.example")
	lacks(t, h.page(reader, "/people/"+agent.ID), "/forget-browser/")
	want(t, h.page(reader, "/people/"+agent.ID+"/forget-browser/"+id), http.StatusForbidden, notAllowed)
	want(t, reader.Post(target, form), http.StatusForbidden, notAllowed)

	foreign, err := http.NewRequestWithContext(t.Context(), http.MethodPost, target, strings.NewReader(form.Encode()))
	idptest.Must(t, err)
	foreign.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	foreign.Header.Set("Sec-Fetch-Site", "cross-site")
	if page := b.Do(foreign); page.Status != http.StatusForbidden {
		t.Errorf("another site's form: %d %q", page.Status, page.Heading())
	}

	admin, err := h.Store.UserByEmail(t.Context(), idp.Agents, "admin@rtx.example")
	idptest.Must(t, err)
	for _, session := range h.sessionsOf(admin.ID) {
		s, err := h.Store.Session(t.Context(), session)
		idptest.Must(t, err)
		for i := range s.Proofs {
			s.Proofs[i].At = s.Proofs[i].At.Add(-authz.FreshSecondStep - time.Minute)
		}
		idptest.Must(t, h.Store.RenewSession(t.Context(), s))
	}
	if page := b.Post(target, form); page.Status == http.StatusOK && page.Heading() == "Somebody" {
		t.Errorf("without a fresh second step: %d %q", page.Status, page.Heading())
	}
	if n := h.trusted(agent.ID); n != 1 {
		t.Errorf("%d browsers are left", n)
	}
}
