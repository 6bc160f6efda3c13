package provider_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
)

// An empty parameter is none, wherever it is sent.
func TestAParameterWithoutAValueCountsAsLeftOut(t *testing.T) {
	t.Parallel()
	k := start(t, idptest.Migrated(t))
	p := k.AddParty(idp.Client{Kind: idp.NativeClient})
	var empty []string
	for _, name := range []string{
		"request", "request_uri", "registration", "resource", "max_age", "claims", "acr_values", "prompt", "response_mode",
		"id_token_hint", "login_hint", "ui_locales", "display", "dpop_jkt",
	} {
		empty = append(empty, name, "")
	}
	a := p.Begin(empty...)
	a.URL += "&state=&client_id=&redirect_uri=&code_challenge=&scope=" // beside those that have a value
	code := p.Code(a, k.opens(a.URL).Left)

	form := codeForm(p, code, a.Verifier).Encode() + "&client_id=" + p.Client.ID +
		"&client_secret=&client_assertion=&client_assertion_type=&code=&scope=&resource=&grant_type="
	r := k.send("POST", "/token", form)
	r.want(t, 200, "")
	form = url.Values{"grant_type": {"refresh_token"}, "refresh_token": {r.text("refresh_token")}, "client_id": {p.Client.ID}, "scope": {""}}.Encode()
	if again := k.send("POST", "/token", form); again.text("scope") != r.text("scope") || again.status != 200 {
		t.Errorf("an empty scope: %d %s", again.status, again.body)
	}
	out := k.browser.Get(k.Issuer + "/end_session?id_token_hint=&post_logout_redirect_uri=&state=&client_id=")
	if out.Status != http.StatusOK || !strings.Contains(out.Body, "maya@rtx.example") {
		t.Errorf("sign-out: %d %s", out.Status, out.Heading())
	}
	a = p.Begin("response_type", "", "prompt", "none")
	if got := k.browser.Get(a.URL).Left; got == nil || got.Query().Get("error") != "invalid_request" {
		t.Errorf("an empty response_type: %v", got)
	}
}

func TestUnknownParametersAreIgnored(t *testing.T) {
	t.Parallel()
	k := start(t, idptest.Migrated(t))
	p := k.AddParty(idp.Client{})
	a := p.Begin("utm", "x", "foo[bar]", "1")
	code := p.Code(a, k.opens(a.URL).Left)
	header := []string{"Authorization", basic(p.Client.ID, p.Secret)}
	form := codeForm(p, code, a.Verifier).Encode() + "&utm=x"
	for _, query := range []string{"?api-version=1&x=%zz&;a", "?client_id=other&grant_type=password&scope=all", "?client_secret=&code="} {
		r := k.send("POST", "/token"+query, "grant_type=refresh_token&refresh_token=x", header...)
		r.want(t, 400, "invalid_grant")
	}
	r := k.send("POST", "/token?p=B2C_1&code_challenge=x&redirect_uri=https%3A%2F%2Fevil.example&client_id=other", form, header...)
	r.want(t, 200, "")
	token := r.text("access_token")
	k.send("POST", "/introspect?utm=x", "token="+token, header...).want(t, 200, "")
	k.send("GET", "/userinfo?schema=openid&x=%zz", "", "Authorization", "Bearer "+token).want(t, 200, "")
	k.send("POST", "/revoke?utm=x", "token="+token, header...).want(t, 200, "")
	// What is repeated and has a meaning is refused.
	k.send("POST", "/token", form+"&redirect_uri=x", header...).want(t, 400, "invalid_request")
}

// Every credential in an address is in a log by then, however it is written.
func TestCredentialsInAnAddressAreRefused(t *testing.T) {
	t.Parallel()
	k := start(t, idptest.Migrated(t))
	p := k.AddParty(idp.Client{})
	token := k.tokens(p).AccessToken
	header := []string{"Authorization", basic(p.Client.ID, p.Secret)}
	for _, query := range []string{
		"client_secret=x", "code=x", "code_verifier=x", "refresh_token=x", "client_assertion=x", "token=x", "access_token=x",
		"assertion=x", "password=x", "subject_token=x", "a=b&client_secret=x", "a;client_secret=x", "client_secret=%zz",
		"client%5Fsecret=x", "client_secret=&client_secret=x",
	} {
		k.send("POST", "/token?"+query, "grant_type=refresh_token&refresh_token=x", header...).want(t, 400, "invalid_request")
		k.send("POST", "/introspect?"+query, "token=x", header...).want(t, 400, "invalid_request")
		k.send("POST", "/revoke?"+query, "token=x", header...).want(t, 400, "invalid_request")
		k.send("GET", "/userinfo?"+query, "", "Authorization", "Bearer "+token).want(t, 400, "invalid_request")
	}
}

