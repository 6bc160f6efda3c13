package provider_test

import (
	"net/url"
	"strings"
	"testing"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
)

func TestAuthorizeAnswersErrorsAtTheRedirectURI(t *testing.T) {
	t.Parallel()
	k := start(t, idptest.Migrated(t))
	web := k.AddParty(idp.Client{})
	native := k.AddParty(idp.Client{Kind: idp.NativeClient})
	careful := k.AddParty(idp.Client{RequirePKCE: true})
	noCode := k.AddParty(idp.Client{GrantTypes: []string{"refresh_token"}})
	noOpenID := k.AddParty(idp.Client{Scopes: []string{"email"}})
	for name, c := range map[string]struct {
		party *idptest.Party
		pairs []string
		want  string
	}{
		"no code_challenge":                    {careful, []string{"code_challenge", "", "code_challenge_method", ""}, "invalid_request"},
		"no code_challenge of a public client": {native, []string{"code_challenge", "", "code_challenge_method", ""}, "invalid_request"},
		"method plain":                         {web, []string{"code_challenge_method", "plain"}, "invalid_request"},
		"method plain of a public client":      {native, []string{"code_challenge_method", "plain"}, "invalid_request"},
		"no code_challenge_method":             {web, []string{"code_challenge_method", ""}, "invalid_request"},
		"method without challenge":             {web, []string{"code_challenge", ""}, "invalid_request"},
		"short code_challenge":                 {web, []string{"code_challenge", "short"}, "invalid_request"},
		"code_challenge of other letters":      {web, []string{"code_challenge", strings.Repeat("+", 43)}, "invalid_request"},
		"request":                              {web, []string{"request", "eyJhbGciOiJub25lIn0.e30."}, "request_not_supported"},
		"request_uri":                          {web, []string{"request_uri", "https://evil.example/r"}, "request_uri_not_supported"},
		"registration":                         {web, []string{"registration", "{}"}, "registration_not_supported"},
		"resource":                             {web, []string{"resource", "https://api.example"}, "invalid_target"},
		"no response_type":                     {web, []string{"response_type", ""}, "invalid_request"},
		"response_type=token":                  {web, []string{"response_type", "token"}, "unsupported_response_type"},
		"response_type=id_token":               {web, []string{"response_type", "id_token"}, "unsupported_response_type"},
		"response_type=code id_token":          {web, []string{"response_type", "code id_token"}, "unsupported_response_type"},
		"response_mode=bogus":                  {web, []string{"response_mode", "bogus"}, "invalid_request"},
		"max_age=-1":                           {web, []string{"max_age", "-1"}, "invalid_request"},
		"max_age=abc":                          {web, []string{"max_age", "abc"}, "invalid_request"},
		"prompt=none login":                    {web, []string{"prompt", "none login"}, "invalid_request"},
		"prompt=bogus":                         {web, []string{"prompt", "bogus"}, "invalid_request"},
		"no scope":                             {web, []string{"scope", ""}, "invalid_scope"},
		"no scope openid":                      {web, []string{"scope", "email"}, "invalid_scope"},
		"openid is not the client's":           {noOpenID, nil, "invalid_scope"},
		"the client has no authorization_code": {noCode, nil, "unauthorized_client"},
		"id_token_hint is no token":            {web, []string{"id_token_hint", "a.b.c"}, "invalid_request"},
		"nonce too long":                       {web, []string{"nonce", strings.Repeat("n", 2049)}, "invalid_request"},
		"login_hint too long":                  {web, []string{"login_hint", strings.Repeat("n", 321)}, "invalid_request"},
		"login_hint that cannot be stored":     {web, []string{"login_hint", "a\x00b"}, "invalid_request"},
		"nonce that is not UTF-8":              {web, []string{"nonce", "\xff"}, "invalid_request"},
	} {
		t.Run(name, func(t *testing.T) {
			a := c.party.Begin()
			page := k.browser.Get(edit(a.URL, c.pairs...))
			k.wantError(t, c.party, a, page, c.want)
			if page.Header.Get("Cache-Control") != "no-store" {
				t.Errorf("Cache-Control %q", page.Header.Get("Cache-Control"))
			}
		})
	}
}

