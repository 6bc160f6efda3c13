package provider

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/store"
	"gatehouse/idp/web"
	"gatehouse/mfa"
	"gatehouse/ui"
)

// grantCode makes a grant with its code from a session, and the URL that takes
// the code to the client. Two statements.
func (p *Provider) grantCode(ctx context.Context, r idp.Request, client idp.Client, s idp.Session, o idp.Override, by idp.Consent) (web.Answer, error) {
	if r.Pushed != nil {
		if err := p.Store.AnswerPushed(ctx, r.Pushed); err != nil {
			return web.Answer{}, err
		}
	}
	code := idp.NewSecret()
	err := p.grant(ctx, r, client, s, o, by, redeemable{hash: idp.HashSecret(code), expires: idp.Now().Add(idp.CodeLifetime)})
	return p.answer(r, "code", code), err
}

// redeemable is the code that a grant is redeemed with.
type redeemable struct {
	hash    []byte
	expires time.Time
	device  string // address of the device that holds the code, empty for an app
}

func (p *Provider) grant(ctx context.Context, r idp.Request, client idp.Client, s idp.Session, o idp.Override, by idp.Consent, code redeemable) error {
	now := idp.Now()
	offline := slices.Contains(r.Scopes, "offline_access") && client.Allows("refresh_token")
	expires := s.ExpiresAt
	if offline {
		expires = now.Add(idp.OfflineLifetime)
	}
	proofs := mfa.Fresh(s.Proofs, r.Demand, r.CreatedAt)
	subject, err := p.subjectFor(ctx, client, s.UserID)
	if err != nil {
		return err
	}
	grant := idp.Grant{
		ID: idp.NewID(), ClientID: client.ID, UserID: s.UserID, Subject: subject, SessionID: s.ID, PopulationID: s.PopulationID,
		PolicyVersion: s.PolicyVersion,
		RedirectURI:   r.RedirectURI, Scopes: r.Scopes, Claims: r.Claims, Nonce: r.Nonce, Resource: r.Resource, CodeChallenge: r.CodeChallenge,
		CodeHash: code.hash, CodeExpiresAt: code.expires, FromDevice: r.UserCode != "", JKT: r.JKT,
		Proofs: proofs, ACR: mfa.TokenACR(r.Demand.ACRValues, proofs), Offline: offline,
		CreatedAt: now, ExpiresAt: expires, ConnectionID: idp.Via(proofs), ConsentID: by.ID,
		Address: s.Address, UserAgent: s.UserAgent,
	}
	if err := p.Store.CreateGrant(ctx, grant); err != nil {
		return err
	}
	if o.MinVersion > 0 {
		// The client may be about to hear that this session is over for it. That was
		// the sign-in before.
		if err := p.Store.CancelDeliveries(ctx, client.ID, s.ID, now); err != nil {
			return err
		}
	}
	e := idp.AuditEvent{
		Kind: idp.AuditClientAuthorized, ActorID: s.UserID, UserID: s.UserID, PopulationID: s.PopulationID,
		ClientID: client.ID, SessionID: s.ID,
	}
	if code.device != "" {
		e.Detail = map[string]string{"device_address": code.device}
	}
	return p.Store.Audit(ctx, e)
}

// Resume answers the request of a sign-in that is finished, in the transaction that made
// the session. One request gets one answer. The session must be of the browser that made
// the request: a request's id alone is worth nothing.
func (p *Provider) Resume(ctx context.Context, requestID string, s idp.Session) (web.Answer, error) {
	r, client, err := p.finish(ctx, requestID)
	if err != nil {
		return web.Answer{}, err
	}
	if !slices.Equal(r.BrowserHash, s.BrowserHash) {
		return web.Answer{}, fmt.Errorf("resume a request of another browser: %w", idp.ErrNotFound)
	}
	if !slices.Contains(client.Populations, s.PopulationID) {
		return web.Answer{}, fmt.Errorf("resume with a session of population %s: %w", s.PopulationID, idp.ErrInvalid)
	}
	if r.Demand.UserID != "" && r.Demand.UserID != s.UserID {
		return p.refusal(r, fail(loginRequired, "somebody else signed in than id_token_hint names")), nil
	}
	if r.Resource != "" && !slices.Contains(client.Resources, r.Resource) {
		return p.refusal(r, fail(invalidTarget, "the resource is not among the app's setting resources any more")), nil
	}
	needed, consent, err := p.approval(ctx, r, client, s.UserID, true)
	if err != nil {
		return web.Answer{}, err
	}
	if needed != idp.NoApproval { // withdrawn, or the app changed its owner, this very moment
		return p.refusal(r, fail(consentRequired, "the person has to be asked what the app may have")), nil
	}
	if r.UserCode != "" {
		return web.Answer{URL: p.confirmPath(r, s)}, nil
	}
	override, err := p.Store.Override(ctx, client.ID)
	if err != nil {
		return web.Answer{}, err
	}
	return p.grantCode(ctx, r, client, s, override, consent)
}

// Unmet answers a request that this person cannot meet.
func (p *Provider) Unmet(ctx context.Context, requestID string) (web.Answer, error) {
	r, _, err := p.finish(ctx, requestID)
	if err != nil {
		return web.Answer{}, err
	}
	return p.refusal(r, fail(unmetRequirements, "the requested authentication cannot be reached")), nil
}

