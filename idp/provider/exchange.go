package provider

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"strings"

	"gatehouse/idp"
	"gatehouse/idp/keys"
)

// accessTokenType is the one type that is exchanged here, and comes of it (RFC 8693 section
// 3).
const accessTokenType = "urn:ietf:params:oauth:token-type:access_token"

// actor is who acts for the subject of a token (RFC 8693 section 4.1).
type actor struct {
	Subject string `json:"sub"`
}

func actorOf(e idp.Exchange) *actor {
	if e.ClientID == "" {
		return nil
	}
	return &actor{e.ClientID}
}

// exchangeToken gives an API or app a token for another API, in place of one that is meant
// for it (RFC 8693): for the same person, for no more and no longer, and no refresh token.
func (p *Provider) exchangeToken(ctx context.Context, client idp.Client, form url.Values) (issued, error) {
	resource, f := exchangeTarget(client, form)
	if f != nil {
		return issued{}, f
	}
	subject, err := p.find(ctx, form.Get("subject_token"))
	if notActive(err) {
		return issued{}, fail(invalidRequest, "the subject_token is not valid").because(err)
	}
	if err != nil {
		return issued{}, err
	}
	if f := exchangeable(subject, client); f != nil {
		return issued{}, f
	}
	scopes, f := exchangedScopes(subject, fields(form.Get("scope")))
	if f != nil {
		return issued{}, f
	}
	to, err := p.targetOf(ctx, client, resource, scopes)
	if err != nil {
		return issued{}, err
	}
	if len(to.scopes) == 0 {
		return issued{}, fail(invalidScope, "the API of the resource has no scope of the subject_token")
	}
	return p.issueExchanged(ctx, subject, client, to)
}

// exchangeTarget is the API that a request is for: of those that the client may reach, named
// by resource or audience.
func exchangeTarget(client idp.Client, form url.Values) (string, *failure) {
	named := slices.Concat(form["resource"], form["audience"])
	switch {
	case client.Public() || !client.Allows(idp.ExchangeGrant):
		return "", fail(unauthorizedClient, "the client may not exchange tokens: its setting grant_types has no "+idp.ExchangeGrant+", or it keeps no secret")
	case form.Get("subject_token") == "" || form.Get("subject_token_type") != accessTokenType:
		return "", fail(invalidRequest, "subject_token is missing, or subject_token_type is not "+accessTokenType)
	case form.Has("requested_token_type") && form.Get("requested_token_type") != accessTokenType:
		return "", fail(invalidRequest, "requested_token_type must be "+accessTokenType)
	case form.Has("actor_token") || form.Has("actor_token_type"):
		return "", fail(invalidRequest, "the client is the actor: actor_token is not supported")
	case len(named) != 1 || !slices.Contains(client.Resources, named[0]):
		return "", fail(invalidTarget, "resource must name one API among the client's setting resources")
	}
	return named[0], nil
}

// exchangeable checks that a token is meant for who wants to exchange it, and came of no
// exchange itself. A service's has no person to act for.
func exchangeable(a access, client idp.Client) *failure {
	meant := a.clientID == client.ID
	if client.Kind == idp.APIClient {
		meant = slices.Contains(a.audience, client.Identifier)
	}
	switch {
	case a.kind != idp.AccessToken || !meant:
		return fail(invalidRequest, "the subject_token is no access token that is meant for the client")
	case a.person == nil:
		return fail(invalidRequest, "the subject_token is of no person")
	case a.exchange.ClientID != "":
		return fail(invalidRequest, "the subject_token came of an exchange itself")
	}
	return nil
}

// exchangedScopes are those of the subject token, or fewer. Userinfo and the session are the
// app's alone.
func exchangedScopes(a access, requested []string) ([]string, *failure) {
	has := slices.DeleteFunc(slices.Clone(a.scopes), func(s string) bool { return s == "openid" || s == "offline_access" })
	if len(requested) == 0 {
		return has, nil
	}
	for _, s := range requested {
		if !slices.Contains(has, s) {
			return nil, fail(invalidScope, "a scope is not the subject_token's")
		}
	}
	return allowed(requested, has), nil
}

// issueExchanged makes the token, which ends with the one that it came of.
func (p *Provider) issueExchanged(ctx context.Context, subject access, client idp.Client, to target) (issued, error) {
	jkt, err := p.bind(ctx, client)
	if err != nil {
		return issued{}, err
	}
	now, g := idp.Now(), subject.person.Grant
	expires := earlier(now.Add(to.ttl), subject.expiresAt)
	e := idp.Exchange{ClientID: client.ID, ParentID: subject.id, Resource: to.resource}
	if e.GivenVersion, err = p.Store.GivenVersion(ctx); err != nil {
		return issued{}, err
	}
	out := issued{IssuedTokenType: accessTokenType, TokenType: tokenType(jkt), Scope: strings.Join(to.scopes, " ")}
	if to.format == idp.JWTToken {
		out.AccessToken, err = p.signExchanged(*subject.person, e, to, jkt, now.Unix(), expires.Unix())
	} else {
		out.AccessToken = idp.NewSecret()
		err = p.Store.CreateTokens(ctx, idp.Token{
			ID: idp.NewID(), GrantID: g.ID, Kind: idp.AccessToken, Scopes: to.scopes, JKT: jkt, Exchange: e,
			Hash: idp.HashSecret(out.AccessToken), CreatedAt: now, ExpiresAt: expires,
		})
	}
	if errors.Is(err, idp.ErrNotFound) { // app or person was deleted this very moment
		err = fail(invalidRequest, "what the subject_token rests on was deleted").because(err)
	}
	out.ExpiresIn = left(expires, idp.Now())
	return out, err
}

func (p *Provider) signExchanged(s idp.GrantState, e idp.Exchange, to target, jkt string, now, expires int64) (string, error) {
	signedIn, belongs := authenticationOf(s.Grant), membershipOf(s, told{scopes: to.scopes})
	return p.sign(to.alg, keys.AccessToken, accessTokenClaims{
		Issuer: p.Issuer, Audience: []string{to.resource}, Expires: expires, IssuedAt: now,
		ID: s.Grant.ID + "." + idp.NewID(), Subject: s.Grant.Sub(), ClientID: e.ClientID, Scope: strings.Join(to.scopes, " "),
		Confirmation: confirmationOf(jkt), Actor: actorOf(e), Parent: e.ParentID, GivenVersion: e.GivenVersion,
		authentication: &signedIn, membership: &belongs,
	})
}

// stillExchanged judges a token that came of an exchange: a token that did not is itself.
func stillExchanged(a access, s idp.ExchangeState) (access, error) {
	if a.exchange.ClientID == "" {
		return a, nil
	}
	if !s.Live(a.exchange) {
		return a, idp.ErrExpired
	}
	a.clientID, a.audience = a.exchange.ClientID, []string{a.exchange.Resource}
	return a, nil
}
