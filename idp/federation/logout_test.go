package federation_test

import (
	"bytes"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/manage/authz"
	"gatehouse/idp/manage/connections"
)

func living(h *house) int { return h.count("sessions WHERE ended_at IS NULL") }

func TestSigningOutThereEndsTheSessionHere(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		h, b, other := open(t, db, nil), idptest.NewBrowser(t), idptest.NewBrowser(t)
		h.signIn(b, idptest.Alice)
		h.signIn(other, idptest.Alice)
		h.entra.SignOut(b, idptest.HomeTenant)
		if n := living(h); n != 1 {
			t.Errorf("%d sessions live, want that of the other browser", n)
		}
		// The relying party is told.
		if n := h.count("audit_events WHERE kind = 'session.ended'"); n != 1 {
			t.Errorf("%d sessions were ended in the audit log", n)
		}
	})
}

func TestFrontChannelLogoutNeedsTheSession(t *testing.T) {
	t.Parallel()
	h, b := open(t, idptest.Alone(t), nil), idptest.NewBrowser(t)
	h.signIn(b, idptest.Alice)
	for name, query := range map[string]url.Values{
		"no sid":                  {},
		"an unknown one":          {"sid": {"x"}},
		"another issuer":          {"sid": {"x"}, "iss": {"https://evil.example"}},
		"a sid of another issuer": {"sid": {upstreamSID(h)}, "iss": {h.entra.Issuer(idptest.OtherTenant)}},
	} {
		b.Get(h.Issuer + "/federation/logout?" + query.Encode())
		if living(h) != 1 {
			t.Errorf("%s ends the session", name)
		}
	}
	b.Get(h.Issuer + "/federation/logout?" + url.Values{"sid": {upstreamSID(h)}, "iss": {h.entra.Issuer(idptest.HomeTenant)}}.Encode())
	if living(h) != 0 {
		t.Error("the right one does not")
	}
}

func upstreamSID(h *house) (sid string) {
	h.t.Helper()
	if err := h.db.SQL().QueryRowContext(h.t.Context(), "SELECT upstream_sid FROM sessions").Scan(&sid); err != nil || sid == "" {
		h.t.Fatalf("the session has no sid of the other side: %v", err)
	}
	return sid
}

func TestBackChannelLogoutFromTheOtherSide(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		h, b := open(t, db, nil), idptest.NewBrowser(t)
		generic := h.connect(func(n *connections.ConnectionChange) {
			h.generic(n)
			n.Trust, n.Domains = idp.Trusted, []string{"generic.example"}
		})
		page := b.Get(h.party.Begin().URL)
		left := b.Get(page.URL.String() + "/federate?c=" + generic.ID).Left
		h.back(b, h.entra.SignIn(b, left, idptest.Gina))
		sid := upstreamSID(h)
		for name, change := range map[string]func(map[string]any){
			"a nonce":          func(c map[string]any) { c["nonce"] = "x" },
			"no event":         func(c map[string]any) { delete(c, "events") },
			"another event":    func(c map[string]any) { c["events"] = map[string]any{"x": map[string]any{}} },
			"another app":      func(c map[string]any) { c["aud"] = "x" },
			"another issuer":   func(c map[string]any) { c["iss"] = "https://evil.example" },
			"an old token":     func(c map[string]any) { c["iat"] = idp.Now().Unix() - 3600 },
			"from the future":  func(c map[string]any) { c["iat"] = idp.Now().Unix() + 3600 },
			"expired":          func(c map[string]any) { c["exp"] = idp.Now().Unix() - 3600 },
			"nobody":           func(c map[string]any) { delete(c, "sid"); delete(c, "sub") },
			"no time":          func(c map[string]any) { delete(c, "iat") },
			"no end":           func(c map[string]any) { delete(c, "exp") },
			"no id":            func(c map[string]any) { delete(c, "jti") },
			"an id of numbers": func(c map[string]any) { c["jti"] = 5 },
			"two audiences":    func(c map[string]any) { c["aud"] = []string{idptest.GenericApp, "x"} },
			"events of text":   func(c map[string]any) { c["events"] = "http://schemas.openid.net/event/backchannel-logout" },
		} {
			if status, err := h.entra.SendLogout(t.Context(), idptest.GenericApp, "gina-1", sid, change); err != nil || status != http.StatusBadRequest || living(h) != 1 {
				t.Errorf("%s: status %d, %v, %d sessions live", name, status, err, living(h))
			}
		}
		for _, token := range []string{"", "x", "a.b.c", "e30.e30.", strings.Repeat("a", 70_000)} {
			res, err := http.PostForm(h.Issuer+"/federation/logout", url.Values{"logout_token": {token}})
			if idptest.Must(t, err); res.StatusCode < 400 || res.StatusCode >= 500 {
				t.Errorf("%.20q: status %d", token, res.StatusCode)
			}
			_ = res.Body.Close()
		}
		if status, err := h.entra.SendLogout(t.Context(), idptest.GenericApp, "gina-1", sid, nil); err != nil || status != http.StatusOK || living(h) != 0 {
			t.Errorf("the right one: status %d, %v, %d sessions live", status, err, living(h))
		}
	})
}

