package login_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
)

// crowd has strangers fill their line for hashes, of which none begins until they are dispersed.
func (h *house) crowd() (disperse func()) {
	h.t.Helper()
	hasher := h.Manage.Hasher
	resume := hasher.Suspend()
	ctx, cancel := context.WithCancel(h.t.Context())
	h.t.Cleanup(cancel)
	refused := make(chan error, hasher.Room())
	for range hasher.Room() {
		go func() {
			_, _, err := hasher.Verify(ctx, "", "wrong")
			refused <- err
		}()
	}
	for hasher.Waiting() < hasher.Room() {
		select {
		case err := <-refused:
			h.t.Fatal(err)
		default:
		}
	}
	return func() { cancel(); resume() }
}

// Strangers who come too many are told when to try again, at once and without having
// guessed; known or not, they get the same answer. A browser that the account knows has
// a line of its own, and nothing else waits.
func TestBusySignInSaysSoAndKnowsItsPeople(t *testing.T) {
	t.Parallel()
	h := alone(t)
	known := idptest.NewBrowser(t)
	h.enrol(known)
	h.calm()
	var stranger [2]*idptest.Browser
	var forms [2]*idptest.Page
	for i := range stranger {
		stranger[i] = idptest.NewBrowser(t)
		forms[i] = h.atPassword(stranger[i])
	}
	own := known.Get(h.party.Begin("prompt", "login").URL)
	resume := h.crowd()
	for i, address := range []string{email, "nobody@rtx.example"} {
		page := stranger[i].Submit(forms[i], "/password", "email", address, "password", "a guess")
		want(t, page, http.StatusServiceUnavailable, "Sign in to Test app")
		if !strings.Contains(page.Body, "Sign-in is busy. Try again in 5 seconds.") || !strings.Contains(page.Body, `value="`+address+`"`) {
			t.Errorf("it does not say so, or the address is to be typed again: %s", page.Body)
		}
		if page.Header.Get("Retry-After") != "5" || strings.Contains(page.Body, "a guess") {
			t.Errorf("Retry-After is %q", page.Header.Get("Retry-After"))
		}
	}
	if n := h.count("throttles WHERE failures > 0"); n != 0 {
		t.Errorf("what was refused for load counts as %d guesses", n)
	}
	if n := h.Audited(idp.AuditPasswordRefused); n != 0 {
		t.Errorf("%d passwords were refused without a look at them", n)
	}
	if live := known.Get(h.Issuer + "/livez"); live.Status != http.StatusOK {
		t.Errorf("/livez: %d", live.Status)
	}
	in := make(chan *idptest.Page)
	go func() { in <- known.Submit(own, "/password", "password", idptest.Password) }()
	for h.Manage.Hasher.Waiting() <= h.Manage.Hasher.Room() {
		select {
		case page := <-in:
			t.Fatalf("a known browser was sent away: %d %s", page.Status, page.Body)
		default:
		}
	}
	resume()
	want(t, <-in, http.StatusOK, "Enter the code from your app")
}
