package provider_test

import (
	"html"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
)

var logoutFrame = regexp.MustCompile(`<iframe hidden data-told title="" sandbox="allow-scripts allow-same-origin" src="([^"]*)">`)

// frames are the addresses that a page opens in frames, which its policy has to allow.
func frames(t *testing.T, page *idptest.Page) (list []string) {
	t.Helper()
	for _, m := range logoutFrame.FindAllStringSubmatch(page.Body, -1) {
		list = append(list, html.UnescapeString(m[1]))
		u, err := url.Parse(list[len(list)-1])
		idptest.Must(t, err)
		_, sources, _ := strings.Cut(page.Header.Get("Content-Security-Policy"), "frame-src ")
		if !slices.Contains(strings.Fields(sources), u.Scheme+"://"+u.Host) {
			t.Errorf("the policy lets nobody in: %s", page.Header.Get("Content-Security-Policy"))
		}
	}
	slices.Sort(list)
	return list
}

// OpenID Connect Front-Channel Logout 1.0: each app that has tokens of the session is told
// in the browser, whichever asked for the end and however it ends.
func TestAppsSignOutInFrames(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		hint, back bool
	}{"by a hint": {true, false}, "by a hint, and back": {true, true}, "asked": {false, false}, "asked, and back": {false, true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := start(t, idptest.Migrated(t))
			app := func(host, query string) *idptest.Party {
				return k.AddParty(idp.Client{
					RedirectURIs: []string{"https://" + host + "/cb"}, PostLogoutRedirectURIs: []string{"https://" + host + "/bye"},
					FrontchannelLogoutURI: "https://" + host + "/out" + query,
				})
			}
			one, two, unused := app("one.example", ""), app("two.example:8443", "?tenant=a&b"), app("three.example", "")
			plain := k.AddParty(idp.Client{})
			tokens := k.tokens(one)
			k.tokens(two)
			k.tokens(plain)
			unused.Begin()
			sid := url.Values{"iss": {k.Issuer}, "sid": {k.session.ID}}.Encode()
			want := []string{"https://one.example/out?" + sid, "https://two.example:8443/out?tenant=a&b&" + sid}
			var pairs []string
			if c.hint {
				pairs = append(pairs, "id_token_hint", tokens.RawID)
			}
			if c.back {
				pairs = append(pairs, "client_id", one.Client.ID, "post_logout_redirect_uri", "https://one.example/bye", "state", "x")
			}
			page := k.browser.Get(k.endSession(pairs...))
			if !c.hint {
				if got := frames(t, page); len(got) > 0 {
					t.Fatalf("told before anybody agreed: %v", got)
				}
				page = k.browser.Submit(page, "/end_session/confirm")
			}
			if got := frames(t, page); !slices.Equal(got, want) {
				t.Errorf("frames %v, want %v", got, want)
			}
			left := ""
			if page.Left != nil {
				left = page.Left.String()
			}
			if want := map[bool]string{true: "https://one.example/bye?state=x"}[c.back]; page.Status != 200 || left != want {
				t.Errorf("status %d, afterwards at %q", page.Status, left)
			}
			if c.back && !strings.Contains(page.Body, `content="3; url=https://one.example/bye`) {
				t.Error("it leads on before the frames have loaded")
			}
			if k.isSignedIn(plain, k.browser) {
				t.Error("still signed in")
			}
			if again := k.browser.Get(k.endSession(pairs...)); len(frames(t, again)) > 0 {
				t.Error("told twice")
			}
		})
	}
}
