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
	// AuthTime is left out where the time is unknown (OpenID Connect Core 1.0 section 2):
	// a sign-in elsewhere, for a request that does not ask how old it may be.
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

// membership is what every token of a person and userinfo say of where they belong.
type membership struct {
	Population string `json:"urn:gatehouse:population"` // idp.PopulationClaim
	// PlainPopulation is the same for apps that know it by this name.
	PlainPopulation string `json:"population,omitempty"`
	// Roles, by their ids (RFC 9068 section 2.2.3.1), in the one of the two that the app has.
	Roles  []string `json:"roles,omitempty"`
	Groups []string `json:"groups,omitempty"`
}

// membershipOf is as of now: an app that lost the scope or the switch gets no roles.
func membershipOf(s idp.GrantState, t told) membership {
	m := membership{Population: s.User.PopulationID}
	if s.App.Claims.PlainPopulation {
		m.PlainPopulation = m.Population
	}
	switch name := s.App.Claims.Roles; {
	case name == idp.RolesAsRoles && t.has(string(name), idp.RolesScope):
		m.Roles = s.Roles
	case name == idp.RolesAsGroups && t.has(string(name), idp.RolesScope):
		m.Groups = s.Roles
	}
	return m
}

// told is what an app is told of a person in one place: the claims of scopes, and those that
// it asked for by name.
type told struct{ scopes, names []string }

func (t told) has(claim, scope string) bool {
	return slices.Contains(t.scopes, scope) || slices.Contains(t.names, claim)
}

// toldIn is what is told in a place to who has scopes there. A claim that was asked for by
// name ends with the scope that it is a part of, as that scope does: for good when the app
// loses it.
func toldIn(s idp.GrantState, scopes, asked []string) told {
	t := told{scopes: scopes}
	for _, c := range claimScopes() {
		if slices.Contains(asked, c.name) && len(s.App.ScopesOf(s.Grant, []string{c.scope})) > 0 {
			t.names = append(t.names, c.name)
		}
	}
	return t
}

// person is who signed in, as far as the scopes allow (OpenID Connect Core 1.0 section
// 5.4). Empty values are left out.
type person struct {
	Subject string `json:"sub"`
	membership
	Name              string `json:"name,omitempty"`
	GivenName         string `json:"given_name,omitempty"`
	FamilyName        string `json:"family_name,omitempty"`
	PreferredUsername string `json:"preferred_username,omitempty"`
	Picture           string `json:"picture,omitempty"`
	Zoneinfo          string `json:"zoneinfo,omitempty"`
	Locale            string `json:"locale,omitempty"`
	UpdatedAt         int64  `json:"updated_at,omitempty"`
	Email             string `json:"email,omitempty"`
	EmailVerified     *bool  `json:"email_verified,omitempty"`
}

// personalClaim is a claim that a scope gives.
type personalClaim struct {
	name string
	give func(p *person, u idp.User)
}

// personalClaims are those of profile and email.
var personalClaims = []personalClaim{
	{"name", func(p *person, u idp.User) { p.Name = u.Name }},
	{"given_name", func(p *person, u idp.User) { p.GivenName = u.GivenName }},
	{"family_name", func(p *person, u idp.User) { p.FamilyName = u.FamilyName }},
	// What they type to sign in; there is no other name that is theirs alone.
	{"preferred_username", func(p *person, u idp.User) { p.PreferredUsername = u.Email }},
	{"picture", func(p *person, u idp.User) { p.Picture = u.Picture }},
	{"zoneinfo", func(p *person, u idp.User) { p.Zoneinfo = u.Zoneinfo }},
	{"locale", func(p *person, u idp.User) { p.Locale = u.Locale }},
	{"updated_at", func(p *person, u idp.User) { p.UpdatedAt = u.UpdatedAt.Unix() }},
	{"email", func(p *person, u idp.User) { p.Email = u.Email }},
	// A code or a link that was sent to the address has come back.
	{"email_verified", func(p *person, u idp.User) { p.EmailVerified = &u.EmailVerified }},
}

// namedClaim is a claim with the scope that gives it.
type namedClaim struct{ name, scope string }

// claimScopes are the claims that scopes give.
func claimScopes() []namedClaim {
	list := []namedClaim{{string(idp.RolesAsRoles), idp.RolesScope}, {string(idp.RolesAsGroups), idp.RolesScope}}
	for _, c := range personalClaims {
		list = append(list, namedClaim{c.name, idp.ScopeOfClaim(c.name)})
	}
	return list
}

func personOf(s idp.GrantState, t told) person {
	p := person{Subject: s.Grant.Sub(), membership: membershipOf(s, t)}
	for _, c := range personalClaims {
		if t.has(c.name, idp.ScopeOfClaim(c.name)) {
			c.give(&p, s.User)
		}
	}
	return p
}

