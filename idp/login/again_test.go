package login_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/store"
)

const sessionCookie = "gatehouse_session_agents"

// finish signs somebody in, and returns the form that did, to be posted again.
func (h *house) finish(b *idptest.Browser) (post func(b *idptest.Browser) *idptest.Page) {
	h.t.Helper()
	page := h.atPassword(b)
	flow := flowOf(page)
	page = b.Submit(page, "/password", "email", email, "password", idptest.Password)
	phone := idptest.Scan(h.t, page)
	wantLeft(h.t, b.Submit(b.Submit(page, "/enrol", "code", phone.Code(0)), "/saved", "saved", "yes"))
	return func(b *idptest.Browser) *idptest.Page { return b.Post(flow+"/saved", url.Values{"saved": {"yes"}}) }
}

// holds gives a browser another session's cookie, empty for none.
func (h *house) holds(b *idptest.Browser, value string) {
	h.t.Helper()
	c := &http.Cookie{Name: sessionCookie, Value: value, Path: "/"}
	if value == "" {
		c.MaxAge = -1
	}
	b.Jar.SetCookies(h.site(), []*http.Cookie{c})
}

// The cookie that names the browser lives for a year and proves no sign-in: with it and
// some text in place of the session's cookie nobody gets the session.
func TestAFinishedFlowComparesTheSessionsCookie(t *testing.T) {
	t.Parallel()
	for name, value := range map[string]string{"text of its length": strings.Repeat("A", 43), "another secret": idp.NewSecret()} {
		t.Run(name, func(t *testing.T) {
			h, b := alone(t), idptest.NewBrowser(t)
			again := h.finish(b)
			h.holds(b, value)
			for range 2 {
				page := again(b)
				if page.Left != nil || page.Status != http.StatusGone || h.cookie(b, sessionCookie) != value {
					t.Fatalf("status %d, cookie %q", page.Status, h.cookie(b, sessionCookie))
				}
				h.db.Age(t, "sessions", 2*time.Minute, "last_seen_at")
			}
		})
	}
}

// A browser that our last answer did not reach sends what it sent before, and goes on.
func TestABrowserThatLostTheLastAnswerGoesOn(t *testing.T) {
	t.Parallel()
	h, b := alone(t), idptest.NewBrowser(t)
	again := h.finish(b)
	if wantLeft(t, again(b)); h.count("sessions WHERE ended_at IS NULL") != 1 {
		t.Error("posting twice made a second session")
	}
	h.holds(b, "")
	if wantLeft(t, again(b)); h.cookie(b, sessionCookie) == "" || !silently(h, b) {
		t.Error("the lost cookie was not given again")
	}
}

// What counts is when the sign-in ended, and not when the session was used last.
func TestALostAnswerIsOfAMinuteAgo(t *testing.T) {
	t.Parallel()
	h, b := alone(t), idptest.NewBrowser(t)
	again := h.finish(b)
	h.holds(b, "")
	h.exec(`UPDATE flows SET data = replace(CAST(data AS TEXT), '"ended":{"at":"20', '"ended":{"at":"19')`)
	if page := again(b); page.Left != nil || h.cookie(b, sessionCookie) != "" {
		t.Error("a session that is in use was given to a browser that has none")
	}
}

// A step-up whose answer was lost leaves the browser with the previous cookie.
func TestALostAnswerOfAStepUpComesAgain(t *testing.T) {
	t.Parallel()
	h, b := alone(t), idptest.NewBrowser(t)
	phone, _ := h.enrol(b)
	before := h.cookie(b, sessionCookie)
	page := b.Get(h.party.Begin("prompt", "login").URL)
	flow := flowOf(page)
	h.forget()
	page = b.Submit(page, "/password", "password", idptest.Password)
	wantLeft(t, b.Submit(page, "/totp", "code", phone.Code(0)))
	h.holds(b, before)
	wantLeft(t, b.Post(flow+"/totp", url.Values{"code": {phone.Code(0)}}))
	if !silently(h, b) {
		t.Error("the step-up's session did not come back")
	}
}

// A sign-in that nobody knows any more says where to go on: to the app that this browser
// came from, whatever page of it is asked for; with no app in sight, to one's account.
func TestAForgottenSignInLeadsBackToItsApp(t *testing.T) {
	t.Parallel()
	h, b := alone(t), idptest.NewBrowser(t)
	page := h.atPassword(b)
	h.exec("DELETE FROM flows")
	for _, at := range []string{page.URL.String(), page.URL.String() + "/federate", h.Issuer + idp.FederationCallback + "?code=x&state=y"} {
		want(t, b.Get(at), http.StatusGone, "This sign-in timed out", "Back to Test app", home)
	}
	want(t, idptest.NewBrowser(t).Get(page.URL.String()), http.StatusGone, "This sign-in timed out", `href="/account"`)
	b.Jar.SetCookies(h.site(), []*http.Cookie{{Name: "gatehouse_app", Value: "AP8", Path: "/"}})
	want(t, b.Get(page.URL.String()), http.StatusGone, "This sign-in timed out", `href="/account"`)
}

// A sign-in in which nobody has proved anything waits a quarter of an hour, and its page
// then starts again by itself with what was typed; from the first step on it has its time.
func TestASignInLivesLongerOnceSomebodyProvedSomething(t *testing.T) {
	h, b := alone(t), idptest.NewBrowser(t)
	pass := func(by time.Duration) {
		h.db.Age(t, "flows", by)
		h.db.Age(t, "requests", by)
		_, err := h.Store.Sweep(t.Context(), idp.Now(), store.Retention{})
		idptest.Must(t, err)
	}
	page := h.atPassword(b)
	pass(20 * time.Minute)
	if n := h.count("requests") + h.count("flows"); n != 0 {
		t.Errorf("%d rows are left of a sign-in that nobody went on with", n)
	}
	page = b.Submit(page, "/password", "email", email, "password", idptest.Password)
	want(t, page, http.StatusOK, "Sign in to Test app")
	if !strings.Contains(page.Body, `value="`+email+`"`) {
		t.Error("the address is to be typed again")
	}
	pass(14 * time.Minute)
	page = b.Submit(page, "/password", "email", email, "password", idptest.Password)
	phone := idptest.Scan(t, page)
	pass(14 * time.Minute)
	wantLeft(t, b.Submit(b.Submit(page, "/enrol", "code", phone.Code(0)), "/saved", "saved", "yes"))
}
