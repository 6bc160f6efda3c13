package account_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/account"
	"gatehouse/idp/idptest"
	"gatehouse/idp/manage/self"
	"gatehouse/idp/throttle"
	"gatehouse/idp/web"
	"gatehouse/ui"
)

// elsewhere keeps identities in memory.
type elsewhere map[string][]account.Identity

func (e elsewhere) Of(_ context.Context, userID string) ([]account.Identity, error) {
	return e[userID], nil
}

func (e elsewhere) Unlink(_ context.Context, s self.Self, id string) error {
	i := slices.IndexFunc(e[s.UserID], func(i account.Identity) bool { return i.ID == id })
	if i < 0 {
		return idp.ErrNotFound
	}
	e[s.UserID] = slices.Delete(e[s.UserID], i, i+1)
	return nil
}

// beside serves the pages once more, with identities: browsers keep one set of cookies
// for all ports of a host.
func (h *house) beside(e elsewhere) string {
	h.t.Helper()
	issuer, err := url.Parse(h.Issuer)
	idptest.Must(h.t, err)
	pages, err := ui.New(ui.Options{})
	idptest.Must(h.t, err)
	plumbing := web.New(web.Config{Issuer: issuer, UI: pages})
	engine, err := plumbing.Engine()
	idptest.Must(h.t, err)
	(&account.Pages{
		Store: h.Store, Web: plumbing, Sessions: h.Manage.Sessions, Manage: h.Manage, Limiter: throttle.New(h.Store, []byte("key")),
		Callback: h.Issuer + "/account/callback", Identities: e,
	}).Routes(plumbing.Group(engine))
	server := httptest.NewServer(engine)
	h.t.Cleanup(server.Close)
	return server.URL + "/account/agents"
}

func TestConnectedAccounts(t *testing.T) {
	t.Parallel()
	h := open(t, idptest.Alone(t), none)
	r, other := h.moveIn(maya), h.moveIn(noor)
	mine := account.Identity{ID: "m1", Provider: "Microsoft Entra", Account: "maya@tenant.example", LinkedAt: idp.Now()}
	theirs := account.Identity{ID: "n1", Provider: "Microsoft Entra", Account: "noor@tenant.example", LinkedAt: idp.Now()}
	kept := elsewhere{r.user.ID: {mine}, other.user.ID: {theirs}}
	at := h.beside(kept)
	h.exec("UPDATE populations SET access_federated = TRUE WHERE id = 'agents'")

	want(t, r.Get(at), http.StatusOK, "Your account", "Microsoft account", "Connected")
	page := r.Get(at + "/microsoft")
	want(t, page, http.StatusOK, "Microsoft account", "maya@tenant.example")
	if strings.Contains(page.Body, "noor@tenant.example") {
		t.Error("it shows somebody else's")
	}
	if p := r.Post(at+"/microsoft", url.Values{"identity": {"n1"}}); p.Status != http.StatusNotFound || len(kept[other.user.ID]) != 1 {
		t.Errorf("somebody else's: %d", p.Status)
	}
	if data := r.Post(at+"/data", nil); !strings.Contains(data.Body, "maya@tenant.example") {
		t.Errorf("it is not among the data:\n%s", data.Body)
	}
	// Another look at the password first.
	h.AgeProofs(11 * time.Minute)
	if p := r.Post(at+"/microsoft", url.Values{"identity": {"m1"}}); p.Heading() == "Microsoft account" || len(kept[r.user.ID]) != 1 {
		t.Errorf("disconnected without a proof: %q", p.Heading())
	}
	h.AgeProofs(-11 * time.Minute)
	// The only way in stays.
	h.exec("UPDATE populations SET access_password = FALSE, access_federated = TRUE WHERE id = 'agents'")
	page = r.Get(at + "/microsoft")
	want(t, page, http.StatusOK, "Microsoft account", "your only way in")
	if _, _, ok := page.Form("/microsoft"); ok {
		t.Error("there is a button all the same")
	}
	if p := r.Post(at+"/microsoft", url.Values{"identity": {"m1"}}); p.Status != http.StatusForbidden || len(kept[r.user.ID]) != 1 {
		t.Errorf("the only way in: %d", p.Status)
	}
	h.exec("UPDATE populations SET access_password = TRUE WHERE id = 'agents'")
	want(t, r.Submit(r.Get(at+"/microsoft"), "/microsoft"), http.StatusOK, "Microsoft account", "no longer connected", "No account is connected.")
	if len(kept[r.user.ID]) != 0 {
		t.Error("it is connected still")
	}
	// Where nobody signs in so, nobody speaks of it.
	h.exec("UPDATE populations SET access_federated = FALSE WHERE id = 'agents'")
	if p := r.at("/microsoft"); p.Status != http.StatusNotFound || strings.Contains(r.at("").Body, "Microsoft") {
		t.Errorf("without them: %d", p.Status)
	}
}
