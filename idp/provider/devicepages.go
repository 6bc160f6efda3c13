package provider

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/gin-gonic/gin"

	"gatehouse/idp"
	"gatehouse/idp/store"
	"gatehouse/idp/throttle"
	"gatehouse/idp/web"
	"gatehouse/mfa"
	"gatehouse/ui"
)

// lastPoll is how long a device that was approved at the last moment has to fetch its
// tokens.
const lastPoll = time.Minute

// showDevice asks for the code of a device. A link with the code (verification_uri_complete)
// fills it in; the person goes on by themselves.
func (p *Provider) showDevice(c *gin.Context) error {
	page := ui.DeviceCode{}
	if code, err := mfa.NormalizeUserCode(c.Query("user_code")); err == nil {
		page.Code = code
	}
	return p.renderDevice(c, http.StatusOK, page)
}

func (p *Provider) renderDevice(c *gin.Context, status int, page ui.DeviceCode) error {
	page.Frame, page.Action = ui.Frame{Lang: p.Web.Language(c.Request, ui.Wish{})}, p.Web.Path(devicePath)
	return p.Web.Render(c, status, page)
}

// postDevice takes the code of a device: what follows is a sign-in to its app, and the page
// that asks whether the device is the person's.
func (p *Provider) postDevice(c *gin.Context) error {
	if err := c.Request.ParseForm(); err != nil {
		return web.BadForm(err)
	}
	ctx := store.OfStranger(c.Request.Context())
	code, err := mfa.NormalizeUserCode(c.PostForm("user_code"))
	if err != nil {
		return p.renderDevice(c, http.StatusUnprocessableEntity, ui.DeviceCode{CodeError: ui.MsgDeviceCodeFormat.With()})
	}
	attempt, err := p.Limiter.Begin(ctx, p.Limiter.DeviceCodes(idp.VisitFrom(ctx).Address))
	var limited *throttle.LimitedError
	if errors.As(err, &limited) {
		wait := int((limited.Wait + time.Second - 1) / time.Second)
		c.Header("Retry-After", fmt.Sprint(wait))
		return p.renderDevice(c, http.StatusTooManyRequests, ui.DeviceCode{Code: code, RetryAfter: wait, Alert: ui.MsgTooManyAttempts.With(limited.Wait)})
	}
	if err != nil {
		return err
	}
	d, client, err := p.waitingDevice(ctx, code)
	if errors.Is(err, idp.ErrNotFound) {
		return p.renderDevice(c, http.StatusUnprocessableEntity, ui.DeviceCode{Code: code, CodeError: ui.MsgDeviceCodeWrong.With()})
	}
	if err := errors.Join(err, attempt.Succeeded(ctx)); err != nil {
		return err
	}
	return p.beginDevice(c, d, client, c.PostForm("other") != "")
}

// waitingDevice finds a device that waits, and its client as it is now. idp.ErrNotFound:
// there is none, or the client may not use the device grant any more.
func (p *Provider) waitingDevice(ctx context.Context, userCode string) (idp.Device, idp.Client, error) {
	d, err := p.Store.DeviceByUserCode(ctx, userCode)
	if err != nil {
		return d, idp.Client{}, err
	}
	client, err := p.Store.ClientNow(ctx, d.ClientID)
	if err == nil && !(d.Waits(idp.Now()) && client.Allows(idp.DeviceGrant)) {
		err = fmt.Errorf("device: %w", idp.ErrNotFound)
	}
	return d, client, err
}

// beginDevice makes the request to sign in to a device's app: a session of this browser that
// satisfies it goes on to the question, everybody else to the sign-in.
func (p *Provider) beginDevice(c *gin.Context, d idp.Device, client idp.Client, choose bool) error {
	now, ctx := idp.Now(), c.Request.Context()
	a := &authorization{libraryClient: libraryClient{client}, population: firstPopulation(nil, client), request: idp.Request{
		ID: idp.NewID(), ClientID: client.ID, UserCode: d.UserCode, Scopes: allowed(d.Scopes, client.Scopes), Resource: d.Resource,
		Demand: idp.Demand{MaxAge: idp.NoMaxAge, Choose: choose}, CreatedAt: now, ExpiresAt: now.Add(idp.FlowLifetime),
	}}
	if choose {
		a.prompt = []string{"select_account"}
	}
	found, err := p.Sessions.Find(ctx, c.Request.Header, client.ID, client.Populations)
	if err != nil {
		return err
	}
	s, choose := a.pick(found)
	decision, err := p.decide(ctx, a, s)
	if err != nil {
		return err
	}
	needed := idp.NoApproval
	if s != nil {
		if needed, _, err = p.approval(ctx, a.request, client, s.User.ID, false); err != nil {
			return err
		}
	}
	if s != nil && !choose && decision == mfa.Satisfied && needed == idp.NoApproval {
		a.request.BrowserHash = s.Session.BrowserHash
		if err := p.Store.CreateRequest(ctx, a.request); err != nil {
			return err
		}
		return web.Redirect(c, p.confirmPath(a.request, s.Session))
	}
	out, err := p.startFlow(ctx, a, c.Request.Header, s, choose)
	if err != nil {
		return err
	}
	if out.cookie != nil {
		http.SetCookie(c.Writer, out.cookie)
	}
	return web.Redirect(c, out.URL)
}

// confirmPath is the page that asks about a device, after a sign-in with a session.
func (p *Provider) confirmPath(r idp.Request, s idp.Session) string {
	return p.Web.Path("%s/%s/%s", devicePath, r.ID, s.ID)
}

