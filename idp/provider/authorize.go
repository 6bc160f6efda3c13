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
	"gatehouse/mfa"
	"gatehouse/ui"
)

// authorizeGate is in front of the library's authorize. A request that must not
// be answered at its redirect URI ends on a page of ours, which the library
// cannot show: it answers JSON.
func (p *Provider) authorizeGate(c *gin.Context) error {
	if err := c.Request.ParseForm(); err != nil {
		return web.BadForm(err)
	}
	leaveOut(c.Request.Form, c.Request.PostForm)
	if c.Request.Method == http.MethodPost {
		// A form of the app's page comes without our cookies (SameSite=Lax), as if
		// from a new browser; as a GET it brings them.
		return web.Redirect(c, p.Web.Path("%s?%s", authorizePath, c.Request.Form.Encode()))
	}
	page := &pageHolder{}
	r := c.Request.WithContext(context.WithValue(c.Request.Context(), pageHolderKey{}, page))
	w := &heldWriter{ResponseWriter: c.Writer, page: page}
	p.forward(w, r, authorizePath)
	if page.form != nil {
		return p.Web.Answer(c, ui.Frame{}, *page.form)
	}
	return page.err
}

type pageHolderKey struct{}

// pageHolder takes what is to be a page across the library: an error, or the form that
// answers the app.
type pageHolder struct {
	err  error
	form *web.Answer
}

func (p *pageHolder) held() bool { return p.err != nil || p.form != nil }

// hold keeps an error for the gate, and gives the library one to stop with.
func hold(ctx context.Context, err error) error {
	return holdPage(ctx, pageHolder{err: err})
}

func holdPage(ctx context.Context, held pageHolder) error {
	if page, ok := ctx.Value(pageHolderKey{}).(*pageHolder); ok {
		*page = held
	}
	return toLibrary(fail(invalidRequest, "this request cannot be answered at its redirect_uri"))
}

// heldWriter drops what the library writes once a page is to be shown.
type heldWriter struct {
	http.ResponseWriter
	page *pageHolder
}

