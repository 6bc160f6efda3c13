package entra

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"gatehouse/idp"
)

// told is an app that hears of a sign-out.
type told struct {
	app    App
	issuer string
	sid    string
	person string
}

// logout ends sessions of the browser and tells their apps (OpenID Connect
// RP-Initiated Logout 1.0, Front-Channel Logout 1.0). A hint ends that session
// alone; without one all of them end.
func (t *Tenant) logout(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		t.refused(w, refuse(malformed, "invalid_request", "The request is malformed."))
		return
	}
	t.remember("logout", r.Form)
	at, f := t.place(r)
	if f != nil {
		t.refused(w, f)
		return
	}
	ended := t.end(browserID(r), at, r.Form.Get("id_token_hint"), r.Form.Get("logout_hint"))
	next, f := t.afterLogout(at, r.Form)
	if f != nil {
		t.refused(w, f)
		return
	}
	t.tellAll(r.Context(), ended)
	frames := frontChannel(ended)
	if next != "" && len(frames) == 0 {
		http.Redirect(w, r, next, http.StatusFound)
		return
	}
	t.pages.show(w, http.StatusOK, "signedout", page{Title: "You signed out of your account", Frames: frames, Next: next})
}

// afterLogout is where the browser goes then: only to a registered address.
func (t *Tenant) afterLogout(at place, v url.Values) (string, *failure) {
	wanted := v.Get("post_logout_redirect_uri")
	if wanted == "" {
		return "", nil
	}
	t.mu.Lock()
	known := slices.ContainsFunc(t.apps, func(a App) bool {
		return (a.Directory == Generic) == at.generic() &&
			(slices.Contains(a.PostLogoutRedirectURIs, wanted) || a.registered(wanted))
	})
	t.mu.Unlock()
	u, err := url.Parse(wanted)
	if !known || err != nil {
		return "", refuse(wrongReply, "invalid_request", "The post_logout_redirect_uri '"+wanted+"' is not registered.")
	}
	if state := v.Get("state"); state != "" {
		q := u.Query()
		q.Set("state", state)
		u.RawQuery = q.Encode()
	}
	return u.String(), nil
}

// end ends those sessions of a browser that a sign-out means.
func (t *Tenant) end(browser string, at place, idToken, hint string) []told {
	sid := hintedSession(idToken)
	return t.endWhere(browser, func(s *session, p Person) bool {
		switch {
		case (p.Directory == Generic) != at.generic():
			return false
		case sid != "":
			return s.sid == sid
		case hint != "":
			return p.answersTo(hinted(hint))
		}
		return true
	})
}

// EndSessions ends all sessions of a person in every browser, as an admin's "revoke
// sessions" does, and answers how many there were. Apps with a back-channel logout
// URI are told.
func (t *Tenant) EndSessions(ctx context.Context, directory, username string) int {
	t.mu.Lock()
	ids := slices.Clone(t.browsers.order)
	t.mu.Unlock()
	var n int
	for _, id := range ids {
		ended := t.endWhere(id, func(_ *session, p Person) bool { return p.Directory == directory && p.answersTo(username) })
		t.tellAll(ctx, ended)
		n += len(ended)
	}
	return n
}

// endWhere ends some sessions of a browser and answers which apps they reached.
func (t *Tenant) endWhere(browserID string, which func(*session, Person) bool) []told {
	people := map[string]Person{}
	for _, s := range t.sessions(browserID) {
		people[s.account], _ = t.byKey(s.account)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	b, known := t.browsers.get(browserID)
	if !known {
		return nil
	}
	var ended []told
	b.sessions = slices.DeleteFunc(b.sessions, func(s *session) bool {
		if !which(s, people[s.account]) {
			return false
		}
		for _, app := range t.apps {
			if issuer := s.apps[app.ClientID]; issuer != "" {
				ended = append(ended, told{app, issuer, s.sid, s.account})
			}
		}
		return true
	})
	return ended
}

// hintedSession reads the sid of an ID token. A hint is no proof: it only says which
// of the browser's own sessions is meant.
func hintedSession(idToken string) string {
	parts := strings.Split(idToken, ".")
	if len(parts) != 3 {
		return ""
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return ""
	}
	var c struct {
		SID string `json:"sid"`
	}
	if err := json.Unmarshal(payload, &c); err != nil {
		return ""
	}
	return c.SID
}

// frontChannel are the addresses that the signed-out page loads in frames.
func frontChannel(ended []told) []string {
	var frames []string
	for _, e := range ended {
		u, err := url.Parse(e.app.FrontChannelLogoutURI)
		if err != nil || e.app.FrontChannelLogoutURI == "" {
			continue
		}
		q := u.Query()
		q.Set("iss", e.issuer)
		q.Set("sid", e.sid)
		u.RawQuery = q.Encode()
		frames = append(frames, u.String())
	}
	return frames
}

const logoutTimeout = 5 * time.Second

// tellAll sends logout tokens to the generic provider's apps. One that is down is
// told nothing, as with any provider that does not repeat itself.
func (t *Tenant) tellAll(ctx context.Context, ended []told) {
	for _, e := range ended {
		if e.app.BackChannelLogoutURI == "" || e.app.Directory != Generic {
			continue
		}
		_, subject, _ := strings.Cut(e.person, "/")
		_, _ = t.SendLogout(ctx, e.app.ClientID, subject, e.sid, nil)
	}
}

// LogoutToken makes a logout token of the generic provider (OpenID Connect
// Back-Channel Logout 1.0 section 2.4). subject or sid may be empty; change may do
// anything to the claims, and may be nil.
func (t *Tenant) LogoutToken(clientID, subject, sid string, change func(claims map[string]any)) (string, error) {
	now := idp.Now()
	claims := map[string]any{
		"iss": t.Issuer(Generic), "aud": clientID, "iat": now.Unix(), "exp": now.Add(2 * time.Minute).Unix(), "jti": newGUID(),
		"events": map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}},
	}
	if subject != "" {
		claims["sub"] = subject
	}
	if sid != "" {
		claims["sid"] = sid
	}
	if change != nil {
		change(claims)
	}
	key, err := t.keys.signer(Generic)
	if err != nil {
		return "", err
	}
	return key.sign(t.faults.logoutType(), claims)
}

// SendLogout sends a logout token to an app's back-channel logout URI and answers
// the status it got.
func (t *Tenant) SendLogout(ctx context.Context, clientID, subject, sid string, change func(claims map[string]any)) (int, error) {
	app, known := t.app(clientID)
	if !known || app.BackChannelLogoutURI == "" {
		return 0, errors.New("the app has no back-channel logout URI")
	}
	token, err := t.LogoutToken(clientID, subject, sid, change)
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, logoutTimeout)
	defer cancel()
	body := strings.NewReader(url.Values{"logout_token": {token}}.Encode())
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, app.BackChannelLogoutURI, body)
	if err != nil {
		return 0, fmt.Errorf("telling an app of a sign-out: %w", err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, fmt.Errorf("telling an app of a sign-out: %w", err)
	}
	return res.StatusCode, res.Body.Close()
}
