//go:build unix

package main_test

import (
	"context"
	"math/rand/v2"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/oauth2"

	"gatehouse/admin/apiclient"
	"gatehouse/idp"
	"gatehouse/idp/idptest"
)

// racers are how many try the same thing at once, in turn at both replicas.
const racers = 8

// race has racers try something, each at one of the replicas, and puts down how many won: a
// racer returns what it won, or nothing.
func (c *chaos) race(what string, try func(i int, base string) string) []string {
	return c.among(racers, what, try)
}

func (c *chaos) among(n int, what string, try func(i int, base string) string) []string {
	won := idptest.Race(n, func(i int) string { return try(i, "http://"+c.replicas[i%len(c.replicas)].address) })
	won = slices.DeleteFunc(won, func(s string) bool { return s == "" })
	c.raced(what, len(won))
	return won
}

// tokenRace is one at the token endpoint.
func (c *chaos) tokenRace(what string, app oauth2.Config, form url.Values) {
	c.race(what, func(_ int, base string) string {
		a, err := c.send(base, "/token", app, clone(form))
		if err != nil || a.status != http.StatusOK {
			return ""
		}
		return a.text("access_token")
	})
}

func clone(form url.Values) url.Values {
	same := url.Values{}
	for name, values := range form {
		same[name] = slices.Clone(values)
	}
	return same
}

// raceByToken races what costs no password.
func (c *chaos) raceByToken(tb testing.TB, p *person) {
	switch rand.IntN(8) {
	case 0:
		code, verifier := c.code(tb, p)
		c.tokenRace("authorization code", c.apps[p.population], codeForm(code, verifier))
	case 1:
		c.racePushed(tb, p)
	case 2:
		c.raceDevice(tb, p)
	case 3, 4:
		assertion := c.key.Assertion(c.proxy.URL, c.keyed, nil)
		c.tokenRace("client assertion", oauth2.Config{ClientID: c.keyed}, url.Values{
			"grant_type": {"client_credentials"}, "client_assertion": {assertion},
			"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
		})
	default:
		c.raceRefresh(tb, p)
	}
}

// raceRefresh has all racers refresh by one token: each may get the successor, and there is
// one.
func (c *chaos) raceRefresh(tb testing.TB, p *person) {
	if p.refresh == "" {
		code, verifier := c.code(tb, p)
		p.refresh = c.redeemed(tb, p, code, verifier).text("refresh_token")
	}
	answers := make([]answer, racers)
	idptest.Race(racers, func(i int) error {
		a, err := c.send("http://"+c.replicas[i%len(c.replicas)].address, "/token", c.apps[p.population], refreshForm(p))
		if err == nil && a.status < 500 {
			answers[i] = a
		}
		return err
	})
	successors := map[string]answer{}
	for _, a := range answers {
		if a.status != 0 {
			successors[a.text("refresh_token")] = a
		}
	}
	c.raced("refresh token", len(successors))
	for _, a := range successors {
		c.successor(p, a)
	}
}

// racePushed opens a pushed request in one browser several times at once: one code comes of it.
func (c *chaos) racePushed(tb testing.TB, p *person) {
	c.code(tb, p) // signed in
	u, err := url.Parse(c.asking(p, oauth2.GenerateVerifier()))
	if err != nil {
		tb.Fatal(err)
	}
	app := c.apps[p.population]
	pushed := c.post(tb, "/par", app, u.Query())
	if pushed.status != http.StatusCreated {
		tb.Fatalf("push: %d %v", pushed.status, pushed.body)
	}
	query := url.Values{"client_id": {app.ClientID}, "request_uri": {pushed.text("request_uri")}}.Encode()
	c.race("pushed request", func(_ int, base string) string {
		req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, base+"/authorize?"+query, http.NoBody)
		if err != nil {
			return ""
		}
		for _, cookie := range p.browser.Jar.Cookies(req.URL) {
			req.AddCookie(cookie)
		}
		res, err := c.client.Do(req)
		if err != nil {
			return ""
		}
		defer func() { _ = res.Body.Close() }()
		if to, err := res.Location(); err == nil {
			return to.Query().Get("code")
		}
		return ""
	})
}

func (c *chaos) raceDevice(tb testing.TB, p *person) {
	c.code(tb, p) // signed in
	asked := c.post(tb, "/device_authorization", c.device, url.Values{"scope": {"openid"}})
	page := p.browser.Submit(p.browser.Get(c.proxy.URL+"/device"), "/device", "user_code", asked.text("user_code"))
	p.browser.Submit(page, "/approve")
	c.tokenRace("device code", c.device, url.Values{"grant_type": {idp.DeviceGrant}, "device_code": {asked.text("device_code")}})
}

