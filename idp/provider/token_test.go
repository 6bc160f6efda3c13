package provider_test

import (
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
)

func TestCodeExchangeChecksPKCE(t *testing.T) {
	t.Parallel()
	k := start(t, idptest.Migrated(t))
	web := k.AddParty(idp.Client{RequirePKCE: true})
	native := k.AddParty(idp.Client{Kind: idp.NativeClient})
	past := k.AddParty(idp.Client{})
	short := oauth2.S256ChallengeFromVerifier("short")
	none := []string{"code_challenge", "", "code_challenge_method", ""}
	for name, c := range map[string]struct {
		party    *idptest.Party
		pairs    []string
		verifier string // "right" for the attempt's own
		want     string
	}{
		"the right verifier":                          {web, nil, "right", ""},
		"the right verifier of a public client":       {native, nil, "right", ""},
		"no verifier":                                 {web, nil, "", "invalid_grant"},
		"no verifier of a public client":              {native, nil, "", "invalid_grant"},
		"no verifier of a client that may go without": {past, nil, "", "invalid_grant"},
		"another verifier":                            {web, nil, oauth2.GenerateVerifier(), "invalid_grant"},
		"a short verifier that matches":               {web, []string{"code_challenge", short}, "short", "invalid_grant"},
		"a long verifier":                             {web, nil, strings.Repeat("v", 129), "invalid_grant"},
		"a verifier without a challenge":              {past, none, oauth2.GenerateVerifier(), "invalid_grant"},
		"neither, where that is allowed":              {past, none, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			a := c.party.Begin()
			target := edit(a.URL, c.pairs...)
			code := c.party.Code(a, k.browser.Get(target).Left)
			if c.verifier == "right" {
				c.verifier = a.Verifier
			}
			r := k.redeem(c.party, code, c.verifier)
			if c.want == "" {
				r.want(t, 200, "")
				return
			}
			r.want(t, 400, c.want)
			if r.text("access_token") != "" {
				t.Error("a token nevertheless")
			}
		})
	}
}

func TestOneOfFiftyRedeemsACodeAndTheSecondUseRevokesIt(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		k := start(t, db.URL)
		p := k.AddParty(idp.Client{})
		a, code := k.code(p)
		var winner *reply
		for _, r := range idptest.Race(50, func(int) *reply { return k.redeem(p, code, a.Verifier) }) {
			if r.status != 200 {
				r.want(t, 400, "invalid_grant")
				continue
			}
			if winner != nil {
				t.Error("two winners")
			}
			winner = r
		}
		if winner == nil {
			t.Fatal("no winner")
		}
		k.redeem(p, code, a.Verifier).want(t, 400, "invalid_grant")
		if r := k.userinfo(winner.text("access_token")); r.status != 401 {
			t.Errorf("userinfo after the second use: %d %s", r.status, r.body)
		}
		k.refresh(p, winner.text("refresh_token")).want(t, 400, "invalid_grant")
		if n := k.Audited(idp.AuditCodeReused); n != 1 {
			t.Errorf("%d audit events of a reused code, want 1", n)
		}
	})
}

func TestSecondUseOfACodeRevokesAJWTToo(t *testing.T) {
	t.Parallel()
	k := start(t, idptest.Migrated(t))
	p := k.AddParty(idp.Client{TokenFormat: idp.JWTToken})
	a, code := k.code(p)
	token := k.redeem(p, code, a.Verifier).text("access_token")
	if r := k.userinfo(token); r.status != 200 {
		t.Fatalf("userinfo: %d %s", r.status, r.body)
	}
	k.redeem(p, code, a.Verifier).want(t, 400, "invalid_grant")
	r := k.userinfo(token)
	r.want(t, 401, "invalid_token")
}

func TestCodeIsForOneClientOneRedirectURIAndAMinute(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		k := start(t, db.URL)
		p := k.AddParty(idp.Client{RedirectURIs: []string{idptest.RedirectURI, "https://app.example/cb"}})
		other := k.AddParty(idp.Client{})
		a, code := k.code(p)
		k.redeem(other, code, a.Verifier).want(t, 400, "invalid_grant")
		form := codeForm(p, code, a.Verifier)
		form.Set("redirect_uri", "https://app.example/cb")
		k.post(p, form).want(t, 400, "invalid_grant")
		form.Del("redirect_uri")
		k.post(p, form).want(t, 400, "invalid_request")
		k.redeem(p, "invented", a.Verifier).want(t, 400, "invalid_grant")
		k.redeem(p, "a\x00\xff", a.Verifier).want(t, 400, "invalid_grant")
		k.exec("UPDATE grants SET code_expires_at = " + ago(time.Second))
		k.redeem(p, code, a.Verifier).want(t, 400, "invalid_grant")
		k.exec("UPDATE grants SET code_expires_at = " + ago(-time.Minute))
		k.redeem(p, code, a.Verifier).want(t, 200, "")
	})
}

