package provider

import (
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/keys"
	"gatehouse/mfa"
)

// IDTokenLifetime is how long an ID token may be accepted: it is read once, on
// arrival.
const IDTokenLifetime = 5 * time.Minute

// authentication is how a person signed in: the same in every token of a grant,
// computed from its proofs.
type authentication struct {
	// AuthTime is left out where nobody says when it was (OpenID Connect Core 1.0 section
	// 2): a sign-in elsewhere, for a request that does not ask how old it may be.
	AuthTime int64    `json:"auth_time,omitempty"`
	ACR      idp.ACR  `json:"acr"`
	AMR      []string `json:"amr"`
	SID      string   `json:"sid"`
	// IDP is the issuer at which the person signed in, empty where they did so here.
	IDP string `json:"idp,omitempty"`
}

func authenticationOf(g idp.Grant) authentication {
	a := authentication{ACR: g.ACR, AMR: mfa.AMR(g.Proofs), SID: g.SessionID}
	if at := mfa.AuthTime(g.Proofs, g.ACR); !at.IsZero() {
		a.AuthTime = at.Unix()
	}
	for _, p := range g.Proofs {
		if p.Method == idp.MethodFederated {
			a.IDP = p.Issuer
		}
	}
	return a
}

// person is who signed in, as far as the scopes allow (OpenID Connect Core 1.0
// section 5.4).
type person struct {
	Subject    string `json:"sub"`
	Population string `json:"population"`
	Name       string `json:"name,omitempty"`
	Locale     string `json:"locale,omitempty"`
	UpdatedAt  int64  `json:"updated_at,omitempty"`
	Email      string `json:"email,omitempty"`
	// EmailVerified: mail to the address has reached the person, by an invitation, a
	// confirmation or a reset.
	EmailVerified *bool `json:"email_verified,omitempty"`
}

func personOf(u idp.User, scopes []string) person {
	p := person{Subject: u.ID, Population: u.PopulationID}
	if slices.Contains(scopes, "profile") {
		p.Name, p.Locale, p.UpdatedAt = u.Name, u.Locale, u.UpdatedAt.Unix()
	}
	if slices.Contains(scopes, "email") {
		p.Email, p.EmailVerified = u.Email, &u.EmailVerified
	}
	return p
}

// idTokenClaims are OpenID Connect Core 1.0 section 2.
type idTokenClaims struct {
	Issuer   string `json:"iss"`
	Audience string `json:"aud"`
	Expires  int64  `json:"exp"`
	IssuedAt int64  `json:"iat"`
	Nonce    string `json:"nonce,omitempty"`
	AtHash   string `json:"at_hash"`
	authentication
	person
}

// signIDToken makes the ID token, the one after a refresh included: it says what
// the first one said.
func (p *Provider) signIDToken(s idp.Standing, client idp.Client, accessToken string, now time.Time) (string, error) {
	if !slices.Contains(s.Grant.Scopes, "openid") {
		return "", nil
	}
	return p.sign(client.SigningAlg, keys.IDToken, idTokenClaims{
		Issuer: p.Issuer, Audience: client.ID, Expires: now.Add(IDTokenLifetime).Unix(), IssuedAt: now.Unix(),
		Nonce: s.Grant.Nonce, AtHash: leftHalf(client.SigningAlg, accessToken),
		authentication: authenticationOf(s.Grant), person: personOf(s.User, s.Grant.Scopes),
	})
}

// accessTokenClaims are RFC 9068 section 2.2.
type accessTokenClaims struct {
	Issuer   string   `json:"iss"`
	Audience []string `json:"aud"`
	Expires  int64    `json:"exp"`
	IssuedAt int64    `json:"iat"`
	ID       string   `json:"jti"`
	Subject  string   `json:"sub"`
	ClientID string   `json:"client_id"`
	Scope    string   `json:"scope"`
	// Of a person, not of a service.
	*authentication
	Population string `json:"population,omitempty"`
	// GivenVersion is of a service: what its client lost since is not the token's.
	GivenVersion int64 `json:"given_version,omitempty"`
}

