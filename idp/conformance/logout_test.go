package conformance_test

import (
	"encoding/json"
	"html"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
)

// rpInitiated is oidcc-rp-initiated-logout-certification-test-plan. Wherever the request
// is not sound, the person is asked, signed out and not sent back.
var rpInitiated = []module{
	{"oidcc-rp-initiated-logout-discovery-endpoint-verification", endpointOf("end_session_endpoint"), replaces(`/end_session"`, `/end_session#x"`)},
	{"oidcc-rp-initiated-logout", logout, alter("/end_session", func(q url.Values) {
		if q.Has("id_token_hint") && q.Get("post_logout_redirect_uri") == bye {
			q.Del("state")
		}
	})},
	{"oidcc-rp-initiated-logout-bad-post-logout-redirect-uri", staysAfter("post_logout_redirect_uri", "https://rp.example/bad"), sendsBackTo("https://rp.example/bad")},
	{"oidcc-rp-initiated-logout-modified-id-token-hint", staysAfter("id_token_hint", "modified"), sendsBack(func(q url.Values) bool {
		return strings.HasSuffix(q.Get("id_token_hint"), ".bW9kaWZpZWQ")
	})},
	{"oidcc-rp-initiated-logout-no-id-token-hint", staysAfter("id_token_hint", ""), sendsBack(func(q url.Values) bool {
		return q.Has("post_logout_redirect_uri") && !q.Has("id_token_hint")
	})},
	{"oidcc-rp-initiated-logout-no-params", staysAfter("id_token_hint", "", "post_logout_redirect_uri", "", "state", ""), answers("/end_session", func(_ *http.Request, q url.Values) bool {
		return len(q) == 0
	}, status(http.StatusOK))},
	{"oidcc-rp-initiated-logout-no-post-logout-redirect-uri", staysAfter("post_logout_redirect_uri", ""), sendsBack(func(q url.Values) bool {
		return q.Has("id_token_hint") && !q.Has("post_logout_redirect_uri")
	})},
	{"oidcc-rp-initiated-logout-no-state", logoutWithoutState, alter("/end_session", func(q url.Values) {
		if q.Has("id_token_hint") && q.Has("post_logout_redirect_uri") && !q.Has("state") {
			q.Set("state", "invented")
		}
	})},
	{"oidcc-rp-initiated-logout-only-state", staysAfter("id_token_hint", "", "post_logout_redirect_uri", ""), sendsBack(func(q url.Values) bool {
		return len(q) == 1 && q.Has("state")
	})},
	{"oidcc-rp-initiated-logout-query-added-to-post-logout-redirect-uri", staysAfter("post_logout_redirect_uri", bye+"?foo=bar"), sendsBackTo(bye + "?foo=bar")},
	{"oidcc-rp-initiated-logout-bad-id-token-hint", staysAfter("id_token_hint", "not a JWT"), sendsBack(is("id_token_hint", "not a JWT"))},
}

// sendsBack redirects where a request is such.
func sendsBack(such func(q url.Values) bool) fault {
	return answers("/end_session", func(_ *http.Request, q url.Values) bool { return such(q) }, func(w http.ResponseWriter, r *http.Request) {
		backTo(w, r, bye, "state", parameters(r).Get("state"))
	})
}

func sendsBackTo(uri string) fault { return sendsBack(is("post_logout_redirect_uri", uri)) }

// endpointOf is the discovery of an endpoint.
func endpointOf(name string) func(r *run) {
	return func(r *run) { r.wantURL(name) }
}

