package main

import (
	"net/http"

	"gatehouse/admin/apiclient"
)

type policyCoverage struct{}

// Run counts people by their strongest factor.
func (policyCoverage) Run(r *remote) error {
	return r.all("/second-step-coverage", "coverage", struct{}{}, "population", "strongest", "hardware", "people")
}

type policyRemind struct {
	Population string `arg:"" help:"Population, such as agents." json:"-"`
	Reason     string `help:"Why; it goes to the audit log." json:"reason,omitempty"`
	By         string `help:"The day by which they should, such as 2027-01-31; without it the command only counts them." json:"by,omitempty"`
}

// Run reminds people, or counts them.
func (c policyRemind) Run(r *remote) error {
	at := apiclient.At("populations", c.Population, "second-step-reminder")
	if c.By == "" {
		return r.do(http.MethodGet, at, nil)
	}
	return r.do(http.MethodPost, at, c)
}
