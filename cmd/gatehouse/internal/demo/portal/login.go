package portal

import (
	"cmp"
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// pendingLogin is a sign-in on its way, kept under its state. A browser may have
// several, one a tab.
type pendingLogin struct {
	browser  string // digest of the browser's cookie
	nonce    string
	verifier string // PKCE code_verifier
	maxAge   time.Duration
	aged     bool // max_age was asked for
	step     stepUp
}

// passedThrough are the request parameters that a link to /login may carry.
var passedThrough = []string{"prompt", "acr_values", "max_age", "login_hint"}

const (
	maxParameter = 512                  // bytes of a parameter passed through
	maxMaxAge    = 10 * 365 * 24 * 3600 // seconds
)

// login sends the browser to the provider.
func (p *Portal) login(w http.ResponseWriter, r *http.Request) error {
	ctx, cancel := p.outgoing(r)
	defer cancel()
	op, err := p.provider.get(ctx)
	if err != nil {
		return notAnswering(err)
	}
	login, options, err := newLogin(r.URL.Query())
	if err != nil {
		return err
	}
	hint, err := p.newStepUp(r, &login)
	if err != nil {
		return err
	}
	browser := p.browser(r)
	login.browser = digest(browser)
	state := newID()
	p.logins.add(state, login, now().Add(loginLifetime))
	p.setCookie(w, browserCookie, browser, loginLifetime)
	// #nosec G710 -- the address is the issuer's own, from its discovery document;
	// what the query brought goes in as encoded parameters.
	http.Redirect(w, r, op.AuthCodeURL(state, append(options, hint...)...), http.StatusSeeOther)
	return nil
}

func newLogin(query url.Values) (pendingLogin, []oauth2.AuthCodeOption, error) {
	login := pendingLogin{nonce: newID(), verifier: oauth2.GenerateVerifier()}
	options := []oauth2.AuthCodeOption{oidc.Nonce(login.nonce), oauth2.S256ChallengeOption(login.verifier)}
	for _, name := range passedThrough {
		value := query.Get(name)
		if len(value) > maxParameter {
			return login, nil, badParameter(name)
		}
		if value != "" {
			options = append(options, oauth2.SetAuthURLParam(name, value))
		}
	}
	if s := query.Get("max_age"); s != "" {
		if login.maxAge, login.aged = parseMaxAge(s); !login.aged {
			return login, nil, badParameter("max_age")
		}
	}
	return login, options, nil
}

func badParameter(name string) error {
	return &problem{
		status: http.StatusBadRequest,
		title:  "This sign-in link is not right",
		text:   "The link's " + name + " cannot be used. Start the sign-in from the portal instead.",
		retry:  true,
	}
}

// browser is the id of this browser, the same for all its tabs.
func (p *Portal) browser(r *http.Request) string {
	if id := p.cookie(r, browserCookie); len(id) == len(newID()) {
		return id
	}
	return newID()
}

// callback takes the provider's answer.
func (p *Portal) callback(w http.ResponseWriter, r *http.Request) error {
	ctx, cancel := p.outgoing(r)
	defer cancel()
	op, err := p.provider.get(ctx)
	if err != nil {
		return notAnswering(err) // the login stays pending: the page can be loaded again
	}
	query := r.URL.Query()
	login, err := p.pending(r, query.Get("state"))
	if _, _, signedIn := p.current(r); err != nil && signedIn {
		return seeHome(w, r) // a tab that is late: nothing of its answer is used
	}
	if err != nil {
		return err
	}
	s, err := p.accept(ctx, op, login, query)
	if err == nil {
		err = p.checkStepUp(r, login.step, s.identity)
	}
	if err != nil {
		return login.step.again(err)
	}
	p.start(w, r, s)
	http.Redirect(w, r, cmp.Or(login.step.back, "/"), http.StatusSeeOther)
	return nil
}

// accept takes the session out of the provider's answer to this login.
func (p *Portal) accept(ctx context.Context, op *provider, login pendingLogin, query url.Values) (session, error) {
	if err := p.checkIssuer(op, query); err != nil {
		return session{}, err
	}
	if query.Get("error") != "" {
		return session{}, login.step.problemOf(query)
	}
	return p.redeem(ctx, op, login, query.Get("code"))
}

// pending takes the login that this state belongs to, if this browser began it.
// Someone else's answer would sign the person in to an attacker's account.
func (p *Portal) pending(r *http.Request, state string) (pendingLogin, error) {
	browser := digest(p.cookie(r, browserCookie))
	login, ok := p.logins.take(state, func(l pendingLogin) bool { return l.browser == browser })
	if !ok {
		return login, &problem{
			status: http.StatusBadRequest,
			title:  "This sign-in did not start here",
			text: "It was begun in another browser, took longer than an hour, or was finished already. " +
				"Sign in again and it will work.",
			retry: true,
		}
	}
	return login, nil
}

// checkIssuer compares the iss parameter (RFC 9207), which tells an answer of our
// provider from one that another provider slipped in.
func (p *Portal) checkIssuer(op *provider, query url.Values) error {
	missing := !query.Has("iss") && op.metadata.IssInResponse
	if missing || (query.Has("iss") && query.Get("iss") != p.cfg.Issuer) {
		return &problem{
			status: http.StatusBadRequest,
			title:  "This answer came from somewhere else",
			text:   "It is not from the sign-in service that this portal trusts, so it was not used. Sign in again.",
			retry:  true,
			cause:  errors.New("the authorization response's iss is not the issuer's"),
		}
	}
	return nil
}

// redeem exchanges the code and checks what comes back.
func (p *Portal) redeem(ctx context.Context, op *provider, login pendingLogin, code string) (session, error) {
	if code == "" {
		return session{}, unusable(errors.New("the authorization response has no code"))
	}
	tokens, err := op.Exchange(ctx, code, oauth2.VerifierOption(login.verifier))
	if err != nil {
		return session{}, exchangeProblem(err)
	}
	id, err := op.verify(ctx, tokens)
	if err != nil {
		return session{}, unusable(err)
	}
	if err := login.accepts(id); err != nil {
		return session{}, unusable(err)
	}
	return session{
		identity:     id,
		refreshToken: tokens.RefreshToken,
		accessExpiry: tokens.Expiry.UTC(),
		started:      now(),
		issued:       id.token.IssuedAt,
		renewal:      &sync.Mutex{},
	}, nil
}

// accepts checks what only this login knows: its nonce and the max_age it asked
// for. checkStepUp is stricter about the age and has words for it.
func (l pendingLogin) accepts(id identity) error {
	if subtle.ConstantTimeCompare([]byte(id.token.Nonce), []byte(l.nonce)) != 1 {
		return errors.New("the ID token's nonce is not this login's")
	}
	if l.step.back == "" && l.aged && now().Sub(id.authenticated()) > l.maxAge+clockSkew {
		return errors.New("the sign-in is older than max_age allows")
	}
	return nil
}

func unusable(cause error) error {
	return &problem{
		status: http.StatusBadGateway,
		title:  "The sign-in could not be checked",
		text:   "What the sign-in service sent does not fit this sign-in, so you were not signed in. Try again; if it happens again, contact support.",
		retry:  true,
		cause:  cause,
	}
}

func exchangeProblem(err error) error {
	var refused *oauth2.RetrieveError
	if !errors.As(err, &refused) {
		return notAnswering(fmt.Errorf("exchanging the code: %w", err))
	}
	if refused.ErrorCode == "invalid_grant" {
		return &problem{
			status: http.StatusBadRequest,
			title:  "This sign-in has run out",
			text:   "It took too long or was used already. Sign in again and it will work.",
			retry:  true,
			code:   refused.ErrorCode,
			cause:  refusal(refused),
		}
	}
	return &problem{
		status: http.StatusBadGateway,
		title:  "The sign-in service refused this portal",
		text:   "You did nothing wrong: the portal's own registration may be out of date. Contact support.",
		retry:  true,
		code:   refused.ErrorCode,
		cause:  refusal(refused),
	}
}

// refusal describes a refused token request without the response's body, which
// has no place in a log.
func refusal(err *oauth2.RetrieveError) error {
	status := 0
	if err.Response != nil {
		status = err.Response.StatusCode
	}
	return fmt.Errorf("the token endpoint answered %d %q", status, err.ErrorCode)
}
