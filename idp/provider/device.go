package provider

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/gin-gonic/gin"

	"gatehouse/idp"
	"gatehouse/idp/store"
	"gatehouse/mfa"
)

// deviceAuthorization answers a device that wants to be approved elsewhere (RFC 8628
// section 3.2).
type deviceAuthorization struct {
	DeviceCode              string `json:"device_code"`
	UserCode                string `json:"user_code"`
	VerificationURI         string `json:"verification_uri"`
	VerificationURIComplete string `json:"verification_uri_complete"`
	ExpiresIn               int64  `json:"expires_in"`
	Interval                int64  `json:"interval"`
}

func (p *Provider) serveDeviceAuthorization(c *gin.Context) {
	out, err := p.authorizeDevice(c.Request)
	if errors.Is(err, idp.ErrBusy) {
		answerError(c, http.StatusTooManyRequests, fail(slowDown, "too many devices of this app or network wait to be approved").because(err))
		return
	}
	if err != nil {
		refuse(c, err)
		return
	}
	c.Header("Cache-Control", "no-store")
	c.JSON(http.StatusOK, out)
}

func (p *Provider) authorizeDevice(r *http.Request) (deviceAuthorization, error) {
	if f := checkBody(r); f != nil {
		return deviceAuthorization{}, f
	}
	client, err := p.authenticate(r)
	if err != nil {
		return deviceAuthorization{}, err
	}
	d, f := parseDevice(r.PostForm, client)
	if f != nil {
		return deviceAuthorization{}, f
	}
	visit, code, now := idp.VisitFrom(r.Context()), idp.NewSecret(), idp.Now()
	d.CodeHash, d.Address, d.UserAgent = idp.HashSecret(code), visit.Address, visit.UserAgent
	d.CreatedAt, d.ExpiresAt, d.Interval = now, now.Add(idp.DeviceLifetime), idp.DeviceInterval
	if err := p.createDevice(store.OfStranger(r.Context()), &d); err != nil {
		return deviceAuthorization{}, err
	}
	page := p.Issuer + devicePath
	return deviceAuthorization{
		DeviceCode: code, UserCode: d.UserCode, VerificationURI: page,
		VerificationURIComplete: page + "?" + url.Values{"user_code": {d.UserCode}}.Encode(),
		ExpiresIn:               int64(idp.DeviceLifetime / time.Second), Interval: int64(idp.DeviceInterval / time.Second),
	}, nil
}

// parseDevice reads what a device asks for.
func parseDevice(form url.Values, client idp.Client) (idp.Device, *failure) {
	d := idp.Device{ClientID: client.ID, Scopes: allowed(fields(form.Get("scope")), client.Scopes)}
	if !client.Allows(idp.DeviceGrant) {
		return d, fail(unauthorizedClient, "the client may not use the device grant: its setting grant_types has no "+idp.DeviceGrant)
	}
	var f *failure
	if d.Resource, f = resourceOf(form, client); f != nil {
		return d, f
	}
	if len(d.Scopes) == 0 {
		return d, fail(invalidScope, "scope must name one that the client may ask for")
	}
	return d, nil
}

// createDevice stores a device under a user code that no other has.
func (p *Provider) createDevice(ctx context.Context, d *idp.Device) (err error) {
	const tries = 3 // two of 20^8 codes are hardly ever the same
	for range tries {
		d.UserCode = mfa.NewUserCode()
		if err = p.Store.CreateDevice(ctx, *d); !errors.Is(err, idp.ErrConflict) {
			return err
		}
	}
	return err
}

// redeemDevice answers the poll of a device (RFC 8628 sections 3.4 and 3.5): one statement
// while it is not decided. The approved code is one of a grant, and used once.
func (p *Provider) redeemDevice(ctx context.Context, client idp.Client, form url.Values) (issued, error) {
	if !client.Allows(idp.DeviceGrant) {
		return issued{}, fail(unauthorizedClient, "the client may not use the device grant")
	}
	code := form.Get("device_code")
	if code == "" {
		return issued{}, fail(invalidRequest, "device_code is missing")
	}
	now := idp.Now()
	d, hasty, err := p.Store.PollDevice(store.OfStranger(ctx), idp.HashSecret(code), client.ID, now)
	switch {
	case errors.Is(err, idp.ErrNotFound):
		return issued{}, fail(invalidGrant, "the device code is not known, or another client's").because(err)
	case err != nil:
		return issued{}, err
	case !d.DeniedAt.IsZero():
		return issued{}, fail(accessDenied, "the person refused the device")
	case !d.ApprovedAt.IsZero():
		return p.redeemApproved(ctx, client, code, form)
	case !d.Waits(now):
		return issued{}, fail(expiredToken, "the device code has expired")
	case hasty:
		return issued{}, fail(slowDown, "polls come too often; the interval is longer by 5 seconds now")
	}
	return issued{}, fail(authorizationPending, "nobody has approved the device yet")
}

func (p *Provider) redeemApproved(ctx context.Context, client idp.Client, code string, form url.Values) (issued, error) {
	return p.redeem(ctx, client, code, form, func(s idp.GrantState) *failure {
		if !s.Grant.FromDevice {
			return fail(invalidGrant, "this is no device code")
		}
		return checkCode(s, client)
	})
}