func TestCodeOfASessionThatEndedIsWorthNothing(t *testing.T) {
	t.Parallel()
	k := start(t, idptest.Migrated(t))
	p := k.AddParty(idp.Client{})
	a, code := k.code(p)
	k.exec("UPDATE sessions SET ended_at = " + ago(0))
	k.redeem(p, code, a.Verifier).want(t, 400, "invalid_grant")
}

func TestOtherGrantsAreRefused(t *testing.T) {
	t.Parallel()
	k := start(t, idptest.Migrated(t))
	p := k.AddParty(idp.Client{})
	assertion, err := k.Keys.Sign(idp.RS256, "JWT", []byte(`{"iss":"`+p.Client.ID+`","sub":"`+p.Client.ID+`"}`))
	idptest.Must(t, err)
	for _, grant := range []string{
		"urn:ietf:params:oauth:grant-type:jwt-bearer", "password", "implicit",
		"bogus",
	} {
		r := k.post(p, url.Values{
			"grant_type": {grant}, "assertion": {assertion}, "scope": {"openid"}, "username": {"maya@rtx.example"},
			"subject_token": {assertion}, "subject_token_type": {"urn:ietf:params:oauth:token-type:jwt"},
		})
		r.want(t, 400, "unsupported_grant_type")
	}
	k.post(p, url.Values{"code": {"x"}}).want(t, 400, "invalid_request")
	only := k.AddParty(idp.Client{GrantTypes: []string{"authorization_code"}})
	a, code := k.code(only)
	r := k.redeem(only, code, a.Verifier)
	if r.want(t, 200, ""); r.text("refresh_token") != "" {
		t.Error("a refresh token that the client may not use")
	}
	k.refresh(only, k.tokens(p).RefreshToken).want(t, 400, "unauthorized_client")
}

// named are credentials in the body.
func named(id, secret string) url.Values {
	v := url.Values{"client_id": {id}}
	if secret != "" {
		v.Set("client_secret", secret)
	}
	return v
}

// RFC 6749 sections 2.3.1 and 5.2: the secret comes by either way, and 401 answers the header.
func TestClientsAuthenticateByTheirSecretOrTheirID(t *testing.T) {
	t.Parallel()
	k := start(t, idptest.Migrated(t))
	web := k.AddParty(idp.Client{})
	post := k.AddParty(idp.Client{AuthMethod: idp.ClientSecretPost})
	native := k.AddParty(idp.Client{Kind: idp.NativeClient})
	assertion := url.Values{
		"client_id": {web.Client.ID}, "client_assertion": {"a.b.c"},
		"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
	}
	for name, c := range map[string]struct {
		header string
		form   url.Values
		status int
		want   string
	}{
		"basic where post is registered":    {basic(post.Client.ID, post.Secret), nil, 400, "invalid_grant"},
		"post where basic is registered":    {"", named(web.Client.ID, web.Secret), 400, "invalid_grant"},
		"both at once":                      {basic(web.Client.ID, web.Secret), named(web.Client.ID, web.Secret), 400, "invalid_request"},
		"basic and an empty secret":         {basic(web.Client.ID, web.Secret), url.Values{"client_secret": {""}}, 400, "invalid_grant"},
		"two clients":                       {basic(web.Client.ID, web.Secret), named(native.Client.ID, ""), 401, "invalid_client"},
		"a wrong secret by basic":           {basic(web.Client.ID, "wrong"), nil, 401, "invalid_client"},
		"a wrong secret by post":            {"", named(post.Client.ID, "wrong"), 400, "invalid_client"},
		"two ids, one in the body":          {basic(web.Client.ID, web.Secret), named(post.Client.ID, ""), 401, "invalid_client"},
		"another client's secret":           {basic(web.Client.ID, post.Secret), nil, 401, "invalid_client"},
		"no secret":                         {"", named(web.Client.ID, ""), 400, "invalid_client"},
		"an empty secret by basic":          {basic(web.Client.ID, ""), nil, 401, "invalid_client"},
		"an unknown client by basic":        {basic("nobody", "x"), nil, 401, "invalid_client"},
		"an unknown client by post":         {"", named("nobody", "x"), 400, "invalid_client"},
		"an unknown public client":          {"", named("nobody", ""), 400, "invalid_client"},
		"a client that cannot be stored":    {"", named("a\x00", "x"), 400, "invalid_client"},
		"a public client with a secret":     {"", named(native.Client.ID, "x"), 400, "invalid_client"},
		"a public client by basic":          {basic(native.Client.ID, ""), nil, 400, "invalid_grant"}, // its secret is empty: none
		"an assertion":                      {"", assertion, 400, "invalid_client"},
		"a bad escape":                      {basic("%zz", "x"), nil, 401, "invalid_client"},
		"a bearer token":                    {"Bearer x", named(web.Client.ID, ""), 401, "invalid_client"},
		"a bearer token and the secret":     {"Bearer x", named(web.Client.ID, web.Secret), 401, "invalid_client"},
		"a bearer token of a public client": {"Bearer x", named(native.Client.ID, ""), 401, "invalid_client"},
		"authenticated, but a wrong code":   {basic(web.Client.ID, web.Secret), nil, 400, "invalid_grant"},
		"authenticated by post, wrong code": {"", named(post.Client.ID, post.Secret), 400, "invalid_grant"},
	} {
		t.Run(name, func(t *testing.T) {
			form := codeForm(web, "invented", "")
			maps.Copy(form, c.form)
			wantAuthentication(t, k.send("POST", "/token", form.Encode(), "Authorization", c.header), c.status, c.want)
		})
	}
	if k.Audited(idp.AuditClientAuthFailed) == 0 {
		t.Error("no failure in the audit log")
	}
}

