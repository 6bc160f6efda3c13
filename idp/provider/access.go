package provider

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/keys"
	"gatehouse/idp/store"
	"gatehouse/mfa"
)

// servicePrefix marks the opaque access tokens of services, so that one look-up
// finds any token. Neither base64url nor a JWT has a "~".
const servicePrefix = "service~"

// access is a token that was presented, active at this moment, and what it stands for.
type access struct {
	kind      idp.TokenKind
	id        string // of its row, or the jti of a JWT
	jti       string // of a JWT
	exchange  idp.Exchange
	clientID  string
	audience  []string
	scopes    []string
	issuedAt  time.Time
	expiresAt time.Time
	// person is who is behind it, nil for a service; roles are a service's.
	person *idp.GrantState
	roles  []string
	// jkt is the thumbprint of the key that it is bound to, empty for none.
	jkt string
	// fapi: it is of a client with FAPI.
	fapi bool
}

// subject is the person as the app of the grant knows them, or the client that acts for itself.
func (a access) subject() string {
	if a.person != nil {
		return a.person.Grant.Sub()
	}
	return a.clientID
}

// notActive tells a token that is worth nothing from a fault of ours.
func notActive(err error) bool {
	return errors.Is(err, idp.ErrNotFound) || errors.Is(err, idp.ErrInvalid) || errors.Is(err, idp.ErrExpired)
}

// find reads a token of any kind in one statement. Signature and time are not
// enough: what is behind it must live. What is not active is one of idp.ErrNotFound,
// ErrInvalid and ErrExpired.
func (p *Provider) find(ctx context.Context, token string) (access, error) {
	switch {
	case strings.Contains(token, "."):
		return p.findJWT(ctx, token)
	case strings.HasPrefix(token, servicePrefix):
		s, err := p.Store.ServiceByToken(ctx, idp.HashSecret(token))
		if err != nil {
			return access{}, err
		}
		return p.ofService(s)
	}
	found, err := p.tokenState(ctx, token)
	if err != nil {
		return access{}, err
	}
	t, now := found.Token, idp.Now()
	if !t.RevokedAt.IsZero() || !now.Before(t.ExpiresAt) || !found.ReplacedAt.IsZero() || !found.Live(now) {
		return access{}, idp.ErrExpired
	}
	if t.Kind == idp.RefreshToken && !found.App.Allows(found.Grant, "refresh_token") {
		return access{}, idp.ErrExpired
	}
	if t.Kind == idp.AccessToken && t.JKT == "" && t.Exchange.ClientID == "" && found.App.NeedsProof {
		return access{}, idp.ErrExpired // from before the app's tokens were to be bound
	}
	a := access{
		kind: t.Kind, id: t.ID, exchange: t.Exchange, clientID: found.Grant.ClientID, scopes: allowed(t.Scopes, found.Grant.Scopes), audience: p.audienceOf(found.Grant.Resource, t.Scopes),
		issuedAt: t.CreatedAt, expiresAt: t.ExpiresAt, person: &found.GrantState, jkt: t.JKT, fapi: found.App.FAPI,
	}
	if t.Kind == idp.RefreshToken { // for the token endpoint, and for as much as was granted
		a.scopes, a.audience = found.Grant.Scopes, []string{p.Issuer}
	}
	return stillExchanged(a, found.Exchanged)
}

// tokenState reads an opaque token with what it is worth now. A scope that its app
// has lost since is gone, as it is from a JWT.
func (p *Provider) tokenState(ctx context.Context, token string) (store.TokenState, error) {
	found, err := p.Store.TokenState(ctx, idp.HashSecret(token))
	found.GrantState = found.Judged()
	return found, err
}

// jwtClaims are those of accessTokenClaims that we read back.
type jwtClaims struct {
	Issuer   string   `json:"iss"`
	Audience audience `json:"aud"`
	Expires  int64    `json:"exp"`
	IssuedAt int64    `json:"iat"`
	ID       string   `json:"jti"`
	Subject  string   `json:"sub"`
	ClientID string   `json:"client_id"`
	Scope    string   `json:"scope"`
	// GivenVersion is that of a service's token; a grant has its own.
	GivenVersion int64        `json:"given_version"`
	Parent       string       `json:"parent"`
	Confirmation confirmation `json:"cnf"`
}

// grantID is the grant of a person's token, empty for a service's.
func (c jwtClaims) grantID() string {
	id, _, ofGrant := strings.Cut(c.ID, ".")
	if !ofGrant {
		return ""
	}
	return id
}

// exchange is how the token came of another.
func (c jwtClaims) exchange() idp.Exchange {
	if c.Parent == "" {
		return idp.Exchange{}
	}
	return idp.Exchange{ClientID: c.ClientID, ParentID: c.Parent, Resource: c.Audience[0], GivenVersion: c.GivenVersion}
}

// verifyJWT reads a JWT access token of ours that is in time: an ID token has
// another typ.
func (p *Provider) verifyJWT(token string) (jwtClaims, error) {
	var c jwtClaims
	if err := p.Signer.Verify(token, keys.AccessToken, &c); err != nil {
		return c, err
	}
	switch {
	case c.Issuer != p.Issuer, len(c.Audience) == 0, c.ID == "", c.ClientID == "", strings.HasPrefix(c.ID, "."):
		return c, fmt.Errorf("%w: an access token of somebody else", idp.ErrInvalid)
	case c.Expires <= idp.Now().Unix():
		return c, idp.ErrExpired
	}
	return c, nil
}

