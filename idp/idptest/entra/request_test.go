package entra_test

import (
	"strings"
	"testing"

	"gatehouse/idp/idptest"
)

func TestRequestsThatAreRefused(t *testing.T) {
	h := open(t)
	p, b := h.home(idptest.HomeApp), h.browser()
	for name, c := range map[string]struct {
		pairs []string
		want  string
	}{
		"response type":   {[]string{"response_type", "id_token"}, "unsupported_response_type"},
		"response mode":   {[]string{"response_mode", "fragment"}, "invalid_request"},
		"no openid":       {[]string{"scope", "email"}, "invalid_scope"},
		"plain PKCE":      {[]string{"code_challenge_method", "plain"}, "invalid_request"},
		"prompt":          {[]string{"prompt", "dance"}, "invalid_request"},
		"max_age":         {[]string{"max_age", "-1"}, "invalid_request"},
		"claims":          {[]string{"claims", "{"}, "invalid_request"},
		"nobody, silence": {[]string{"prompt", "none"}, "login_required"},
	} {
		a := p.begin(c.pairs...)
		if q := answer(visit(b, a)); q.Get("error") != c.want || q.Get("state") != a.state {
			t.Errorf("%s: %v, want %s", name, q, c.want)
		}
	}
}

// What is wrong with the app or its address stays on Entra's own page.
func TestRequestsThatMustNotLeave(t *testing.T) {
	h := open(t)
	p := h.home(idptest.HomeApp)
	for name, c := range map[string]struct{ pair, want string }{
		"redirect URI": {"redirect_uri=https://elsewhere.example/", "AADSTS50011: "},
		"app":          {"client_id=nobody", "AADSTS700016: "},
	} {
		key, value, _ := strings.Cut(c.pair, "=")
		page := h.browser().Get(p.begin(key, value).url.String())
		if page.Left != nil || !strings.Contains(page.Body, c.want) {
			t.Errorf("%s: left for %v: %s", name, page.Left, page.Body)
		}
	}
}

func TestAFlowBelongsToItsBrowser(t *testing.T) {
	h := open(t)
	page := visit(h.browser(), h.home(idptest.HomeApp).begin())
	thief := h.browser()
	if got := thief.Get(page.URL.String()); got.Heading() != "This sign-in is over" {
		t.Errorf("another browser sees %q", got.Heading())
	}
	if got := h.Press(thief, page, "password", "username", idptest.Alice, "password", idptest.Password); got.Left != nil {
		t.Error("another browser finished it")
	}
}