// WriteHeader implements http.ResponseWriter.
func (w *heldWriter) WriteHeader(status int) {
	if w.page.held() {
		w.Header().Del("Content-Type")
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	w.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (w *heldWriter) Write(b []byte) (int, error) {
	if w.page.held() {
		return len(b), nil
	}
	return w.ResponseWriter.Write(b)
}

// VerifyAuthRequest finds the client and checks the redirect URI: as long as
// they are not sound, nothing is sent there.
func (p *Provider) VerifyAuthRequest(ctx context.Context, r *op.Request[oidc.AuthRequest]) (*op.ClientRequest[oidc.AuthRequest], error) {
	if ids := r.Form["client_id"]; len(ids) != 1 {
		return nil, hold(ctx, web.NewProblem(ui.ProblemBadRequest, errors.New("client_id is missing or doubled")))
	}
	client, err := p.client(ctx, r.Form.Get("client_id"))
	if errors.Is(err, idp.ErrNotFound) {
		return nil, hold(ctx, p.refused(ctx, ui.ProblemUnknownApp, idp.AuditEvent{}, "unknown client_id"))
	}
	if err != nil {
		return nil, hold(ctx, err)
	}
	pushed, err := p.pushedForm(ctx, client, r.Form, r.Header)
	if err != nil {
		return nil, hold(ctx, err)
	}
	if pushed.form != nil { // all that counts, whatever else the address has (RFC 9126 section 4)
		r.Form = pushed.form
	}
	uris := r.Form["redirect_uri"]
	if len(uris) != 1 || !client.AllowsRedirect(uris[0]) {
		reason := "redirect_uri is not registered"
		if client.Kind == idp.ServiceClient { // it has none: there is nowhere to send the error
			reason = string(unauthorizedClient) + ": nobody signs in to a service"
		}
		return nil, hold(ctx, p.refused(ctx, ui.ProblemRedirect, idp.AuditEvent{ClientID: client.ID}, reason))
	}
	// The library's own checks get a request that passes them: ours are stricter.
	checked := &oidc.AuthRequest{
		ClientID: client.ID, RedirectURI: uris[0], ResponseType: oidc.ResponseTypeCode, Scopes: []string{oidc.ScopeOpenID},
	}
	client.RedirectURIs = uris
	r.Data = checked
	a := parseAuthorization(r.Form, client, idp.Now())
	a.request.Pushed, a.request.WasPushed = pushed.hash, pushed.hash != nil || p.isAgain(r.Form, r.Header)
	if a.failure == nil && client.NeedsPush() && !a.request.WasPushed {
		a.failure = fail(invalidRequest, "the app's setting "+setting(client.FAPI, "require_pushed_authorization_requests")+" asks for a request_uri (RFC 9126)")
	}
	return &op.ClientRequest[oidc.AuthRequest]{Request: r, Client: a}, nil
}

func (p *Provider) refused(ctx context.Context, kind ui.ProblemKind, e idp.AuditEvent, reason string) error {
	e.Kind, e.Detail = idp.AuditAuthorizeRefused, map[string]string{"reason": reason}
	return web.NewProblem(kind, errors.Join(errors.New(reason), p.Store.Audit(ctx, e)))
}

// Authorize answers a request: with a code at once where a session of this
// browser satisfies it, with an error, or by sending the person to sign in.
func (p *Provider) Authorize(ctx context.Context, r *op.ClientRequest[oidc.AuthRequest]) (*op.Redirect, error) {
	a, ok := r.Client.(*authorization)
	if !ok {
		return nil, hold(ctx, errors.New("authorize was called without an authorization"))
	}
	out, err := p.authorize(ctx, a, r.Header, r.Form)
	if f, ok := failureOf(err); ok {
		logFailure(ctx, f)
		out, err = sending{Answer: p.refusal(a.request, f)}, nil
	}
	if errors.Is(err, idp.ErrUsed) { // opened in two browsers at once, or answered in another tab
		return nil, hold(ctx, p.refused(ctx, ui.ProblemFlowExpired, idp.AuditEvent{ClientID: a.client.ID}, "the request_uri was used"))
	}
	if errors.Is(err, idp.ErrNotFound) { // the app was deleted this very moment, or a second ago elsewhere
		return nil, hold(ctx, p.refused(ctx, ui.ProblemUnknownApp, idp.AuditEvent{}, "unknown client_id"))
	}
	if err != nil {
		return nil, hold(ctx, err)
	}
	if out.Form != nil {
		return nil, holdPage(ctx, pageHolder{form: &out.Answer})
	}
	redirect := op.NewRedirect(out.URL)
	if out.cookie != nil {
		redirect.Header.Set("Set-Cookie", out.cookie.String())
	}
	return redirect, nil
}

// sending is where a request leads: to the app with an answer, or to the sign-in.
type sending struct {
	web.Answer
	cookie *http.Cookie // of a browser that had none
}

func (p *Provider) authorize(ctx context.Context, a *authorization, h http.Header, form url.Values) (sending, error) {
	if a.failure != nil {
		return sending{}, a.failure
	}
	if err := p.readHint(ctx, a, form.Get("id_token_hint")); err != nil {
		return sending{}, err
	}
	found, err := p.Sessions.Find(ctx, h, a.client.ID, a.client.Populations)
	if err != nil {
		return sending{}, err
	}
	s, choose := a.pick(found)
	decision := a.decide(s)
	var needed idp.Approval
	var consent idp.Consent
	if decision == mfa.Satisfied && s != nil && !choose {
		if needed, consent, err = p.approval(ctx, a.request, a.client, s.User.ID, false); err != nil {
			return sending{}, err
		}
	}
	switch {
	case decision == mfa.Satisfied && s != nil && !choose && needed == idp.NoApproval:
		answer, err := p.answerAtOnce(ctx, a, *s, consent)
		if !errors.Is(err, idp.ErrExpired) && !errors.Is(err, idp.ErrNotFound) {
			return sending{Answer: answer}, err
		}
		// It ended this very moment, or was deleted with its person: no session is left.
		if a.request.Demand.None {
			return sending{}, fail(loginRequired, "nobody is signed in any more")
		}
		s = nil
	case decision == mfa.Unreachable:
		return sending{}, fail(unmetRequirements, "the requested acr_values cannot be reached")
	case a.request.Demand.None:
		return sending{}, silent(s, choose, decision, needed)
	}
	return p.startFlow(ctx, a, h, s, choose)
}

// silent is the error of a request with prompt=none that needs a page.
func silent(s *store.SessionState, choose bool, d mfa.Outcome, needed idp.Approval) *failure {
	switch {
	case choose:
		return fail(accountSelectionRequired, "several accounts are signed in")
	case s == nil || d == mfa.FirstStep:
		return fail(loginRequired, "nobody is signed in, or not recently enough")
	case needed == idp.ApproveTerms:
		return fail(consentRequired, "the person has to be asked what the app may have")
	case needed == idp.ApproveApp:
		return fail(interactionRequired, "a native app without an https redirect URI gets no code unseen (RFC 8252 section 8.6)")
	}
	return fail(interactionRequired, "a second step is needed")
}

// readHint takes the person that id_token_hint names. An expired token still names a
// person; one of another kind or client does not.
func (p *Provider) readHint(ctx context.Context, a *authorization, hint string) error {
	if hint == "" {
		return p.findWanted(ctx, a, false)
	}
	claims, err := p.verifyHint(hint)
	if err != nil || !slices.Contains(claims.Audience, a.client.ID) {
		return fail(invalidRequest, "id_token_hint is not an ID token of this client").because(err)
	}
	if wanted := a.request.Demand.Subject; wanted != "" && wanted != claims.Subject {
		return fail(invalidRequest, "id_token_hint and claims name two people")
	}
	a.request.Demand.Subject = claims.Subject
	return p.findWanted(ctx, a, true)
}

// pick finds the session that answers: whom a hint names, or the only one. With
// several and no hint the person has to choose. With prompt=create no
// session answers.
func (a *authorization) pick(found []store.SessionState) (s *store.SessionState, choose bool) {
	if slices.Contains(a.prompt, "create") {
		return nil, false
	}
	if a.request.Demand.UserID != "" {
		found = keep(found, func(s store.SessionState) bool { return s.User.ID == a.request.Demand.UserID })
	} else if a.request.LoginHint != "" {
		key := string(idp.EmailKey(a.request.LoginHint))
		found = keep(found, func(s store.SessionState) bool { return string(idp.EmailKey(s.User.Email)) == key })
	}
	if len(found) == 0 {
		return nil, false
	}
	return &found[0], len(found) > 1 || slices.Contains(a.prompt, "select_account")
}

func keep(list []store.SessionState, wanted func(store.SessionState) bool) []store.SessionState {
	return slices.DeleteFunc(slices.Clone(list), func(s store.SessionState) bool { return !wanted(s) })
}

// decide asks whether a session, or none, is enough for the request. A session is judged
// by the policies under which it was created, and does not count at a client whose
// override was changed "immediately" since. The person counts as having all second factors
// and ways to sign in: the sign-in finds out which they have.
func (a *authorization) decide(s *store.SessionState) mfa.Outcome {
	q := mfa.Question{
		Demand: a.request.Demand, Now: a.request.CreatedAt,
		Enrolled:     mfa.Everything(),
		PasswordOpen: true, FederationOpen: true,
		OwnFactors: a.client.ID == idp.AccountClient,
	}
	if s != nil && s.Session.PolicyVersion >= s.Override.MinVersion {
		q.Policy, q.Override, q.Proofs = s.Judged, s.Override, s.Session.Proofs
		q.Trusted = s.Trusted.Worth(s.Population, s.Override, idp.Now())
	}
	return mfa.Decide(q).Outcome
}

// answerAtOnce is single sign-on: no page, no extra redirect.
func (p *Provider) answerAtOnce(ctx context.Context, a *authorization, s store.SessionState, by idp.Consent) (answer web.Answer, err error) {
	err = p.Store.Do(ctx, func(ctx context.Context) (err error) {
		answer, err = p.grantCode(ctx, a.request, a.client, s.Session, s.Override, by)
		return err
	})
	return answer, err
}

// startFlow stores the request and a flow of this browser, and sends the person
// to the sign-in. A session that is not enough is where the flow begins.
func (p *Provider) startFlow(ctx context.Context, a *authorization, h http.Header, s *store.SessionState, choose bool) (sending, error) {
	var cookie *http.Cookie
	_, browser := p.Sessions.Cookies.Browser(h)
	if browser == nil {
		cookie, browser = p.Sessions.Cookies.NewBrowser()
	}
	a.request.ID, a.request.BrowserHash = idp.NewID(), browser
	flow := idp.Flow{
		ID: idp.NewSecret(), RequestID: a.request.ID, BrowserHash: browser, ClientID: a.client.ID,
		PopulationID: a.population, Kind: idp.FlowStart,
		CreatedAt: a.request.CreatedAt, ExpiresAt: a.request.CreatedAt.Add(idp.OpenLifetime),
	}
	if choose || s != nil {
		flow.ExpiresAt = a.request.ExpiresAt
	}
	switch {
	case choose:
		flow.Kind = idp.FlowChoose
	case s != nil:
		flow.PopulationID, flow.UserID, flow.SessionID = s.Population.ID, s.User.ID, s.Session.ID
		flow.Proofs, flow.PolicyVersion = s.Session.Proofs, s.Session.PolicyVersion
	}
	if s == nil {
		ctx = store.OfStranger(ctx)
	}
	err := p.Store.Do(ctx, func(ctx context.Context) error {
		if a.request.Pushed != nil {
			if err := p.Store.OpenPushed(ctx, a.request.Pushed, browser, a.request.ExpiresAt); err != nil {
				return err
			}
		}
		if err := p.Store.CreateRequest(ctx, a.request); err != nil {
			return err
		}
		return p.Store.CreateFlow(ctx, flow)
	})
	page := p.Web.Path("/login/%s", flow.ID)
	if slices.Contains(a.prompt, "create") {
		page += "/register?create=yes"
	}
	return sending{web.Answer{URL: page}, cookie}, err
}
