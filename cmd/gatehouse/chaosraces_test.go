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

// racers is how many try the same thing at once, in turn at both replicas.
func racers() int { return 3 + rand.IntN(2) }

// tried is what came of a racer's attempt: whether it had an answer that is no fault, and what
// it won, if anything.
type tried struct {
	answered bool
	won      string
}

// race has racers try something, each at one of the replicas, and puts down how many won.
func (c *chaos) race(what string, try func(i int, base string) tried) []string {
	return c.among(racers(), what, try)
}

// among is a race of so many. It is none where fewer than two had an answer.
func (c *chaos) among(n int, what string, try func(i int, base string) tried) (won []string) {
	answered := 0
	for _, r := range idptest.Race(n, func(i int) tried { return try(i, "http://"+c.replicas[i%len(c.replicas)].address) }) {
		if r.answered {
			answered++
		}
		if r.won != "" {
			won = append(won, r.won)
		}
	}
	if answered > 1 || len(won) > 1 {
		c.raced(what, len(won))
	}
	return won
}

// wonIf is what is won where that has no name.
func wonIf(yes bool) string {
	if yes {
		return "won"
	}
	return ""
}

// tokenRace is one at the token endpoint.
func (c *chaos) tokenRace(what string, app oauth2.Config, form url.Values) {
	c.race(what, func(_ int, base string) tried {
		a, err := c.send(base, "/token", app, clone(form))
		return tried{err == nil && a.status < 500, a.text("access_token")}
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
	switch rand.IntN(6) {
	case 0:
		c.racePushed(tb, p)
	case 1:
		c.raceDevice(tb, p)
	case 2:
		for range several {
			code, verifier := c.code(tb, p)
			c.tokenRace("authorization code", c.apps[p.population], codeForm(code, verifier))
		}
	case 3:
		for range several {
			c.raceAssertion()
		}
	default:
		for range several {
			c.raceRefresh(tb, p)
		}
	}
}

// several is how often what is raced cheaply is raced in a row.
const several = 160

func (c *chaos) raceAssertion() {
	assertion := c.key.Assertion(c.proxy.URL, c.keyed, nil)
	c.tokenRace("client assertion", oauth2.Config{ClientID: c.keyed}, url.Values{
		"grant_type": {"client_credentials"}, "client_assertion": {assertion},
		"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
	})
}

// raceRefresh has all racers refresh by one token: each may get the successor, and there is
// one.
func (c *chaos) raceRefresh(tb testing.TB, p *person) {
	if p.refresh == "" {
		code, verifier := c.code(tb, p)
		p.refresh = c.redeemed(tb, p, code, verifier).text("refresh_token")
	}
	answers := idptest.Race(racers(), func(i int) answer {
		a, err := c.send("http://"+c.replicas[i%len(c.replicas)].address, "/token", c.apps[p.population], refreshForm(p))
		if err != nil || a.status >= 500 {
			return answer{}
		}
		return a
	})
	successors, answered := map[string]answer{}, 0
	for _, a := range answers {
		if a.status != 0 {
			successors[a.text("refresh_token")] = a
			answered++
		}
	}
	if answered > 1 {
		c.raced("refresh token", len(successors))
	}
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
	c.race("pushed request", func(_ int, base string) tried {
		req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, base+"/authorize?"+query, http.NoBody)
		if err != nil {
			return tried{}
		}
		for _, cookie := range p.browser.Jar.Cookies(req.URL) {
			req.AddCookie(cookie)
		}
		res, err := c.client.Do(req)
		if err != nil {
			return tried{}
		}
		defer func() { _ = res.Body.Close() }()
		won := ""
		if to, err := res.Location(); err == nil {
			won = to.Query().Get("code")
		}
		return tried{res.StatusCode < 500, won}
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
	won := c.race("invitation link", func(_ int, base string) tried {
		status, err := c.submitted(b, page, base, u.Path, "name", "Jo", "password", idptest.Password)
		return tried{err == nil && status < 500, wonIf(err == nil && status == http.StatusOK)}
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
	answered := idptest.Race(racers(), func(i int) bool {
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
	won := c.among(few, "recovery code", func(i int, base string) tried {
		status, err := c.submitted(browsers[i], pages[i], base, "/recovery", "code", codes[0])
		return tried{err == nil && status < 500, wonIf(err == nil && status < 400)}
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
