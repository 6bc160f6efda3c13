package demo_test

import (
	"context"
	"net/url"
	"slices"
	"testing"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"gatehouse/cmd/gatehouse/internal/demo"
	"gatehouse/idp"
	"gatehouse/idp/idptest"
)

// Each person that the demo announces as Entra's signs in over the connection of
// their population, with the roles that are said, and no other person does.
func TestEntraPeopleSignInOverTheirConnection(t *testing.T) {
	about := startHouse(t, context.Background(), "").About
	for _, c := range demo.EntraConnections(about.Entra) {
		for _, p := range about.People {
			if !p.Entra {
				continue
			}
			claims, came := arrive(t, c, about.Issuer, p)
			if came != (p.Population == c.Population) {
				t.Errorf("%s at the connection of %s: came %v", p.Email, c.Population, came)
				continue
			}
			if came && (!slices.Contains(c.Tenants, claims.TID) || claims.Email != p.Email || !claims.Verified || !slices.Equal(claims.Roles, p.Roles)) {
				t.Errorf("%s: %+v", p.Email, claims)
			}
		}
	}
}

type entraClaims struct {
	TID      string   `json:"tid"`
	Email    string   `json:"email"`
	Verified bool     `json:"xms_edov"`
	Roles    []string `json:"roles"`
}

// arrive signs a person in and redeems the code, as the provider does.
func arrive(t *testing.T, c demo.EntraConnection, issuer string, p demo.Person) (claims entraClaims, came bool) {
	t.Helper()
	provider, err := oidc.NewProvider(t.Context(), c.Authority+"/"+c.Tenants[0]+"/v2.0")
	if err != nil {
		t.Fatal(err)
	}
	endpoint := provider.Endpoint()
	endpoint.AuthStyle = oauth2.AuthStyleInParams
	app := oauth2.Config{
		ClientID: c.ClientID, ClientSecret: c.Secret, Endpoint: endpoint, Scopes: []string{"openid", "profile", "email"},
		RedirectURL: issuer + "/federation/callback",
	}
	verifier, nonce := oauth2.GenerateVerifier(), idp.NewSecret()
	request, err := url.Parse(app.AuthCodeURL("s", oauth2.S256ChallengeOption(verifier), oidc.Nonce(nonce)))
	if err != nil {
		t.Fatal(err)
	}
	home, err := url.Parse(issuer)
	if err != nil {
		t.Fatal(err)
	}
	page := idptest.SignInAtEntra(idptest.NewBrowser(t), request, p.Email, p.Password)
	if page.Left == nil || page.Left.Host != home.Host {
		return claims, false
	}
	token, err := app.Exchange(t.Context(), page.Left.Query().Get("code"), oauth2.VerifierOption(verifier))
	if err != nil {
		t.Fatal(err)
	}
	raw, _ := token.Extra("id_token").(string)
	id, err := provider.Verifier(&oidc.Config{ClientID: c.ClientID}).Verify(t.Context(), raw)
	if err != nil {
		t.Fatal(err)
	}
	if err := id.Claims(&claims); err != nil || id.Nonce != nonce {
		t.Fatalf("nonce %q, %v", id.Nonce, err)
	}
	return claims, true
}
