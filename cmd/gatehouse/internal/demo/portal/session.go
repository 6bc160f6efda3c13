package portal

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"sync"
	"time"
)

// session is a person signed in to this portal in one browser.
type session struct {
	identity     identity
	refreshToken string
	accessExpiry time.Time // zero when the provider did not say
	started      time.Time
	issued       time.Time // iat of the ID token that began it, by the provider's clock
	refreshed    time.Time // zero until the first refresh
	renewal      *sync.Mutex
}

func (s session) ends() time.Time { return s.started.Add(sessionLifetime) }

// stale says that the access token has run out and can be had anew.
func (s session) stale() bool {
	return s.refreshToken != "" && !s.accessExpiry.IsZero() && !now().Before(s.accessExpiry)
}

// What the browser keeps for us, one cookie each.
const (
	sessionCookie = "session" // the session's id
	browserCookie = "browser" // which browser started which sign-ins
	logoutCookie  = "logout"  // state of a sign-out at the provider
	noticeCookie  = "notice"  // what the next page should say
)

// cookieName is unique for each portal: localhost's cookies are shared by all
// ports. On https the prefix keeps sibling hosts from planting one.
func (p *Portal) cookieName(purpose string) string {
	name := "portal_" + string(p.cfg.Kind) + "_" + purpose
	if p.secure() {
		return "__Host-" + name
	}
	return name
}

func (p *Portal) cookie(r *http.Request, purpose string) string {
	c, err := r.Cookie(p.cookieName(purpose))
	if err != nil {
		return ""
	}
	return c.Value
}

func (p *Portal) setCookie(w http.ResponseWriter, purpose, value string, life time.Duration) {
	http.SetCookie(w, &http.Cookie{
		Name:     p.cookieName(purpose),
		Value:    value,
		Path:     "/",
		MaxAge:   int(life.Seconds()),
		Secure:   p.secure(),
		HttpOnly: true,
		SameSite: http.SameSiteLaxMode,
	})
}

func (p *Portal) dropCookie(w http.ResponseWriter, purpose string) {
	p.setCookie(w, purpose, "", -time.Second)
}

// current answers the session of this browser and the key it is kept under.
func (p *Portal) current(r *http.Request) (string, session, bool) {
	key := digest(p.cookie(r, sessionCookie))
	s, ok := p.sessions.get(key)
	return key, s, ok
}

// start begins a session under a new id and ends the one this browser had.
func (p *Portal) start(w http.ResponseWriter, r *http.Request, s session) {
	p.sessions.remove(digest(p.cookie(r, sessionCookie)))
	id := newID()
	p.sessions.add(digest(id), s, s.ends())
	p.setCookie(w, sessionCookie, id, sessionLifetime)
}

// end drops this browser's session and answers what it was.
func (p *Portal) end(w http.ResponseWriter, r *http.Request) (session, bool) {
	p.dropCookie(w, sessionCookie)
	return p.sessions.take(digest(p.cookie(r, sessionCookie)), func(session) bool { return true })
}

// newID is 256 bits of chance, safe in a cookie and a URL.
func newID() string {
	id := make([]byte, 32)
	_, _ = rand.Read(id) // never fails: it ends the program instead
	return base64.RawURLEncoding.EncodeToString(id)
}

// digest is what we keep of an id, so that the memory holds no credentials.
func digest(id string) string {
	sum := sha256.Sum256([]byte(id))
	return string(sum[:])
}
