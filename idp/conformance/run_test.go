package conformance_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"golang.org/x/oauth2"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
)

// A module is one of the conformance suite's, by its name there.
type module struct {
	id    string
	check func(r *run)
	// wrong is a fault of a provider that this module notices.
	wrong fault
}

// verdict collects what a module finds wrong. A test would end with it.
type verdict struct {
	testing.TB
	said []string
}

func (v *verdict) Helper()                        {}
func (v *verdict) Error(args ...any)              { v.said = append(v.said, fmt.Sprint(args...)) }
func (v *verdict) Errorf(format string, a ...any) { v.said = append(v.said, fmt.Sprintf(format, a...)) }
func (v *verdict) Fatal(args ...any)              { v.Error(args...); runtime.Goexit() }
func (v *verdict) Fatalf(format string, a ...any) { v.Errorf(format, a...); runtime.Goexit() }
func (v *verdict) FailNow()                       { v.Fatal("failed") }

// run is one module at one provider: a browser and an app of its own.
type run struct {
	*verdict
	house    *house
	mode     string // response_mode of each request, empty for the default
	browser  *idptest.Browser
	app      relyingParty
	metadata map[string]any
	// Of DPoP: the key that tokens are bound to, and the nonce that came last.
	holder *idptest.Key
	nonce  string
}

// relyingParty is an app as its developer knows it.
type relyingParty struct{ id, secret string }

const (
	callback = "https://rp.example/callback"
	bye      = "https://rp.example/bye"
)

// run lets a module look at the house, and returns what it found wrong.
func (h *house) run(t testing.TB, m module, mode string) []string {
	v := &verdict{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		r := &run{verdict: v, house: h, mode: mode, browser: idptest.NewBrowser(v)}
		r.metadata = r.discover()
		r.app = h.standing
		m.check(r)
	}()
	<-done
	return v.said
}

func (r *run) discover() map[string]any {
	res := r.send(http.MethodGet, r.house.Issuer+"/.well-known/openid-configuration", nil)
	if res.status != http.StatusOK || res.json == nil {
		r.Fatalf("discovery answers %d %s", res.status, res.body)
	}
	return res.json
}

// endpoint is a URL of the discovery document.
func (r *run) endpoint(name string) string {
	at, _ := r.metadata[name].(string)
	return at
}

// register adds an app of the module's own.
func (r *run) register(c idp.Client) relyingParty { return r.house.register(c) }

// request is an authorization request and what its app remembers of it.
type request struct {
	url.Values
	verifier string
}

// request asks for a code. pairs are names and values; an empty value leaves the parameter
// out.
func (r *run) request(pairs ...string) request {
	q := request{Values: url.Values{
		"client_id": {r.app.id}, "response_type": {"code"}, "redirect_uri": {callback}, "scope": {"openid"},
		"state": {idp.NewSecret()}, "nonce": {idp.NewSecret()},
	}, verifier: oauth2.GenerateVerifier()}
	if r.mode != "" {
		q.Set("response_mode", r.mode)
	}
	for i := 0; i < len(pairs); i += 2 {
		q.Set(pairs[i], pairs[i+1])
		if pairs[i+1] == "" {
			q.Del(pairs[i])
		}
	}
	return q
}

func (r *run) send(method, target string, form url.Values, pairs ...string) *reply {
	var body io.Reader = http.NoBody
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	req, err := http.NewRequest(method, target, body)
	idptest.Must(r, err)
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i < len(pairs); i += 2 {
		req.Header.Add(pairs[i], pairs[i+1])
	}
	res, err := http.DefaultTransport.RoundTrip(req)
	idptest.Must(r, err)
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	idptest.Must(r, err)
	answer := &reply{status: res.StatusCode, header: res.Header, body: string(text)}
	_ = json.Unmarshal(text, &answer.json) // no JSON: then nothing is found in it
	return answer
}

// reply is an answer that is no page.
type reply struct {
	status int
	header http.Header
	body   string
	json   map[string]any
}

func (a *reply) text(name string) string {
	s, _ := a.json[name].(string)
	return s
}

// open sends the browser with a request.
func (r *run) open(q request) *idptest.Page {
	return r.browser.Get(r.endpoint("authorization_endpoint") + "?" + q.Encode())
}

func asksForPassword(page *idptest.Page) bool {
	_, _, ok := page.Form("/password")
	return ok
}

// signIn answers the sign-in page.
func (r *run) signIn(page *idptest.Page) *idptest.Page {
	if !asksForPassword(page) {
		r.Fatalf("%d %q at %s: want the sign-in page", page.Status, page.Heading(), page.URL)
	}
	return r.browser.Submit(page, "/password", "email", r.house.email, "password", idptest.Password)
}

// answer is what the app is told by a page that leads to it.
func (r *run) answer(page *idptest.Page, q request) url.Values {
	values := r.told(page)
	switch {
	case values == nil:
		r.Fatalf("%d %q at %s: want an answer to the app", page.Status, page.Heading(), page.URL)
	case values.Get("state") != q.Get("state"):
		r.Errorf("state %q, want %q", values.Get("state"), q.Get("state"))
	case values.Get("iss") != r.house.Issuer:
		r.Errorf("iss %q, want %q", values.Get("iss"), r.house.Issuer)
	}
	return values
}

