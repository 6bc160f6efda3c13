package provider

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"

	"gatehouse/idp"
)

// ClientCredentialsExchange gives a service a token for itself (RFC 6749 section 4.4): an
// access token, and neither a refresh token (section 4.4.3) nor an ID token, since no
// person signed in.
func (p *Provider) ClientCredentialsExchange(ctx context.Context, r *op.ClientRequest[oidc.ClientCredentialsRequest]) (*op.Response, error) {
	client, ok := r.Client.(libraryClient)
	if !ok {
		return nil, toLibrary(errors.New("client credentials without an authenticated client"))
	}
	out, err := p.issueToService(ctx, client.client, r.Data.Scope, r.Form)
	return respond(out, err)
}

func (p *Provider) issueToService(ctx context.Context, client idp.Client, requested []string, form url.Values) (issued, error) {
	if client.Kind != idp.ServiceClient {
		return issued{}, fail(unauthorizedClient, "only a service gets a token for itself")
	}
	scopes, f := serviceScopes(client, requested)
	if f != nil {
		return issued{}, f
	}
	resource, f := resourceOf(form, client)
	if f != nil {
		return issued{}, f
	}
	to, err := p.targetOf(ctx, client, resource, scopes)
	if err != nil {
		return issued{}, err
	}
	jkt, err := p.bind(ctx, client)
	if err != nil {
		return issued{}, err
	}
	now := idp.Now()
	out := issued{TokenType: tokenType(jkt), ExpiresIn: int64(to.ttl / time.Second), Scope: strings.Join(to.scopes, " ")}
	if to.format == idp.JWTToken {
		out.AccessToken, err = p.signServiceToken(ctx, client, to, jkt, now)
		return out, err
	}
	out.AccessToken = servicePrefix + idp.NewSecret()
	err = p.Store.CreateServiceToken(ctx, idp.ServiceToken{
		ID: idp.NewID(), ClientID: client.ID, Hash: idp.HashSecret(out.AccessToken), Scopes: to.scopes, Resource: to.resource, JKT: jkt,
		CreatedAt: now, ExpiresAt: now.Add(to.ttl),
	})
	if errors.Is(err, idp.ErrNotFound) { // deleted since it authenticated
		return issued{}, fail(invalidClient, "the client is not known").because(err)
	}
	out.ExpiresIn = left(now.Add(to.ttl), idp.Now())
	return out, err
}

// serviceScopes is what a service gets of what it asks for: all that it is
// registered for if it does not say, and nothing at all if something else is among
// it (RFC 6749 sections 3.3 and 5.2). There is no person, whom openid and
// offline_access are about.
func serviceScopes(client idp.Client, requested []string) ([]string, *failure) {
	registered := slices.DeleteFunc(slices.Clone(client.Scopes), func(s string) bool {
		return s == "openid" || s == "offline_access"
	})
	if len(requested) == 0 {
		return registered, nil
	}
	for _, scope := range requested {
		if !slices.Contains(registered, scope) {
			return nil, fail(invalidScope, "the service may not ask for a scope")
		}
	}
	return allowed(requested, registered), nil
}