// signOut sends the browser to sign out, and answers where it asks. pairs change the
// request; an empty value leaves the parameter out.
func (r *run) signOut(got tokens, pairs ...string) *idptest.Page {
	q := url.Values{"id_token_hint": {got.raw}, "post_logout_redirect_uri": {bye}, "state": {idp.NewSecret()}}
	for i := 0; i < len(pairs); i += 2 {
		value := pairs[i+1]
		switch {
		case value == "":
			q.Del(pairs[i])
			continue
		case value == "modified":
			value = got.raw[:strings.LastIndex(got.raw, ".")] + ".bW9kaWZpZWQ"
		}
		q.Set(pairs[i], value)
	}
	target, err := url.Parse(r.endpoint("end_session_endpoint"))
	idptest.Must(r, err)
	target.RawQuery = q.Encode()
	page := r.browser.Get(target.String())
	if _, _, asks := page.Form("/end_session/confirm"); asks {
		page = r.browser.Submit(page, "/end_session/confirm")
	}
	if page.Left != nil && page.Left.Query().Get("state") != q.Get("state") {
		r.Errorf("sent back to %s, want state %q", page.Left, q.Get("state"))
	}
	return page
}

func logout(r *run) { r.sentBack(r.signOut(r.tokens())) }

func logoutWithoutState(r *run) { r.sentBack(r.signOut(r.tokens(), "state", "")) }

func (r *run) sentBack(page *idptest.Page) {
	if page.Left == nil || !strings.HasPrefix(page.Left.String(), bye) {
		r.Errorf("%d %q, leads to %v: want %s", page.Status, page.Heading(), page.Left, bye)
	}
	if !r.isSignedOut() {
		r.Error("still signed in")
	}
}

// staysAfter signs out by a request that lacks something: the person is signed out on a
// page of the provider's.
func staysAfter(pairs ...string) func(r *run) {
	return func(r *run) {
		page := r.signOut(r.tokens(), pairs...)
		if page.Left != nil || page.Status >= http.StatusInternalServerError || page.Heading() == "" {
			r.Errorf("%d %q, leads to %v: want a page of the provider's", page.Status, page.Heading(), page.Left)
		}
		if !r.isSignedOut() {
			r.Error("still signed in")
		}
	}
}

// backChannel is oidcc-backchannel-rp-initiated-logout-certification-test-plan.
var backChannel = []module{
	{
		"oidcc-backchannel-logout-discovery-endpoint-verification",
		offers("backchannel_logout_supported", "backchannel_logout_session_supported"),
		replaces(`"backchannel_logout_session_supported":true`, `"backchannel_logout_session_supported":false`),
	},
	{"oidcc-backchannel-rp-initiated-logout", backChannelLogout, alter(logoutPath, func(form url.Values) {
		form.Set("logout_token", form.Get("logout_token")+"x")
	})},
}

// frontChannel is oidcc-frontchannel-rp-initiated-logout-certification-test-plan.
var frontChannel = []module{
	{
		"oidcc-frontchannel-logout-discovery-endpoint-verification",
		offers("frontchannel_logout_supported", "frontchannel_logout_session_supported"),
		replaces(`"frontchannel_logout_session_supported":true`, `"frontchannel_logout_session_supported":false`),
	},
	{"oidcc-frontchannel-rp-initiated-logout", frontChannelLogout, rewrites("/end_session", always, func(_ http.Header, body string) string {
		return strings.ReplaceAll(body, "sid=", "sid=x")
	})},
}

func offers(names ...string) func(r *run) {
	return func(r *run) {
		r.wantURL("end_session_endpoint")
		for _, name := range names {
			if r.metadata[name] != true {
				r.Errorf("%s is %v", name, r.metadata[name])
			}
		}
	}
}

// backChannelLogout: the app is told of the end of its session by a logout token (OpenID
// Connect Back-Channel Logout 1.0 section 2.4).
func backChannelLogout(r *run) {
	r.app = r.register(idp.Client{BackchannelLogoutURI: r.house.Issuer + logoutPath, PostLogoutRedirectURIs: []string{bye}})
	got := r.tokens()
	r.signOut(got)
	select {
	case token := <-r.house.told:
		r.wantLogoutToken(token, got)
	case <-time.After(20 * time.Second):
		r.Error("the app is not told")
	}
}

func (r *run) wantLogoutToken(token string, got tokens) {
	claims := r.verified(token)
	events, err := json.Marshal(claims["events"])
	idptest.Must(r, err)
	if string(events) != `{"http://schemas.openid.net/event/backchannel-logout":{}}` || claims["nonce"] != nil || claims["jti"] == nil ||
		claims["sub"] != got.claims["sub"] || claims["sid"] == nil || claims["sid"] != got.claims["sid"] {
		r.Errorf("logout token %v is not one of the session %v", claims, got.claims["sid"])
	}
}

