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
	"gatehouse/idp/keys"
)

// userinfoGate is in front of the library's userinfo: the token comes in the
// header (RFC 6750 section 2.1), never in the address.
func (p *Provider) userinfoGate(c *gin.Context) {
	if c.Request.URL.Query().Has("access_token") {
		answerError(c, http.StatusBadRequest, fail(invalidRequest, "the access token belongs into the Authorization header"))
		return
	}
	challenge := "Bearer"
	if c.GetHeader("Authorization") != "" {
		challenge = `Bearer error="invalid_token"`
	}
	p.forward(&challengingWriter{ResponseWriter: c.Writer, challenge: challenge}, c.Request, userinfoPath)
}

// UserInfo answers the claims that the access token's scopes allow (OpenID
// Connect Core 1.0 section 5.3).
func (p *Provider) UserInfo(ctx context.Context, r *op.Request[oidc.UserInfoRequest]) (*op.Response, error) {
	standing, err := p.accessToken(ctx, r.Data.AccessToken)
	if err != nil {
		return nil, toLibrary(err)
	}
	if !slices.Contains(standing.Grant.Scopes, "openid") {
		return nil, toLibrary(fail("insufficient_scope", "userinfo needs scope openid"))
	}
	return op.NewResponse(personOf(standing.User, standing.Grant.Scopes)), nil
}

// accessToken finds what an access token stands for, provided that it is valid
// now: signature and time are not enough, its grant must live.
func (p *Provider) accessToken(ctx context.Context, token string) (idp.Standing, error) {
	standing, err := p.standingOf(ctx, token)
	if errors.Is(err, idp.ErrNotFound) || errors.Is(err, idp.ErrInvalid) {
		return standing, fail(invalidToken, "the access token is not valid").because(err)
	}
	if err != nil {
		return standing, err
	}
	if !standing.Live(idp.Now()) {
		return standing, fail(invalidToken, "the access token has ended")
	}
	return standing, nil
}

func (p *Provider) standingOf(ctx context.Context, token string) (idp.Standing, error) {
	if strings.Contains(token, ".") {
		return p.standingOfJWT(ctx, token)
	}
	found, err := p.Store.StandingByToken(ctx, idp.HashSecret(token))
	if err != nil {
		return idp.Standing{}, err
	}
	if found.Token.Kind != idp.AccessToken || !found.Token.RevokedAt.IsZero() || !idp.Now().Before(found.Token.ExpiresAt) {
		return idp.Standing{}, idp.ErrInvalid
	}
	found.Grant.Scopes = found.Token.Scopes
	return found.Standing, nil
}

// standingOfJWT reads a JWT access token: an ID token has another typ, one for
// another server another audience.
func (p *Provider) standingOfJWT(ctx context.Context, token string) (idp.Standing, error) {
	var claims struct {
		Issuer   string   `json:"iss"`
		Audience audience `json:"aud"`
		Expires  int64    `json:"exp"`
		ID       string   `json:"jti"`
		Subject  string   `json:"sub"`
		ClientID string   `json:"client_id"`
		Scope    string   `json:"scope"`
	}
	if err := p.Signer.Verify(token, keys.AccessToken, &claims); err != nil {
		return idp.Standing{}, err
	}
	grantID, _, _ := strings.Cut(claims.ID, ".")
	if claims.Issuer != p.Issuer || !slices.Contains(claims.Audience, p.Issuer) ||
		claims.Expires <= idp.Now().Unix() || grantID == "" {
		return idp.Standing{}, idp.ErrInvalid
	}
	standing, err := p.Store.StandingByGrant(ctx, grantID)
	if err == nil && (standing.Grant.UserID != claims.Subject || standing.Grant.ClientID != claims.ClientID) {
		return idp.Standing{}, idp.ErrInvalid
	}
	standing.Grant.Scopes = fields(claims.Scope)
	return standing, err
}
