package provider

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

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
	// redirect is where to go afterwards, empty unless it is registered.
	redirect, state string
	// hint is the session that an ID token of ours names.
	hint      hintClaims
	sessions  []store.SessionStanding
	uiLocales string
}

// endSessionGate runs the library's end_session, and shows our page where the
// person has to confirm.
func (p *Provider) endSessionGate(c *gin.Context) error {
	if err := c.Request.ParseForm(); err != nil {
		return web.BadForm(err)
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
		return p.signedOut(c, *step.done)
	}
	return page.err
}

type logoutStepKey struct{}

// logoutStep takes what to do next across the library, which only redirects.
type logoutStep struct{ confirm, done *logout }

var errPageFollows = errors.New("a page of ours follows")

// EndSession signs out the session that the hint names, if it is this browser's
// (or is over already); without such a hint the person is asked, since any site
// can send them here.
func (p *Provider) EndSession(ctx context.Context, r *op.Request[oidc.EndSessionRequest]) (*op.Redirect, error) {
	step, ok := ctx.Value(logoutStepKey{}).(*logoutStep)
	if !ok {
		return nil, toLibrary(errors.New("end_session without its gate"))
	}
	l, err := p.readLogout(ctx, r.Header, r.Form)
	if err != nil {
		return nil, hold(ctx, err)
	}
	hinted := keep(l.sessions, func(s store.SessionStanding) bool { return s.Session.ID == l.hint.SID })
	over, err := p.isOver(ctx, l.hint.SID)
	if err != nil {
		return nil, hold(ctx, err)
	}
	if len(hinted) == 0 && !over && len(l.sessions) > 0 {
		step.confirm = &l
		return nil, hold(ctx, errPageFollows)
	}
	cookies, err := p.end(ctx, hinted)
	if err != nil {
		return nil, hold(ctx, err)
	}
	location := p.afterwards(ctx, l, hinted)
	if location == "" {
		step.done = &l
		return nil, hold(ctx, errPageFollows)
	}
	redirect := op.NewRedirect(location)
	for _, cookie := range cookies {
		redirect.Header.Add("Set-Cookie", cookie.String())
	}
	return redirect, nil
}

// isOver tells whether the session of a hint has ended: then there is nothing to
// ask.
func (p *Provider) isOver(ctx context.Context, sid string) (bool, error) {
	if sid == "" {
		return false, nil
	}
	s, err := p.Store.Session(ctx, sid)
	if errors.Is(err, idp.ErrNotFound) {
		return true, nil
	}
	return !s.EndedAt.IsZero(), err
}

// readLogout reads a request to sign out. A hint that is not ours counts as
// none; a redirect URI counts only when the client that is known registered it.
func (p *Provider) readLogout(ctx context.Context, h http.Header, form url.Values) (logout, error) {
	l := logout{state: form.Get("state"), uiLocales: form.Get("ui_locales")}
	clientID := form.Get("client_id")
	if hint := form.Get("id_token_hint"); hint != "" {
		claims, err := p.verifyHint(hint)
		if err == nil && (clientID == "" || slices.Contains(claims.Audience, clientID)) {
			l.hint, clientID = claims, claims.Audience[0]
		}
	}
	if clientID != "" {
		client, err := p.client(ctx, clientID)
		if err != nil && !errors.Is(err, idp.ErrNotFound) {
			return l, err
		}
		l.client = client
	}
	if uri := form.Get("post_logout_redirect_uri"); uri != "" {
		if len(l.state) > maxState || !slices.Contains(l.client.PostLogoutRedirectURIs, uri) {
			return l, p.refused(ctx, ui.ProblemRedirect, idp.AuditEvent{ClientID: l.client.ID}, "post_logout_redirect_uri is not registered")
		}
		l.redirect = uri
	}
	populations, err := p.Store.Populations(ctx)
	if err != nil {
		return l, err
	}
	ids := make([]string, len(populations))
	for i, population := range populations {
		ids[i] = population.ID
	}
	l.sessions, err = p.Sessions.Find(ctx, h, "", ids)
	return l, err
}

func (l logout) location() string {
	if l.state == "" {
		return l.redirect
	}
	separator := "?"
	if strings.Contains(l.redirect, "?") {
		separator = "&"
	}
	return l.redirect + separator + url.Values{"state": {l.state}}.Encode()
}

// end ends sessions, has their relying parties told, and returns the cookies that say so to the browser.
func (p *Provider) end(ctx context.Context, sessions []store.SessionStanding) ([]*http.Cookie, error) {
	var cookies []*http.Cookie
	for _, s := range sessions {
		cookies = append(cookies, p.Sessions.Cookies.EndSession(s.Population.ID))
	}
	err := p.Store.Do(ctx, func(ctx context.Context) error {
		for _, s := range sessions {
			if _, err := p.Sessions.End(ctx, idp.AuditEvent{ActorID: s.User.ID}, s.Session.ID); err != nil {
				return err
			}
		}
		return nil
	})
	return cookies, err
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
	targets, err := p.targets(c.Request.Context(), l)
	if err != nil {
		return err
	}
	return p.Web.Render(c, http.StatusOK, page, targets...)
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
	cookies, err := p.end(ctx, l.sessions)
	if err != nil {
		return err
	}
	for _, cookie := range cookies {
		http.SetCookie(c.Writer, cookie)
	}
	if location := p.afterwards(ctx, l, l.sessions); location != "" {
		return web.Redirect(c, location)
	}
	return p.signedOut(c, l)
}

// afterwards is where a browser goes whose sessions ended: to the provider that the
// person came through, when the connection says so, and from there, or at once, to
// where the app wants it; empty for our own page.
func (p *Provider) afterwards(ctx context.Context, l logout, ended []store.SessionStanding) string {
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

// targets are where the form that confirms a sign-out may lead (form-action).
func (p *Provider) targets(ctx context.Context, l logout) ([]string, error) {
	list := slices.Clone(l.client.PostLogoutRedirectURIs)
	for _, s := range l.sessions {
		if s.Session.ConnectionID == "" || p.Upstreams == nil {
			continue
		}
		c, err := p.Store.Connection(ctx, s.Session.ConnectionID)
		if err != nil && !errors.Is(err, idp.ErrNotFound) {
			return nil, err
		}
		list = append(list, p.Upstreams.Origins(c)...)
	}
	return list, nil
}

func (p *Provider) signedOut(c *gin.Context, l logout) error {
	return p.Web.Render(c, http.StatusOK, ui.SignedOut{
		Frame: p.logoutFrame(c, l), BackURL: l.client.HomeURL, BackLabel: l.client.Name,
	})
}

func (p *Provider) logoutFrame(c *gin.Context, l logout) ui.Frame {
	f := ui.Frame{Lang: p.Web.Language(c.Request, l.uiLocales), ClientName: l.client.Name}
	if len(l.sessions) > 0 {
		s := l.sessions[0].Population
		f.Brand = ui.Brand{Name: s.Name, LogoURL: s.LogoURL, Color: s.BrandColor}
	}
	return f
}
