package provider

import (
	"context"
	"errors"

	"gatehouse/idp"
	"gatehouse/idp/web"
)

// consentRequired: the person has to be asked what the app may have (OpenID Connect Core 1.0
// section 3.1.2.6).
const consentRequired errorCode = "consent_required"

// approval is what a request asks of a person after the sign-in, and the consent that
// answers it: empty for a request that needs none. answered: the sign-in asked already.
func (p *Provider) approval(ctx context.Context, r idp.Request, client idp.Client, userID string, answered bool) (needed idp.Approval, by idp.Consent, err error) {
	if client.ThirdParty {
		by, err = p.Store.Consent(ctx, userID, client.ID)
		if errors.Is(err, idp.ErrNotFound) {
			err = nil
		}
	}
	return client.Approval(r, by.Terms, answered), by, err
}

// Denied answers a request whose person lets the app have nothing.
func (p *Provider) Denied(ctx context.Context, requestID string) (web.Answer, error) {
	r, _, err := p.finish(ctx, requestID)
	if err != nil {
		return web.Answer{}, err
	}
	return p.refusal(r, fail(accessDenied, "the person does not let the app in")), nil
}
