package session_test

import (
	"bytes"
	"net/http"
	"strings"
	"testing"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/session"
)

// sent is the header of a browser that sends cookies.
func sent(cookies ...*http.Cookie) http.Header {
	r := &http.Request{Header: http.Header{}}
	for _, c := range cookies {
		r.AddCookie(c)
	}
	return r.Header
}

func TestCookiesOfAnHTTPSProviderBelongToItsHost(t *testing.T) {
	t.Parallel()
	c := session.Cookies{Secure: true}
	browser, _ := c.NewBrowser()
	for want, cookie := range map[string]*http.Cookie{
		"__Host-gatehouse_browser":         browser,
		"__Host-gatehouse_session_agents":  c.NewSession(idp.Agents, idp.NewSecret()),
		"__Host-gatehouse_session_partner": c.EndSession("partner"),
	} {
		if cookie.Name != want {
			t.Errorf("named %s, want %s", cookie.Name, want)
		}
		if !cookie.Secure || !cookie.HttpOnly || cookie.SameSite != http.SameSiteLaxMode || cookie.Path != "/" || cookie.Domain != "" {
			t.Errorf("%s", cookie)
		}
		if err := cookie.Valid(); err != nil {
			t.Error(err)
		}
	}
}

func TestCookiesOnLocalhostHaveOurNames(t *testing.T) {
	t.Parallel()
	c := session.Cookies{}
	browser, _ := c.NewBrowser()
	for want, cookie := range map[string]*http.Cookie{
		"gatehouse_browser":          browser,
		"gatehouse_session_contacts": c.NewSession(idp.Contacts, idp.NewSecret()),
	} {
		if cookie.Name != want || cookie.Secure || !cookie.HttpOnly || cookie.SameSite != http.SameSiteLaxMode || cookie.Path != "/" {
			t.Errorf("%s, want %s", cookie, want)
		}
	}
}

func TestCookiesLastAsLongAsTheyShould(t *testing.T) {
	t.Parallel()
	c := session.Cookies{}
	browser, _ := c.NewBrowser()
	if browser.MaxAge != int((400 * 24 * time.Hour).Seconds()) {
		t.Errorf("a browser's name lasts %ds", browser.MaxAge)
	}
	if kept := c.NewSession(idp.Agents, idp.NewSecret()); kept.MaxAge != 0 || !kept.Expires.IsZero() {
		t.Errorf("a session's cookie outlives the browser: %s", kept)
	}
	if ended := c.EndSession(idp.Agents); ended.MaxAge >= 0 || ended.Value != "" {
		t.Errorf("the cookie of an ended session stays: %s", ended)
	}
}

func TestCookieIsReadBack(t *testing.T) {
	t.Parallel()
	for _, c := range []session.Cookies{{}, {Secure: true}} {
		cookie, hash := c.NewBrowser()
		secret, again := c.Browser(sent(cookie))
		if secret != cookie.Value || !bytes.Equal(hash, again) || !bytes.Equal(hash, idp.HashSecret(secret)) {
			t.Errorf("the browser %s is read as %s", cookie.Value, secret)
		}
		token := idp.NewSecret()
		header := sent(cookie, c.NewSession(idp.Agents, token), c.NewSession(idp.Contacts, idp.NewSecret()))
		if got := c.Session(header, idp.Agents); got != token {
			t.Errorf("the session %s is read as %s", token, got)
		}
		if got := c.Session(header, "partner"); got != "" {
			t.Errorf("a population without a session has %s", got)
		}
		other, _ := c.NewBrowser()
		if other.Value == cookie.Value {
			t.Error("two browsers have one name")
		}
	}
}

// A second cookie of a name was planted, say by a neighbouring subdomain, and
// a value of another length is not ours: both count as none.
func TestDoubtfulCookiesAreNone(t *testing.T) {
	t.Parallel()
	genuine := idp.NewSecret()
	for name, values := range map[string][]string{
		"none":           {},
		"two":            {genuine, idp.NewSecret()},
		"the same twice": {genuine, genuine},
		"one is empty":   {genuine, ""},
		"empty":          {""},
		"short":          {genuine[1:]},
		"long":           {genuine + "A"},
		"very long":      {strings.Repeat(genuine, 100)},
	} {
		for _, c := range []session.Cookies{{}, {Secure: true}} {
			browser, _ := c.NewBrowser()
			kept := c.NewSession(idp.Agents, genuine)
			var browsers, sessions []*http.Cookie
			for _, v := range values {
				b, s := *browser, *kept
				b.Value, s.Value = v, v
				browsers, sessions = append(browsers, &b), append(sessions, &s)
			}
			if secret, hash := c.Browser(sent(browsers...)); secret != "" || hash != nil {
				t.Errorf("%s: browser %q", name, secret)
			}
			if token := c.Session(sent(sessions...), idp.Agents); token != "" {
				t.Errorf("%s: session %q", name, token)
			}
		}
	}
}

// On https the cookie without the prefix, which others can set, is not ours.
func TestPrefixIsPartOfTheName(t *testing.T) {
	t.Parallel()
	plain, _ := session.Cookies{}.NewBrowser()
	if secret, _ := (session.Cookies{Secure: true}).Browser(sent(plain)); secret != "" {
		t.Error("a cookie without the prefix is taken")
	}
}