func TestSpacesBehindTheSchemeAreOne(t *testing.T) {
	t.Parallel()
	k := start(t, idptest.Migrated(t))
	p := k.AddParty(idp.Client{})
	token := k.tokens(p).AccessToken
	for _, scheme := range []string{"Bearer ", "Bearer  ", "bearer    ", "BEARER  "} {
		k.send("GET", "/userinfo", "", "Authorization", scheme+token).want(t, 200, "")
	}
	for _, wrong := range []string{"Bearer" + token, "Bearer " + token + " x", "Bearer \t" + token} {
		if r := k.send("GET", "/userinfo", "", "Authorization", wrong); r.status != 401 {
			t.Errorf("%q: %d", wrong[:9], r.status)
		}
	}
	spaced := strings.Replace(basic(p.Client.ID, p.Secret), " ", "   ", 1)
	for _, path := range []string{"/introspect", "/revoke"} {
		k.send("POST", path, "token=x", "Authorization", spaced).want(t, 200, "")
	}
	k.send("POST", "/token", "grant_type=refresh_token&refresh_token=x", "Authorization", spaced).want(t, 400, "invalid_grant")
}

// A public client names itself, with an empty secret or none, in the body or the header.
// For a client that keeps a secret an empty one is none.
func TestAnEmptySecretIsNone(t *testing.T) {
	t.Parallel()
	k := start(t, idptest.Migrated(t))
	public, web := k.AddParty(idp.Client{Kind: idp.NativeClient}), k.AddParty(idp.Client{})
	post := k.AddParty(idp.Client{AuthMethod: idp.ClientSecretPost})
	const form = "grant_type=refresh_token&refresh_token=x"
	id := url.QueryEscape(public.Client.ID)
	for name, r := range map[string]*reply{
		"in the body":                 k.send("POST", "/token", form+"&client_id="+id+"&client_secret="),
		"in the header":               k.send("POST", "/token", form, "Authorization", basic(public.Client.ID, "")),
		"in the header and the body":  k.send("POST", "/token", form+"&client_id="+id, "Authorization", basic(public.Client.ID, "")),
		"nowhere":                     k.send("POST", "/token", form+"&client_id="+id),
		"beside an empty one as well": k.send("POST", "/token", form+"&client_id="+id+"&client_secret=", "Authorization", basic(public.Client.ID, "")),
	} {
		if r.text("error") != "invalid_grant" {
			t.Errorf("%s: %d %s", name, r.status, r.body)
		}
	}
	k.send("POST", "/revoke", "token=x", "Authorization", basic(public.Client.ID, "")).want(t, 200, "")
	for name, r := range map[string]*reply{
		"another client in the body": k.send("POST", "/token", form+"&client_id="+web.Client.ID, "Authorization", basic(public.Client.ID, "")),
		"a secret":                   k.send("POST", "/token", form, "Authorization", basic(public.Client.ID, "x")),
		"a secret in the body":       k.send("POST", "/token", form+"&client_secret=x", "Authorization", basic(public.Client.ID, "")),
		"a confidential one":         k.send("POST", "/token", form, "Authorization", basic(web.Client.ID, "")),
		"a confidential one by post": k.send("POST", "/token", form+"&client_secret=&client_id="+post.Client.ID),
		"nobody":                     k.send("POST", "/revoke", "token=x", "Authorization", basic("", "")),
		"another scheme":             k.send("POST", "/token", form+"&client_id="+id, "Authorization", "Bearer x"),
		"introspection":              k.send("POST", "/introspect", "token=x", "Authorization", basic(public.Client.ID, "")),
	} {
		if status := map[bool]int{true: 400, false: 401}[name == "a confidential one by post"]; r.status != status || r.text("error") != "invalid_client" {
			t.Errorf("%s: %d %s", name, r.status, r.body)
		}
	}
}
