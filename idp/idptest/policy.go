package idptest

import (
	"gatehouse/idp"
	"gatehouse/idp/manage/authz"
	"gatehouse/idp/manage/populations"
)

// SetPolicy puts a population's policy in force. An authenticator without a label
// gets one, and a policy that stands already another one: else nothing would change.
func (a *App) SetPolicy(population string, p idp.Policy, apply populations.Apply) idp.Policy {
	a.tb.Helper()
	ctx := a.tb.Context()
	now, err := a.Store.Population(ctx, population)
	if err == nil {
		p.Version = now.Policy.Version
		if p.Authenticator && p.IssuerLabel == "" {
			p.IssuerLabel = "RTX"
		}
		if p == now.Policy {
			p.IssuerLabel += "."
		}
		p, err = a.Manage.Populations.SavePolicy(ctx, authz.System(), populations.Change[idp.Policy]{
			ID: population, To: p, Apply: apply, PasswordAlone: true,
		})
	}
	if err != nil {
		a.tb.Fatalf("saving a policy: %v", err)
	}
	return p
}

// SetOverride puts a client's override in force. One that stands already changes in
// whether it is also for those who come through a connection.
func (a *App) SetOverride(clientID string, o idp.Override, apply populations.Apply) idp.Override {
	a.tb.Helper()
	ctx := a.tb.Context()
	now, err := a.Store.Override(ctx, clientID)
	if err == nil {
		o.Version, o.MinVersion = now.Version, now.MinVersion
		if o == now {
			o.Federated = !o.Federated
		}
		o, err = a.Manage.Populations.SaveOverride(ctx, authz.System(), populations.Change[idp.Override]{ID: clientID, To: o, Apply: apply})
	}
	if err != nil {
		a.tb.Fatalf("saving an override: %v", err)
	}
	return o
}
