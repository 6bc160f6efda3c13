package idptest

import (
	"gatehouse/idp"
	"gatehouse/idp/manage"
)

// SetPolicy puts a population's policy in force. An authenticator without a label
// gets one.
func (a *App) SetPolicy(population string, p idp.Policy, apply manage.Apply) idp.Policy {
	a.tb.Helper()
	ctx := a.tb.Context()
	now, err := a.Store.Population(ctx, population)
	if err == nil {
		p.Version = now.Policy.Version
		if p.Authenticator && p.IssuerLabel == "" {
			p.IssuerLabel = "RTX"
		}
		p, err = a.Manage.SavePolicy(ctx, manage.System(), manage.PolicyChange{
			Population: population, Policy: p, Apply: apply, PasswordAlone: true,
		})
	}
	if err != nil {
		a.tb.Fatalf("saving a policy: %v", err)
	}
	return p
}

// SetOverride puts a client's override in force.
func (a *App) SetOverride(clientID string, o idp.Override, apply manage.Apply) idp.Override {
	a.tb.Helper()
	ctx := a.tb.Context()
	now, err := a.Store.Override(ctx, clientID)
	if err == nil {
		o.Version = now.Version
		o, err = a.Manage.SaveOverride(ctx, manage.System(), manage.OverrideChange{ClientID: clientID, Override: o, Apply: apply})
	}
	if err != nil {
		a.tb.Fatalf("saving an override: %v", err)
	}
	return o
}
