package provider

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"

	"github.com/gin-gonic/gin"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"

	"gatehouse/idp"
	"gatehouse/idp/store"
	"gatehouse/idp/web"
	"gatehouse/ui"
)

// logout is a request to sign out (OpenID Connect RP-Initiated Logout 1.0).
type logout struct {
	client idp.Client // empty: not said
	// redirect is where to go afterwards, empty unless all about the request is sound
	// and the client that it names registered it: an error ends on a page of ours
	// (section 4), which is no reason to leave the person signed in.
	redirect, state string
	// hint is the session that an ID token of ours names.
	hint      hintClaims
	sessions  []store.SessionState
	uiLocales string
}

// logoutParameters are those that we read (section 2).
var logoutParameters = []string{"id_token_hint", "client_id", "post_logout_redirect_uri", "state", "ui_locales"}

// maxLogoutHint is the longest hint that goes on in an address: our ID tokens are
// shorter, and proxies refuse addresses of more than 8 KiB.
const maxLogoutHint = 6 << 10

// endSessionGate runs the library's end_session, and shows our page where the
// person has to confirm.
func (p *Provider) endSessionGate(c *gin.Context) error {
	if err := c.Request.ParseForm(); err != nil {
		return web.BadForm(err)
	}
	leaveOut(c.Request.Form, c.Request.PostForm)
	if _, browser := p.Sessions.Cookies.Browser(c.Request.Header); browser == nil && c.Request.Method == http.MethodPost {
		// A form of the app's page comes without our cookies (SameSite=Lax), as if no
		// session were there; as a GET it brings them.
		return web.Redirect(c, p.Web.Path("%s?%s", endSessionPath, logoutQuery(c.Request.Form)))
	}
	step := &logoutStep{}
	r := c.Request.WithContext(context.WithValue(c.Request.Context(), logoutStepKey{}, step))
	page := &pageHolder{}
	r = r.WithContext(context.WithValue(r.Context(), pageHolderKey{}, page))
	p.forward(&heldWriter{ResponseWriter: c.Writer, page: page}, r, endSessionPath)
	if step.confirm != nil {
		return p.askToConfirm(c, *step.confirm)
	}
	if step.done != nil {
		for _, cookie := range step.cookies {
			http.SetCookie(c.Writer, cookie)
		}
		return p.signedOut(c, *step.done, step.signedOff)
	}
	return page.err
}

// logoutQuery are the parameters of a request to sign out as an address carries them.
func logoutQuery(form url.Values) string {
	q := url.Values{}
	for _, name := range logoutParameters {
		for _, value := range form[name] {
			if len(value) > maxLogoutHint {
				value = "too long"
			}
			q.Add(name, value)
		}
	}
	return q.Encode()
}

type logoutStepKey struct{}

// logoutStep takes what to do next across the library, which only redirects.
type logoutStep struct {
	confirm, done *logout
	signedOff
}

// signedOff is what a request to sign out ended, and what follows.
type signedOff struct {
	sessions []store.SessionState
	cookies  []*http.Cookie // that say so to the browser
	// frames are the addresses at which apps end sessions of theirs in this browser.
	frames   []string
	location string // where to go afterwards, empty for our own page
}

var errPageFollows = errors.New("a page of ours follows")

// EndSession signs out the session that the hint names, if it lives in this browser. Any
// site can send people here. A person who is signed in is asked, unless the hint names a
// session that lives: that of an ended session speaks for no other.
func (p *Provider) EndSession(ctx context.Context, r *op.Request[oidc.EndSessionRequest]) (*op.Redirect, error) {
	step, ok := ctx.Value(logoutStepKey{}).(*logoutStep)
	if !ok {
		return nil, toLibrary(errors.New("end_session without its gate"))
	}
	l, err := p.readLogout(ctx, r.Header, r.Form)
	if err != nil {
		return nil, hold(ctx, err)
	}
	hinted := keep(l.sessions, func(s store.SessionState) bool { return s.Session.ID == l.hint.SID })
	if len(hinted) == 0 && len(l.sessions) > 0 {
		step.confirm = &l
		return nil, hold(ctx, errPageFollows)
	}
	e, err := p.end(ctx, l, hinted)
	if err != nil {
		return nil, hold(ctx, err)
	}
	if e.location == "" || len(e.frames) > 0 {
		step.done, step.signedOff = &l, e
		return nil, hold(ctx, errPageFollows)
	}
	redirect := op.NewRedirect(e.location)
	for _, cookie := range e.cookies {
		redirect.Header.Add("Set-Cookie", cookie.String())
	}
	return redirect, nil
}

