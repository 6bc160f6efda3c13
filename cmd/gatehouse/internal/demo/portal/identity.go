package portal

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// clockSkew is how far the provider's clock may be from ours.
const clockSkew = time.Minute

// identity is who signed in and how, as a verified ID token says it.
type identity struct {
	Subject    string   `json:"sub"`
	Name       string   `json:"name"`
	Email      string   `json:"email"`
	Population string   `json:"population"`
	SessionID  string   `json:"sid"`
	IDP        string   `json:"idp"`
	ACR        string   `json:"acr"`
	AMR        []string `json:"amr"`
	AuthTime   float64  `json:"auth_time"`
	AZP        string   `json:"azp"`

	token  *oidc.IDToken
	raw    string          // the token itself, for id_token_hint
	claims json.RawMessage // all it says, for /me
}

// authenticated is the time of auth_time; zero when the token does not say.
func (id identity) authenticated() time.Time {
	if id.AuthTime <= 0 {
		return time.Time{}
	}
	return time.Unix(int64(id.AuthTime), 0).UTC()
}

var errNoIDToken = errors.New("the token response has no ID token")

// verify checks the ID token of a token response: signature, iss, aud, exp by the
// library; azp and at_hash here. The nonce is the caller's to compare.
func (op *provider) verify(ctx context.Context, tokens *oauth2.Token) (identity, error) {
	raw, _ := tokens.Extra("id_token").(string)
	if raw == "" {
		return identity{}, errNoIDToken
	}
	token, err := op.verifier.Verify(ctx, raw)
	if err != nil {
		return identity{}, fmt.Errorf("verifying the ID token: %w", err)
	}
	id := identity{token: token, raw: raw}
	if err := errors.Join(token.Claims(&id), token.Claims(&id.claims)); err != nil {
		return identity{}, fmt.Errorf("reading the ID token: %w", err)
	}
	return id, op.check(id, tokens.AccessToken)
}

func (op *provider) check(id identity, accessToken string) error {
	if id.Subject == "" {
		return errors.New("the ID token has no sub")
	}
	if id.AZP != "" && id.AZP != op.ClientID {
		return errors.New("the ID token was issued to another client (azp)")
	}
	if len(id.token.Audience) > 1 && id.AZP == "" {
		return errors.New("the ID token has several audiences and no azp")
	}
	if id.token.IssuedAt.After(now().Add(clockSkew)) {
		return errors.New("the ID token was issued in the future")
	}
	if id.token.AccessTokenHash == "" {
		return nil
	}
	if err := id.token.VerifyAccessToken(accessToken); err != nil {
		return fmt.Errorf("comparing at_hash: %w", err)
	}
	return nil
}

// continues checks that a refreshed ID token speaks of the same sign-in
// (OpenID Connect Core 12.2).
func (id identity) continues(earlier identity) error {
	switch {
	case id.Subject != earlier.Subject:
		return errors.New("the refreshed ID token has another sub")
	case id.token.Nonce != "" && id.token.Nonce != earlier.token.Nonce:
		return errors.New("the refreshed ID token has another nonce")
	case id.AuthTime != 0 && earlier.AuthTime != 0 && id.AuthTime != earlier.AuthTime:
		return errors.New("the refreshed ID token has another auth_time")
	}
	return nil
}
