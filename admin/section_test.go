package admin_test

import (
	"net/http"
	"testing"

	"gatehouse/admin"
	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/ui"
)

func TestEachFieldHasALabel(t *testing.T) {
	pages, err := ui.New(ui.Options{})
	idptest.Must(t, err)
	labels := admin.Labels()
	for _, key := range labels {
		if pages.Text("en", *key.With()) == string(key) {
			t.Errorf("%s is in no catalogue", key)
		}
	}
	if len(labels) < 20 {
		t.Errorf("only %d fields", len(labels))
	}
}

func TestAllThatIsWrongStandsBesideItsField(t *testing.T) {
	h := open(t, idptest.Alone(t))
	h.person("admin@rtx.example", idp.RoleAdmin)
	b, _ := h.enters("admin@rtx.example")
	form := h.page(b, requirements)
	want(t, b.Submit(form, "/passwords", rules("min_length", "7", "expiry_days", "soon", "no_reuse", "25")...), http.StatusUnprocessableEntity,
		"Agent Authentication", `id="min_length-error"`, "Choose 8 to 64.", `id="expiry_days-error"`, "Write a whole number.", `id="no_reuse-error"`,
		"Choose 0 to 24.", `value="soon"`)
	form = h.page(b, "/authentication/agents/sessions")
	want(t, b.Submit(form, "/sessions", limits("session_idle", "3", "session_idle_unit", "minutes", "session_lifetime", "401", "session_lifetime_unit", "days")...),
		http.StatusUnprocessableEntity, "Agent Authentication", `id="session_idle-error"`, `id="session_lifetime-error"`, "Choose 5 minutes to 400 days.")
	form = h.page(b, "/authentication/agents/brand")
	want(t, b.Submit(form, "/brand", "name", " ", "brand_color", "red", "logo_url", "http://x"), http.StatusUnprocessableEntity,
		"Agent Authentication", `id="name-error"`, `id="brand_color-error"`, `id="logo_url-error"`)
}
