package provider

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"github.com/gin-gonic/gin"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"

	"gatehouse/idp"
)

// userinfoGate is in front of the library's userinfo: the token comes in the
// header (RFC 6750 section 2.1), never in the address.
func (p *Provider) userinfoGate(c *gin.Context) {
	if credentialIn(c.Request.URL.RawQuery) != "" {
		answerError(c, http.StatusBadRequest, fail(invalidRequest, "the access token belongs into the Authorization header"))
		return
	}
	c.Request.URL.RawQuery = ""
	oneSpace(c.Request.Header)
	challenge := "Bearer"
	if c.GetHeader("Authorization") != "" {
		challenge = `Bearer error="invalid_token"`
	}
	p.forward(&challengingWriter{c.Writer, challenge}, c.Request, userinfoPath)
}

// challengingWriter adds what the library leaves out: no caching, and what a token must be
// (RFC 6750 section 3).
type challengingWriter struct {
	http.ResponseWriter
	challenge string
}

// WriteHeader implements http.ResponseWriter.
func (w *challengingWriter) WriteHeader(status int) {
	w.Header().Set("Cache-Control", "no-store")
	switch status {
	case http.StatusUnauthorized:
		w.Header().Set("WWW-Authenticate", w.challenge)
	case http.StatusForbidden:
		w.Header().Set("WWW-Authenticate", `Bearer error="insufficient_scope", scope="openid"`)
	}
	w.ResponseWriter.WriteHeader(status)
}

// UserInfo answers the claims that the access token's scopes allow (OpenID
// Connect Core 1.0 section 5.3). The token is for us: the issuer is its audience.
func (p *Provider) UserInfo(ctx context.Context, r *op.Request[oidc.UserInfoRequest]) (*op.Response, error) {
	a, err := p.find(ctx, r.Data.AccessToken)
	switch {
	case errors.Is(err, idp.ErrExpired):
		return nil, toLibrary(fail(invalidToken, "the access token has ended").because(err))
	case notActive(err):
		return nil, toLibrary(fail(invalidToken, "the access token is not valid").because(err))
	case err != nil:
		return nil, toLibrary(err)
	case a.kind != idp.AccessToken || a.person == nil || !slices.Contains(a.audience, p.Issuer):
		return nil, toLibrary(fail(invalidToken, "the access token is not for userinfo"))
	case !slices.Contains(a.scopes, "openid"):
		return nil, toLibrary(fail(insufficientScope, "userinfo needs scope openid"))
	}
	return op.NewResponse(personOf(*a.person, a.scopes)), nil
}
