package provider

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/gin-gonic/gin"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"

	"gatehouse/idp"
)

// userinfoGate is in front of the library's userinfo: the token comes in the header or a
// form (RFC 6750 sections 2.1 and 2.2), never in the address.
func (p *Provider) userinfoGate(c *gin.Context) {
	if f := checkBearer(c.Request); f != nil {
		c.Header("WWW-Authenticate", `Bearer error="invalid_request"`)
		answerError(c, f.status(), f)
		return
	}
	oneSpace(c.Request.Header)
	w := &challengingWriter{ResponseWriter: c.Writer, challenge: "Bearer"}
	if c.GetHeader("Authorization") != "" {
		w.challenge = `Bearer error="invalid_token"`
	}
	ctx, err := p.present(c.Request, userinfoPath)
	var unproven *idp.ProofError
	if errors.As(err, &unproven) {
		w.say(unproven)
		c.Header("WWW-Authenticate", w.challenge)
		answerError(c, http.StatusUnauthorized, fail(invalidToken, unproven.Why))
		return
	}
	if provenIn(ctx) != nil { // the library knows one scheme
		_, token, _ := strings.Cut(c.GetHeader("Authorization"), " ")
		c.Request.Header.Set("Authorization", "Bearer "+token)
		c.Header(nonceHeader, p.nonce(idp.Now()))
	}
	p.forward(w, c.Request.WithContext(context.WithValue(ctx, challengeKey{}, w)), userinfoPath)
}

// challengeKey finds the writer in the context of a request.
type challengeKey struct{}

// checkBearer finds the one token of a request. Below the gate it is in the header.
func checkBearer(r *http.Request) *failure {
	if credentialIn(r.URL.RawQuery) != "" {
		return fail(invalidRequest, "the access token belongs into the Authorization header")
	}
	r.URL.RawQuery = "" // what is left there is ignored
	if err := r.ParseForm(); err != nil {
		return fail(invalidRequest, "the form cannot be read").because(err)
	}
	sent := r.PostForm["access_token"]
	switch {
	case len(sent) == 0 || len(sent) == 1 && sent[0] == "": // without a value it is left out
		return nil
	case len(sent) > 1 || r.Header.Get("Authorization") != "":
		return fail(invalidRequest, "the access token was sent more than once (RFC 6750 section 2)")
	}
	r.Header.Set("Authorization", "Bearer "+sent[0])
	return nil
}

// challengingWriter adds what the library leaves out: no caching, and what a token must be
// (RFC 6750 section 3).
type challengingWriter struct {
	http.ResponseWriter
	challenge string
}

// say has the answer tell what a token that is bound to a key needs.
func (w *challengingWriter) say(e *idp.ProofError) {
	w.challenge = e.Challenge
	w.Header().Set(nonceHeader, e.Nonce)
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
	err = p.possessed(ctx, a, r.Data.AccessToken)
	var unproven *idp.ProofError
	if errors.As(err, &unproven) {
		if w, ok := ctx.Value(challengeKey{}).(*challengingWriter); ok {
			w.say(unproven)
		}
		return nil, toLibrary(fail(invalidToken, unproven.Why))
	}
	if err != nil {
		return nil, toLibrary(err)
	}
	return op.NewResponse(personAtUserinfo(*a.person, a.scopes)), nil
}
