package provider_test

import (
	"net/url"
	"strings"
	"testing"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
)

const bye = "https://app.example/bye"

func logoutKit(t *testing.T, databaseURL string) (*kit, *idptest.Party) {
	t.Helper()
	k := start(t, databaseURL)
	return k, k.AddParty(idp.Client{PostLogoutRedirectURIs: []string{bye, bye + "?a=b"}})
}

func (k *kit) isSignedIn(p *idptest.Party, b *idptest.Browser) bool {
	k.t.Helper()
	page := b.Get(p.Begin("prompt", "none").URL)
	return page.Left != nil && page.Left.Query().Has("code")
}

func (k *kit) endSession(pairs ...string) string {
	return edit(k.Issuer+"/end_session?", pairs...)
}

func TestEndSessionWithoutAHintAsks(t *testing.T) {
	t.Parallel()
	k, p := logoutKit(t, idptest.Migrated(t))
	page := k.browser.Get(k.endSession("client_id", p.Client.ID, "post_logout_redirect_uri", bye, "state", "s t"))
	wantPage(t, page, 200)
	if !k.isSignedIn(p, k.browser) {
		t.Fatal("signed out without asking")
	}
	target, fields, ok := page.Form("/end_session/confirm")
	if !ok {
		t.Fatalf("no form: %s", page.Body)
	}
	if r := k.send("POST", "/end_session/confirm", fields.Encode(), "Sec-Fetch-Site", "cross-site"); r.status != 403 {
		t.Errorf("a form of another site: %d", r.status)
	}
	wantPage(t, k.browser.Get(target), 405)
	left := k.browser.Submit(page, "/end_session/confirm").Left
	if left == nil || left.String() != bye+"?state=s+t" {
		t.Errorf("afterwards at %v", left)
	}
	if k.isSignedIn(p, k.browser) || k.Audited(idp.AuditSignedOut) != 1 {
		t.Errorf("still signed in, or %d audit events", k.Audited(idp.AuditSignedOut))
	}
}

func TestEndSessionWithTheHintOfThisBrowsersSessionSignsOut(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		k, p := logoutKit(t, db.URL)
		tokens := k.tokens(p)
		target := k.endSession("id_token_hint", tokens.RawID, "post_logout_redirect_uri", bye+"?a=b", "state", "x")
		page := k.browser.Get(target)
		if page.Left == nil || page.Left.String() != bye+"?a=b&state=x" {
			t.Fatalf("afterwards at %v, status %d", page.Left, page.Status)
		}
		if !strings.Contains(page.Header.Get("Set-Cookie"), "gatehouse_session_agents=;") || k.isSignedIn(p, k.browser) {
			t.Error("still signed in")
		}
		k.userinfo(tokens.AccessToken).want(t, 401, "invalid_token")
		// Once more: it is over, and there is nothing to ask.
		if again := k.browser.Get(target); again.Left == nil {
			t.Errorf("the second time: status %d", again.Status)
		}
		if n := k.Audited(idp.AuditSignedOut); n != 1 {
			t.Errorf("%d audit events, want 1", n)
		}
	})
}

func TestEndSessionWithAHintOfAnotherBrowserAsks(t *testing.T) {
	t.Parallel()
	k, p := logoutKit(t, idptest.Migrated(t))
	hint := k.tokens(p).RawID
	other, _ := k.signIn(k.person("other@rtx.example"), idp.MethodPassword, idp.MethodTOTP)
	page := other.Get(k.endSession("id_token_hint", hint, "post_logout_redirect_uri", bye))
	wantPage(t, page, 200)
	if _, _, ok := page.Form("/end_session/confirm"); !ok {
		t.Error("no form")
	}
	if !k.isSignedIn(p, other) || !k.isSignedIn(p, k.browser) {
		t.Error("somebody was signed out")
	}
	// A browser without a session has nothing to lose, and ends nobody else's.
	idptest.NewBrowser(t).Get(k.endSession("id_token_hint", hint))
	if !k.isSignedIn(p, k.browser) {
		t.Error("signed out from another browser")
	}
}

func TestEndSessionTakesNoHintThatIsNoIDToken(t *testing.T) {
	t.Parallel()
	k := start(t, idptest.Migrated(t))
	p := k.AddParty(idp.Client{TokenFormat: idp.JWTToken, PostLogoutRedirectURIs: []string{bye}})
	other := k.AddParty(idp.Client{PostLogoutRedirectURIs: []string{bye}})
	tokens := k.tokens(p)
	for name, pairs := range map[string][]string{
		"a JWT access token":         {"id_token_hint", tokens.AccessToken},
		"an ID token of another app": {"id_token_hint", tokens.RawID, "client_id", other.Client.ID},
		"nonsense":                   {"id_token_hint", "a.b.c"},
	} {
		t.Run(name, func(t *testing.T) {
			page := k.browser.Get(k.endSession(pairs...))
			wantPage(t, page, 200)
			if _, _, ok := page.Form("/end_session/confirm"); !ok || !k.isSignedIn(p, k.browser) {
				t.Error("signed out without asking")
			}
		})
	}
}

func TestPostLogoutRedirectURIsMatchExactly(t *testing.T) {
	t.Parallel()
	k, p := logoutKit(t, idptest.Migrated(t))
	other := k.AddParty(idp.Client{PostLogoutRedirectURIs: []string{"https://other.example/"}})
	hint := k.tokens(p).RawID
	for name, pairs := range map[string][]string{
		"unregistered":                   {"id_token_hint", hint, "post_logout_redirect_uri", "https://evil.example/"},
		"another client's":               {"id_token_hint", hint, "post_logout_redirect_uri", other.Client.PostLogoutRedirectURIs[0]},
		"without a client":               {"post_logout_redirect_uri", bye},
		"of an unknown client":           {"client_id", "nobody", "post_logout_redirect_uri", bye},
		"a redirect URI":                 {"id_token_hint", hint, "post_logout_redirect_uri", idptest.RedirectURI},
		"a slash more":                   {"id_token_hint", hint, "post_logout_redirect_uri", bye + "/"},
		"a state that is too long":       {"id_token_hint", hint, "post_logout_redirect_uri", bye, "state", strings.Repeat("s", 2049)},
		"a client that cannot be stored": {"client_id", "a\x00\xff", "post_logout_redirect_uri", bye},
	} {
		t.Run(name, func(t *testing.T) {
			b, _ := k.signIn(k.user, idp.MethodPassword, idp.MethodTOTP)
			page := b.Get(k.endSession(pairs...))
			wantPage(t, page, 200)
			page = b.Submit(page, "/end_session/confirm") // the hint is of another browser's session
			wantPage(t, page, 200)
			if page.LeadsTo("evil.example") || k.isSignedIn(p, b) {
				t.Error("the page leads to the address, or the person is still signed in")
			}
		})
	}
	form := url.Values{"client_id": {p.Client.ID}, "post_logout_redirect_uri": {"https://evil.example/"}}
	wantPage(t, k.browser.Post(k.Issuer+"/end_session/confirm", form), 200)
}