// signAccessToken makes a JWT access token. Its jti begins with the grant, so
// that our endpoints find out whether it still stands.
func (p *Provider) signAccessToken(g idp.Grant, client idp.Client, now time.Time) (string, error) {
	signedIn := authenticationOf(g)
	return p.sign(client.SigningAlg, keys.AccessToken, accessTokenClaims{
		Issuer: p.Issuer, Audience: p.audienceOf(g.Scopes), Expires: now.Add(client.AccessTTL).Unix(), IssuedAt: now.Unix(),
		ID: g.ID + "." + idp.NewID(), Subject: g.UserID, ClientID: client.ID, Scope: strings.Join(g.Scopes, " "),
		authentication: &signedIn, Population: g.PopulationID,
	})
}

// signServiceToken makes the JWT access token of a service: its subject is the
// client (RFC 9068 section 2.2). Its jti names no grant, since there is none.
func (p *Provider) signServiceToken(ctx context.Context, client idp.Client, scopes []string, now time.Time) (string, error) {
	given, err := p.Store.GivenVersion(ctx)
	if err != nil {
		return "", err
	}
	return p.sign(client.SigningAlg, keys.AccessToken, accessTokenClaims{
		Issuer: p.Issuer, Audience: p.audienceOf(scopes), Expires: now.Add(client.AccessTTL).Unix(), IssuedAt: now.Unix(),
		ID: idp.NewID(), Subject: client.ID, ClientID: client.ID, Scope: strings.Join(scopes, " "), GivenVersion: given,
	})
}

// AdminAPI identifies the admin API as the audience of access tokens.
func (p *Provider) AdminAPI() string { return p.Issuer + "/admin/api/v1" }

// audienceOf is whom an access token is for (RFC 9068 section 3): the admin API has
// an audience of its own, so that no other token is good there, and what was
// issued for it alone is good nowhere else.
func (p *Provider) audienceOf(scopes []string) []string {
	switch {
	case !slices.Contains(scopes, idp.AdminScope):
		return []string{p.Issuer}
	case slices.Contains(scopes, "openid"):
		return []string{p.AdminAPI(), p.Issuer}
	}
	return []string{p.AdminAPI()}
}

func (p *Provider) sign(alg idp.Algorithm, typ keys.TokenType, claims any) (string, error) {
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", fmt.Errorf("encode claims: %w", err)
	}
	return p.Signer.Sign(alg, typ, payload)
}

// leftHalf is at_hash: the left half of the hash that goes with the signature's
// algorithm (OpenID Connect Core 1.0 section 3.1.3.6; Ed25519 hashes by SHA-512).
func leftHalf(alg idp.Algorithm, token string) string {
	if alg == idp.EdDSA {
		sum := sha512.Sum512([]byte(token))
		return base64.RawURLEncoding.EncodeToString(sum[:len(sum)/2])
	}
	sum := sha256.Sum256([]byte(token))
	return base64.RawURLEncoding.EncodeToString(sum[:len(sum)/2])
}

// hintClaims are what we read of an ID token that comes back as a hint.
type hintClaims struct {
	Issuer   string   `json:"iss"`
	Subject  string   `json:"sub"`
	Audience audience `json:"aud"`
	SID      string   `json:"sid"`
}

// verifyHint reads an ID token of ours, expired or not.
func (p *Provider) verifyHint(token string) (hintClaims, error) {
	var claims hintClaims
	if err := p.Signer.Verify(token, keys.IDToken, &claims); err != nil {
		return claims, err
	}
	if claims.Issuer != p.Issuer || claims.Subject == "" || len(claims.Audience) == 0 {
		return claims, fmt.Errorf("%w: an ID token of somebody else", idp.ErrInvalid)
	}
	return claims, nil
}

// audience is a string or a list of them (RFC 7519 section 4.1.3).
type audience []string

// UnmarshalJSON implements json.Unmarshaler.
func (a *audience) UnmarshalJSON(data []byte) error {
	var one string
	if json.Unmarshal(data, &one) == nil {
		*a = audience{one}
		return nil
	}
	return json.Unmarshal(data, (*[]string)(a))
}
