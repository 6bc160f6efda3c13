package provider_test

import (
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
)

func fapiResponseType(t *testing.T, k *kit) {
	f := k.fapiApp(t, idp.Client{})
	for _, kind := range []string{"token", "id_token", "code id_token", "code token", "none", "Code"} {
		_, form := f.begin("response_type", kind)
		f.call(t, "/par", form, "").want(t, 400, "unsupported_response_type")
	}
	f.signsIn(t)
}

func fapiPushed(t *testing.T, k *kit) {
	f := k.fapiApp(t, idp.Client{})
	if !f.Client.RequirePushed || !f.Client.RequirePKCE {
		t.Errorf("the app does not say what FAPI implies: %+v", f.Client)
	}
	_, form := f.begin()
	r := f.call(t, "/par", form, "")
	if r.want(t, 201, ""); !strings.HasPrefix(r.text("request_uri"), pushedURI) {
		t.Errorf("answer %s", r.body)
	}
}

// What else stands in the address says nothing (RFC 9126 section 4): libraries and the
// conformance suite repeat response_type, scope and redirect_uri there.
func fapiOnlyPushed(t *testing.T, k *kit) { fapiOnlyPushedBy(t, k.fapiApp(t, idp.Client{})) }

func fapiOnlyPushedBy(t *testing.T, f *fapi) {
	t.Helper()
	a, _ := f.begin()
	f.wantError(t, f.Party, a, f.browser.Get(a.URL), "invalid_request")
	a = f.pushes(t)
	page := f.browser.Get(edit(a.URL, "response_type", "token", "scope", "openid admin", "state", "other", "redirect_uri", fapiRedirect))
	if got := page.Left.Query(); got.Get("code") == "" || got.Get("state") != a.State {
		t.Errorf("answer %s", page.Left)
	}
}

func fapiPushedByWhom(t *testing.T, k *kit) {
	f, other := k.fapiApp(t, idp.Client{}), k.fapiApp(t, idp.Client{})
	_, form := f.begin()
	f.send("POST", "/par", form.Encode()).want(t, 400, "invalid_client")
	f.send("POST", "/par", asserted(form, other.assertion(t, nil)).Encode()).want(t, 400, "invalid_client")
	forged := newKey(t, jose.ES256, "").sign(t, f.claimsOf(f.Client.ID))
	f.send("POST", "/par", asserted(form, forged).Encode()).want(t, 400, "invalid_client")
}

func fapiPKCE(t *testing.T, k *kit) {
	f := k.fapiApp(t, idp.Client{})
	for _, c := range []struct{ challenge, method string }{{"", ""}, {"x", ""}, {"", "plain"}, {"", "S256"}} {
		_, form := f.begin()
		form.Set("code_challenge_method", c.method)
		if c.challenge == "" && c.method == "" || c.method == "S256" {
			form.Del("code_challenge")
		}
		f.call(t, "/par", form, "").want(t, 400, "invalid_request")
	}
	for _, verifier := range []string{"", strings.Repeat("v", 43)} {
		form := f.fresh(t)
		form.Set("code_verifier", verifier)
		f.call(t, "/token", form, f.proof("/token")).want(t, 400, "invalid_grant")
	}
}

func fapiRedirectURI(t *testing.T, k *kit) {
	f := k.fapiApp(t, idp.Client{})
	_, form := f.begin()
	form.Del("redirect_uri")
	f.call(t, "/par", form, "").want(t, 400, "invalid_request")
}

func fapiIss(t *testing.T, k *kit) {
	f := k.fapiApp(t, idp.Client{})
	a := f.pushes(t)
	f.Code(a, k.browser.Get(a.URL).Left) // looks at iss
	a = f.pushes(t, "prompt", "none")
	k.wantError(t, f.Party, a, idptest.NewBrowser(t).Get(a.URL), "login_required")
}

func fapiHTTPS(t *testing.T, k *kit) {
	set := jwks(t, k.own())
	for _, uri := range []string{"http://localhost/cb", "http://127.0.0.1:1/cb", "http://app.example/cb", "HTTP://localhost/cb"} {
		k.refusedFAPI(t, idp.Client{JWKS: set, RedirectURIs: []string{fapiRedirect, uri}}, "redirect_uris: ")
	}
}

func fapiCodeOnce(t *testing.T, k *kit) {
	f := k.fapiApp(t, idp.Client{})
	form := f.fresh(t)
	again := maps.Clone(form)
	r := f.call(t, "/token", form, f.proof("/token"))
	r.want(t, 200, "")
	f.call(t, "/token", again, f.proof("/token")).want(t, 400, "invalid_grant")
	f.presents(r.text("access_token")).want(t, 401, "invalid_token")
	f.refreshes(t, r.text("refresh_token")).want(t, 400, "invalid_grant")
}

