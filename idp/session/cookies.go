package session

import (
	"encoding/base64"
	"net/http"
	"slices"
	"time"
	"unicode/utf8"

	"gatehouse/idp"
)

// Cookies names and makes our cookies. With Secure they get the __Host- prefix,
// which no other host or path can set (RFC 6265bis section 4.1.3.2).
type Cookies struct {
	Secure bool
}

// browserLifetime is the longest that browsers keep a cookie.
const browserLifetime = 400 * 24 * time.Hour

// Browser returns the secret that names the browser of a request, and its hash; both empty
// when it has none. Two cookies of the name mean that one was planted: then there is none.
func (c Cookies) Browser(h http.Header) (secret string, hash []byte) {
	secret = c.only(h, "browser")
	if secret == "" {
		return "", nil
	}
	return secret, idp.HashSecret(secret)
}

// NewBrowser names a browser that has no name yet.
func (c Cookies) NewBrowser() (*http.Cookie, []byte) {
	secret := idp.NewSecret()
	cookie := c.cookie("browser", secret)
	cookie.MaxAge = int(browserLifetime / time.Second)
	return cookie, idp.HashSecret(secret)
}

// Session returns the token of a request's session in a population, empty for
// none.
func (c Cookies) Session(h http.Header, population string) string {
	return c.only(h, "session_"+population)
}

// NewSession is the cookie of a session. It ends with the browser; the server's
// limits end it sooner.
func (c Cookies) NewSession(population, token string) *http.Cookie {
	return c.cookie("session_"+population, token)
}

// App returns the client_id of the app that this browser signed in to last, empty for
// none. It is no secret and proves nothing.
func (c Cookies) App(h http.Header) string {
	found := (&http.Request{Header: h}).CookiesNamed(c.name("app"))
	if len(found) != 1 {
		return ""
	}
	id, err := base64.RawURLEncoding.DecodeString(found[0].Value)
	if err != nil || !utf8.Valid(id) || slices.Contains(id, 0) { // PostgreSQL refuses to look
		return ""
	}
	return string(id)
}

// NewApp notes that app until the browser is closed.
func (c Cookies) NewApp(clientID string) *http.Cookie {
	return c.cookie("app", base64.RawURLEncoding.EncodeToString([]byte(clientID)))
}

// BreakGlass returns the token of a link for emergencies that this browser opened,
// empty for none.
func (c Cookies) BreakGlass(h http.Header) string { return c.only(h, "break_glass") }

// NewBreakGlass keeps the token of such a link until the browser is closed.
func (c Cookies) NewBreakGlass(token string) *http.Cookie { return c.cookie("break_glass", token) }

// KeptForm returns a form that this browser keeps while its sender signs in, empty for
// none.
func (c Cookies) KeptForm(h http.Header) string {
	found := (&http.Request{Header: h}).CookiesNamed(c.name("kept_form"))
	if len(found) != 1 {
		return ""
	}
	return found[0].Value
}

// NewKeptForm keeps a sealed form for a while; an empty one removes it.
func (c Cookies) NewKeptForm(sealed string, lasts time.Duration) *http.Cookie {
	cookie := c.cookie("kept_form", sealed)
	cookie.MaxAge = int(lasts / time.Second)
	if sealed == "" {
		cookie.MaxAge = -1
	}
	return cookie
}

// KeptSession is the cookie of a session that outlives the closing of the browser,
// until it ends.
func (c Cookies) KeptSession(population, token string, left time.Duration) *http.Cookie {
	cookie := c.NewSession(population, token)
	cookie.MaxAge = max(1, int(min(left, browserLifetime)/time.Second))
	return cookie
}

// EndSession removes the cookie of a session.
func (c Cookies) EndSession(population string) *http.Cookie {
	cookie := c.cookie("session_"+population, "")
	cookie.MaxAge = -1
	return cookie
}

func (c Cookies) name(short string) string {
	if c.Secure {
		return "__Host-gatehouse_" + short
	}
	return "gatehouse_" + short
}

func (c Cookies) cookie(short, value string) *http.Cookie {
	return &http.Cookie{
		Name: c.name(short), Value: value, Path: "/",
		Secure: c.Secure, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	}
}

// secretLength is that of idp.NewSecret: anything else was not made by us.
const secretLength = 43

func (c Cookies) only(h http.Header, short string) string {
	found := (&http.Request{Header: h}).CookiesNamed(c.name(short))
	if len(found) != 1 || len(found[0].Value) != secretLength {
		return ""
	}
	return found[0].Value
}
