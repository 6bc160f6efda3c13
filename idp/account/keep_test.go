package account_test

import (
	"net/http"
	"strings"
	"testing"

	"gatehouse/idp/idptest"
)

const typedName = `Maya <Okafor> of the "third" floor`

// lost is a form that was sent after the session had ended: the page that asks to sign in.
func (r *resident) lost(page, action string, pairs ...string) *idptest.Page {
	r.h.t.Helper()
	form := r.Get(r.h.Issuer + "/account/agents" + page)
	if _, err := r.h.db.SQL().ExecContext(r.h.t.Context(), "UPDATE sessions SET ended_at = created_at"); err != nil {
		r.h.t.Fatal(err)
	}
	return r.Submit(form, action, pairs...)
}

func (r *resident) signsIn(page *idptest.Page, email string) *idptest.Page {
	r.h.t.Helper()
	return r.Submit(page, "/password", "email", email, "password", idptest.Password)
}

func TestWhatWasTypedOutlivesTheSession(t *testing.T) {
	t.Parallel()
	h := open(t, idptest.Alone(t), none)
	r := h.moveIn(maya)
	page := r.signsIn(r.lost("/profile", "/profile", "name", typedName), maya)
	if page.URL.Path != "/account/agents/profile" || !strings.Contains(page.Body, "Maya &lt;Okafor&gt; of the &#34;third&#34; floor") {
		t.Fatalf("at %s: %s", page.URL, page.Body)
	}
	if u, err := h.Store.User(t.Context(), r.user.ID); err != nil || u.Name == typedName {
		t.Errorf("sent by itself: %q, %v", u.Name, err)
	}
	if again := r.Get(page.URL.String()); strings.Contains(again.Body, "Okafor") {
		t.Error("filled in a second time")
	}
	want(t, r.Submit(page, "/profile", "name", typedName), http.StatusOK, "Name and language", "Okafor")
}

func TestWhatSomebodyTypedIsShownToNobodyElse(t *testing.T) {
	t.Parallel()
	h := open(t, idptest.Alone(t), none)
	r, other := h.moveIn(maya), h.moveIn(noor)
	page := r.lost("/profile", "/profile", "name", typedName)
	if page = r.signsIn(page, other.user.Email); page.URL.Path != "/account/agents/profile" || strings.Contains(page.Body, "Okafor") {
		t.Errorf("another person is shown it at %s", page.URL)
	}
}

func TestNoSecretIsKeptWithAForm(t *testing.T) {
	t.Parallel()
	h := open(t, idptest.Alone(t), none)
	r := h.moveIn(maya)
	page := r.lost("/password", "/password", "current", idptest.Password, "password", "a quite new secret", "others", "yes")
	if page = r.signsIn(page, maya); strings.Contains(page.Body, "a quite new secret") || strings.Contains(page.Body, idptest.Password) {
		t.Errorf("a password is on the page: %s", page.Body)
	}
}
