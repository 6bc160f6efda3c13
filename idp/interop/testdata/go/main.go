// coreos/go-oidc with golang.org/x/oauth2, which finds out by itself where the secret goes.
package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"log"
	"net/http"
	"net/url"
	"os"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// app keeps what belongs to one person. An app for more keeps it by their browser.
type app struct {
	provider   *oidc.Provider
	config     oauth2.Config
	endSession string
	token      *oauth2.Token
	id         string

	state, nonce, verifier string
}

func main() {
	base := os.Getenv("BASE")
	provider, err := oidc.NewProvider(context.Background(), os.Getenv("ISSUER"))
	if err != nil {
		log.Fatal(err)
	}
	var discovered struct {
		EndSession string `json:"end_session_endpoint"`
	}
	if err := provider.Claims(&discovered); err != nil {
		log.Fatal(err)
	}
	a := &app{provider: provider, endSession: discovered.EndSession, config: oauth2.Config{
		ClientID: os.Getenv("CLIENT_ID"), ClientSecret: os.Getenv("CLIENT_SECRET"),
		Endpoint: provider.Endpoint(), RedirectURL: base + "/callback",
		Scopes: []string{oidc.ScopeOpenID, "profile", "email", oidc.ScopeOfflineAccess},
	}}
	http.HandleFunc("/{$}", func(w http.ResponseWriter, r *http.Request) {
		a.state, a.nonce, a.verifier = rand.Text(), rand.Text(), oauth2.GenerateVerifier()
		http.Redirect(w, r, a.config.AuthCodeURL(a.state, oidc.Nonce(a.nonce), oauth2.S256ChallengeOption(a.verifier)), http.StatusFound)
	})
	http.HandleFunc("/callback", answer(a.callback))
	http.HandleFunc("/userinfo", answer(a.userinfo))
	http.HandleFunc("/refresh", answer(a.refresh))
	http.HandleFunc("/logout", func(w http.ResponseWriter, r *http.Request) {
		query := url.Values{"id_token_hint": {a.id}, "post_logout_redirect_uri": {base + "/bye"}}
		http.Redirect(w, r, a.endSession+"?"+query.Encode(), http.StatusFound)
	})
	http.HandleFunc("/bye", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("bye")) })
	log.Fatal(http.ListenAndServe("localhost:"+os.Getenv("PORT"), nil))
}

func answer(act func(r *http.Request) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		value, err := act(r)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		_ = json.NewEncoder(w).Encode(value)
	}
}

func (a *app) callback(r *http.Request) (claims any, err error) {
	if r.FormValue("state") != a.state {
		return nil, errors.New("this is not the answer to our request")
	}
	if a.token, err = a.config.Exchange(r.Context(), r.FormValue("code"), oauth2.VerifierOption(a.verifier)); err != nil {
		return nil, err
	}
	a.id, _ = a.token.Extra("id_token").(string)
	id, err := a.provider.Verifier(&oidc.Config{ClientID: a.config.ClientID}).Verify(r.Context(), a.id)
	if err != nil {
		return nil, err
	}
	if id.Nonce != a.nonce {
		return nil, errors.New("the ID token is of another sign-in")
	}
	err = id.Claims(&claims)
	return claims, err
}

func (a *app) userinfo(r *http.Request) (any, error) {
	return a.provider.UserInfo(r.Context(), oauth2.StaticTokenSource(a.token))
}

func (a *app) refresh(r *http.Request) (any, error) {
	got, err := a.config.TokenSource(r.Context(), &oauth2.Token{RefreshToken: a.token.RefreshToken}).Token()
	if err == nil {
		a.token = got
	}
	return map[string]bool{"refreshed": true}, err
}