// finish takes a request out and reads its client as it is now: what was taken from the
// client since the request came in does not go to it.
func (p *Provider) finish(ctx context.Context, requestID string) (idp.Request, idp.Client, error) {
	r, err := p.Store.Request(ctx, requestID)
	if err != nil {
		return r, idp.Client{}, err
	}
	if !idp.Now().Before(r.ExpiresAt) {
		return r, idp.Client{}, fmt.Errorf("answer a request: %w", idp.ErrExpired)
	}
	client, err := p.Store.ClientNow(ctx, r.ClientID)
	if r.UserCode != "" { // the person's answer about the device finishes it
		return r, client, err
	}
	if err := errors.Join(err, p.Store.FinishRequest(ctx, r.ID, idp.Now())); err != nil {
		return r, client, err
	}
	if !client.AllowsRedirect(r.RedirectURI) {
		return r, client, web.NewProblem(ui.ProblemRedirect, errors.New("answer a request: the redirect URI is no longer registered"))
	}
	r.Scopes = allowed(r.Scopes, client.Scopes)
	return r, client, nil
}

// Again is the URL that makes the same request once more, for a browser that has
// answered it already: single sign-on.
func (p *Provider) Again(r idp.Request) string {
	if r.UserCode != "" {
		return p.enterPath(r)
	}
	return p.askAgain(r, again(r))
}

// Anew is the URL that makes the same request once more, with all that it asks of the
// person, for one that was not answered. The sign-in to a page of ours begins with the
// population again that it was at.
func (p *Provider) Anew(r idp.Request, population string) string {
	if r.UserCode != "" {
		return p.enterPath(r)
	}
	q := again(r)
	var prompt []string
	if !r.Demand.Since.IsZero() {
		prompt = append(prompt, "login")
	}
	if r.Demand.Consent {
		prompt = append(prompt, "consent")
	}
	if r.Demand.Choose {
		prompt = append(prompt, "select_account")
	}
	if !idp.OwnClient(r.ClientID) {
		population = ""
	}
	for name, value := range map[string]string{
		"population": population, "prompt": strings.Join(prompt, " "), "login_hint": r.LoginHint, "ui_locales": r.UILocales,
	} {
		if value != "" {
			q.Set(name, value)
		}
	}
	if r.Demand.MaxAge >= 0 {
		q.Set("max_age", strconv.Itoa(int(r.Demand.MaxAge.Seconds())))
	}
	if text := claimsParameter(r.Claims, r.Demand.Sub()); text != "" {
		q.Set("claims", text)
	}
	return p.askAgain(r, q)
}

// Answers is the session of this browser that answers a request as it stands, as it
// would have when the request came in; nil for none. It may be younger than the request:
// another tab made it. A request that wants a sign-in of its own, or a choice, is
// answered by none.
func (p *Provider) Answers(ctx context.Context, r idp.Request, h http.Header) (*store.SessionState, error) {
	if !r.Demand.Since.IsZero() || r.Demand.Choose || r.Demand.Consent {
		return nil, nil
	}
	client, err := p.client(ctx, r.ClientID)
	if errors.Is(err, idp.ErrNotFound) { // deleted this very moment
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	found, err := p.Sessions.Find(ctx, h, client.ID, client.Populations)
	if err != nil {
		return nil, err
	}
	a := &authorization{libraryClient: libraryClient{client}, request: r}
	s, choose := a.pick(found)
	if s == nil || choose {
		return nil, nil
	}
	if decision, err := p.decide(ctx, a, s); err != nil || decision != mfa.Satisfied {
		return nil, err
	}
	needed, _, err := p.approval(ctx, r, client, s.User.ID, false)
	if err != nil || needed != idp.NoApproval {
		return nil, err
	}
	return s, nil
}

func again(r idp.Request) url.Values {
	q := url.Values{
		"response_type": {"code"}, "client_id": {r.ClientID}, "redirect_uri": {r.RedirectURI},
		"scope": {strings.Join(r.Scopes, " ")},
	}
	set := func(name, value string) {
		if value != "" {
			q.Set(name, value)
		}
	}
	set("state", r.State)
	set("nonce", r.Nonce)
	set("response_mode", string(r.ResponseMode))
	set("resource", r.Resource)
	set("dpop_jkt", r.JKT)
	if r.CodeChallenge != "" {
		set("code_challenge", r.CodeChallenge)
		set("code_challenge_method", "S256")
	}
	var values []string
	for _, v := range r.Demand.ACRValues {
		values = append(values, string(v))
	}
	set("acr_values", strings.Join(values, " "))
	set("claims", claimsParameter(r.Claims, ""))
	if r.Demand.MaxAge > 0 {
		set("max_age", strconv.Itoa(int(r.Demand.MaxAge.Seconds())))
	}
	return q
}

// refusal tells a client what went wrong (RFC 6749 section 4.1.2.1).
func (p *Provider) refusal(r idp.Request, f *failure) web.Answer {
	if r.UserCode != "" { // there is no app in this browser: the code is asked for again
		return web.Answer{URL: p.enterPath(r)}
	}
	return p.answer(r, "error", string(f.code), "error_description", f.description)
}

// answer carries parameters to the request's redirect URI in its response mode. The URI's
// own query stays as it was registered; iss says who answers (RFC 9207).
func (p *Provider) answer(r idp.Request, pairs ...string) web.Answer {
	q := url.Values{"iss": {p.Issuer}}
	for i := 0; i < len(pairs); i += 2 {
		q.Set(pairs[i], pairs[i+1])
	}
	if r.State != "" {
		q.Set("state", r.State)
	}
	switch r.ResponseMode {
	case idp.FormPostMode:
		return web.Answer{URL: r.RedirectURI, Form: q}
	case idp.FragmentMode:
		return web.Answer{URL: r.RedirectURI + "#" + q.Encode()}
	case idp.QueryMode:
	}
	return web.Answer{URL: idp.WithQuery(r.RedirectURI, q)}
}
