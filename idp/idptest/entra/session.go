package entra

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"gatehouse/idp"
)

// cookieName is the simulation's own: cookies of localhost are shared by all ports.
const cookieName = "entra_simulation"

// browser is what one browser is signed in with.
type browser struct {
	sessions []*session
}

// session is one account that is signed in in a browser. It serves single sign-on.
type session struct {
	sid      string
	account  string // Person.key
	authTime time.Time
	acrs     []string          // authentication contexts met so far
	apps     map[string]string // client id: issuer that its tokens said
}

// browserID reads the cookie.
func browserID(r *http.Request) string {
	c, err := r.Cookie(cookieName)
	if err != nil {
		return ""
	}
	return c.Value
}

// needBrowser makes sure that the browser has a cookie, and answers its value.
func (t *Tenant) needBrowser(w http.ResponseWriter, r *http.Request) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	id := browserID(r)
	if _, known := t.browsers.get(id); known {
		return id
	}
	id = newGUID()
	t.browsers.put(id, &browser{})
	http.SetCookie(w, &http.Cookie{
		Name: cookieName, Value: id, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode,
		Secure: strings.HasPrefix(t.base, "https://"),
	})
	return id
}

// sessions are copies of the sessions of a browser.
func (t *Tenant) sessions(browserID string) []session {
	t.mu.Lock()
	defer t.mu.Unlock()
	b, known := t.browsers.get(browserID)
	if !known {
		return nil
	}
	var list []session
	for _, s := range b.sessions {
		list = append(list, s.copy())
	}
	return list
}

func (s *session) copy() session {
	c := *s
	c.acrs = slices.Clone(s.acrs)
	return c
}

// signIn opens a session, or makes the account's own fresh again under the same sid.
func (t *Tenant) signIn(browserID string, p Person) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	b, known := t.browsers.get(browserID)
	if !known {
		b = &browser{}
		t.browsers.put(browserID, b)
	}
	for _, s := range b.sessions {
		if s.account == p.key() {
			s.authTime = idp.Now()
			return s.sid
		}
	}
	s := &session{sid: newGUID(), account: p.key(), authTime: idp.Now(), apps: map[string]string{}}
	b.sessions = append(b.sessions, s)
	return s.sid
}

// find answers a browser's session by its sid. The caller holds the lock.
func (t *Tenant) find(browserID, sid string) *session {
	b, known := t.browsers.get(browserID)
	if !known {
		return nil
	}
	for _, s := range b.sessions {
		if s.sid == sid {
			return s
		}
	}
	return nil
}

// session answers a copy of a browser's session.
func (t *Tenant) session(browserID, sid string) (session, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.find(browserID, sid)
	if s == nil {
		return session{}, false
	}
	return s.copy(), true
}

// meet notes that a session met authentication contexts.
func (t *Tenant) meet(browserID, sid string, acrs []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.find(browserID, sid)
	if s == nil {
		return
	}
	for _, c := range acrs {
		if !slices.Contains(s.acrs, c) {
			s.acrs = append(s.acrs, c)
		}
	}
	s.authTime = idp.Now()
}

// usable picks, out of a browser's sessions, those that single sign-on may use for
// a request.
func (t *Tenant) usable(r request, sessions []session) []session {
	var fit []session
	for _, s := range sessions {
		account, known := t.byKey(s.account)
		if !known || !r.fresh(s) {
			continue
		}
		if r.loginHint != "" && !account.answersTo(hinted(r.loginHint)) {
			continue
		}
		if r.domainHint != "" && !account.within(r.domainHint) {
			continue
		}
		if _, f := t.resolve(account, r); f == nil {
			fit = append(fit, s)
		}
	}
	return fit
}

// fresh reports whether a session's authentication is recent enough for a request.
func (r request) fresh(s session) bool {
	return r.prompt != "login" && (r.maxAge < 0 || idp.Now().Sub(s.authTime) <= r.maxAge)
}

// within reports whether a domain_hint fits an account.
func (p Person) within(hint string) bool {
	switch hint {
	case consumers:
		return p.Directory == Consumers
	case organizations:
		return p.Directory != Consumers
	}
	_, domain, _ := strings.Cut(p.PreferredUsername, "@")
	return strings.EqualFold(domain, hint)
}

// authenticate looks an account up by what was typed. A person who has an account in a
// simulated home directory always signs in there.
func (t *Tenant) authenticate(at place, username, password string) (Person, *failure) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var found *Person
	for _, p := range t.people {
		if p.answersTo(username) && (p.Directory == Generic) == at.generic() && (found == nil || found.guest()) {
			found = &p
		}
	}
	if found == nil || found.Password != password {
		return Person{}, refuse(50126, "invalid_grant", "Error validating credentials due to invalid username or password.")
	}
	return found.clone(), nil
}

// resolve answers who an account is in the directory that a request asks: itself, its
// guest, or none.
func (t *Tenant) resolve(account Person, r request) (Person, *failure) {
	directory := r.at.directory
	if directory == "" {
		directory = account.Directory
		if account.guest() || !r.app.takes(directory) || (r.at.authority == organizations && directory == Consumers) {
			return Person{}, r.stranger(account)
		}
	}
	if account.Directory == directory {
		return account, nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, p := range t.people {
		if p.Directory == directory && p.Home == account.Directory && p.answersTo(account.PreferredUsername) {
			return p.clone(), nil
		}
	}
	return Person{}, r.stranger(account)
}

// stranger refuses an account of another directory.
func (r request) stranger(account Person) *failure {
	home := "https://sts.windows.net/" + account.Directory + "/"
	if account.Directory == Consumers {
		home = "live.com"
	}
	return refuse(notInTenant, "access_denied", "User account '"+account.PreferredUsername+"' from identity provider '"+home+
		"' does not exist in tenant '"+r.at.authority+"' and cannot access the application '"+r.app.ClientID+"'("+r.app.Name+
		") in that tenant. The account needs to be added as an external user in the tenant first. "+
		"Sign out and sign in again with a different Azure Active Directory user account.")
}
