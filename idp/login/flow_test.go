package login_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
)

func TestAGetWritesNothing(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		h, b := open(t, db), idptest.NewBrowser(t)
		page := h.accepted(b)
		phone := idptest.Scan(t, page)
		visited := []string{flowOf(page)}
		before := h.snapshot()
		for range 3 {
			b.Get(flowOf(page))
		}
		if !slices.Equal(before, h.snapshot()) {
			t.Error("looking at the set-up page wrote something")
		}
		page = b.Submit(page, "/enrol", "code", phone.Code(0))
		before = h.snapshot()
		for _, address := range append(visited, flowOf(page)+"/codes.txt") {
			b.Get(address)
		}
		if !slices.Equal(before, h.snapshot()) {
			t.Error("looking at the recovery codes wrote something")
		}
	})
}

func TestAFlowBelongsToOneBrowserAndItsTime(t *testing.T) {
	t.Parallel()
	h, b := alone(t), idptest.NewBrowser(t)
	page := h.atPassword(b)
	stranger := idptest.NewBrowser(t)
	if got := stranger.Get(flowOf(page)).Status; got != http.StatusBadRequest {
		t.Errorf("without a cookie: status %d, want 400", got)
	}
	h.atPassword(stranger)
	if got := stranger.Get(flowOf(page)).Status; got != http.StatusForbidden {
		t.Errorf("in another browser: status %d, want 403", got)
	}
	if n := h.Audited(idp.AuditFlowForeign); n != 1 {
		t.Errorf("%d audit events of a foreign flow, want 1", n)
	}
	for address, status := range map[string]int{
		h.Issuer + "/login": http.StatusBadRequest, h.Issuer + "/login/nothing": http.StatusGone,
	} {
		if got := b.Get(address).Status; got != status {
			t.Errorf("%s: status %d, want %d", address, got, status)
		}
	}
	h.db.Age(t, "flows", idp.FlowLifetime+time.Minute)
	if again := b.Get(flowOf(page)); again.Heading() != "Sign in to Test app" || flowOf(again) == flowOf(page) {
		t.Errorf("expired: at %q of %s, want a new sign-in", again.Heading(), again.URL)
	}
	h.exec("DELETE FROM requests") // nobody knows what it was for
	expired := b.Get(flowOf(page))
	if expired.Status != http.StatusGone || !strings.Contains(expired.Body, home) {
		t.Errorf("expired: status %d, want 410 and the way back to %s", expired.Status, home)
	}
}

func TestPostsOfOtherSitesAreRefused(t *testing.T) {
	t.Parallel()
	h, b := alone(t), idptest.NewBrowser(t)
	page := h.atPassword(b)
	body := "email=maya%40rtx.example&password=x&population=agents"
	for _, header := range [][2]string{{"Sec-Fetch-Site", "cross-site"}, {"Origin", "https://evil.example"}} {
		if got := raw(t, b, http.MethodPost, flowOf(page)+"/password", body, header[0], header[1]).Status; got != http.StatusForbidden {
			t.Errorf("%s: status %d, want 403", header[0], got)
		}
	}
	for _, method := range []string{http.MethodPut, http.MethodDelete, http.MethodHead} {
		if got := raw(t, b, method, flowOf(page), "").Status; got >= http.StatusInternalServerError {
			t.Errorf("%s: status %d", method, got)
		}
	}
}

func TestASessionIsRotatedLimitedAndReplaced(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		h, b := open(t, db), idptest.NewBrowser(t)
		phone, _ := h.enrol(b)
		first := h.cookie(b, "gatehouse_session_agents")
		if first == "" || !silently(h, b) {
			t.Fatal("no session after the sign-in")
		}
		h.db.Age(t, "sessions", 2*time.Hour, "last_seen_at")
		if silently(h, b) {
			t.Error("a session that was idle for two hours still counts")
		}
		h.signIn(b, phone)
		if second := h.cookie(b, "gatehouse_session_agents"); second == first || !silently(h, b) {
			t.Error("the second sign-in has no session of its own")
		}
		h.db.Age(t, "sessions", 25*time.Hour, "expires_at")
		if silently(h, b) {
			t.Error("a session that is a day old still counts")
		}
		h.signIn(b, phone)
		if n := h.count("sessions WHERE ended_at IS NULL"); n != 1 {
			t.Errorf("%d sessions go on behind one cookie, want 1", n)
		}
	})
}

// silently tells whether the app gets a code without a page.
func silently(h *house, b *idptest.Browser) bool {
	h.t.Helper()
	left := b.Get(h.party.Begin("prompt", "none").URL).Left
	return left != nil && left.Query().Get("code") != ""
}