// readLogout reads a request to sign out.
func (p *Provider) readLogout(ctx context.Context, h http.Header, form url.Values) (logout, error) {
	l := logout{state: form.Get("state"), uiLocales: form.Get("ui_locales")}
	clientID, fault := p.readLogoutHint(&l, form)
	if clientID != "" {
		client, err := p.client(ctx, clientID)
		if err != nil && !errors.Is(err, idp.ErrNotFound) {
			return l, err
		}
		l.client = client
	}
	if uri := form.Get("post_logout_redirect_uri"); uri != "" {
		switch {
		case fault != "":
		case !slices.Contains(l.client.PostLogoutRedirectURIs, uri):
			fault = "post_logout_redirect_uri is not registered"
		case len(l.state) > maxState:
			fault = "state is too long"
		default:
			l.redirect = uri
		}
		if err := p.auditLogoutFault(ctx, l, fault); err != nil {
			return l, err
		}
	}
	var err error
	l.sessions, err = p.Sessions.All(ctx, h)
	return l, err
}

// readLogoutHint takes the session that the hint names, and tells which client is meant. A
// hint that is not an ID token of ours, or is of another client than client_id, names no
// session; fault is what is wrong, empty for nothing.
func (p *Provider) readLogoutHint(l *logout, form url.Values) (clientID, fault string) {
	clientID = form.Get("client_id")
	for _, name := range logoutParameters {
		if len(form[name]) > 1 {
			return clientID, name + " was sent more than once"
		}
	}
	hint := form.Get("id_token_hint")
	if hint == "" {
		return clientID, ""
	}
	claims, err := p.verifyHint(hint)
	if err != nil {
		return clientID, "id_token_hint is not an ID token of ours"
	}
	if clientID != "" && !slices.Contains(claims.Audience, clientID) {
		return clientID, "id_token_hint is of another client than client_id"
	}
	l.hint = claims
	return claims.Audience[0], ""
}

// auditLogoutFault writes down why a person is not sent back.
func (p *Provider) auditLogoutFault(ctx context.Context, l logout, fault string) error {
	if fault == "" {
		return nil
	}
	return p.Store.Audit(ctx, idp.AuditEvent{
		Kind: idp.AuditAuthorizeRefused, ClientID: l.client.ID, Detail: map[string]string{"reason": fault},
	})
}

func (l logout) location() string {
	if l.state == "" {
		return l.redirect
	}
	return idp.WithQuery(l.redirect, url.Values{"state": {l.state}})
}

// end ends sessions, and has their relying parties told.
func (p *Provider) end(ctx context.Context, l logout, sessions []store.SessionState) (e signedOff, err error) {
	e.sessions = sessions
	for _, s := range sessions {
		e.cookies = append(e.cookies, p.Sessions.Cookies.EndSession(s.Population.ID))
	}
	if e.frames, err = p.logoutFrames(ctx, sessions); err != nil {
		return e, err
	}
	err = p.Store.Do(ctx, func(ctx context.Context) error {
		for _, s := range sessions {
			if _, err := p.Sessions.End(ctx, idp.AuditEvent{ActorID: s.User.ID}, s.Session.ID); err != nil {
				return err
			}
		}
		return nil
	})
	e.location = p.afterwards(ctx, l, sessions)
	return e, err
}

