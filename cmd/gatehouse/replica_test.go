package main_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"gatehouse/idp/idptest"
)

// second is another process on the same data, under the same issuer.
func (p *process) second() *process {
	p.t.Helper()
	q := *p
	q.address, q.cmd = freeAddress(p.t), nil
	q.served = p.issuer()
	q.start()
	p.t.Cleanup(q.kill)
	return &q
}

// TestImmediatelyReachesEveryProcess: as soon as the save has returned, in a third
// process, the one that had nothing to do with it refuses what was good a moment
// ago.
func TestImmediatelyReachesEveryProcess(t *testing.T) {
	t.Parallel()
	idptest.EmptyDatabases(t, func(t *testing.T, db *idptest.Database) {
		first := installed(t, db.URL)
		first.call("", "policy", "set", "agents", "--no-authenticator", "--password-alone", "--apply", "next_login", "--reason", "a test")
		other, third := first.second(), first.second()
		b := idptest.NewBrowser(t)
		page := b.Submit(b.Get(first.begin()), "/password", "email", "maya@rtx.example", "password", idptest.Password)
		token := first.redeem(page)

		// The other process takes all of it, and has it at hand.
		if got := other.silently(b); got != "" {
			t.Fatalf("single sign-on at the other process: %q", got)
		}
		if status := other.userinfo(token.AccessToken); status != http.StatusOK {
			t.Fatalf("the access token at the other process: %d", status)
		}
		if _, failed := other.refresh(token.RefreshToken); failed != "" {
			t.Fatalf("the refresh token at the other process: %s", failed)
		}
		fresh := first.redeem(b.Get(first.begin()))

		out := third.call("", "policy", "preview", "agents", "--issuer-label", "RTX")
		if !strings.Contains(out, `"people":1`) || !strings.Contains(out, `"sessions":1`) {
			t.Errorf("the preview says %q", out)
		}
		third.call("", "policy", "set", "agents", "--issuer-label", "RTX", "--password-alone", "--apply", "immediately", "--reason", "a test")
		for name, p := range map[string]*process{"first": first, "other": other} {
			if status := p.userinfo(fresh.AccessToken); status != http.StatusUnauthorized {
				t.Errorf("%s process takes the old access token: %d", name, status)
			}
			if _, failed := p.refresh(fresh.RefreshToken); failed != "invalid_grant" {
				t.Errorf("%s process takes the old refresh token: %q", name, failed)
			}
			if got := p.silently(b); got != "login_required" {
				t.Errorf("%s process takes the old session: %q", name, got)
			}
		}
	})
}

// at turns a URL of the issuer into one of this process.
func (p *process) at(target string) string {
	return strings.Replace(target, p.oauth.Endpoint.AuthURL, "http://"+p.address+"/authorize", 1)
}

// silently asks this process for a code without any page, and returns the error.
func (p *process) silently(b *idptest.Browser) string {
	p.t.Helper()
	page := b.Get(p.at(p.begin()) + "&prompt=none")
	if page.Left == nil {
		p.t.Fatalf("a page: %s", page.Heading())
	}
	return page.Left.Query().Get("error")
}

func (p *process) userinfo(token string) int {
	p.t.Helper()
	req, err := http.NewRequestWithContext(p.t.Context(), http.MethodGet, "http://"+p.address+"/userinfo", http.NoBody)
	idptest.Must(p.t, err)
	req.Header.Set("Authorization", "Bearer "+token)
	res, err := http.DefaultClient.Do(req)
	idptest.Must(p.t, err)
	idptest.Must(p.t, res.Body.Close())
	return res.StatusCode
}

// refresh redeems a refresh token, and returns its successor or the error.
func (p *process) refresh(token string) (string, string) {
	p.t.Helper()
	form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}}
	req, err := http.NewRequestWithContext(p.t.Context(), http.MethodPost, "http://"+p.address+"/token", strings.NewReader(form.Encode()))
	idptest.Must(p.t, err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.SetBasicAuth(p.oauth.ClientID, p.oauth.ClientSecret)
	res, err := http.DefaultClient.Do(req)
	idptest.Must(p.t, err)
	var answer struct {
		Token string `json:"refresh_token"`
		Error string `json:"error"`
	}
	idptest.Must(p.t, decode(res, &answer))
	return answer.Token, answer.Error
}

func decode(res *http.Response, into any) error {
	defer func() { _ = res.Body.Close() }()
	return json.NewDecoder(res.Body).Decode(into)
}
