package provider

import (
	"net/http"
	"slices"
	"strings"

	"github.com/gin-gonic/gin"

	"gatehouse/idp"
)

// introspection is the answer of RFC 7662 section 2.2: it says what a token is
// worth now, which a JWT by itself cannot. A refresh token has no token_type,
// which says how an access token is presented. username is left out: a client
// that may know who signed in has the scope for it, and asks userinfo.
type introspection struct {
	Active       bool          `json:"active"`
	Scope        string        `json:"scope,omitempty"`
	ClientID     string        `json:"client_id,omitempty"`
	TokenType    string        `json:"token_type,omitempty"`
	Expires      int64         `json:"exp,omitempty"`
	IssuedAt     int64         `json:"iat,omitempty"`
	Subject      string        `json:"sub,omitempty"`
	Audience     []string      `json:"aud,omitempty"`
	Issuer       string        `json:"iss,omitempty"`
	ID           string        `json:"jti,omitempty"`
	Confirmation *confirmation `json:"cnf,omitempty"`
	Actor        *actor        `json:"act,omitempty"`
	// Of a person, not of a service.
	*authentication
	*membership
}

// introspect tells a client that keeps a secret what a token is worth. Whatever the
// client may not know of looks like a token that does not exist (RFC 7662 section
// 4). token_type_hint is not needed: the token's form says where to look.
func (p *Provider) introspect(c *gin.Context) {
	c.Set(alwaysChallenge, true)
	out, err := p.introspection(c.Request)
	if err != nil {
		refuse(c, err)
		return
	}
	c.Header("Cache-Control", "no-store")
	c.JSON(http.StatusOK, out)
}

func (p *Provider) introspection(r *http.Request) (introspection, error) {
	if f := checkBody(r); f != nil {
		return introspection{}, f
	}
	client, err := p.authenticate(r)
	if err != nil {
		return introspection{}, err
	}
	if client.Public() {
		return introspection{}, fail(invalidClient, "introspection is for clients that keep a secret")
	}
	token := r.PostForm.Get("token")
	if token == "" {
		return introspection{}, fail(invalidRequest, "token is missing")
	}
	a, err := p.find(r.Context(), token)
	if notActive(err) || err == nil && !visible(a, client) {
		return introspection{}, nil
	}
	if err != nil {
		return introspection{}, err
	}
	if client.Kind == idp.APIClient { // a scope that it has no more is worth nothing to it
		a.scopes = offered(client, a.scopes)
	}
	return p.describe(a), nil
}

// visible tells whether a client may know of a token: one of its own, or an access token
// that was issued for it, by its id or its identifier.
func visible(a access, client idp.Client) bool {
	return a.clientID == client.ID || a.kind == idp.AccessToken && slices.ContainsFunc(a.audience, func(name string) bool {
		return name == client.ID || name == client.Identifier && client.Kind == idp.APIClient
	})
}

func (p *Provider) describe(a access) introspection {
	out := introspection{
		Active: true, Scope: strings.Join(a.scopes, " "), ClientID: a.clientID, Expires: a.expiresAt.Unix(),
		IssuedAt: a.issuedAt.Unix(), Subject: a.subject(), Audience: a.audience, Issuer: p.Issuer, ID: a.jti, Confirmation: confirmationOf(a.jkt), Actor: actorOf(a.exchange),
	}
	if a.kind == idp.AccessToken {
		out.TokenType = tokenType(a.jkt)
	}
	if a.person != nil {
		signedIn, belongs := authenticationOf(a.person.Grant), membershipOf(*a.person, told{scopes: a.scopes})
		out.authentication, out.membership = &signedIn, &belongs
	}
	return out
}
