package portal

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"golang.org/x/oauth2"
)

// errEnded says that the provider no longer knows the sign-in.
var errEnded = errors.New("the provider has ended this sign-in")

// refresh gets new tokens because the person asked for it.
func (p *Portal) refresh(w http.ResponseWriter, r *http.Request) error {
	key, s, ok := p.current(r)
	if !ok {
		p.say(w, noticeEnded)
		return seeHome(w, r)
	}
	if s.refreshToken == "" {
		p.say(w, noticeNoRefreshToken)
		return seeHome(w, r)
	}
	_, err := p.renew(r, key, func(session) bool { return true })
	switch {
	case errors.Is(err, errEnded):
		p.dropCookie(w, sessionCookie)
		p.say(w, noticeEndedByProvider)
	case err != nil:
		p.log.Warn("refreshing", "error", err)
		p.say(w, noticeNotRefreshed)
	default:
		p.say(w, noticeRefreshed)
	}
	return seeHome(w, r)
}

// fresh answers this browser's session, with new tokens when the old have run out. A
// provider that does not answer for a while signs no one out.
func (p *Portal) fresh(r *http.Request) (session, error) {
	key, s, ok := p.current(r)
	if !ok {
		return session{}, errSignedOut
	}
	if !s.stale() {
		return s, nil
	}
	renewed, err := p.renew(r, key, session.stale)
	if errors.Is(err, errEnded) {
		return session{}, err
	}
	if err != nil {
		p.log.Warn("refreshing", "error", err)
		return s, nil
	}
	return renewed, nil
}

// renew exchanges the refresh token, one tab at a time: a token that rotates
// must not be sent twice. due is asked again once the other tab is through.
func (p *Portal) renew(r *http.Request, key string, due func(session) bool) (session, error) {
	s, ok := p.sessions.get(key)
	if !ok {
		return session{}, errEnded
	}
	s.renewal.Lock()
	defer s.renewal.Unlock()
	s, ok = p.sessions.get(key)
	if !ok {
		return session{}, errEnded
	}
	if !due(s) {
		return s, nil
	}
	ctx, cancel := p.outgoing(r)
	defer cancel()
	renewed, err := p.exchangeRefreshToken(ctx, s)
	if errors.Is(err, errEnded) {
		p.sessions.remove(key)
	}
	if err != nil {
		return session{}, err
	}
	if !p.sessions.replace(key, renewed) {
		return session{}, errEnded // signed out while we asked
	}
	return renewed, nil
}

func (p *Portal) exchangeRefreshToken(ctx context.Context, s session) (session, error) {
	op, err := p.provider.get(ctx)
	if err != nil {
		return s, err
	}
	tokens, err := op.TokenSource(ctx, &oauth2.Token{RefreshToken: s.refreshToken}).Token()
	if err != nil {
		return s, refreshRefusal(err)
	}
	s.refreshToken = tokens.RefreshToken
	s.accessExpiry = tokens.Expiry.UTC()
	s.refreshed = now()
	id, err := op.verify(ctx, tokens)
	if errors.Is(err, errNoIDToken) {
		return s, nil // optional in a refresh: what we know of the person stands
	}
	if err == nil {
		err = id.continues(s.identity)
	}
	if err != nil {
		p.log.Warn("a refreshed ID token was refused", "error", err)
		return s, errEnded
	}
	id.token.Nonce = s.identity.token.Nonce
	s.identity = id
	return s, nil
}

func refreshRefusal(err error) error {
	var refused *oauth2.RetrieveError
	if !errors.As(err, &refused) {
		return fmt.Errorf("asking for new tokens: %w", err)
	}
	if refused.ErrorCode == "invalid_grant" {
		return errEnded
	}
	return refusal(refused)
}
