package conformance_test

import (
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
)

// basic is oidcc-basic-certification-test-plan, and with response_mode=form_post
// oidcc-formpost-basic-certification-test-plan.
var basic = []module{
	{"oidcc-server", signInWhole, alter("/authorize", func(q url.Values) {
		if q.Has("nonce") {
			q.Set("nonce", "another")
		}
	})},
	{"oidcc-response-type-missing", responseTypeMissing, alter("/authorize", func(q url.Values) { q.Set("response_type", "code") })},
	{"oidcc-idtoken-signature", idTokenSignature, rewrites("/keys", always, func(_ http.Header, body string) string {
		return strings.ReplaceAll(body, `"kid":"`, `"kid":"x`)
	})},
	{"oidcc-idtoken-unsigned", idTokenUnsigned, replaces(`"id_token_signing_alg_values_supported":[`, `"id_token_signing_alg_values_supported":["none",`)},
	{"oidcc-userinfo-get", userinfoGet, rewrites("/userinfo", func(r *http.Request, _ url.Values) bool {
		return r.Method == http.MethodGet && r.Header.Get("Accept") == ""
	}, func(_ http.Header, body string) string { return strings.Replace(body, `"sub":"`, `"sub":"x`, 1) })},
	{"oidcc-userinfo-post-header", userinfoPostHeader, answers("/userinfo", func(r *http.Request, _ url.Values) bool {
		return r.Method == http.MethodPost && r.Header.Get("Authorization") != ""
	}, status(http.StatusMethodNotAllowed))},
	{"oidcc-userinfo-post-body", userinfoPostBody, answers("/userinfo", func(r *http.Request, form url.Values) bool {
		return r.Method == http.MethodPost && form.Has("access_token")
	}, status(http.StatusUnauthorized))},
	{"oidcc-ensure-request-without-nonce-succeeds-for-code-flow", succeeds("nonce", ""), refuses(func(q url.Values) bool { return !q.Has("nonce") })},
	{"oidcc-scope-profile", scope("openid profile", "name", "preferred_username", "updated_at"), narrows("openid profile")},
	{"oidcc-scope-email", scope("openid email", "email", "email_verified"), narrows("openid email")},
	{"oidcc-scope-address", unsupportedScope("address"), refuses(is("scope", "openid address"))},
	{"oidcc-scope-phone", unsupportedScope("phone"), refuses(is("scope", "openid phone"))},
	{"oidcc-scope-all", scope("openid profile email address phone", "name", "email"), narrows("openid profile email address phone")},
	{"oidcc-ensure-other-scope-order-succeeds", scope("email openid", "email"), refuses(is("scope", "email openid"))},
	{"oidcc-display-page", succeeds("display", "page"), refuses(is("display", "page"))},
	{"oidcc-display-popup", succeeds("display", "popup"), refuses(is("display", "popup"))},
	{"oidcc-prompt-login", promptLogin, alter("/authorize", func(q url.Values) {
		if q.Get("prompt") == "login" {
			q.Del("prompt")
		}
	})},
	{"oidcc-prompt-none-not-logged-in", promptNoneNotLoggedIn, asksInSpiteOfNone},
	{"oidcc-prompt-none-logged-in", promptNoneLoggedIn, answers("/authorize", func(r *http.Request, q url.Values) bool {
		return q.Get("prompt") == "none" && !q.Has("id_token_hint") && strings.Contains(r.Header.Get("Cookie"), "session")
	}, func(w http.ResponseWriter, r *http.Request) {
		backTo(w, r, callback, "error", "login_required", "state", r.URL.Query().Get("state"))
	})},
	{"oidcc-max-age-1", maxAge1, alter("/authorize", func(q url.Values) {
		if q.Get("max_age") == "1" {
			q.Del("max_age")
		}
	})},
	{"oidcc-max-age-10000", maxAge10000, alter("/authorize", func(q url.Values) {
		if q.Get("max_age") == "10000" {
			q.Set("max_age", "0")
		}
	})},
	{"oidcc-ensure-request-with-unknown-parameter-succeeds", succeeds("extra", "foobar"), refuses(has("extra"))},
	{"oidcc-id-token-hint", idTokenHint, refuses(has("id_token_hint"))},
	{"oidcc-login-hint", loginHint, without("login_hint")},
	{"oidcc-ui-locales", succeeds("ui_locales", "se"), refuses(has("ui_locales"))},
	{"oidcc-claims-locales", succeeds("claims_locales", "se"), refuses(has("claims_locales"))},
	{"oidcc-ensure-request-with-acr-values-succeeds", acrValues, refuses(has("acr_values"))},
	{"oidcc-codereuse", codeReuse, replaysCode(func(age time.Duration) bool { return age < 30*time.Second })},
	{"oidcc-codereuse-30seconds", codeReuseLater, replaysCode(func(age time.Duration) bool { return age >= 30*time.Second })},
	{"oidcc-ensure-registered-redirect-uri", registeredRedirectURI, answers("/authorize", func(_ *http.Request, q url.Values) bool {
		return q.Get("redirect_uri") != callback && !q.Has("request")
	}, func(w http.ResponseWriter, r *http.Request) {
		backTo(w, r, parameters(r).Get("redirect_uri"), "error", "invalid_request")
	})},
	{"oidcc-ensure-post-request-succeeds", postRequest, answers("/authorize", func(r *http.Request, _ url.Values) bool {
		return r.Method == http.MethodPost
	}, status(http.StatusMethodNotAllowed))},
	{"oidcc-server-client-secret-post", clientSecretPost, answers("/token", func(_ *http.Request, form url.Values) bool {
		return form.Has("client_secret")
	}, status(http.StatusUnauthorized))},
	{"oidcc-request-uri-unsigned-supported-correctly-or-rejected-as-unsupported", requestURI, without("request_uri")},
	{"oidcc-unsigned-request-object-supported-correctly-or-rejected-as-unsupported", requestObject, alter("/authorize", func(q url.Values) {
		if q.Has("redirect_uri") {
			q.Del("request")
		}
	})},
	{"oidcc-claims-essential", claimsEssential, without("claims")},
	{"oidcc-ensure-request-object-with-redirect-uri", requestObjectWithRedirectURI, alter("/authorize", func(q url.Values) {
		if q.Get("redirect_uri") == "" && q.Has("request") {
			q.Set("redirect_uri", callback)
			q.Del("request")
		}
	})},
	{"oidcc-refresh-token", refreshToken, answers("/token", func(_ *http.Request, form url.Values) bool {
		return form.Get("grant_type") == "refresh_token"
	}, status(http.StatusBadRequest))},
	{"oidcc-ensure-request-with-valid-pkce-succeeds", validPKCE, without("code_challenge")},
}