// raceByPage races what people do on pages.
func (c *chaos) raceByPage(tb testing.TB, _ *person) {
	switch rand.IntN(3) {
	case 0:
		c.raceInvitation(tb)
	case 1:
		c.raceEmailCode(tb)
	default:
		c.raceRecovery(tb)
	}
}

// submitted is what a form of a page leads to when it is posted to a replica with the cookies
// of a browser, and neither redirects nor cookies are followed.
func (c *chaos) submitted(b *idptest.Browser, page *idptest.Page, base, action string, pairs ...string) (int, error) {
	target, fields, ok := page.Form(action)
	if !ok {
		return 0, givenUp{http.ErrNotSupported}
	}
	for i := 0; i < len(pairs); i += 2 {
		fields.Set(pairs[i], pairs[i+1])
	}
	u, err := url.Parse(target)
	if err != nil {
		return 0, err
	}
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, base+u.Path, strings.NewReader(fields.Encode()))
	if err != nil {
		return 0, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for _, cookie := range b.Jar.Cookies(req.URL) {
		req.AddCookie(cookie)
	}
	res, err := c.client.Do(req)
	if err != nil {
		return 0, err
	}
	return res.StatusCode, res.Body.Close()
}

var invitationIn = regexp.MustCompile(`https?://\S+/invitation\S+`)

// raceInvitation has all racers use one link: it makes one account.
func (c *chaos) raceInvitation(tb testing.TB) {
	email := idp.NewID() + "@rtx.example"
	c.call(tb, nil, apiclient.Request{Method: http.MethodPost, Path: "/invitations", Body: map[string]string{"population": plainly, "email": email, "name": "Jo"}})
	link := invitationIn.FindString(c.box.Next(email).Text)
	b := c.newBrowser(tb)
	page := b.Get(link)
	u, err := url.Parse(link)
	if err != nil {
		tb.Fatal(err)
	}
	won := c.race("invitation link", func(_ int, base string) string {
		if status, err := c.submitted(b, page, base, u.Path, "name", "Jo", "password", idptest.Password); err != nil || status != http.StatusOK {
			return ""
		}
		return email
	})
	if len(won) > 0 {
		c.enter("invitations accepted", "users WHERE email = $1", email)
	}
}

// raceEmailCode has all racers answer one email code in one browser: one session comes of it.
func (c *chaos) raceEmailCode(tb testing.TB) {
	p := c.addPerson(tb, byMail, idp.NewID()+"@rtx.example", idptest.Password)
	b, page := c.atSecondStep(tb, p)
	code := c.box.Code(p.email)
	answered := idptest.Race(racers, func(i int) bool {
		status, err := c.submitted(b, page, "http://"+c.replicas[i%len(c.replicas)].address, "/email", "code", code)
		return err == nil && status == http.StatusSeeOther
	})
	c.later("email code", "sessions WHERE user_id = $1", p.id)
	if slices.Contains(answered, true) {
		c.enter("email codes used", "email_codes WHERE used_at IS NOT NULL AND user_id = $1", p.id)
	}
}

// raceRecovery has sign-ins of one person use one recovery code: it lets one in.
func (c *chaos) raceRecovery(tb testing.TB) {
	p := c.addPerson(tb, byApp, idp.NewID()+"@rtx.example", idptest.Password)
	b, page := c.atSecondStep(tb, p)
	page = b.Submit(page, "/enrol", "code", idptest.Scan(tb, page).Code(0))
	codes := idptest.RecoveryCodes(page)
	if len(codes) == 0 {
		tb.Fatalf("no recovery codes: %d %s", page.Status, page.Heading())
	}
	b.Submit(page, "/saved", "saved", "yes")
	const few = 3 // fewer than are slowed down
	var browsers [few]*idptest.Browser
	var pages [few]*idptest.Page
	for i := range few {
		browsers[i], page = c.atSecondStep(tb, p)
		pages[i] = browsers[i].Submit(page, "/method")
	}
	won := c.among(few, "recovery code", func(i int, base string) string {
		if status, err := c.submitted(browsers[i], pages[i], base, "/recovery", "code", codes[0]); err != nil || status >= 400 {
			return ""
		}
		return "in"
	})
	if len(won) > 0 {
		c.enter("recovery codes used", "recovery_codes WHERE used_at IS NOT NULL AND user_id = $1", p.id)
	}
}

// atSecondStep is a new browser in which a person has given the password.
func (c *chaos) atSecondStep(tb testing.TB, p *person) (*idptest.Browser, *idptest.Page) {
	tb.Helper()
	b := c.newBrowser(tb)
	return b, b.Submit(b.Get(c.asking(p, oauth2.GenerateVerifier())), "/password", "email", p.email, "password", idptest.Password)
}