func wantAuthentication(t *testing.T, r *reply, status int, code string) {
	t.Helper()
	r.want(t, status, code)
	challenge := r.header.Get("WWW-Authenticate")
	if (status == 401) != strings.HasPrefix(challenge, "Basic ") {
		t.Errorf("WWW-Authenticate %q", challenge)
	}
	if r.header.Get("Cache-Control") != "no-store" {
		t.Errorf("Cache-Control %q", r.header.Get("Cache-Control"))
	}
}

func TestTokenRefusesWhatEndsUpInLogs(t *testing.T) {
	t.Parallel()
	k := start(t, idptest.Migrated(t))
	p := k.AddParty(idp.Client{AuthMethod: idp.ClientSecretPost})
	a, code := k.code(p)
	form := codeForm(p, code, a.Verifier)
	form.Set("client_id", p.Client.ID)
	form.Set("client_secret", p.Secret)
	r := k.send("GET", "/token?"+form.Encode(), "")
	r.want(t, http.StatusMethodNotAllowed, "invalid_request")
	if !strings.Contains(r.header.Get("Allow"), "POST") {
		t.Errorf("Allow %q", r.header.Get("Allow"))
	}
	secret := url.Values{"client_secret": {p.Secret}}
	form.Del("client_secret")
	k.send("POST", "/token?"+secret.Encode(), form.Encode()).want(t, 400, "invalid_request")
	form.Set("client_secret", p.Secret)
	k.send("POST", "/token", form.Encode()+"&code=other").want(t, 400, "invalid_request")
	k.send("POST", "/token", form.Encode()).want(t, 200, "")
}

func TestTokenResponsesAreNotCached(t *testing.T) {
	t.Parallel()
	k := start(t, idptest.Migrated(t))
	p := k.AddParty(idp.Client{})
	a, code := k.code(p)
	r := k.redeem(p, code, a.Verifier)
	again := k.refresh(p, r.text("refresh_token"))
	for _, r := range []*reply{r, again, k.refresh(p, "invented")} {
		if r.header.Get("Cache-Control") != "no-store" {
			t.Errorf("%d: Cache-Control %q", r.status, r.header.Get("Cache-Control"))
		}
	}
	if r.text("token_type") != "Bearer" || r.json["expires_in"] != float64(900) {
		t.Errorf("answer %s", r.body)
	}
}

func TestBodiesAreLimited(t *testing.T) {
	t.Parallel()
	k := start(t, idptest.Migrated(t))
	body := "grant_type=authorization_code&code=" + strings.Repeat("a", 64<<10)
	for _, path := range []string{"/token", "/authorize", "/end_session", "/end_session/confirm", "/introspect", "/revoke"} {
		if r := k.send("POST", path, body); r.status != http.StatusRequestEntityTooLarge {
			t.Errorf("%s: %d, want 413", path, r.status)
		}
		req, err := http.NewRequest("POST", k.Issuer+path, strings.NewReader(body))
		idptest.Must(t, err)
		req.ContentLength = -1
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if r := k.do(req); r.status != http.StatusRequestEntityTooLarge {
			t.Errorf("%s without a length: %d, want 413", path, r.status)
		}
	}
}

func TestDatabaseErrorsDoNotLeak(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		k := start(t, db.URL)
		p := k.AddParty(idp.Client{})
		tokens := k.tokens(p)
		a, code := k.code(p)
		idptest.Must(t, k.Store.Close())
		for name, r := range map[string]*reply{
			"code": k.redeem(p, code, a.Verifier), "refresh": k.refresh(p, tokens.RefreshToken),
			"unknown client": k.send("POST", "/token", codeForm(p, code, "").Encode()+"&client_id=nobody"),
			"userinfo":       k.userinfo(tokens.AccessToken),
		} {
			if r.want(t, 500, "server_error"); leaks(r.body) {
				t.Errorf("%s: %s", name, r.body)
			}
		}
		for _, target := range []string{a.URL, k.Issuer + "/end_session?id_token_hint=" + tokens.RawID} {
			page := k.browser.Get(target)
			wantPage(t, page, 500)
			if id := page.Header.Get("X-Request-Id"); id == "" || !strings.Contains(page.Body, id) || leaks(page.Body) {
				t.Errorf("page %s", page.Body)
			}
		}
	})
}

func leaks(body string) bool {
	for _, word := range []string{"sql", "closed", "pool", "database", "SELECT", "read ", "goroutine"} {
		if strings.Contains(body, word) {
			return true
		}
	}
	return false
}
