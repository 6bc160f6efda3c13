package account_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"gatehouse/idp/idptest"
)

// account is what a person may change of their account.
func (h *house) account() string {
	h.t.Helper()
	text := ""
	for _, q := range []string{
		"SELECT name || version || password_hash FROM users WHERE email = '" + maya + "'",
		"SELECT COUNT(*) || '' FROM links", "SELECT COUNT(*) || '' FROM links WHERE used_at IS NULL",
		"SELECT COUNT(*) || MIN(name) || MAX(name) FROM factors", "SELECT id || COALESCE(CAST(saved_at AS TEXT), '-') FROM recovery_sets",
		"SELECT COUNT(*) || '' FROM audit_events WHERE kind NOT LIKE '%refused' AND kind NOT LIKE '%throttled'",
	} {
		var v string
		if err := h.db.SQL().QueryRowContext(h.t.Context(), q).Scan(&v); err != nil {
			h.t.Fatalf("%s: %v", q, err)
		}
		text += fmt.Sprintln(v)
	}
	return text
}

// What was posted in a session and had to wait for a lock does not outlive the session.
func TestAPostThatWaitsDoesNotOutliveASignOut(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		h := open(t, db, byApp)
		r := h.moveIn(maya)
		r.adds("Tablet")
		ids := r.factors()
		elsewhere := r.returns()
		h.exec("UPDATE recovery_sets SET created_at = '2001-01-01 00:00:00', saved_at = NULL")
		add := r.at("/second-step/add")
		phone := idptest.Scan(t, add)
		for _, form := range [][]string{
			{"/profile", "name", "Mallory", "locale", "en", "version", "1"},
			{"/email", "email", "another@rtx.example"},
			{"/email/cancel"},
			{"/password", "current", idptest.Password, "password", "gentle maple corner stone"},
			{"/second-step/add", "name", "Mine"},
			{"/second-step/" + ids[1] + "/rename", "name", "Mine"},
			{"/second-step/" + ids[1] + "/remove"},
			{"/codes"},
			{"/codes/saved", "saved", "yes"},
			{"/sessions/end-others"},
			{"/data"},
		} {
			page, pairs := form[0], form[1:]
			if page == "/email/cancel" {
				want(t, r.posts("/email", "email", "new@rtx.example"), http.StatusOK, "Email")
				h.settled()
			}
			if page == "/second-step/add" {
				_, fields, _ := add.Form(page)
				pairs = append(pairs, "pending", fields.Get("pending"), "code", phone.Code(0))
			}
			before := h.account()
			answer := h.db.Meanwhile(t, "UPDATE sessions SET ended_at = created_at WHERE user_id = '"+r.user.ID+"'", func() *idptest.Page {
				return r.posts(page, pairs...)
			})
			if after := h.account(); after != before {
				t.Errorf("%s wrote after the sign-out (%d %q): from\n%s\nto\n%s", page, answer.Status, answer.Heading(), before, after)
			}
			if !strings.HasPrefix(answer.URL.Path, "/login/") {
				t.Errorf("%s ends at %s: %q (%d)", page, answer.URL, answer.Heading(), answer.Status)
			}
			h.exec("UPDATE sessions SET ended_at = NULL")
		}
		if page := elsewhere.at(""); page.Heading() != "Your account" {
			t.Errorf("the other session is at %q", page.Heading())
		}
	})
}
