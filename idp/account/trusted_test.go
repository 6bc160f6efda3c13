package account_test

import (
	"net/http"
	"strings"
	"testing"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
)

// People see which browsers they trust and end it, without a fresh proof; signing out
// everywhere else ends all of it.
func TestTrustedBrowsersAreListedAndForgotten(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		days := byApp
		days.TrustDays = 7
		h := open(t, db, days)
		r := h.moveIn(maya)
		if strings.Contains(r.at("/sessions").Body, "Trusted browsers") {
			t.Error("there is a list of none")
		}
		trusted, other := idptest.TrustedBrowser(r.user.ID), idptest.TrustedBrowser(r.user.ID)
		idptest.Must(t, h.Store.TrustBrowser(t.Context(), trusted))
		idptest.Must(t, h.Store.TrustBrowser(t.Context(), other))
		h.stale()
		page := r.at("/sessions")
		want(t, page, http.StatusOK, "Where you are signed in", "Trusted browsers", "203.0.113.7", trusted.ID)

		stranger := h.AddUser(idp.Agents, noor)
		theirs := idptest.TrustedBrowser(stranger.ID)
		idptest.Must(t, h.Store.TrustBrowser(t.Context(), theirs))
		if page := r.posts("/sessions/forget", "browser", theirs.ID); page.Status != http.StatusNotFound {
			t.Errorf("another person's: %d %q", page.Status, page.Heading())
		}
		page = r.posts("/sessions/forget", "browser", trusted.ID)
		want(t, page, http.StatusOK, "Where you are signed in", "The browser is forgotten")
		if strings.Contains(page.Body, trusted.ID) || !strings.Contains(page.Body, other.ID) || h.Audited(idp.AuditBrowserForgotten) != 1 {
			t.Error("not that one was forgotten, or it was not audited")
		}

		idptest.Must(t, h.Store.TrustBrowser(t.Context(), trusted))
		r.returns()
		page = r.proves(r.posts("/sessions/end-others"))
		r.posts("/sessions/end-others")
		if n := db.Count(t, "trusted_browsers WHERE user_id = '"+r.user.ID+"'"); n != 0 {
			t.Errorf("%d browsers are trusted after signing out everywhere else (%q)", n, page.Heading())
		}
		if n := db.Count(t, "trusted_browsers"); n != 1 {
			t.Error("another person's browser was forgotten")
		}
	})
}