// signInWhole is the whole of a sign-in: what the app is told, the token response and the ID
// token (OpenID Connect Core 1.0 sections 3.1.2.5, 3.1.3.3 and 2).
func signInWhole(r *run) {
	q := r.request()
	got := r.redeem(r.code(q))
	if got.claims["nonce"] != q.Get("nonce") {
		r.Errorf("nonce %v, want %q", got.claims["nonce"], q.Get("nonce"))
	}
	if !strings.EqualFold(got.text("token_type"), "Bearer") || got.json["expires_in"] == nil {
		r.Errorf("token response %s lacks token_type Bearer or expires_in", got.body)
	}
	if !strings.Contains(got.header.Get("Cache-Control"), "no-store") {
		r.Errorf("the token response may be stored: Cache-Control %q", got.header.Get("Cache-Control"))
	}
}

func responseTypeMissing(r *run) {
	q := r.request("response_type", "")
	r.refused(r.open(q), q, "invalid_request", "unsupported_response_type")
}

// idTokenSignature: the header names a published key and its algorithm (section 10.1).
func idTokenSignature(r *run) {
	kid, alg := header(r, r.tokens().raw)
	for _, key := range r.keys() {
		if key.KeyID == kid && (key.Algorithm == "" || key.Algorithm == alg) {
			return
		}
	}
	r.Errorf("no published key has kid %q and alg %q", kid, alg)
}

// idTokenUnsigned: alg none is not offered, so that no app can ask for it.
func idTokenUnsigned(r *run) {
	if slices.Contains(r.list("id_token_signing_alg_values_supported"), "none") {
		r.Error("unsigned ID tokens are offered")
	}
	if _, alg := header(r, r.tokens().raw); alg == "none" {
		r.Error("the ID token is unsigned")
	}
}

