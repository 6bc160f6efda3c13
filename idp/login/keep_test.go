package login_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/manage/populations"
)

// Who may stay signed in is asked on the first page, and their session lasts as long as
// the population says for them.
func TestStayingSignedIn(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		h := open(t, db)
		phone, _ := h.enrol(idptest.NewBrowser(t))
		offered := func() bool { return strings.Contains(h.atPassword(idptest.NewBrowser(t)).Body, `name="keep"`) }
		kept := func(b *idptest.Browser, pairs ...string) (bool, int) {
			t.Helper()
			h.exec("DELETE FROM sessions")
			page := h.withPassword(b, idptest.Password, phone, pairs...)
			wantLeft(t, page)
			age := 0
			for _, line := range page.Header.Values("Set-Cookie") {
				if c, err := http.ParseSetCookie(line); err == nil && c.Name == "gatehouse_session_agents" {
					age = c.MaxAge
				}
			}
			return h.count("sessions WHERE kept") == 1, age
		}
		if offered() {
			t.Error("it is offered by default")
		}
		if is, age := kept(idptest.NewBrowser(t), "keep", "yes"); is || age != 0 {
			t.Errorf("not offered: kept %t, cookie for %d", is, age)
		}
		h.sessions(func(r *populations.SessionRules) {
			r.KeepSignedIn, r.KeptIdle, r.KeptLifetime = true, 48*time.Hour, 72*time.Hour
		})
		if !offered() {
			t.Error("it is not offered")
		}
		if is, age := kept(idptest.NewBrowser(t)); is || age != 0 {
			t.Errorf("not wanted: kept %t, cookie for %d", is, age)
		}
		b := idptest.NewBrowser(t)
		if is, age := kept(b, "keep", "yes"); !is || age < 72*3600-60 || age > 72*3600 {
			t.Errorf("wanted: kept %t, cookie for %d", is, age)
		}
		old := idp.Now().Add(-47 * time.Hour).Format("2006-01-02 15:04:05")
		h.exec("UPDATE sessions SET last_seen_at = '" + old + "', created_at = '" + old + "'")
		if got := h.silent(b); got != "" {
			t.Errorf("after two days without use: %q", got)
		}
		h.exec("UPDATE sessions SET last_seen_at = '" + old + "', created_at = '" + old + "'")
		h.sessions(func(r *populations.SessionRules) { r.KeepSignedIn = false })
		if got := h.silent(b); got != "login_required" {
			t.Errorf("once it is not offered any more: %q", got)
		}
	})
}

// The choice is kept when the page is shown again.
func TestChoiceToStayIsRemembered(t *testing.T) {
	t.Parallel()
	h := alone(t)
	h.sessions(func(r *populations.SessionRules) { r.KeepSignedIn = true })
	b := idptest.NewBrowser(t)
	page := b.Submit(h.atPassword(b), "/password", "email", email, "password", "wrong", "keep", "yes")
	wantText(t, page, http.StatusUnprocessableEntity, `name="keep" value="yes" checked`)
}
