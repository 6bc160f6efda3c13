//go:build unix

package main_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"gatehouse/admin/apiclient"
	"gatehouse/idp"
	"gatehouse/idp/idptest"
)

// person is one of the people who sign in, as one worker knows them.
type person struct {
	id, email, population string
	browser               *idptest.Browser // signed in, or nil
	refresh               string           // the last refresh token that was given, or empty
}

// work is what the workers do, each one thing again and again.
func (c *chaos) work() []func(testing.TB, *person) {
	list := []func(testing.TB, *person){
		costly(c.signInAndRedeem), costly(c.administer), costly(c.raceByPage), c.rotate,
	}
	for range 8 {
		list = append(list, c.raceByToken)
	}
	return list
}

// costly leaves the processor to others after a step with passwords.
func costly(step func(testing.TB, *person)) func(testing.TB, *person) {
	return func(tb testing.TB, p *person) {
		step(tb, p)
		rest(tb.Context(), time.Second)
	}
}

// addPerson makes one by the API, without a password where that is empty.
func (c *chaos) addPerson(tb testing.TB, population, email, password string) *person {
	tb.Helper()
	body := map[string]string{"population": population, "email": email}
	if password != "" {
		body["password"] = password
	}
	var made struct{ ID string }
	c.call(tb, &made, apiclient.Request{Method: http.MethodPost, Path: "/users", Body: body})
	c.enter("people made by the API", "users WHERE id = $1", made.ID)
	return &person{id: made.ID, email: email, population: population}
}

// call is a call of the admin API by way of the proxy.
func (c *chaos) call(tb testing.TB, into any, r apiclient.Request) apiclient.Answer {
	tb.Helper()
	a, err := c.admin.Do(tb.Context(), r)
	if err == nil && into != nil {
		err = json.Unmarshal(a.Body, into)
	}
	if err != nil {
		tb.Fatalf("%s %s: %v", r.Method, r.Path, err)
	}
	return a
}

// answer is one of the token endpoint and its neighbours.
type answer struct {
	status int
	body   map[string]any
}

func (a answer) text(name string) string {
	text, _ := a.body[name].(string)
	return text
}

// send posts a form as an app.
func (c *chaos) send(base, path string, app oauth2.Config, form url.Values) (answer, error) {
	if app.ClientSecret == "" {
		form.Set("client_id", app.ClientID)
	}
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, base+path, strings.NewReader(form.Encode()))
	if err != nil {
		return answer{}, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if app.ClientSecret != "" {
		req.SetBasicAuth(app.ClientID, app.ClientSecret)
	}
	res, err := c.client.Do(req)
	if err != nil {
		return answer{}, err
	}
	a := answer{status: res.StatusCode}
	if err := decode(res, &a.body); err != nil {
		return answer{}, fmt.Errorf("%d: %w", res.StatusCode, err)
	}
	return a, nil
}

// post is send by way of the proxy, for an answer that says yes or no.
func (c *chaos) post(tb testing.TB, path string, app oauth2.Config, form url.Values) answer {
	tb.Helper()
	a, err := c.send(c.proxy.URL, path, app, form)
	if err != nil || a.status >= 500 {
		tb.Fatalf("%s: %d %v", path, a.status, err)
	}
	return a
}

// signIn signs a person in by password, in a new browser, and returns the page after that.
func (c *chaos) signIn(tb testing.TB, p *person) (page *idptest.Page, verifier string) {
	tb.Helper()
	b := c.newBrowser(tb)
	verifier = oauth2.GenerateVerifier()
	page = b.Submit(b.Get(c.asking(p, verifier)), "/password", "email", p.email, "password", idptest.Password)
	if page.Left != nil {
		p.browser = b
	}
	return page, verifier
}

// asking is the URL of an authorization request.
func (c *chaos) asking(p *person, verifier string) string {
	app := c.apps[p.population]
	return app.AuthCodeURL(idp.NewID(), oauth2.S256ChallengeOption(verifier))
}

// code is an authorization code by single sign-on, after a sign-in where there was none.
func (c *chaos) code(tb testing.TB, p *person) (code, verifier string) {
	tb.Helper()
	if p.browser == nil {
		page, verifier := c.signIn(tb, p)
		return codeIn(tb, page), verifier
	}
	verifier = oauth2.GenerateVerifier()
	page := p.browser.Get(c.asking(p, verifier))
	if page.Left == nil && page.Status == http.StatusOK {
		c.missing("sign-in", page.Heading()+" is asked of somebody who had signed in")
		p.browser = nil
	}
	return codeIn(tb, page), verifier
}

func codeIn(tb testing.TB, page *idptest.Page) string {
	tb.Helper()
	if page.Left == nil || page.Left.Query().Get("code") == "" {
		tb.Fatalf("no code: %d %s %v", page.Status, page.Heading(), page.Left)
	}
	return page.Left.Query().Get("code")
}

