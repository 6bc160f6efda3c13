package main

import (
	"net/http"

	"gatehouse/admin/apiclient"
)

type initialTokenCommand struct {
	connection

	List     initialTokenList     `cmd:"" help:"List initial access tokens, the newest first."`
	Show     initialTokenShow     `cmd:"" help:"Read what an initial access token allows."`
	Create   initialTokenCreate   `cmd:"" help:"Make an initial access token. It is printed this once."`
	Withdraw initialTokenWithdraw `cmd:"" help:"End an initial access token. Its apps stay as they are."`
}

type initialTokenList struct{ listing }

// Run lists initial access tokens.
func (c initialTokenList) Run(r *remote) error {
	return r.list("/initial-access-tokens", "initial_access_tokens", c.listing, struct{}{}, "id", "name", "apps", "max_apps", "redirect_hosts", "created_at", "expires_at", "withdrawn_at")
}

// initialToken is the argument of commands that are about one.
type initialToken struct {
	Token string `arg:"" help:"Id of the initial access token." json:"-"`
}

func (i initialToken) at() string { return apiclient.At("initial-access-tokens", i.Token) }

type initialTokenShow struct{ initialToken }

// Run shows an initial access token.
func (c initialTokenShow) Run(r *remote) error { return r.do(http.MethodGet, c.at(), nil) }

type initialTokenCreate struct{ described }

// Run makes an initial access token.
func (c initialTokenCreate) Run(r *remote) error {
	body, err := c.onto(struct{}{})
	if err != nil {
		return err
	}
	return r.do(http.MethodPost, "/initial-access-tokens", body)
}

type initialTokenWithdraw struct {
	initialToken
	because
}

// Run withdraws an initial access token.
func (c initialTokenWithdraw) Run(r *remote) error { return r.do(http.MethodDelete, c.at(), c) }

type clientRegistration struct{ app }

// Run shows how an app registered itself.
func (c clientRegistration) Run(r *remote) error {
	return r.do(http.MethodGet, c.at("registration"), nil)
}
