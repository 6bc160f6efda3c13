package admin_test

import (
	"net/http"
	"testing"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
)

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
			page := h.db.Meanwhile(t, change, post)
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
