package provider

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"time"

	"gatehouse/idp"
)

// target is what an access token is for, and how it is made there.
type target struct {
	resource string
	audience []string
	scopes   []string
	format   idp.TokenFormat
	alg      idp.Algorithm
	ttl      time.Duration
}

// targetOf is that of a client's tokens for an API, empty for us. An API decides about form
// and lifetime of what is for it, and gets no scopes but its own and those of userinfo.
func (p *Provider) targetOf(ctx context.Context, client idp.Client, resource string, scopes []string) (target, error) {
	to := target{resource, nil, scopes, client.TokenFormat, client.SigningAlg, client.AccessTTL}
	if resource != "" {
		api, err := p.Store.API(ctx, resource)
		if errors.Is(err, idp.ErrNotFound) {
			return to, fail(invalidTarget, "the resource is no API of ours any more").because(err)
		}
		if err != nil {
			return to, err
		}
		to.format, to.alg, to.ttl = api.TokenFormat, api.SigningAlg, api.AccessTTL
		to.scopes = offered(api, scopes)
	}
	if client.FAPI {
		if to.format == idp.JWTToken && !to.alg.OfFAPI() {
			return to, fail(invalidTarget, "the app has the setting fapi, and tokens for the resource are signed with "+string(to.alg))
		}
		to.ttl = min(to.ttl, idp.FAPIAccessTTL)
	}
	to.audience = p.audienceOf(resource, to.scopes)
	return to, nil
}

// offered are those of some scopes that an API has, and those about a person, which
// userinfo answers.
func offered(api idp.Client, scopes []string) []string {
	return slices.DeleteFunc(slices.Clone(scopes), func(s string) bool {
		return !slices.Contains(api.Scopes, s) && !slices.Contains(idp.PersonScopes(), s)
	})
}

// checkResource holds a token request to the API of its grant (RFC 8707 section 2.2).
func checkResource(form url.Values, g idp.Grant) *failure {
	if form.Has("resource") && form.Get("resource") != g.Resource {
		return fail(invalidTarget, "the resource is not that of the authorization request")
	}
	return nil
}
