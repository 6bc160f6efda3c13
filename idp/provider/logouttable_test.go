package provider_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/keys"
)

// signOut is one way in which an app sends a person to sign out.
type signOut struct {
	hint, uri, client, how, who string
}

func (s signOut) String() string {
	return fmt.Sprintf("hint %s, redirect %s, client_id %s, %s, %s", s.hint, s.uri, s.client, s.how, s.who)
}

// The words of the table.
var (
	hints   = []string{"none", "valid", "expired", "broken", "of an ended session", "of another app", "of another browser"}
	uris    = []string{"none", "registered", "unregistered"}
	clients = []string{"left out", "given", "another", "unknown"}
	hows    = []string{"GET", "POST", "POST of another site"}
	whos    = []string{"signed in", "signed in twice", "signed out"}
)

// speaks tells whether the request has a hint that speaks for the session of the
// browser: then nobody is asked.
func (s signOut) speaks() bool {
	switch s.hint {
	case "valid", "expired":
		return (s.client == "left out" || s.client == "given") && s.who != "signed out"
	case "of another app": // another app's token of the same session
		return (s.client == "left out" || s.client == "another") && s.who != "signed out"
	}
	return false
}

// returns tells whether the person is sent back: all about the request is sound, and
// the app that it names registered the address.
func (s signOut) returns() bool {
	if s.uri != "registered" || s.hint == "broken" {
		return false
	}
	switch s.hint {
	case "none":
		return s.client == "given"
	case "of another app":
		return false // the address is not that app's
	}
	return s.client == "left out" || s.client == "given"
}

// asks tells whether the person is asked first.
func (s signOut) asks() bool { return s.who != "signed out" && !s.speaks() }

// logoutHouse is a provider with two apps.
type logoutHouse struct {
	*kit
	app, other, contacts *idptest.Party
	contact              idp.User
	// what of other sessions
	ended, elsewhere string
	elsewhereBrowser *idptest.Browser
}

func openLogoutHouse(t *testing.T) *logoutHouse {
	k := start(t, idptest.Migrated(t))
	h := &logoutHouse{kit: k}
	h.app = k.AddParty(idp.Client{PostLogoutRedirectURIs: []string{bye}, HomeURL: "https://app.example/"})
	h.other = k.AddParty(idp.Client{PostLogoutRedirectURIs: []string{"https://other.example/bye"}})
	h.contacts = k.AddParty(idp.Client{Populations: []string{idp.Contacts}})
	h.contact = idptest.User(idp.Contacts, "kim@customer.example")
	idptest.Must(t, k.Store.CreateUser(t.Context(), h.contact))
	b, s := k.signIn(k.user, idp.MethodPassword, idp.MethodTOTP)
	h.ended = h.idToken(b, h.app)
	_, err := k.Store.EndSessions(t.Context(), idp.Now(), s.ID)
	idptest.Must(t, err)
	h.elsewhereBrowser, _ = k.signIn(k.user, idp.MethodPassword, idp.MethodTOTP)
	h.elsewhere = h.idToken(h.elsewhereBrowser, h.app)
	return h
}

func (h *logoutHouse) idToken(b *idptest.Browser, p *idptest.Party) string {
	h.t.Helper()
	a := p.Begin()
	return p.Exchange(a, b.Get(a.URL).Left).RawID
}

// browserOf is a browser for a row, and the hint of its session.
func (h *logoutHouse) browserOf(s signOut) (b *idptest.Browser, hint string) {
	b, secret := idptest.NewBrowser(h.t), idp.NewSecret()
	h.setCookie(b, "gatehouse_browser", secret)
	h.signInTo(b, idp.HashSecret(secret), h.user, idp.MethodPassword, idp.MethodTOTP)
	switch s.hint {
	case "valid":
		hint = h.idToken(b, h.app)
	case "expired":
		hint = h.expired(b)
	case "broken":
		hint = strings.Replace(h.idToken(b, h.app), ".", ".e30", 1)
	case "of an ended session":
		hint = h.ended
	case "of another app":
		hint = h.idToken(b, h.other)
	case "of another browser":
		hint = h.elsewhere
	}
	switch s.who {
	case "signed in twice":
		h.signInTo(b, idp.HashSecret(secret), h.contact, idp.MethodPassword, idp.MethodTOTP)
	case "signed out":
		h.setCookie(b, "gatehouse_session_agents", "")
	}
	return b, hint
}

