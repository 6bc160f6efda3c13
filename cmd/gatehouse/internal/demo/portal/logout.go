package portal

import (
	"crypto/subtle"
	"net/http"
	"net/url"
	"time"
)

const logoutLifetime = 10 * time.Minute

// logoutHere ends this portal's session and leaves the provider's alone.
func (p *Portal) logoutHere(w http.ResponseWriter, r *http.Request) error {
	p.end(w, r)
	p.say(w, noticeSignedOutHere)
	return seeHome(w, r)
}

// logoutEverywhere ends this portal's session and sends the browser to end the
// provider's, which tells the other portals (RP-Initiated Logout 1.0).
func (p *Portal) logoutEverywhere(w http.ResponseWriter, r *http.Request) error {
	s, ok := p.end(w, r)
	if !ok {
		p.say(w, noticeSignedOutHere)
		return seeHome(w, r)
	}
	ctx, cancel := p.outgoing(r)
	defer cancel()
	op, err := p.provider.get(ctx)
	if err != nil {
		p.log.Warn("signing out at the provider", "error", err)
		p.say(w, noticeSignedOutOnlyHere)
		return seeHome(w, r)
	}
	endpoint, err := url.Parse(op.metadata.EndSessionEndpoint)
	if err != nil || endpoint.Host == "" {
		p.say(w, noticeSignedOutOnlyHere)
		return seeHome(w, r)
	}
	state := newID()
	p.setCookie(w, logoutCookie, state, logoutLifetime)
	http.Redirect(w, r, p.endSessionURL(endpoint, s, state), http.StatusSeeOther)
	return nil
}

func (p *Portal) endSessionURL(endpoint *url.URL, s session, state string) string {
	query := endpoint.Query()
	query.Set("id_token_hint", s.identity.raw)
	query.Set("client_id", p.cfg.ClientID)
	query.Set("post_logout_redirect_uri", p.cfg.BaseURL+"/")
	query.Set("state", state)
	u := *endpoint
	u.RawQuery = query.Encode()
	return u.String()
}

// returned says that the provider sent this browser back from the sign-out that
// this portal asked for.
func (p *Portal) returned(r *http.Request) bool {
	state, sent := r.URL.Query().Get("state"), p.cookie(r, logoutCookie)
	return sent != "" && subtle.ConstantTimeCompare([]byte(state), []byte(sent)) == 1
}