// enterPath is the page that asks for the code, filled in.
func (p *Provider) enterPath(r idp.Request) string {
	return p.Web.Path("%s?%s", devicePath, url.Values{"user_code": {r.UserCode}}.Encode())
}

// asking is a person about to decide about a device.
type asking struct {
	request idp.Request
	device  idp.Device
	client  idp.Client
	session store.SessionState
}

// ask finds the sign-in that the page is about: the request is this browser's, and the session
// satisfies it still. idp.ErrNotFound: there is no such, and the code has to be typed again.
func (p *Provider) ask(c *gin.Context) (q asking, err error) {
	ctx, gone := c.Request.Context(), fmt.Errorf("confirm a device: %w", idp.ErrNotFound)
	if !isText(c.Param("request")) {
		return q, gone
	}
	if q.request, err = p.Store.Request(ctx, c.Param("request")); err != nil {
		return q, err
	}
	_, browser := p.Sessions.Cookies.Browser(c.Request.Header)
	if q.request.UserCode == "" || browser == nil || !slices.Equal(browser, q.request.BrowserHash) || !idp.Now().Before(q.request.ExpiresAt) {
		return q, gone
	}
	if q.device, q.client, err = p.waitingDevice(ctx, q.request.UserCode); err != nil {
		return q, err
	}
	found, err := p.Sessions.Find(ctx, c.Request.Header, q.client.ID, q.client.Populations)
	if err != nil {
		return q, err
	}
	found = keep(found, func(s store.SessionState) bool { return s.Session.ID == c.Param("session") })
	a := &authorization{libraryClient: libraryClient{q.client}, request: q.request}
	if len(found) == 0 {
		return q, gone
	}
	decision, err := p.decide(c.Request.Context(), a, &found[0])
	if err != nil {
		return q, err
	}
	if decision != mfa.Satisfied {
		return q, gone
	}
	q.session = found[0]
	return q, nil
}

// confirmDevice shows app, place and code: a person who was talked into typing the code of
// another's device can see it here.
func (p *Provider) confirmDevice(c *gin.Context) error {
	q, err := p.ask(c)
	if errors.Is(err, idp.ErrNotFound) {
		return web.Redirect(c, p.enterPath(idp.Request{}))
	}
	if err != nil {
		return err
	}
	frame := p.deviceFrame(c, q)
	frame.Account, frame.NotYouAction = q.session.User.Email, p.Web.Path(devicePath)
	frame.FormFields = []ui.Field{{Name: "user_code", Value: q.device.UserCode}, {Name: "other", Value: "yes"}}
	page := p.confirmPath(q.request, q.session.Session)
	return p.Web.Render(c, http.StatusOK, ui.DeviceConfirm{
		Frame: frame, Code: q.device.UserCode, Address: q.device.Address, UserAgent: q.device.UserAgent, At: q.device.CreatedAt,
		ApproveAction: page + "/approve", DenyAction: page + "/deny",
	})
}

func (p *Provider) deviceFrame(c *gin.Context, q asking) ui.Frame {
	f := p.Web.Frame(p.Web.Language(c.Request, ui.Wish{Person: q.session.User.Locale, Default: q.session.Population.Language}), q.session.Population.Brand)
	f.ClientName = q.client.Name
	return f
}

// decideDevice takes the answer of the person, once.
func (p *Provider) decideDevice(decide func(ctx context.Context, q asking) error, denied bool) web.Handler {
	return func(c *gin.Context) error {
		q, err := p.ask(c)
		if err == nil {
			err = p.Store.Do(c.Request.Context(), func(ctx context.Context) error {
				if err := p.Store.FinishRequest(ctx, q.request.ID, idp.Now()); err != nil {
					return err
				}
				return decide(ctx, q)
			})
		}
		switch {
		case errors.Is(err, idp.ErrNotFound), errors.Is(err, idp.ErrUsed), errors.Is(err, idp.ErrExpired):
			// Decided in another tab, too late, or the session has ended: the code is asked for.
			return web.Redirect(c, p.enterPath(idp.Request{}))
		case err != nil:
			return err
		}
		return p.Web.Render(c, http.StatusOK, ui.DeviceDone{Frame: p.deviceFrame(c, q), Denied: denied})
	}
}

// approveDevice gives the device a grant, whose code is what it polls with.
func (p *Provider) approveDevice(ctx context.Context, q asking) error {
	if err := p.Store.ApproveDevice(ctx, q.device.UserCode, idp.Now()); err != nil {
		return err
	}
	needed, consent, err := p.approval(ctx, q.request, q.client, q.session.User.ID, true)
	if err == nil && needed != idp.NoApproval { // withdrawn meanwhile
		err = fmt.Errorf("consent: %w", idp.ErrExpired)
	}
	if err != nil {
		return err
	}
	return p.grant(ctx, q.request, q.client, q.session.Session, q.session.Override, consent, redeemable{
		hash: q.device.CodeHash, expires: q.device.ExpiresAt.Add(lastPoll), device: q.device.Address,
	})
}

func (p *Provider) denyDevice(ctx context.Context, q asking) error {
	if err := p.Store.DenyDevice(ctx, q.device.UserCode, idp.Now()); err != nil {
		return err
	}
	s := q.session.Session
	return p.Store.Audit(ctx, idp.AuditEvent{
		Kind: idp.AuditDeviceDenied, ActorID: s.UserID, UserID: s.UserID, PopulationID: s.PopulationID,
		ClientID: q.client.ID, SessionID: s.ID, Detail: map[string]string{"device_address": q.device.Address},
	})
}