// expired is an ID token of a sign-in long ago: the session goes on.
func (h *logoutHouse) expired(b *idptest.Browser) string {
	h.t.Helper()
	hint := h.idToken(b, h.app)
	claims := map[string]any{}
	idptest.Must(h.t, h.Keys.Verify(hint, keys.IDToken, &claims))
	claims["exp"] = idp.Now().Add(-time.Hour).Unix()
	payload, err := json.Marshal(claims)
	idptest.Must(h.t, err)
	token, err := h.Keys.Sign(h.app.Client.SigningAlg, keys.IDToken, payload)
	idptest.Must(h.t, err)
	return token
}

// send sends the person of a row to sign out.
func (h *logoutHouse) sendOff(b *idptest.Browser, s signOut, hint string) *idptest.Page {
	h.t.Helper()
	form := url.Values{"state": {"x"}}
	set := func(name, value string) {
		if value != "" {
			form.Set(name, value)
		}
	}
	set("id_token_hint", hint)
	set("post_logout_redirect_uri", map[string]string{"registered": bye, "unregistered": "https://evil.example/"}[s.uri])
	set("client_id", map[string]string{"given": h.app.Client.ID, "another": h.other.Client.ID, "unknown": "nobody"}[s.client])
	switch s.how {
	case "POST":
		return b.Post(h.Issuer+"/end_session", form)
	case "POST of another site": // without a cookie of ours; what follows is a GET, which brings them
		r := h.send(http.MethodPost, "/end_session", form.Encode(), "Sec-Fetch-Site", "cross-site", "Origin", "https://app.example")
		if r.status != http.StatusSeeOther {
			h.t.Fatalf("%s: %d", s, r.status)
		}
		return b.Get(h.Issuer + r.header.Get("Location"))
	}
	return b.Get(h.Issuer + "/end_session?" + form.Encode())
}

// Whatever an app sends along: the person is asked where the request does not speak for
// the session, is out afterwards, and only a sound request sends them back. No page says
// what is not so.
func TestEverySignOutSignsOut(t *testing.T) {
	t.Parallel()
	h := openLogoutHouse(t)
	for _, who := range whos {
		t.Run(strings.ReplaceAll(who, " ", "-"), func(t *testing.T) {
			for _, hint := range hints {
				for _, uri := range uris {
					for _, client := range clients {
						for _, how := range hows {
							h.check(t, signOut{hint: hint, uri: uri, client: client, how: how, who: who})
						}
					}
				}
			}
		})
	}
	if !h.isSignedIn(h.app, h.elsewhereBrowser) {
		t.Error("the session of another browser ended")
	}
}

func (h *logoutHouse) check(t *testing.T, s signOut) {
	t.Helper()
	b, hint := h.browserOf(s)
	page := h.sendOff(b, s, hint)
	_, _, asked := page.Form("/end_session/confirm")
	if asked != s.asks() {
		t.Errorf("%s: asked %t, want %t (%q)", s, asked, s.asks(), page.Heading())
	}
	if asked {
		if page.Heading() != "Sign out?" || !h.isSignedIn(h.app, b) {
			t.Errorf("%s: signed out before the answer", s)
		}
		page = b.Submit(page, "/end_session/confirm")
	}
	if h.isSignedIn(h.app, b) {
		t.Errorf("%s: still signed in, at %q", s, page.Heading())
	}
	stays := s.who == "signed in twice" && !s.asks()
	if h.isSignedIn(h.contacts, b) != stays {
		t.Errorf("%s: the other account signed in: %t, want %t", s, !stays, stays)
	}
	h.checkEnd(t, s, page, stays)
}

// checkEnd holds the page or address at which a row ends.
func (h *logoutHouse) checkEnd(t *testing.T, s signOut, page *idptest.Page, stays bool) {
	t.Helper()
	if back := page.Left != nil && page.Left.String() == bye+"?state=x"; back != s.returns() || page.Left != nil && !back {
		t.Errorf("%s: sent to %v, want back %t", s, page.Left, s.returns())
	}
	if s.returns() {
		return
	}
	want := "You are signed out"
	if stays {
		want = "That account is signed out"
	}
	if page.Status != http.StatusOK || page.Heading() != want || page.LeadsTo("evil.example") {
		t.Errorf("%s: ends at %q (%d), want %q", s, page.Heading(), page.Status, want)
	}
	if stays != strings.Contains(page.Body, h.contact.Email) {
		t.Errorf("%s: names who is still signed in: %t", s, !stays)
	}
	known := slices.Contains([]string{"valid", "expired", "of an ended session", "of another browser"}, s.hint) && s.client != "another" && s.client != "unknown" ||
		s.client == "given"
	if home := strings.Contains(page.Body, `href="https://app.example/"`); known && !home || !strings.Contains(page.Body, `<a class="button`) {
		t.Errorf("%s: no way on: %s", s, page.Body)
	}
}