// logoutFrames are the addresses that the page of a sign-out opens in frames, with the
// session that ended (OpenID Connect Front-Channel Logout 1.0 section 2).
func (p *Provider) logoutFrames(ctx context.Context, sessions []store.SessionState) (list []string, err error) {
	if len(sessions) == 0 {
		return nil, nil
	}
	ids := make([]string, len(sessions))
	for i, s := range sessions {
		ids[i] = s.Session.ID
	}
	parties, err := p.Store.PartiesInBrowser(ctx, ids...)
	if err != nil {
		return nil, err
	}
	for _, party := range parties {
		client, err := p.client(ctx, party.ClientID)
		switch {
		case errors.Is(err, idp.ErrNotFound): // deleted this very moment
		case err != nil:
			return nil, err
		case client.FrontchannelLogoutURI != "":
			list = append(list, idp.WithQuery(client.FrontchannelLogoutURI, url.Values{"iss": {p.Issuer}, "sid": {party.SessionID}}))
		}
	}
	return list, nil
}

func (p *Provider) askToConfirm(c *gin.Context, l logout) error {
	page := ui.SignOut{
		Frame: p.logoutFrame(c, l), Action: p.Web.Path("%s/confirm", endSessionPath), CancelURL: l.client.HomeURL,
		Hidden: []ui.Field{
			{Name: "client_id", Value: l.client.ID},
			{Name: "post_logout_redirect_uri", Value: l.redirect},
			{Name: "state", Value: l.state},
			{Name: "ui_locales", Value: l.uiLocales},
		},
	}
	for _, s := range l.sessions {
		page.Accounts = append(page.Accounts, s.User.Email)
	}
	return p.Web.Render(c, http.StatusOK, page)
}

// confirmEndSession is the button of that page: it ends what the page listed.
func (p *Provider) confirmEndSession(c *gin.Context) error {
	if err := c.Request.ParseForm(); err != nil {
		return web.BadForm(err)
	}
	ctx := c.Request.Context()
	l, err := p.readLogout(ctx, c.Request.Header, c.Request.PostForm)
	if err != nil {
		return err
	}
	e, err := p.end(ctx, l, l.sessions)
	if err != nil {
		return err
	}
	for _, cookie := range e.cookies {
		http.SetCookie(c.Writer, cookie)
	}
	return p.signedOut(c, l, e)
}

// afterwards is where a browser goes whose sessions ended: to the provider that the
// person came through, when the connection says so, and from there, or at once, to
// where the app wants it; empty for our own page.
func (p *Provider) afterwards(ctx context.Context, l logout, ended []store.SessionState) string {
	location := ""
	if l.redirect != "" {
		location = l.location()
	}
	for _, s := range ended {
		if s.Session.ConnectionID == "" || p.Upstreams == nil {
			continue
		}
		if end := p.Upstreams.EndURL(ctx, s.Session, location); end != "" {
			return end
		}
	}
	return location
}

// signedOut leads on to where the person is expected, or says which sessions ended and who
// is still signed in here.
func (p *Provider) signedOut(c *gin.Context, l logout, e signedOff) error {
	frame := p.logoutFrame(c, l)
	frame.LogoutURLs = e.frames
	if e.location != "" {
		return p.Web.LeadOn(c, frame, e.location)
	}
	page := ui.SignedOut{Frame: frame, BackURL: l.client.HomeURL, BackLabel: l.client.Name}
	if page.BackURL == "" {
		page.BackURL, page.BackLabel = p.Web.Path("/account"), ""
	}
	for _, s := range l.sessions {
		if !slices.ContainsFunc(e.sessions, func(e store.SessionState) bool { return e.Session.ID == s.Session.ID }) {
			page.Remaining = append(page.Remaining, s.User.Email)
			page.SignOutURL = p.Web.Path(endSessionPath)
		}
	}
	return p.Web.Render(c, http.StatusOK, page)
}

func (p *Provider) logoutFrame(c *gin.Context, l logout) ui.Frame {
	f := ui.Frame{Lang: p.Web.Language(c.Request, ui.Wish{UILocales: l.uiLocales})}
	if len(l.sessions) > 0 {
		f = p.Web.Frame(f.Lang, l.sessions[0].Population.Brand)
	}
	f.ClientName = l.client.Name
	return f
}
