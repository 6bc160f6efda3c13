package provider_test

import (
	"net/url"
	"strings"
	"testing"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
)

// answered is what an app's address receives of a page or redirect, and whether in a form
// or a fragment.
func answered(t *testing.T, page *idptest.Page, mode string) (target string, got url.Values) {
	t.Helper()
	switch {
	case mode == "form_post":
		target, fields, ok := page.Form("")
		if !ok || page.Left != nil {
			t.Fatalf("%s, status %d: no form (left to %v)", page.Heading(), page.Status, page.Left)
		}
		policy := page.Header.Get("Content-Security-Policy")
		if !strings.HasSuffix(policy, "form-action https: http:") || page.Header.Get("X-Frame-Options") != "" ||
			!strings.Contains(page.Body, " data-send") || page.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("the form cannot be sent by itself: %s: %v", policy, page.Header)
		}
		return target, fields
	case page.Left == nil:
		t.Fatalf("%s, status %d: not at the app", page.Heading(), page.Status)
	case mode == "fragment":
		got, err := url.ParseQuery(page.Left.EscapedFragment())
		idptest.Must(t, err)
		target, _, _ = strings.Cut(page.Left.String(), "#")
		return target, got
	}
	target, _, _ = strings.Cut(page.Left.String(), "?")
	return target, page.Left.Query()
}

// OAuth 2.0 Multiple Response Type Encoding Practices section 2.1, OAuth 2.0 Form Post
// Response Mode: codes and errors travel as the request says, with and without a page
// before them.
func TestAnswersTravelInTheModeOfTheRequest(t *testing.T) {
	t.Parallel()
	k := start(t, idptest.Migrated(t))
	k.exec("UPDATE policies SET authenticator = false")
	user, party := k.AddUser(idp.Agents, "fresh@rtx.example"), k.AddParty(idp.Client{})
	browser, _ := k.signIn(user, idp.MethodPassword)
	state := `"><script>'&=+ ü`
	for _, mode := range []string{"", "query", "fragment", "form_post"} {
		for name, c := range map[string]struct {
			pairs []string
			signs bool
			want  string
		}{
			"at once":           {nil, false, ""},
			"after a sign-in":   {[]string{"prompt", "login"}, true, ""},
			"a silent error":    {[]string{"prompt", "none", "max_age", "0"}, false, "login_required"},
			"what is refused":   {[]string{"scope", "email"}, false, "invalid_scope"},
			"another resp.type": {[]string{"response_type", "id_token"}, false, "unsupported_response_type"},
		} {
			t.Run(mode+" "+name, func(t *testing.T) {
				a := party.Begin()
				page := browser.Get(edit(a.URL, append([]string{"response_mode", mode, "state", state}, c.pairs...)...))
				if c.signs {
					page = browser.Submit(page, "/password", "email", user.Email, "password", idptest.Password)
				}
				target, got := answered(t, page, mode)
				if target != idptest.RedirectURI || got.Get("state") != state || got.Get("iss") != k.Issuer || got.Get("error") != c.want {
					t.Fatalf("%s receives %v", target, got)
				}
				if c.want == "" {
					k.redeem(party, got.Get("code"), a.Verifier).want(t, 200, "")
				}
			})
		}
	}
}

// A browser posts to no other program.
func TestAnAppOfAPrivateSchemeGetsNoForm(t *testing.T) {
	t.Parallel()
	k := start(t, idptest.Migrated(t))
	native := k.AddParty(idp.Client{Kind: idp.NativeClient, RedirectURIs: []string{"com.example.app:/cb"}})
	for mode, want := range map[string]string{"form_post": "invalid_request", "fragment": "", "query": ""} {
		page := k.opens(native.Begin("response_mode", mode).URL)
		if page.Left == nil || !strings.HasPrefix(page.Left.String(), "com.example.app:/cb") || page.Left.Query().Get("error") != want {
			t.Errorf("%s: %s, left to %v", mode, page.Heading(), page.Left)
		}
	}
}

// An app that takes its answers in some ways alone is answered in no other, errors aside.
func TestAnAppChoosesHowItIsAnswered(t *testing.T) {
	t.Parallel()
	k := start(t, idptest.Migrated(t))
	posted := k.AddParty(idp.Client{ResponseModes: []string{"form_post"}})
	addressed := k.AddParty(idp.Client{ResponseModes: []string{"query", "fragment"}})
	for _, c := range []struct {
		party      *idptest.Party
		mode, want string
	}{
		{posted, "form_post", ""},
		{posted, "fragment", "invalid_request"},
		{posted, "query", "invalid_request"},
		{posted, "", "invalid_request"},
		{addressed, "", ""},
		{addressed, "query", ""},
		{addressed, "fragment", ""},
		{addressed, "form_post", "invalid_request"},
	} {
		attempt := c.party.Begin()
		if c.mode != "" {
			attempt = c.party.Begin("response_mode", c.mode)
		}
		page := k.opens(attempt.URL)
		switch {
		case c.want == "":
			if _, got := answered(t, page, c.mode); got.Get("code") == "" {
				t.Errorf("%q: %v", c.mode, got)
			}
		case c.want != "" && (page.Left == nil || page.Left.Query().Get("error") != c.want):
			t.Errorf("%q: %s, left to %v", c.mode, page.Heading(), page.Left)
		}
	}
}

// A request that starts again, and single sign-on after a lost answer, keep the mode.
func TestARequestThatIsMadeAgainKeepsItsMode(t *testing.T) {
	t.Parallel()
	k := start(t, idptest.Migrated(t))
	r := idptest.Request(k.AddParty(idp.Client{}).Client)
	for _, again := range []string{protocol(k).Again(r), protocol(k).Anew(r, "")} {
		if !strings.Contains(again, "response_mode=form_post") {
			t.Error(again)
		}
	}
}
