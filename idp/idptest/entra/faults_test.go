package entra_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/idptest/entra"
)

// Tokens that a verifier has to refuse; each is wrong in one way.
func TestFaultyTokensAreRefused(t *testing.T) {
	h := open(t)
	b := h.browser()
	for _, f := range []entra.Fault{
		entra.WrongNonce, entra.NoNonce, entra.WrongAudience, entra.WrongIssuer, entra.BadSignature, entra.AlgNone, entra.AlgHS256,
		entra.UnknownKey, entra.Expired, entra.FromTheFuture, entra.NoIDToken, entra.TokenHTML, entra.TokenHuge, entra.TokenFails, entra.KeysDown,
	} {
		p := h.home(idptest.HomeApp) // without cached keys
		a := p.begin()
		h.BreakOnce(f)
		if claims, err := p.exchange(a, h.SignIn(b, a.url, idptest.Alice)); err == nil {
			t.Errorf("%s: took %v", f, claims)
		}
		a = p.begin()
		p.must(a, h.SignIn(b, a.url, idptest.Alice)) // it strikes once
	}
}

// Faults that a general verifier does not see are in the claims.
func TestFaultsOfClaims(t *testing.T) {
	h := open(t)
	p, b := h.home(idptest.HomeApp), h.browser()
	take := func() map[string]any {
		t.Helper()
		a := p.begin()
		return p.must(a, h.SignIn(b, a.url, idptest.Alice))
	}
	h.Break(entra.WrongTenant, entra.NoObjectID)
	for range 2 {
		if c := take(); c["tid"] == idptest.HomeTenant || c["oid"] != nil {
			t.Errorf("tid %v, oid %v", c["tid"], c["oid"])
		}
	}
	h.Mend(entra.WrongTenant)
	if c := take(); c["tid"] != idptest.HomeTenant || c["oid"] != nil {
		t.Errorf("tid %v, oid %v: one of two faults is off", c["tid"], c["oid"])
	}
	h.Mend()
	h.Mutate(func(c map[string]any) { c["email"] = "victim@home.example" })
	if c := take(); c["email"] != "victim@home.example" || c["oid"] != idptest.AliceOID {
		t.Errorf("email %v, oid %v", c["email"], c["oid"])
	}
	h.Mutate(nil)
	h.SetSkew(3 * time.Minute)
	ahead := time.Unix(int64(take()["exp"].(float64)), 0).Sub(idp.Now()) - time.Hour
	if ahead < 2*time.Minute || ahead > 4*time.Minute {
		t.Errorf("tokens expire %v later than right ones, want 3m", ahead)
	}
	h.Mend()
	if c := take(); c["email"] != idptest.Alice || time.Unix(int64(c["exp"].(float64)), 0).After(idp.Now().Add(time.Hour+time.Minute)) {
		t.Errorf("after mending: %v", c)
	}
}

func TestASlowTokenEndpoint(t *testing.T) {
	h := open(t)
	p, b := h.home(idptest.HomeApp), h.browser()
	h.SetSlow(150 * time.Millisecond)
	h.BreakOnce(entra.TokenSlow)
	a := p.begin()
	left := h.SignIn(b, a.url, idptest.Alice)
	began := idp.Now()
	p.must(a, left)
	if took := idp.Now().Sub(began); took < 150*time.Millisecond {
		t.Errorf("a slow token endpoint answered after %v", took)
	}
}

func TestFaultyDocuments(t *testing.T) {
	h := open(t)
	client := http.Client{Timeout: 100 * time.Millisecond}
	const keys, discovery = "/discovery/v2.0/keys", wellKnown
	for _, c := range []struct {
		fault  entra.Fault
		path   string
		status int
		starts string
	}{
		{entra.KeysDown, keys, http.StatusServiceUnavailable, "The service"},
		{entra.KeysHuge, keys, http.StatusOK, `{"padding":`},
		{entra.DiscoveryDown, discovery, http.StatusServiceUnavailable, "The service"},
		{entra.DiscoveryHuge, discovery, http.StatusOK, `{"padding":`},
		{entra.DiscoveryHTML, discovery, http.StatusOK, "<!doctype html>"},
	} {
		h.BreakOnce(c.fault)
		page := h.browser().Get(h.URL + "/" + idptest.HomeTenant + c.path)
		if page.Status != c.status || !strings.HasPrefix(page.Body, c.starts) {
			t.Errorf("%s: status %d, %.20s", c.fault, page.Status, page.Body)
		}
	}
	for fault, path := range map[entra.Fault]string{entra.KeysHang: keys, entra.DiscoveryHang: discovery} {
		h.BreakOnce(fault)
		if res, err := client.Get(h.URL + "/" + idptest.HomeTenant + path); err == nil {
			_ = res.Body.Close()
			t.Errorf("%s: answered %d", fault, res.StatusCode)
		}
	}
	h.BreakOnce(entra.TokenHang)
	if res, err := client.Post(h.URL+"/"+idptest.HomeTenant+"/oauth2/v2.0/token", "application/x-www-form-urlencoded", http.NoBody); err == nil {
		_ = res.Body.Close()
		t.Errorf("%s: answered %d", entra.TokenHang, res.StatusCode)
	}
	h.BreakOnce(entra.DiscoveryIssuer)
	if got := h.document("/" + idptest.HomeTenant + wellKnown)["issuer"]; got == h.Issuer(idptest.HomeTenant) {
		t.Errorf("issuer %v, want somebody else's", got)
	}
}

func TestRefuseNext(t *testing.T) {
	h := open(t)
	p, b := h.home(idptest.HomeApp), h.browser()
	h.RefuseNext(50105, "access_denied", "Not assigned.")
	h.RefuseNext(0, "temporarily_unavailable", "Busy.")
	a := p.begin()
	q := answer(visit(b, a))
	if q.Get("error") != "access_denied" || !strings.HasPrefix(q.Get("error_description"), "AADSTS50105: Not assigned.") || q.Get("state") != a.state {
		t.Errorf("answer %v", q)
	}
	if q = answer(visit(b, p.begin())); q.Get("error") != "temporarily_unavailable" || q.Get("error_description") != "Busy." {
		t.Errorf("answer %v", q)
	}
	if answer(visit(b, p.begin())) != nil {
		t.Error("a third request was refused, too")
	}
}

func TestRequestsAreRememberedWithoutSecrets(t *testing.T) {
	h := open(t)
	p := h.home(idptest.HomeApp)
	a := p.begin("login_hint", idptest.Alice, "ui_locales", "de")
	p.must(a, h.SignIn(h.browser(), a.url, idptest.Alice))
	if got := h.Requests("authorize"); len(got) != 1 || got[0].Params.Get("ui_locales") != "de" || got[0].Params.Get("code_challenge_method") != "S256" {
		t.Errorf("authorize: %v", got)
	}
	if got := h.Requests("token"); len(got) != 1 || got[0].Params.Get("code") == "" || got[0].Params.Has("client_secret") {
		t.Errorf("token: %v", got)
	}
}