// comeGeneric signs Gina in through the plain OpenID provider.
func (h *house) comeGeneric(b *idptest.Browser) idp.Connection {
	h.t.Helper()
	generic := h.connect(func(n *connections.ConnectionChange) {
		h.generic(n)
		n.Trust, n.Domains = idp.Trusted, []string{"generic.example"}
	})
	page := b.Get(h.party.Begin().URL)
	h.back(b, h.entra.SignIn(b, b.Get(page.URL.String()+"/federate?c="+generic.ID).Left, idptest.Gina))
	if living(h) == 0 {
		h.t.Fatal("she is not signed in")
	}
	return generic
}

// A token of another kind that the same key signed ends no session (OpenID Connect
// Back-Channel Logout 1.0 section 2.6).
func TestALogoutTokenIsOfNoOtherKind(t *testing.T) {
	t.Parallel()
	h, b := open(t, idptest.Alone(t), nil), idptest.NewBrowser(t)
	h.comeGeneric(b)
	sid := upstreamSID(h)
	for _, typ := range []string{"at+jwt", "application/at+jwt", "id_token", "secevent+jwt", "dpop+jwt", "logout"} {
		h.entra.SetLogoutType(typ)
		if status, err := h.entra.SendLogout(t.Context(), idptest.GenericApp, "", sid, nil); err != nil || status != http.StatusBadRequest || living(h) != 1 {
			t.Errorf("%s: status %d, %v, %d sessions live", typ, status, err, living(h))
		}
	}
	for _, typ := range []string{"logout+jwt", "LOGOUT+JWT", "application/logout+jwt", "JWT", ""} {
		h.entra.SetLogoutType(typ)
		if status, err := h.entra.SendLogout(t.Context(), idptest.GenericApp, "", sid, nil); err != nil || status != http.StatusOK || living(h) != 0 {
			t.Errorf("%q: status %d, %v, %d sessions live", typ, status, err, living(h))
		}
	}
}

// A logout token ends what lives when it comes first, and nothing later: of several
// copies at once one counts.
func TestALogoutTokenWorksOnce(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		h, b := open(t, db, nil), idptest.NewBrowser(t)
		generic := h.comeGeneric(b)
		token, err := h.entra.LogoutToken(idptest.GenericApp, "gina-1", "", nil)
		idptest.Must(t, err)
		send := func() int {
			res, err := http.PostForm(h.Issuer+"/federation/logout", url.Values{"logout_token": {token}})
			if err != nil {
				return 0
			}
			_ = res.Body.Close()
			return res.StatusCode
		}
		taken := 0
		for _, status := range idptest.Race(8, func(int) int { return send() }) {
			if status == http.StatusOK {
				taken++
			}
		}
		if taken != 1 || living(h) != 0 {
			t.Errorf("%d copies were taken, %d sessions live", taken, living(h))
		}
		page := b.Get(h.party.Begin().URL)
		h.back(b, h.entra.SignIn(b, b.Get(page.URL.String()+"/federate?c="+generic.ID).Left, idptest.Gina))
		if status := send(); status != http.StatusBadRequest || living(h) != 1 {
			t.Errorf("once more: status %d, %d sessions live", status, living(h))
		}
	})
}

func TestSigningOutHereSignsOutThere(t *testing.T) {
	t.Parallel()
	h, b := open(t, idptest.Alone(t), func(n *connections.ConnectionChange) { n.EndUpstream = true }), idptest.NewBrowser(t)
	tokens := h.signIn(b, idptest.Alice)
	p := b.Get(h.Issuer + "/end_session?" + url.Values{
		"id_token_hint": {tokens.RawID}, "post_logout_redirect_uri": {"https://portal.example/bye"}, "state": {"s"},
	}.Encode())
	if p.Left == nil || !strings.HasPrefix(p.Left.String(), h.entra.URL) || living(h) != 0 {
		t.Fatalf("at %q, left for %v", p.Heading(), p.Left)
	}
	if p.Left.Query().Get("id_token_hint") == "" || p.Left.Query().Get("logout_hint") == "" || p.Left.Query().Get("client_id") != idptest.HomeApp {
		t.Errorf("the other side is asked with %v: it has to guess whom", p.Left.Query())
	}
	there := b.Get(p.Left.String())
	back := p.Left.Query().Get("post_logout_redirect_uri") + "?" + url.Values{"state": p.Left.Query()["state"]}.Encode()
	if there.Left != nil {
		back = there.Left.String()
	}
	if p = b.Get(back); p.Left == nil || p.Left.String() != "https://portal.example/bye?state=s" {
		t.Errorf("back at %q (%d), left for %v", p.Heading(), p.Status, p.Left)
	}
	// A state that somebody made up leads nowhere.
	if p = b.Get(h.Issuer + idp.FederationCallback + "?state=x..aHR0cHM6Ly9ldmlsLmV4YW1wbGU"); p.Left != nil || p.Status != http.StatusGone {
		t.Errorf("a state of another's making: %q (%d), left for %v", p.Heading(), p.Status, p.Left)
	}
}