// told is what a page hands to the app's redirect URI, by the run's response mode.
func (r *run) told(page *idptest.Page) url.Values {
	if r.mode == "form_post" {
		target, values, ok := page.Form("/callback")
		if !ok || target != callback {
			return nil
		}
		return values
	}
	if page.Left == nil || !strings.HasPrefix(page.Left.String(), callback) {
		return nil
	}
	return page.Left.Query()
}

// code signs in, with a password where asked for one.
func (r *run) code(q request) string {
	page := r.open(q)
	if asksForPassword(page) {
		page = r.signIn(page)
	}
	values := r.answer(page, q)
	if values.Get("code") == "" {
		r.Fatalf("the app is told %v: want a code", values)
	}
	return values.Get("code")
}

// refused is the error that an app is told.
func (r *run) refused(page *idptest.Page, q request, errors ...string) {
	values := r.answer(page, q)
	if values.Has("code") || !slices.Contains(errors, values.Get("error")) {
		r.Errorf("the app is told %v: want error %v", values, errors)
	}
}

// token calls the token endpoint, as the app registered.
func (r *run) token(form url.Values) *reply {
	auth := &http.Request{Header: http.Header{}}
	auth.SetBasicAuth(r.app.id, r.app.secret)
	return r.send(http.MethodPost, r.endpoint("token_endpoint"), form, "Authorization", auth.Header.Get("Authorization"))
}

func codeForm(code string, pairs ...string) url.Values {
	form := url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {callback}}
	for i := 0; i < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	return form
}

func (r *run) wantError(a *reply, status int, code string) {
	if a.status != status || a.text("error") != code {
		r.Errorf("answer %d %s: want %d %s", a.status, a.body, status, code)
	}
}

// tokens are what an app has after a sign-in.
type tokens struct {
	*reply
	access, raw string
	claims      map[string]any
}

// tokens signs in by a request and redeems the code.
func (r *run) tokens(pairs ...string) tokens {
	q := r.request(pairs...)
	return r.redeem(r.code(q))
}

func (r *run) redeem(code string, pairs ...string) tokens {
	a := r.token(codeForm(code, pairs...))
	if a.status != http.StatusOK {
		r.Fatalf("the code is answered with %d %s", a.status, a.body)
	}
	return tokens{a, a.text("access_token"), a.text("id_token"), r.verified(a.text("id_token"))}
}

// verified checks an ID token with the published keys (OpenID Connect Core 1.0 section
// 3.1.3.7).
func (r *run) verified(raw string) map[string]any {
	signed, err := jose.ParseSignedCompact(raw, []jose.SignatureAlgorithm{jose.RS256, jose.ES256, jose.PS256, jose.EdDSA})
	if err != nil {
		r.Fatalf("ID token %q: %v", raw, err)
	}
	var payload []byte
	for _, key := range r.keys() {
		if p, err := signed.Verify(key.Key); err == nil {
			payload = p
		}
	}
	var claims map[string]any
	if err := json.Unmarshal(payload, &claims); err != nil {
		r.Fatalf("no published key verifies the ID token")
	}
	audience, _ := claims["aud"].(string)
	if list, ok := claims["aud"].([]any); ok && len(list) == 1 {
		audience, _ = list[0].(string)
	}
	expiry, _ := claims["exp"].(float64)
	issued, _ := claims["iat"].(float64)
	now := float64(idp.Now().Unix())
	if claims["iss"] != r.house.Issuer || audience != r.app.id || expiry <= now || issued > now+5 || claims["sub"] == "" {
		r.Errorf("ID token %v is not for this app", claims)
	}
	return claims
}

func (r *run) keys() []jose.JSONWebKey {
	var set jose.JSONWebKeySet
	a := r.send(http.MethodGet, r.endpoint("jwks_uri"), nil)
	idptest.Must(r, json.Unmarshal([]byte(a.body), &set))
	return set.Keys
}

// userinfo asks by GET and the header.
func (r *run) userinfo(access string) *reply {
	return r.send(http.MethodGet, r.endpoint("userinfo_endpoint"), nil, "Authorization", "Bearer "+access)
}

// wantClaims checks that userinfo is about the person, with these claims.
func (r *run) wantClaims(a *reply, sub any, names ...string) {
	if a.status != http.StatusOK || a.json["sub"] != sub {
		r.Fatalf("userinfo answers %d %s: want sub %v", a.status, a.body, sub)
	}
	for _, name := range names {
		if a.json[name] == nil || a.json[name] == "" {
			r.Errorf("userinfo %s has no %s", a.body, name)
		}
	}
}

// isSignedOut tells whether the provider knows nobody in the browser.
func (r *run) isSignedOut() bool {
	q := r.request("prompt", "none")
	return r.answer(r.open(q), q).Get("error") == "login_required"
}

// later lets sessions and codes be older.
func (r *run) later(by time.Duration) {
	r.house.AgeProofs(by)
	r.house.elapsed.Add(int64(by))
}
