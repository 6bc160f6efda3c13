package main

import "net/http"

type userTrusted struct {
	List   userTrustedList   `cmd:"" help:"List the browsers that a person trusts."`
	Forget userTrustedForget `cmd:"" help:"Have the person asked for the second step again in a browser."`
}

type userTrustedList struct{ person }

// Run lists the browsers that a person trusts.
func (c userTrustedList) Run(r *remote) error {
	path, err := c.at(r, "trusted-browsers")
	if err != nil {
		return err
	}
	return r.all(path, "trusted_browsers", struct{}{}, "id", "user_agent", "address", "created_at", "expires_at", "last_used_at")
}

type userTrustedForget struct {
	reasonedAction

	Browser string `arg:"" help:"Id of the trusted browser." json:"-"`
}

// Run ends the trust in a browser.
func (c userTrustedForget) Run(r *remote) error {
	return c.do(r, http.MethodDelete, c, "trusted-browsers", c.Browser)
}