func userinfoGet(r *run) {
	got := r.tokens()
	r.wantClaims(r.userinfo(got.access), got.claims["sub"])
}

func userinfoPostHeader(r *run) {
	got := r.tokens()
	a := r.send(http.MethodPost, r.endpoint("userinfo_endpoint"), nil, "Authorization", "Bearer "+got.access)
	r.wantClaims(a, got.claims["sub"])
}

func userinfoPostBody(r *run) {
	got := r.tokens()
	a := r.send(http.MethodPost, r.endpoint("userinfo_endpoint"), url.Values{"access_token": {got.access}})
	r.wantClaims(a, got.claims["sub"])
}

// succeeds signs in with a parameter that may not get in the way.
func succeeds(name, value string) func(r *run) {
	return func(r *run) { r.tokens(name, value) }
}

// scope signs in with scopes, for claims at userinfo (section 5.4).
func scope(scopes string, claims ...string) func(r *run) {
	return func(r *run) {
		got := r.tokens("scope", scopes)
		a := r.send(http.MethodGet, r.endpoint("userinfo_endpoint"), nil, "Authorization", "Bearer "+got.access, "Accept", "application/json")
		r.wantClaims(a, got.claims["sub"], claims...)
	}
}

// narrows is a provider that gives less than such scopes.
func narrows(scopes string) fault {
	return alter("/authorize", func(q url.Values) {
		if q.Get("scope") == scopes {
			q.Set("scope", "openid")
		}
	})
}

// unsupportedScope is not offered, and ignored where it is asked for all the same.
func unsupportedScope(name string) func(r *run) {
	return func(r *run) {
		if slices.Contains(r.list("scopes_supported"), name) {
			r.Errorf("scope %s is offered", name)
		}
		r.tokens("scope", "openid "+name)
	}
}

func promptLogin(r *run) {
	first := r.tokens()
	r.later(5 * time.Second)
	q := r.request("prompt", "login")
	page := r.open(q)
	if !asksForPassword(page) {
		r.Fatalf("%d %q: want to be asked again", page.Status, page.Heading())
	}
	again := r.redeem(r.answer(r.signIn(page), q).Get("code"))
	r.laterSignIn(first, again)
}

// laterSignIn: auth_time tells when the person was last asked (section 2).
func (r *run) laterSignIn(first, again tokens) {
	before, _ := first.claims["auth_time"].(float64)
	after, ok := again.claims["auth_time"].(float64)
	if !ok || after < before || again.claims["sub"] != first.claims["sub"] {
		r.Errorf("after signing in again %v, before %v", again.claims, first.claims)
	}
}

func promptNoneNotLoggedIn(r *run) {
	q := r.request("prompt", "none")
	r.refused(r.open(q), q, "login_required", "interaction_required")
}

// asksInSpiteOfNone shows the sign-in page to browsers without a session.
func asksInSpiteOfNone(_ *house, next http.Handler, w http.ResponseWriter, r *http.Request) {
	if q := r.URL.Query(); r.URL.Path == "/authorize" && q.Get("prompt") == "none" && !strings.Contains(r.Header.Get("Cookie"), "session") {
		q.Del("prompt")
		r.URL.RawQuery = q.Encode()
	}
	next.ServeHTTP(w, r)
}

func promptNoneLoggedIn(r *run) {
	first := r.tokens()
	q := r.request("prompt", "none")
	again := r.redeem(r.answer(r.open(q), q).Get("code"))
	if again.claims["sub"] != first.claims["sub"] || again.claims["auth_time"] != first.claims["auth_time"] {
		r.Errorf("without being asked %v, before %v", again.claims, first.claims)
	}
}

func maxAge1(r *run) {
	first := r.tokens()
	r.later(5 * time.Second)
	q := r.request("max_age", "1")
	page := r.open(q)
	if !asksForPassword(page) {
		r.Fatalf("%d %q: want to be asked again", page.Status, page.Heading())
	}
	r.laterSignIn(first, r.redeem(r.answer(r.signIn(page), q).Get("code")))
}

