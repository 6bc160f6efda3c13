package provider

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"gatehouse/idp"
	"gatehouse/idp/store"
	"gatehouse/ui"
)

// pushedURI is how a request_uri of ours begins (RFC 9126 section 2.2).
const pushedURI = "urn:ietf:params:oauth:request_uri:"

// pushedLifetime is how long a browser may take to open a pushed request.
const pushedLifetime = 90 * time.Second

// How many pushed requests of a client may wait from one network. All users of a public
// client share its limit.
const (
	maxPushed       = 10_000
	maxPushedPublic = 1000
)

// pushedAnswer is RFC 9126 section 2.2.
type pushedAnswer struct {
	RequestURI string `json:"request_uri"`
	ExpiresIn  int64  `json:"expires_in"`
}

// push takes an authorization request from its client (RFC 9126 section 2).
func (p *Provider) push(c *gin.Context) {
	if f := p.withProof(c, parPath); f != nil {
		refuse(c, f)
		return
	}
	out, err := p.pushed(c.Request)
	if errors.Is(err, idp.ErrBusy) { // section 2.3
		c.Header("Retry-After", strconv.Itoa(int(pushedLifetime.Seconds())))
		answerError(c, http.StatusTooManyRequests, fail(temporarilyUnavailable, "too many requests of the client wait to be opened"))
		return
	}
	if err != nil {
		refuse(c, err)
		return
	}
	c.Header("Cache-Control", "no-store")
	c.JSON(http.StatusCreated, out)
}

func (p *Provider) pushed(r *http.Request) (pushedAnswer, error) {
	if f := checkBody(r); f != nil {
		return pushedAnswer{}, f
	}
	client, err := p.authenticate(r)
	if err != nil {
		return pushedAnswer{}, err
	}
	form := maps.Clone(r.PostForm)
	for _, name := range []string{"client_secret", "client_assertion", "client_assertion_type"} {
		form.Del(name)
	}
	form.Set("client_id", client.ID)
	if f := bindPushed(r.Context(), form); f != nil {
		return pushedAnswer{}, f
	}
	now := idp.Now()
	if err := p.checkPushed(r.Context(), form, client, now); err != nil {
		return pushedAnswer{}, err
	}
	if provenIn(r.Context()) != nil {
		if _, err := p.bind(r.Context(), client); err != nil {
			return pushedAnswer{}, err
		}
	}
	handle, most := idp.NewSecret(), maxPushed
	if client.Public() {
		most = maxPushedPublic
	}
	err = p.Store.PushRequest(r.Context(), store.PushedRequest{
		Hash: idp.HashSecret(handle), ClientID: client.ID, Parameters: form.Encode(), CreatedAt: now, ExpiresAt: now.Add(pushedLifetime),
	}, most)
	if errors.Is(err, idp.ErrNotFound) {
		return pushedAnswer{}, fail(invalidClient, "the client is not known").because(err)
	}
	return pushedAnswer{pushedURI + handle, int64(pushedLifetime / time.Second)}, err
}

// checkPushed checks a request as the authorization endpoint does, which checks it again:
// by then its client may be set otherwise.
func (p *Provider) checkPushed(ctx context.Context, form url.Values, client idp.Client, now time.Time) error {
	switch {
	case form.Has("request_uri"): // section 2.1
		return fail(invalidRequest, "request_uri does not belong into a pushed request")
	case !client.Kind.SignsIn():
		return fail(unauthorizedClient, "nobody signs in to this client")
	case !client.AllowsRedirect(form.Get("redirect_uri")):
		return fail(invalidRequest, "redirect_uri is not registered")
	}
	a := parseAuthorization(form, client, now)
	if a.failure != nil {
		return a.failure
	}
	return p.readHint(ctx, a, form.Get("id_token_hint"))
}

// pushedForm is a request that was pushed, and its hash; empty for one that was not.
type pushedForm struct {
	form url.Values
	hash []byte
}

// pushedForm finds the request that a request_uri of ours stands for. Its client alone may
// refer to it, in time, and in the browser that opened it first: a page that is loaded again
// begins again, until there is an answer.
func (p *Provider) pushedForm(ctx context.Context, client idp.Client, form url.Values, h http.Header) (pushedForm, error) {
	handle, ours := strings.CutPrefix(form.Get("request_uri"), pushedURI)
	if !ours || len(form["request_uri"]) != 1 {
		return pushedForm{}, nil
	}
	hash := idp.HashSecret(handle)
	gone := func(reason string) error {
		return p.refused(ctx, ui.ProblemFlowExpired, idp.AuditEvent{ClientID: client.ID}, reason)
	}
	stored, err := p.Store.PushedRequest(ctx, hash)
	if errors.Is(err, idp.ErrNotFound) {
		return pushedForm{}, gone("the request_uri is not known, or was used")
	}
	if err != nil {
		return pushedForm{}, err
	}
	_, browser := p.Sessions.Cookies.Browser(h)
	switch {
	case stored.ClientID != client.ID:
		return pushedForm{}, gone("the request_uri is another client's")
	case !idp.Now().Before(stored.ExpiresAt):
		return pushedForm{}, gone("the request_uri has expired")
	case len(stored.BrowserHash) > 0 && !slices.Equal(stored.BrowserHash, browser):
		return pushedForm{}, gone("the request_uri was opened in another browser")
	}
	parameters, err := url.ParseQuery(stored.Parameters)
	return pushedForm{parameters, hash}, err
}

// againParameter marks a request that we make again for a browser, of one that its client had
// pushed: such a client is asked for no other.
const againParameter = "again"

// againLifetime is how long a page of ours may stay open that leads to its request again.
const againLifetime = 24 * time.Hour

// askAgain is the URL of a request that a browser makes again.
func (p *Provider) askAgain(r idp.Request, q url.Values) string {
	if r.WasPushed {
		until := strconv.FormatInt(idp.Now().Add(againLifetime).Unix(), 10)
		q.Set(againParameter, until+"."+p.againMAC(q, r.BrowserHash, until))
	}
	return p.Web.Path("%s?%s", authorizePath, q.Encode())
}

// againMAC binds parameters to a browser and a time. A login_hint is what the person typed.
func (p *Provider) againMAC(q url.Values, browser []byte, until string) string {
	q = maps.Clone(q)
	q.Del(againParameter)
	q.Del("login_hint")
	mac := hmac.New(sha256.New, p.RefreshKey)
	mac.Write([]byte("again\x00" + until + "\x00" + q.Encode() + "\x00"))
	mac.Write(browser)
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// isAgain tells whether this browser makes a request again that its client had pushed.
func (p *Provider) isAgain(form url.Values, h http.Header) bool {
	until, mac, _ := strings.Cut(form.Get(againParameter), ".")
	_, browser := p.Sessions.Cookies.Browser(h)
	seconds, err := strconv.ParseInt(until, 10, 64)
	return err == nil && browser != nil && idp.Now().Before(time.Unix(seconds, 0)) &&
		hmac.Equal([]byte(mac), []byte(p.againMAC(form, browser, until)))
}