func TestAuthorizeRefusesDoubledParameters(t *testing.T) {
	t.Parallel()
	k := start(t, idptest.Migrated(t))
	p := k.AddParty(idp.Client{})
	for _, name := range []string{"scope", "response_type", "nonce", "code_challenge", "prompt", "max_age", "unheard_of"} {
		a := p.Begin()
		k.wantError(t, p, a, k.browser.Get(a.URL+"&"+name+"=openid&"+name+"=openid"), "invalid_request")
	}
	for _, name := range []string{"client_id", "redirect_uri"} {
		wantPage(t, k.browser.Get(p.Begin().URL+"&"+name+"="+url.QueryEscape(p.Client.ID)), 400)
	}
}

func TestRedirectURIsMatchExactly(t *testing.T) {
	t.Parallel()
	k := start(t, idptest.Migrated(t))
	web := k.AddParty(idp.Client{RedirectURIs: []string{"https://app.example/cb", "http://127.0.0.1:1/cb"}})
	native := k.AddParty(idp.Client{Kind: idp.NativeClient, RedirectURIs: []string{"http://127.0.0.1:1/cb", "com.example.app:/cb"}})
	for name, c := range map[string]struct {
		party *idptest.Party
		uri   string
		code  bool
	}{
		"the registered one":               {web, "https://app.example/cb", true},
		"none":                             {web, "", false},
		"a slash more":                     {web, "https://app.example/cb/", false},
		"a query more":                     {web, "https://app.example/cb?x=1", false},
		"a fragment":                       {web, "https://app.example/cb#x", false},
		"an empty fragment":                {web, "https://app.example/cb#", false},
		"http":                             {web, "http://app.example/cb", false},
		"capitals":                         {web, "https://APP.example/cb", false},
		"a port":                           {web, "https://app.example:443/cb", false},
		"another host":                     {web, "https://evil.example/cb", false},
		"a user":                           {web, "https://app.example@evil.example/cb", false},
		"a host that begins so":            {web, "https://app.example.evil.example/cb", false},
		"a path that leads elsewhere":      {web, "https://app.example/cb/../x", false},
		"escaped":                          {web, "https://app.example/%63b", false},
		"a script":                         {web, "javascript:alert(1)", false},
		"a web app's loopback, other port": {web, "http://127.0.0.1:2/cb", false},
		"loopback":                         {native, "http://127.0.0.1:1/cb", true},
		"loopback, other port":             {native, "http://127.0.0.1:51004/cb", true},
		"loopback without port":            {native, "http://127.0.0.1/cb", true},
		"loopback, other path":             {native, "http://127.0.0.1:1/other", false},
		"loopback, other scheme":           {native, "https://127.0.0.1:1/cb", false},
		"loopback, other address":          {native, "http://127.0.0.2:1/cb", false},
		"loopback by name":                 {native, "http://localhost:1/cb", false},
		"loopback of IPv6":                 {native, "http://[::1]:1/cb", false},
		"loopback with a user":             {native, "http://127.0.0.1:1@evil.example/cb", false},
		"private scheme":                   {native, "com.example.app:/cb", true},
		"another private scheme":           {native, "com.example.evil:/cb", false},
	} {
		t.Run(name, func(t *testing.T) {
			a := c.party.Begin()
			page := k.opens(edit(a.URL, "redirect_uri", c.uri))
			if !c.code {
				wantPage(t, page, 400)
				return
			}
			c.party.Code(a, page.Left)
			if !strings.HasPrefix(page.Left.String(), c.uri+"?") {
				t.Errorf("sent to %s", page.Left)
			}
		})
	}
	if k.Audited(idp.AuditAuthorizeRefused) == 0 {
		t.Error("no refusal in the audit log")
	}
}