func maxAge10000(r *run) {
	r.tokens()
	q := r.request("max_age", "10000")
	page := r.open(q)
	if asksForPassword(page) {
		r.Fatal("asked again after less than 10,000 seconds")
	}
	again := r.redeem(r.answer(page, q).Get("code"))
	if at, _ := again.claims["auth_time"].(float64); at == 0 {
		r.Errorf("ID token %v has no auth_time", again.claims)
	}
}

func idTokenHint(r *run) {
	first := r.tokens()
	q := r.request("prompt", "none", "id_token_hint", first.raw)
	if again := r.redeem(r.answer(r.open(q), q).Get("code")); again.claims["sub"] != first.claims["sub"] {
		r.Errorf("sub %v, want %v", again.claims["sub"], first.claims["sub"])
	}
}

// loginHint: the page knows the address that the app knows.
func loginHint(r *run) {
	q := r.request("login_hint", "bob@example.com")
	page := r.open(q)
	if !strings.Contains(page.Body, `value="bob@example.com"`) {
		r.Error("the sign-in page does not have the login_hint")
	}
	r.redeem(r.answer(r.signIn(page), q).Get("code"))
}

func acrValues(r *run) {
	offered := r.list("acr_values_supported")
	got := r.tokens("acr_values", strings.Join(offered[:1], " "))
	if reached, _ := got.claims["acr"].(string); !slices.Contains(offered, reached) {
		r.Errorf("acr %v, want one of %v", got.claims["acr"], offered)
	}
}

func codeReuse(r *run) {
	code := r.code(r.request())
	r.redeem(code)
	r.wantError(r.token(codeForm(code)), http.StatusBadRequest, "invalid_grant")
}

// codeReuseLater: what the code gave is taken back, too (RFC 6749 section 4.1.2).
func codeReuseLater(r *run) {
	code := r.code(r.request())
	got := r.redeem(code)
	r.later(30 * time.Second)
	r.wantError(r.token(codeForm(code)), http.StatusBadRequest, "invalid_grant")
	if a := r.userinfo(got.access); a.status != http.StatusUnauthorized {
		r.Errorf("the access token still works: %d", a.status)
	}
}

// replaysCode answers a code again with what it answered the first time, at such an age.
func replaysCode(at func(age time.Duration) bool) fault {
	type use struct {
		answer  *httptest.ResponseRecorder
		elapsed int64
	}
	var mu sync.Mutex
	used := map[string]use{}
	return func(h *house, next http.Handler, w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/token" {
			next.ServeHTTP(w, r)
			return
		}
		code := parameters(r).Get("code")
		mu.Lock()
		defer mu.Unlock()
		first, again := used[code]
		seen := httptest.NewRecorder()
		next.ServeHTTP(seen, r)
		switch {
		case !again && code != "" && seen.Code == http.StatusOK:
			used[code] = use{seen, h.elapsed.Load()}
		case again && at(time.Duration(h.elapsed.Load()-first.elapsed)):
			seen = first.answer
		}
		maps.Copy(w.Header(), seen.Header())
		w.WriteHeader(seen.Code)
		_, _ = fmt.Fprint(w, seen.Body)
	}
}

// registeredRedirectURI: an error about the redirect URI itself goes to nobody's (RFC 6749
// section 4.1.2.1).
func registeredRedirectURI(r *run) {
	page := r.open(r.request("redirect_uri", callback+"/other"))
	if page.Left != nil || page.Status != http.StatusBadRequest {
		r.Errorf("%d, leads to %v: want a page of the provider's with 400", page.Status, page.Left)
	}
}

func postRequest(r *run) {
	q := r.request()
	page := r.browser.Post(r.endpoint("authorization_endpoint"), q.Values)
	r.redeem(r.answer(r.signIn(page), q).Get("code"))
}

func clientSecretPost(r *run) {
	if !slices.Contains(r.list("token_endpoint_auth_methods_supported"), "client_secret_post") {
		r.Error("client_secret_post is not offered")
	}
	form := codeForm(r.code(r.request()), "client_id", r.app.id, "client_secret", r.app.secret)
	if a := r.send(http.MethodPost, r.endpoint("token_endpoint"), form); a.status != http.StatusOK {
		r.Errorf("the secret in the body is answered with %d %s", a.status, a.body)
	}
}

func requestURI(r *run) {
	q := r.request("request_uri", "https://rp.example/request.jwt")
	r.refused(r.open(q), q, "request_uri_not_supported")
}