func fapiRedirectStatus(t *testing.T, k *kit) {
	const email = "ana@rtx.example"
	if k.count("SELECT count(*) FROM users WHERE email = '"+email+"'") == 0 {
		k.AddUser(idp.Agents, email)
	}
	f := k.fapiApp(t, idp.Client{})
	b := idptest.NewBrowser(t)
	page := b.Get(f.pushes(t).URL)
	target, form, ok := page.Form("/password")
	if !ok {
		t.Fatalf("%d %q is not the sign-in page", page.Status, page.Heading())
	}
	form.Set("email", email)
	form.Set("password", idptest.Password)
	req, err := http.NewRequest(http.MethodPost, target, strings.NewReader(form.Encode()))
	idptest.Must(t, err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Sec-Fetch-Site", "same-origin")
	for _, c := range b.Jar.Cookies(req.URL) {
		req.AddCookie(c)
	}
	if r := k.do(req); r.status != http.StatusSeeOther {
		t.Errorf("a password is answered with %d %s", r.status, r.header.Get("Location"))
	}
}

func fapiExpiresIn(t *testing.T, k *kit) {
	f := k.fapiApp(t, idp.Client{})
	_, form := f.begin()
	r := f.call(t, "/par", form, "")
	if secs, _ := r.json["expires_in"].(float64); secs < 5 || secs >= 600 {
		t.Errorf("answer %s", r.body)
	}
	k.exec("UPDATE pushed_requests SET expires_at = " + ago(time.Second))
	wantPage(t, k.browser.Get(f.opening(f.Party, r.text("request_uri"))), 410)
}

func fapiInformed(t *testing.T, k *kit) {
	f := k.fapiApp(t, idp.Client{Name: "Harbour Bank", ThirdParty: true})
	page := k.browser.Get(f.pushes(t).URL)
	if _, _, asked := page.Form("/approve"); !asked || !strings.Contains(page.Body, "Harbour Bank") {
		t.Errorf("%d %q does not ask about the app", page.Status, page.Heading())
	}
}

func fapiIDToken(t *testing.T, k *kit) {
	f := k.fapiApp(t, idp.Client{})
	claims := part(t, f.signsIn(t).text("id_token"), 1)
	if claims["sub"] != k.user.ID || claims["iss"] != k.Issuer {
		t.Errorf("ID token %v", claims)
	}
}

func fapiHeader(t *testing.T, k *kit) {
	f := k.fapiApp(t, idp.Client{})
	token := f.signsIn(t).text("access_token")
	f.presents(token).want(t, 200, "")
	f.present("dPoP", token, f.holder.proof("GET", k.Issuer+"/userinfo", ath(token))).want(t, 200, "")
}

func fapiQuery(t *testing.T, k *kit) {
	f := k.fapiApp(t, idp.Client{})
	token := f.signsIn(t).text("access_token")
	r := f.send("GET", "/userinfo?access_token="+token, "", "DPoP", f.holder.proof("GET", k.Issuer+"/userinfo", ath(token)))
	if r.status != 400 && r.status != 401 {
		t.Errorf("a token in the address is answered with %d", r.status)
	}
}

func fapiValidity(t *testing.T, k *kit) {
	f := k.fapiApp(t, idp.Client{})
	for name, end := range map[string]func(token string){
		"revoked": func(token string) { f.call(t, "/revoke", url.Values{"token": {token}}, "").want(t, 200, "") },
		"expired": func(string) { k.exec("UPDATE tokens SET expires_at = " + ago(time.Second)) },
	} {
		token := f.signsIn(t).text("access_token")
		f.presents(token).want(t, 200, "")
		end(token)
		if r := f.presents(token); r.status != 401 || r.text("error") != "invalid_token" {
			t.Errorf("%s: %d %s", name, r.status, r.body)
		}
	}
	f.presents("invented").want(t, 401, "invalid_token")
}

func fapiSufficient(t *testing.T, k *kit) {
	f := k.fapiApp(t, idp.Client{Kind: idp.ServiceClient, Scopes: []string{"tickets:read"}})
	r := f.call(t, "/token", url.Values{"grant_type": {"client_credentials"}}, f.proof("/token"))
	r.want(t, 200, "")
	token := r.text("access_token")
	got := f.send("GET", "/admin/api/v1/users", "", "Authorization", "DPoP "+token, "DPoP", f.holder.proof("GET", k.adminAPI()+"/users", ath(token)))
	if got.status != 403 || !strings.Contains(got.header.Get("WWW-Authenticate"), "insufficient_scope") {
		t.Errorf("answer %d %v", got.status, got.header)
	}
}

func fapiResourceByDPoP(t *testing.T, k *kit) {
	f := k.fapiApp(t, idp.Client{})
	token, thief := f.signsIn(t).text("access_token"), possessing(t)
	k.userinfo(token).wantChallenge(t, "invalid_token")
	k.present("DPoP", token, "").wantChallenge(t, "invalid_dpop_proof")
	k.present("DPoP", token, thief.proof("GET", k.Issuer+"/userinfo", ath(token))).wantChallenge(t, "invalid_token")
	f.presents(token).want(t, 200, "")
}

func fapiEntropy(t *testing.T, k *kit) {
	f := k.fapiApp(t, idp.Client{})
	form := f.fresh(t)
	code := form.Get("code")
	r := f.call(t, "/token", form, f.proof("/token"))
	for name, value := range map[string]string{
		"code": code, "access token": r.text("access_token"), "refresh token": r.text("refresh_token"),
	} {
		if len(value) < 43 { // base64url of 256 bits
			t.Errorf("%s %q", name, value)
		}
	}
}

func fapiKeyIDs(t *testing.T, k *kit) {
	seen := map[string]bool{}
	for _, key := range published(t, k) {
		if key.KeyID == "" || seen[key.KeyID] {
			t.Errorf("kid %q is missing or there twice", key.KeyID)
		}
		seen[key.KeyID] = true
	}
}
