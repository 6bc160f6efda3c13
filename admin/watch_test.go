package admin_test

import (
	"database/sql"
	"net/http"
	"testing"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
)

// meanwhile holds what everything that writes has to wait for, has something done, and
// changes a row before it lets that go on.
func (h *house) meanwhile(change string, do func() *idptest.Page) *idptest.Page {
	h.t.Helper()
	tx, err := h.db.SQL().BeginTx(h.t.Context(), nil)
	idptest.Must(h.t, err)
	if h.db.Dialect() == "postgres" {
		_, err = tx.ExecContext(h.t.Context(), "LOCK TABLE audit_events IN EXCLUSIVE MODE")
		idptest.Must(h.t, err)
	}
	_, err = tx.ExecContext(h.t.Context(), change)
	idptest.Must(h.t, err)
	done := make(chan *idptest.Page, 1)
	go func() { done <- do() }()
	h.awaitLock(tx, done)
	idptest.Must(h.t, tx.Commit())
	return <-done
}

// awaitLock waits until somebody waits for a lock. SQLite does not tell.
func (h *house) awaitLock(tx *sql.Tx, done chan *idptest.Page) {
	h.t.Helper()
	if h.db.Dialect() != "postgres" {
		time.Sleep(100 * time.Millisecond)
		return
	}
	for waiting := 0; waiting == 0 && len(done) == 0; {
		time.Sleep(5 * time.Millisecond)
		idptest.Must(h.t, tx.QueryRowContext(h.t.Context(),
			"SELECT COUNT(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()").Scan(&waiting))
	}
}

// What an admin posted and had to wait for a lock outlives neither their session nor
// their role.
func TestAnAdminsPostThatWaitsOutlivesNeitherSessionNorRole(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		h := open(t, db)
		h.person("other@rtx.example", idp.RoleAdmin)
		u := h.person("boss@rtx.example", idp.RoleAdmin)
		b, _ := h.enters(u.Email)
		form := h.page(b, "/authentication/agents/brand")
		post := func() *idptest.Page {
			return b.Submit(form, "/brand", "name", "Bluebird Repairs", "brand_color", "#f2a900")
		}
		for name, change := range map[string]string{
			"session": "UPDATE sessions SET ended_at = created_at WHERE user_id = '" + u.ID + "'",
			"account": "UPDATE users SET disabled = TRUE WHERE id = '" + u.ID + "'",
			"role":    "DELETE FROM user_roles WHERE user_id = '" + u.ID + "'",
		} {
			page := h.meanwhile(change, post)
			if p, err := h.Store.Population(t.Context(), idp.Agents); err != nil || p.Name != "Agents" {
				t.Fatalf("it outlived the %s: %q (%d), %+v (%v)", name, page.Heading(), page.Status, p, err)
			}
			if name == "role" && page.Status != http.StatusForbidden {
				t.Errorf("without the role: %q (%d)", page.Heading(), page.Status)
			}
			for _, undo := range []string{"UPDATE sessions SET ended_at = NULL", "UPDATE users SET disabled = FALSE"} {
				_, err := h.db.SQL().ExecContext(t.Context(), undo)
				idptest.Must(t, err)
			}
			_, err := h.db.SQL().ExecContext(t.Context(), "DELETE FROM user_roles WHERE user_id = '"+u.ID+"'")
			idptest.Must(t, err)
			idptest.Must(t, h.Store.GiveRole(t.Context(), u.ID, idp.RoleAdmin))
		}
		want(t, post(), http.StatusOK, "Agent Authentication", "Saved.")
	})
}