// An unsigned request object (OpenID Connect Core 1.0 section 6.1), with a redirect URI.
const unsignedRequest = "eyJhbGciOiJub25lIn0.eyJyZWRpcmVjdF91cmkiOiJodHRwczovL3JwLmV4YW1wbGUvY2FsbGJhY2sifQ."

func requestObject(r *run) {
	q := r.request("request", unsignedRequest)
	r.refused(r.open(q), q, "request_not_supported")
}

// requestObjectWithRedirectURI: with the redirect URI in an object that is not read, the
// request has none.
func requestObjectWithRedirectURI(r *run) {
	page := r.open(r.request("request", unsignedRequest, "redirect_uri", ""))
	if page.Left != nil || page.Status != http.StatusBadRequest {
		r.Errorf("%d, leads to %v: want a page of the provider's with 400", page.Status, page.Left)
	}
}

func claimsEssential(r *run) {
	got := r.tokens("claims", `{"userinfo":{"name":{"essential":true}}}`)
	a := r.send(http.MethodGet, r.endpoint("userinfo_endpoint"), nil, "Authorization", "Bearer "+got.access, "Accept", "application/json")
	r.wantClaims(a, got.claims["sub"], "name")
}

// refreshToken: a refresh token gives new tokens to the app that it belongs to, and to no
// other (RFC 6749 section 6).
func refreshToken(r *run) {
	got := r.tokens("scope", "openid offline_access", "prompt", "consent")
	form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {got.text("refresh_token")}}
	again := r.token(form)
	if again.status != http.StatusOK || again.text("access_token") == "" || again.text("access_token") == got.access {
		r.Fatalf("the refresh token is answered with %d %s", again.status, again.body)
	}
	if raw := again.text("id_token"); raw != "" && r.verified(raw)["sub"] != got.claims["sub"] {
		r.Error("the new ID token is of somebody else")
	}
	form.Set("refresh_token", again.text("refresh_token"))
	r.app = r.register(idp.Client{})
	r.wantError(r.token(form), http.StatusBadRequest, "invalid_grant")
}

func validPKCE(r *run) {
	q := r.request("code_challenge_method", "S256")
	q.Set("code_challenge", challenge(q.verifier))
	r.redeem(r.code(q), "code_verifier", q.verifier)
	q = r.request("code_challenge_method", "S256")
	q.Set("code_challenge", challenge(q.verifier))
	r.wantError(r.token(codeForm(r.code(q), "code_verifier", challenge(q.verifier))), http.StatusBadRequest, "invalid_grant")
}

// config is oidcc-config-certification-test-plan.
var config = []module{{"oidcc-discovery-endpoint-verification", discovery, replaces(`"issuer":"`, `"issuer":"x`)}}

// discovery holds what OpenID Connect Discovery 1.0 section 3 requires.
func discovery(r *run) {
	if r.metadata["issuer"] != r.house.Issuer {
		r.Errorf("issuer %v, want %s", r.metadata["issuer"], r.house.Issuer)
	}
	for _, name := range []string{"authorization_endpoint", "token_endpoint", "userinfo_endpoint", "jwks_uri"} {
		r.wantURL(name)
	}
	for name, want := range map[string]string{
		"response_types_supported": "code", "subject_types_supported": "public", "id_token_signing_alg_values_supported": "RS256",
		"scopes_supported": "openid", "claims_supported": "sub", "grant_types_supported": "authorization_code",
	} {
		if !slices.Contains(r.list(name), want) {
			r.Errorf("%s is %v, without %s", name, r.metadata[name], want)
		}
	}
	for _, key := range r.keys() {
		if !key.Valid() || !key.IsPublic() || key.KeyID == "" || key.Use != "sig" {
			r.Errorf("key %q is not a named public key to sign with", key.KeyID)
		}
	}
}

// wantURL: an endpoint is an absolute URL without a fragment.
func (r *run) wantURL(name string) {
	u, err := url.Parse(r.endpoint(name))
	idptest.Must(r, err)
	if !u.IsAbs() || u.Fragment != "" || !strings.HasPrefix(u.String(), r.house.Issuer+"/") {
		r.Errorf("%s is %q", name, r.metadata[name])
	}
}