var frame = regexp.MustCompile(`<iframe[^>]* src="([^"]*)"`)

// frontChannelLogout: a page opens the app's URL, with issuer and session (OpenID Connect
// Front-Channel Logout 1.0 section 2).
func frontChannelLogout(r *run) {
	const out = "https://rp.example/out"
	r.app = r.register(idp.Client{
		RedirectURIs: []string{callback}, FrontchannelLogoutURI: out, PostLogoutRedirectURIs: []string{bye},
	})
	got := r.tokens()
	page := r.signOut(got)
	sid, _ := got.claims["sid"].(string)
	want := out + "?" + url.Values{"iss": {r.house.Issuer}, "sid": {sid}}.Encode()
	opened := frame.FindStringSubmatch(page.Body)
	if sid == "" || opened == nil || html.UnescapeString(opened[1]) != want {
		r.Errorf("the page opens %q, want %s", opened, want)
	}
	r.sentBack(page)
}

// thirdParty is oidcc-3rdparty-init-login-certification-test-plan.
var thirdParty = []module{
	{"oidcc-3rd_party-init-login", launch, rewrites("/account", always, func(_ http.Header, body string) string {
		return strings.ReplaceAll(body, "?iss=", "?from=")
	})},
	{"oidcc-3rd_party-init-login-nohttps", launchWithoutHTTPS, func(_ *house, next http.Handler, w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/clients") && r.Method == http.MethodPost {
			text, _ := io.ReadAll(r.Body)
			text = []byte(strings.ReplaceAll(string(text), `"http://elsewhere`, `"https://elsewhere`))
			r.Body, r.ContentLength = io.NopCloser(strings.NewReader(string(text))), int64(len(text))
		}
		next.ServeHTTP(w, r)
	}},
}

// launch: the provider's list of apps starts a sign-in at the app, by an address that
// tells the issuer (OpenID Connect Core 1.0 section 4).
func launch(r *run) {
	const start = "https://rp.example/start"
	answer := r.addApp(start)
	if answer.status != http.StatusCreated {
		r.Fatalf("an app with initiate_login_uri is answered with %d %s", answer.status, answer.body)
	}
	page := r.browser.Get(r.house.Issuer + "/account")
	if asksForPassword(page) {
		page = r.signIn(page)
	}
	want := html.EscapeString(start + "?" + url.Values{"iss": {r.house.Issuer}}.Encode())
	if !strings.Contains(page.Body, `href="`+want+`"`) {
		r.Errorf("%d %q does not lead to %s", page.Status, page.Heading(), want)
	}
}

// launchWithoutHTTPS: the address is https, for the answer goes on from there.
func launchWithoutHTTPS(r *run) {
	if a := r.addApp("http://elsewhere.example/start"); a.status != http.StatusUnprocessableEntity || !strings.Contains(a.body, "initiate_login_uri") {
		r.Errorf("initiate_login_uri without https is answered with %d %s", a.status, a.body)
	}
}

// addApp adds an app over the admin API.
func (r *run) addApp(initiateLoginURI string) *reply {
	body, err := json.Marshal(map[string]any{
		"name": "Launched", "kind": "web", "populations": []string{idp.Agents}, "redirect_uris": []string{callback},
		"initiate_login_uri": initiateLoginURI,
	})
	idptest.Must(r, err)
	req, err := http.NewRequest(http.MethodPost, r.house.Issuer+"/admin/api/v1/clients", strings.NewReader(string(body)))
	idptest.Must(r, err)
	req.Header.Set("Authorization", "Bearer "+r.house.admin)
	req.Header.Set("Content-Type", "application/json")
	page := r.browser.Do(req)
	a := &reply{status: page.Status, header: page.Header, body: page.Body}
	_ = json.Unmarshal([]byte(page.Body), &a.json)
	return a
}