func (p *Provider) findJWT(ctx context.Context, token string) (access, error) {
	c, err := p.verifyJWT(token)
	if err != nil {
		return access{}, err
	}
	a := access{
		kind: idp.AccessToken, id: c.ID, jti: c.ID, exchange: c.exchange(), clientID: c.ClientID, audience: c.Audience, scopes: fields(c.Scope),
		issuedAt: time.Unix(c.IssuedAt, 0).UTC(), expiresAt: time.Unix(c.Expires, 0).UTC(), jkt: c.Confirmation.JKT,
	}
	if c.grantID() == "" {
		return p.findServiceJWT(ctx, a, c)
	}
	found, err := p.Store.JWTState(ctx, c.grantID(), c.ID, a.exchange)
	if err != nil {
		return access{}, err
	}
	found.GrantState = found.Judged()
	switch {
	case found.Grant.Sub() != c.Subject || found.Grant.ClientID != c.ClientID && c.Parent == "":
		return access{}, idp.ErrInvalid
	case found.Token.ID != "" || !found.Live(idp.Now()) || a.jkt == "" && c.Parent == "" && found.App.NeedsProof:
		return access{}, idp.ErrExpired
	}
	a.scopes, a.person, a.fapi = allowed(a.scopes, found.Grant.Scopes), &found.GrantState, found.App.FAPI
	return stillExchanged(a, found.Exchanged)
}

func (p *Provider) findServiceJWT(ctx context.Context, a access, c jwtClaims) (access, error) {
	if c.Subject != a.clientID {
		return access{}, idp.ErrInvalid
	}
	s, err := p.Store.ServiceByJWT(ctx, a.clientID, a.jti)
	if err != nil {
		return access{}, err
	}
	s.Token.ID, s.Token.ClientID, s.Token.Scopes = a.jti, a.clientID, a.scopes
	s.Token.CreatedAt, s.Token.ExpiresAt, s.Token.GivenVersion, s.Token.JKT = a.issuedAt, a.expiresAt, c.GivenVersion, a.jkt
	for _, a := range a.audience {
		if a != p.Issuer && a != p.AdminAPI() {
			s.Token.Resource = a
		}
	}
	found, err := p.ofService(s)
	found.jti, found.audience = a.jti, a.audience
	return found, err
}

// ofService is what a service's token is worth now: a scope or role that its client
// has lost since is gone, even when the client has it again.
func (p *Provider) ofService(s idp.ServiceState) (access, error) {
	if !s.Live(idp.Now()) {
		return access{}, idp.ErrExpired
	}
	return access{
		kind: idp.AccessToken, clientID: s.Client.ID, scopes: s.Scopes(),
		audience: p.audienceOf(s.Token.Resource, s.Token.Scopes), issuedAt: s.Token.CreatedAt, expiresAt: s.Token.ExpiresAt,
		roles: s.Client.Roles, jkt: s.Token.JKT, fapi: s.Client.FAPI,
	}, nil
}

// AdminAccess is what AdminToken finds.
type AdminAccess = idp.AdminAccess

// Why an access token does not open the admin API.
var (
	ErrTokenInvalid      = idp.ErrTokenInvalid
	ErrScopeInsufficient = idp.ErrScopeInsufficient
)

// AdminToken finds who stands behind an access token that the admin API was called with.
// ErrTokenInvalid: it is none of ours, has another audience, or has ended;
// ErrScopeInsufficient: it is good, but not for the admin API (RFC 6750 section 3.1).
// Anything else is a fault of ours.
func (p *Provider) AdminToken(ctx context.Context, token string) (AdminAccess, error) {
	a, err := p.find(ctx, token)
	switch {
	case notActive(err):
		return AdminAccess{}, fmt.Errorf("%w: %w", ErrTokenInvalid, err)
	case err != nil:
		return AdminAccess{}, err
	case a.kind != idp.AccessToken:
		return AdminAccess{}, fmt.Errorf("%w: it is a refresh token", ErrTokenInvalid)
	case !slices.Contains(a.audience, p.AdminAPI()) && !slices.Contains(a.audience, p.Issuer):
		return AdminAccess{}, fmt.Errorf("%w: it is for somebody else", ErrTokenInvalid)
	case !slices.Contains(a.scopes, idp.AdminScope):
		return AdminAccess{}, fmt.Errorf("%w: %s", ErrScopeInsufficient, idp.AdminScope)
	case !slices.Contains(a.audience, p.AdminAPI()):
		return AdminAccess{}, fmt.Errorf("%w: it is not for the admin API", ErrTokenInvalid)
	}
	if err := p.possessed(ctx, a, token); err != nil {
		return AdminAccess{}, err
	}
	found := AdminAccess{ClientID: a.clientID, Roles: a.roles, Scopes: a.scopes, ExpiresAt: a.expiresAt}
	if a.person != nil {
		g := a.person.Grant
		found.UserID, found.Proofs, found.ACR = a.person.User.ID, g.Proofs, g.ACR
		found.AuthTime = mfa.AuthTime(g.Proofs, g.ACR)
	}
	return found, nil
}