// personAtUserinfo is what userinfo says of a person to who has some scopes.
func personAtUserinfo(s idp.GrantState, scopes []string) person {
	return personOf(s, toldIn(s, scopes, s.Grant.Claims.Userinfo))
}

// personInIDToken is what the ID token says of them: what userinfo gives is left out there
// (OpenID Connect Core 1.0 section 5.4), unless the app is set to have it, or the request
// named the claim.
func personInIDToken(s idp.GrantState) person {
	scopes := s.Grant.Scopes
	if !s.App.Claims.InIDToken {
		scopes = slices.DeleteFunc(slices.Clone(scopes), func(scope string) bool { return scope != idp.RolesScope })
	}
	return personOf(s, toldIn(s, scopes, s.Grant.Claims.IDToken))
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

// tokenClaims are those of the ID token that are not about who the person is.
func tokenClaims() []string {
	return []string{"iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "acr", "amr", "sid", "idp", "at_hash"}
}

// claimNames are all that we know, in the order of the documentation.
func claimNames() []string {
	list := append(tokenClaims(), idp.PopulationClaim, "population", "roles", "groups")
	for _, c := range personalClaims {
		list = append(list, c.name)
	}
	return list
}

// signIDToken makes the ID token, the one after a refresh included: of the sign-in it says
// what the first one said, of the person what is so now.
func (p *Provider) signIDToken(s idp.GrantState, client idp.Client, accessToken string, now time.Time) (string, error) {
	if !slices.Contains(s.Grant.Scopes, "openid") {
		return "", nil
	}
	return p.sign(client.SigningAlg, keys.IDToken, idTokenClaims{
		Issuer: p.Issuer, Audience: client.ID, Expires: now.Add(IDTokenLifetime).Unix(), IssuedAt: now.Unix(),
		Nonce: s.Grant.Nonce, AtHash: leftHalf(client.SigningAlg, accessToken),
		authentication: authenticationOf(s.Grant), person: personInIDToken(s),
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
	// Confirmation is the key that it is bound to.
	Confirmation *confirmation `json:"cnf,omitempty"`
	// Of a person, not of a service.
	*authentication
	*membership
	// Actor is who exchanged another token for it, and Parent the id of that one.
	Actor  *actor `json:"act,omitempty"`
	Parent string `json:"parent,omitempty"`
	// GivenVersion is of a service or an exchange: what its client lost since is not the token's.
	GivenVersion int64 `json:"given_version,omitempty"`
}

// signAccessToken makes a JWT access token. Its jti begins with the grant, so
// that our endpoints find out whether it still stands.
func (p *Provider) signAccessToken(s idp.GrantState, client idp.Client, to target, jkt string, now time.Time) (string, error) {
	g := s.Grant
	signedIn, belongs := authenticationOf(g), membershipOf(s, told{scopes: to.scopes})
	return p.sign(to.alg, keys.AccessToken, accessTokenClaims{
		Issuer: p.Issuer, Audience: to.audience, Expires: now.Add(to.ttl).Unix(), IssuedAt: now.Unix(),
		ID: g.ID + "." + idp.NewID(), Subject: g.Sub(), ClientID: client.ID, Scope: strings.Join(to.scopes, " "),
		Confirmation:   confirmationOf(jkt),
		authentication: &signedIn, membership: &belongs,
	})
}

// signServiceToken makes the JWT access token of a service: its subject is the
// client (RFC 9068 section 2.2). Its jti names no grant, since there is none.
func (p *Provider) signServiceToken(ctx context.Context, client idp.Client, to target, jkt string, now time.Time) (string, error) {
	given, err := p.Store.GivenVersion(ctx)
	if err != nil {
		return "", err
	}
	return p.sign(to.alg, keys.AccessToken, accessTokenClaims{
		Issuer: p.Issuer, Audience: to.audience, Expires: now.Add(to.ttl).Unix(), IssuedAt: now.Unix(),
		ID: idp.NewID(), Subject: client.ID, ClientID: client.ID, Scope: strings.Join(to.scopes, " "), GivenVersion: given,
		Confirmation: confirmationOf(jkt),
	})
}

// AdminAPI identifies the admin API as the audience of access tokens.
func (p *Provider) AdminAPI() string { return p.Issuer + "/admin/api/v1" }

// audienceOf is whom an access token is for (RFC 9068 section 3): the admin API has
// an audience of its own, so that no other token is good there, and what was
// issued for it alone is good nowhere else. So has each registered API; userinfo takes
// what a sign-in gave for one, too.
func (p *Provider) audienceOf(resource string, scopes []string) []string {
	switch {
	case resource != "" && slices.Contains(scopes, "openid"):
		return []string{resource, p.Issuer}
	case resource != "":
		return []string{resource}
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