func TestErrorsAreNeverRedirectedToAnUnregisteredURI(t *testing.T) {
	t.Parallel()
	k := start(t, idptest.Migrated(t))
	p := k.AddParty(idp.Client{})
	evil := []string{"redirect_uri", "https://evil.example/"}
	for name, pairs := range map[string][]string{
		"unknown client":           {"client_id", "nobody"},
		"no client":                {"client_id", ""},
		"client with a zero byte":  {"client_id", "a\x00"},
		"client that is not UTF-8": {"client_id", "\xff"},
		"prompt":                   append([]string{"prompt", "none"}, evil...),
		"response type":            append([]string{"response_type", "token"}, evil...),
		"request object":           append([]string{"request", "e30.e30."}, evil...),
		"scope":                    append([]string{"scope", ""}, evil...),
	} {
		t.Run(name, func(t *testing.T) {
			page := k.browser.Get(edit(p.Begin().URL, pairs...))
			wantPage(t, page, 400)
			if page.LeadsTo("evil.example") {
				t.Error("the page leads to the address")
			}
		})
	}
}

func TestPromptNone(t *testing.T) {
	t.Parallel()
	k := start(t, idptest.Migrated(t))
	p := k.AddParty(idp.Client{})
	onlyPassword, _ := k.signIn(k.person("half@rtx.example"), idp.MethodPassword)
	other, _ := k.signIn(k.person("other@rtx.example"), idp.MethodPassword, idp.MethodTOTP)
	hint := k.tokens(p).RawID
	for name, c := range map[string]struct {
		browser *idptest.Browser
		pairs   []string
		want    string
	}{
		"nobody is signed in":         {idptest.NewBrowser(t), nil, "login_required"},
		"somebody else is signed in":  {other, []string{"id_token_hint", hint}, "login_required"},
		"not recently enough":         {k.browser, []string{"max_age", "1"}, "login_required"},
		"the second step is missing":  {onlyPassword, nil, "interaction_required"},
		"signed in":                   {k.browser, nil, ""},
		"signed in, as the hint says": {k.browser, []string{"id_token_hint", hint}, ""},
		"signed in, recently enough":  {k.browser, []string{"max_age", "3600"}, ""},
		"login_hint of somebody else": {k.browser, []string{"login_hint", "other@rtx.example"}, "login_required"},
	} {
		t.Run(name, func(t *testing.T) {
			a := p.Begin(append([]string{"prompt", "none"}, c.pairs...)...)
			page := c.browser.Get(a.URL)
			if c.want == "" {
				p.Exchange(a, page.Left)
				return
			}
			k.wantError(t, p, a, page, c.want)
		})
	}
}

func TestPromptNoneWithTwoAccountsAsksToSelect(t *testing.T) {
	t.Parallel()
	k := start(t, idptest.Migrated(t))
	p := k.AddParty(idp.Client{Populations: []string{idp.Agents, idp.Contacts}})
	second := idptest.User(idp.Contacts, "maya@customer.example")
	idptest.Must(t, k.Store.CreateUser(t.Context(), second))
	k.signInTo(k.browser, k.session.BrowserHash, second, idp.MethodPassword, idp.MethodTOTP)
	a := p.Begin("prompt", "none")
	k.wantError(t, p, a, k.browser.Get(a.URL), "account_selection_required")
	a = p.Begin("prompt", "none", "login_hint", "MAYA@customer.example")
	if got := p.Exchange(a, k.browser.Get(a.URL).Left).ID.Subject; got != second.ID {
		t.Errorf("sub %s, want %s", got, second.ID)
	}
}

func TestFreshSignInIsAskedForOnceAndEndsInACode(t *testing.T) {
	t.Parallel()
	k := start(t, idptest.Migrated(t))
	k.exec("UPDATE policies SET authenticator = false")
	user := k.AddUser(idp.Agents, "fresh@rtx.example")
	p := k.AddParty(idp.Client{})
	for name, pairs := range map[string][]string{
		"max_age=0":    {"max_age", "0"},
		"prompt=login": {"prompt", "login"},
	} {
		t.Run(name, func(t *testing.T) {
			browser, session := k.signIn(user, idp.MethodPassword)
			a := p.Begin(pairs...)
			page := browser.Get(a.URL)
			if page.Left != nil {
				t.Fatalf("answered at once: %s", page.Left)
			}
			page = browser.Submit(page, "/password", "email", user.Email, "password", idptest.Password)
			tokens := p.Exchange(a, page.Left)
			if at, _ := tokens.Claims["auth_time"].(float64); int64(at) < session.CreatedAt.Unix() {
				t.Errorf("auth_time %v is before the request", tokens.Claims["auth_time"])
			}
		})
	}
}

