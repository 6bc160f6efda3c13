package main

import (
	"encoding/json"
	"fmt"
	"net/http"

	"gatehouse/admin/apiclient"
)

type policyAccess struct {
	Show    accessShow    `cmd:"" help:"Read how people of a population, or of all, sign in."`
	Preview accessPreview `cmd:"" help:"Count whom a change would concern; changes nothing."`
	Set     accessSet     `cmd:"" help:"Change how people of a population sign in. Sessions go on."`
}

type accessShow struct {
	Population string `arg:"" help:"Population, such as agents; all without it." optional:""`
}

// Run shows portal access.
func (c accessShow) Run(r *remote) error {
	if c.Population != "" {
		return r.do(http.MethodGet, apiclient.At("populations", c.Population), nil)
	}
	return r.all("/populations", "populations", struct{}{}, "id", "name", "version", "settings.access.password", "settings.access.federated")
}

// entered is the argument of commands that are about the portal access of one population.
type entered struct {
	Population string `arg:"" help:"Population, such as agents." json:"-"`
}

func (e entered) at(below ...string) string {
	return apiclient.At(append([]string{"populations", e.Population, "access"}, below...)...)
}

type accessPreview struct{ entered }

// Run counts whom a change would concern.
func (c accessPreview) Run(r *remote) error { return r.do(http.MethodGet, c.at("preview"), nil) }

type accessSet struct {
	entered
	versioned
	because

	SignIn string `help:"password (with email), connections, or both." name:"sign-in" enum:"password,connections,both" required:"" json:"-"`
	Yes    bool   `help:"Do it; without it the command only says whom it concerns, and fails." json:"-"`
}

// Run changes portal access.
func (c accessSet) Run(r *remote) error {
	return r.change(c.versioned, change{
		read: apiclient.At("populations", c.Population), method: http.MethodPut, write: c.at(),
		body:  map[string]any{"password": c.SignIn != "connections", "federated": c.SignIn != "password", "reason": c.Reason},
		check: func(json.RawMessage) error { return c.sure(r) },
	})
}

// sure says whom the change concerns before anything is changed.
func (c accessSet) sure(r *remote) error {
	if c.Yes {
		return nil
	}
	a, err := r.api.Do(r.ctx, apiclient.Request{Method: http.MethodGet, Path: c.at("preview")})
	if err != nil {
		return err
	}
	var concerned struct {
		People    int64
		NotLinked int64 `json:"not_linked"`
	}
	if err := json.Unmarshal(a.Body, &concerned); err != nil {
		return fmt.Errorf("read whom it concerns: %w", err)
	}
	return fmt.Errorf("this changes how %s sign in (%d people, %d of them known to no connection that is on); if you mean it, say --yes",
		c.Population, concerned.People, concerned.NotLinked)
}
