package demo_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/go-jose/go-jose/v4"
	"golang.org/x/oauth2"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/idptest/chromium"
)

// TestBrowserSignsInToABank: an app with FAPI 2.0 pushes its request, and gets tokens that are
// bound to its key.
func TestBrowserSignsInToABank(t *testing.T) {
	b := openBank(t)
	sum := sha256.Sum256(b.Certificate().RawSubjectPublicKeyInfo)
	trusted := chromedp.Flag("ignore-certificate-errors-spki-list", base64.StdEncoding.EncodeToString(sum[:]))
	h := startHouse(t, chromium.Start(t, trusted), "")
	b.issuer = h.Issuer
	h.client(t, idp.Client{
		ID: bankID, Name: "Harbour Bank", FAPI: true, JWKS: b.key.JWKS(), RedirectURIs: []string{b.URL + "/callback"},
		Populations: []string{idp.Agents}, ThirdParty: true,
	})
	p, w := h.person(t, "agent@rtx.example"), h.window(t)
	w.visit(b.URL)
	w.page("signin")
	w.givesPassword(p)
	w.setsUp(p)
	w.ticks()
	w.submits()
	w.reads("Harbour Bank")
	w.submits()
	w.sees("output")
	if got := w.text("output"); got != "agent@rtx.example, again agent@rtx.example" {
		t.Errorf("the bank says %q", got)
	}
	// The address that the browser had is worth nothing to anybody.
	if status := h.window(t).visit(b.opened); status != http.StatusGone {
		t.Errorf("the request_uri is answered with %d once more", status)
	}
}

const bankID = "harbour-bank"

// bank is a relying party with FAPI 2.0, on https.
type bank struct {
	*httptest.Server
	t           *testing.T
	issuer      string
	key, holder *idptest.Key
	verifier    string
	state       string
	nonce       string // of DPoP
	opened      string
}

func openBank(t *testing.T) *bank {
	t.Helper()
	b := &bank{t: t, key: idptest.NewKey(t, jose.ES256), holder: idptest.NewKey(t, jose.ES256)}
	routes := http.NewServeMux()
	routes.HandleFunc("GET /{$}", b.begin)
	routes.HandleFunc("GET /callback", b.callback)
	b.Server = httptest.NewTLSServer(routes)
	t.Cleanup(b.Close)
	return b
}

func (b *bank) begin(w http.ResponseWriter, r *http.Request) {
	b.verifier, b.state = oauth2.GenerateVerifier(), idp.NewSecret()
	status, answer := b.call("/par", url.Values{
		"response_type": {"code"}, "redirect_uri": {b.URL + "/callback"}, "scope": {"openid email offline_access"}, "state": {b.state},
		"code_challenge": {oauth2.S256ChallengeFromVerifier(b.verifier)}, "code_challenge_method": {"S256"},
	})
	uri, _ := answer["request_uri"].(string)
	if status != http.StatusCreated {
		b.t.Errorf("the pushed request is answered with %d %v", status, answer)
	}
	b.opened = b.issuer + "/authorize?" + url.Values{"client_id": {bankID}, "request_uri": {uri}}.Encode()
	http.Redirect(w, r, b.opened, http.StatusFound)
}

// callback redeems the code, and the refresh token.
func (b *bank) callback(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	if q.Get("state") != b.state || q.Get("iss") != b.issuer || len(q) != 3 {
		b.t.Errorf("the bank is told %v", q)
	}
	status, tokens := b.call("/token", url.Values{
		"grant_type": {"authorization_code"}, "code": {q.Get("code")}, "redirect_uri": {b.URL + "/callback"}, "code_verifier": {b.verifier},
	})
	if status != http.StatusOK || tokens["token_type"] != "DPoP" {
		b.t.Errorf("the code is answered with %d %v", status, tokens)
	}
	refresh, _ := tokens["refresh_token"].(string)
	status, again := b.call("/token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refresh}})
	if status != http.StatusOK || again["refresh_token"] != refresh {
		b.t.Errorf("the refresh token is answered with %d %v", status, again)
	}
	w.Header().Set("Content-Type", "text/html")
	_, _ = fmt.Fprintf(w, "<!doctype html><title>Bank</title><link rel=icon href=\"data:,\"><output>%s, again %s</output>", b.email(tokens), b.email(again))
}

// call calls an endpoint with an assertion and a proof, and once more with the provider's nonce.
func (b *bank) call(path string, form url.Values) (status int, answer map[string]any) {
	for range 2 {
		form.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
		form.Set("client_assertion", b.key.Assertion(b.issuer, bankID, nil))
		r, err := http.NewRequest(http.MethodPost, b.issuer+path, strings.NewReader(form.Encode()))
		idptest.Must(b.t, err)
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if status, answer = b.send(r, nil); answer["error"] != "use_dpop_nonce" {
			break
		}
	}
	return status, answer
}

func (b *bank) send(r *http.Request, claims map[string]any) (status int, answer map[string]any) {
	all := map[string]any{"ath": claims["ath"]}
	if b.nonce != "" {
		all["nonce"] = b.nonce
	}
	r.Header.Set("DPoP", b.holder.Proof(r.Method, r.URL.String(), all))
	res, err := http.DefaultClient.Do(r)
	idptest.Must(b.t, err)
	defer func() { _ = res.Body.Close() }()
	if nonce := res.Header.Get("DPoP-Nonce"); nonce != "" {
		b.nonce = nonce
	}
	idptest.Must(b.t, json.NewDecoder(res.Body).Decode(&answer))
	return res.StatusCode, answer
}

// email is what userinfo says.
func (b *bank) email(tokens map[string]any) string {
	access, _ := tokens["access_token"].(string)
	r, err := http.NewRequest(http.MethodGet, b.issuer+"/userinfo", http.NoBody)
	idptest.Must(b.t, err)
	r.Header.Set("Authorization", "DPoP "+access)
	_, answer := b.send(r, map[string]any{"ath": oauth2.S256ChallengeFromVerifier(access)})
	email, _ := answer["email"].(string)
	return html.EscapeString(email)
}