func TestACRValuesAreEchoedAndUnknownOnesIgnored(t *testing.T) {
	t.Parallel()
	k := start(t, idptest.Migrated(t))
	p := k.AddParty(idp.Client{})
	for requested, want := range map[string]string{
		"":                                   "urn:gatehouse:acr:mfa",
		"urn:bogus":                          "urn:gatehouse:acr:mfa",
		"https://refeds.org/profile/mfa":     "https://refeds.org/profile/mfa",
		"urn:bogus urn:gatehouse:acr:mfa":    "urn:gatehouse:acr:mfa",
		"phr urn:gatehouse:acr:mfa":          "urn:gatehouse:acr:mfa",
		"urn:gatehouse:acr:password":         "urn:gatehouse:acr:password",
		"phr urn:gatehouse:acr:two-step":     "urn:gatehouse:acr:two-step",
		"phr https://refeds.org/profile/mfa": "https://refeds.org/profile/mfa",
	} {
		tokens := k.tokens(p, "acr_values", requested)
		if tokens.Claims["acr"] != want {
			t.Errorf("acr_values %q: acr %v, want %s", requested, tokens.Claims["acr"], want)
		}
	}
}

func TestScopesThatAreNotAllowedAreDroppedAndTold(t *testing.T) {
	t.Parallel()
	k := start(t, idptest.Migrated(t))
	p := k.AddParty(idp.Client{Scopes: []string{"openid", "email"}})
	a, code := k.code(p, "scope", "openid profile email admin openid")
	r := k.redeem(p, code, a.Verifier)
	if r.text("scope") != "openid email" {
		t.Errorf("scope %q", r.text("scope"))
	}
	info := k.userinfo(r.text("access_token"))
	if info.json["name"] != nil || info.text("email") != k.user.Email || info.text("sub") != k.user.ID {
		t.Errorf("userinfo %s", info.body)
	}
}

func TestAuthorizeTakesAPostLikeAGet(t *testing.T) {
	t.Parallel()
	k := start(t, idptest.Migrated(t))
	p := k.AddParty(idp.Client{})
	a := p.Begin()
	target, query, _ := strings.Cut(a.URL, "?")
	form, err := url.ParseQuery(query)
	idptest.Must(t, err)
	p.Exchange(a, k.browser.Post(target, form).Left)
}

func TestBytesThatADatabaseCannotStoreAreNotOurFault(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		k := start(t, db.URL)
		p, b := k.AddParty(idp.Client{}), idptest.NewBrowser(t)
		for _, bytes := range []string{"a\x00b", "\xff"} {
			for _, name := range []string{"state", "nonce", "login_hint", "ui_locales"} {
				page := b.Get(edit(p.Begin().URL, name, bytes))
				if page.Left == nil || page.Left.Query().Get("error") != "invalid_request" {
					t.Errorf("%s %q: %d, %v", name, bytes, page.Status, page.Left)
				}
			}
			for _, name := range []string{"prompt", "max_age", "code_challenge", "response_mode"} {
				if page := b.Get(edit(p.Begin().URL, name, bytes)); page.Left == nil {
					t.Errorf("%s %q: %d", name, bytes, page.Status)
				}
			}
			for _, name := range []string{"scope", "acr_values"} { // words that mean nothing are dropped
				if page := b.Get(edit(p.Begin().URL, name, "openid "+bytes)); page.Status >= 500 {
					t.Errorf("%s %q: %d", name, bytes, page.Status)
				}
			}
			wantPage(t, b.Get(edit(p.Begin().URL, "client_id", bytes)), 400)
			wantPage(t, b.Get(k.endSession("client_id", bytes)), 200)
			wantPage(t, b.Get(k.Issuer+"/login/"+url.PathEscape(bytes)), 410)
			form := codeForm(p, bytes, bytes)
			form.Set("client_id", bytes)
			k.send("POST", "/token", form.Encode()).want(t, 400, "invalid_client")
			k.redeem(p, bytes, "").want(t, 400, "invalid_grant")
			k.refresh(p, bytes).want(t, 400, "invalid_grant")
		}
	})
}