// What the other side is told at sign-out is kept where it is told, sealed and as long
// as the session lasts.
func TestWhatIsToldAtSignOutIsKeptWithTheSession(t *testing.T) {
	t.Parallel()
	for _, ends := range []bool{true, false} {
		idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
			h, b := open(t, db, func(n *connections.ConnectionChange) { n.EndUpstream = ends }), idptest.NewBrowser(t)
			tokens := h.signIn(b, idptest.Alice)
			kept := func() (sealed []byte) {
				idptest.Must(t, db.SQL().QueryRowContext(t.Context(), "SELECT upstream_sign_out FROM sessions").Scan(&sealed))
				return sealed
			}
			if sealed := kept(); (len(sealed) > 0) != ends || bytes.Contains(sealed, []byte("eyJ")) {
				t.Errorf("signing out there too: %t, and %d bytes are kept", ends, len(sealed))
			}
			// {"alg": in base64: three letters of it stand in what is sealed by chance.
			if n := h.count("flows WHERE CAST(data AS TEXT) LIKE '%eyJhbGciOi%'"); n != 0 {
				t.Errorf("%d flows hold a token", n)
			}
			b.Get(h.Issuer + "/end_session?" + url.Values{"id_token_hint": {tokens.RawID}}.Encode())
			if sealed := kept(); len(sealed) > 0 || living(h) != 0 {
				t.Errorf("after the end %d bytes are kept", len(sealed))
			}
		})
	}
}

// A token that makes the address too long is left out; the hint says whom it means.
func TestALongTokenIsNoHint(t *testing.T) {
	t.Parallel()
	h, b := open(t, idptest.Alone(t), func(n *connections.ConnectionChange) { n.EndUpstream = true }), idptest.NewBrowser(t)
	h.entra.Mutate(func(c map[string]any) { c["department"] = strings.Repeat("long ", 1000) })
	tokens := h.signIn(b, idptest.Alice)
	p := b.Get(h.Issuer + "/end_session?" + url.Values{"id_token_hint": {tokens.RawID}}.Encode())
	if p.Left == nil || p.Left.Query().Has("id_token_hint") || !p.Left.Query().Has("logout_hint") || len(p.Left.String()) > 4000 {
		t.Errorf("at %q, left for %.300v", p.Heading(), p.Left)
	}
}

func TestADeletedConnectionEndsItsSessions(t *testing.T) {
	t.Parallel()
	h, b := open(t, idptest.Alone(t), nil), idptest.NewBrowser(t)
	h.signIn(b, idptest.Alice)
	idptest.Must(t, h.Manage.Connections.DeleteConnection(t.Context(), authz.System(), h.connection.ID, h.connection.Version, "moved"))
	if living(h) != 0 || h.count("identities") != 0 {
		t.Errorf("%d sessions live, %d identities", living(h), h.count("identities"))
	}
}

// Other providers may drop the state on the way back: then the page says what this
// browser's sessions say, and nothing that the address claims.
func TestThePageAfterSigningOutThereSaysWhoIsStillSignedIn(t *testing.T) {
	t.Parallel()
	h, b := open(t, idptest.Alone(t), nil), idptest.NewBrowser(t)
	h.signIn(b, idptest.Alice)
	page := b.Get(h.Issuer + "/federation/callback")
	if page.Heading() == "You are signed out" || !strings.Contains(page.Body, `href="/end_session"`) {
		t.Errorf("signed in, at %q", page.Heading())
	}
	// An answer to a sign-in whose state was dropped says nothing of a sign-out.
	for _, answer := range []string{"?code=x", "?error=access_denied", "?code=x&state="} {
		if page := b.Get(h.Issuer + "/federation/callback" + answer); page.Status != http.StatusGone || page.Heading() == "You are signed out" {
			t.Errorf("%s: %q (%d)", answer, page.Heading(), page.Status)
		}
	}
	if page := idptest.NewBrowser(t).Get(h.Issuer + "/federation/callback"); page.Heading() != "You are signed out" {
		t.Errorf("signed out, at %q", page.Heading())
	}
}
