package provider

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"gatehouse/idp"
	"gatehouse/idp/keys"
)

// revoke ends a token of the client that asks (RFC 7009). A token that is not known is
// answered like one that was revoked (section 2.2), and so is another client's: it stays
// as it is, and a thief does not learn here that it is real. Section 2.1 would have the
// request refused; the audit log has it instead. token_type_hint is not needed: the
// token's form says where to look.
func (p *Provider) revoke(c *gin.Context) {
	if err := p.revocation(c.Request); err != nil {
		refuse(c, err)
		return
	}
	c.Header("Cache-Control", "no-store")
	c.Status(http.StatusOK)
}

func (p *Provider) revocation(r *http.Request) error {
	if f := checkBody(r); f != nil {
		return f
	}
	client, err := p.authenticate(r)
	if err != nil {
		return err
	}
	token := r.PostForm.Get("token")
	if token == "" {
		return fail(invalidRequest, "token is missing")
	}
	end, err := p.revocable(r.Context(), token)
	if notActive(err) {
		return nil
	}
	if err != nil {
		return err
	}
	if end.event.ClientID != client.ID {
		return p.Store.Audit(r.Context(), idp.AuditEvent{Kind: idp.AuditRevocationRefused, ClientID: client.ID})
	}
	err = p.Store.Do(r.Context(), func(ctx context.Context) error {
		first, err := end.run(ctx, idp.Now())
		if err != nil || !first {
			return err
		}
		return p.Store.Audit(ctx, end.event)
	})
	if errors.Is(err, idp.ErrNotFound) { // its grant or client has gone meanwhile
		return nil
	}
	return err
}

// ending is how a token ends, and what the audit log says of it. run returns false
// when it had ended before.
type ending struct {
	event idp.AuditEvent
	run   func(ctx context.Context, at time.Time) (bool, error)
}

// revocable finds how a token ends, for any caller.
func (p *Provider) revocable(ctx context.Context, token string) (ending, error) {
	switch {
	case strings.Contains(token, "."):
		return p.revocableJWT(ctx, token)
	case strings.HasPrefix(token, servicePrefix):
		s, err := p.Store.ServiceByToken(ctx, idp.HashSecret(token))
		return ending{revoked(idp.AccessToken, s.Client.ID), func(ctx context.Context, at time.Time) (bool, error) {
			return p.Store.RevokeServiceToken(ctx, s.Token.ID, at)
		}}, err
	}
	found, err := p.Store.TokenState(ctx, idp.HashSecret(token))
	g, t := found.Grant, found.Token
	event := revoked(t.Kind, cmp.Or(t.Exchange.ClientID, g.ClientID))
	event.UserID, event.PopulationID, event.SessionID = g.UserID, g.PopulationID, g.SessionID
	event.Detail["grant"] = g.ID
	return ending{event, func(ctx context.Context, at time.Time) (bool, error) {
		if t.Kind == idp.RefreshToken { // with all that came of it (RFC 7009 section 2.1)
			return p.Store.RevokeGrant(ctx, g.ID, at)
		}
		return p.Store.RevokeToken(ctx, t.ID, at)
	}}, err
}

func revoked(kind idp.TokenKind, clientID string) idp.AuditEvent {
	return idp.AuditEvent{
		Kind: idp.AuditTokenRevoked, ClientID: clientID, Detail: map[string]string{"token": string(kind)},
	}
}

// revocableJWT ends a JWT by a record of its jti, which our endpoints look for. The
// record is not of the token's text: the same token can be written differently.
func (p *Provider) revocableJWT(ctx context.Context, token string) (ending, error) {
	c, err := p.verifyJWT(token)
	if err != nil {
		for _, typ := range []keys.TokenType{keys.IDToken, keys.LogoutToken} {
			if p.Signer.Verify(token, typ, &jwtClaims{}) == nil {
				return ending{}, fail(unsupportedTokenType, "only access tokens and refresh tokens can be revoked")
			}
		}
		return ending{}, err
	}
	event, hash := revoked(idp.AccessToken, c.ClientID), idp.HashSecret(c.ID)
	created, expires := time.Unix(c.IssuedAt, 0).UTC(), time.Unix(c.Expires, 0).UTC()
	if c.grantID() == "" {
		return ending{event, func(ctx context.Context, at time.Time) (bool, error) {
			return p.Store.RevokeServiceJWT(ctx, idp.ServiceToken{
				ID: c.ID, ClientID: c.ClientID, Hash: hash, Scopes: fields(c.Scope),
				CreatedAt: created, ExpiresAt: expires, RevokedAt: at,
			})
		}}, nil
	}
	event.Detail["grant"] = c.grantID()
	if event.UserID, err = p.userOf(ctx, anySector, c.Subject); err != nil {
		return ending{}, err
	}
	return ending{event, func(ctx context.Context, at time.Time) (bool, error) {
		return p.Store.RevokeJWT(ctx, idp.Token{
			ID: c.ID, GrantID: c.grantID(), Kind: idp.AccessToken, Hash: hash, Scopes: fields(c.Scope),
			CreatedAt: created, ExpiresAt: expires, RevokedAt: at,
		})
	}}, nil
}