func codeForm(code, verifier string) url.Values {
	return url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {redirectURI}, "code_verifier": {verifier}}
}

// redeemed redeems a code that was given a moment ago, and enters its sign-in as well: both
// have to be there.
func (c *chaos) redeemed(tb testing.TB, p *person, code, verifier string) answer {
	tb.Helper()
	a := c.post(tb, "/token", c.apps[p.population], codeForm(code, verifier))
	if a.status != http.StatusOK {
		c.missing("authorization code", a.body)
		tb.Fatalf("the code is not known")
	}
	c.enter("codes redeemed", "tokens t JOIN grants g ON g.id = t.grant_id WHERE g.code_used_at IS NOT NULL AND t.hash = $1", idp.HashSecret(a.text("access_token")))
	return a
}

// signInAndRedeem is a person's whole way.
func (c *chaos) signInAndRedeem(tb testing.TB, p *person) {
	p.browser = nil
	code, verifier := c.code(tb, p)
	c.redeemed(tb, p, code, verifier)
	c.enter("sign-ins", "grants g JOIN sessions s ON s.id = g.session_id WHERE s.ended_at IS NULL AND g.code_hash = $1", idp.HashSecret(code))
	for range 5 { // single sign-on
		code, verifier := c.code(tb, p)
		c.redeemed(tb, p, code, verifier)
	}
}

// rotate refreshes with the last refresh token that came.
func (c *chaos) rotate(tb testing.TB, p *person) {
	if p.refresh == "" {
		code, verifier := c.code(tb, p)
		p.refresh = c.redeemed(tb, p, code, verifier).text("refresh_token")
	}
	c.successor(p, c.post(tb, "/token", c.apps[p.population], refreshForm(p)))
}

func refreshForm(p *person) url.Values {
	return url.Values{"grant_type": {"refresh_token"}, "refresh_token": {p.refresh}}
}

// successor takes the answer to a refresh token that was good.
func (c *chaos) successor(p *person, a answer) {
	if a.status != http.StatusOK {
		c.missing("refresh token", a.body)
		p.refresh = ""
		return
	}
	p.refresh = a.text("refresh_token")
	c.enter("refresh tokens rotated", "tokens WHERE hash = $1", idp.HashSecret(p.refresh))
}

// administer makes a person, signs one out and changes a policy.
func (c *chaos) administer(tb testing.TB, _ *person) {
	for range 5 {
		c.addPerson(tb, plainly, idp.NewID()+"@rtx.example", "")
	}
	out := c.addPerson(tb, plainly, idp.NewID()+"@rtx.example", idptest.Password)
	code, verifier := c.code(tb, out)
	access := c.redeemed(tb, out, code, verifier).text("access_token")
	c.call(tb, nil, apiclient.Request{Method: http.MethodPost, Path: apiclient.At("users", out.id, "sign-out"), Body: map[string]any{"reason": "chaos"}})
	c.enter("sign-outs", "grants g JOIN sessions s ON s.id = g.session_id WHERE s.ended_at IS NOT NULL AND g.code_hash = $1", idp.HashSecret(code))
	c.gone("sign-out", access)

	within := c.addPerson(tb, unsettled, idp.NewID()+"@rtx.example", idptest.Password)
	code, verifier = c.code(tb, within)
	access = c.redeemed(tb, within, code, verifier).text("access_token")
	path := apiclient.At("populations", unsettled, "mfa-policy")
	before := c.call(tb, nil, apiclient.Request{Method: http.MethodGet, Path: path})
	after := c.call(tb, nil, apiclient.Request{Method: http.MethodPut, Path: path, IfMatch: before.ETag, Body: map[string]any{
		"authenticator": false, "email_code": false, "issuer_label": idp.NewSecret(), "apply": "immediately", "password_alone": true, "reason": "chaos",
	}})
	version, err := strconv.ParseInt(strings.Trim(after.ETag, `"`), 10, 64)
	if err != nil {
		tb.Fatalf("the policy's ETag %q", after.ETag)
	}
	c.enter("policies changed immediately", "policies WHERE population_id = '"+unsettled+"' AND version = $1", version)
	c.gone("policy changed immediately", access)
}

// gone asks each replica that answers whether it still takes an access token.
func (c *chaos) gone(what, access string) {
	for _, p := range c.replicas {
		req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, "http://"+p.address+"/userinfo", http.NoBody)
		if err != nil {
			continue
		}
		req.Header.Set("Authorization", "Bearer "+access)
		if res, err := c.client.Do(req); err == nil {
			if _ = res.Body.Close(); res.StatusCode == http.StatusOK {
				c.missing(what, "an access token from before it is still taken")
			}
		}
	}
}
